//! What the tests of this folder share.

use linecast_fec::{Decoder, Encoder, FecError};

/// A symbol with its index.
pub(crate) type Symbol = (usize, Vec<u8>);

/// Numbers that look random and are the same in every run.
pub(crate) fn noise(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed;
    std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ mixed >> 29
    })
}

pub(crate) fn block(block_len: usize, symbol_bytes: usize, seed: u64) -> Vec<Vec<u8>> {
    let mut bytes = noise(seed).flat_map(u64::to_le_bytes);
    (0..block_len)
        .map(|_| bytes.by_ref().take(symbol_bytes).collect())
        .collect()
}

pub(crate) fn parity(
    encoder: &mut Encoder,
    sources: &[Vec<u8>],
    range: std::ops::Range<usize>,
) -> Vec<Symbol> {
    let mut out = Vec::new();
    let sources = sources.iter().map(Vec::as_slice);
    encoder
        .parity(sources, range, |index, symbol| {
            out.push((index, symbol.to_vec()))
        })
        .unwrap();
    out
}

pub(crate) fn pairs(symbols: &[Symbol]) -> impl Iterator<Item = (usize, &[u8])> + Clone {
    symbols
        .iter()
        .map(|(index, symbol)| (*index, symbol.as_slice()))
}

pub(crate) fn restore(
    decoder: &mut Decoder,
    block_len: usize,
    sources: &[Symbol],
    parity: &[Symbol],
) -> Result<Vec<Symbol>, FecError> {
    let mut out = Vec::new();
    let sink = |index, symbol: &[u8]| out.push((index, symbol.to_vec()));
    decoder.restore(block_len, pairs(sources), pairs(parity), sink)?;
    Ok(out)
}
