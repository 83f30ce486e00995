//! The receiver's machine: senders, true and forged, say anything in any order, and
//! its caller does what it may do. Nothing panics, queues stay within their bounds,
//! no deadline is past, and a session that is still followed completes as soon as
//! its symbols come.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linecast_fuzz::{Device, SOURCE, Tape, end_signature, session_key, shape};
use linecast_protocol::limits::{MESSAGE_BYTES_MAX, PAGE_BYTES};
use linecast_protocol::message::{Cause, EndReason, Figures, Notice, WelcomeEntry};
use linecast_protocol::offer::{IMAGE_TOI, LEAVES_TOI, SESSION_TOI, SessionShape};
use linecast_protocol::receiver::{Event, Held, OfferKey, Receiver, SessionConfig, Verdict};
use linecast_protocol::time::{Duration, Time};
use linecast_protocol::wire::{
    CcList, Command, CommandBody, DataHeader, Form, Fti, Level, Message, NodeList, PayloadId,
    RequestBuilder, Requests, SenderWord, ToiList,
};
use std::net::SocketAddr;

fuzz_target!(|data: &[u8]| {
    let mut tape = Tape::new(data);
    let mut world = World::new(&mut tape);
    for _ in 0..STEPS_MAX {
        if tape.is_empty() {
            break;
        }
        world.step(&mut tape);
        world.poll();
    }
    world.run_out();
});

const STEPS_MAX: usize = 250;
/// Messages that one moment can bring: rounds of NACKs, and one of each kind.
const SENT_AT_ONCE_MAX: usize = 64;
/// Turns that a look at the blocks of the largest image takes at most.
const TURNS_MAX: usize = 10;
/// Images with more symbols are not sent to their end: it takes too long.
const RUN_OUT_SYMBOLS_MAX: u64 = 10_000;

struct World {
    now: Time,
    shape: SessionShape,
    device: Device,
    receiver: Receiver,
    offers: Vec<OfferKey>,
    /// Blocks that can be restored, and are not yet.
    restorable: Vec<(u16, u32)>,
    verified: bool,
    finished: bool,
    over: bool,
    word: SenderWord,
    sequences: Vec<u16>,
}

impl World {
    fn new(tape: &mut Tape<'_>) -> World {
        let shape = shape(tape.below(7));
        let device = Device::new(2);
        let life = device.identity();
        let receiver = Receiver::new(SessionConfig {
            key: device.key().clone(),
            installation: life.installation,
            life: life.number,
            node: device.node,
            name: "line".into(),
            buffer_packets: tape.one_of(&[4_000, 0, u32::MAX]),
            seed: tape.take::<u8>().into(),
        });
        World {
            now: Time::from_ns(5_000_000_000),
            sequences: vec![0; usize::from(shape.lanes)],
            shape,
            device,
            receiver,
            offers: Vec::new(),
            restorable: Vec::new(),
            verified: false,
            finished: false,
            over: false,
            word: SenderWord {
                instance_id: SOURCE.1,
                grtt: 60,
                backoff: 1,
                gsize: 0,
            },
        }
    }

    fn step(&mut self, tape: &mut Tape<'_>) {
        match tape.below(24) {
            0 => self.wait(Duration::from_micros(tape.take::<u16>().into())),
            1 => self.wait(Duration::from_millis(tape.take::<u8>().into())),
            2 => self.wait(Duration::from_millis(u64::from(tape.take::<u8>()) * 100)),
            3 => {
                let due = self.receiver.poll_timeout().unwrap_or(self.now);
                self.wait(due.max(self.now).since(self.now));
            }
            4 => self.offer(tape),
            5 => self.follow(tape),
            6..=9 => self.data(tape),
            10 => self.train(tape),
            11 => self.flush(tape),
            12 => self.welcome(tape),
            13 => self.command(tape),
            14 => self.notice(tape),
            15 => self.hash(tape),
            16 => self.restore(tape),
            17 => self.judge_list(tape),
            18 => self.finish(tape),
            19 => {
                let count = tape.take::<u8>().into();
                self.hear(tape.bytes(count));
            }
            20 => self.leave(tape),
            21 => {
                let (grtt, byte) = (tape.take(), tape.take::<u8>());
                self.word = SenderWord {
                    grtt,
                    backoff: byte >> 4,
                    gsize: byte & 15,
                    ..self.word
                };
            }
            22 => {
                if let Some(session) = self.receiver.session_mut() {
                    session.note_socket_drops(tape.take());
                    session.note_busy(tape.take());
                }
            }
            _ => (0..=tape.below(70)).for_each(|_| {
                self.flush_from(&[self.device.node]);
                self.wait(Duration::from_micros(3_333));
                self.poll();
            }),
        }
    }

    fn wait(&mut self, span: Duration) {
        self.now = self.now + span;
    }

    /// What the caller does after everything that comes. Long looks at all blocks are
    /// taken in a few turns.
    fn poll(&mut self) {
        let turns = (0..TURNS_MAX).find(|_| self.poll_once());
        let due = self.receiver.poll_timeout();
        assert!(turns.is_some(), "{due:?} at {:?}", self.now);
        while let Some(event) = self.receiver.poll_event() {
            match event {
                Event::Verified => assert!(!std::mem::replace(&mut self.verified, true)),
                Event::Over { finished } => {
                    assert!(!std::mem::replace(&mut self.over, true));
                    assert!(!finished || self.finished);
                }
                Event::Welcomed | Event::Ended(_) => {}
            }
        }
        for queue in self.receiver.queues() {
            assert!(queue.depth <= queue.bound, "{queue:?}");
        }
    }

    /// Sends all that there is to send; whether there is nothing more to do now.
    fn poll_once(&mut self) -> bool {
        let mut message = Vec::new();
        let mut sent = 0;
        while self
            .receiver
            .poll_transmit(self.now, &mut message)
            .is_some()
        {
            sent += 1;
            assert!(sent <= SENT_AT_ONCE_MAX, "{message:?}");
            assert!(
                message.len() <= MESSAGE_BYTES_MAX,
                "{} bytes",
                message.len()
            );
            let parsed = Message::parse(&message);
            assert!(
                matches!(parsed, Ok(Message::Nack(_) | Message::Ack(_))),
                "{parsed:?}"
            );
        }
        self.receiver.poll_timeout().is_none_or(|at| at > self.now)
    }

    /// Addresses that packets come from; the first is the true sender's.
    fn address(&self, number: usize) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], 7_600 + number as u16))
    }

    fn header(&mut self, toi: u16, id: PayloadId, fti: Option<Fti>) -> DataHeader {
        DataHeader {
            sequence: 0,
            source_id: SOURCE.0,
            sender: self.word,
            flags: 0,
            toi,
            id,
            fti,
        }
    }

    /// A packet of a session object: of this sender or another, with any geometry.
    fn offer(&mut self, tape: &mut Tape<'_>) {
        let from = self.address(tape.below(6));
        let fti = Fti {
            object_size: tape.one_of(&[900, 900, 1, 0, 3_000, 65_536, 65_537, 1 << 47]),
            fec_instance: 1,
            symbol_bytes: tape.one_of(&[1408, 1408, 64, 1, 0, 65_535]),
            max_block_len: tape.one_of(&[1, 1, 3, 64, 0, 65_535]),
            num_parity: tape.take::<u8>().into(),
        };
        let id = PayloadId {
            sbn: tape.index(1),
            block_len: tape.one_of(&[1, 1, 3, 47, 0, 65_535]),
            esi: tape.index(6) as u16,
        };
        let header = self.header(SESSION_TOI, id, Some(fti).filter(|_| tape.below(16) < 15));
        let payload = tape.one_of(&[900, 900, 1408, 64, 1, 184, 0]);
        if let Verdict::Offer { key, held, .. } =
            self.receiver.handle_data(self.now, from, &header, payload)
            && held != Held::New
        {
            self.offers.push(key);
        }
    }

    fn follow(&mut self, tape: &mut Tape<'_>) {
        let (from, any) = (self.address(0), tape.below(4));
        let own = OfferKey {
            sender: SOURCE,
            from,
        };
        let known = self.offers.pop();
        let offer = known.filter(|_| any > 0).unwrap_or(own);
        let (list_known, step) = (tape.below(3) == 0, tape.take::<u8>());
        let leaves = self.shape.image.size().div_ceil(1 << 16);
        // Leaves that an earlier session left: only with their list.
        let verified =
            (0..leaves).filter(|leaf| list_known && step > 0 && leaf % u64::from(step) == 0);
        self.receiver.offer_restored(offer);
        if self
            .receiver
            .follow(self.now, offer, self.shape, list_known, verified)
        {
            self.restorable.clear();
            (self.verified, self.finished, self.over) = (false, false, false);
        }
    }

    fn data(&mut self, tape: &mut Tape<'_>) {
        let from = self.address(tape.below(8).saturating_sub(6));
        let toi = tape.one_of(&[IMAGE_TOI, IMAGE_TOI, IMAGE_TOI, LEAVES_TOI, SESSION_TOI, 9]);
        let layout = self.shape.layout(toi).copied();
        let sbn = tape.index(layout.map_or(1, |layout| layout.blocks()));
        let len = layout.map_or(1, |layout| layout.block_len(sbn));
        let first = tape.index(u32::from(len) + 8) as u16;
        let odd = tape.take::<u8>();
        let block_len = if odd == 0xff { tape.take() } else { len };
        let count = tape.one_of(&[1u16, 1, 4, 64, 300]);
        for esi in (0..count).map(|at| first.wrapping_add(at)) {
            let id = PayloadId {
                sbn,
                block_len,
                esi,
            };
            let mut header = self.header(toi, id, None);
            header.flags = odd & 1;
            header.sequence = self.sequence(
                toi,
                sbn,
                if odd == 0xfe {
                    tape.take()
                } else {
                    u16::from(odd >> 5)
                },
            );
            let bytes = match layout {
                Some(layout) if sbn < layout.blocks() && esi < len => layout.symbol_len(sbn, esi),
                Some(layout) => layout.symbol_bytes().into(),
                None => 900,
            };
            let bytes = if odd == 0xfd {
                tape.take::<u16>().into()
            } else {
                bytes
            };
            let verdict = self.receiver.handle_data(self.now, from, &header, bytes);
            self.take_verdict(verdict);
        }
    }

    /// The next sequence of the lane, `skipped` later.
    fn sequence(&mut self, toi: u16, sbn: u32, skipped: u16) -> u16 {
        let lane = &mut self.sequences[self.shape.lane(toi, sbn)];
        *lane = lane.wrapping_add(1).wrapping_add(skipped);
        *lane
    }

    fn take_verdict(&mut self, verdict: Verdict) {
        if let Verdict::Keep {
            toi,
            id,
            held: Held::Restorable,
        } = verdict
        {
            self.restorable.push((toi, id.sbn));
        }
    }

    fn train(&mut self, tape: &mut Tape<'_>) {
        let from = self.address(tape.below(4).saturating_sub(2));
        let sbn = tape.index(self.shape.image.blocks());
        let len = self
            .shape
            .layout(IMAGE_TOI)
            .map_or(1, |layout| layout.block_len(sbn));
        let esi = tape.index(len.into()) as u16;
        let block_len = tape.one_of(&[len, len, len, 0, 65_535]);
        let count = tape.one_of(&[1, 4, 16, 45, 64, 0, 65_535]);
        let mut header = self.header(
            IMAGE_TOI,
            PayloadId {
                sbn,
                block_len,
                esi,
            },
            None,
        );
        header.sequence = self.sequence(IMAGE_TOI, sbn, 0);
        let taken = self.receiver.handle_train(self.now, from, &header, count);
        if taken == Some(Held::Restorable) {
            self.restorable.push((IMAGE_TOI, sbn));
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        let from = self.address(0);
        match Message::parse(bytes) {
            Ok(Message::Data(header, payload)) => {
                let verdict = self
                    .receiver
                    .handle_data(self.now, from, &header, payload.len());
                self.take_verdict(verdict);
            }
            Ok(message) => {
                self.receiver.handle_message(self.now, from, &message);
            }
            Err(_) => {}
        }
    }

    fn say(&mut self, from: usize, body: CommandBody<'_>) {
        let command = Command {
            sequence: 1,
            source_id: SOURCE.0,
            sender: self.word,
            body,
        };
        let from = self.address(from);
        self.receiver
            .handle_message(self.now, from, &Message::Command(command));
    }

    fn flush(&mut self, tape: &mut Tape<'_>) {
        let others: [u32; 2] = [tape.take(), self.device.node];
        self.flush_from(&others[..tape.below(3)]);
    }

    fn flush_from(&mut self, nodes: &[u32]) {
        let id = PayloadId {
            sbn: 0,
            block_len: 1,
            esi: 0,
        };
        let nodes = NodeList::from_slice(nodes);
        self.say(
            0,
            CommandBody::Flush {
                toi: IMAGE_TOI,
                id,
                nodes,
            },
        );
    }

    /// A welcome, truly proven or not.
    fn welcome(&mut self, tape: &mut Tape<'_>) {
        let life = self.device.identity();
        let (nonce, node) = (tape.index(4), tape.one_of(&[1_000, 7, u32::MAX]));
        thread_local! {
            static KEY: std::cell::OnceCell<linecast_protocol::seal::SealKey> = const { std::cell::OnceCell::new() };
        }
        let make = || life.welcome_key(&self.shape.session, session_key(), &life.key);
        let proof = KEY.with(|key| key.get_or_init(make).welcome_proof(node, nonce));
        let forged = tape.below(8) == 7;
        let mut entries = Vec::new();
        for _ in 0..tape.below(4) {
            WelcomeEntry {
                life: [7; 8],
                node: 7,
                nonce: 9,
                proof,
            }
            .emit(&mut entries);
        }
        let nonce = nonce.wrapping_add(u32::from(forged));
        WelcomeEntry {
            life: life.name(),
            node,
            nonce,
            proof,
        }
        .emit(&mut entries);
        let mut content = Vec::new();
        Notice::Welcome(&entries).emit(&mut content);
        self.say(0, CommandBody::Application(&content));
        self.device.node = if forged { self.device.node } else { node };
    }

    fn notice(&mut self, tape: &mut Tape<'_>) {
        let mut content = Vec::new();
        let known = [tape.one_of(&[0, 0xff, 0xa5]); PAGE_BYTES];
        let reason = tape.one_of(&[
            EndReason::Finished,
            EndReason::Deadline,
            EndReason::Interrupted,
        ]);
        match tape.below(16) {
            // A true end makes most of what follows pointless.
            0 => Notice::End {
                reason,
                signature: end_signature(reason),
            }
            .emit(&mut content),
            1 => Notice::End {
                reason,
                signature: &[5; 64],
            }
            .emit(&mut content),
            2..=4 => content.extend_from_slice(tape.bytes(40)),
            _ => Notice::Poll {
                page: tape.index(10),
                known: &known,
            }
            .emit(&mut content),
        }
        self.say(0, CommandBody::Application(&content));
    }

    fn command(&mut self, tape: &mut Tape<'_>) {
        let from = tape.below(8).saturating_sub(6);
        let id = PayloadId {
            sbn: tape.index(9),
            block_len: tape.take(),
            esi: tape.take(),
        };
        match tape.below(6) {
            0 => self.say(from, CommandBody::Eot),
            1 => self.say(
                from,
                CommandBody::Squelch {
                    toi: 3,
                    id,
                    invalid: ToiList::EMPTY,
                },
            ),
            2 => {
                let (ack_type, ack_id) = (tape.take(), tape.take());
                let nodes = [self.device.node];
                let nodes = NodeList::from_slice(&nodes);
                self.say(
                    from,
                    CommandBody::AckReq {
                        ack_type,
                        ack_id,
                        nodes,
                    },
                );
            }
            3 => {
                let (cc_sequence, sec, usec) = (tape.take(), tape.take(), tape.take());
                let nodes = CcList::EMPTY;
                self.say(
                    from,
                    CommandBody::Cc {
                        cc_sequence,
                        sec,
                        usec,
                        rate: None,
                        nodes,
                    },
                );
            }
            _ => self.advertise(from, id, tape),
        }
    }

    fn advertise(&mut self, from: usize, id: PayloadId, tape: &mut Tape<'_>) {
        let mut content = Vec::new();
        let mut builder = RequestBuilder::new(&mut content, 1_100);
        for _ in 0..=tape.below(3) {
            let toi = tape.one_of(&[IMAGE_TOI, LEAVES_TOI, 9]);
            let level = tape.one_of(&[Level::SEGMENT, Level::BLOCK, Level::OBJECT, Level(15)]);
            let form = tape.one_of(&[Form::Ranges, Form::Items, Form::Erasures]);
            let last = PayloadId {
                sbn: tape.index(600),
                block_len: tape.take(),
                esi: tape.take(),
            };
            let _ = builder.push(form, level, &[(toi, id), (toi, last)]);
        }
        let requests = Requests::parse(&content).expect("it was just built");
        self.say(
            from,
            CommandBody::RepairAdv {
                limit: false,
                requests,
            },
        );
    }

    /// Some leaves were hashed: most match.
    fn hash(&mut self, tape: &mut Tape<'_>) {
        let bad = tape.below(8);
        for at in 0..16 {
            let Some(leaf) = self.receiver.poll_leaf() else {
                break;
            };
            self.judge_leaf(leaf, at != bad);
        }
    }

    fn judge_leaf(&mut self, leaf: u64, matches: bool) {
        // Leaves are told of when nothing is lent: what can be restored is first.
        if !matches {
            self.restore_all(true);
        }
        let Some(session) = self.receiver.session_mut() else {
            return;
        };
        match matches {
            true => session.handle_verified(leaf),
            false => {
                let blocks = session.handle_damaged(self.now, leaf);
                assert!(blocks.end <= self.shape.image.blocks());
            }
        }
    }

    fn restore(&mut self, tape: &mut Tape<'_>) {
        let restored = tape.below(8) > 0;
        self.restore_all(restored);
    }

    fn restore_all(&mut self, restored: bool) {
        let Some(session) = self.receiver.session_mut() else {
            return self.restorable.clear();
        };
        for (toi, sbn) in self.restorable.drain(..) {
            session.handle_restored(toi, sbn);
            if !restored && toi == IMAGE_TOI {
                session.handle_unrestored(self.now, sbn);
            }
        }
    }

    /// The leaf list is whole: some of it is wrong, or nothing.
    fn judge_list(&mut self, tape: &mut Tape<'_>) {
        self.restore_all(true);
        let size = self.shape.leaves.map_or(0, |list| list.size());
        let start = u64::from(tape.take::<u16>()) % size.max(1);
        let wrong = start..(start + 1 + u64::from(tape.take::<u16>())).min(size);
        let wrong = if tape.below(3) == 0 {
            vec![wrong]
        } else {
            Vec::new()
        };
        if let Some(session) = self.receiver.session_mut()
            && session.leaf_list_complete()
        {
            session.handle_leaf_list(self.now, &wrong);
        }
    }

    fn finish(&mut self, tape: &mut Tape<'_>) {
        let how = tape.below(4);
        let error = "the disk is full";
        match how {
            0 | 1 if self.verified => self.receiver.finish(self.now, Figures::default(), None),
            2 => self
                .receiver
                .finish(self.now, Figures::default(), Some(error)),
            3 if tape.below(4) == 0 => self.receiver.finish_had(self.now, Figures::default()),
            _ => return,
        }
        self.finished = self.receiver.session().is_some();
    }

    fn leave(&mut self, tape: &mut Tape<'_>) {
        let key = self.offers.pop();
        let cause = Cause(tape.below(14) as u16);
        match tape.below(8) {
            0 => self.receiver.leave(),
            1 => self.receiver.quit(self.now, cause, "stopped"),
            _ => {
                if let Some(key) = key {
                    self.receiver
                        .refuse(self.now, key, Some([3; 16]), cause, "refused");
                }
            }
        }
    }

    /// The true sender sends all that is lacking: then the image is whole.
    fn run_out(&mut self) {
        self.restore_all(true);
        let Some(session) = self.receiver.session() else {
            return;
        };
        let large = self.shape.image.symbols() > RUN_OUT_SYMBOLS_MAX;
        if large
            || self.finished
            || session.is_over()
            || session.sender_address() != self.address(0)
        {
            return;
        }
        for toi in [LEAVES_TOI, IMAGE_TOI] {
            self.send_lacking(toi);
        }
        if let Some(session) = self.receiver.session_mut()
            && session.leaf_list_complete()
        {
            session.handle_leaf_list(self.now, &[]);
        }
        while let Some(leaf) = self.receiver.poll_leaf() {
            self.judge_leaf(leaf, true);
        }
        self.poll();
        assert!(
            self.verified,
            "{:?}",
            self.receiver.session().map(|session| session.counters())
        );
        self.receiver.finish(self.now, Figures::default(), None);
        self.finished = true;
        self.wait(Duration::from_secs(30));
        self.poll();
        assert!(self.over, "nobody tells it of the end, and it ends");
    }

    fn send_lacking(&mut self, toi: u16) {
        let Some(layout) = self.shape.layout(toi).copied() else {
            return;
        };
        let from = self.address(0);
        for sbn in 0..layout.blocks() {
            let len = layout.block_len(sbn);
            for esi in 0..len {
                let blocks = self
                    .receiver
                    .session()
                    .and_then(|session| session.blocks(toi));
                let index = layout.first_symbol(sbn) + u64::from(esi);
                if blocks.is_none_or(|blocks| blocks.holds(index)) {
                    continue;
                }
                let id = PayloadId {
                    sbn,
                    block_len: len,
                    esi,
                };
                let mut header = self.header(toi, id, None);
                header.sequence = self.sequence(toi, sbn, 0);
                let bytes = layout.symbol_len(sbn, esi);
                let verdict = self.receiver.handle_data(self.now, from, &header, bytes);
                self.take_verdict(verdict);
            }
            self.restore_all(true);
        }
    }
}
