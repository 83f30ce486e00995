//! Sources to parity.

use std::ops::Range;

use super::interpolation::{Interpolation, Known};
use super::kernel::Kernel;
use super::{SYMBOLS_MAX, pad};
use crate::FecError;

/// Makes parity symbols, block after block, in the same work space.
#[derive(Debug)]
pub(crate) struct Encoder {
    symbol_bytes: usize,
    block_len_max: usize,
    interpolation: Interpolation,
    kernel: Kernel,
    /// Copies of the sources that are short, made whole.
    padded: Vec<u8>,
    /// `[sources × parity symbols]`.
    factors: Vec<u8>,
    /// `[parity symbols × symbol_bytes]`.
    made: Vec<u8>,
}

impl Encoder {
    /// An encoder of symbols of `symbol_bytes`, above zero, with the points of
    /// `block_len_max` sources, 1 to 255.
    pub(crate) fn new(symbol_bytes: usize, block_len_max: usize) -> Self {
        Self {
            symbol_bytes,
            block_len_max,
            interpolation: Interpolation::new(block_len_max),
            kernel: Kernel::best(),
            padded: Vec::new(),
            factors: Vec::new(),
            made: Vec::new(),
        }
    }

    /// Hands the parity symbols of `parity`, a range within the codec's
    /// limits, to `sink`. There are 1 to `block_len_max` sources.
    ///
    /// The work is proportional to the sources and to the length of the range.
    pub(crate) fn parity<'a>(
        &mut self,
        sources: impl ExactSizeIterator<Item = &'a [u8]>,
        parity: Range<usize>,
        mut sink: impl FnMut(usize, &[u8]),
    ) -> Result<(), FecError> {
        let numbers: [u8; SYMBOLS_MAX] = std::array::from_fn(|number| number as u8);
        let mut symbols: [&[u8]; SYMBOLS_MAX] = [&[]; SYMBOLS_MAX];
        let symbols = &mut symbols[..sources.len()];
        symbols
            .iter_mut()
            .zip(sources)
            .for_each(|(symbol, source)| *symbol = source);
        pad(symbols, self.symbol_bytes, &mut self.padded)?;
        let known = Known {
            symbols: &numbers[..symbols.len()],
            missing: &[],
            parity: &[],
        };
        let first = self.block_len_max;
        let targets = &numbers[first + parity.start..first + parity.end];
        self.interpolation
            .factors(known, targets, &mut self.factors);
        self.made.resize(targets.len() * self.symbol_bytes, 0);
        self.kernel.combine(symbols, &self.factors, &mut self.made);
        for (index, symbol) in parity.zip(self.made.chunks_exact(self.symbol_bytes)) {
            sink(index, symbol);
        }
        Ok(())
    }
}
