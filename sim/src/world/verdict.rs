//! What must hold when a run is over.

use super::World;
use crate::check::Rule;
use crate::receiver::ReceiverNode;
use crate::scenario::{Attack, Fault, Guise, LossModel};
use linecast_protocol::limits::{MESSAGE_BYTES_MAX, WINDOWED_GROUP_MAX};
use linecast_protocol::time::Duration;

impl World<'_> {
    pub(super) fn incomplete(&self) -> Vec<u32> {
        let lacks = |node: &&ReceiverNode| node.should_complete() && node.installed_at.is_none();
        let lacking = self.receivers.iter().filter(lacks);
        let owed = lacking.filter(|node| !self.may_lack(node));
        owed.map(ReceiverNode::index).collect()
    }

    /// Whether the push may be over without this receiver.
    fn may_lack(&self, node: &ReceiverNode) -> bool {
        let index = node.index();
        self.sender.ended_early()
            || self.sender.may_leave_out(index)
            || !self.scenario.push.is_expected(index)
            || self.came_too_late(node)
    }

    /// Whether the sender ended without having heard of a receiver, and may: as
    /// many as it waits for had come, or this one had just been started.
    fn came_too_late(&self, node: &ReceiverNode) -> bool {
        let hearing = HEARING_NS + 20 * self.scenario.rtt.as_nanos() as u64;
        let ending = self.sender.ending_at.unwrap_or(u64::MAX);
        let just_started = node.up_at > 0 && node.up_at.saturating_add(hearing) > ending;
        let heard = self.sender.waits_for(node.index());
        !heard && (just_started || self.sender.has_all())
    }

    pub(super) fn check_end(&mut self) {
        self.check_completion();
        self.check_verdict();
        self.check_roster();
        self.check_endurance();
        self.check_losses();
        self.check_feedback();
        self.check_spending();
        self.check_memory();
        self.check_window();
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
        let silenced = self.scenario.faults.iter().any(Fault::silences) || self.may_be_deaf();
        for node in self.receivers.iter().filter(|_| !silenced) {
            let left_out = self.sender.may_leave_out(node.index());
            let state = self.sender.gave_up(node.index());
            let left_out = left_out || self.came_too_late(node);
            let unheard = state.filter(|_| node.installed_at.is_some() && !left_out);
            self.checker
                .check(unheard.is_none(), Rule::CompletionHeard, self.now, || {
                    format!("receiver {} counts as {unheard:?}", node.index())
                });
        }
    }

    /// Bursts of losses have a length in packets: where there are fewer of those than
    /// that, one lasts longer than a sender waits.
    fn may_be_deaf(&self) -> bool {
        let network = &self.scenario.network;
        let (own, outliers) = (network.loss, network.outliers.map(|(_, model)| model));
        let models = [network.trunk_loss, network.subtree_loss, own];
        let bursts = models.into_iter().chain(outliers).map(LossModel::burst);
        let symbols = self.sender.objects.shape.image.symbols() as f64;
        bursts.fold(0.0, f64::max) > symbols
    }

    /// Whoever counts as complete has the image, and who is switched off counts as
    /// nothing.
    fn check_verdict(&mut self) {
        for node in &self.receivers {
            let told = self.sender.counts_as_complete(node.index());
            let right = !told || node.installed_at.is_some();
            self.checker.check(right, Rule::Verdict, self.now, || {
                format!("receiver {} counts as complete and is not", node.index())
            });
        }
        let absent = self.scenario.push.roster.as_ref().map_or(0, |r| r.absent);
        for index in 0..absent {
            let heard = self.sender.has_heard_absent(index);
            self.checker.check(!heard, Rule::Verdict, self.now, || {
                format!("absent device {index} counts as heard")
            });
        }
    }

    /// Who is not on the roster is not waited for.
    fn check_roster(&mut self) {
        let scenario = self.scenario;
        let Some(roster) = &scenario.push.roster else {
            return;
        };
        let others = scenario
            .faults
            .iter()
            .filter(|fault| fault.assault().is_none());
        let calm = others.count() == 0 && scenario.network.feedback_loss == 0.0;
        if !calm || roster.absent > 0 {
            return;
        }
        let last = roster.enrolled.iter().map(|&index| {
            let installed = self.receivers[index as usize].installed_at;
            installed.unwrap_or(u64::MAX)
        });
        let last = last.max().unwrap_or(u64::MAX);
        let ending = self.sender.ending_at.unwrap_or(self.now);
        let soon = last.saturating_add(ROSTER_END_NS);
        self.checker
            .check(ending <= soon, Rule::Verdict, self.now, || {
                let ms = ending.saturating_sub(last) / 1_000_000;
                format!("the session went on for {ms} ms when its roster was done")
            });
    }

    /// A long attack alone keeps nobody from the image until it is over.
    fn check_endurance(&mut self) {
        let scenario = self.scenario;
        let [Fault::Attack(assault)] = &scenario.faults[..] else {
            return;
        };
        let bits = self.sender.objects.shape.image.size() as f64 * 10.0;
        let rate = scenario.slowest_bps().min(scenario.push.rate.most_bps());
        let sending = Duration::from_secs_f64(bits / rate as f64);
        // Absent devices are waited for, whoever attacks.
        let absent = scenario.push.roster.as_ref().map_or(0, |r| r.absent);
        let wait = if absent > 0 {
            scenario.push.wait
        } else {
            Duration::ZERO
        };
        let patience = assault.at + wait + ENDURANCE + sending * ENDURANCE_SENDINGS;
        if assault.at + assault.length <= patience {
            return;
        }
        let lacking = |node: &&ReceiverNode| {
            let late = |at: u64| Duration::from_nanos(at) > patience;
            let owed = node.should_complete() && !self.may_lack(node);
            owed && node.verified_at.is_none_or(late)
        };
        let lacking = self.receivers.iter().filter(lacking).count();
        self.checker
            .check(lacking == 0, Rule::Endures, self.now, || {
                format!("{lacking} were kept from the image for more than {patience:?}")
            });
    }

    /// Losses of a long image are counted, however many come in a row.
    fn check_losses(&mut self) {
        let scenario = self.scenario;
        let outages = |fault: &Fault| matches!(fault, Fault::Outage(_));
        let simple = scenario.faults.iter().all(outages) && scenario.receivers == 1;
        // Where packets overtake each other, repairs after a gap of more than half the
        // numbers cannot be told from earlier ones.
        let simple = simple && scenario.network.jitter.is_zero();
        if !simple || !scenario.is_long() {
            return;
        }
        let positions: u64 = self.sender.lanes.positions().iter().sum();
        for node in &self.receivers {
            let (lost, received) = node.losses();
            let counted = (lost + received) * 4 >= positions * 3;
            self.checker.check(counted, Rule::Counters, self.now, || {
                format!("{lost} lost and {received} received of {positions}")
            });
        }
    }

    fn check_feedback(&mut self) {
        let seconds = self.now as f64 / 1e9;
        let asked = self.scenario.assaults().map(|assault| {
            let answers = match assault.attack {
                Attack::Flush => ANSWERS_PER_S,
                Attack::Poll => f64::from(assault.per_s).min(PAGES_PER_S),
                Attack::Symbols { .. } => ASKED_AGAIN_PER_S,
                _ => 0.0,
            };
            assault.length.as_secs_f64() * answers
        });
        let asked: f64 = asked.sum();
        for node in &mut self.receivers {
            node.note_counts();
            let counts = node.counts;
            let blocks = self.sender.objects.shape.image.blocks();
            let budget = FEEDBACK_FIRST
                + (seconds * FEEDBACK_PER_S + asked) as u64
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

    /// What was sent against what the losses call for.
    fn check_spending(&mut self) {
        let totals = self.sender.lanes.totals;
        let mut sent = (totals.source + totals.parity + totals.repair) as f64;
        let mut beside = 0.0;
        let insatiable = |fault: &Fault| {
            let attack = fault.assault().map(|assault| assault.attack);
            matches!(
                attack,
                Some(Attack::Nack {
                    guise: Guise::Own,
                    ..
                })
            )
        };
        if self.scenario.faults.iter().any(insatiable) && self.incomplete().is_empty() {
            // Whoever has a key may ask, and nobody is left who could be harmed.
            sent = self.sent_for_all as f64;
            // Nor while all others wait for one that a fault holds up.
            let bits = f64::from(self.scenario.symbol_bytes) * 8.0;
            let rate = self.scenario.push.rate.most_bps() as f64;
            beside = self.scenario.held_up_until().as_secs_f64() * rate / bits;
        }
        let allowed = self.symbols_allowed() + beside;
        self.checker
            .check(sent <= allowed, Rule::Expansion, self.now, || {
                format!("{sent} symbols sent, at most {allowed:.0} called for")
            });
        let longest = Duration::from_nanos(self.sender.longest_trip_ns);
        let bound = self.round_trip_max();
        let known = bound.is_none_or(|bound| longest <= bound);
        self.checker.check(known, Rule::RoundTrip, self.now, || {
            format!("{longest:?} believed, at most {bound:?} is true")
        });
    }

    fn symbols_allowed(&self) -> f64 {
        let layout = self.sender.objects.shape.image;
        let network = &self.scenario.network;
        let own = network.outliers.map_or(0.0, |(_, model)| model.share());
        let own = own.max(network.loss.share());
        let mut comes = (1.0 - own) * (1.0 - network.trunk_loss.share());
        comes *= 1.0 - network.subtree_loss.share();
        let rate = self.scenario.push.rate.most_bps() as f64;
        // One wrong bit makes all of its block useless.
        comes *= libm::pow(1.0 - network.flip, self.scenario.block_symbols.into());
        // A rate that is searched for is what the slowest path carries.
        if !self.scenario.push.rate.is_searched() || self.scenario.pardons("N3") {
            let least = self.scenario.slowest_bps() as f64;
            comes *= (least / rate).min(1.0);
        }
        // Each fault may cost everything once more.
        let accidents = self.scenario.faults.iter();
        let accidents = accidents.filter(|fault| fault.assault().is_none()).count();
        let lives = 1.0 + accidents as f64;
        let spending = match self.scenario.assaults().next() {
            Some(_) => SPENDING_ATTACKED,
            None => SPENDING,
        };
        let symbols = layout.symbols() as f64 * spending / comes.max(COMES_MIN);
        lives * (symbols + f64::from(layout.blocks()) * BLOCK_SPENDING) + SPENDING_BESIDE
    }

    /// The longest round trip that there can be; `None` where devices stand still.
    fn round_trip_max(&self) -> Option<Duration> {
        let scenario = self.scenario;
        let still = scenario.faults.iter().any(|fault| {
            let stands = matches!(fault, Fault::Pause { .. } | Fault::Jump { .. });
            stands || matches!(fault, Fault::CrashSender { .. })
        });
        let slow = scenario.devices.iter();
        let mut slow = slow.filter(|device| device.packets_per_s > 0 || device.port.is_some());
        if still || slow.next().is_some() {
            return None;
        }
        let network = &scenario.network;
        let queue = network.bottleneck.map_or(Duration::ZERO, |link| {
            Duration::from_secs_f64(link.queue_bytes as f64 * 8.0 / link.rate_bps as f64)
        });
        // Never less than two packets of a lane take.
        let bits = (f64::from(scenario.symbol_bytes) + 200.0) * 8.0 * f64::from(scenario.lanes);
        let rate = scenario.push.rate.least_bps() as f64;
        let pace = Duration::from_secs_f64(2.0 * bits / rate);
        let trip = scenario.rtt + network.jitter * 2 + queue + REORDER + pace;
        let forged = match scenario.is_hostile() {
            true => ROUND_TRIP_FORGED,
            false => Duration::ZERO,
        };
        Some(trip * ROUND_TRIPS + ROUND_TRIP_BESIDE + forged)
    }

    /// What a stranger may make anybody keep, and what is taken from the network.
    fn check_memory(&mut self) {
        let absent = self.scenario.push.roster.as_ref().map_or(0, |r| r.absent);
        let known = (self.scenario.receivers + absent) as usize;
        let members = self.sender.members_max;
        self.checker.check(
            members <= known + UNPROVEN_MAX,
            Rule::BoundedMemory,
            self.now,
            || format!("{members} members, {known} devices and {UNPROVEN_MAX} others expected"),
        );
        let said = self.receivers.iter().map(|node| node.counts.longest).max();
        let longest = self.sender.heard.longest.max(said.unwrap_or(0));
        self.checker.check(
            longest <= MESSAGE_BYTES_MAX,
            Rule::BoundedMemory,
            self.now,
            || format!("a message of {longest} bytes, {MESSAGE_BYTES_MAX} at most"),
        );
        let positions: u64 = self.sender.lanes.positions().iter().sum();
        let forged = self.scenario.assaults().map(|assault| {
            let count = assault.length.as_secs_f64() * f64::from(assault.per_s);
            match assault.attack {
                Attack::Symbols { .. } => count as u64,
                _ => 0,
            }
        });
        let forged = forged.sum::<u64>();
        // Where strangers' numbers are more than the lanes' own, any may be believed.
        let believed = match forged > positions {
            true => 1 << 16,
            false => STRAY_LOSS,
        };
        let stray = match self.scenario.is_hostile() {
            true => believed * u64::from(self.scenario.lanes) + forged,
            false => 0,
        };
        let beside = COUNTS_BESIDE + stray;
        for node in &self.receivers {
            let (lost, received) = node.losses();
            // Another session of a restarted sender is not counted here.
            let sane = self.scenario.faults.iter().any(Fault::restarts_sender)
                || lost <= positions + beside;
            self.checker.check(sane, Rule::Counters, self.now, || {
                let index = node.index();
                format!("receiver {index}: {lost} lost, {received} received of {positions}")
            });
        }
    }

    /// Where nothing goes wrong, a small group's sockets overflow for no lane.
    fn check_window(&mut self) {
        let scenario = self.scenario;
        let network = &scenario.network;
        let late = !network.jitter.is_zero() || network.reorder > 0.0 || network.duplicate > 0.0;
        // What was damaged is sent again, at full rate past those who have all.
        let sound = network.feedback_loss == 0.0 && network.flip == 0.0;
        let quiet = scenario.faults.is_empty() && !late && sound;
        if !quiet || scenario.receivers as usize > WINDOWED_GROUP_MAX {
            return;
        }
        // Each lane may fill the buffer, which has room for one.
        if scenario.lanes > 1 {
            return;
        }
        for node in &self.receivers {
            let dropped = node.socket_drops();
            let bound = WINDOW_BESIDE + node.counts.delivered / WINDOW_DROPS_PART;
            self.checker
                .check(dropped <= bound, Rule::Window, self.now, || {
                    let index = node.index();
                    format!("receiver {index}: its socket dropped {dropped}, {bound} at most")
                });
        }
    }
}

impl LossModel {
    /// The greatest share that is lost for long.
    fn share(self) -> f64 {
        match self {
            LossModel::None => 0.0,
            LossModel::Independent { p } | LossModel::GilbertElliott { p, .. } => p,
            LossModel::Step { before, after, .. } => before.max(after),
        }
    }

    /// Packets that are lost in a row, on average.
    fn burst(self) -> f64 {
        match self {
            LossModel::GilbertElliott { burst, .. } => burst,
            _ => 0.0,
        }
    }
}

/// A receiver registers within this time and 20 round trips.
const HEARING_NS: u64 = 1_000_000_000;

/// What one receiver may say: so many messages in any case, and so many a
/// second; one for an eighth of its buffer; and each time that it is started, its
/// share of NACKs.
const FEEDBACK_FIRST: u64 = 100;
const FEEDBACK_PER_S: f64 = 75.0;
const NACKS_PER_BLOCK: u64 = 8;
/// What it answers in a second to somebody who asks without end: reports, and what
/// it lacks.
const ANSWERS_PER_S: f64 = 250.0;
/// NACKs for what forged symbols have damaged.
const ASKED_AGAIN_PER_S: f64 = 2_000.0;
/// Pages of what it lacks that it tells in a second, however often it is asked.
const PAGES_PER_S: f64 = 1_000.0;
/// Part of what is sent that comes, at least, where little does.
const COMES_MIN: f64 = 0.02;
/// Symbols for each that the losses call for, for each block, and in any case.
const SPENDING: f64 = 2.0;
/// The same under attack.
const SPENDING_ATTACKED: f64 = 3.0;
const BLOCK_SPENDING: f64 = 16.0;
const SPENDING_BESIDE: f64 = 256.0;
/// A session ends so long after its roster is done, at the latest.
const ROSTER_END_NS: u64 = 3_000_000_000;
/// Under attack the image takes so long, and so many times its sending, at most.
const ENDURANCE: Duration = Duration::from_secs(5);
const ENDURANCE_SENDINGS: u32 = 5;
/// Packets that are overtaken are late by so much.
const REORDER: Duration = Duration::from_millis(2);
/// Estimates lie above the truth, and what waits adds to it.
const ROUND_TRIPS: u32 = 4;
const ROUND_TRIP_BESIDE: Duration = Duration::from_millis(100);
/// What somebody adds who forges probes: those that come much later than true ones
/// are not believed, but where there was none yet.
const ROUND_TRIP_FORGED: Duration = Duration::from_millis(500);
/// Members with keys that nobody knows: registrations cost a stranger nothing.
const UNPROVEN_MAX: usize = 256;
/// Packets that the lanes have not counted yet.
const COUNTS_BESIDE: u64 = 1_024;
/// What one number that is forged may make a lane seem to have lost.
const STRAY_LOSS: u64 = 3_072;
/// Commands and session objects that find no room beside the packets of a lane, and
/// packets that come while a device is looked after late.
const WINDOW_BESIDE: u64 = 64;
const WINDOW_DROPS_PART: u64 = 20;
