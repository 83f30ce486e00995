//! Few missing sources, restored by solving for them.
//!
//! The code is linear: parity `j` is the sum over all sources `i` of
//! `G[j][i]·source[i]`. With `e` sources missing and `e` parity symbols held,
//! encoding the block with zeros for what is missing gives what the others
//! contribute; what remains of the parity is `e` equations for `e` unknowns.
//! That costs one encoding and `e²` products of symbols, where the general
//! decoder pays for a transform over all of GF(2^16) whatever is missing.

use reed_solomon_simd::engine::{DefaultEngine, Engine, GfElement, tables};

use super::Encoder;
use crate::FecError;

/// Missing sources up to which solving is faster (see `bench/benches/fec.rs`).
pub(crate) const MISSING_MAX: usize = 48;
/// Block lengths and parity indices up to which generators are kept.
pub(crate) const SYMBOLS_MAX: usize = 1024;
/// Generators kept: both block lengths of an image, and those of its leaf list.
const GENERATORS_MAX: usize = 4;

/// Restores blocks that miss few sources.
pub(crate) struct Solver {
    encoder: Encoder,
    engine: DefaultEngine,
    generators: Vec<Generator>,
    zeros: Vec<u8>,
    /// What is left of each parity symbol, then its products.
    rest: Vec<Vec<[u8; 64]>>,
    product: Vec<[u8; 64]>,
    sum: Vec<[u8; 64]>,
}

/// The first rows of the generator matrix for one block length.
struct Generator {
    block_len: usize,
    rows: usize,
    entries: Vec<GfElement>,
}

impl Solver {
    /// A solver for symbols of `symbol_bytes`, a multiple of 64.
    pub(crate) fn new(symbol_bytes: usize) -> Result<Self, FecError> {
        let chunks = symbol_bytes / 64;
        Ok(Self {
            encoder: Encoder::new(symbol_bytes)?,
            engine: DefaultEngine::new(),
            generators: Vec::new(),
            zeros: vec![0; symbol_bytes],
            rest: Vec::new(),
            product: vec![[0; 64]; chunks],
            sum: vec![[0; 64]; chunks],
        })
    }

    /// Restores the sources that are `None` from as many parity symbols, given
    /// with their indices in rising order.
    pub(crate) fn restore(
        &mut self,
        sources: &[Option<&[u8]>],
        parity: &[(usize, &[u8])],
        sink: &mut impl FnMut(usize, &[u8]),
    ) -> Result<(), FecError> {
        let missing: Vec<usize> = (0..sources.len())
            .filter(|&i| sources[i].is_none())
            .collect();
        let end = parity.last().map_or(0, |(index, _)| index + 1);
        self.subtract_known(sources, parity, end)?;
        let generator = self.generator(sources.len(), end)?;
        let row = |j: usize| &generator.entries[j * generator.block_len..][..generator.block_len];
        let mut matrix: Vec<Vec<GfElement>> = parity
            .iter()
            .map(|&(index, _)| missing.iter().map(|&i| row(index)[i]).collect())
            .collect();
        let inverse = invert(&mut matrix);
        let log = &tables::get_exp_log().log;
        for (unknown, &index) in missing.iter().enumerate() {
            self.sum.fill([0; 64]);
            for (equation, rest) in self.rest[..missing.len()].iter().enumerate() {
                let factor = inverse[unknown][equation];
                if factor != 0 {
                    self.product.copy_from_slice(rest);
                    self.engine.mul(&mut self.product, log[factor as usize]);
                    xor(&mut self.sum, &self.product);
                }
            }
            sink(index, self.sum.as_flattened());
        }
        Ok(())
    }

    /// Leaves in `rest` what the missing sources contribute to each parity.
    fn subtract_known(
        &mut self,
        sources: &[Option<&[u8]>],
        parity: &[(usize, &[u8])],
        end: usize,
    ) -> Result<(), FecError> {
        let chunks = self.product.len();
        while self.rest.len() < parity.len() {
            self.rest.push(vec![[0; 64]; chunks]);
        }
        let (zeros, rest, product) = (&self.zeros[..], &mut self.rest, &mut self.product);
        let known = sources.iter().map(|source| source.unwrap_or(zeros));
        let mut next = parity.iter().enumerate().peekable();
        self.encoder.parity(known, 0..end, |index, symbol| {
            if let Some((at, (_, held))) = next.next_if(|(_, (wanted, _))| *wanted == index) {
                rest[at].as_flattened_mut().copy_from_slice(held);
                product.as_flattened_mut().copy_from_slice(symbol);
                xor(&mut rest[at], product);
            }
        })
    }

    /// The generator for a block length, with at least `rows` rows.
    fn generator(&mut self, block_len: usize, rows: usize) -> Result<&Generator, FecError> {
        let fits = |g: &Generator| g.block_len == block_len && g.rows >= rows;
        if !self.generators.iter().any(fits) {
            self.generators.retain(|g| g.block_len != block_len);
            self.generators.truncate(GENERATORS_MAX - 1);
            let generator = Generator::new(block_len, rows.next_power_of_two())?;
            self.generators.insert(0, generator);
        }
        let at = self.generators.iter().position(fits).unwrap_or_default();
        Ok(&self.generators[at])
    }
}

impl Generator {
    /// Reads the matrix off the encoder itself: source `i` is one in element
    /// `i` and zero elsewhere, so element `i` of parity `j` is `G[j][i]`.
    fn new(block_len: usize, rows: usize) -> Result<Self, FecError> {
        let symbol_bytes = (block_len * 2).next_multiple_of(64);
        let one = tables::get_exp_log().exp[0].to_le_bytes();
        let mut units = vec![0; block_len * symbol_bytes];
        for (i, unit) in units.chunks_mut(symbol_bytes).enumerate() {
            let [low, high] = places(i);
            (unit[low], unit[high]) = (one[0], one[1]);
        }
        let mut entries = Vec::with_capacity(rows * block_len);
        let mut encoder = Encoder::new(symbol_bytes)?;
        encoder.parity(units.chunks(symbol_bytes), 0..rows, |_, symbol| {
            let entry = |i| {
                let [low, high] = places(i);
                GfElement::from_le_bytes([symbol[low], symbol[high]])
            };
            entries.extend((0..block_len).map(entry));
        })?;
        Ok(Self {
            block_len,
            rows,
            entries,
        })
    }
}

/// Where the bytes of field element `i` are in a symbol: chunks of 64 bytes
/// hold the low bytes of 32 elements, then their high bytes.
fn places(i: usize) -> [usize; 2] {
    let low = i / 32 * 64 + i % 32;
    [low, low + 32]
}

fn xor(xs: &mut [[u8; 64]], ys: &[[u8; 64]]) {
    for (x, y) in xs.as_flattened_mut().iter_mut().zip(ys.as_flattened()) {
        *x ^= y;
    }
}

/// The inverse, by Gauss-Jordan. Every square part of the parity rows of an MDS
/// code is invertible, so a pivot is always found.
fn invert(matrix: &mut [Vec<GfElement>]) -> Vec<Vec<GfElement>> {
    let tables::ExpLog { exp, log, .. } = tables::get_exp_log();
    let (n, one) = (matrix.len(), exp[0]);
    let mut inverse: Vec<Vec<GfElement>> = (0..n)
        .map(|row| {
            (0..n)
                .map(|column| if row == column { one } else { 0 })
                .collect()
        })
        .collect();
    for column in 0..n {
        let pivot = (column..n)
            .find(|&row| matrix[row][column] != 0)
            .unwrap_or(column);
        matrix.swap(column, pivot);
        inverse.swap(column, pivot);
        // exp(modulus - log x) is 1/x.
        let scale = GfElement::MAX - log[matrix[column][column] as usize];
        for value in matrix[column].iter_mut().chain(&mut inverse[column]) {
            *value = tables::mul(*value, scale, exp, log);
        }
        let (pivot_row, pivot_inverse) = (matrix[column].clone(), inverse[column].clone());
        for row in (0..n).filter(|&row| row != column) {
            let factor = matrix[row][column];
            if factor == 0 {
                continue;
            }
            let factor = log[factor as usize];
            let add = |target: &mut [GfElement], source: &[GfElement]| {
                for (t, &s) in target.iter_mut().zip(source) {
                    *t ^= tables::mul(s, factor, exp, log);
                }
            };
            add(&mut matrix[row], &pivot_row);
            add(&mut inverse[row], &pivot_inverse);
        }
    }
    inverse
}
