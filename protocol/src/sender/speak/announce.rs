//! The beginning of a session: announcing it, answering registrations, and
//! deciding what the first pass has.

use crate::limits::MESSAGE_BYTES_MAX;
use crate::message::{self, Notice};
use crate::object::tree::LEAF_BYTES;
use crate::offer::{IMAGE_TOI, LEAVES_TOI};
use crate::sender::{Ending, MEASURE_MAX, Order, Phase, Sender};
use crate::time::{Duration, Time};
use crate::wire::{CcList, CommandBody, Timestamp};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

const ANNOUNCE_EVERY: Duration = Duration::from_millis(200);
/// Registrations are answered this often.
const ANSWER_EVERY: Duration = Duration::from_millis(2);
/// Entries in one welcome.
const WELCOMES_MAX: usize = MESSAGE_BYTES_MAX / message::WELCOME_ENTRY_BYTES - 3;

impl Sender {
    /// Somebody heard symbols and does not know the session yet. Strangers can
    /// make this happen, so it is bounded.
    pub(in crate::sender) fn announce_soon(&mut self, now: Time) -> bool {
        let solicited = self.solicited.take(now);
        if solicited {
            self.announce_at = now;
        }
        solicited
    }

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
        let heard = self.roster.heard();
        let all_enrolled = self.roster.all_heard();
        let enough = match self.config.receivers {
            Some(count) => heard >= count && all_enrolled,
            None if !self.config.roster.is_empty() => all_enrolled,
            None => heard > 0 && now.since(self.newest_registration) >= self.config.settle,
        };
        let waited = now.since(self.started) >= self.config.wait;
        if waited && heard == 0 {
            return self.end(now, Ending::NoReceivers);
        }
        // A registration is answered by a probe, which is answered in turn.
        let measured =
            self.grtt.is_measured() || now.since(self.newest_registration) >= MEASURE_MAX;
        if (enough && measured) || waited {
            self.start(now);
        }
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
        self.roster.forget_missing();
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
        let open = || self.roster.members().iter().filter(|m| m.is_open());
        if open().any(|m| m.missing.is_none()) {
            return core::iter::once(0..layout.blocks()).collect();
        }
        let mut lacking = vec![false; layout.blocks() as usize];
        for (first, end) in open().flat_map(|m| m.missing.iter().flatten()) {
            let bytes =
                first.saturating_mul(LEAF_BYTES)..end.saturating_mul(LEAF_BYTES).min(layout.size());
            let symbols = layout.symbols_touching(&bytes);
            if symbols.end <= layout.symbols() {
                let blocks = layout.blocks_touching(&symbols);
                lacking[blocks.start as usize..blocks.end as usize].fill(true);
            }
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
        self.welcome();
        self.answer_due = self.roster.has_welcomes_due();
        self.probe(now);
    }

    pub(in crate::sender) fn welcome(&mut self) {
        let mut entries = Vec::new();
        for member in self.roster.take_welcomes(WELCOMES_MAX) {
            entries.extend_from_slice(&member.key.as_bytes()[..8]);
            entries.extend_from_slice(&member.node.to_be_bytes());
        }
        if !entries.is_empty() {
            let mut content = Vec::new();
            Notice::Welcome(&entries).emit(&mut content);
            self.push_command(&CommandBody::Application(&content));
        }
    }
}
