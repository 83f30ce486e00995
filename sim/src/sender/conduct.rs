//! What is watched of the sender: whom it knows, and whether what it does stays
//! within what it was told.

use super::SenderNode;
use crate::check::{Checker, Rule};
use crate::keys::{absent_key, device_key};
use crate::receiver::ReceiverNode;
use crate::scenario::{Scenario, Slow};
use linecast_protocol::key::PublicKey;
use linecast_protocol::sender::{Ending, Member, MemberState, Order, Phase, Sender};
use linecast_protocol::time::Duration;
use linecast_protocol::wire::quantize;

/// Turns of the loop and repeats of the end may take so long beyond a deadline.
const DEADLINE_SLACK_NS: u64 = 1_000_000;

impl SenderNode {
    pub(super) fn members(&self) -> &[Member] {
        self.machine().map_or(&[], |m| m.membership().members())
    }

    fn member(&self, key: &PublicKey) -> Option<&Member> {
        self.members().iter().find(|member| member.key == *key)
    }

    /// Whether it waits for a life of this receiver that it has heard, or did when it
    /// began to end: for one that has failed, or has not proven to be there, it does
    /// not.
    pub(crate) fn waits_for(&self, receiver: u32) -> bool {
        let key = device_key(receiver).public();
        match &self.awaited_at_end {
            Some(awaited) => awaited.contains(&key),
            None => self.awaited().any(|member| member.key == key),
        }
    }

    fn awaited(&self) -> impl Iterator<Item = &Member> {
        let past =
            |state: &MemberState| matches!(state, MemberState::Failed(_) | MemberState::Refused(_));
        let members = self.members().iter();
        members.filter(move |member| member.is_proven() && !past(&member.state))
    }

    pub(super) fn note_end(&mut self, now: u64) {
        if self.ending_at.is_none() {
            self.ending_at = Some(now);
            self.awaited_at_end = Some(self.awaited().map(|member| member.key).collect());
        }
    }

    /// What the newest session says of a receiver that it waits for no longer,
    /// although it has not heard that it is done.
    pub(crate) fn gave_up(&self, receiver: u32) -> Option<&MemberState> {
        let member = self.member(&device_key(receiver).public())?;
        let state = &member.state;
        matches!(state, MemberState::Stalled | MemberState::Failed(_)).then_some(state)
    }

    /// Whether it may do without this receiver: too slow, or not to be reached.
    pub(crate) fn may_leave_out(&self, receiver: u32) -> bool {
        let Some(member) = self.member(&device_key(receiver).public()) else {
            return false;
        };
        let unreachable = self
            .unreachable
            .contains(&crate::receiver::receiver_address(receiver));
        match member.state {
            MemberState::Slow { .. } => self.push.on_slow == Slow::Drop,
            MemberState::Failed(_) => unreachable,
            _ => false,
        }
    }

    /// Whether the newest session counts this receiver as complete.
    pub(crate) fn counts_as_complete(&self, receiver: u32) -> bool {
        let member = self.member(&device_key(receiver).public());
        member.is_some_and(|member| member.state == MemberState::Complete)
    }

    /// Whether a device that is switched off counts as heard.
    pub(crate) fn has_heard_absent(&self, index: u32) -> bool {
        let member = self.member(&absent_key(index).public());
        member.is_some_and(|member| member.state != MemberState::Expected)
    }

    /// Whether everybody has come whom the sender waits for.
    pub(crate) fn has_all(&self) -> bool {
        if self.push.roster.is_some() {
            let mut enrolled = self.members().iter().filter(|member| member.enrolled);
            return enrolled.all(|member| member.state != MemberState::Expected);
        }
        let heard = self.machine().map_or(0, |m| m.membership().heard());
        heard >= self.expected
    }

    /// Whether the newest session was ended before its time.
    pub(crate) fn ended_early(&self) -> bool {
        let machine = self.machine();
        machine
            .is_some_and(|m| m.phase() >= Phase::Ending && matches!(m.ending(), Ending::Early(_)))
    }

    /// What one turn has decided.
    pub(super) fn check_turn(&mut self, now: u64, machine: &Sender, checker: &mut Checker) {
        let control = machine.control();
        let (least, most) = (self.push.rate.least_bps(), self.push.rate.most_bps());
        let rate = control.rate_bps;
        let together = control.target.is_none() && machine.phase() < Phase::Ending;
        let low = rate < least && together;
        checker.check(rate <= most && !low, Rule::Rate, now, || {
            format!("{rate} bit/s, {least} to {most} expected")
        });
        let longest_trip_ns = quantize::grtt_to_ns(control.word.grtt);
        self.longest_trip_ns = self.longest_trip_ns.max(longest_trip_ns);
        let members = machine.membership().members().len();
        self.members_max = self.members_max.max(members);
        let Some(deadline) = self.push.deadline else {
            return;
        };
        let late = self.started + deadline.as_nanos() as u64 + DEADLINE_SLACK_NS;
        let over = machine.phase() >= Phase::Ending;
        checker.check(over || now <= late, Rule::Deadline, now, || {
            format!("{:?} after a deadline of {deadline:?}", machine.phase())
        });
    }

    pub(super) fn check_queues(&self, now: u64, checker: &mut Checker) {
        let shape = &self.objects.shape;
        let leaves = shape.leaves.map_or(0, |leaves| leaves.symbols());
        let queue = linecast_protocol::queue::Queue {
            name: "symbols ordered again",
            depth: self.lanes.waiting(),
            bound: 2 * (shape.image.symbols() + leaves) as usize
                + PARITY_PER_BLOCK * shape.image.blocks() as usize
                + SYMBOLS_BESIDE,
        };
        checker.watch(queue, now, || "the sender".to_string());
    }

    pub(super) fn note_due(&mut self, now: u64, machine: &Sender, checker: &mut Checker) {
        let done = machine.phase() == Phase::Done;
        let due = machine.poll_timeout();
        checker.check(done || due.is_some(), Rule::Wakeups, now, || {
            format!(
                "the sender never wants to be woken in {:?}",
                machine.phase()
            )
        });
        self.due = due.map_or(u64::MAX, |due| self.clock.global(due));
        checker.check(self.due > now, Rule::Wakeups, now, || {
            format!(
                "the sender wants to be woken at once in {:?}",
                machine.phase()
            )
        });
    }

    pub(super) fn note_order(
        &mut self,
        now: u64,
        order: &Order,
        receivers: &[ReceiverNode],
        checker: &mut Checker,
    ) {
        let Order::Repair(order) = order else { return };
        *self.rounds.entry((order.toi, order.sbn)).or_default() += 1;
        self.repair_orders += 1;
        let word =
            u64::from(order.sbn) << 32 | u64::from(order.first) << 16 | u64::from(order.count);
        self.trace.note(3, now, word);
        // Whoever does not know the round trip yet cannot tell a request that has
        // crossed its repair.
        if !self.check_need || self.longest_trip_ns < self.rtt_ns {
            return;
        }
        let alone = self.control.and_then(|control| control.target);
        let lacking = receivers.iter().filter(|node| node.is_up());
        let lacking = lacking.filter(|node| alone.is_none_or(|to| node.address() == to));
        let lacking = lacking.map(|node| node.lacking(order.toi, order.sbn)).max();
        let lacking = lacking.unwrap_or(0);
        let len = self.objects.layout(order.toi).block_len(order.sbn);
        let allowed = if order.first < len && lacking > 0 {
            len
        } else {
            lacking
        };
        checker.check(order.count <= allowed, Rule::NeededRepair, now, || {
            format!(
                "{} symbols of block {} of object {} ordered, {lacking} lacking",
                order.count, order.sbn, order.toi
            )
        });
    }
}

/// More than what the objects have and as much again is nobody's need, but for
/// parity of short blocks.
const PARITY_PER_BLOCK: usize = 8;
const SYMBOLS_BESIDE: usize = 256;

/// Whether a repair can only be ordered for what somebody lacks at that moment.
/// Symbols that come late, or wait in a queue longer than a round trip, and
/// requests that somebody forges, make a request greater than the need.
pub(super) fn checks_need(scenario: &Scenario) -> bool {
    let network = &scenario.network;
    let late = network.jitter > Duration::ZERO || network.reorder > 0.0 || network.flip > 0.0;
    let disturbed = scenario
        .faults
        .iter()
        .any(|fault| fault.disturbs_requests());
    let slow = scenario
        .devices
        .iter()
        .any(|device| device.packets_per_s > 0 || device.port.is_some());
    !late && !disturbed && !slow && network.bottleneck.is_none()
}
