//! Sources to parity.

use std::fmt;
use std::ops::Range;

use reed_solomon_simd::engine::DefaultEngine;
use reed_solomon_simd::rate::{LowRateEncoder, RateEncoder};

use crate::{Codec, FecError, whole};

/// Makes parity symbols, block after block, in the same work space.
pub struct Encoder {
    codec: Codec,
    inner: LowRateEncoder<DefaultEngine>,
    /// One symbol, for sources that are short. Its length is `symbol_bytes`.
    padded: Vec<u8>,
}

impl Encoder {
    /// An encoder of symbols of `symbol_bytes`: even, best a multiple of 64.
    ///
    /// The first one in a process builds tables of 8 MiB.
    pub fn new(codec: Codec, symbol_bytes: usize) -> Result<Self, FecError> {
        codec.check_symbol_bytes(symbol_bytes)?;
        let inner = LowRateEncoder::new(1, 1, symbol_bytes, DefaultEngine::new(), None)?;
        Ok(Self {
            codec,
            inner,
            padded: vec![0; symbol_bytes],
        })
    }

    /// The codec.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// Bytes of a symbol.
    pub fn symbol_bytes(&self) -> usize {
        self.padded.len()
    }

    /// Makes the parity symbols with the indices of `parity` for the block of
    /// `sources` and hands each to `sink` with its index.
    ///
    /// A source shorter than a symbol counts as padded with zeros. The work
    /// grows with `parity.end`, not with the length of the range, in steps of
    /// the block length rounded up to a power of two; most of the first step's
    /// cost is there with the first symbol, so ask for many at once. Work
    /// space: `parity.end` rounded up to such a step, in symbols.
    pub fn parity<'a>(
        &mut self,
        sources: impl ExactSizeIterator<Item = &'a [u8]>,
        parity: Range<usize>,
        mut sink: impl FnMut(usize, &[u8]),
    ) -> Result<(), FecError> {
        let block_len = sources.len();
        self.codec.check_block_len(block_len)?;
        self.codec.check_parity(block_len, parity.end)?;
        if parity.is_empty() {
            return Ok(());
        }
        self.inner.reset(block_len, parity.end, self.padded.len())?;
        for source in sources {
            self.inner
                .add_original_shard(whole(source, &mut self.padded)?)?;
        }
        let result = self.inner.encode()?;
        for (index, symbol) in result.recovery_iter().enumerate().skip(parity.start) {
            sink(index, symbol);
        }
        Ok(())
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("codec", &self.codec)
            .field("symbol_bytes", &self.padded.len())
            .finish_non_exhaustive()
    }
}
