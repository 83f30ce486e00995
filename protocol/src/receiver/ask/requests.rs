//! When a receiver asks for repair, and for what: the NACK cycle of RFC 5740
//! §5.3, block by block.
//!
//! A request names the parity symbols that would cure the deficit, starting
//! with the first that cannot have been sent before the newest one seen. It is
//! a target, not an increment: hearing it twice, or hearing it after the
//! symbols have left, changes nothing at the sender.

use crate::backoff::random_backoff;
use crate::limits::{BACKOFF_FACTOR, GRTT_MIN, MESSAGE_BYTES_MAX, NACKS_PER_ROUND};
use crate::object::Span;
use crate::object::{Blocks, Need};
use crate::offer::{IMAGE_TOI, LEAVES_TOI};
use crate::random::Random;
use crate::time::{Duration, Time};
use crate::wire::{Level, PayloadId, RequestBuilder, SenderWord, quantize};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// Bytes of a NACK that requests may fill.
const REQUEST_BYTES_MAX: usize = MESSAGE_BYTES_MAX - 24;
/// Doublings of the hold-off while requests bring nothing.
const ATTEMPTS_MAX: u32 = 9;
/// The hold-off that they lead to at most.
const PATIENCE_MAX: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy)]
struct Wanted {
    /// Not asked for before this time.
    quiet_until: Time,
    /// When it was last asked for.
    asked: Time,
    /// Requests without an answer.
    attempts: u32,
    /// Parity index up to which somebody else's request reaches.
    covered_to: u32,
    /// The whole block is on its way.
    covered: bool,
    /// A repair for it has come since it was asked for.
    answered: bool,
}

/// Group parameters that the sender writes in every header.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// Group round-trip time.
    pub grtt: Duration,
    /// Estimate of the number of receivers.
    pub size: u32,
    /// Backoff factor K.
    pub backoff: u8,
}

impl Group {
    /// What a header says of its group.
    pub fn of(word: SenderWord) -> Group {
        Group {
            grtt: Duration::from_nanos(quantize::grtt_to_ns(word.grtt)).max(GRTT_MIN),
            size: quantize::gsize_to(word.gsize),
            backoff: word.backoff,
        }
    }

    /// The longest backoff, K·GRTT.
    pub fn backoff_max(&self) -> Duration {
        self.grtt * u32::from(self.backoff.min(BACKOFF_FACTOR))
    }

    fn hold_off(&self) -> Duration {
        self.grtt * (u32::from(self.backoff.min(BACKOFF_FACTOR)) + 2)
    }
}

/// A backoff that was drawn. The sender may shorten all of them by a smaller
/// factor K.
#[derive(Debug, Clone, Copy)]
struct Backoff {
    started: Time,
    drawn: Duration,
    longest: Duration,
}

impl Backoff {
    fn end(&self, group: Group) -> Time {
        let longest = group.backoff_max();
        if longest >= self.longest {
            return self.started + self.drawn;
        }
        let share = self.drawn.as_nanos() * longest.as_nanos() / self.longest.as_nanos().max(1);
        self.started + Duration::from_nanos(share as u64)
    }
}

/// The blocks that want repair and the one backoff that they share.
#[derive(Debug, Default)]
pub struct Requests {
    wanted: BTreeMap<(u16, u32), Wanted>,
    backoff: Option<Backoff>,
    /// No wanted block is due before this.
    next_due: Option<Time>,
    /// Rounds in which somebody else had asked for everything.
    pub suppressed: u64,
}

impl Requests {
    /// Block `sbn` of object `toi` has had its first transmission.
    pub fn want(&mut self, now: Time, toi: u16, sbn: u32) {
        let fresh = Wanted {
            quiet_until: now,
            asked: Time::ZERO,
            attempts: 0,
            covered_to: 0,
            covered: false,
            answered: false,
        };
        self.wanted.entry((toi, sbn)).or_insert(fresh);
        self.due_by(now);
    }

    /// The block needs nothing more.
    pub fn satisfied(&mut self, toi: u16, sbn: u32) {
        if !self.wanted.is_empty() {
            self.wanted.remove(&(toi, sbn));
        }
    }

    /// A repair symbol of the block came: more of them are on their way until
    /// the sender goes on.
    pub fn repair_seen(&mut self, now: Time, group: Group, toi: u16, sbn: u32) {
        if let Some(wanted) = self.wanted.get_mut(&(toi, sbn)) {
            wanted.answered = true;
            let patience = patience(group, wanted.attempts);
            wanted.quiet_until = wanted.quiet_until.max(now + patience);
        }
    }

    /// The sender has gone on from the block: what it sent of it has come or
    /// is lost.
    pub fn round_over(&mut self, now: Time, toi: u16, sbn: u32) {
        if let Some(wanted) = self.wanted.get_mut(&(toi, sbn))
            && wanted.answered
        {
            wanted.answered = false;
            wanted.attempts = 0;
            wanted.quiet_until = now;
            self.due_by(now);
        }
    }

    /// The sender has nothing more to send: whatever was asked for longer than
    /// a round trip ago has come or is lost.
    pub fn all_due(&mut self, now: Time, group: Group) {
        for wanted in self.wanted.values_mut() {
            if wanted.asked + group.grtt < now {
                wanted.quiet_until = now;
            }
        }
        self.due_by(now);
    }

    /// Somebody asked for, or the sender announced, symbols `first..=last`.
    pub fn covered(&mut self, span: &Span) {
        let Span {
            level,
            toi,
            first,
            last,
        } = *span;
        let end = if level == Level::OBJECT {
            u32::MAX
        } else {
            last.sbn.max(first.sbn)
        };
        for wanted in self
            .wanted
            .range_mut((toi, first.sbn)..=(toi, end))
            .map(|(_, w)| w)
        {
            if level != Level::SEGMENT {
                wanted.covered = true;
            } else if first.esi >= first.block_len && last.esi >= first.esi {
                let end = u32::from(last.esi - first.block_len) + 1;
                wanted.covered_to = wanted.covered_to.max(end);
            }
        }
    }

    /// Nothing more is wanted.
    pub fn stop(&mut self) {
        self.wanted.clear();
    }

    /// Blocks that want repair.
    pub fn waiting(&self) -> usize {
        self.wanted.len()
    }

    fn due_by(&mut self, time: Time) {
        self.next_due = Some(self.next_due.map_or(time, |due| due.min(time)));
    }

    /// When `poll` has something to do.
    pub fn poll_timeout(&self, group: Group) -> Option<Time> {
        if self.wanted.is_empty() {
            return None;
        }
        self.backoff
            .map(|backoff| backoff.end(group))
            .or(self.next_due)
    }

    /// Starts a backoff when a block is due; at its end gives the requests to
    /// send now, one element for each NACK message.
    pub fn poll(
        &mut self,
        now: Time,
        group: Group,
        random: &mut Random,
        objects: &Objects,
    ) -> Vec<Vec<u8>> {
        if self.backoff.is_none() && self.next_due.is_some_and(|due| due <= now) {
            self.next_due = self.wanted.values().map(|w| w.quiet_until).min();
            if self.next_due.is_some_and(|due| due <= now) {
                let longest = group.backoff_max();
                self.backoff = Some(Backoff {
                    started: now,
                    drawn: random_backoff(random, longest, group.size),
                    longest,
                });
            }
        }
        if self.backoff.is_none_or(|backoff| now < backoff.end(group)) {
            return Vec::new();
        }
        self.backoff = None;
        self.compose(now, group, objects)
    }

    fn compose(&mut self, now: Time, group: Group, objects: &Objects) -> Vec<Vec<u8>> {
        let mut messages = Messages::default();
        let mut all_covered = true;
        let mut whole: Option<(u16, u32, u32)> = None;
        for (&(toi, sbn), wanted) in &mut self.wanted {
            if wanted.quiet_until > now {
                continue;
            }
            let Some(blocks) = objects.blocks(toi) else {
                continue;
            };
            let need = blocks.need(sbn);
            if !wanted.is_covered(need) {
                all_covered = false;
                let fits = if need == Need::Block {
                    let joins = whole.is_some_and(|(t, _, last)| t == toi && last + 1 == sbn);
                    let first = whole.filter(|_| joins).map_or(sbn, |(_, first, _)| first);
                    let before = whole.replace((toi, first, sbn));
                    joins || before.is_none_or(|run| messages.push_blocks(run, objects))
                } else {
                    messages.push_need(toi, sbn, need, blocks)
                };
                if !fits {
                    break;
                }
                wanted.attempts = (wanted.attempts + 1).min(ATTEMPTS_MAX);
                wanted.asked = now;
            }
            wanted.covered = false;
            wanted.covered_to = 0;
            wanted.answered = false;
            let patience = patience(group, wanted.attempts);
            wanted.quiet_until = now + patience;
        }
        if let Some(run) = whole {
            messages.push_blocks(run, objects);
        }
        self.suppressed += u64::from(all_covered);
        self.next_due = self.wanted.values().map(|w| w.quiet_until).min();
        messages.finish()
    }
}

/// How long to wait for an answer: longer with every request that the sender
/// could not serve yet, as when the slowest receiver holds its window.
fn patience(group: Group, attempts: u32) -> Duration {
    let hold_off = group.hold_off();
    let longer = hold_off * (1 << attempts.saturating_sub(1));
    longer.min(PATIENCE_MAX.max(hold_off))
}

impl Wanted {
    fn is_covered(&self, need: Need) -> bool {
        match need {
            Need::Nothing => true,
            Need::Parity { from, deficit } => {
                self.covered || u32::from(from) + u32::from(deficit) <= self.covered_to
            }
            Need::Block | Need::Sources => self.covered,
        }
    }
}

/// The objects of a session that travel in blocks.
#[derive(Debug)]
pub struct Objects {
    /// The leaf list, if the image has one.
    pub leaf_list: Option<Blocks>,
    /// The image, unless it is empty.
    pub image: Option<Blocks>,
}

impl Objects {
    /// The blocks of object `toi`.
    pub fn blocks(&self, toi: u16) -> Option<&Blocks> {
        match toi {
            LEAVES_TOI => self.leaf_list.as_ref(),
            IMAGE_TOI => self.image.as_ref(),
            _ => None,
        }
    }

    /// The blocks of object `toi`.
    pub fn blocks_mut(&mut self, toi: u16) -> Option<&mut Blocks> {
        match toi {
            LEAVES_TOI => self.leaf_list.as_mut(),
            IMAGE_TOI => self.image.as_mut(),
            _ => None,
        }
    }
}

/// What the NACKs of one round ask for.
#[derive(Default)]
struct Messages(Vec<(Level, u16, PayloadId, PayloadId)>);

/// Ranges that fit into the messages of one round, whatever their levels.
const RANGES_MAX: usize = NACKS_PER_ROUND * (REQUEST_BYTES_MAX / RANGE_BYTES);
/// A request header and two items.
const RANGE_BYTES: usize = 4 + 2 * crate::wire::ITEM_BYTES;

impl Messages {
    fn push_blocks(&mut self, (toi, first, last): (u16, u32, u32), objects: &Objects) -> bool {
        let Some(blocks) = objects.blocks(toi) else {
            return true;
        };
        let id = |sbn| PayloadId {
            sbn,
            block_len: blocks.layout().block_len(sbn),
            esi: 0,
        };
        self.push(Level::BLOCK, toi, id(first), id(last))
    }

    fn push_need(&mut self, toi: u16, sbn: u32, need: Need, blocks: &Blocks) -> bool {
        let block_len = blocks.layout().block_len(sbn);
        let id = |esi: u16| PayloadId {
            sbn,
            block_len,
            esi,
        };
        let parity_end = |from: u16, deficit: u16| {
            u32::from(block_len) + u32::from(from) + u32::from(deficit) - 1
        };
        match need {
            Need::Parity { from, deficit }
                if u32::from(from) + u32::from(deficit)
                    <= u32::from(blocks.layout().parity_max()) =>
            {
                let last = parity_end(from, deficit) as u16;
                self.push(Level::SEGMENT, toi, id(block_len + from), id(last))
            }
            Need::Parity { deficit, .. } => self.push_sources(toi, sbn, deficit, blocks),
            Need::Sources => self.push_sources(toi, sbn, block_len, blocks),
            Need::Block | Need::Nothing => true,
        }
    }

    /// Asks for missing sources, up to `count`.
    fn push_sources(&mut self, toi: u16, sbn: u32, count: u16, blocks: &Blocks) -> bool {
        let block_len = blocks.layout().block_len(sbn);
        let id = |esi| PayloadId {
            sbn,
            block_len,
            esi,
        };
        let (mut left, mut fits) = (count, true);
        blocks.missing_runs(sbn, |a, b| {
            let wanted = (b - a + 1).min(left);
            left -= wanted;
            if wanted > 0 && fits {
                fits = self.push(Level::SEGMENT, toi, id(a), id(a + wanted - 1));
            }
        });
        fits
    }

    fn push(&mut self, level: Level, toi: u16, first: PayloadId, last: PayloadId) -> bool {
        let fits = self.0.len() < RANGES_MAX;
        if fits {
            self.0.push((level, toi, first, last));
        }
        fits
    }

    fn finish(self) -> Vec<Vec<u8>> {
        let mut messages = Vec::new();
        let mut left = &self.0[..];
        while !left.is_empty() {
            let mut requests = Vec::new();
            let mut builder = RequestBuilder::new(&mut requests, REQUEST_BYTES_MAX);
            let fit = left.iter().take_while(|&&(level, toi, first, last)| {
                builder.push_range(level, toi, first, last)
            });
            left = &left[fit.count()..];
            messages.push(requests);
        }
        messages
    }
}
