//! Symbols in, leaves out.

use super::{Event, Rejection, Session, Verdict};
use crate::message::Activity;
use crate::object::{BlockPhase, Blocks, Held};
use crate::offer::{IMAGE_TOI, LEAVES_TOI};
use crate::time::Time;
use crate::wire::{DataHeader, flag};
use core::ops::Range;

impl Session {
    pub(in crate::receiver) fn handle_data(
        &mut self,
        now: Time,
        header: &DataHeader,
        payload: usize,
    ) -> Verdict {
        self.note_heard(now);
        self.note_group(header.sender);
        let (toi, id) = (header.toi, header.id);
        let Some(blocks) = self.objects.blocks_mut(toi) else {
            let known = toi == crate::offer::SESSION_TOI;
            return if known {
                Verdict::Duplicate
            } else {
                Verdict::Refused(Rejection::Geometry)
            };
        };
        let layout = *blocks.layout();
        if id.sbn >= layout.blocks() || id.block_len != layout.block_len(id.sbn) {
            return Verdict::Refused(Rejection::Geometry);
        }
        let source = id.esi < id.block_len;
        let bytes = if source {
            layout.symbol_len(id.sbn, id.esi)
        } else {
            usize::from(layout.symbol_bytes())
        };
        if payload != bytes || (!source && id.esi - id.block_len >= layout.parity_max()) {
            return Verdict::Refused(Rejection::Geometry);
        }
        let held = if source {
            blocks.hold_source(id.sbn, id.esi)
        } else {
            blocks.hold_parity(id.sbn, id.esi - id.block_len)
        };
        self.note_position(now, header, 1);
        self.note_progress(now, held);
        if held == Held::Duplicate {
            self.counters.duplicates += 1;
            return match source && self.is_doubtful(toi, id.sbn, id.esi) {
                true => Verdict::Again { toi, id },
                false => Verdict::Duplicate,
            };
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

    /// `count` packets with full symbols that follow each other in one train,
    /// from `header` on. Takes them all if they are new source symbols of one
    /// block of the image, else none: they are then to be handled one by one.
    pub(in crate::receiver) fn handle_train(
        &mut self,
        now: Time,
        header: &DataHeader,
        count: u16,
    ) -> Option<Held> {
        let (toi, id) = (header.toi, header.id);
        let image = self.objects.image.as_mut().filter(|_| toi == IMAGE_TOI)?;
        let layout = *image.layout();
        let known = id.sbn < layout.blocks() && id.block_len == layout.block_len(id.sbn);
        let end = id.esi.checked_add(count).filter(|_| known && count > 0)?;
        let full = usize::from(layout.symbol_bytes());
        if end > id.block_len || layout.symbol_len(id.sbn, end - 1) != full {
            return None;
        }
        let held = image.hold_sources(id.sbn, id.esi, count)?;
        self.note_heard(now);
        self.note_group(header.sender);
        self.note_position(now, header, count);
        self.note_progress(now, held);
        if held != Held::New {
            self.requests.satisfied(toi, id.sbn);
        }
        if let Some(leaves) = &mut self.leaves {
            let first = layout.first_symbol(id.sbn);
            leaves.hold_all(first + u64::from(id.esi)..first + u64::from(end));
        }
        Some(held)
    }

    /// Follows the lane that `count` packets of a train came from: losses, and
    /// blocks whose first transmission has passed.
    fn note_position(&mut self, now: Time, header: &DataHeader, count: u16) {
        let (toi, sbn) = (header.toi, header.id.sbn);
        let at = self.shape.lane(toi, sbn);
        let stride: u32 = self.shape.lanes.into();
        let repair = header.flags & flag::REPAIR != 0;
        let place = (!repair && toi == IMAGE_TOI).then(|| {
            let blocks = u64::from(sbn / stride) * u64::from(self.shape.image.block_len_max());
            blocks + u64::from(header.id.esi)
        });
        let lane = &mut self.lanes[at];
        let received = lane.steps(header.sequence, count, place);
        self.counters.received += received;
        if toi == IMAGE_TOI && received > 0 {
            self.reports.note_block(sbn);
        }
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
            self.requests.repair_seen(now, toi, sbn);
        } else if moved {
            self.pass(now, at, stride, toi, sbn);
        }
    }

    /// Whether a source symbol that is held may still turn out to be wrong, and may
    /// be written again. Of two that differ one is forged; whoever forges ahead of
    /// the sender is put right by the sender.
    fn is_doubtful(&self, toi: u16, sbn: u32, esi: u16) -> bool {
        let Some(blocks) = self.objects.blocks(toi) else {
            return false;
        };
        let index = blocks.layout().first_symbol(sbn) + u64::from(esi);
        if blocks.phase(sbn) == BlockPhase::Restoring || !blocks.holds(index) {
            return false;
        }
        match (toi, &self.leaves) {
            (IMAGE_TOI, Some(leaves)) => {
                let mut touched = leaves.touched_by(index);
                touched.all(|leaf| !leaves.is_verified(leaf))
            }
            _ => !self.leaf_list_known,
        }
    }

    fn note_progress(&mut self, now: Time, held: Held) {
        if held != Held::Duplicate {
            self.progressed = now;
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

    pub(in crate::receiver) fn want_if_open(&mut self, now: Time, toi: u16, sbn: u32) {
        if self.activity == Activity::Complete {
            return;
        }
        let open = |b: &Blocks| b.phase(sbn) == BlockPhase::Open;
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

    /// These bytes of the leaf list do not match the root and are fetched again; if
    /// there are none, it is known.
    pub fn handle_leaf_list(&mut self, now: Time, wrong: &[Range<u64>]) {
        self.leaf_list_known = wrong.is_empty();
        let Some(list) = &mut self.objects.leaf_list else {
            return;
        };
        self.counters.leaves_damaged += u64::from(!wrong.is_empty());
        for bytes in wrong {
            let symbols = list.layout().symbols_touching(bytes);
            for sbn in list.layout().blocks_touching(&symbols) {
                self.requests.want(now, LEAVES_TOI, sbn);
            }
            list.damage(symbols);
        }
    }

    pub(in crate::receiver) fn poll_leaf(&mut self) -> Option<u64> {
        if !self.leaf_list_known {
            return None;
        }
        self.leaves.as_mut()?.poll_ready()
    }

    /// Leaf `leaf` was hashed and matches.
    pub fn handle_verified(&mut self, leaf: u64) {
        if let Some(leaves) = &mut self.leaves {
            leaves.verify(leaf);
            self.check_verified();
        }
    }

    /// Leaf `leaf` was hashed and does not match. Gives the blocks whose parity is
    /// not kept any longer: none if a neighbour has taken symbols from the leaf
    /// since, for then it is hashed again.
    pub fn handle_damaged(&mut self, now: Time, leaf: u64) -> Range<u32> {
        let (Some(leaves), Some(image)) = (&mut self.leaves, &mut self.objects.image) else {
            return 0..0;
        };
        if !leaves.is_unverified_whole(leaf) {
            return 0..0;
        }
        self.counters.leaves_damaged += 1;
        let symbols = leaves.damage(leaf);
        let blocks = image.layout().blocks_touching(&symbols);
        for sbn in blocks.clone() {
            self.requests.want(now, IMAGE_TOI, sbn);
        }
        image.damage(symbols);
        blocks
    }

    /// The erasure code could not restore block `sbn` of the image, which counts
    /// as held: everything in it that is not verified is fetched again.
    pub fn handle_unrestored(&mut self, now: Time, sbn: u32) {
        let (Some(leaves), Some(image)) = (&mut self.leaves, &mut self.objects.image) else {
            return;
        };
        let layout = *image.layout();
        let first = layout.first_symbol(sbn);
        for index in first..first + u64::from(layout.block_len(sbn)) {
            let mut touched = leaves.touched_by(index);
            if touched.any(|leaf| !leaves.is_verified(leaf)) {
                leaves.lose(index);
                image.damage(index..index + 1);
            }
        }
        self.requests.want(now, IMAGE_TOI, sbn);
    }

    pub(in crate::receiver) fn check_verified(&mut self) {
        let all = self
            .leaves
            .as_ref()
            .is_none_or(|leaves| leaves.verified() == leaves.count());
        if all && self.activity == Activity::Receiving {
            self.activity = Activity::Finishing;
            self.events.push_back(Event::Verified);
        }
    }
}
