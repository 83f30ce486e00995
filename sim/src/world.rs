//! The run: windows of time, the sender first, then every receiver.

use crate::check::{Checker, Rule};
use crate::draw::stream;
use crate::forgery::Attacker;
use crate::image::Image;
use crate::receiver::{Moment, ReceiverNode, Surroundings};
use crate::report::{Completion, QueueDepth, Report, SCHEMA};
use crate::scenario::{Content, Fault, Scenario, ScenarioError};
use crate::sender::{Feedback, SenderNode};
use crate::trunk::{Departure, Trunk};
use linecast_protocol::offer::{IMAGE_TOI, SessionShape};
use linecast_protocol::pacer::l2_bytes;
use linecast_protocol::random::Random;
use linecast_protocol::wire::DATA_HEADER_BYTES;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// After the sender is done, receivers go on for this long.
const AFTERMATH_NS: u64 = 1_000_000_000;

/// Runs a scenario to its end.
///
/// # Errors
/// A value of the scenario is out of range.
pub fn run(scenario: &Scenario) -> Result<Report, ScenarioError> {
    scenario.check()?;
    let mut world = World::new(scenario);
    // One seed that panics must not hide what the others show.
    if catch_unwind(AssertUnwindSafe(|| world.run())).is_err() {
        let at = world.now;
        world.checker.violated(Rule::NoPanic, at, "see above");
    }
    Ok(world.report())
}

/// What happens to the sender, or by others, and when.
#[derive(Debug, Clone, Copy)]
enum Happening {
    CrashSender,
    StartSender,
    Forge(u32),
    Replay(u32),
}

struct World<'a> {
    scenario: &'a Scenario,
    now: u64,
    sender: SenderNode,
    receivers: Vec<ReceiverNode>,
    trunk: Trunk,
    shapes: BTreeMap<u16, SessionShape>,
    image: Option<Arc<Image>>,
    departures: Vec<Departure>,
    feedback: Vec<Feedback>,
    happenings: Vec<(u64, Happening)>,
    attacker: Option<Attacker>,
    random: Random,
    checker: Checker,
    faults_end: u64,
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario) -> World<'a> {
        let mut random = stream(scenario.seed, 1);
        let real = scenario.content == Content::Bytes;
        let image = real.then(|| {
            Arc::new(Image::random(
                scenario.size_bytes,
                scenario.codec,
                &mut random,
            ))
        });
        let mut happenings = happenings(scenario);
        happenings.sort_by_key(|&(at, _)| std::cmp::Reverse(at));
        let attacked = scenario
            .faults
            .iter()
            .any(|fault| matches!(fault, Fault::Forge { .. } | Fault::Replay { .. }));
        let sender = SenderNode::new(scenario, image.clone());
        let ends = scenario
            .faults
            .iter()
            .map(|fault| fault.end().as_nanos() as u64);
        World {
            now: 0,
            shapes: BTreeMap::from([(sender.instance_id(), sender.objects.shape)]),
            sender,
            receivers: (0..scenario.receivers)
                .map(|index| ReceiverNode::new(index, scenario))
                .collect(),
            trunk: Trunk::new(scenario),
            image,
            departures: Vec::new(),
            feedback: Vec::new(),
            happenings,
            attacker: attacked.then(Attacker::default),
            random,
            checker: Checker::default(),
            faults_end: ends.max().unwrap_or(0),
            scenario,
        }
    }

    fn run(&mut self) {
        // What a receiver says reaches the sender no sooner than this.
        let window = (self.scenario.rtt.as_nanos() as u64 / 2).max(1);
        let limit = self.faults_end + self.scenario.limit.as_nanos() as u64;
        let mut last = u64::MAX;
        loop {
            if self.sender.is_done() && !self.sender_returns() {
                last = last.min(self.now + AFTERMATH_NS);
            }
            if self.now >= last || self.is_settled() {
                break;
            }
            if self.now >= limit {
                self.checker.violated(
                    Rule::Ends,
                    self.now,
                    format!("{} incomplete", self.incomplete().len()),
                );
                break;
            }
            let happening = self.happenings.last().map_or(u64::MAX, |(at, _)| *at);
            let next = self.next_event().min(happening).min(last).min(limit);
            self.now = self.now.max(next);
            if happening <= self.now
                && let Some((_, what)) = self.happenings.pop()
            {
                self.happen(what);
                continue;
            }
            let end = (self.now + window).min(happening);
            self.step(end);
        }
        self.check_completion();
    }

    fn sender_returns(&self) -> bool {
        let returns = |(_, what): &(u64, Happening)| matches!(what, Happening::StartSender);
        self.happenings.iter().any(returns)
    }

    fn is_settled(&self) -> bool {
        let sender = self.sender.is_done() && !self.sender_returns();
        sender && self.receivers.iter().all(ReceiverNode::is_settled)
    }

    fn next_event(&self) -> u64 {
        let arrival = |node: &ReceiverNode| node.next_arrival(&self.trunk).min(node.next_event());
        let receivers = self.receivers.iter().map(arrival).min();
        let departing = self.departures.iter().map(|departure| departure.at).min();
        self.sender
            .next_event()
            .min(receivers.unwrap_or(u64::MAX))
            .min(departing.unwrap_or(u64::MAX))
    }

    /// Everybody lives until `end`.
    fn step(&mut self, end: u64) {
        self.sender.run(
            end,
            &self.receivers,
            &mut self.departures,
            &mut self.checker,
        );
        // Lanes number their packets on their own; the wire has one order.
        self.departures.sort_by_key(|departure| departure.at);
        let leaving = self
            .departures
            .partition_point(|departure| departure.at < end);
        for departure in self.departures.drain(..leaving) {
            if let Some(attacker) = &mut self.attacker {
                attacker.overhear(&departure);
            }
            self.trunk.carry(departure);
        }
        let around = Surroundings {
            scenario: self.scenario,
            trunk: &self.trunk,
            shapes: &self.shapes,
            image: &self.image,
        };
        for receiver in &mut self.receivers {
            let mut moment = Moment {
                at: self.now,
                around: &around,
                out: &mut self.feedback,
                checker: &mut self.checker,
            };
            receiver.run(end, &mut moment);
        }
        self.deliver_feedback();
        let needed = self.receivers.iter().map(ReceiverNode::oldest_needed).min();
        self.trunk
            .forget_before(needed.unwrap_or(u64::MAX).min(self.trunk.end()));
        self.now = end;
    }

    fn deliver_feedback(&mut self) {
        if self.feedback.is_empty() {
            return;
        }
        if let Some(attacker) = &mut self.attacker {
            self.feedback
                .iter()
                .for_each(|f| attacker.overhear_feedback(f));
        }
        self.sender.inbox.extend(self.feedback.drain(..));
        let waiting = self.sender.inbox.make_contiguous();
        waiting.sort_by_key(|feedback| (feedback.at, feedback.from));
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::CrashSender => {
                self.sender.crash();
                self.departures.clear();
            }
            Happening::StartSender => {
                self.sender
                    .start(self.now, self.scenario, self.image.clone());
                self.shapes
                    .insert(self.sender.instance_id(), self.sender.objects.shape);
            }
            Happening::Forge(count) | Happening::Replay(count) => {
                let Some(attacker) = &self.attacker else {
                    return;
                };
                let instance = self.sender.instance_id();
                let (packets, feedback) = match what {
                    Happening::Forge(_) => {
                        attacker.forge(self.now, count, instance, &mut self.random)
                    }
                    _ => attacker.replay(self.now, count, &mut self.random),
                };
                self.departures.extend(packets);
                self.feedback.extend(feedback);
                self.deliver_feedback();
            }
        }
    }

    fn incomplete(&self) -> Vec<u32> {
        let lacks = |node: &&ReceiverNode| node.should_complete() && node.installed_at.is_none();
        let lacking = self.receivers.iter().filter(lacks);
        let in_time = lacking.filter(|node| !self.came_too_late(node));
        in_time.map(ReceiverNode::index).collect()
    }

    /// Whether the sender ended without having heard of a receiver, and may: as
    /// many as it waits for had come, or this one had just been started.
    fn came_too_late(&self, node: &ReceiverNode) -> bool {
        let hearing = HEARING_NS + 20 * self.scenario.rtt.as_nanos() as u64;
        let ending = self.sender.ending_at.unwrap_or(u64::MAX);
        let just_started = node.up_at > 0 && node.up_at.saturating_add(hearing) > ending;
        !self.sender.knows(&node.key()) && (just_started || self.sender.has_all())
    }

    fn check_completion(&mut self) {
        let incomplete = self.incomplete();
        self.checker
            .check(incomplete.is_empty(), Rule::LiveComplete, self.now, || {
                let phase = self.sender.machine().map(|machine| machine.phase());
                let lacking = self
                    .receivers
                    .iter()
                    .filter(|n| incomplete.contains(&n.index()));
                let standing: Vec<_> = lacking.map(ReceiverNode::standing).take(3).collect();
                format!(
                    "{} lack the image ({}); the sender is {phase:?}",
                    incomplete.len(),
                    standing.join("; ")
                )
            });
        let silenced = self.scenario.faults.iter().any(Fault::silences);
        for node in self.receivers.iter().filter(|_| !silenced) {
            let unheard = node.installed_at.is_some() && self.sender.gave_up(&node.key());
            self.checker
                .check(!unheard, Rule::CompletionHeard, self.now, || {
                    format!("receiver {} counts as stalled", node.index())
                });
        }
        let seconds = self.now as f64 / 1e9;
        for node in &mut self.receivers {
            node.note_counts();
            let counts = node.counts;
            let blocks = self.sender.objects.shape.image.blocks();
            let budget = FEEDBACK_FIRST
                + (seconds * FEEDBACK_PER_S) as u64
                + counts.delivered / node.report_packets()
                + counts.starts * u64::from(blocks) * NACKS_PER_BLOCK;
            self.checker.check(
                counts.messages <= budget,
                Rule::FeedbackBudget,
                self.now,
                || {
                    format!(
                        "receiver {} said {} of {budget}",
                        node.index(),
                        counts.messages
                    )
                },
            );
        }
    }

    fn report(&self) -> Report {
        let layout = self.sender.objects.shape.image;
        let symbols = layout.symbols();
        let totals = self.sender.lanes.totals;
        let sent = totals.source + totals.parity + totals.repair;
        let ratio = |sent: u64| {
            if symbols == 0 {
                1.0
            } else {
                sent as f64 / symbols as f64
            }
        };
        let start = self.sender.data_started.unwrap_or(0);
        let times = self.receivers.iter().filter_map(|node| node.verified_at);
        let times = times
            .map(|at| at.saturating_sub(start) as f64 / 1e6)
            .collect();
        let completion_ms = Completion::of(times);
        let wire = l2_bytes(DATA_HEADER_BYTES, false) as u64 * symbols + layout.size();
        let ideal_send_ms = wire as f64 * 8e3 / self.scenario.rate_bps as f64;
        let rtt_ms = self.scenario.rtt.as_secs_f64() * 1e3;
        let sum = |each: fn(&ReceiverNode) -> u64| self.receivers.iter().map(each).sum::<u64>();
        let per_byte = |bytes: u64| bytes as f64 / (totals.data_bytes.max(1)) as f64;
        let said = sum(|node| node.counts.bytes) / u64::from(self.scenario.receivers);
        let rounds = self
            .sender
            .rounds
            .iter()
            .filter(|((toi, _), _)| *toi == IMAGE_TOI);
        let mut report = Report {
            schema: SCHEMA,
            seed: self.scenario.seed,
            trace_hash: self.trace_hash(),
            receivers: self.scenario.receivers,
            size_bytes: layout.size(),
            source_symbols: symbols,
            block_symbols: self.scenario.block_symbols,
            blocks: layout.blocks(),
            rate_bps: self.scenario.rate_bps,
            rtt_ms,
            completed: sum(|node| node.installed_at.is_some().into()) as u32,
            violations: 0,
            violation_list: Vec::new(),
            expansion: ratio(sent),
            bound_expansion: 1.0,
            bound: "",
            overhead_factor: None,
            trace_expansion: ratio(self.least_symbols()),
            source_sent: totals.source,
            parity_sent: totals.parity,
            repair_sent: totals.repair,
            data_bytes: totals.data_bytes,
            nacks_sent: sum(|node| node.counts.nacks_sent),
            nacks_suppressed: sum(|node| node.counts.nacks_suppressed),
            nacks_heard: self.sender.heard.nacks,
            nack_bytes_heard: self.sender.heard.nack_bytes,
            report_bytes_heard: self.sender.heard.other_bytes,
            nack_bytes_per_data_byte: per_byte(self.sender.heard.nack_bytes),
            feedback_bytes_per_data_byte_per_receiver: per_byte(said),
            repair_rounds: rounds.map(|(_, &rounds)| rounds).max().unwrap_or(0),
            repair_orders: self.sender.repair_orders,
            ideal_send_ms,
            completion_ms,
            completion_rtts: completion_ms.scaled(rtt_ms),
            completion_send_times: completion_ms.scaled(ideal_send_ms.max(1e-9)),
            queues: self.queue_depths(),
            socket_drops: sum(|node| node.socket_drops()),
            simulated_ms: self.now as f64 / 1e6,
        };
        report.compare(&layout, self.scenario.independent_losses());
        report.violated(self.checker.count, &self.checker.violations);
        report
    }

    fn queue_depths(&self) -> Vec<QueueDepth> {
        let mut depths: Vec<QueueDepth> = self.checker.depths.values().cloned().collect();
        let sockets = self.receivers.iter().map(ReceiverNode::socket_depth);
        if let Some((depth, bound)) = sockets.max_by_key(|&(depth, _)| depth) {
            depths.push(QueueDepth {
                name: "packets in a socket",
                depth,
                bound,
            });
        }
        if let Some(bottleneck) = self.scenario.network.bottleneck {
            depths.push(QueueDepth {
                name: "bytes before the bottleneck",
                depth: self.trunk.queue_bytes_max as usize,
                bound: bottleneck.queue_bytes as usize,
            });
        }
        depths
    }

    /// The least that would have done for the losses that were drawn: of each
    /// block, the symbols that were sent until the last receiver had enough.
    fn least_symbols(&self) -> u64 {
        let layout = self.sender.objects.shape.image;
        let of_block = |sbn: u32| {
            let after = self
                .receivers
                .iter()
                .map(|node| node.whole_after[sbn as usize]);
            after.max().unwrap_or(0).max(layout.block_len(sbn).into())
        };
        (0..layout.blocks())
            .map(|sbn| u64::from(of_block(sbn)))
            .sum()
    }

    fn trace_hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.sender.trace.value().to_be_bytes());
        for node in &self.receivers {
            hasher.update(&node.trace.value().to_be_bytes());
        }
        hasher.update(&self.now.to_be_bytes());
        hasher.finalize().to_hex()[..32].to_string()
    }
}

fn happenings(scenario: &Scenario) -> Vec<(u64, Happening)> {
    let mut happenings = Vec::new();
    for fault in &scenario.faults {
        match *fault {
            Fault::CrashSender { at, down } => {
                let at = at.as_nanos() as u64;
                happenings.push((at, Happening::CrashSender));
                happenings.push((at + down.as_nanos() as u64, Happening::StartSender));
            }
            Fault::Forge { at, count } => {
                happenings.push((at.as_nanos() as u64, Happening::Forge(count)));
            }
            Fault::Replay { at, count } => {
                happenings.push((at.as_nanos() as u64, Happening::Replay(count)));
            }
            _ => {}
        }
    }
    happenings
}

/// A receiver registers within this time and 20 round trips.
const HEARING_NS: u64 = 1_000_000_000;

/// What one receiver may say: so many messages in any case, and so many a
/// second; one for an eighth of its buffer; and each time that it is started, its
/// share of NACKs.
const FEEDBACK_FIRST: u64 = 100;
const FEEDBACK_PER_S: f64 = 60.0;
const NACKS_PER_BLOCK: u64 = 8;
