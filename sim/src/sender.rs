//! The sender: the state machine, its lanes, and the loop that the repair
//! thread runs around it.

use crate::check::{Checker, Rule};
use crate::clock::Clock;
use crate::image::{Image, Objects};
use crate::lanes::{Lanes, SOURCE_ID, data_header, symbol_len};
use crate::packet::{Body, Origin};
use crate::receiver::ReceiverNode;
use crate::scenario::Scenario;
use crate::trace::Trace;
use crate::trunk::Departure;
use linecast_protocol::key::{PublicKey, SigningKey};
use linecast_protocol::offer::SESSION_TOI;
use linecast_protocol::sender::{
    Control, MemberState, OnSlow, Order, Phase, RateControl, Sender, SenderConfig, Transmit,
};
use linecast_protocol::time::Duration;
use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// The loop takes this long for one turn.
const TURN_NS: u64 = 50_000;
/// It looks at the lanes' positions this often while trains leave.
const TICK_NS: u64 = 1_000_000;
const SESSION_KEY_SEED: [u8; 32] = [9; 32];
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
    pub trace: Trace,
    check_need: bool,
    expected: usize,
}

impl std::fmt::Debug for Objects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Objects")
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

/// Address of the sender.
pub(crate) fn sender_address() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::new(10, 255, 0, 1), 7600))
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
            trace: Trace::default(),
            check_need: checks_need(scenario),
            expected: 0,
        };
        node.start(0, scenario, image);
        node
    }

    /// Starts a push: the first, or one after a crash.
    pub(crate) fn start(&mut self, now: u64, scenario: &Scenario, image: Option<Arc<Image>>) {
        self.session += 1;
        self.ending_at = None;
        self.objects = objects(scenario, self.session, image);
        let totals = self.lanes.totals;
        self.lanes = Lanes::new(scenario.lanes, self.instance_id());
        self.lanes.totals = totals;
        let here = |receiver: &u32| !scenario.joins_late(*receiver);
        self.expected = (0..scenario.receivers).filter(here).count().max(1);
        let config = SenderConfig {
            source_id: SOURCE_ID,
            instance_id: self.instance_id(),
            shape: self.objects.shape,
            session_key: SigningKey::from_seed(SESSION_KEY_SEED),
            receivers: Some(self.expected),
            roster: Vec::new(),
            wait: scenario.wait,
            settle: Duration::from_millis(300),
            stall_timeout: scenario.stall_timeout,
            deadline: None,
            rate: RateControl::fixed(scenario.rate_bps),
            on_slow: OnSlow::Wait,
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

    /// Whether the newest session has heard of this receiver.
    pub(crate) fn knows(&self, key: &PublicKey) -> bool {
        let members = self.machine.iter().flat_map(|m| m.roster().members());
        members.into_iter().any(|member| member.key == *key)
    }

    /// Whether the newest session waits for this receiver no longer, although
    /// it has not heard that it is done.
    pub(crate) fn gave_up(&self, key: &PublicKey) -> bool {
        let mut members = self.machine.iter().flat_map(|m| m.roster().members());
        members.any(|member| member.key == *key && member.state == MemberState::Stalled)
    }

    /// Whether as many receivers have come as the sender waits for.
    pub(crate) fn has_all(&self) -> bool {
        self.machine
            .as_ref()
            .is_some_and(|m| m.roster().heard() >= self.expected)
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
        machine.handle_timeout(at);
        // Before they are emptied: that is when they are longest.
        for queue in machine.queues() {
            checker.watch(queue, now, || "the sender".to_string());
        }
        while let Some(order) = machine.poll_order() {
            self.note_order(now, &order, receivers, checker);
            self.lanes.take(now, order, &self.objects);
        }
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
        if machine.phase() >= Phase::Ending {
            self.ending_at.get_or_insert(now);
        }
        self.control = Some(machine.control());
        self.note_due(now, &machine, checker);
        self.machine = Some(machine);
    }

    fn note_due(&mut self, now: u64, machine: &Sender, checker: &mut Checker) {
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

    fn hear(&mut self, now: u64, machine: &mut Sender, feedback: &Feedback) {
        let before = machine.feedback();
        machine.handle_datagram(self.clock.local(now), feedback.from, &feedback.bytes);
        let after = machine.feedback();
        self.trace.note_bytes(2, now, &feedback.bytes);
        if after.bytes_heard == before.bytes_heard {
            return;
        }
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

    fn note_order(
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
        if !self.check_need {
            return;
        }
        let lacking = receivers.iter().filter(|node| node.is_up());
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

    fn transmit(&mut self, now: u64, machine: &mut Sender, out: &mut Vec<Departure>) {
        let mut message = std::mem::take(&mut self.message);
        while let Some(transmit) = machine.poll_transmit(&mut message) {
            match transmit {
                Transmit::Message => {
                    self.trace.note_bytes(4, now, &message);
                    out.push(departure(now, Body::Message(message.as_slice().into())));
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
                        out.push(departure(now, body));
                    }
                }
            }
        }
        self.message = message;
    }
}

fn departure(at: u64, body: Body) -> Departure {
    Departure {
        at,
        origin: Origin::Sender,
        ordinal: 0,
        body,
    }
}

fn objects(scenario: &Scenario, session: u32, image: Option<Arc<Image>>) -> Objects {
    Objects::new(
        session,
        scenario,
        image,
        &SigningKey::from_seed(SESSION_KEY_SEED),
    )
}

/// Whether a repair can only be ordered for what somebody lacks at that moment.
/// Symbols that come late, or wait in a queue longer than a round trip, and
/// requests that somebody forges, make a request greater than the need.
fn checks_need(scenario: &Scenario) -> bool {
    let network = &scenario.network;
    let late = network.jitter > Duration::ZERO || network.reorder > 0.0 || network.flip > 0.0;
    let disturbed = scenario
        .faults
        .iter()
        .any(|fault| fault.disturbs_requests());
    let slow = scenario
        .devices
        .iter()
        .any(|device| device.packets_per_s > 0);
    !late && !disturbed && !slow && network.bottleneck.is_none()
}
