//! Where the next symbols are expected to belong.

use crate::symbols::{Symbols, touches_verified};
use linecast_protocol::receive::{BlockPhase, Blocks, Leaves};

/// Follows the arrival of source symbols.
#[derive(Debug, Default)]
pub(crate) struct Prediction {
    next: u64,
    offsets: Vec<u64>,
}

impl Prediction {
    /// Source symbol `index` of the image has come: the next will follow it.
    pub(crate) fn note(&mut self, index: u64) {
        self.next = index + 1;
    }

    /// Offsets of the next `count` symbols, as far as the kernel may write
    /// there before anyone has looked at the header: places of symbols that are
    /// not held, in open blocks without parked parity, outside verified leaves.
    pub(crate) fn offsets(
        &mut self,
        count: usize,
        blocks: &Blocks,
        leaves: &Leaves,
        symbols: &Symbols,
    ) -> &[u64] {
        self.offsets.clear();
        let layout = blocks.layout();
        let width = u64::from(layout.symbol_bytes());
        let mut index = self.next;
        // Resumed images have long runs of held symbols: look no further than
        // this many symbols ahead.
        let horizon = layout.symbols().min(index + 4 * count as u64);
        while self.offsets.len() < count && index < horizon {
            let (sbn, esi) = layout.locate(index);
            let block_end = index - u64::from(esi) + u64::from(layout.block_len(sbn));
            if blocks.phase(sbn) != BlockPhase::Open || symbols.is_parked_in(sbn) {
                index = block_end;
                continue;
            }
            while self.offsets.len() < count && index < block_end {
                if !blocks.holds(index) && !touches_verified(Some(leaves), index) {
                    self.offsets.push(index * width);
                }
                index += 1;
            }
        }
        &self.offsets
    }
}
