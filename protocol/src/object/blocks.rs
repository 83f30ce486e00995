//! Which symbols of one object a receiver holds, block by block.

use crate::object::ObjectLayout;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

/// Where a block stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BlockPhase {
    /// Symbols are missing.
    #[default]
    Open,
    /// Enough symbols are held; somebody is restoring the missing ones.
    Restoring,
    /// Every source symbol is held.
    Done,
}

#[derive(Debug, Clone, Default)]
struct Block {
    phase: BlockPhase,
    sources: u16,
    /// Parity symbols held, by index after the sources, ascending in general.
    parity: Vec<u16>,
    /// One past the highest parity index that was seen.
    parity_seen: u16,
    trust: Trust,
}

/// Which parity of a block may be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Trust {
    #[default]
    All,
    /// From this index on: a leaf of the block was damaged, and what had been
    /// seen by then may be why.
    From(u16),
    /// None: it was damaged again.
    None,
}

impl Trust {
    fn includes(self, index: u16) -> bool {
        match self {
            Trust::All => true,
            Trust::From(first) => index >= first,
            Trust::None => false,
        }
    }
}

/// What became of a symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// It was held already, or its block needs nothing more.
    Duplicate,
    /// It is new; the block needs more.
    New,
    /// It is new, and now every source symbol of the block is held.
    Done,
    /// It is new, and now the missing source symbols can be restored.
    Restorable,
}

/// The symbols of one object.
#[derive(Debug)]
pub struct Blocks {
    layout: ObjectLayout,
    blocks: Vec<Block>,
    /// One bit for each source symbol of the object.
    held: Vec<u64>,
    open: u32,
}

impl Blocks {
    /// A table that holds nothing yet.
    pub fn new(layout: ObjectLayout) -> Blocks {
        Blocks {
            blocks: vec![Block::default(); layout.blocks() as usize],
            held: vec![0; layout.symbols().div_ceil(64) as usize],
            open: layout.blocks(),
            layout,
        }
    }

    /// The partition of the object.
    pub fn layout(&self) -> &ObjectLayout {
        &self.layout
    }

    /// Blocks that still lack a source symbol.
    pub fn open(&self) -> u32 {
        self.open
    }

    /// Where block `sbn` stands.
    pub fn phase(&self, sbn: u32) -> BlockPhase {
        self.blocks[sbn as usize].phase
    }

    /// Whether not one source symbol of block `sbn` was ever held.
    pub fn is_untouched(&self, sbn: u32) -> bool {
        let block = &self.blocks[sbn as usize];
        block.sources == 0 && block.trust == Trust::All
    }

    /// Whether symbol `index` of the object is held.
    pub fn holds(&self, index: u64) -> bool {
        self.held[(index / 64) as usize] >> (index % 64) & 1 == 1
    }

    /// Parity indices held for block `sbn`.
    pub fn parity(&self, sbn: u32) -> &[u16] {
        &self.blocks[sbn as usize].parity
    }

    /// Takes source symbol `esi` of block `sbn`; both are in range.
    pub fn hold_source(&mut self, sbn: u32, esi: u16) -> Held {
        let index = self.layout.first_symbol(sbn) + u64::from(esi);
        let (word, bit) = ((index / 64) as usize, 1 << (index % 64));
        let block = &mut self.blocks[sbn as usize];
        if self.held[word] & bit != 0 || block.phase == BlockPhase::Restoring {
            return Held::Duplicate;
        }
        self.held[word] |= bit;
        block.sources += 1;
        self.advance(sbn)
    }

    /// Takes `count` source symbols of block `sbn` from `esi` on, all in range; takes
    /// none and gives `None` if one is held, or the block needs fewer.
    pub fn hold_sources(&mut self, sbn: u32, esi: u16, count: u16) -> Option<Held> {
        let start = self.layout.first_symbol(sbn) + u64::from(esi);
        let end = start + u64::from(count);
        let fewer = count > self.lacking(sbn);
        let block = &mut self.blocks[sbn as usize];
        if fewer
            || block.phase != BlockPhase::Open
            || words(start..end).any(|(word, bits)| self.held[word] & bits != 0)
        {
            return None;
        }
        for (word, bits) in words(start..end) {
            self.held[word] |= bits;
        }
        block.sources += count;
        Some(self.advance(sbn))
    }

    /// Takes parity symbol `index` (counted after the sources) of block `sbn`.
    pub fn hold_parity(&mut self, sbn: u32, index: u16) -> Held {
        let block = &mut self.blocks[sbn as usize];
        block.parity_seen = block.parity_seen.max(index.saturating_add(1));
        let refused = block.phase != BlockPhase::Open || !block.trust.includes(index);
        if refused || block.parity.iter().rev().any(|&held| held == index) {
            return Held::Duplicate;
        }
        block.parity.push(index);
        self.advance(sbn)
    }

    fn advance(&mut self, sbn: u32) -> Held {
        let len = self.layout.block_len(sbn);
        let block = &mut self.blocks[sbn as usize];
        if block.sources == len {
            block.phase = BlockPhase::Done;
            block.parity = Vec::new();
            self.open -= 1;
            return Held::Done;
        }
        if usize::from(block.sources) + block.parity.len() >= usize::from(len) {
            block.phase = BlockPhase::Restoring;
            return Held::Restorable;
        }
        Held::New
    }

    /// Every missing source symbol of `sbn` has been restored: calls `each`
    /// with its number in the object.
    pub fn restored(&mut self, sbn: u32, mut each: impl FnMut(u64)) {
        let (first, len) = (self.layout.first_symbol(sbn), self.layout.block_len(sbn));
        for index in first..first + u64::from(len) {
            if !self.holds(index) {
                self.held[(index / 64) as usize] |= 1 << (index % 64);
                each(index);
            }
        }
        let block = &mut self.blocks[sbn as usize];
        if block.phase != BlockPhase::Done {
            self.open -= 1;
        }
        block.phase = BlockPhase::Done;
        block.sources = len;
        block.parity = Vec::new();
    }

    /// Marks symbol `index` as held because an earlier session verified it.
    pub fn resume(&mut self, index: u64) {
        let (sbn, esi) = self.layout.locate(index);
        self.hold_source(sbn, esi);
    }

    /// Forgets `symbols` of the object, and all parity of their blocks: a leaf
    /// did not match. A block is first mended by fresh parity; if that does not
    /// help, a symbol elsewhere in it is wrong, and it takes sources only.
    pub fn damage(&mut self, symbols: Range<u64>) {
        let touched = self.layout.blocks_touching(&symbols);
        for block in &mut self.blocks[touched.start as usize..touched.end as usize] {
            block.parity = Vec::new();
            block.trust = match block.trust {
                Trust::All => Trust::From(block.parity_seen),
                _ => Trust::None,
            };
        }
        symbols.for_each(|index| self.forget(index));
    }

    fn forget(&mut self, index: u64) {
        let (sbn, _) = self.layout.locate(index);
        let (word, bit) = ((index / 64) as usize, 1 << (index % 64));
        if self.held[word] & bit == 0 {
            return;
        }
        let block = &mut self.blocks[sbn as usize];
        self.held[word] &= !bit;
        block.sources -= 1;
        if block.phase == BlockPhase::Done {
            self.open += 1;
        }
        block.phase = BlockPhase::Open;
    }

    /// Symbols that block `sbn` lacks; 0 once the rest can be restored.
    pub fn lacking(&self, sbn: u32) -> u16 {
        let block = &self.blocks[sbn as usize];
        let held = usize::from(block.sources) + block.parity.len();
        usize::from(self.layout.block_len(sbn)).saturating_sub(held) as u16
    }

    /// What block `sbn` needs.
    pub fn need(&self, sbn: u32) -> Need {
        let block = &self.blocks[sbn as usize];
        let len = self.layout.block_len(sbn);
        let deficit = self.lacking(sbn);
        if block.phase != BlockPhase::Open || deficit == 0 {
            Need::Nothing
        } else if deficit == len {
            Need::Block
        } else if block.trust == Trust::None {
            Need::Sources
        } else {
            Need::Parity {
                from: block.parity_seen,
                deficit,
            }
        }
    }

    /// Calls `each` with every run `[first, last]` of missing source symbols of
    /// block `sbn`, as ESIs.
    pub fn missing_runs(&self, sbn: u32, mut each: impl FnMut(u16, u16)) {
        let first = self.layout.first_symbol(sbn);
        let mut run: Option<u16> = None;
        for esi in 0..self.layout.block_len(sbn) {
            match (self.holds(first + u64::from(esi)), run) {
                (false, None) => run = Some(esi),
                (true, Some(start)) => {
                    each(start, esi - 1);
                    run = None;
                }
                _ => {}
            }
        }
        if let Some(start) = run {
            each(start, self.layout.block_len(sbn) - 1);
        }
    }
}

/// The words of `held` that tell of these symbols, and the bits in each.
fn words(symbols: Range<u64>) -> impl Iterator<Item = (usize, u64)> {
    (symbols.start / 64..symbols.end.div_ceil(64)).map(move |word| {
        let from = symbols.start.saturating_sub(word * 64);
        let unused = (word * 64 + 64).saturating_sub(symbols.end);
        (word as usize, u64::MAX << from & u64::MAX >> unused)
    })
}

/// What a block needs before it can be completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// It is done or being restored.
    Nothing,
    /// Not one symbol of it is held.
    Block,
    /// The missing source symbols themselves.
    Sources,
    /// Any `deficit` parity symbols; those below index `from` were sent before
    /// the newest that was seen.
    Parity {
        /// Least parity index that may still be under way.
        from: u16,
        /// Symbols needed.
        deficit: u16,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks() -> Blocks {
        Blocks::new(ObjectLayout::new(64 * 10, 64, 5).unwrap())
    }

    #[test]
    fn any_five_symbols_complete_a_block_of_five() {
        let mut blocks = blocks();
        for esi in [0, 1, 4] {
            assert_eq!(blocks.hold_source(0, esi), Held::New);
        }
        assert_eq!(
            blocks.need(0),
            Need::Parity {
                from: 0,
                deficit: 2
            }
        );
        assert_eq!(blocks.hold_parity(0, 7), Held::New);
        assert_eq!(
            blocks.need(0),
            Need::Parity {
                from: 8,
                deficit: 1
            }
        );
        assert_eq!(blocks.hold_parity(0, 7), Held::Duplicate);
        assert_eq!(blocks.hold_parity(0, 3), Held::Restorable);
        assert_eq!(blocks.need(0), Need::Nothing);
        assert_eq!(blocks.hold_source(0, 2), Held::Duplicate);
        let mut restored = Vec::new();
        blocks.restored(0, |index| restored.push(index));
        assert_eq!(restored, [2, 3]);
        assert_eq!(blocks.open(), 1);
    }

    #[test]
    fn symbols_that_come_together_are_held_as_if_they_had_come_one_by_one() {
        let layout = ObjectLayout::new(64 * 400, 64, 200).unwrap();
        for (esi, count) in [(0, 1), (0, 200), (50, 14), (50, 15), (63, 130), (7, 64)] {
            let (mut together, mut single) = (Blocks::new(layout), Blocks::new(layout));
            let last = (esi..esi + count)
                .map(|esi| single.hold_source(1, esi))
                .last();
            assert_eq!(together.hold_sources(1, esi, count), last);
            assert_eq!(together.held, single.held, "{esi} {count}");
            assert_eq!(together.lacking(1), 200 - count);
            assert_eq!(together.hold_sources(1, esi + count - 1, 1), None);
        }
    }

    #[test]
    fn no_more_is_taken_at_once_than_a_block_needs() {
        let mut blocks = blocks();
        blocks.hold_parity(0, 0);
        assert_eq!(blocks.hold_sources(0, 0, 3), Some(Held::New));
        assert_eq!(blocks.hold_sources(0, 2, 1), None, "held");
        assert_eq!(
            blocks.hold_sources(0, 3, 2),
            None,
            "parity makes up for one"
        );
        assert_eq!(blocks.hold_sources(0, 3, 1), Some(Held::Restorable));
        assert_eq!(blocks.hold_sources(0, 4, 1), None, "restorable");
    }

    #[test]
    fn a_block_of_which_nothing_came_is_wanted_whole() {
        assert_eq!(blocks().need(1), Need::Block);
    }

    #[test]
    fn a_damaged_block_takes_fresh_parity_and_then_sources_only() {
        let mut blocks = blocks();
        for esi in 0..4 {
            blocks.hold_source(1, esi);
        }
        assert_eq!(blocks.hold_parity(1, 2), Held::Restorable);
        blocks.restored(1, |_| {});
        blocks.damage(7..8);
        let fresh = Need::Parity {
            from: 3,
            deficit: 1,
        };
        assert_eq!(blocks.need(1), fresh);
        assert_eq!(blocks.hold_parity(1, 2), Held::Duplicate);
        assert_eq!(blocks.hold_parity(1, 3), Held::Restorable);
        blocks.restored(1, |_| {});
        blocks.damage(7..8);
        assert_eq!(blocks.need(1), Need::Sources);
        assert_eq!(blocks.hold_parity(1, 4), Held::Duplicate);
        let mut runs = Vec::new();
        blocks.missing_runs(1, |a, b| runs.push((a, b)));
        assert_eq!(runs, [(2, 2)]);
        assert_eq!(blocks.hold_source(1, 2), Held::Done);
    }

    #[test]
    fn a_damaged_block_that_has_seen_no_parity_takes_all_of_it() {
        let mut blocks = blocks();
        for esi in 0..5 {
            blocks.hold_source(1, esi);
        }
        blocks.damage(7..8);
        let first = Need::Parity {
            from: 0,
            deficit: 1,
        };
        assert_eq!(blocks.need(1), first);
        assert_eq!(blocks.hold_parity(1, 0), Held::Restorable);
    }
}
