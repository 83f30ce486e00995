//! What was sent of every block, what is asked for, and what to send next: the
//! sender's half of NACK-based repair (RFC 5740 §5.4).
//!
//! A request names the parity symbols that its receiver could use next. The
//! ledger compares that with what has been ordered since: symbols still under
//! way count for the receiver, symbols that must have arrived by now do not.
//! Requests are gathered for a quarter of a round trip; then every block gets
//! one order for the greatest need. The group is told of them before that, so
//! that few others ask.

use crate::object::ObjectLayout;
use crate::object::Span;
use crate::offer::{IMAGE_TOI, LEAVES_TOI, SessionShape};
use crate::time::{Duration, Time};
use crate::wire::Level;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

/// Symbols `first..first + count` of a block, by ESI, to be sent as repair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepairOrder {
    /// Object.
    pub toi: u16,
    /// Block.
    pub sbn: u32,
    /// First encoding symbol id.
    pub first: u16,
    /// Number of symbols.
    pub count: u16,
}

/// What has been done for one block.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    /// Parity symbols sent or ordered: the next fresh index.
    parity: u16,
    /// Orders that have not been sent yet, the first transmission included.
    outstanding: u16,
    /// The first transmission is still to come: nobody can miss it yet.
    first_pending: bool,
    /// The newest orders send every source of the block again: while they are
    /// under way they cure any deficit.
    whole: bool,
    /// Somebody has asked for it.
    asked: bool,
    /// When the newest order was sent.
    sent: Time,
}

/// What is asked for since the last orders, for one block.
#[derive(Debug, Default)]
struct Wanted {
    /// One past the last parity index needed.
    parity_end: u16,
    /// Runs `[first, last]` of symbols to be sent again, by ESI, sorted and
    /// apart: sources, and parity where the code has no more.
    again: Vec<(u16, u16)>,
}

/// Runs of no more blocks are looked at when they are asked for.
const RUN_BLOCKS: u32 = 8;
/// Longer runs that are kept to be looked at.
const RUNS_MAX: usize = 64;
/// Blocks of them that are looked at together, and how often.
const LOOK_BLOCKS: u32 = 512;
const LOOK_EVERY: Duration = Duration::from_micros(500);

/// The blocks of both objects.
#[derive(Debug)]
pub struct Ledger {
    shape: SessionShape,
    leaf_list: Vec<Entry>,
    image: Vec<Entry>,
    wanted: BTreeMap<(u16, u32), Wanted>,
    /// Runs of whole blocks that are asked for and not looked at yet, apart from
    /// each other.
    runs: Vec<(u16, Range<u32>)>,
    look_at: Option<Time>,
    close_at: Option<Time>,
    /// Something was asked for that the group has not been told of.
    advertise_at: Option<Time>,
    advertised: Time,
    outstanding: u64,
}

impl Ledger {
    /// A ledger in which nothing has been sent.
    pub fn new(shape: &SessionShape) -> Ledger {
        let entries = |toi| {
            let blocks = shape.layout(toi).map_or(0, |layout| layout.blocks());
            vec![Entry::default(); blocks as usize]
        };
        Ledger {
            shape: *shape,
            leaf_list: entries(LEAVES_TOI),
            image: entries(IMAGE_TOI),
            wanted: BTreeMap::new(),
            runs: Vec::new(),
            look_at: None,
            close_at: None,
            advertise_at: None,
            advertised: Time::ZERO,
            outstanding: 0,
        }
    }

    fn entry(&mut self, toi: u16, sbn: u32) -> Option<&mut Entry> {
        match toi {
            LEAVES_TOI => self.leaf_list.get_mut(sbn as usize),
            IMAGE_TOI => self.image.get_mut(sbn as usize),
            _ => None,
        }
    }

    /// The block is part of the first pass: until that is sent, nobody can miss
    /// it, whatever was asked for before.
    pub fn schedule(&mut self, toi: u16, sbn: u32) {
        self.wanted.remove(&(toi, sbn));
        if let Some(entry) = self.entry(toi, sbn) {
            entry.outstanding += 1;
            entry.first_pending = true;
            self.outstanding += 1;
        }
    }

    /// An order, or the first transmission with its `parity` symbols, was sent.
    pub fn sent(&mut self, now: Time, toi: u16, sbn: u32, parity_end: u16) {
        let Some(entry) = self.entry(toi, sbn) else {
            return;
        };
        entry.parity = entry.parity.max(parity_end);
        entry.sent = now;
        entry.first_pending = false;
        if entry.outstanding > 0 {
            entry.outstanding -= 1;
            self.outstanding -= 1;
        }
    }

    /// Orders and first transmissions that have not been sent.
    pub fn outstanding(&self) -> u64 {
        self.outstanding
    }

    /// Whether every order was sent and nothing more is asked for.
    pub fn is_idle(&self) -> bool {
        self.outstanding == 0 && self.wanted.is_empty() && self.runs.is_empty()
    }

    /// Blocks of this session that a range names.
    pub fn blocks_of(&self, span: &Span) -> u64 {
        let blocks = self
            .shape
            .layout(span.toi)
            .map_or(0, |layout| layout.blocks());
        match span.level {
            Level::OBJECT => blocks.into(),
            Level::BLOCK => {
                let end = span.last.sbn.saturating_add(1).min(blocks);
                end.saturating_sub(span.first.sbn).into()
            }
            _ => 1,
        }
    }

    /// Takes one range of a NACK, in a time that does not depend on how many blocks
    /// it has: long runs are looked at later, a few at a time. Gives whether it
    /// asks for anything that is not under way, as far as it was looked at.
    pub fn request(&mut self, now: Time, grtt: Duration, span: &Span) -> bool {
        let Span {
            level,
            toi,
            first,
            last,
        } = *span;
        let Some(layout) = self.shape.layout(toi).copied() else {
            return false;
        };
        if first.sbn >= layout.blocks() {
            return false;
        }
        let fresh = if level == Level::SEGMENT {
            let len = layout.block_len(first.sbn);
            let sane = last.sbn == first.sbn && first.esi <= last.esi && first.block_len == len;
            sane && self.request_segment(now, grtt, toi, first.sbn, &layout, first.esi, last.esi)
        } else {
            let object = level == Level::OBJECT;
            let (a, b) = match object {
                true => (0, layout.blocks()),
                false => (first.sbn, last.sbn.saturating_add(1).min(layout.blocks())),
            };
            if b.saturating_sub(a) > RUN_BLOCKS {
                return self.keep_run(now, toi, a..b);
            }
            let mut fresh = false;
            for sbn in a..b {
                fresh |= self.request_block(now, grtt, toi, sbn, &layout);
            }
            fresh
        };
        if fresh {
            self.gather(now, grtt);
        }
        fresh
    }

    /// Something was asked for: it becomes an order together with what comes in
    /// the next quarter of a round trip.
    fn gather(&mut self, now: Time, grtt: Duration) {
        let quarter = grtt / 4;
        self.close_at.get_or_insert(now + quarter);
        self.advertise_at
            .get_or_insert((self.advertised + quarter).max(now));
    }

    fn request_block(
        &mut self,
        now: Time,
        grtt: Duration,
        toi: u16,
        sbn: u32,
        layout: &ObjectLayout,
    ) -> bool {
        let last = layout.block_len(sbn) - 1;
        self.request_segment(now, grtt, toi, sbn, layout, 0, last)
    }

    /// Keeps a run of blocks to be looked at; whether it was not kept already.
    fn keep_run(&mut self, now: Time, toi: u16, mut run: Range<u32>) -> bool {
        let within = |(other, kept): &(u16, Range<u32>)| {
            *other == toi && kept.start <= run.start && run.end <= kept.end
        };
        if self.runs.iter().any(within) {
            return false;
        }
        let full = self.runs.len() >= RUNS_MAX;
        self.runs.retain(|(other, kept)| {
            // Where there are too many, what lies between two is asked for as well.
            let touches = full || (kept.start <= run.end && run.start <= kept.end);
            let joins = *other == toi && touches;
            if joins {
                run = kept.start.min(run.start)..kept.end.max(run.end);
            }
            !joins
        });
        self.runs.push((toi, run));
        self.look_at.get_or_insert(now);
        true
    }

    /// Looks at some blocks of the runs that are asked for.
    pub fn look(&mut self, now: Time, grtt: Duration) {
        if self.look_at.take_if(|at| *at <= now).is_none() {
            return;
        }
        let (mut left, mut fresh) = (LOOK_BLOCKS, false);
        while let Some((toi, run)) = self.runs.last_mut() {
            let some = run.start..run.end.min(run.start.saturating_add(left));
            left -= some.len() as u32;
            run.start = some.end;
            let toi = *toi;
            if run.start >= run.end {
                self.runs.pop();
            }
            if let Some(layout) = self.shape.layout(toi).copied() {
                for sbn in some {
                    fresh |= self.request_block(now, grtt, toi, sbn, &layout);
                }
            }
            if left == 0 {
                self.look_at = Some(now + LOOK_EVERY);
                break;
            }
        }
        if fresh {
            self.gather(now, grtt);
        }
    }

    /// What is asked for, once the group should be told of it: at once, and then
    /// no more often than four times a round trip.
    pub fn poll_advertisement(&mut self, now: Time) -> Option<Vec<RepairOrder>> {
        self.advertise_at.take_if(|at| *at <= now)?;
        self.advertised = now;
        let asked = self.wanted.iter().flat_map(|(&(toi, sbn), wanted)| {
            let len = self
                .shape
                .layout(toi)
                .map_or(0, |layout| layout.block_len(sbn));
            let again = wanted
                .again
                .iter()
                .map(|&(first, last)| (first, last - first + 1));
            let parity = (wanted.parity_end > 0).then_some((len, wanted.parity_end));
            again.chain(parity).map(move |(first, count)| RepairOrder {
                toi,
                sbn,
                first,
                count,
            })
        });
        Some(asked.collect())
    }

    /// Whether anybody has asked for block `sbn` of the image.
    pub fn was_asked(&self, sbn: u32) -> bool {
        self.image
            .get(sbn as usize)
            .is_some_and(|entry| entry.asked)
    }

    /// Orders parity up to `parity` for a block that has been sent with less.
    pub fn top_up(&mut self, toi: u16, sbn: u32, parity: u16) -> Option<RepairOrder> {
        self.order_parity(toi, sbn, parity)
    }

    /// Orders `spare` symbols more than `order`, if that is for parity.
    pub fn add_spare(&mut self, order: &RepairOrder, spare: u16) -> Option<RepairOrder> {
        let len = self.shape.layout(order.toi)?.block_len(order.sbn);
        let end = order.first.checked_sub(len)? + order.count;
        self.order_parity(order.toi, order.sbn, end + spare)
    }

    fn order_parity(&mut self, toi: u16, sbn: u32, end: u16) -> Option<RepairOrder> {
        let layout = self.shape.layout(toi)?;
        let (len, end) = (layout.block_len(sbn), end.min(layout.parity_max()));
        let entry = self.entry(toi, sbn)?;
        let first = entry.parity;
        if entry.first_pending || first >= end {
            return None;
        }
        entry.parity = end;
        entry.outstanding += 1;
        self.outstanding += 1;
        Some(RepairOrder {
            toi,
            sbn,
            first: len + first,
            count: end - first,
        })
    }

    #[allow(clippy::too_many_arguments)]
    fn request_segment(
        &mut self,
        now: Time,
        grtt: Duration,
        toi: u16,
        sbn: u32,
        layout: &ObjectLayout,
        first: u16,
        last: u16,
    ) -> bool {
        let (len, parity_max) = (layout.block_len(sbn), layout.parity_max());
        let Some(entry) = self.entry(toi, sbn) else {
            return false;
        };
        if entry.first_pending {
            return false;
        }
        entry.asked = true;
        let entry = *entry;
        // Symbols may still be under way to whoever asks.
        let recent = entry.outstanding > 0 || now.since(entry.sent) < grtt + grtt / 4;
        if recent && entry.whole {
            return false;
        }
        if first < len {
            return !recent && self.want_again(toi, sbn, first, last.min(len - 1));
        }
        let (from, deficit) = (first - len, (last - first + 1).min(len));
        let end = if recent {
            u32::from(from) + u32::from(deficit)
        } else {
            u32::from(entry.parity.max(from)) + u32::from(deficit)
        };
        if end <= u32::from(entry.parity) || (recent && entry.parity < from) {
            return false;
        }
        if end > u32::from(parity_max) {
            return !recent && self.want_more(toi, sbn, (from, deficit), parity_max);
        }
        let wanted = self.wanted.entry((toi, sbn)).or_default();
        let fresh = end as u16 > wanted.parity_end;
        wanted.parity_end = wanted.parity_end.max(end as u16);
        fresh
    }

    /// A receiver that has had none of the parity from `from` on lacks `deficit`
    /// symbols, and there are not as many fresh ones.
    fn want_more(
        &mut self,
        toi: u16,
        sbn: u32,
        (from, deficit): (u16, u16),
        parity_max: u16,
    ) -> bool {
        let (Some(entry), Some(layout)) = (self.entry(toi, sbn).copied(), self.shape.layout(toi))
        else {
            return false;
        };
        let len = layout.block_len(sbn);
        let repeated = deficit - parity_max.saturating_sub(entry.parity).min(deficit);
        if entry.parity < from || entry.parity - from < repeated {
            return self.want_again(toi, sbn, 0, len - 1);
        }
        let wanted = self.wanted.entry((toi, sbn)).or_default();
        wanted.parity_end = parity_max;
        repeated > 0 && self.want_again(toi, sbn, len + from, len + from + repeated - 1)
    }

    fn want_again(&mut self, toi: u16, sbn: u32, first: u16, last: u16) -> bool {
        let wanted = self.wanted.entry((toi, sbn)).or_default();
        let (mut a, mut b) = (first, last);
        let known = wanted.again.iter().any(|&(x, y)| x <= a && b <= y);
        wanted.again.retain(|&(x, y)| {
            let apart = y.saturating_add(1) < a || b.saturating_add(1) < x;
            if !apart {
                (a, b) = (a.min(x), b.max(y));
            }
            apart
        });
        wanted.again.push((a, b));
        wanted.again.sort_unstable();
        !known
    }

    /// Blocks with requests that wait to become orders, and all blocks.
    pub fn waiting(&self) -> (usize, usize) {
        let waiting = self.wanted.len() + self.runs.len();
        (waiting, self.leaf_list.len() + self.image.len() + RUNS_MAX)
    }

    /// When the requests gathered become orders.
    pub fn poll_timeout(&self) -> Option<Time> {
        let due = self.close_at.into_iter().chain(self.advertise_at);
        due.chain(self.look_at).min()
    }

    /// Turns what was gathered into orders, if it is time.
    pub fn close(&mut self, now: Time) -> Vec<RepairOrder> {
        if self.close_at.is_none_or(|at| now < at) {
            return Vec::new();
        }
        self.close_at = None;
        let mut made = Vec::new();
        for ((toi, sbn), mut wanted) in core::mem::take(&mut self.wanted) {
            let Some(len) = self.shape.layout(toi).map(|layout| layout.block_len(sbn)) else {
                continue;
            };
            let before = made.len();
            let Some(entry) = self.entry(toi, sbn) else {
                continue;
            };
            let whole = wanted
                .again
                .first()
                .is_some_and(|&(a, b)| a == 0 && b >= len - 1);
            if wanted.parity_end > entry.parity && !whole {
                let count = wanted.parity_end - entry.parity;
                made.push(RepairOrder {
                    toi,
                    sbn,
                    first: len + entry.parity,
                    count,
                });
                entry.parity = wanted.parity_end;
            }
            entry.whole = whole;
            if whole {
                // All sources serve everybody: no parity is needed beside them.
                wanted.again = [(0, len - 1)].into();
            }
            made.extend(wanted.again.iter().map(|&(first, last)| RepairOrder {
                toi,
                sbn,
                first,
                count: last - first + 1,
            }));
            let count = (made.len() - before) as u16;
            entry.outstanding += count;
            self.outstanding += u64::from(count);
        }
        made
    }
}

#[cfg(test)]
mod tests;
