//! Which symbol of which block.

use super::field::{u16_at, u32_at};

/// The FEC payload id of FEC Encoding ID 129 (RFC 5445 section 5.2).
///
/// The order is that of transmission: by block, then by symbol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PayloadId {
    /// Source block number, from 0.
    pub sbn: u32,
    /// Source symbols in this block.
    pub block_len: u16,
    /// Encoding symbol id: below `block_len` a source symbol, else parity.
    pub esi: u16,
}

impl PayloadId {
    /// Bytes on the wire.
    pub const BYTES: usize = 8;

    /// Whether the symbol is one of the image's own, not parity.
    #[inline]
    pub fn is_source(&self) -> bool {
        self.esi < self.block_len
    }

    /// Index into the block's parity, `None` for a source symbol.
    #[inline]
    pub fn parity_index(&self) -> Option<u16> {
        self.esi.checked_sub(self.block_len)
    }

    /// Reads the eight bytes from `at`, which the caller has checked for.
    #[inline(always)]
    pub(super) fn read(bytes: &[u8], at: usize) -> Self {
        Self {
            sbn: u32_at(bytes, at),
            block_len: u16_at(bytes, at + 4),
            esi: u16_at(bytes, at + 6),
        }
    }

    /// The eight bytes.
    #[inline]
    pub(super) fn to_bytes(self) -> [u8; Self::BYTES] {
        let [a, b, c, d] = self.sbn.to_be_bytes();
        let [e, f] = self.block_len.to_be_bytes();
        let [g, h] = self.esi.to_be_bytes();
        [a, b, c, d, e, f, g, h]
    }
}
