//! Any `k` symbols to the missing sources.

use super::interpolation::{Interpolation, Known};
use super::kernel::Kernel;
use super::{SYMBOLS_MAX, pad};
use crate::FecError;

/// Restores missing sources, block after block, in the same work space.
#[derive(Debug)]
pub(crate) struct Decoder {
    symbol_bytes: usize,
    block_len_max: usize,
    interpolation: Interpolation,
    kernel: Kernel,
    /// Numbers of the symbols that are there and used, those of the parity
    /// last; of the sources that are not there; of the parity that is used.
    known: Vec<u8>,
    missing: Vec<u8>,
    used: Vec<u8>,
    /// Copies of the sources that are short, made whole.
    padded: Vec<u8>,
    /// `[known × missing]`.
    factors: Vec<u8>,
    /// `[missing × symbol_bytes]`.
    restored: Vec<u8>,
}

/// The symbols of a block by their numbers: sources, then, from the longest
/// block's length on, parity.
type Held<'a> = [Option<&'a [u8]>; SYMBOLS_MAX];

impl Decoder {
    /// A decoder of symbols of `symbol_bytes`, above zero, with the points of
    /// `block_len_max` sources, 1 to 255.
    pub(crate) fn new(symbol_bytes: usize, block_len_max: usize) -> Self {
        Self {
            symbol_bytes,
            block_len_max,
            interpolation: Interpolation::new(block_len_max),
            kernel: Kernel::best(),
            known: Vec::with_capacity(SYMBOLS_MAX),
            missing: Vec::with_capacity(SYMBOLS_MAX),
            used: Vec::with_capacity(SYMBOLS_MAX),
            padded: Vec::new(),
            factors: Vec::new(),
            restored: Vec::new(),
        }
    }

    /// Hands every missing source to `sink`. `block_len` is 1 to
    /// `block_len_max`, the parity indices are within the codec's limits.
    ///
    /// The work is proportional to `block_len` and to what is missing.
    pub(crate) fn restore<'a>(
        &mut self,
        block_len: usize,
        sources: impl Iterator<Item = (usize, &'a [u8])>,
        parity: impl Iterator<Item = (usize, &'a [u8])>,
        mut sink: impl FnMut(usize, &[u8]),
    ) -> Result<(), FecError> {
        let mut held: Held<'a> = [None; SYMBOLS_MAX];
        let (in_block, others) = held.split_at_mut(self.block_len_max);
        place(sources, &mut in_block[..block_len])?;
        place(parity, others)?;
        self.choose(&held, block_len)?;
        if self.missing.is_empty() {
            return Ok(());
        }
        let mut symbols: [&[u8]; SYMBOLS_MAX] = [&[]; SYMBOLS_MAX];
        let symbols = &mut symbols[..self.known.len()];
        for (symbol, &number) in symbols.iter_mut().zip(&self.known) {
            *symbol = held[usize::from(number)].unwrap_or_default();
        }
        pad(symbols, self.symbol_bytes, &mut self.padded)?;
        let known = Known {
            symbols: &self.known,
            missing: &self.missing,
            parity: &self.used,
        };
        self.interpolation
            .factors(known, &self.missing, &mut self.factors);
        self.restored
            .resize(self.missing.len() * self.symbol_bytes, 0);
        self.kernel
            .combine(symbols, &self.factors, &mut self.restored);
        let restored = self.restored.chunks_exact(self.symbol_bytes);
        for (&number, symbol) in self.missing.iter().zip(restored) {
            sink(number.into(), symbol);
        }
        Ok(())
    }

    /// Puts down what is missing, which parity takes its place, and so what
    /// is known.
    fn choose(&mut self, held: &Held<'_>, block_len: usize) -> Result<(), FecError> {
        let is_held = |number: &u8| held[usize::from(*number)].is_some();
        let sources = || (0..block_len).map(|source| source as u8);
        let parity = (self.block_len_max..SYMBOLS_MAX).map(|number| number as u8);
        self.missing.clear();
        self.missing.extend(sources().filter(|n| !is_held(n)));
        self.used.clear();
        self.used
            .extend(parity.filter(is_held).take(self.missing.len()));
        self.known.clear();
        self.known.extend(sources().filter(is_held));
        self.known.extend(&self.used);
        if self.known.len() < block_len {
            return Err(FecError::TooFew {
                limit: block_len,
                got: self.known.len(),
            });
        }
        for &number in &self.used {
            let got = held[usize::from(number)].map_or(0, <[u8]>::len);
            if got != self.symbol_bytes {
                let limit = self.symbol_bytes;
                return Err(FecError::SymbolLength { limit, got });
            }
        }
        Ok(())
    }
}

/// Puts each symbol in its place.
fn place<'a>(
    symbols: impl Iterator<Item = (usize, &'a [u8])>,
    places: &mut [Option<&'a [u8]>],
) -> Result<(), FecError> {
    let limit = places.len();
    for (index, symbol) in symbols {
        let place = places
            .get_mut(index)
            .ok_or(FecError::SourceIndex { limit, got: index })?;
        if place.replace(symbol).is_some() {
            return Err(FecError::Duplicate { index });
        }
    }
    Ok(())
}
