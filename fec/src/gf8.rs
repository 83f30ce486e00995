//! [`Codec::Gf8`](crate::Codec::Gf8): systematic Reed-Solomon over GF(2^8) as
//! in NRL's implementation of NORM (RFC 5740), which announces it as FEC
//! Encoding ID 129, instance 0, a "small block systematic" code of RFC 5052.
//!
//! The code is that of L. Rizzo, "Effective erasure codes for reliable
//! computer communication protocols" (1997). Take the `k` sources of a block,
//! byte by byte, as the values of a polynomial of degree below `k` at `k`
//! points of the field; parity symbols are its values at further points. Any
//! `k` values fix the polynomial, so any `k` symbols give all others. Rizzo
//! writes this as a Vandermonde matrix with a row of powers for each point,
//! made systematic by multiplying with the inverse of its top `k` rows. The
//! points are 0, 1, α, α², … with α = 2 in the field of polynomial 0x11d.
//!
//! `k` is always that of the object's longest block. A shorter block is coded
//! as if the sources that it lacks were there and zero, so the parity of all
//! blocks lies at the same points. `k` and parity together are at most 255.
//!
//! The matrices are never built here: Lagrange's formula gives the entries
//! that are needed, for encoding and decoding alike (see [`interpolation`]).
//! Decoding computes the `e` missing sources only, each as a sum of products
//! of `k` symbols, so its work is proportional to `e`. [`kernel`] makes the
//! sums.

mod decoder;
mod encoder;
mod field;
mod interpolation;
#[allow(unsafe_code)]
mod kernel;

pub(crate) use decoder::Decoder;
pub(crate) use encoder::Encoder;

use crate::FecError;

/// Symbols that a block can have, sources and parity.
pub(crate) const SYMBOLS_MAX: usize = 255;

/// Makes the symbols that are shorter than `symbol_bytes` whole, by copies in
/// `padded` with zeros after them.
///
/// # Errors
/// A symbol is longer.
fn pad<'s>(
    symbols: &mut [&'s [u8]],
    symbol_bytes: usize,
    padded: &'s mut Vec<u8>,
) -> Result<(), FecError> {
    padded.clear();
    for symbol in symbols.iter().filter(|symbol| symbol.len() != symbol_bytes) {
        if symbol.len() > symbol_bytes {
            return Err(FecError::SymbolLength {
                limit: symbol_bytes,
                got: symbol.len(),
            });
        }
        let end = padded.len() + symbol_bytes;
        padded.extend_from_slice(symbol);
        padded.resize(end, 0);
    }
    let short = symbols
        .iter_mut()
        .filter(|symbol| symbol.len() != symbol_bytes);
    for (symbol, whole) in short.zip(padded.chunks_exact(symbol_bytes)) {
        *symbol = whole;
    }
    Ok(())
}
