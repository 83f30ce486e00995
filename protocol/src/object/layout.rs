//! How an object is cut into blocks and symbols (RFC 5052 §9.1), and which
//! bytes each symbol holds.

use crate::limits::{BLOCK_SYMBOLS_MAX, IMAGE_BYTES_MAX, PARITY_MAX};
use core::ops::Range;

/// A layout that cannot exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// The object is larger than EXT_FTI can say.
    #[error("object of {got} bytes: the limit is {limit}")]
    ObjectTooLarge {
        /// Largest size.
        limit: u64,
        /// Size asked for.
        got: u64,
    },
    /// Symbols must hold something.
    #[error("symbols of {got} bytes: must be 1 to 65,000")]
    SymbolBytes {
        /// Size asked for.
        got: u16,
    },
    /// Blocks must hold 1 to 32,768 symbols.
    #[error("blocks of {got} symbols: must be 1 to {limit}")]
    BlockSymbols {
        /// Largest length.
        limit: u16,
        /// Length asked for.
        got: u16,
    },
    /// Block numbers are 32 bits wide.
    #[error("{got} blocks: the limit is {limit}; use longer blocks or larger symbols")]
    TooManyBlocks {
        /// Largest number.
        limit: u32,
        /// Number that the size gives.
        got: u64,
    },
}

/// The partition of one object: `large_blocks` blocks of `large_len` symbols,
/// then blocks of `large_len - 1` (or none). The last symbol may be short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectLayout {
    size: u64,
    symbol_bytes: u16,
    symbols: u64,
    blocks: u32,
    large_blocks: u32,
    large_len: u16,
    small_len: u16,
    parity_max: u16,
}

impl ObjectLayout {
    /// Partitions `size` bytes into symbols of `symbol_bytes` and blocks of at
    /// most `block_symbols`.
    ///
    /// # Errors
    /// Any value outside its range; nothing is allocated.
    pub fn new(size: u64, symbol_bytes: u16, block_symbols: u16) -> Result<Self, LayoutError> {
        if size > IMAGE_BYTES_MAX {
            let limit = IMAGE_BYTES_MAX;
            return Err(LayoutError::ObjectTooLarge { limit, got: size });
        }
        if symbol_bytes == 0 || symbol_bytes > 65_000 {
            return Err(LayoutError::SymbolBytes { got: symbol_bytes });
        }
        if block_symbols == 0 || block_symbols > BLOCK_SYMBOLS_MAX {
            let (limit, got) = (BLOCK_SYMBOLS_MAX, block_symbols);
            return Err(LayoutError::BlockSymbols { limit, got });
        }
        let symbols = size.div_ceil(u64::from(symbol_bytes));
        let blocks = symbols.div_ceil(u64::from(block_symbols));
        let limit = u32::MAX - 1;
        let Ok(blocks) = u32::try_from(blocks) else {
            return Err(LayoutError::TooManyBlocks { limit, got: blocks });
        };
        let count = u64::from(blocks.max(1));
        let small_len = (symbols / count) as u16;
        Ok(ObjectLayout {
            size,
            symbol_bytes,
            symbols,
            blocks,
            large_blocks: (symbols - u64::from(small_len) * count) as u32,
            large_len: symbols.div_ceil(count) as u16,
            small_len,
            parity_max: PARITY_MAX,
        })
    }

    /// The same for an erasure code that has at most `parity_max` parity symbols
    /// for a block; more than [`PARITY_MAX`] are never used.
    pub fn with_parity_max(self, parity_max: u16) -> ObjectLayout {
        ObjectLayout {
            parity_max: parity_max.min(PARITY_MAX),
            ..self
        }
    }

    /// Most parity symbols of a block. Beyond them sources are sent again.
    pub fn parity_max(&self) -> u16 {
        self.parity_max
    }

    /// Bytes of the object.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes of every symbol but the last.
    pub fn symbol_bytes(&self) -> u16 {
        self.symbol_bytes
    }

    /// Source symbols of the object.
    pub fn symbols(&self) -> u64 {
        self.symbols
    }

    /// Source blocks of the object.
    pub fn blocks(&self) -> u32 {
        self.blocks
    }

    /// Length of the longest block, in symbols: `max_block_len` of EXT_FTI.
    pub fn block_len_max(&self) -> u16 {
        self.large_len
    }

    /// Source symbols of block `sbn`.
    pub fn block_len(&self, sbn: u32) -> u16 {
        if sbn < self.large_blocks {
            self.large_len
        } else {
            self.small_len
        }
    }

    /// Number, within the object, of the first symbol of block `sbn`.
    pub fn first_symbol(&self, sbn: u32) -> u64 {
        let large = u64::from(sbn.min(self.large_blocks));
        let small = u64::from(sbn.saturating_sub(self.large_blocks));
        large * u64::from(self.large_len) + small * u64::from(self.small_len)
    }

    /// The block and the place within it of symbol `index` of the object.
    pub fn locate(&self, index: u64) -> (u32, u16) {
        let in_large = u64::from(self.large_blocks) * u64::from(self.large_len);
        if index < in_large {
            let len = u64::from(self.large_len);
            ((index / len) as u32, (index % len) as u16)
        } else {
            let len = u64::from(self.small_len.max(1));
            let rest = index - in_large;
            (self.large_blocks + (rest / len) as u32, (rest % len) as u16)
        }
    }

    /// Bytes of the object that symbol `index` holds.
    pub fn symbol_range(&self, index: u64) -> Range<u64> {
        let start = index * u64::from(self.symbol_bytes);
        start.min(self.size)..(start + u64::from(self.symbol_bytes)).min(self.size)
    }

    /// Bytes that source symbol `esi` of block `sbn` holds on the wire.
    pub fn symbol_len(&self, sbn: u32, esi: u16) -> usize {
        let range = self.symbol_range(self.first_symbol(sbn) + u64::from(esi));
        (range.end - range.start) as usize
    }

    /// Bytes of the object that block `sbn` holds.
    pub fn block_range(&self, sbn: u32) -> Range<u64> {
        self.source_range(sbn, 0..self.block_len(sbn))
    }

    /// Bytes of the object that the source symbols `esis` of block `sbn` hold.
    pub fn source_range(&self, sbn: u32, esis: Range<u16>) -> Range<u64> {
        let (first, bytes) = (self.first_symbol(sbn), u64::from(self.symbol_bytes));
        let offset = |esi: u16| ((first + u64::from(esi)) * bytes).min(self.size);
        offset(esis.start)..offset(esis.end)
    }

    /// Blocks that `symbols` are part of.
    pub fn blocks_touching(&self, symbols: &Range<u64>) -> Range<u32> {
        if symbols.is_empty() {
            return 0..0;
        }
        self.locate(symbols.start).0..self.locate(symbols.end - 1).0 + 1
    }

    /// Symbols that hold at least one byte of `bytes`.
    pub fn symbols_touching(&self, bytes: &Range<u64>) -> Range<u64> {
        let width = u64::from(self.symbol_bytes);
        if bytes.is_empty() {
            return 0..0;
        }
        bytes.start / width..bytes.end.div_ceil(width).min(self.symbols)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_empty_object_has_no_symbols() {
        let layout = ObjectLayout::new(0, 1408, 512).unwrap();
        assert_eq!((layout.symbols(), layout.blocks()), (0, 0));
    }

    #[test]
    fn rfc_5052_blocks_differ_by_one_symbol_and_larger_come_first() {
        let layout = ObjectLayout::new(1408 * 1000, 1408, 300).unwrap();
        let lens: alloc::vec::Vec<_> = (0..layout.blocks()).map(|b| layout.block_len(b)).collect();
        assert_eq!(lens, [250, 250, 250, 250]);
        let layout = ObjectLayout::new(1408 * 1001 - 5, 1408, 300).unwrap();
        let lens: alloc::vec::Vec<_> = (0..layout.blocks()).map(|b| layout.block_len(b)).collect();
        assert_eq!(lens, [251, 250, 250, 250]);
        assert_eq!(layout.symbol_len(3, 249), 1403);
    }

    #[test]
    fn limits_are_named() {
        assert!(matches!(
            ObjectLayout::new(1 << 63, 1408, 512),
            Err(LayoutError::ObjectTooLarge { .. })
        ));
        assert!(ObjectLayout::new(1, 0, 512).is_err());
        assert!(ObjectLayout::new(1, 1408, 0).is_err());
        assert!(ObjectLayout::new(1 << 47, 1, 1).is_err());
    }

    proptest! {
        #[test]
        fn blocks_and_symbols_tile_the_object(size in 0u64..3_000_000, symbol in 1u16..2000, block in 1u16..700) {
            let layout = ObjectLayout::new(size, symbol, block).unwrap();
            let mut next_byte = 0;
            let mut next_symbol = 0;
            for sbn in 0..layout.blocks() {
                let len = layout.block_len(sbn);
                prop_assert!(len >= 1 && len <= block);
                prop_assert_eq!(layout.first_symbol(sbn), next_symbol);
                prop_assert_eq!(layout.block_range(sbn).start, next_byte);
                prop_assert_eq!(layout.locate(next_symbol), (sbn, 0));
                let whole = next_symbol..next_symbol + u64::from(len);
                prop_assert_eq!(layout.blocks_touching(&whole), sbn..sbn + 1);
                prop_assert_eq!(layout.locate(next_symbol + u64::from(len) - 1), (sbn, len - 1));
                let bytes: usize = (0..len).map(|esi| layout.symbol_len(sbn, esi)).sum();
                next_byte += bytes as u64;
                next_symbol += u64::from(len);
                prop_assert_eq!(layout.block_range(sbn).end, next_byte);
            }
            prop_assert_eq!(next_byte, size);
            prop_assert_eq!(next_symbol, layout.symbols());
        }

        #[test]
        fn touching_symbols_cover_the_bytes(size in 1u64..1_000_000, symbol in 1u16..2000, a in 0u64..1_000_000, n in 1u64..100_000) {
            let layout = ObjectLayout::new(size, symbol, 512).unwrap();
            let start = a % size;
            let bytes = start..(start + n).min(size);
            let touched = layout.symbols_touching(&bytes);
            prop_assert!(layout.symbol_range(touched.start).contains(&bytes.start));
            prop_assert!(layout.symbol_range(touched.end - 1).contains(&(bytes.end - 1)));
        }
    }
}
