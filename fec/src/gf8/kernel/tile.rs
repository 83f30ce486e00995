//! What all SIMD kernels do, strip by strip.

use super::Terms;

/// Bytes of a strip: a cache line, and what divides the usual symbols.
pub(super) const BYTES: usize = 64;

/// A strip of a sum, in registers.
///
/// # Safety
/// All functions may be called only on a processor that has the instructions
/// which the tile is made for.
pub(super) trait Tile: Copy {
    /// A strip of a source, made ready for products.
    type Source: Copy;
    /// A factor, made ready for products.
    type Factor: Copy;

    unsafe fn zero() -> Self;
    unsafe fn source(strip: &[u8; BYTES]) -> Self::Source;
    unsafe fn factor(factor: u8) -> Self::Factor;
    /// The sum of `self` and of the product.
    unsafe fn plus(self, source: Self::Source, factor: Self::Factor) -> Self;
    unsafe fn store(self, strip: &mut [u8; BYTES]);
}

/// Computes all whole strips of `sums`, `ROWS` sums at a time.
///
/// # Safety
/// The processor has the instructions that `T` is made for.
#[inline(always)]
pub(super) unsafe fn combine<T: Tile, const ROWS: usize>(terms: Terms<'_>, sums: &mut [u8]) {
    let strips = terms.sources[0].len() / BYTES;
    for strip in 0..strips {
        let mut row = 0;
        while row + ROWS <= terms.sums {
            // SAFETY: the caller promises that the processor has what `T` is made for.
            unsafe { rows::<T, ROWS>(terms, sums, strip, row) };
            row += ROWS;
        }
        while row + 2 <= terms.sums {
            // SAFETY: as above.
            unsafe { rows::<T, 2>(terms, sums, strip, row) };
            row += 2;
        }
        if row < terms.sums {
            // SAFETY: as above.
            unsafe { rows::<T, 1>(terms, sums, strip, row) };
        }
    }
}

/// Computes one strip of the sums `row..row + ROWS`.
///
/// # Safety
/// The processor has the instructions that `T` is made for.
#[inline(always)]
unsafe fn rows<T: Tile, const ROWS: usize>(
    terms: Terms<'_>,
    sums: &mut [u8],
    strip: usize,
    row: usize,
) {
    // SAFETY: the caller promises that the processor has what `T` is made
    // for; this holds for all calls below, too.
    let mut tiles = [unsafe { T::zero() }; ROWS];
    let factors = terms.factors.chunks_exact(terms.sums);
    for (source, factors) in terms.sources.iter().zip(factors) {
        let strips = source.as_chunks::<BYTES>().0;
        // SAFETY: as above.
        let source = unsafe { T::source(&strips[strip]) };
        for (tile, &factor) in tiles.iter_mut().zip(&factors[row..row + ROWS]) {
            // SAFETY: as above.
            let factor = unsafe { T::factor(factor) };
            // SAFETY: as above.
            *tile = unsafe { tile.plus(source, factor) };
        }
    }
    let bytes = terms.sources[0].len();
    let sums = sums.chunks_exact_mut(bytes).skip(row);
    for (tile, sum) in tiles.into_iter().zip(sums) {
        let strips = sum.as_chunks_mut::<BYTES>().0;
        // SAFETY: as above.
        unsafe { tile.store(&mut strips[strip]) };
    }
}
