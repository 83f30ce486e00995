//! Any `k` symbols to the missing sources.

use std::fmt;

use crate::encoder::check_block_len;
use crate::{Codec, FecError, gf8, gf16};

/// Restores missing sources, block after block, in the same work space.
pub struct Decoder {
    codec: Codec,
    symbol_bytes: usize,
    block_len_max: usize,
    inner: Inner,
}

enum Inner {
    Gf16(gf16::Decoder),
    Gf8(gf8::Decoder),
}

impl Decoder {
    /// A decoder of symbols of `symbol_bytes` for an object whose longest
    /// block has `block_len_max` sources: what the [`Encoder`] was given.
    ///
    /// The first encoder or decoder of [`Codec::Gf16Low`] in a process builds
    /// tables of 8 MiB.
    ///
    /// # Errors
    /// The codec does not have such symbols or such blocks.
    ///
    /// [`Encoder`]: crate::Encoder
    pub fn new(codec: Codec, symbol_bytes: usize, block_len_max: usize) -> Result<Self, FecError> {
        codec.check(symbol_bytes, block_len_max)?;
        let inner = match codec {
            Codec::Gf16Low => Inner::Gf16(gf16::Decoder::new(symbol_bytes)?),
            Codec::Gf8 => Inner::Gf8(gf8::Decoder::new(symbol_bytes, block_len_max)),
        };
        Ok(Self {
            codec,
            symbol_bytes,
            block_len_max,
            inner,
        })
    }

    /// The codec.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Bytes of a symbol.
    pub fn symbol_bytes(&self) -> usize {
        self.symbol_bytes
    }

    /// Sources of the longest block.
    pub fn block_len_max(&self) -> usize {
        self.block_len_max
    }

    /// Restores a block of `block_len` sources from those that are present and
    /// from parity, each given once with its index, and hands every missing
    /// source to `sink`, in order, with its index and at full symbol length.
    ///
    /// A source, `[up to symbol_bytes]`, shorter than a symbol counts as
    /// padded with zeros; parity is `[symbol_bytes]`. Of the parity only as
    /// much is used as sources are missing, lowest indices first; beyond that
    /// only its indices are looked at. The iterators are gone through more
    /// than once.
    ///
    /// With [`Codec::Gf16Low`] the work grows with the highest parity index
    /// that is used, so send parity from the lowest index on.
    ///
    /// # Errors
    /// The block is empty or longer than the longest, an index lies outside
    /// the block or its parity, a symbol was given twice or has a wrong
    /// length, or there are fewer than `block_len` symbols.
    pub fn restore<'a>(
        &mut self,
        block_len: usize,
        sources: impl Iterator<Item = (usize, &'a [u8])> + Clone,
        parity: impl Iterator<Item = (usize, &'a [u8])> + Clone,
        sink: impl FnMut(usize, &[u8]),
    ) -> Result<(), FecError> {
        check_block_len(block_len, self.block_len_max)?;
        let highest = parity.clone().map(|(index, _)| index).max();
        let end = highest.map_or(0, |index| index.saturating_add(1));
        self.codec.check_parity(self.block_len_max, end)?;
        match &mut self.inner {
            Inner::Gf16(decoder) => decoder.restore(block_len, sources, parity, sink),
            Inner::Gf8(decoder) => decoder.restore(block_len, sources, parity, sink),
        }
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("codec", &self.codec)
            .field("symbol_bytes", &self.symbol_bytes)
            .field("block_len_max", &self.block_len_max)
            .finish_non_exhaustive()
    }
}
