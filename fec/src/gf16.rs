//! [`Codec::Gf16Low`](crate::Codec::Gf16Low): `LowRate` of the
//! `reed-solomon-simd` crate, and a solver for blocks that miss little.

mod decoder;
mod encoder;
mod solver;

pub(crate) use decoder::Decoder;
pub(crate) use encoder::Encoder;

use crate::FecError;

/// `bytes` as a whole symbol, in `padded` if it is short.
fn whole<'s>(bytes: &'s [u8], padded: &'s mut [u8]) -> Result<&'s [u8], FecError> {
    if bytes.len() == padded.len() {
        return Ok(bytes);
    }
    let limit = padded.len();
    let Some((head, tail)) = padded.split_at_mut_checked(bytes.len()) else {
        return Err(FecError::SymbolLength {
            limit,
            got: bytes.len(),
        });
    };
    head.copy_from_slice(bytes);
    tail.fill(0);
    Ok(padded)
}
