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
use linecast_protocol::receive::{Event, Held, Receiver, SessionConfig, Verdict};
use linecast_protocol::send::{
    Class, Ending, Member, MemberState, OnSlow, Order, Phase, RateControl, RepairShare, Sender,
    SenderConfig, Transmit,
};
use linecast_protocol::time::{Duration, Time};
use linecast_protocol::wire::{DataHeader, Fti, Message, PayloadId, SenderWord, flag};
use std::collections::VecDeque;
use std::net::SocketAddr;

const TICK: Duration = Duration::from_micros(10);
const DELAY: Duration = Duration::from_micros(200);
const SOURCE: (u32, u16) = (77, 5);
/// About what a full packet has on the wire.
const PACKET_BITS: f64 = 12_000.0;

#[derive(Clone)]
enum Packet {
    Data(DataHeader, usize),
    Bytes(Vec<u8>),
}

struct Node {
    receiver: Receiver,
    address: SocketAddr,
    loss: f64,
    link: Option<SlowLink>,
    alive: bool,
    finished: bool,
    over: bool,
    ended: Option<EndReason>,
    damage_once: Option<u64>,
}

/// A link with a queue that drops what does not fit.
struct SlowLink {
    carries_bps: f64,
    queued: f64,
    at: Time,
}

impl SlowLink {
    fn passes(&mut self, now: Time) -> bool {
        let gone = now.since(self.at).as_secs_f64() * self.carries_bps / PACKET_BITS;
        self.queued = (self.queued - gone).max(0.0);
        self.at = now;
        let fits = self.queued < 32.0;
        self.queued += f64::from(u8::from(fits));
        fits
    }
}

struct World {
    now: Time,
    random: Random,
    shape: SessionShape,
    sender: Sender,
    nodes: Vec<Node>,
    down: VecDeque<(Time, Option<SocketAddr>, Packet)>,
    up: VecDeque<(Time, SocketAddr, Vec<u8>)>,
    first: VecDeque<(u16, u32, u16, bool)>,
    repair: VecDeque<(u16, u32, u16, bool)>,
    share: RepairShare,
    position: u64,
    /// Symbols are sent at the machine's rate, not one a tick.
    paced: bool,
    credit: f64,
    image_packets: u64,
    /// Those of them that went to one receiver.
    unicast_packets: u64,
    feedback_loss: f64,
}

fn shape(size: u64) -> SessionShape {
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

impl World {
    fn new(size: u64, losses: &[f64], seed: u64) -> World {
        World::with(size, losses, seed, |_| {})
    }

    fn with(size: u64, losses: &[f64], seed: u64, decide: fn(&mut SenderConfig)) -> World {
        let shape = shape(size);
        let now = Time::from_ns(5_000_000_000);
        let mut config = SenderConfig {
            source_id: SOURCE.0,
            instance_id: SOURCE.1,
            shape,
            session_key: SigningKey::from_seed([9; 32]),
            receivers: Some(losses.len()),
            roster: Vec::new(),
            wait: Duration::from_secs(5),
            settle: Duration::from_millis(300),
            stall_timeout: Duration::from_secs(10),
            deadline: None,
            rate: RateControl::fixed(1_000_000_000),
            on_slow: OnSlow::Wait,
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

    fn step(&mut self) {
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

    fn carry_out(&mut self, order: Order) {
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

    fn send_one(&mut self) {
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

    fn emit(&mut self, toi: u16, sbn: u32, esi: u16, repair: bool) {
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

    fn header(&self, sequence: u16, toi: u16, sbn: u32, esi: u16, flags: u8) -> DataHeader {
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

    fn deliver(&mut self, target: Option<SocketAddr>, packet: &Packet) {
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

    fn run(&mut self, longest: Duration) -> f64 {
        let end = self.now + longest;
        while self.sender.phase() != Phase::Done {
            assert!(
                self.now < end,
                "not done: {:?} {:?}",
                self.sender.phase(),
                self.sender.roster()
            );
            self.step();
        }
        self.image_packets as f64 / self.shape.image.symbols().max(1) as f64
    }

    fn assert_all_complete(&self) {
        assert_eq!(self.sender.ending(), Ending::Finished);
        for (member, node) in self.sender.roster().members().iter().zip(&self.nodes) {
            assert_eq!(member.state, MemberState::Complete);
            assert!(node.finished);
        }
    }
}

fn node(i: usize, loss: f64, seed: u64) -> Node {
    let config = SessionConfig {
        key: SigningKey::from_seed([i as u8 + 20; 32]),
        node: 1000 + i as u32,
        name: format!("line-{i}"),
        buffer_packets: 4000,
        seed: seed ^ i as u64,
    };
    Node {
        link: None,
        receiver: Receiver::new(config),
        address: format!("10.0.0.{}:7600", i + 2).parse().unwrap(),
        loss,
        alive: true,
        finished: false,
        over: false,
        ended: None,
        damage_once: None,
    }
}

fn hand(now: Time, shape: SessionShape, node: &mut Node, packet: &Packet) {
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
                assert!(
                    node.receiver
                        .follow(now, key, shape, false, std::iter::empty())
                );
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
            Verdict::Refused(why) => assert!(node.receiver.session().is_none(), "{why:?}"),
            _ => {}
        },
    }
    let Some(session) = node.receiver.session_mut() else {
        return;
    };
    if session.leaf_list_complete() {
        session.handle_leaf_list(now, true);
    }
    while let Some(leaf) = node.receiver.poll_leaf() {
        let damaged = node.damage_once.take_if(|bad| *bad == leaf).is_some();
        node.receiver
            .session_mut()
            .unwrap()
            .handle_leaf(now, leaf, !damaged);
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

const MIB: u64 = 1 << 20;

#[test]
fn without_loss_nothing_is_asked_for_and_nothing_is_sent_twice() {
    let mut world = World::new(4 * MIB, &[0.0; 4], 1);
    let expansion = world.run(Duration::from_secs(20));
    world.assert_all_complete();
    assert_eq!(expansion, 1.0);
    assert_eq!(world.sender.feedback().nacks_heard, 0);
    assert_eq!(world.sender.feedback().refused, 0);
    for _ in 0..2_000 {
        world.step();
    }
    assert!(
        world.nodes.iter().all(|node| node.over),
        "everybody hears the end"
    );
}

#[test]
fn independent_loss_is_repaired_close_to_what_parity_allows() {
    for (loss, limit) in [(0.01, 1.05), (0.05, 1.16), (0.2, 1.45), (0.3, 1.68)] {
        let mut world = World::new(4 * MIB, &[loss; 4], 7);
        let expansion = world.run(Duration::from_secs(60));
        world.assert_all_complete();
        assert!(expansion < limit, "loss {loss}: expansion {expansion}");
    }
}

#[test]
fn lost_feedback_delays_but_does_not_stop() {
    for seed in 0..5 {
        let mut world = World::new(MIB, &[0.2; 3], seed);
        world.feedback_loss = 0.2;
        let expansion = world.run(Duration::from_secs(60));
        world.assert_all_complete();
        assert!(expansion < 1.6, "expansion {expansion}");
    }
}

#[test]
fn every_odd_size_completes() {
    for size in [
        0,
        1,
        1407,
        1408,
        1409,
        65_535,
        65_536,
        65_537,
        128 * 1408 - 1,
        128 * 1408 + 1,
    ] {
        for loss in [0.0, 0.3] {
            let mut world = World::new(size, &[loss; 2], size);
            let expansion = world.run(Duration::from_secs(60));
            world.assert_all_complete();
            assert!(
                loss > 0.0 || size == 0 || expansion == 1.0,
                "{size}: {expansion}"
            );
        }
    }
}

#[test]
fn a_receiver_that_comes_late_gets_all_of_it() {
    let mut world = World::new(8 * MIB, &[0.0, 0.0], 3);
    world.nodes.push(node(2, 0.0, 3));
    world.nodes[2].alive = false;
    while world.image_packets < world.shape.image.symbols() / 2 {
        world.step();
    }
    world.nodes[2].alive = true;
    let expansion = world.run(Duration::from_secs(60));
    world.assert_all_complete();
    assert!(expansion < 1.6, "{expansion}");
}

#[test]
fn a_receiver_that_dies_is_given_up_after_the_stall_time_out_and_the_others_complete() {
    let mut world = World::new(4 * MIB, &[0.01; 3], 4);
    while world.image_packets < 1000 {
        world.step();
    }
    world.nodes[1].alive = false;
    world.run(Duration::from_secs(30));
    let states: Vec<_> = world
        .sender
        .roster()
        .members()
        .iter()
        .map(|m| m.state.clone())
        .collect();
    assert_eq!(
        states
            .iter()
            .filter(|s| **s == MemberState::Complete)
            .count(),
        2
    );
    assert!(states.contains(&MemberState::Stalled));
}

#[test]
fn nobody_there_ends_the_session_after_the_wait() {
    let mut world = World::new(MIB, &[0.0], 5);
    world.nodes[0].alive = false;
    world.run(Duration::from_secs(6));
    assert_eq!(world.sender.ending(), Ending::NoReceivers);
}

#[test]
fn an_outage_of_the_path_is_survived() {
    let mut world = World::new(8 * MIB, &[0.0; 3], 6);
    while world.image_packets < 2000 {
        world.step();
    }
    world.nodes.iter_mut().for_each(|node| node.loss = 1.0);
    for _ in 0..100_000 {
        world.step();
    }
    world.nodes.iter_mut().for_each(|node| node.loss = 0.0);
    world.run(Duration::from_secs(60));
    world.assert_all_complete();
}

#[test]
fn a_damaged_leaf_is_fetched_again() {
    let mut world = World::new(4 * MIB, &[0.05; 2], 8);
    world.nodes[0].damage_once = Some(17);
    world.run(Duration::from_secs(60));
    world.assert_all_complete();
    assert_eq!(
        world.nodes[0]
            .receiver
            .session()
            .unwrap()
            .counters()
            .leaves_damaged,
        1
    );
}

#[test]
fn an_early_end_reaches_everybody_and_is_signed() {
    let mut world = World::new(8 * MIB, &[0.0; 2], 9);
    while world.image_packets < 1000 {
        world.step();
    }
    world.sender.end_early(world.now, EndReason::ImageChanged);
    world.run(Duration::from_secs(5));
    (0..1000).for_each(|_| world.step());
    assert!(
        world
            .nodes
            .iter()
            .all(|n| n.ended == Some(EndReason::ImageChanged) && !n.finished)
    );
}

#[test]
fn receivers_with_the_same_node_id_are_told_apart() {
    let mut world = World::new(MIB, &[0.05; 3], 10);
    for i in 0..3 {
        let config = SessionConfig {
            key: SigningKey::from_seed([i + 20; 32]),
            node: 1000,
            name: "same".into(),
            buffer_packets: 4000,
            seed: u64::from(i),
        };
        world.nodes[usize::from(i)].receiver = Receiver::new(config);
    }
    world.run(Duration::from_secs(30));
    world.assert_all_complete();
    let mut nodes: Vec<_> = world
        .sender
        .roster()
        .members()
        .iter()
        .map(|m| m.node)
        .collect();
    nodes.sort_unstable();
    nodes.dedup();
    assert_eq!(nodes.len(), 3);
}

/// Two receivers on good links and one on 2 Mbit/s, where the floor is 20.
fn with_one_slow(size: u64, decide: fn(&mut SenderConfig)) -> World {
    let mut world = World::with(size, &[0.0; 3], 11, decide);
    world.paced = true;
    world.nodes[2].link = Some(SlowLink {
        carries_bps: 2e6,
        queued: 0.0,
        at: world.now,
    });
    world
}

fn auto(config: &mut SenderConfig) {
    config.rate = RateControl::auto(20_000_000, Some(1_000_000_000), 1_000_000_000);
}

fn slow_member(world: &World) -> &Member {
    let members = world.sender.roster().members();
    members.iter().find(|m| m.name == "line-2").unwrap()
}

/// Runs until the slow one is given up; gives what it sustained.
fn run_until_given_up(world: &mut World) -> u64 {
    let end = world.now + Duration::from_secs(5);
    loop {
        let mut members = world.sender.roster().members().iter();
        let slow = members.find_map(|member| match member.state {
            MemberState::Slow { sustained_bps } => Some((&member.name, sustained_bps)),
            _ => None,
        });
        if let Some((name, sustained_bps)) = slow {
            assert_eq!(name, "line-2");
            return sustained_bps;
        }
        assert!(world.now < end, "not found: {:?}", world.sender.roster());
        world.step();
    }
}

#[test]
fn a_straggler_is_given_up_and_the_others_complete_at_their_own_pace() {
    let mut world = with_one_slow(8 * MIB, |config| {
        auto(config);
        config.on_slow = OnSlow::Drop;
    });
    let began = world.now;
    let sustained_bps = run_until_given_up(&mut world);
    assert!(
        (1_500_000..2_500_000).contains(&sustained_bps),
        "{sustained_bps}"
    );
    assert!(world.now.since(began) > Duration::from_secs(2));
    assert_eq!(world.sender.control().rate_bps, 1_000_000_000);
    let found = world.now;
    world.run(Duration::from_secs(5));
    let rest = world.now.since(found);
    assert!(rest < Duration::from_millis(900), "the rest took {rest:?}");
    for member in world.sender.roster().members() {
        assert_eq!(
            member.state == MemberState::Complete,
            member.name != "line-2"
        );
    }
    assert!(
        world.nodes[2].over,
        "it hears the end behind its full queue"
    );
}

#[test]
fn a_receiver_that_was_given_up_cannot_come_back() {
    let mut world = with_one_slow(48 * MIB, |config| {
        auto(config);
        config.on_slow = OnSlow::Drop;
    });
    run_until_given_up(&mut world);
    let given_up = slow_member(&world).state.clone();
    let acks = world.sender.feedback().acks_heard;
    // Started again, on another port and a good link, it registers under the
    // same key.
    world.nodes[2].link = None;
    let fresh = node(2, 0.0, 11);
    world.nodes[2].receiver = fresh.receiver;
    world.nodes[2].address = "10.0.0.4:7700".parse().unwrap();
    while slow_member(&world).address != Some(world.nodes[2].address) {
        assert!(world.sender.phase() < Phase::Ending, "it was not heard");
        world.step();
    }
    assert!(world.sender.feedback().acks_heard > acks);
    world.run(Duration::from_secs(5));
    assert_eq!(slow_member(&world).state, given_up);
}

#[test]
fn a_straggler_is_waited_for_unless_told_otherwise() {
    let mut world = with_one_slow(MIB, auto);
    world.run(Duration::from_secs(60));
    world.assert_all_complete();
    assert!(slow_member(&world).sustained_bps.is_some());
}

fn by_unicast(config: &mut SenderConfig) {
    auto(config);
    config.on_slow = OnSlow::Unicast;
}

fn member<'a>(world: &'a World, name: &str) -> &'a Member {
    let mut members = world.sender.roster().members().iter();
    members.find(|member| member.name == name).unwrap()
}

/// How many wait for their turn.
fn asides(world: &World) -> usize {
    let members = world.sender.roster().members().iter();
    members.filter(|m| m.state == MemberState::Aside).count()
}

/// Runs until `test` holds.
fn run_until(world: &mut World, longest: Duration, test: fn(&World) -> bool) {
    let end = world.now + longest;
    while !test(world) {
        assert!(world.now < end, "not so: {:?}", world.sender.roster());
        assert!(world.sender.phase() < Phase::Ending, "it has ended");
        world.step();
    }
}

#[test]
fn a_straggler_is_set_aside_and_served_by_unicast_after_the_others() {
    let mut world = with_one_slow(8 * MIB, by_unicast);
    let aside = |world: &World| asides(world) == 1;
    run_until(&mut world, Duration::from_secs(5), aside);
    assert_eq!(world.sender.control().rate_bps, 1_000_000_000);
    let found = world.now;
    let turn = |world: &World| world.sender.control().target.is_some();
    run_until(&mut world, Duration::from_secs(5), turn);
    let rest = world.now.since(found);
    assert!(rest < Duration::from_millis(900), "the rest took {rest:?}");
    for name in ["line-0", "line-1"] {
        assert_eq!(member(&world, name).state, MemberState::Complete);
    }
    assert_eq!(world.unicast_packets, 0);
    let control = world.sender.control();
    assert_eq!(control.target, Some(world.nodes[2].address));
    // The floor is the others'.
    assert!(control.rate_bps < 4_000_000, "{}", control.rate_bps);
    let began = world.now;
    world.run(Duration::from_secs(120));
    world.assert_all_complete();
    assert!(member(&world, "line-2").unicast && !member(&world, "line-0").unicast);
    // 2 Mbit/s carry the image in 36 s.
    let took = world.now.since(began);
    assert!(took < Duration::from_secs(72), "{took:?}");
    let sent = world.unicast_packets as f64 / world.shape.image.symbols() as f64;
    assert!((0.5..1.5).contains(&sent), "{sent} times the image");
}

/// Of four, the third and the fourth are on slow links.
fn with_two_slow(decide: fn(&mut SenderConfig)) -> World {
    let mut world = World::with(8 * MIB, &[0.0; 4], 13, decide);
    world.paced = true;
    for (node, carries_bps) in [(2, 2e6), (3, 4e6)] {
        world.nodes[node].link = Some(SlowLink {
            carries_bps,
            queued: 0.0,
            at: world.now,
        });
    }
    world
}

#[test]
fn those_set_aside_have_their_turns_one_after_the_other() {
    let mut world = with_two_slow(by_unicast);
    let turn = |world: &World| world.sender.control().target.is_some();
    run_until(&mut world, Duration::from_secs(20), turn);
    // As long as it is heard it waits for its turn, however long that takes.
    let first = world.sender.control().target;
    let waits = |world: &World| asides(world) == 1;
    assert!(waits(&world), "{:?}", world.sender.roster());
    let began = world.now;
    while world.sender.control().target == first {
        assert!(waits(&world), "{:?}", world.sender.roster());
        world.step();
    }
    assert!(
        world.now.since(began) > Duration::from_secs(10),
        "more than a stall"
    );
    world.run(Duration::from_secs(120));
    world.assert_all_complete();
    let unicast = |name| member(&world, name).unicast;
    assert!(unicast("line-2") && unicast("line-3") && !unicast("line-1"));
}

#[test]
fn whoever_falls_silent_before_or_in_its_turn_stalls_and_the_next_is_served() {
    for in_turn in [false, true] {
        let mut world = with_two_slow(by_unicast);
        let both = |world: &World| asides(world) == 2;
        let turn = |world: &World| world.sender.control().target == Some(world.nodes[2].address);
        run_until(
            &mut world,
            Duration::from_secs(20),
            if in_turn { turn } else { both },
        );
        world.nodes[2].alive = false;
        world.run(Duration::from_secs(120));
        assert_eq!(member(&world, "line-2").state, MemberState::Stalled);
        assert_eq!(member(&world, "line-2").unicast, in_turn);
        assert_eq!(member(&world, "line-3").state, MemberState::Complete);
        assert!(member(&world, "line-3").unicast);
    }
}

#[test]
fn whoever_cannot_be_sent_to_by_unicast_fails_and_the_next_is_served() {
    let mut world = with_two_slow(by_unicast);
    let turn = |world: &World| asides(world) == 1 && world.sender.control().target.is_some();
    run_until(&mut world, Duration::from_secs(20), turn);
    let first = world.sender.control().target;
    world.sender.handle_unreachable();
    world.sender.handle_unreachable();
    world.sender.handle_timeout(world.now);
    let next = world.sender.control().target;
    assert!(next.is_some() && next != first && asides(&world) == 0);
    let mut members = world.sender.roster().members().iter();
    let failed = members.find(|member| member.address == first).unwrap();
    assert!(matches!(&failed.state, MemberState::Failed(why) if why.contains("unicast")));
    world.run(Duration::from_secs(120));
    let mut members = world.sender.roster().members().iter();
    assert!(members.any(|m| m.address == next && m.state == MemberState::Complete));
}

#[test]
fn a_straggler_that_starts_again_is_served_at_its_new_address() {
    let mut world = with_one_slow(4 * MIB, by_unicast);
    let turn = |world: &World| world.sender.control().target.is_some();
    run_until(&mut world, Duration::from_secs(20), turn);
    world.nodes[2].receiver = node(2, 0.0, 11).receiver;
    world.nodes[2].address = "10.0.0.4:7700".parse().unwrap();
    let moved = |world: &World| world.sender.control().target == Some(world.nodes[2].address);
    run_until(&mut world, Duration::from_secs(5), moved);
    world.run(Duration::from_secs(120));
    world.assert_all_complete();
}

#[test]
fn whoever_comes_late_waits_for_a_turn_of_its_own() {
    let mut world = with_one_slow(4 * MIB, |config| {
        by_unicast(config);
        config.receivers = Some(3);
    });
    let fourth = node(3, 0.0, 11);
    let turn = |world: &World| world.sender.control().target.is_some();
    run_until(&mut world, Duration::from_secs(20), turn);
    world.nodes.push(fourth);
    let came = |world: &World| world.sender.roster().members().len() == 4;
    run_until(&mut world, Duration::from_secs(5), came);
    assert_eq!(member(&world, "line-3").state, MemberState::Aside);
    assert_eq!(world.sender.control().target, Some(world.nodes[2].address));
    world.run(Duration::from_secs(120));
    world.assert_all_complete();
    assert!(member(&world, "line-3").unicast);
}
