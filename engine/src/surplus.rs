//! Parity symbols that were computed along with others and not sent yet: a
//! repair usually finds what it needs here, and spares reading and encoding
//! its block again.

use linecast_fec::Codec;
use std::collections::{HashMap, VecDeque};
use std::ops::Range;

/// Symbols to compute beyond the `count` that are sent: a transform costs the
/// same for a few more, a matrix as much for each, but less than reading the
/// block again.
pub(crate) fn surplus_symbols(codec: Codec, count: u16) -> u16 {
    match codec {
        Codec::Gf16Low => 24,
        _ => 2 + count / 2,
    }
}

/// Memory that surplus symbols may take.
const BYTES_MAX: usize = 48 << 20;

/// The surplus of the newest blocks; the oldest makes room.
#[derive(Debug, Default)]
pub(crate) struct Surplus {
    blocks: HashMap<(u16, u32), Block>,
    order: VecDeque<(u16, u32)>,
    bytes: usize,
}

#[derive(Debug)]
struct Block {
    /// Parity index of the first symbol in `symbols`.
    first: u16,
    symbols: Vec<u8>,
}

impl Surplus {
    /// Keeps symbols of a block from parity index `first` on, back to back, in
    /// place of what was kept for it before.
    pub(crate) fn keep(&mut self, toi: u16, sbn: u32, first: u16, symbols: Vec<u8>) {
        self.drop_block((toi, sbn));
        self.bytes += symbols.len();
        self.blocks.insert((toi, sbn), Block { first, symbols });
        self.order.push_back((toi, sbn));
        while self.bytes > BYTES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.forget(oldest);
        }
    }

    /// The symbols with these parity indices, if all of them are kept.
    pub(crate) fn find(
        &self,
        toi: u16,
        sbn: u32,
        parity: Range<u16>,
        symbol_bytes: usize,
    ) -> Option<&[u8]> {
        let block = self.blocks.get(&(toi, sbn))?;
        let from = usize::from(parity.start.checked_sub(block.first)?) * symbol_bytes;
        block.symbols.get(from..from + parity.len() * symbol_bytes)
    }

    fn drop_block(&mut self, key: (u16, u32)) {
        if self.blocks.contains_key(&key) {
            self.order.retain(|kept| *kept != key);
            self.forget(key);
        }
    }

    fn forget(&mut self, key: (u16, u32)) {
        if let Some(block) = self.blocks.remove(&key) {
            self.bytes -= block.symbols.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_kept_whole_is_found() {
        let mut surplus = Surplus::default();
        surplus.keep(3, 7, 10, (0..40).collect());
        assert_eq!(
            surplus.find(3, 7, 11..13, 10),
            Some(&(10..30).collect::<Vec<u8>>()[..])
        );
        assert_eq!(surplus.find(3, 7, 9..11, 10), None);
        assert_eq!(surplus.find(3, 7, 13..15, 10), None);
        assert_eq!(surplus.find(3, 8, 10..11, 10), None);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_goes() {
        let mut surplus = Surplus::default();
        for sbn in 0..100 {
            surplus.keep(3, sbn, 0, vec![0; 1 << 20]);
        }
        assert!(surplus.bytes <= BYTES_MAX);
        assert!(surplus.find(3, 0, 0..1, 10).is_none());
        assert!(surplus.find(3, 99, 0..1, 10).is_some());
    }
}
