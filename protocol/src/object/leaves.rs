//! Which leaves of the image are complete, and which are verified.

use crate::object::ObjectLayout;
use crate::object::tree::LEAF_BYTES;
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

/// Counts symbols into leaves of 64 KiB.
#[derive(Debug)]
pub struct Leaves {
    layout: ObjectLayout,
    /// Symbols that each leaf still lacks; `VERIFIED` once its hash matched.
    lacking: Vec<u16>,
    ready: VecDeque<u64>,
    verified: u64,
}

const VERIFIED: u16 = u16::MAX;

impl Leaves {
    /// A table in which every leaf lacks every symbol.
    pub fn new(layout: ObjectLayout) -> Leaves {
        let count = layout.size().div_ceil(LEAF_BYTES);
        let mut leaves = Leaves {
            layout,
            lacking: vec![0; count as usize],
            ready: VecDeque::new(),
            verified: 0,
        };
        for leaf in 0..count {
            leaves.lacking[leaf as usize] = leaves.symbols_of(leaf);
        }
        leaves
    }

    /// Leaves of the image.
    pub fn count(&self) -> u64 {
        self.lacking.len() as u64
    }

    /// Leaves whose hash matched.
    pub fn verified(&self) -> u64 {
        self.verified
    }

    /// Whether the hash of `leaf` matched.
    pub fn is_verified(&self, leaf: u64) -> bool {
        self.lacking[leaf as usize] == VERIFIED
    }

    /// Whether `leaf` has all its symbols, and is not verified.
    pub fn is_unverified_whole(&self, leaf: u64) -> bool {
        self.lacking[leaf as usize] == 0
    }

    /// Bytes of the image that `leaf` covers.
    pub fn range(&self, leaf: u64) -> Range<u64> {
        leaf * LEAF_BYTES..((leaf + 1) * LEAF_BYTES).min(self.layout.size())
    }

    fn symbols_of(&self, leaf: u64) -> u16 {
        let touching = self.layout.symbols_touching(&self.range(leaf));
        (touching.end - touching.start) as u16
    }

    /// Leaves that symbol `index` of the image touches.
    pub fn touched_by(&self, index: u64) -> Range<u64> {
        let bytes = self.layout.symbol_range(index);
        bytes.start / LEAF_BYTES..bytes.end.div_ceil(LEAF_BYTES)
    }

    /// The bytes of symbol `index` that may still be written: those of leaves
    /// whose hash has not matched. A verified leaf stays as it is, whatever
    /// comes later: a block that reaches beyond it may yet be damaged, and
    /// nobody hashes the leaf again.
    pub fn unverified(&self, index: u64) -> impl Iterator<Item = Range<u64>> + '_ {
        let symbol = self.layout.symbol_range(index);
        self.touched_by(index)
            .filter(|&leaf| !self.is_verified(leaf))
            .map(move |leaf| {
                let range = self.range(leaf);
                range.start.max(symbol.start)..range.end.min(symbol.end)
            })
    }

    /// Symbol `index` has come into its place.
    pub fn hold(&mut self, index: u64) {
        self.hold_all(index..index + 1);
    }

    /// `symbols` have come into their places; at least one.
    pub fn hold_all(&mut self, symbols: Range<u64>) {
        let touched = self.touched_by(symbols.start).start..self.touched_by(symbols.end - 1).end;
        for leaf in touched {
            let touching = self.layout.symbols_touching(&self.range(leaf));
            let lacking = &mut self.lacking[leaf as usize];
            if *lacking == VERIFIED {
                continue;
            }
            let (start, end) = (
                touching.start.max(symbols.start),
                touching.end.min(symbols.end),
            );
            *lacking -= (end - start) as u16;
            if *lacking == 0 {
                self.ready.push_back(leaf);
            }
        }
    }

    /// Leaves that wait to be hashed.
    pub fn waiting(&self) -> usize {
        self.ready.len()
    }

    /// The next leaf that has all its symbols and was not hashed.
    pub fn poll_ready(&mut self) -> Option<u64> {
        self.ready.pop_front()
    }

    /// The hash of `leaf` matched.
    pub fn verify(&mut self, leaf: u64) {
        if self.lacking[leaf as usize] != VERIFIED {
            self.lacking[leaf as usize] = VERIFIED;
            self.verified += 1;
        }
    }

    /// Leaf `leaf` did not match. Gives the symbols to fetch again: all that
    /// touch it. They are counted as lacking here and in its neighbours.
    pub fn damage(&mut self, leaf: u64) -> Range<u64> {
        let touching = self.layout.symbols_touching(&self.range(leaf));
        touching.clone().for_each(|index| self.lose(index));
        touching
    }

    /// Symbol `index`, which was held, is lacking again.
    pub fn lose(&mut self, index: u64) {
        for touched in self.touched_by(index) {
            let lacking = self.lacking[touched as usize];
            if lacking == VERIFIED {
                continue;
            }
            if lacking == 0 {
                self.ready.retain(|&waiting| waiting != touched);
            }
            self.lacking[touched as usize] = lacking + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_is_ready_when_its_last_symbol_comes() {
        let layout = ObjectLayout::new(150_000, 1408, 512).unwrap();
        let mut leaves = Leaves::new(layout);
        assert_eq!(leaves.count(), 3);
        for index in 0..46 {
            leaves.hold(index);
        }
        assert_eq!(leaves.poll_ready(), None);
        leaves.hold(46);
        assert_eq!(leaves.poll_ready(), Some(0));
        let mut together = Leaves::new(layout);
        together.hold_all(0..46);
        assert_eq!(together.poll_ready(), None);
        together.hold_all(46..layout.symbols());
        assert_eq!(together.waiting(), 3);
        for index in 47..layout.symbols() {
            leaves.hold(index);
        }
        assert_eq!(leaves.poll_ready(), Some(1));
        assert_eq!(leaves.poll_ready(), Some(2));
    }

    #[test]
    fn damage_takes_the_shared_symbol_from_the_neighbour_too() {
        let layout = ObjectLayout::new(150_000, 1408, 512).unwrap();
        let mut leaves = Leaves::new(layout);
        leaves.hold_all(0..layout.symbols());
        assert!(leaves.is_unverified_whole(0) && leaves.is_unverified_whole(1));
        while leaves.poll_ready().is_some() {}
        assert_eq!(leaves.damage(0), 0..47);
        assert!(!leaves.is_unverified_whole(0) && !leaves.is_unverified_whole(1));
        leaves.hold_all(0..47);
        assert_eq!(
            (leaves.poll_ready(), leaves.poll_ready()),
            (Some(0), Some(1))
        );
    }

    #[test]
    fn a_damaged_leaf_asks_for_every_symbol_that_touches_it() {
        let layout = ObjectLayout::new(150_000, 1408, 512).unwrap();
        let mut leaves = Leaves::new(layout);
        (0..layout.symbols()).for_each(|index| leaves.hold(index));
        while leaves.poll_ready().is_some() {}
        leaves.verify(0);
        let again = leaves.damage(1);
        assert_eq!(again, 46..94);
        again.for_each(|index| leaves.hold(index));
        assert_eq!(leaves.poll_ready(), Some(1));
        assert!(leaves.is_verified(0));
    }
}
