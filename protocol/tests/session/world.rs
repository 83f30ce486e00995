//! One sender and a few receivers over a simulated lossy group: symbols by
//! identity, time by ticks. The simulator proper is a member of its own; this
//! is the smallest world in which the two machines meet.

use linecast_protocol::hex;
use linecast_protocol::key::SigningKey;
use linecast_protocol::message::{EndReason, Figures};
use linecast_protocol::offer::{
    DESCRIPTOR_SCHEMA, Descriptor, IMAGE_TOI, SESSION_TOI, SessionShape,
};
use linecast_protocol::random::Random;
use linecast_protocol::receiver::{Event, Held, Receiver, SessionConfig, Verdict};
use linecast_protocol::seal::Life;
use linecast_protocol::sender::{
    Class, Ending, MemberState, OnSlow, Order, Phase, RateControl, RepairShare, Sender,
    SenderConfig, Transmit,
};
use linecast_protocol::time::{Duration, Time};
use linecast_protocol::wire::{
    Command, CommandBody, DataHeader, Fti, Message, PayloadId, SenderWord, flag,
};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

pub(crate) const TICK: Duration = Duration::from_micros(10);
pub(crate) const DELAY: Duration = Duration::from_micros(200);
pub(crate) const SOURCE: (u32, u16) = (77, 5);
pub(crate) const SENDER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 7600);
/// About what a full packet has on the wire.
pub(crate) const PACKET_BITS: f64 = 12_000.0;

#[derive(Clone)]
pub(crate) enum Packet {
    Data(DataHeader, usize),
    Bytes(Vec<u8>),
}

pub(crate) struct Node {
    pub(crate) receiver: Receiver,
    pub(crate) life: Life,
    /// It may follow another session.
    pub(crate) elsewhere: bool,
    pub(crate) address: SocketAddr,
    pub(crate) loss: f64,
    pub(crate) link: Option<SlowLink>,
    pub(crate) alive: bool,
    pub(crate) finished: bool,
    pub(crate) over: bool,
    pub(crate) ended: Option<EndReason>,
    pub(crate) damage_once: Option<u64>,
    /// This leaf and the next are found damaged together, once.
    pub(crate) damage_pair: Option<u64>,
    pub(crate) waiting: Vec<u64>,
    /// Leaves that it has from an earlier session.
    pub(crate) kept: Vec<u64>,
}

/// A link with a queue that drops what does not fit.
pub(crate) struct SlowLink {
    pub(crate) carries_bps: f64,
    pub(crate) queued: f64,
    pub(crate) at: Time,
}

impl SlowLink {
    pub(crate) fn passes(&mut self, now: Time) -> bool {
        let gone = now.since(self.at).as_secs_f64() * self.carries_bps / PACKET_BITS;
        self.queued = (self.queued - gone).max(0.0);
        self.at = now;
        let fits = self.queued < 32.0;
        self.queued += f64::from(u8::from(fits));
        fits
    }
}

pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) random: Random,
    pub(crate) shape: SessionShape,
    pub(crate) sender: Sender,
    pub(crate) nodes: Vec<Node>,
    pub(crate) down: VecDeque<(Time, Option<SocketAddr>, Packet)>,
    pub(crate) up: VecDeque<(Time, SocketAddr, Vec<u8>)>,
    pub(crate) first: VecDeque<(u16, u32, u16, bool)>,
    pub(crate) repair: VecDeque<(u16, u32, u16, bool)>,
    pub(crate) share: RepairShare,
    pub(crate) position: u64,
    /// Symbols are sent at the machine's rate, not one a tick.
    pub(crate) paced: bool,
    pub(crate) credit: f64,
    pub(crate) image_packets: u64,
    /// Those of them that went to one receiver.
    pub(crate) unicast_packets: u64,
    pub(crate) feedback_loss: f64,
}

pub(crate) fn shape(size: u64) -> SessionShape {
    let descriptor = Descriptor {
        schema: DESCRIPTOR_SCHEMA.into(),
        session: hex(&[3; 16]),
        session_key: hex(SigningKey::from_seed([9; 32]).public().as_bytes()),
        symbol_bytes: 1408,
        block_symbols: 128,
        codec: "gf16-low".into(),
        num_parity: linecast_protocol::limits::PARITY_MAX,
        lanes: 1,
        window_packets: 3072,
    };
    SessionShape::new(&descriptor, size, [4; 32]).unwrap()
}

/// What a sender decides if a test says nothing else.
pub(crate) fn config(shape: SessionShape) -> SenderConfig {
    SenderConfig {
        source_id: SOURCE.0,
        instance_id: SOURCE.1,
        shape,
        session_key: SigningKey::from_seed([9; 32]),
        receivers: Some(1),
        roster: Vec::new(),
        wait: Duration::from_secs(5),
        settle: Duration::from_millis(300),
        stall_timeout: Duration::from_secs(10),
        deadline: None,
        rate: RateControl::fixed(1_000_000_000),
        on_slow: OnSlow::Wait,
        ipv6: false,
    }
}

impl World {
    pub(crate) fn new(size: u64, losses: &[f64], seed: u64) -> World {
        World::with(size, losses, seed, |_| {})
    }

    pub(crate) fn with(
        size: u64,
        losses: &[f64],
        seed: u64,
        decide: fn(&mut SenderConfig),
    ) -> World {
        let shape = shape(size);
        let now = Time::from_ns(5_000_000_000);
        let mut config = SenderConfig {
            receivers: Some(losses.len()),
            ..config(shape)
        };
        decide(&mut config);
        let nodes = losses
            .iter()
            .enumerate()
            .map(|(i, &loss)| node(i, loss, seed))
            .collect();
        World {
            now,
            random: Random::new(seed),
            shape,
            sender: Sender::new(now, config),
            nodes,
            down: VecDeque::new(),
            up: VecDeque::new(),
            first: VecDeque::new(),
            repair: VecDeque::new(),
            share: RepairShare::default(),
            position: 0,
            paced: false,
            credit: 0.0,
            image_packets: 0,
            unicast_packets: 0,
            feedback_loss: 0.0,
        }
    }

    pub(crate) fn step(&mut self) {
        self.now = self.now + TICK;
        let now = self.now;
        self.sender.handle_positions(now, &[self.position]);
        while self.up.front().is_some_and(|(at, ..)| *at <= now) {
            let (_, from, bytes) = self.up.pop_front().unwrap();
            self.sender.handle_datagram(now, from, &bytes);
        }
        if self.sender.poll_timeout().is_some_and(|at| at <= now) {
            self.sender.handle_timeout(now);
        }
        let due = self.sender.poll_timeout();
        assert!(
            due.is_none_or(|at| at > now),
            "{:?} asks for the past",
            self.sender.phase()
        );
        while let Some(order) = self.sender.poll_order() {
            self.carry_out(order);
        }
        let mut message = Vec::new();
        while let Some(transmit) = self.sender.poll_transmit(&mut message) {
            let packet = match transmit {
                Transmit::Message => Packet::Bytes(message.clone()),
                Transmit::SessionObject => Packet::Data(self.header(0, SESSION_TOI, 0, 0, 0), 900),
            };
            self.down.push_back((now + DELAY, None, packet));
        }
        self.send_one();
        while self.down.front().is_some_and(|(at, ..)| *at <= now) {
            let (_, target, packet) = self.down.pop_front().unwrap();
            self.deliver(target, &packet);
        }
        for node in self.nodes.iter_mut().filter(|node| node.alive) {
            if node.receiver.poll_timeout().is_some_and(|at| at <= now) {
                while node.receiver.poll_transmit(now, &mut message).is_some() {
                    if self.random.unit() >= self.feedback_loss {
                        self.up
                            .push_back((now + DELAY, node.address, message.clone()));
                    }
                }
            }
        }
    }

    pub(crate) fn carry_out(&mut self, order: Order) {
        match order {
            Order::FirstPass { toi, blocks } => {
                for sbn in blocks {
                    let len = self.shape.layout(toi).unwrap().block_len(sbn);
                    (0..len).for_each(|esi| self.first.push_back((toi, sbn, esi, false)));
                    self.first.back_mut().unwrap().3 = true;
                }
            }
            Order::Repair(order) | Order::Parity(order) => {
                let esis = order.first..order.first + order.count;
                esis.for_each(|esi| self.repair.push_back((order.toi, order.sbn, esi, false)));
                self.repair.back_mut().unwrap().3 = true;
            }
        }
    }

    pub(crate) fn send_one(&mut self) {
        if self.paced {
            let bits = self.sender.control().rate_bps as f64 * TICK.as_secs_f64();
            self.credit = (self.credit + bits / PACKET_BITS).min(2.0);
            if self.credit < 1.0 {
                return;
            }
        }
        if self.position >= self.sender.lane_limit(self.now, 0) {
            return;
        }
        let ready = (!self.first.is_empty(), !self.repair.is_empty());
        let Some(class) = self.share.choose(ready.0, !ready.0, ready.1) else {
            return;
        };
        self.share.spend(class, 1);
        self.credit -= 1.0;
        let queue = if class == Class::First {
            &mut self.first
        } else {
            &mut self.repair
        };
        let (toi, sbn, esi, last) = queue.pop_front().unwrap();
        let repair = class == Class::Repair;
        self.emit(toi, sbn, esi, repair);
        if !last {
            return;
        }
        let layout = *self.shape.layout(toi).unwrap();
        let len = layout.block_len(sbn);
        let mut parity_end = (esi + 1).saturating_sub(len);
        if !repair {
            parity_end = self.sender.control().loss.parity_of(toi, &layout, sbn);
            (0..parity_end).for_each(|index| self.emit(toi, sbn, len + index, false));
        }
        self.sender.handle_positions(self.now, &[self.position]);
        self.sender
            .handle_sent(self.now, toi, sbn, parity_end, !repair);
    }

    pub(crate) fn emit(&mut self, toi: u16, sbn: u32, esi: u16, repair: bool) {
        let flags = if repair { flag::REPAIR } else { 0 };
        let header = self.header(self.position as u16, toi, sbn, esi, flags);
        let layout = self.shape.layout(toi).unwrap();
        let bytes = if esi < header.id.block_len {
            layout.symbol_len(sbn, esi)
        } else {
            1408
        };
        self.position += 1;
        self.image_packets += u64::from(toi == IMAGE_TOI);
        let target = self.sender.control().target;
        self.unicast_packets += u64::from(target.is_some());
        self.down
            .push_back((self.now + DELAY, target, Packet::Data(header, bytes)));
    }

    pub(crate) fn header(
        &self,
        sequence: u16,
        toi: u16,
        sbn: u32,
        esi: u16,
        flags: u8,
    ) -> DataHeader {
        let (size, block_len, max) = match self.shape.layout(toi) {
            Some(layout) => (layout.size(), layout.block_len(sbn), layout.block_len_max()),
            None => (900, 1, 1),
        };
        DataHeader {
            sequence,
            source_id: SOURCE.0,
            sender: SenderWord {
                instance_id: SOURCE.1,
                ..self.sender.control().word
            },
            flags,
            toi,
            id: PayloadId {
                sbn,
                block_len,
                esi,
            },
            fti: Some(Fti {
                object_size: size,
                fec_instance: 1,
                symbol_bytes: 1408,
                max_block_len: max,
                num_parity: 100,
            }),
        }
    }

    /// A command as the sender would send it.
    pub(crate) fn command(&self, body: &CommandBody<'_>) -> Vec<u8> {
        let word = SenderWord {
            instance_id: SOURCE.1,
            ..self.sender.control().word
        };
        self.command_with(word, body)
    }

    pub(crate) fn command_with(&self, sender: SenderWord, body: &CommandBody<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        Command {
            sequence: 0,
            source_id: SOURCE.0,
            sender,
            body: *body,
        }
        .emit(&mut out);
        out
    }

    pub(crate) fn deliver(&mut self, target: Option<SocketAddr>, packet: &Packet) {
        for i in 0..self.nodes.len() {
            let node = &mut self.nodes[i];
            if target.is_some_and(|target| target != node.address) {
                continue;
            }
            let passes = node.link.as_mut().is_none_or(|link| link.passes(self.now));
            if node.alive && passes && self.random.unit() >= node.loss {
                hand(self.now, self.shape, &mut self.nodes[i], packet);
            }
        }
    }

    pub(crate) fn run(&mut self, longest: Duration) -> f64 {
        let end = self.now + longest;
        while self.sender.phase() != Phase::Done {
            assert!(
                self.now < end,
                "not done: {:?} {:?}",
                self.sender.phase(),
                self.sender.membership()
            );
            self.step();
        }
        self.image_packets as f64 / self.shape.image.symbols().max(1) as f64
    }

    pub(crate) fn assert_all_complete(&self) {
        assert_eq!(self.sender.ending(), Ending::Finished);
        for (member, node) in self.sender.membership().members().iter().zip(&self.nodes) {
            assert_eq!(member.state, MemberState::Complete);
            assert!(node.finished);
        }
    }
}

/// Every process has another.
static LIVES: AtomicU64 = AtomicU64::new(1);

pub(crate) fn node(i: usize, loss: f64, seed: u64) -> Node {
    let config = SessionConfig {
        key: SigningKey::from_seed([i as u8 + 20; 32]),
        installation: [i as u8; 8],
        life: LIVES.fetch_add(1, Relaxed).to_be_bytes(),
        node: 1000 + i as u32,
        name: format!("line-{i}"),
        buffer_packets: 4000,
        seed: seed ^ i as u64,
    };
    Node {
        link: None,
        elsewhere: false,
        life: Life {
            key: config.key.public(),
            installation: config.installation,
            number: config.life,
        },
        receiver: Receiver::new(config),
        address: format!("10.0.0.{}:7600", i + 2).parse().unwrap(),
        loss,
        alive: true,
        finished: false,
        over: false,
        ended: None,
        damage_once: None,
        damage_pair: None,
        waiting: Vec::new(),
        kept: Vec::new(),
    }
}

pub(crate) fn hand(now: Time, shape: SessionShape, node: &mut Node, packet: &Packet) {
    let from = "10.0.0.1:7600".parse().unwrap();
    match packet {
        Packet::Bytes(bytes) => {
            node.receiver
                .handle_message(now, from, &Message::parse(bytes).unwrap());
        }
        Packet::Data(header, bytes) => match node.receiver.handle_data(now, from, header, *bytes) {
            Verdict::Offer {
                key,
                held: Held::Done | Held::Restorable,
                ..
            } => {
                let kept = node.kept.iter().copied();
                assert!(node.receiver.follow(now, key, shape, false, kept));
            }
            Verdict::Keep {
                toi,
                id,
                held: Held::Restorable,
            } => {
                node.receiver
                    .session_mut()
                    .unwrap()
                    .handle_restored(toi, id.sbn);
            }
            Verdict::Refused(why) => {
                let expected = node.elsewhere || node.receiver.session().is_none();
                assert!(expected, "{why:?}");
            }
            _ => {}
        },
    }
    let Some(session) = node.receiver.session_mut() else {
        return;
    };
    if session.leaf_list_complete() {
        session.handle_leaf_list(now, &[]);
    }
    while let Some(leaf) = node.receiver.poll_leaf() {
        let pair = node.damage_pair.map(|first| [first, first + 1]);
        if pair.is_some_and(|pair| pair.contains(&leaf)) {
            node.waiting.push(leaf);
            if node.waiting.len() == 2 {
                node.damage_pair = None;
                let session = node.receiver.session_mut().unwrap();
                let taken = node
                    .waiting
                    .iter()
                    .map(|&leaf| session.handle_damaged(now, leaf));
                let taken: Vec<_> = taken.collect();
                assert!(!taken[0].is_empty() && taken[1].is_empty(), "{taken:?}");
            }
            continue;
        }
        let damaged = node.damage_once.take_if(|bad| *bad == leaf).is_some();
        let session = node.receiver.session_mut().unwrap();
        if damaged {
            session.handle_damaged(now, leaf);
        } else {
            session.handle_verified(leaf);
        }
    }
    while let Some(event) = node.receiver.poll_event() {
        match event {
            Event::Verified => {
                node.finished = true;
                node.receiver.finish(now, Figures::default(), None);
            }
            Event::Over { .. } => node.over = true,
            Event::Ended(reason) => node.ended = Some(reason),
            Event::Welcomed => {}
        }
    }
}
