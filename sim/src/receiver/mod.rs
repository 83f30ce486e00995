//! One receiver: the state machine, the socket and CPU before it, the disk
//! behind it, and what happens to the device.

mod account;
mod arrivals;
mod events;
mod faults;
mod speech;
mod symbols;
mod trains;

use crate::check::Checker;
use crate::clock::Clock;
use crate::draw::{below, stream};
use crate::image::Image;
use crate::keys::device_key;
use crate::link::Link;
use crate::loss::LossProcess;
use crate::packet::{Body, Packet};
use crate::scenario::{Fault, Scenario};
use crate::sender::Feedback;
use crate::socket::Socket;
use crate::store::{OfferBytes, Store};
use crate::trace::Trace;
use crate::trunk::Trunk;
use faults::{Step, steps};
use linecast_protocol::offer::SessionShape;
use linecast_protocol::random::Random;
use linecast_protocol::receiver::{Receiver, SessionConfig, Verdict};
use linecast_protocol::time::Time;
use linecast_protocol::wire::{CommandBody, DataHeader, Message};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// Sync and rename of a staged image.
const FINISH_NS: u64 = 2_000_000;
/// Address of a receiver.
pub(crate) fn receiver_address(index: u32) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::from(0x0A00_0002 + index), 7600))
}

/// What all nodes share.
pub(crate) struct Surroundings<'a> {
    pub scenario: &'a Scenario,
    pub trunk: &'a Trunk,
    /// Shapes of the sessions so far, by instance id.
    pub shapes: &'a BTreeMap<u16, SessionShape>,
    pub image: &'a Option<Arc<Image>>,
    /// Whether the image has changed at the sender since the push began.
    pub image_changed: bool,
}

/// One moment of a receiver: amid what it lives, and what comes of it.
pub(crate) struct Moment<'a> {
    /// Nanoseconds of the simulation.
    pub at: u64,
    pub around: &'a Surroundings<'a>,
    /// What it says.
    pub out: &'a mut Vec<Feedback>,
    pub checker: &'a mut Checker,
}

/// Whether the device runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Power {
    /// Not started yet, or between a crash and the restart.
    Down,
    /// Running.
    Up,
    /// Its process has ended: the image is installed and told, or it failed, or the
    /// sender gave up.
    Ended,
    /// Switched off for good.
    Gone,
}

/// A packet that has come to a socket.
#[derive(Debug)]
struct Arrived {
    number: u64,
    /// What it became on the way, if not what was sent.
    altered: Option<Box<Packet>>,
}

/// What one receiver counted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    /// Times that its process was started.
    pub starts: u64,
    pub messages: u64,
    pub bytes: u64,
    pub nacks_sent: u64,
    pub nacks_suppressed: u64,
    pub delivered: u64,
    /// Trains that the machine took at once.
    pub trains: u64,
    /// Bytes of the longest message.
    pub longest: usize,
}

/// A receiver and its device.
#[derive(Debug)]
pub(crate) struct ReceiverNode {
    index: u32,
    address: SocketAddr,
    config: SessionConfig,
    machine: Receiver,
    power: Power,
    store: Option<Store>,
    offers: OfferBytes,
    clock: Clock,
    loss: LossProcess,
    random: Random,
    subtree: u64,
    /// From the sender, and as long back.
    way_ns: u64,
    cursor: u64,
    /// Arrivals out of order, where the network jitters.
    late: BinaryHeap<Reverse<(u64, u64)>>,
    pending: Option<(u64, Arrived)>,
    /// The slow port that it hangs on.
    port: Option<Link>,
    socket: Socket,
    faults: Vec<(u64, Step)>,
    due: u64,
    finishing: Option<u64>,
    /// Leaves that did not match, and when they are given up.
    doubted: Vec<(u64, u64)>,
    pub verified_at: Option<u64>,
    pub installed_at: Option<u64>,
    announced_verified: bool,
    rotten: bool,
    pub failed: bool,
    pub counts: Counts,
    /// For each block, the symbols that had been sent when it was whole here.
    pub whole_after: Vec<u32>,
    pub trace: Trace,
    message: Vec<u8>,
    /// When its process was started.
    pub up_at: u64,
    /// How long its completions are lost, and until when once it has said one.
    mute_ns: u64,
    muted_until: Option<u64>,
}

impl ReceiverNode {
    pub(crate) fn new(index: u32, scenario: &Scenario) -> ReceiverNode {
        let mut random = stream(scenario.seed, 10_000 + u64::from(index));
        let device = scenario.device(index);
        let buffer = device.buffer_packets;
        let config = SessionConfig {
            key: device_key(index),
            installation: (u64::from(index) + 1).to_be_bytes(),
            life: random.next_u64().to_be_bytes(),
            node: 1000 + index,
            name: format!("line-{index}"),
            buffer_packets: buffer,
            seed: random.next_u64(),
        };
        let offset = 1_000_000_000 + below(&mut random, 1 << 40);
        let late = scenario.joins_late(index);
        let blocks = scenario.image_layout().map_or(0, |layout| layout.blocks());
        let muted = scenario.faults.iter().find_map(|fault| match fault {
            Fault::LoseCompletions { receiver, length } if *receiver == index => Some(*length),
            _ => None,
        });
        let mut node = ReceiverNode {
            index,
            address: receiver_address(index),
            machine: Receiver::new(config.clone()),
            config,
            power: if late { Power::Down } else { Power::Up },
            store: None,
            offers: OfferBytes::default(),
            clock: Clock::new(offset, device.drift_ppm),
            loss: LossProcess::new(
                scenario.own_loss(index),
                stream(scenario.seed, 100_000 + u64::from(index)),
            ),
            random,
            subtree: match scenario.network.subtrees {
                0 => 0,
                _ => 1 << scenario.subtree(index),
            },
            way_ns: scenario.rtt.as_nanos() as u64 / 2,
            cursor: 0,
            late: BinaryHeap::new(),
            pending: None,
            port: device.port.map(Link::new),
            socket: Socket::new(buffer, device.packets_per_s),
            faults: steps(index, scenario),
            due: u64::MAX,
            finishing: None,
            doubted: Vec::new(),
            verified_at: None,
            installed_at: None,
            announced_verified: false,
            rotten: false,
            failed: false,
            counts: Counts {
                starts: (!late).into(),
                ..Counts::default()
            },
            whole_after: vec![0; blocks as usize],
            trace: Trace::default(),
            message: Vec::new(),
            up_at: 0,
            mute_ns: muted.map_or(0, |length| length.as_nanos() as u64),
            muted_until: None,
        };
        node.faults.reverse();
        node
    }

    /// Whether it is switched on. One that has failed in a session takes part
    /// in the next.
    pub(crate) fn is_up(&self) -> bool {
        self.power == Power::Up
    }

    /// Whether it should have the image when the session is over.
    pub(crate) fn should_complete(&self) -> bool {
        !matches!(self.power, Power::Gone) && !self.failed
    }

    /// Whether nothing more can happen to it by itself.
    pub(crate) fn is_settled(&self) -> bool {
        let ended = matches!(self.power, Power::Ended | Power::Gone);
        ended && self.faults.is_empty()
    }

    /// Symbols that it lacks of a block: 0 once it can be restored.
    pub(crate) fn lacking(&self, toi: u16, sbn: u32) -> u16 {
        let session = self.machine.session();
        let Some(blocks) = session.and_then(|session| session.blocks(toi)) else {
            return u16::MAX;
        };
        blocks.lacking(sbn)
    }

    /// When something happens next without a packet.
    pub(crate) fn next_event(&self) -> u64 {
        let fault = self.faults.last().map_or(u64::MAX, |(at, _)| *at);
        let late = self.late.peek().map_or(u64::MAX, |Reverse((at, _))| *at);
        let pending = self.pending.as_ref().map_or(u64::MAX, |(at, _)| *at);
        fault.min(late).min(pending).min(self.next_own())
    }

    /// The oldest packet that it still needs.
    pub(crate) fn oldest_needed(&self) -> u64 {
        let late = self.late.iter().map(|Reverse((_, number))| *number).min();
        let pending = self.pending.as_ref().map(|(_, arrived)| arrived.number);
        late.into_iter()
            .chain(pending)
            .min()
            .unwrap_or(u64::MAX)
            .min(self.cursor)
    }

    /// Arrival of the next packet in the air, if it arrives before `end`.
    pub(crate) fn next_arrival(&self, trunk: &Trunk) -> u64 {
        trunk
            .packet(self.cursor)
            .map_or(u64::MAX, |packet| packet.at + self.way_ns)
    }

    /// Lives until `end`.
    pub(crate) fn run(&mut self, end: u64, moment: &mut Moment<'_>) {
        loop {
            if self.pending.is_none() {
                self.pending = self.arrive(end, moment.around);
            }
            let packet_at = self.pending.as_ref().map_or(u64::MAX, |(at, _)| *at);
            let own_at = self.next_own();
            let fault_at = self.faults.last().map_or(u64::MAX, |(at, _)| *at);
            let next = packet_at.min(own_at).min(fault_at);
            if next >= end {
                break;
            }
            moment.at = next;
            if fault_at <= next {
                if let Some((_, step)) = self.faults.pop() {
                    self.happen(step, moment);
                }
            } else if packet_at <= own_at {
                self.take_packets(end.min(own_at).min(fault_at), moment);
            } else {
                self.own_event(moment);
            }
        }
    }

    fn next_own(&self) -> u64 {
        if self.power != Power::Up {
            return u64::MAX;
        }
        let doubts = self.doubted.iter().map(|(_, until)| *until).min();
        let others = self.finishing.into_iter().chain(doubts);
        others.fold(self.due, u64::min)
    }

    /// Takes what has come: a train if the next packets continue the first.
    fn take_packets(&mut self, before: u64, moment: &mut Moment<'_>) {
        let Some((_, first)) = self.pending.take() else {
            return;
        };
        if moment.around.scenario.trains {
            let train = self.gather(first, before, moment);
            if train.len() > 1 && self.receive_train(&train, moment) {
                return;
            }
            train
                .iter()
                .for_each(|arrived| self.receive(arrived, moment));
        } else {
            self.receive(&first, moment);
        }
    }

    fn receive(&mut self, arrived: &Arrived, moment: &mut Moment<'_>) {
        let (at, around) = (moment.at, moment.around);
        let sent = around.trunk.packet(arrived.number);
        let Some(packet) = arrived.altered.as_deref().or(sent) else {
            return;
        };
        if self.power != Power::Up {
            return;
        }
        self.counts.delivered += 1;
        let now = self.clock.local(at);
        let from = packet.origin.address();
        match &packet.body {
            Body::Data {
                header,
                len,
                payload,
            } => {
                let mut header = *header;
                if !around.scenario.suppression {
                    header.sender.backoff = 0;
                }
                let verdict = self
                    .machine
                    .handle_data(now, from, &header, usize::from(*len));
                self.note_symbol(verdict_code(&verdict), at, &header);
                self.keep(at, &verdict, payload, packet, around);
            }
            Body::Message(bytes) => {
                self.trace.note_bytes(8, at, &bytes[..bytes.len().min(16)]);
                if let Ok(message) = Message::parse(bytes) {
                    self.hear(now, from, message, around.scenario.suppression);
                }
            }
        }
        self.follow_up(moment);
    }

    fn note_symbol(&mut self, code: u64, at: u64, header: &DataHeader) {
        let what = u64::from(header.sequence) << 48
            | u64::from(header.toi) << 40
            | u64::from(header.id.sbn) << 16
            | u64::from(header.id.esi);
        self.trace.note(code, at, what);
    }

    fn hear(&mut self, now: Time, from: SocketAddr, message: Message<'_>, suppression: bool) {
        if suppression {
            self.machine.handle_message(now, from, &message);
        } else if let Message::Command(mut command) = message {
            command.sender.backoff = 0;
            if !matches!(command.body, CommandBody::RepairAdv { .. }) {
                let message = Message::Command(command);
                self.machine.handle_message(now, from, &message);
            }
        }
    }

    /// Leaves, events, messages: what a packet or a timer leads to.
    fn follow_up(&mut self, moment: &mut Moment<'_>) {
        let now = self.clock.local(moment.at);
        self.hash_leaves(now);
        while let Some(event) = self.machine.poll_event() {
            self.handle_event(event, moment);
        }
        if self.power == Power::Up {
            self.speak(moment);
        }
    }

    fn own_event(&mut self, moment: &mut Moment<'_>) {
        if self.finishing.is_some_and(|finish| finish <= moment.at) {
            self.finishing = None;
            self.install(moment.at, moment.checker);
        }
        self.tell_damage(moment.at);
        self.follow_up(moment);
    }
}

fn verdict_code(verdict: &Verdict) -> u64 {
    match verdict {
        Verdict::Refused(_) => 20,
        Verdict::Duplicate => 21,
        Verdict::Again { .. } => 30,
        Verdict::Offer { .. } => 22,
        Verdict::Keep { held, .. } => 23 + *held as u64,
    }
}
