//! Where the next symbols are expected to belong.

use crate::inbox::NO_PLACE;
use crate::symbols::{Symbols, touches_verified};
use linecast_protocol::receiver::{BlockPhase, Blocks, Leaves};

/// Follows the arrival of symbols in sending order: the sources of a block,
/// parity, the next block. No train crosses the end of a block.
#[derive(Debug, Default)]
pub(crate) struct Prediction {
    next: u64,
    /// Parity symbols since the last source.
    parity: u16,
    /// Parity symbols between the last two blocks.
    parity_usual: u16,
    offsets: Vec<u64>,
}

impl Prediction {
    /// Source symbol `index` of the image has come: the next will follow it.
    pub(crate) fn note_source(&mut self, index: u64, opens_block: bool) {
        if opens_block {
            self.parity_usual = self.parity;
        }
        self.parity = 0;
        self.next = index + 1;
    }

    /// A parity symbol of the image has come.
    pub(crate) fn note_parity(&mut self) {
        self.parity = self.parity.saturating_add(1);
    }

    /// Offsets of the next `count` symbols, which arrive in messages of up to
    /// `train` packets, as far as the kernel may write there before anyone has
    /// looked at the header: places of symbols that are not held, in open
    /// blocks without parked parity, outside verified leaves. `NO_PLACE` where
    /// parity is expected, or a message that is not full.
    pub(crate) fn offsets(
        &mut self,
        count: usize,
        train: usize,
        blocks: &Blocks,
        leaves: &Leaves,
        symbols: &Symbols,
    ) -> &[u64] {
        self.offsets.clear();
        let layout = blocks.layout();
        let width = u64::from(layout.symbol_bytes());
        let mut index = self.next;
        let mut parity = self.parity_usual.saturating_sub(self.parity);
        // Whether something of the block before is among what is expected.
        let mut follows = index > 0;
        // Resumed images have long runs of held symbols: look no further than
        // this many symbols ahead.
        let horizon = layout.symbols().min(index + 4 * count as u64);
        while self.offsets.len() < count && index < horizon {
            let (sbn, esi) = layout.locate(index);
            let block_end = index - u64::from(esi) + u64::from(layout.block_len(sbn));
            if esi == 0 && follows {
                self.end_block(parity, train);
                parity = self.parity_usual;
                follows = false;
            }
            if blocks.phase(sbn) != BlockPhase::Open || symbols.is_parked_in(sbn) {
                index = block_end;
                continue;
            }
            if blocks.is_untouched(sbn) {
                // Nor is a leaf verified that touches it.
                let end = block_end.min(index + (count - self.offsets.len()) as u64);
                self.offsets.extend((index..end).map(|index| index * width));
                (index, follows) = (end, true);
                continue;
            }
            while self.offsets.len() < count && index < block_end {
                if !blocks.holds(index) && !touches_verified(Some(leaves), index) {
                    self.offsets.push(index * width);
                    follows = true;
                }
                index += 1;
            }
        }
        self.offsets.truncate(count);
        &self.offsets
    }

    /// Parity, and the rest of the message that it ends.
    fn end_block(&mut self, parity: u16, train: usize) {
        let end = self.offsets.len() + usize::from(parity);
        self.offsets.resize(end.next_multiple_of(train), NO_PLACE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::symbols::Bytes;
    use linecast_protocol::object::ObjectLayout;

    const SYMBOL: u64 = 64;

    /// Ten blocks of ten symbols.
    fn object() -> (Blocks, Leaves, Symbols) {
        let layout = ObjectLayout::new(100 * SYMBOL, SYMBOL as u16, 10).unwrap();
        let symbols = Symbols::new(layout, Bytes::memory(&layout));
        (Blocks::new(layout), Leaves::new(layout), symbols)
    }

    /// What is expected, as symbol numbers; `None` is scratch memory.
    fn expected(prediction: &mut Prediction, count: usize, train: usize) -> Vec<Option<u64>> {
        let (blocks, leaves, symbols) = object();
        let offsets = prediction.offsets(count, train, &blocks, &leaves, &symbols);
        let index = |offset: &u64| (*offset != NO_PLACE).then_some(offset / SYMBOL);
        offsets.iter().map(index).collect()
    }

    #[test]
    fn symbols_follow_each_other_and_trains_end_with_their_block() {
        let mut prediction = Prediction::default();
        let run = |range: std::ops::Range<u64>| range.map(Some);
        let first: Vec<_> = run(0..10).chain([None; 2]).chain(run(10..14)).collect();
        assert_eq!(expected(&mut prediction, 16, 4), first);
        prediction.note_source(9, false);
        let next: Vec<_> = run(10..18).collect();
        assert_eq!(expected(&mut prediction, 8, 4), next);
        let singles: Vec<_> = run(10..26).collect();
        assert_eq!(expected(&mut prediction, 16, 1), singles);
    }

    #[test]
    fn as_much_parity_is_expected_as_came_with_the_block_before() {
        let mut prediction = Prediction::default();
        prediction.note_source(9, false);
        (0..3).for_each(|_| prediction.note_parity());
        prediction.note_source(10, true);
        prediction.note_source(17, false);
        let singles = [Some(18), Some(19), None, None, None, Some(20)];
        assert_eq!(expected(&mut prediction, 6, 1), singles);
        prediction.note_source(19, false);
        prediction.note_parity();
        assert_eq!(
            expected(&mut prediction, 4, 1),
            [None, None, Some(20), Some(21)]
        );
        assert_eq!(
            expected(&mut prediction, 5, 4),
            [None, None, None, None, Some(20)]
        );
    }

    #[test]
    fn the_end_of_the_image_is_the_end_of_what_is_expected() {
        let mut prediction = Prediction::default();
        prediction.note_source(97, false);
        assert_eq!(expected(&mut prediction, 8, 4), [Some(98), Some(99)]);
        prediction.note_source(99, false);
        assert_eq!(expected(&mut prediction, 8, 4), []);
    }
}
