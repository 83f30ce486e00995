//! Any `k` symbols to the missing sources.

use reed_solomon_simd::engine::DefaultEngine;
use reed_solomon_simd::rate::{LowRateDecoder, RateDecoder};

use super::solver::{self, Solver};
use super::whole;
use crate::FecError;

/// Restores missing sources, block after block, in the same work space.
pub(crate) struct Decoder {
    inner: LowRateDecoder<DefaultEngine>,
    /// One symbol, for sources that are short. Its length is `symbol_bytes`.
    padded: Vec<u8>,
    /// Parity indices of the block at hand.
    indices: Vec<usize>,
    /// Made when a block first misses only a few sources.
    solver: Option<Box<Solver>>,
}

impl Decoder {
    /// A decoder of symbols of `symbol_bytes`, which is even and above zero.
    pub(crate) fn new(symbol_bytes: usize) -> Result<Self, FecError> {
        let inner = LowRateDecoder::new(1, 1, symbol_bytes, DefaultEngine::new(), None)?;
        Ok(Self {
            inner,
            padded: vec![0; symbol_bytes],
            indices: Vec::new(),
            solver: None,
        })
    }

    /// Hands every missing source to `sink`. Both iterators are gone through
    /// twice, since the transform has to be sized before the first symbol is
    /// put in.
    ///
    /// Up to 48 missing sources are solved for (one encoding, and a product of
    /// symbols for each pair of missing source and parity). Beyond, the work
    /// hardly depends on how much is missing. It grows with the
    /// block length rounded up to a power of two plus the highest parity index
    /// that is used, all rounded up to a power of two: a block of 512 with
    /// parity up to index 511 takes a transform of 1,024 symbols, with parity
    /// index 512 one of 2,048. So send parity from the lowest index on. Work
    /// space: that many symbols, and 128 KiB of stack.
    pub(crate) fn restore<'a>(
        &mut self,
        block_len: usize,
        sources: impl Iterator<Item = (usize, &'a [u8])> + Clone,
        parity: impl Iterator<Item = (usize, &'a [u8])> + Clone,
        mut sink: impl FnMut(usize, &[u8]),
    ) -> Result<(), FecError> {
        self.indices.clear();
        self.indices.extend(parity.clone().map(|(index, _)| index));
        self.indices.sort_unstable();
        let missing = block_len.saturating_sub(sources.clone().count());
        let used = self.indices.len().min(missing);
        let end = self.indices[..used].last().map_or(1, |index| index + 1);
        if self.is_solvable(block_len, missing, used, end) {
            return self.solve(block_len, sources, parity, used, sink);
        }
        self.inner.reset(block_len, end, self.padded.len())?;
        let mut got = 0;
        for (index, source) in sources {
            if index >= block_len {
                return Err(FecError::SourceIndex {
                    limit: block_len,
                    got: index,
                });
            }
            self.inner
                .add_original_shard(index, whole(source, &mut self.padded)?)?;
            got += 1;
        }
        if got == block_len {
            return Ok(());
        }
        let limit = self.padded.len();
        for (index, symbol) in parity.filter(|(index, _)| *index < end) {
            if symbol.len() != limit {
                return Err(FecError::SymbolLength {
                    limit,
                    got: symbol.len(),
                });
            }
            self.inner.add_recovery_shard(index, symbol)?;
            got += 1;
        }
        if got < block_len {
            return Err(FecError::TooFew {
                limit: block_len,
                got,
            });
        }
        let result = self.inner.decode()?;
        result
            .restored_original_iter()
            .for_each(|(index, symbol)| sink(index, symbol));
        Ok(())
    }
}

impl Decoder {
    fn is_solvable(&self, block_len: usize, missing: usize, used: usize, end: usize) -> bool {
        let few = (1..=solver::MISSING_MAX).contains(&missing) && used == missing;
        let small = block_len <= solver::SYMBOLS_MAX && end <= solver::SYMBOLS_MAX;
        few && small && self.padded.len().is_multiple_of(64)
    }

    fn solve<'a>(
        &mut self,
        block_len: usize,
        sources: impl Iterator<Item = (usize, &'a [u8])>,
        parity: impl Iterator<Item = (usize, &'a [u8])>,
        used: usize,
        mut sink: impl FnMut(usize, &[u8]),
    ) -> Result<(), FecError> {
        let limit = self.padded.len();
        let mut known: Vec<Option<&[u8]>> = vec![None; block_len];
        for (index, source) in sources {
            let place = known.get_mut(index).ok_or(FecError::SourceIndex {
                limit: block_len,
                got: index,
            })?;
            if place.replace(source).is_some() {
                return Err(FecError::Duplicate { index });
            }
        }
        let mut held: Vec<(usize, &[u8])> = parity.collect();
        held.sort_unstable_by_key(|&(index, _)| index);
        held.truncate(used);
        if let Some(pair) = held.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(FecError::Duplicate { index: pair[0].0 });
        }
        if let Some((_, symbol)) = held.iter().find(|(_, symbol)| symbol.len() != limit) {
            return Err(FecError::SymbolLength {
                limit,
                got: symbol.len(),
            });
        }
        let solver = match &mut self.solver {
            Some(solver) => solver,
            None => self.solver.insert(Box::new(Solver::new(limit)?)),
        };
        solver.restore(&known, &held, &mut sink)
    }
}
