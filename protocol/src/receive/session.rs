//! One session as a receiver lives it: symbols in, leaves out, feedback back.

use super::blocks::{Blocks, Held};
use super::lane::LaneView;
use super::leaves::Leaves;
use super::offers::OfferKey;
use super::reports::{Completion, Registration, StatusReports};
use super::requests::{Group, Objects, Requests};
use crate::key::{PublicKey, SigningKey};
use crate::limits::{EVENTS_MAX, LANES_MAX, NACKS_PER_ROUND};
use crate::message::{self, Activity, EndReason, Figures, Notice};
use crate::offer::{IMAGE_TOI, LEAVES_TOI, SessionShape};
use crate::queue::Queue;
use crate::random::Random;
use crate::span::spans;
use crate::time::{Duration, Time};
use crate::tree::LEAF_BYTES;
use crate::wire::{
    Ack, CommandBody, DataHeader, Fti, Message, Nack, PayloadId, Requests as WireRequests,
    SenderWord, Timestamp, flag,
};
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

/// Probes that came before the session was followed are processed within this.
const PROBE_SETTLE: Duration = Duration::from_millis(2);
/// After its completion a receiver waits this long for the end of the session.
const LINGER: Duration = Duration::from_secs(5);

/// What a receiver brings to every session.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// The device's own key.
    pub key: SigningKey,
    /// Node id that it would like.
    pub node: u32,
    /// Name for people.
    pub name: String,
    /// Packets that the socket buffer holds.
    pub buffer_packets: u32,
    /// Seed of the random delays.
    pub seed: u64,
}

/// Why a packet was refused: each is a counter of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// DATA before any session is followed.
    NoSession,
    /// Another session is followed.
    OtherSession,
    /// Object 1 without EXT_FTI.
    NoFti,
    /// Object 1 of so many bytes: longer than a session object may be.
    TooLong(u64),
    /// Block, symbol or length that the session cannot have.
    Geometry,
    /// A session whose manifest was refused.
    RefusedOffer,
}

impl Refusal {
    /// A name for counters.
    pub fn name(self) -> &'static str {
        match self {
            Refusal::NoSession => "no session followed",
            Refusal::OtherSession => "other session",
            Refusal::NoFti => "no EXT_FTI",
            Refusal::TooLong(_) => "session object too long",
            Refusal::Geometry => "geometry",
            Refusal::RefusedOffer => "refused session",
        }
    }
}

/// What to do with the payload of a DATA packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: it is damaged or foreign.
    Refused(Refusal),
    /// Nothing: it is held already.
    Duplicate,
    /// Keep it as part of an offer.
    Offer {
        /// Which offer.
        key: OfferKey,
        /// Its size and symbols.
        fti: Fti,
        /// Which symbol.
        id: PayloadId,
        /// What the symbol completed.
        held: Held,
    },
    /// Keep it as symbol `id` of object `toi`.
    Keep {
        /// Object.
        toi: u16,
        /// Which symbol.
        id: PayloadId,
        /// What the symbol completed.
        held: Held,
    },
}

/// What the caller must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The sender has this receiver on its list.
    Welcomed,
    /// Every leaf is verified: put the image in place, then call `finish`.
    Verified,
    /// The sender ended the session early: never `Finished`.
    Ended(EndReason),
    /// The session is over for this receiver: nothing more will be sent.
    Over {
        /// The completion (or failure) had been told before the end.
        finished: bool,
    },
}

/// Running counts of one session.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counters {
    /// DATA packets of this session.
    pub received: u64,
    /// DATA packets missed, from sequence gaps.
    pub lost: u64,
    /// Symbols that were not needed.
    pub duplicates: u64,
    /// Blocks restored from parity.
    pub blocks_decoded: u64,
    /// Leaves that did not match.
    pub leaves_damaged: u64,
    /// NACK messages sent.
    pub nacks_sent: u64,
}

/// A session that is followed.
#[derive(Debug)]
pub struct Session {
    sender: (u32, u16),
    from: SocketAddr,
    shape: SessionShape,
    key: SigningKey,
    random: Random,
    objects: Objects,
    leaves: Option<Leaves>,
    leaf_list_known: bool,
    lanes: Vec<LaneView>,
    requests: Requests,
    outbox: VecDeque<Vec<u8>>,
    registration: Registration,
    reports: StatusReports,
    completion: Completion,
    word: SenderWord,
    group: Group,
    probe: Option<(Timestamp, Time)>,
    probes_from: Time,
    heard: Time,
    activity: Activity,
    over: bool,
    events: VecDeque<Event>,
    counters: Counters,
}

impl Session {
    pub(super) fn new(
        now: Time,
        config: &SessionConfig,
        sender: (u32, u16),
        from: SocketAddr,
        shape: SessionShape,
    ) -> Session {
        let image = shape.layout(IMAGE_TOI).copied();
        Session {
            sender,
            from,
            shape,
            key: config.key.clone(),
            random: Random::new(config.seed),
            objects: Objects {
                leaf_list: shape.leaves.map(Blocks::new),
                image: image.map(Blocks::new),
            },
            leaves: image.map(Leaves::new),
            leaf_list_known: shape.leaves.is_none(),
            lanes: alloc::vec![LaneView::default(); usize::from(shape.lanes)],
            requests: Requests::default(),
            outbox: VecDeque::new(),
            registration: Registration::new(now, config),
            reports: StatusReports::new(now, shape.window_packets, config.buffer_packets),
            completion: Completion::default(),
            word: SenderWord::default(),
            group: Group {
                grtt: crate::limits::GRTT_INITIAL,
                size: 10,
                backoff: 6,
            },
            probe: None,
            probes_from: now + PROBE_SETTLE,
            heard: now,
            activity: Activity::Receiving,
            over: false,
            events: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Takes what an earlier session left: leaves that were hashed again.
    pub(super) fn resume(&mut self, leaf_list_known: bool, verified: impl Iterator<Item = u64>) {
        if leaf_list_known && let Some(list) = &mut self.objects.leaf_list {
            (0..list.layout().blocks()).for_each(|sbn| list.restored(sbn, |_| {}));
            self.leaf_list_known = true;
        }
        let (Some(leaves), Some(image)) = (&mut self.leaves, &mut self.objects.image) else {
            return self.check_verified();
        };
        verified.for_each(|leaf| leaves.verify(leaf));
        for leaf in (0..leaves.count()).filter(|&leaf| leaves.is_verified(leaf)) {
            for index in image.layout().symbols_touching(&leaves.range(leaf)) {
                let whole = leaves
                    .touched_by(index)
                    .all(|touched| leaves.is_verified(touched));
                if whole && !image.holds(index) {
                    image.resume(index);
                }
            }
        }
        self.registration.missing = self.missing_leaves();
        self.check_verified();
    }

    /// Ranges of leaves that are not verified; `None` if none is.
    fn missing_leaves(&self) -> Option<Vec<(u64, u64)>> {
        let leaves = self
            .leaves
            .as_ref()
            .filter(|leaves| leaves.verified() > 0)?;
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for leaf in (0..leaves.count()).filter(|&leaf| !leaves.is_verified(leaf)) {
            match ranges.last_mut() {
                Some((_, end)) if *end == leaf => *end += 1,
                _ => ranges.push((leaf, leaf + 1)),
            }
        }
        while ranges.len() > crate::limits::MISSING_RANGES_MAX {
            let gap = |i: &usize| ranges[*i].0 - ranges[*i - 1].1;
            let Some(at) = (1..ranges.len()).min_by_key(gap) else {
                break;
            };
            ranges[at - 1].1 = ranges[at].1;
            ranges.remove(at);
        }
        Some(ranges)
    }

    /// Whether packets with these ids, from this address, are of this session.
    #[inline]
    pub fn belongs(&self, sender: (u32, u16), from: SocketAddr) -> bool {
        self.sender == sender && self.from == from
    }

    /// The shape of the session.
    pub fn shape(&self) -> &SessionShape {
        &self.shape
    }

    /// Address that feedback goes to.
    pub fn sender_address(&self) -> SocketAddr {
        self.from
    }

    /// The image's leaves; `None` for an empty image.
    pub fn leaves(&self) -> Option<&Leaves> {
        self.leaves.as_ref()
    }

    /// The symbols of object `toi`.
    pub fn blocks(&self, toi: u16) -> Option<&Blocks> {
        self.objects.blocks(toi)
    }

    /// Running counts.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Rounds in which another's request made ours unnecessary.
    pub fn nacks_suppressed(&self) -> u64 {
        self.requests.suppressed
    }

    /// Whether the session is over.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// How long the sender has said nothing.
    pub fn silent_for(&self, now: Time) -> Duration {
        now.since(self.heard)
    }

    /// `SO_RXQ_OVFL` of the socket, for status reports.
    pub fn note_socket_drops(&mut self, buffers: u32) {
        self.reports.socket_drops = buffers;
    }

    pub(super) fn handle_data(
        &mut self,
        now: Time,
        header: &DataHeader,
        payload: usize,
    ) -> Verdict {
        self.heard = now;
        self.note_group(header.sender);
        let (toi, id) = (header.toi, header.id);
        let Some(blocks) = self.objects.blocks_mut(toi) else {
            let known = toi == crate::offer::SESSION_TOI;
            return if known {
                Verdict::Duplicate
            } else {
                Verdict::Refused(Refusal::Geometry)
            };
        };
        let layout = *blocks.layout();
        if id.sbn >= layout.blocks() || id.block_len != layout.block_len(id.sbn) {
            return Verdict::Refused(Refusal::Geometry);
        }
        let source = id.esi < id.block_len;
        let bytes = if source {
            layout.symbol_len(id.sbn, id.esi)
        } else {
            usize::from(layout.symbol_bytes())
        };
        if payload != bytes || (!source && id.esi - id.block_len >= crate::limits::PARITY_MAX) {
            return Verdict::Refused(Refusal::Geometry);
        }
        let held = if source {
            blocks.hold_source(id.sbn, id.esi)
        } else {
            blocks.hold_parity(id.sbn, id.esi - id.block_len)
        };
        self.note_position(now, header);
        self.counters.received += 1;
        if held == Held::Duplicate {
            self.counters.duplicates += 1;
            return Verdict::Duplicate;
        }
        if held != Held::New {
            self.requests.satisfied(toi, id.sbn);
        }
        if source
            && toi == IMAGE_TOI
            && let Some(leaves) = &mut self.leaves
        {
            leaves.hold(layout.first_symbol(id.sbn) + u64::from(id.esi));
        }
        Verdict::Keep { toi, id, held }
    }

    /// Follows the lane that a packet came from: losses, and blocks whose first
    /// transmission has passed.
    fn note_position(&mut self, now: Time, header: &DataHeader) {
        let (toi, sbn) = (header.toi, header.id.sbn);
        let at = self.shape.lane(toi, sbn);
        let step = self.shape.lanes.into();
        let lane = &mut self.lanes[at];
        let lost = lane.step(header.sequence);
        if lost != 0 {
            let counted = i64::from(lost).max(-(self.counters.lost as i64));
            self.counters.lost = self.counters.lost.saturating_add_signed(counted);
        }
        if toi == IMAGE_TOI {
            self.reports.note_block(sbn);
        }
        let repair = header.flags & flag::REPAIR != 0;
        // First transmissions and repairs interleave; each kind is in order.
        let block = if repair {
            &mut lane.repair
        } else {
            &mut lane.first
        };
        let before = block.replace((toi, sbn));
        let moved = before != Some((toi, sbn));
        if repair {
            if let Some((toi, sbn)) = before.filter(|_| moved) {
                self.requests.round_over(now, toi, sbn);
            }
            self.requests.repair_seen(now, self.group, toi, sbn);
        } else if moved {
            self.pass(now, at, step, toi, sbn);
        }
    }

    /// Lane `at` first-transmits block `sbn` of `toi`: everything it sent
    /// before has passed.
    fn pass(&mut self, now: Time, at: usize, step: u32, toi: u16, sbn: u32) {
        let list_end = match &self.objects.leaf_list {
            Some(list) if list.open() > 0 => {
                if toi == IMAGE_TOI {
                    list.layout().blocks()
                } else {
                    sbn
                }
            }
            _ => 0,
        };
        for earlier in 0..list_end {
            self.want_if_open(now, LEAVES_TOI, earlier);
        }
        if toi != IMAGE_TOI {
            return;
        }
        let lane_first = at as u32;
        let mut next = self.lanes[at].passed.max(lane_first);
        while next < sbn {
            self.want_if_open(now, IMAGE_TOI, next);
            next += step;
        }
        self.lanes[at].passed = self.lanes[at].passed.max(sbn);
    }

    fn want_if_open(&mut self, now: Time, toi: u16, sbn: u32) {
        if self.activity == Activity::Complete {
            return;
        }
        let open = |b: &Blocks| b.phase(sbn) == super::blocks::BlockPhase::Open;
        if self.objects.blocks(toi).is_some_and(open) {
            self.requests.want(now, toi, sbn);
        }
    }

    /// Block `sbn` of object `toi` was restored from parity.
    pub fn handle_restored(&mut self, toi: u16, sbn: u32) {
        self.counters.blocks_decoded += u64::from(toi == IMAGE_TOI);
        let leaves = self.leaves.as_mut().filter(|_| toi == IMAGE_TOI);
        if let Some(blocks) = self.objects.blocks_mut(toi) {
            match leaves {
                Some(leaves) => blocks.restored(sbn, |index| leaves.hold(index)),
                None => blocks.restored(sbn, |_| {}),
            }
        }
        self.requests.satisfied(toi, sbn);
    }

    /// Whether every block of the leaf list is held and nobody said yet whether
    /// it matches the root.
    pub fn leaf_list_complete(&self) -> bool {
        !self.leaf_list_known
            && self
                .objects
                .leaf_list
                .as_ref()
                .is_some_and(|list| list.open() == 0)
    }

    /// The leaf list matches the root, or it does not and is fetched again.
    pub fn handle_leaf_list(&mut self, now: Time, matches: bool) {
        self.leaf_list_known = matches;
        if matches {
            return;
        }
        self.counters.leaves_damaged += 1;
        let Some(list) = &mut self.objects.leaf_list else {
            return;
        };
        list.damage(0..list.layout().symbols());
        for sbn in 0..list.layout().blocks() {
            self.requests.want(now, LEAVES_TOI, sbn);
        }
    }

    pub(super) fn poll_leaf(&mut self) -> Option<u64> {
        if !self.leaf_list_known {
            return None;
        }
        self.leaves.as_mut()?.poll_ready()
    }

    /// Leaf `leaf` was hashed.
    pub fn handle_leaf(&mut self, now: Time, leaf: u64, matches: bool) {
        let (Some(leaves), Some(image)) = (&mut self.leaves, &mut self.objects.image) else {
            return;
        };
        if matches {
            leaves.verify(leaf);
            return self.check_verified();
        }
        self.counters.leaves_damaged += 1;
        let symbols = leaves.damage(leaf);
        for sbn in image.layout().blocks_touching(&symbols) {
            self.requests.want(now, IMAGE_TOI, sbn);
        }
        image.damage(symbols);
    }

    fn check_verified(&mut self) {
        let all = self
            .leaves
            .as_ref()
            .is_none_or(|leaves| leaves.verified() == leaves.count());
        if all && self.activity == Activity::Receiving {
            self.activity = Activity::Finishing;
            self.events.push_back(Event::Verified);
        }
    }

    pub(super) fn handle_message(
        &mut self,
        now: Time,
        from: SocketAddr,
        message: &Message<'_>,
    ) -> bool {
        match message {
            Message::Command(command) => {
                if !self.belongs((command.source_id, command.sender.instance_id), from) {
                    return false;
                }
                self.heard = now;
                self.note_group(command.sender);
                self.handle_command(now, &command.body);
                true
            }
            Message::Nack(nack) if (nack.server_id, nack.instance_id) == self.sender => {
                self.handle_requests(&nack.requests);
                true
            }
            _ => false,
        }
    }

    /// The group's parameters change seldom, and cost an exponential to read.
    fn note_group(&mut self, word: SenderWord) {
        if self.word != word {
            self.word = word;
            self.group = Group::of(word);
        }
    }

    fn handle_requests(&mut self, requests: &WireRequests<'_>) {
        spans(requests).for_each(|span| self.requests.covered(&span));
    }

    fn handle_command(&mut self, now: Time, body: &CommandBody<'_>) {
        match body {
            CommandBody::Flush { nodes, .. } => self.handle_flush(now, nodes.contains(self.node())),
            // A probe that waited in the socket while space was reserved would
            // measure the disk.
            CommandBody::Cc { sec, usec, .. } if now >= self.probes_from => {
                self.probe = Some((
                    Timestamp {
                        sec: *sec,
                        usec: *usec,
                    },
                    now,
                ));
            }
            CommandBody::RepairAdv { requests, .. } => self.handle_requests(requests),
            CommandBody::Application(content) => self.handle_notice(now, content),
            _ => {}
        }
    }

    fn handle_flush(&mut self, now: Time, listed: bool) {
        for toi in [LEAVES_TOI, IMAGE_TOI] {
            let count = self
                .objects
                .blocks(toi)
                .filter(|b| b.open() > 0)
                .map_or(0, |b| b.layout().blocks());
            for sbn in 0..count {
                self.want_if_open(now, toi, sbn);
            }
        }
        self.requests.all_due(now, self.group);
        if listed {
            self.completion
                .ask(now + self.random.within(self.group.grtt));
            self.reports.soon(now, self.group);
        }
    }

    fn handle_notice(&mut self, now: Time, content: &[u8]) {
        match Notice::parse(content) {
            Some(Notice::Welcome(entries)) => {
                let key = self.key.public();
                if let Some(node) = message::welcomed(entries, key.as_bytes())
                    && self.registration.welcome(now, node, self.group)
                {
                    self.events.push_back(Event::Welcomed);
                    self.reports.soon(now, self.group);
                }
            }
            Some(Notice::End { reason, signature }) => {
                let text = message::end_text(reason, &self.shape.session);
                let signed = PublicKey::from_bytes(self.shape.session_key)
                    .and_then(|key| key.verify(message::END_CONTEXT, &text, signature));
                if signed.is_ok() && !self.over {
                    if reason != EndReason::Finished {
                        self.events.push_back(Event::Ended(reason));
                    }
                    self.end();
                }
            }
            None => {}
        }
    }

    fn end(&mut self) {
        if !core::mem::replace(&mut self.over, true) {
            let finished = self.activity == Activity::Complete;
            self.events.push_back(Event::Over { finished });
        }
    }

    fn node(&self) -> u32 {
        self.registration.node
    }

    pub(super) fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(super) fn finish(&mut self, now: Time, figures: Figures, error: Option<&str>) {
        self.activity = Activity::Complete;
        self.requests.stop();
        let due = now + self.random.within(self.group.spread());
        self.completion.tell(
            due,
            now + LINGER,
            self.node(),
            &self.shape,
            &self.key,
            figures,
            error,
        );
    }

    pub(super) fn poll_transmit(&mut self, now: Time, out: &mut Vec<u8>) -> Option<SocketAddr> {
        if self.over {
            return None;
        }
        if let Some(message) = self.outbox.pop_front() {
            *out = message;
            return Some(self.from);
        }
        let sent = self.poll_completion(now, out)
            || self.poll_registration(now, out)
            || self.poll_status(now, out)
            || self.poll_requests(now, out);
        sent.then_some(self.from)
    }

    fn poll_completion(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        if self.completion.is_past(now) && now.since(self.heard) >= LINGER {
            self.end();
            return false;
        }
        let Some(payload) = self.completion.poll(now, self.group) else {
            return false;
        };
        self.emit_ack(now, message::ACK_COMPLETE, &payload, out);
        true
    }

    fn poll_registration(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        let told = self.activity == Activity::Complete && self.registration.welcomed;
        if told || !self.registration.poll(now, self.group, &mut self.random) {
            return false;
        }
        let payload = self.registration.payload(&self.key, &self.shape);
        self.emit_ack(now, message::ACK_REGISTER, &payload, out);
        true
    }

    fn poll_status(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        if !self.registration.welcomed || self.activity == Activity::Complete {
            return false;
        }
        if !self
            .reports
            .poll(now, self.group, &mut self.random, self.counters)
        {
            return false;
        }
        let verified = self.leaves.as_ref().map_or(0, Leaves::verified) as u32;
        let heard = self.lanes.iter().all(LaneView::is_heard);
        let sequences = self.lanes.iter().map(LaneView::sequence).take(LANES_MAX);
        let sequences = if heard {
            sequences.collect()
        } else {
            Vec::new()
        };
        let status = self
            .reports
            .take(now, self.activity, self.counters, verified, sequences);
        let mut payload = Vec::new();
        status.emit(&mut payload);
        self.emit_ack(now, message::ACK_STATUS, &payload, out);
        true
    }

    fn poll_requests(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        let contents = self
            .requests
            .poll(now, self.group, &mut self.random, &self.objects);
        for requests in contents {
            self.counters.nacks_sent += 1;
            let mut message = Vec::new();
            let Ok(requests) = WireRequests::parse(&requests) else {
                continue;
            };
            let nack = Nack {
                sequence: 0,
                source_id: self.node(),
                server_id: self.sender.0,
                instance_id: self.sender.1,
                grtt_response: self.grtt_response(now),
                cc: None,
                requests,
            };
            nack.emit(&mut message);
            self.outbox.push_back(message);
        }
        match self.outbox.pop_front() {
            Some(message) => {
                *out = message;
                true
            }
            None => false,
        }
    }

    fn emit_ack(&self, now: Time, ack_type: u8, payload: &[u8], out: &mut Vec<u8>) {
        out.clear();
        let ack = Ack {
            sequence: 0,
            source_id: self.node(),
            server_id: self.sender.0,
            instance_id: self.sender.1,
            ack_type,
            ack_id: 0,
            grtt_response: self.grtt_response(now),
            cc: None,
            payload,
        };
        ack.emit(out);
    }

    /// The newest probe's time stamp plus the time that it was held here, so
    /// that the sender measures the path alone (RFC 5740 §4.3.1). Zero: none.
    fn grtt_response(&self, now: Time) -> Timestamp {
        let Some((stamp, heard)) = self.probe else {
            return Timestamp::default();
        };
        Timestamp::from_ns(stamp.as_ns() + now.since(heard).as_nanos() as u64)
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        if self.over {
            return None;
        }
        if !self.outbox.is_empty() {
            return Some(Time::ZERO);
        }
        let linger = self
            .completion
            .past()
            .map(|past| past.max(self.heard + LINGER));
        let complete = self.activity == Activity::Complete;
        let status = self
            .reports
            .poll_timeout(self.group)
            .filter(|_| self.registration.welcomed && !complete);
        let timers = [
            self.completion.poll_timeout(),
            linger,
            Some(self.registration.poll_timeout())
                .filter(|_| !(complete && self.registration.welcomed)),
            status,
            self.requests.poll_timeout(self.group),
        ];
        timers.into_iter().flatten().min()
    }

    pub(super) fn queues(&self) -> [Queue; 4] {
        let objects = [LEAVES_TOI, IMAGE_TOI].map(|toi| self.objects.blocks(toi));
        let blocks = objects.into_iter().flatten();
        [
            Queue {
                name: "blocks wanted",
                depth: self.requests.waiting(),
                bound: blocks.map(|b| b.layout().blocks() as usize).sum(),
            },
            Queue {
                name: "NACKs",
                depth: self.outbox.len(),
                bound: NACKS_PER_ROUND,
            },
            Queue {
                name: "events",
                depth: self.events.len(),
                bound: EVENTS_MAX,
            },
            Queue {
                name: "leaves to hash",
                depth: self.leaves.as_ref().map_or(0, Leaves::waiting),
                bound: self.leaves.as_ref().map_or(0, |l| l.count() as usize),
            },
        ]
    }

    /// Bytes of the image that were verified before this session.
    pub fn verified_bytes(&self) -> u64 {
        self.leaves.as_ref().map_or(0, |leaves| {
            (leaves.verified() * LEAF_BYTES).min(self.shape.image.size())
        })
    }
}
