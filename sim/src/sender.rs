//! The sender: the state machine, its lanes, and the loop that the repair
//! thread runs around it.

mod conduct;

use crate::check::{Checker, Rule};
use crate::clock::Clock;
use crate::image::{Image, Objects};
use crate::keys::{absent_key, device_key, session_key};
use crate::lanes::{Lanes, SOURCE_ID, data_header, symbol_len};
use crate::packet::Body;
use crate::receiver::{ReceiverNode, receiver_address};
use crate::scenario::{Push, Roster, Scenario};
use crate::trace::Trace;
use crate::trunk::Departure;
use linecast_protocol::key::PublicKey;
use linecast_protocol::message::EndReason;
use linecast_protocol::offer::SESSION_TOI;
use linecast_protocol::sender::{Control, Phase, Sender, SenderConfig, Transmit};
use linecast_protocol::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;

/// The loop takes this long for one turn.
const TURN_NS: u64 = 50_000;
/// It looks at the lanes' positions this often while trains leave.
const TICK_NS: u64 = 1_000_000;
const TYPE_NACK: u8 = 4;

/// A datagram on its way to the sender.
#[derive(Debug, Clone)]
pub(crate) struct Feedback {
    pub at: u64,
    pub from: SocketAddr,
    pub bytes: Vec<u8>,
}

/// What the sender heard.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Heard {
    pub nacks: u64,
    pub nack_bytes: u64,
    pub other_bytes: u64,
    /// The longest datagram that was taken.
    pub longest: usize,
}

/// The sender of one session after another.
#[derive(Debug)]
pub(crate) struct SenderNode {
    machine: Option<Sender>,
    pub objects: Objects,
    pub lanes: Lanes,
    control: Option<Control>,
    clock: Clock,
    session: u32,
    pub inbox: VecDeque<Feedback>,
    turned_at: u64,
    due: u64,
    message: Vec<u8>,
    /// Repair orders of each block.
    pub rounds: BTreeMap<(u16, u32), u32>,
    pub repair_orders: u64,
    pub heard: Heard,
    pub data_started: Option<u64>,
    /// When the newest session began to end.
    pub ending_at: Option<u64>,
    /// Whom it waited for then.
    awaited_at_end: Option<Vec<PublicKey>>,
    pub trace: Trace,
    check_need: bool,
    expected: usize,
    /// When the newest session was started.
    pub started: u64,
    push: Push,
    /// Receivers that cannot be sent to alone.
    unreachable: BTreeSet<SocketAddr>,
    /// The round trip of the network, and the longest that it believed in.
    rtt_ns: u64,
    pub longest_trip_ns: u64,
    /// The most members that it had.
    pub members_max: usize,
}

impl std::fmt::Debug for Objects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Objects")
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

impl SenderNode {
    /// A sender that starts its first session at time 0.
    pub(crate) fn new(scenario: &Scenario, image: Option<Arc<Image>>) -> SenderNode {
        let clock = Clock::new(5_000_000_000, 0);
        let mut node = SenderNode {
            machine: None,
            objects: objects(scenario, 0, image.clone()),
            lanes: Lanes::new(scenario.lanes, 0),
            control: None,
            clock,
            session: 0,
            inbox: VecDeque::new(),
            turned_at: 0,
            due: 0,
            message: Vec::new(),
            rounds: BTreeMap::new(),
            repair_orders: 0,
            heard: Heard::default(),
            data_started: None,
            ending_at: None,
            awaited_at_end: None,
            trace: Trace::default(),
            check_need: conduct::checks_need(scenario),
            expected: 0,
            started: 0,
            push: scenario.push.clone(),
            unreachable: scenario
                .devices
                .iter()
                .filter(|device| !device.takes_unicast)
                .map(|device| receiver_address(device.receiver))
                .collect(),
            rtt_ns: scenario.rtt.as_nanos() as u64,
            longest_trip_ns: 0,
            members_max: 0,
        };
        node.start(0, scenario, image);
        node
    }

    /// Starts a push: the first, or one after a crash.
    pub(crate) fn start(&mut self, now: u64, scenario: &Scenario, image: Option<Arc<Image>>) {
        self.session += 1;
        self.started = now;
        (self.ending_at, self.awaited_at_end) = (None, None);
        self.objects = objects(scenario, self.session, image);
        let totals = self.lanes.totals;
        self.lanes = Lanes::new(scenario.lanes, self.instance_id());
        self.lanes.totals = totals;
        let push = &scenario.push;
        let here = |receiver: &u32| !scenario.joins_late(*receiver);
        let roster = push.roster.as_ref().map_or_else(Vec::new, names_and_keys);
        self.expected = if roster.is_empty() {
            (0..scenario.receivers).filter(here).count().max(1)
        } else {
            roster.len()
        };
        let config = SenderConfig {
            source_id: SOURCE_ID,
            instance_id: self.instance_id(),
            shape: self.objects.shape,
            session_key: session_key(),
            receivers: roster.is_empty().then_some(self.expected),
            roster,
            wait: push.wait,
            settle: Duration::from_millis(300),
            stall_timeout: push.stall_timeout,
            deadline: push.deadline,
            rate: push.rate.control(),
            on_slow: push.on_slow.into(),
            ipv6: false,
        };
        self.machine = Some(Sender::new(self.clock.local(now), config));
        self.turned_at = now;
        self.due = now;
        self.control = None;
    }

    /// The process dies.
    pub(crate) fn crash(&mut self) {
        self.machine = None;
        self.control = None;
    }

    /// NORM instance id of the session.
    pub(crate) fn instance_id(&self) -> u16 {
        self.session as u16
    }

    pub(crate) fn machine(&self) -> Option<&Sender> {
        self.machine.as_ref()
    }

    /// Whether nothing more will come from this sender.
    pub(crate) fn is_done(&self) -> bool {
        self.machine
            .as_ref()
            .is_none_or(|m| m.phase() == Phase::Done)
    }

    /// The push ends before everybody has the image.
    pub(crate) fn end_early(&mut self, now: u64, reason: EndReason) {
        let at = self.clock.local(now);
        if let Some(machine) = &mut self.machine {
            machine.end_early(at, reason);
            self.due = now;
        }
    }

    /// When something happens next.
    pub(crate) fn next_event(&self) -> u64 {
        let departure = self.next_departure().map_or(u64::MAX, |(at, _)| at);
        self.next_turn().min(departure)
    }

    fn next_departure(&self) -> Option<(u64, usize)> {
        self.control.as_ref()?;
        self.lanes.next_departure()
    }

    fn next_turn(&self) -> u64 {
        let Some(machine) = &self.machine else {
            return u64::MAX;
        };
        if machine.phase() == Phase::Done {
            return u64::MAX;
        }
        let heard = self.inbox.front().map_or(u64::MAX, |feedback| feedback.at);
        let sent = self.lanes.sent.front().map_or(u64::MAX, |sent| sent.at);
        let tick = if self.lanes.is_held() {
            self.turned_at + TICK_NS
        } else {
            u64::MAX
        };
        let next = heard.min(sent).min(tick).min(self.due);
        next.max(self.turned_at + TURN_NS)
    }

    /// Lives until `end`; packets go to `out`.
    pub(crate) fn run(
        &mut self,
        end: u64,
        receivers: &[ReceiverNode],
        out: &mut Vec<Departure>,
        checker: &mut Checker,
    ) {
        loop {
            let turn = self.next_turn();
            match (self.next_departure(), self.control) {
                (Some((at, lane)), Some(control)) if at <= turn => {
                    if at >= end {
                        break;
                    }
                    self.lanes.depart(lane, &control, &mut self.objects, out);
                }
                _ if turn < end => self.turn(turn, receivers, out, checker),
                _ => break,
            }
        }
        for repeated in self.lanes.repeated.drain(..) {
            checker.violated(
                Rule::FreshParity,
                repeated.at,
                format!(
                    "parity {} of block {} of object {}",
                    repeated.index, repeated.sbn, repeated.toi
                ),
            );
        }
    }

    fn turn(
        &mut self,
        now: u64,
        receivers: &[ReceiverNode],
        out: &mut Vec<Departure>,
        checker: &mut Checker,
    ) {
        self.turned_at = now;
        let at = self.clock.local(now);
        let Some(mut machine) = self.machine.take() else {
            return;
        };
        machine.handle_positions(at, &self.lanes.positions());
        while let Some(sent) = self.lanes.sent.pop_front_if(|sent| sent.at <= now) {
            machine.handle_sent(at, sent.toi, sent.sbn, sent.parity_end, sent.first);
        }
        while let Some(feedback) = self.inbox.pop_front_if(|feedback| feedback.at <= now) {
            self.hear(now, &mut machine, &feedback);
        }
        let alone = self.control.and_then(|control| control.target);
        if self.lanes.waiting() > 0 && alone.is_some_and(|to| self.unreachable.contains(&to)) {
            machine.handle_unreachable();
        }
        machine.handle_timeout(at);
        // Before they are emptied: that is when they are longest.
        for queue in machine.queues() {
            checker.watch(queue, now, || "the sender".to_string());
        }
        while let Some(order) = machine.poll_order() {
            self.note_order(now, &order, receivers, checker);
            self.lanes.take(now, order, &self.objects);
        }
        self.check_queues(now, checker);
        self.transmit(now, &mut machine, out);
        let held = self.lanes.is_held();
        for lane in 0..self.lanes.positions().len() {
            self.lanes.set_limit(lane, machine.lane_limit(at, lane));
        }
        if held {
            self.lanes.resume_at(now);
        }
        if self.data_started.is_none() && machine.data_started().is_some() {
            self.data_started = Some(now);
        }
        self.control = Some(machine.control());
        self.check_turn(now, &machine, checker);
        self.note_due(now, &machine, checker);
        let ending = machine.phase() >= Phase::Ending;
        self.machine = Some(machine);
        if ending {
            self.note_end(now);
        }
    }

    fn hear(&mut self, now: u64, machine: &mut Sender, feedback: &Feedback) {
        let before = machine.feedback();
        machine.handle_datagram(self.clock.local(now), feedback.from, &feedback.bytes);
        let after = machine.feedback();
        self.trace.note_bytes(2, now, &feedback.bytes);
        if after.bytes_heard == before.bytes_heard {
            return;
        }
        let longest = &mut self.heard.longest;
        *longest = feedback.bytes.len().max(*longest);
        let bytes = feedback.bytes.len() as u64;
        if feedback
            .bytes
            .first()
            .is_some_and(|byte| byte & 15 == TYPE_NACK)
        {
            self.heard.nacks += after.nacks_heard - before.nacks_heard;
            self.heard.nack_bytes += bytes;
        } else {
            self.heard.other_bytes += bytes;
        }
    }

    fn transmit(&mut self, now: u64, machine: &mut Sender, out: &mut Vec<Departure>) {
        let mut message = std::mem::take(&mut self.message);
        while let Some(transmit) = machine.poll_transmit(&mut message) {
            match transmit {
                Transmit::Message => {
                    self.trace.note_bytes(4, now, &message);
                    out.push(Departure::new(
                        now,
                        Body::Message(message.as_slice().into()),
                    ));
                }
                Transmit::SessionObject => {
                    let control = machine.control();
                    let len = self.objects.session_layout.block_len(0);
                    for esi in 0..len * 2 {
                        let what = (self.instance_id(), machine.next_sequence(), 0);
                        let header =
                            data_header(&self.objects, &control, what, SESSION_TOI, (0, esi));
                        let body = Body::Data {
                            header,
                            len: symbol_len(&self.objects, SESSION_TOI, 0, esi),
                            payload: self.objects.symbol(SESSION_TOI, 0, esi),
                        };
                        out.push(Departure::new(now, body));
                    }
                }
            }
        }
        self.message = message;
    }
}

fn objects(scenario: &Scenario, session: u32, image: Option<Arc<Image>>) -> Objects {
    Objects::new(session, scenario, image, &session_key())
}

fn names_and_keys(roster: &Roster) -> Vec<(String, PublicKey)> {
    let enrolled = roster.enrolled.iter();
    let enrolled = enrolled.map(|&n| (format!("line-{n}"), device_key(n).public()));
    let absent = (0..roster.absent).map(|n| (format!("absent-{n}"), absent_key(n).public()));
    enrolled.chain(absent).collect()
}
