//! The sender's machine: devices that sign and seal say anything, in any order, at
//! any time. Nothing panics, queues stay within their bounds, no more is sent than
//! was asked for, and when everybody is silent the session ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linecast_fuzz::{Device, SOURCE, Tape, session_key, shape};
use linecast_protocol::limits::{MESSAGE_BYTES_MAX, PAGE_BYTES};
use linecast_protocol::message::{
    ACK_COMPLETE, ACK_PAGE, ACK_STATUS, Activity, Cause, Complete, EndReason, Figures, PROFILE,
    Page, Refusal, Status,
};
use linecast_protocol::object::spans;
use linecast_protocol::offer::{IMAGE_TOI, LEAVES_TOI, SessionShape};
use linecast_protocol::sender::{
    OnSlow, Order, Phase, RateControl, RepairOrder, Sender, SenderConfig, Transmit,
};
use linecast_protocol::time::{Duration, Time};
use linecast_protocol::wire::{
    Form, Level, Message, PayloadId, RequestBuilder, Requests, Timestamp,
};

fuzz_target!(|data: &[u8]| {
    let mut tape = Tape::new(data);
    let mut world = World::new(&mut tape);
    world.begin(&mut tape);
    for _ in 0..STEPS_MAX {
        if tape.is_empty() {
            break;
        }
        world.step(&mut tape);
        world.check();
    }
    world.run_out();
});

const STEPS_MAX: usize = 250;
const DEVICES: usize = 6;
const STALL: Duration = Duration::from_secs(1);

/// Orders as encoder and lanes have them: not sent yet.
enum Work {
    First(u16, core::ops::Range<u32>),
    Again(RepairOrder),
}

struct World {
    now: Time,
    shape: SessionShape,
    sender: Sender,
    devices: Vec<Device>,
    work: Vec<Work>,
    positions: Vec<u64>,
    /// The newest datagrams, to be replayed.
    said: Vec<(usize, Vec<u8>)>,
    /// Blocks that sealed NACKs have named, and what came of them.
    asked: u64,
    repaired: u64,
    repairs: u64,
    parity: u64,
}

impl World {
    fn new(tape: &mut Tape<'_>) -> World {
        let now = Time::from_ns(5_000_000_000);
        let shape = shape(tape.below(7));
        let path = tape.below(6);
        let devices: Vec<Device> = (0..DEVICES).map(|at| Device::new(at as u8)).collect();
        let roster = |count: usize| {
            let expected = devices[1..].iter().take(count);
            expected
                .map(|device| (format!("{device:?}"), device.key().public()))
                .collect()
        };
        let config = SenderConfig {
            source_id: SOURCE.0,
            instance_id: SOURCE.1,
            shape,
            session_key: session_key().clone(),
            receivers: tape.one_of(&[None, Some(1), Some(2), Some(4), Some(40)]),
            roster: roster(tape.below(8).saturating_sub(4)),
            wait: Duration::from_millis(500),
            settle: Duration::from_millis(50),
            stall_timeout: STALL,
            deadline: tape.one_of(&[None, None, None, Some(Duration::from_secs(3))]),
            ipv6: path >= 3,
            rate: match path % 3 {
                0 => RateControl::fixed(1_000_000_000),
                1 => RateControl::fixed(64_000),
                _ => RateControl::auto(RateControl::FLOOR_BPS, None, RateControl::start()),
            },
            on_slow: tape.one_of(&[OnSlow::Wait, OnSlow::Drop, OnSlow::Unicast]),
        };
        World {
            now,
            shape,
            positions: vec![0; usize::from(shape.lanes)],
            sender: Sender::new(now, config),
            devices,
            work: Vec::new(),
            said: Vec::new(),
            asked: 0,
            repaired: 0,
            repairs: 0,
            parity: 0,
        }
    }

    fn step(&mut self, tape: &mut Tape<'_>) {
        match tape.below(21) {
            0 => self.wait(Duration::from_micros(tape.take::<u16>().into())),
            1 => self.wait(Duration::from_millis(tape.take::<u8>().into())),
            2 => self.wait(Duration::from_millis(u64::from(tape.take::<u8>()) * 100)),
            3 => self.wait_for_timeout(),
            4 => self.advance_lanes(tape),
            5 | 6 => self.send_some(tape),
            7 => self.register(tape),
            8 | 9 => self.report(tape),
            10 | 11 => self.ask(tape),
            12 => self.lack(tape),
            13 => self.complete(tape),
            14 => self.refuse(tape),
            15 => self.replay(tape),
            16 => {
                let from = tape.below(DEVICES);
                let count = tape.take::<u8>().into();
                self.hand(from, tape.bytes(count));
            }
            17 => {
                let device = tape.below(DEVICES);
                self.devices[device].begin_life();
            }
            18 => match tape.below(8) {
                0 => self.sender.end_early(self.now, EndReason::ImageChanged),
                1 | 2 => self.sender.handle_unreachable(),
                _ => self
                    .sender
                    .handle_held_up(self.now, tape.below(self.positions.len())),
            },
            19 => self.report_for_a_while(tape),
            _ => self.wait(Duration::ZERO),
        }
    }

    /// Mostly a case begins where a session is under way, which it would seldom find
    /// the way to.
    fn begin(&mut self, tape: &mut Tape<'_>) {
        let (far, count) = (tape.below(4), 2 + tape.below(3));
        if far == 0 {
            return;
        }
        for device in 1..count {
            let bytes = self.devices[device].registration(0, "line");
            self.say(device, bytes);
        }
        (0..3).for_each(|_| self.wait(Duration::from_millis(5)));
        (1..count).for_each(|device| self.report_counts(device, 0, 0, 0));
        self.wait(Duration::from_millis(600));
        if far == 1 {
            return;
        }
        for work in std::mem::take(&mut self.work) {
            self.send_all(work);
        }
        self.move_lanes(100);
        self.wait(Duration::from_millis(50));
    }

    fn wait(&mut self, span: Duration) {
        self.now = self.now + span;
        self.sender.handle_timeout(self.now);
        let due = self.sender.poll_timeout();
        assert!(
            due.is_none_or(|at| at > self.now),
            "{:?} asks for {due:?} at {:?}: {:#?}",
            self.sender.phase(),
            self.now,
            self.sender
        );
        while let Some(order) = self.sender.poll_order() {
            self.take_order(order);
        }
        let mut message = Vec::new();
        while let Some(transmit) = self.sender.poll_transmit(&mut message) {
            if transmit == Transmit::Message {
                assert!(
                    message.len() <= MESSAGE_BYTES_MAX,
                    "{} bytes",
                    message.len()
                );
                assert!(matches!(Message::parse(&message), Ok(Message::Command(_))));
                self.devices
                    .iter_mut()
                    .for_each(|device| device.hear(&message));
            }
        }
    }

    fn wait_for_timeout(&mut self) {
        let due = self.sender.poll_timeout().unwrap_or(self.now);
        self.wait(due.max(self.now).since(self.now));
    }

    fn take_order(&mut self, order: Order) {
        let is_repair = matches!(order, Order::Repair(_));
        match order {
            Order::FirstPass { toi, blocks } => {
                let layout = self.shape.layout(toi).expect("the session has the object");
                assert!(blocks.start < blocks.end && blocks.end <= layout.blocks());
                self.work.push(Work::First(toi, blocks));
            }
            Order::Repair(order) | Order::Parity(order) => {
                let layout = self
                    .shape
                    .layout(order.toi)
                    .expect("the session has the object");
                assert!(order.sbn < layout.blocks() && order.count > 0, "{order:?}");
                let most = u32::from(layout.block_len(order.sbn)) + u32::from(layout.parity_max());
                let end = u32::from(order.first) + u32::from(order.count);
                assert!(end <= most, "{order:?} of {most}");
                self.work.push(Work::Again(order));
                match is_repair {
                    true => {
                        (self.repairs, self.repaired) =
                            (self.repairs + 1, self.repaired + u64::from(order.count))
                    }
                    false => self.parity += 1,
                }
            }
        }
    }

    /// Lanes number packets as far as they may.
    fn advance_lanes(&mut self, tape: &mut Tape<'_>) {
        self.move_lanes(tape.take::<u16>().into());
    }

    /// Some of the work, in any order, has left.
    fn send_some(&mut self, tape: &mut Tape<'_>) {
        if self.work.is_empty() {
            return;
        }
        let at = tape.below(self.work.len());
        let planned = tape.below(3) > 0;
        for _ in 0..=tape.below(32) {
            let Some(work) = self.work.get_mut(at) else {
                return;
            };
            let (toi, sbn, parity_end, first) = match work {
                Work::First(toi, blocks) => {
                    let (toi, sbn) = (*toi, blocks.start);
                    blocks.start += 1;
                    let layout = self.shape.layout(toi).expect("it was ordered");
                    let parity = self.sender.control().loss.parity_of(toi, layout, sbn);
                    (toi, sbn, if planned { parity } else { 0 }, true)
                }
                Work::Again(order) => {
                    let layout = self.shape.layout(order.toi).expect("it was ordered");
                    let end = order.first + (order.count - 1);
                    let parity_end =
                        (u32::from(end) + 1).saturating_sub(layout.block_len(order.sbn).into());
                    (order.toi, order.sbn, parity_end as u16, false)
                }
            };
            if !matches!(work, Work::First(_, blocks) if blocks.start < blocks.end) {
                self.work.swap_remove(at);
            }
            self.sender
                .handle_sent(self.now, toi, sbn, parity_end, first);
        }
    }

    fn hand(&mut self, device: usize, bytes: &[u8]) {
        let from = self.devices[device].address();
        self.sender.handle_datagram(self.now, from, bytes);
    }

    fn say(&mut self, device: usize, bytes: Vec<u8>) {
        self.hand(device, &bytes);
        if self.said.len() == 16 {
            self.said.remove(0);
        }
        self.said.push((device, bytes));
    }

    /// A stamp as it would come back at once, or any.
    fn stamp(&self, tape: &mut Tape<'_>) -> Timestamp {
        match tape.below(4) {
            0 => Timestamp::default(),
            1 => Timestamp {
                sec: tape.take(),
                usec: tape.take(),
            },
            _ => Timestamp::from_ns(
                (self.now - Duration::from_micros(tape.take::<u16>().into())).ns(),
            ),
        }
    }

    fn register(&mut self, tape: &mut Tape<'_>) {
        let device = tape.below(DEVICES);
        let held = tape.one_of(&[0, 0, 0, 1, 3, u64::MAX]);
        let name = tape.one_of(&[
            "line",
            "line",
            "\u{202e}",
            "a name that is as long as it may be, or longer, by one or two letters",
        ]);
        let bytes = self.devices[device].registration(held, name);
        self.say(device, bytes);
    }

    fn report(&mut self, tape: &mut Tape<'_>) {
        let device = tape.below(DEVICES);
        let sent: u64 = self.positions.iter().sum();
        let mut count = |most: u64| match tape.take::<u8>() {
            0xff => tape.take::<u64>(),
            part => most * u64::from(part) / 0xfe,
        };
        let mut status = Status {
            received: count(sent),
            lost: count(sent / 8),
            ..Status::default()
        };
        status.activity =
            tape.one_of(&[Activity::Receiving, Activity::Finishing, Activity::Complete]);
        status.socket_drops = tape.take::<u8>().into();
        status.leaves_verified = tape.index(8);
        let lanes = tape.one_of(&[self.positions.len(), self.positions.len(), 0, 8]);
        let behind = tape.take::<u8>();
        let read = |lane| {
            self.positions
                .get(lane)
                .map_or(7u64, |at: &u64| at.saturating_sub(u64::from(behind)))
        };
        status.sequences = (0..lanes).map(|lane| read(lane) as u16).collect();
        let mut payload = Vec::new();
        status.emit(&mut payload);
        let stamp = self.stamp(tape);
        let bytes = self.devices[device].sealed_ack(ACK_STATUS, stamp, &payload);
        self.say(device, bytes);
    }

    fn report_counts(&mut self, device: usize, received: u64, lost: u64, behind: u64) {
        let status = Status {
            received,
            lost,
            sequences: self
                .positions
                .iter()
                .map(|at| at.saturating_sub(behind) as u16)
                .collect(),
            ..Status::default()
        };
        let mut payload = Vec::new();
        status.emit(&mut payload);
        let stamp = Timestamp::from_ns((self.now - Duration::from_micros(300)).ns());
        let bytes = self.devices[device].sealed_ack(ACK_STATUS, stamp, &payload);
        self.say(device, bytes);
    }

    /// One keeps up and one does not, for long enough to be noticed.
    fn report_for_a_while(&mut self, tape: &mut Tape<'_>) {
        let (quick, slow) = (tape.below(DEVICES), tape.below(DEVICES));
        let (part, loses) = (1 + tape.below(20) as u64, tape.below(2) as u64);
        let behind = u64::from(tape.take::<u8>()) * 8;
        for _ in 0..=tape.below(64) {
            self.move_lanes(400);
            let sent: u64 = self.positions.iter().sum();
            self.report_counts(quick, sent, 0, 0);
            self.report_counts(slow, sent / part, loses * (sent - sent / part), behind);
            self.wait(Duration::from_millis(50));
        }
    }

    fn move_lanes(&mut self, packets: u64) {
        for lane in 0..self.positions.len() {
            let limit = self.sender.lane_limit(self.now, lane);
            let wanted = self.positions[lane] + packets;
            self.positions[lane] = wanted.min(limit).max(self.positions[lane]);
        }
        self.sender.handle_positions(self.now, &self.positions);
    }

    fn ask(&mut self, tape: &mut Tape<'_>) {
        let device = tape.below(DEVICES);
        let mut content = Vec::new();
        let mut builder = RequestBuilder::new(&mut content, MESSAGE_BYTES_MAX - 48);
        for _ in 0..=tape.below(4) {
            let toi = tape.one_of(&[IMAGE_TOI, IMAGE_TOI, LEAVES_TOI, 1, 9]);
            let form = tape.one_of(&[Form::Ranges, Form::Items, Form::Erasures]);
            let level = tape.one_of(&[Level::SEGMENT, Level::BLOCK, Level::OBJECT, Level(0x0f)]);
            let layout = self.shape.layout(toi);
            let mut id = || {
                let sbn = tape.index(layout.map_or(1, |layout| layout.blocks()));
                let len = layout.map_or(1, |layout| layout.block_len(sbn));
                let esi = tape.index(u32::from(len) + 8) as u16;
                let block_len = if tape.take::<u8>() == 0xff {
                    tape.take()
                } else {
                    len
                };
                PayloadId {
                    sbn,
                    block_len,
                    esi,
                }
            };
            let (first, last) = (id(), id());
            let items = [
                (toi, first),
                (
                    toi,
                    PayloadId {
                        sbn: last.sbn.max(first.sbn),
                        ..last
                    },
                ),
            ];
            let _ = builder.push(form, level, &items);
        }
        let requests = Requests::parse(&content).expect("it was just built");
        self.asked += spans(&requests)
            .map(|span| self.blocks_of(&span))
            .sum::<u64>();
        let stamp = self.stamp(tape);
        let bytes = self.devices[device].nack(stamp, requests);
        self.say(device, bytes);
    }

    fn blocks_of(&self, span: &linecast_protocol::object::Span) -> u64 {
        let blocks = self
            .shape
            .layout(span.toi)
            .map_or(0, |layout| layout.blocks());
        match span.level {
            Level::OBJECT => blocks.into(),
            Level::SEGMENT => 1,
            _ => u64::from(
                span.last
                    .sbn
                    .saturating_add(1)
                    .min(blocks)
                    .saturating_sub(span.first.sbn),
            ),
        }
    }

    fn lack(&mut self, tape: &mut Tape<'_>) {
        let device = tape.below(DEVICES);
        let mut page = Page {
            number: tape.index(9),
            lacking: [tape.one_of(&[0, 0xff, 1]); PAGE_BYTES],
        };
        for _ in 0..tape.below(4) {
            Page::set(
                &mut page.lacking,
                tape.take::<u16>() as usize % (PAGE_BYTES * 8),
            );
        }
        let mut payload = Vec::new();
        page.emit(&mut payload);
        let stamp = self.stamp(tape);
        let bytes = self.devices[device].sealed_ack(ACK_PAGE, stamp, &payload);
        self.say(device, bytes);
    }

    fn complete(&mut self, tape: &mut Tape<'_>) {
        let device = tape.below(DEVICES);
        let complete = Complete {
            count: tape.one_of(&[1, 2, 3, 0, u32::MAX]),
            had: tape.below(2) > 0,
            error: tape
                .one_of(&[None, Some("the disk is full"), Some("\u{1b}[2J")])
                .map(Into::into),
            figures: Figures {
                resumed_bytes: tape.one_of(&[0, u64::MAX]),
                ..Figures::default()
            },
            ..Complete::default()
        };
        let payload = self.devices[device].completion(complete);
        let stamp = self.stamp(tape);
        let bytes = self.devices[device].sealed_ack(ACK_COMPLETE, stamp, &payload);
        self.say(device, bytes);
    }

    fn refuse(&mut self, tape: &mut Tape<'_>) {
        let device = tape.below(DEVICES);
        let life = self.devices[device].identity();
        let refusal = Refusal {
            profile: PROFILE,
            cause: Cause(tape.below(14) as u16),
            session: tape.one_of(&[[3; 16], [0; 16], [1; 16]]),
            installation: life.installation,
            life: life.number,
            name: "line".into(),
            detail: String::new(),
        };
        let bytes = self.devices[device].refusal(&refusal);
        self.say(device, bytes);
    }

    /// Something that was said is said again: from elsewhere, or with a bit changed.
    fn replay(&mut self, tape: &mut Tape<'_>) {
        if self.said.is_empty() {
            return;
        }
        let (device, mut bytes) = self.said[tape.below(self.said.len())].clone();
        let from = tape.one_of(&[device, 0, 3]);
        if tape.below(2) > 0 {
            let at = usize::from(tape.take::<u16>()) % bytes.len();
            bytes[at] ^= tape.take::<u8>();
        }
        if tape.below(8) == 7 {
            bytes.resize(usize::from(tape.take::<u16>()), 0);
        }
        self.hand(from, &bytes);
    }

    fn check(&self) {
        for queue in self.sender.queues() {
            assert!(queue.depth <= queue.bound, "{queue:?}");
        }
        let layouts = [LEAVES_TOI, IMAGE_TOI].map(|toi| self.shape.layout(toi));
        let layouts = layouts.iter().flatten();
        let blocks: u64 = layouts
            .clone()
            .map(|layout| u64::from(layout.blocks()))
            .sum();
        let longest = layouts
            .map(|layout| u64::from(layout.block_len_max()) + u64::from(layout.parity_max()));
        let longest = longest.max().unwrap_or(0);
        assert!(
            self.repaired <= self.asked * longest,
            "{} of {}",
            self.repaired,
            self.asked
        );
        assert!(
            self.parity <= 2 * blocks + self.repairs,
            "{} after {}",
            self.parity,
            self.repairs
        );
        assert!(self.sender.membership().members().len() <= 2 * DEVICES);
    }

    /// From now on nobody says anything: what is left is sent, and then it is over.
    fn run_out(&mut self) {
        let end = self.now + STALL * (DEVICES as u32 * 2 + 4);
        while self.sender.phase() != Phase::Done {
            assert!(
                self.now < end,
                "{:?} {:?}",
                self.sender.phase(),
                self.sender.membership()
            );
            for work in std::mem::take(&mut self.work) {
                self.send_all(work);
            }
            self.wait_for_timeout();
            self.check();
        }
        assert_eq!(self.sender.poll_timeout(), None);
    }

    fn send_all(&mut self, work: Work) {
        match work {
            Work::First(toi, blocks) => {
                blocks.for_each(|sbn| self.sender.handle_sent(self.now, toi, sbn, 0, true));
            }
            Work::Again(order) => {
                let layout = self.shape.layout(order.toi).expect("it was ordered");
                let end = u32::from(order.first) + u32::from(order.count);
                let parity = end.saturating_sub(layout.block_len(order.sbn).into()) as u16;
                self.sender
                    .handle_sent(self.now, order.toi, order.sbn, parity, false);
            }
        }
    }
}
