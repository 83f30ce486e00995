//! Sources to parity.

use std::fmt;
use std::ops::Range;

use crate::{Codec, FecError, gf8, gf16};

/// Makes parity symbols, block after block, in the same work space.
pub struct Encoder {
    codec: Codec,
    symbol_bytes: usize,
    block_len_max: usize,
    inner: Inner,
}

enum Inner {
    Gf16(gf16::Encoder),
    Gf8(gf8::Encoder),
}

impl Encoder {
    /// An encoder of symbols of `symbol_bytes` for an object whose longest
    /// block has `block_len_max` sources.
    ///
    /// [`Codec::symbol_unit`] divides `symbol_bytes`; multiples of 64 are
    /// processed without remainder and are what to use. The first encoder or
    /// decoder of [`Codec::Gf16Low`] in a process builds tables of 8 MiB.
    ///
    /// # Errors
    /// The codec does not have such symbols or such blocks.
    pub fn new(codec: Codec, symbol_bytes: usize, block_len_max: usize) -> Result<Self, FecError> {
        codec.check(symbol_bytes, block_len_max)?;
        let inner = match codec {
            Codec::Gf16Low => Inner::Gf16(gf16::Encoder::new(symbol_bytes)?),
            Codec::Gf8 => Inner::Gf8(gf8::Encoder::new(symbol_bytes, block_len_max)),
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

    /// Makes the parity symbols with the indices of `parity` for the block of
    /// `sources`, `[block_len × up to symbol_bytes]`, and hands each,
    /// `[symbol_bytes]`, to `sink` with its index, in order.
    ///
    /// A source shorter than a symbol counts as padded with zeros. With
    /// [`Codec::Gf16Low`] the work grows with `parity.end`, not with the
    /// length of the range, in steps of the block length rounded up to a power
    /// of two; most of the first step's cost is there with the first symbol,
    /// so ask for many at once.
    ///
    /// # Errors
    /// The block is empty or longer than the longest, there is no such parity,
    /// or a source is longer than a symbol.
    pub fn parity<'a>(
        &mut self,
        sources: impl ExactSizeIterator<Item = &'a [u8]>,
        parity: Range<usize>,
        sink: impl FnMut(usize, &[u8]),
    ) -> Result<(), FecError> {
        check_block_len(sources.len(), self.block_len_max)?;
        self.codec.check_parity(self.block_len_max, parity.end)?;
        if parity.is_empty() {
            return Ok(());
        }
        match &mut self.inner {
            Inner::Gf16(encoder) => encoder.parity(sources, parity, sink),
            Inner::Gf8(encoder) => encoder.parity(sources, parity, sink),
        }
    }
}

/// Checks that a block has `1..=limit` sources.
pub(crate) fn check_block_len(block_len: usize, limit: usize) -> Result<(), FecError> {
    if block_len == 0 || block_len > limit {
        return Err(FecError::BlockLen {
            limit,
            got: block_len,
        });
    }
    Ok(())
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("codec", &self.codec)
            .field("symbol_bytes", &self.symbol_bytes)
            .field("block_len_max", &self.block_len_max)
            .finish_non_exhaustive()
    }
}
