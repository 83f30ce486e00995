//! Sources to parity.

use std::ops::Range;

use reed_solomon_simd::engine::DefaultEngine;
use reed_solomon_simd::rate::{LowRateEncoder, RateEncoder};

use super::whole;
use crate::FecError;

/// Makes parity symbols, block after block, in the same work space.
pub(crate) struct Encoder {
    inner: LowRateEncoder<DefaultEngine>,
    /// One symbol, for sources that are short. Its length is `symbol_bytes`.
    padded: Vec<u8>,
}

impl Encoder {
    /// An encoder of symbols of `symbol_bytes`, which is even and above zero.
    pub(crate) fn new(symbol_bytes: usize) -> Result<Self, FecError> {
        let inner = LowRateEncoder::new(1, 1, symbol_bytes, DefaultEngine::new(), None)?;
        Ok(Self {
            inner,
            padded: vec![0; symbol_bytes],
        })
    }

    /// Hands the parity symbols of `parity`, a range that is not empty, to
    /// `sink`.
    ///
    /// The work grows with `parity.end`, not with the length of the range, in
    /// steps of the block length rounded up to a power of two; most of the
    /// first step's cost is there with the first symbol, so ask for many at
    /// once. Work space: `parity.end` rounded up to such a step, in symbols.
    pub(crate) fn parity<'a>(
        &mut self,
        sources: impl ExactSizeIterator<Item = &'a [u8]>,
        parity: Range<usize>,
        mut sink: impl FnMut(usize, &[u8]),
    ) -> Result<(), FecError> {
        self.inner
            .reset(sources.len(), parity.end, self.padded.len())?;
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
