//! The beginning of a session: announcing it, answering registrations, and
//! deciding what the first pass has.

use crate::limits::{MESSAGE_BYTES_MAX, PENDING_LIVES_MAX};
use crate::message::{Notice, WelcomeEntry};
use crate::object::tree::LEAF_BYTES;
use crate::offer::{IMAGE_TOI, LEAVES_TOI};
use crate::seal::Life;
use crate::sender::{Ending, MEASURE_MAX, Member, Order, Phase, Sender};
use crate::time::{Duration, Time};
use crate::wire::{CcList, CommandBody, Timestamp};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

const ANNOUNCE_EVERY: Duration = Duration::from_millis(200);
/// Registrations are answered this often.
const ANSWER_EVERY: Duration = Duration::from_millis(2);
/// Entries in one welcome.
const WELCOMES_MAX: usize = MESSAGE_BYTES_MAX / WelcomeEntry::BYTES - 3;

impl Sender {
    pub(in crate::sender) fn announce(&mut self, now: Time) {
        self.announce_due = true;
        self.probe(now);
        // About 3,000 bytes an announcement: at most a fiftieth of a slow rate.
        let slow = Duration::from_nanos(24_000 * 50 * 1_000_000_000 / self.rate.bps().max(1));
        self.announce_at = now + self.announce_every.max(slow.min(Duration::from_secs(20)));
        self.announce_every = (self.announce_every * 3 / 2).min(ANNOUNCE_EVERY);
    }

    /// Asks for the round trip: whoever speaks next answers it.
    pub(in crate::sender) fn probe(&mut self, now: Time) {
        let Timestamp { sec, usec } = Timestamp::from_ns(now.ns());
        let body = CommandBody::Cc {
            cc_sequence: self.cc_sequence,
            sec,
            usec,
            rate: None,
            nodes: CcList::EMPTY,
        };
        self.cc_sequence = self.cc_sequence.wrapping_add(1);
        self.push_command(&body);
    }

    pub(in crate::sender) fn start_if_ready(&mut self, now: Time) {
        let heard = self.membership.heard();
        let all_enrolled = self.membership.all_heard();
        let enough = match self.config.receivers {
            Some(count) => heard >= count && all_enrolled,
            None if !self.config.roster.is_empty() => all_enrolled,
            None => heard > 0 && now.since(self.newest_registration) >= self.config.settle,
        };
        let waited = now.since(self.started) >= self.config.wait;
        if waited && heard == 0 {
            return self.end(now, Ending::NoReceivers);
        }
        // A registration is answered by a welcome and a probe, which are answered in
        // turn: until then nobody's round trip is known, nor how far it has read.
        let since = enough.then(|| self.enough_since.unwrap_or(now));
        self.enough_since = since;
        let answered = self.grtt.is_measured() && self.membership.hopeful() == 0;
        let ready = since.is_some_and(|since| answered || now.since(since) >= MEASURE_MAX);
        if (ready || waited) && self.knows_lacking(now) {
            self.start(now);
        }
    }

    /// Whether it is known which leaves are to be sent: all, unless everybody has
    /// some already and says which are lacking.
    fn knows_lacking(&mut self, now: Time) -> bool {
        if self.membership.weighing().any(|member| member.held == 0) {
            return true;
        }
        self.lacking.begin(now);
        if self.lacking.is_settled(now) {
            return true;
        }
        let spread = Duration::from_micros(50) * self.group_size() as u32;
        let gap = self.grtt() * 2 + spread;
        while let Some((page, known)) = self.lacking.poll(now, gap) {
            let mut content = Vec::new();
            let known = &known;
            Notice::Poll { page, known }.emit(&mut content);
            self.push_command(&CommandBody::Application(&content));
        }
        false
    }

    pub(in crate::sender) fn start(&mut self, now: Time) {
        self.phase = Phase::Sending;
        self.data_started = Some(now);
        self.stragglers.begin(now);
        if let Some(layout) = self.config.shape.layout(LEAVES_TOI).copied() {
            self.schedule(LEAVES_TOI, 0..layout.blocks());
        }
        for blocks in self.missing_blocks() {
            self.schedule(IMAGE_TOI, blocks);
        }
        if self.first_left == 0 {
            self.phase = Phase::Flushing;
            self.flush_at = now;
        }
    }

    pub(in crate::sender) fn schedule(&mut self, toi: u16, blocks: Range<u32>) {
        for sbn in blocks.clone() {
            self.ledger.schedule(toi, sbn);
            self.first_left += 1;
        }
        self.orders.push_back(Order::FirstPass { toi, blocks });
    }

    /// Blocks of the image that at least one receiver lacks.
    pub(in crate::sender) fn missing_blocks(&self) -> Vec<Range<u32>> {
        let Some(layout) = self.config.shape.layout(IMAGE_TOI) else {
            return Vec::new();
        };
        if self.membership.weighing().any(|member| member.held == 0) {
            return core::iter::once(0..layout.blocks()).collect();
        }
        let mut lacking = vec![false; layout.blocks() as usize];
        for leaf in self.lacking.leaves() {
            let bytes = leaf * LEAF_BYTES..((leaf + 1) * LEAF_BYTES).min(layout.size());
            let symbols = layout.symbols_touching(&bytes);
            let blocks = layout.blocks_touching(&symbols);
            lacking[blocks.start as usize..blocks.end as usize].fill(true);
        }
        let mut runs: Vec<Range<u32>> = Vec::new();
        for sbn in (0..layout.blocks()).filter(|&sbn| lacking[sbn as usize]) {
            match runs.last_mut() {
                Some(run) if run.end == sbn => run.end += 1,
                _ => runs.push(sbn..sbn + 1),
            }
        }
        runs
    }

    /// Answers registrations: with a welcome for those that wait for one, and a
    /// probe of the round trip. Thousands come at once, so not each on its own.
    pub(in crate::sender) fn answer(&mut self, now: Time) {
        if !self.answer_due || now < self.answer_at {
            return;
        }
        self.answer_at = now + ANSWER_EVERY;
        self.welcome(now);
        self.answer_due = self.membership.has_welcomes_due();
        self.probe(now);
    }

    pub(in crate::sender) fn welcome(&mut self, now: Time) {
        let mut entries = Vec::new();
        let mut room = WELCOMES_MAX;
        while room > 0 {
            // Its lives are welcomed together.
            let most = room / (1 + PENDING_LIVES_MAX);
            let mut taken = 0;
            for member in self.membership.take_welcomes(now, most) {
                taken += 1;
                for entry in welcomes(member) {
                    room -= 1;
                    entry.emit(&mut entries);
                }
            }
            if taken == 0 {
                break;
            }
        }
        if !entries.is_empty() {
            let mut content = Vec::new();
            Notice::Welcome(&entries).emit(&mut content);
            self.push_command(&CommandBody::Application(&content));
        }
    }
}

/// A welcome for every life of a member that registered.
fn welcomes(member: &Member) -> impl Iterator<Item = WelcomeEntry> {
    let installation = member.installation.unwrap_or_default();
    let lives = member.life.iter().chain(&member.pending);
    lives.map(move |life| {
        let name = Life {
            key: member.key,
            installation,
            number: life.number,
        }
        .name();
        WelcomeEntry {
            life: name,
            node: life.node,
            nonce: life.nonce,
            proof: life.welcome.welcome_proof(life.node, life.nonce),
        }
    })
}
