//! The run: windows of time, the sender first, then every receiver.

mod summary;
mod verdict;

use crate::attacker::{Attacker, Known};
use crate::check::{Checker, Rule};
use crate::draw::stream;
use crate::image::Image;
use crate::receiver::{Moment, ReceiverNode, Surroundings};
use crate::report::Report;
use crate::scenario::{Content, Fault, Scenario, ScenarioError};
use crate::sender::{Feedback, SenderNode};
use crate::trunk::{Departure, Trunk};
use linecast_protocol::message::EndReason;
use linecast_protocol::offer::SessionShape;
use linecast_protocol::random::Random;
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
    /// The next packets of an attack, by its place among the faults.
    Act(usize),
    EndEarly(EndReason),
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
    image_changed: bool,
    /// Receivers that have the image, and the symbols that had been sent when the
    /// last of them had it.
    installed: usize,
    sent_for_all: u64,
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
            attacker: scenario.is_hostile().then(Attacker::default),
            image_changed: false,
            installed: 0,
            sent_for_all: 0,
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
        self.check_end();
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
            if let Some(attacker) = &mut self.attacker
                && !departure.forged
            {
                attacker.overhear(&departure);
            }
            self.trunk.carry(departure);
        }
        let around = Surroundings {
            scenario: self.scenario,
            trunk: &self.trunk,
            shapes: &self.shapes,
            image: &self.image,
            image_changed: self.image_changed,
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
        let installed = self.receivers.iter();
        let installed = installed.filter(|node| node.installed_at.is_some()).count();
        if installed > self.installed {
            let totals = self.sender.lanes.totals;
            self.installed = installed;
            self.sent_for_all = totals.source + totals.parity + totals.repair;
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
        self.sort_inbox();
    }

    fn sort_inbox(&mut self) {
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
            Happening::EndEarly(reason) => {
                self.image_changed |= reason == EndReason::ImageChanged;
                self.sender.end_early(self.now, reason);
            }
            Happening::Forge(_) | Happening::Replay(_) | Happening::Act(_) => self.attack(what),
        }
    }

    fn attack(&mut self, what: Happening) {
        let Some(attacker) = &mut self.attacker else {
            return;
        };
        let known = Known {
            now: self.now,
            instance_id: self.sender.instance_id(),
            shape: self.sender.objects.shape,
            receivers: self.scenario.receivers,
            scenario: self.scenario,
            image: &self.image,
        };
        let random = &mut self.random;
        let (volley, next) = match what {
            Happening::Forge(count) => (attacker.forge(&known, count, random), None),
            Happening::Replay(count) => (attacker.replay_burst(&known, count, random), None),
            Happening::Act(at) => match self.scenario.faults[at].assault() {
                Some(assault) => attacker.act(&known, assault, random),
                None => return,
            },
            _ => return,
        };
        self.departures.extend(volley.packets);
        self.shapes.extend(volley.shapes);
        self.deliver_feedback();
        self.sender.inbox.extend(volley.feedback);
        self.sort_inbox();
        if let Some(next) = next {
            self.happenings.push((next, what));
            self.happenings
                .sort_by_key(|&(at, _)| std::cmp::Reverse(at));
        }
    }
}

fn happenings(scenario: &Scenario) -> Vec<(u64, Happening)> {
    let mut happenings = Vec::new();
    for (at_fault, fault) in scenario.faults.iter().enumerate() {
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
            Fault::Attack(assault) => {
                happenings.push((assault.at.as_nanos() as u64, Happening::Act(at_fault)));
            }
            Fault::Interrupt { at } => {
                let what = Happening::EndEarly(EndReason::Interrupted);
                happenings.push((at.as_nanos() as u64, what));
            }
            Fault::ChangeImage { at } => {
                let what = Happening::EndEarly(EndReason::ImageChanged);
                happenings.push((at.as_nanos() as u64, what));
            }
            _ => {}
        }
    }
    happenings
}
