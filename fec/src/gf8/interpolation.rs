//! The factors by which known symbols sum to others.
//!
//! Symbol `i` is the value of the block's polynomial at point `x(i)`: sources
//! have the first `k` numbers, parity the ones after them. Let `K` be the
//! numbers of any `k` known symbols. By Lagrange's formula symbol `t`, not of
//! them, is the sum over `p` in `K` of symbol `p` times
//!
//! ```text
//!   Π (x(t) - x(q)) over q in K but p      w(t)
//!   ---------------------------------- = ------------------------
//!   Π (x(p) - x(q)) over q in K but p      w(p) · (x(t) - x(p))
//! ```
//!
//! where `w(s)` is the product of `x(s) - x(q)` over all `q` in `K` but `s`.
//! The products over all sources are made once; a block that misses `e`
//! sources corrects each for the `2e` numbers by which its `K` differs.

use super::SYMBOLS_MAX;
use super::field::{EXP, LOG, ORDER};

/// Lagrange's formula for the points of one `k`.
#[derive(Debug)]
pub(super) struct Interpolation {
    /// Logarithm of `w(s)` for `K` = all sources, for each of 255 symbols `s`.
    weights: Vec<u8>,
}

/// Which symbols are known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    /// Symbols that factors are wanted for. With `missing` taken away and
    /// `parity` added, the sources are `k` known symbols; those that are not
    /// in this list are zero.
    pub(super) symbols: &'a [u8],
    /// Sources that are not known.
    pub(super) missing: &'a [u8],
    /// As many parity symbols that are known in their place.
    pub(super) parity: &'a [u8],
}

impl Interpolation {
    /// For `k` sources, of 1 to 255.
    pub(super) fn new(k: usize) -> Self {
        let sources: Vec<u8> = (0..k).map(|source| source as u8).collect();
        let weight = |symbol| reduced(log_product(symbol, &sources));
        let weights = (0..SYMBOLS_MAX as u8).map(weight).collect();
        Self { weights }
    }

    /// Puts into `factors`, `[known symbols × targets]`, by what each known
    /// symbol contributes to each target, a symbol that is not known.
    pub(super) fn factors(&self, known: Known<'_>, targets: &[u8], factors: &mut Vec<u8>) {
        let weight = |symbol: u8| {
            let all = usize::from(self.weights[usize::from(symbol)]) + SYMBOLS_MAX * ORDER;
            let added = log_product(symbol, known.parity);
            reduced(all + added - log_product(symbol, known.missing))
        };
        let mut tops = [0; SYMBOLS_MAX];
        for (top, &target) in tops.iter_mut().zip(targets) {
            *top = usize::from(weight(target)) + ORDER;
        }
        factors.clear();
        for &symbol in known.symbols {
            let (bottom, x) = (usize::from(weight(symbol)), point(symbol));
            factors.extend(targets.iter().zip(&tops).map(|(&target, top)| {
                let distance = LOG[usize::from(point(target) ^ x)];
                EXP[top + ORDER - bottom - usize::from(distance)]
            }));
        }
    }
}

/// `x(i)`: 0, then the powers of α.
fn point(symbol: u8) -> u8 {
    match symbol {
        0 => 0,
        power => EXP[usize::from(power) - 1],
    }
}

/// Logarithm, not reduced, of the product of the differences between the
/// points of `symbol` and of each of `others` but itself; below 255 · 255.
fn log_product(symbol: u8, others: &[u8]) -> usize {
    let x = point(symbol);
    // LOG[0] is 0, so that `symbol` itself counts for nothing.
    let log = |&other: &u8| usize::from(LOG[usize::from(point(other) ^ x)]);
    others.iter().map(log).sum()
}

fn reduced(log: usize) -> u8 {
    (log % ORDER) as u8
}
