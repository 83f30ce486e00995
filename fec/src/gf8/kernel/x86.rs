//! Kernels for x86-64.
//!
//! Without GFNI a product is two lookups: a byte shuffle takes the low four
//! bits of each byte for an index into a register of 16 products, the high
//! four bits for one into another. With GFNI a product is a multiplication by
//! an 8 × 8 bit matrix; its own field product has another polynomial.

use std::arch::x86_64::*;

use super::Terms;
use super::tile::{BYTES, Tile, combine};
use crate::gf8::field::{MATRICES, NIBBLES};

#[target_feature(enable = "ssse3")]
pub(super) fn ssse3(terms: Terms<'_>, sums: &mut [u8]) {
    // SAFETY: this function is called only where there is SSSE3.
    unsafe { combine::<Ssse3, 1>(terms, sums) }
}

#[target_feature(enable = "avx2")]
pub(super) fn avx2(terms: Terms<'_>, sums: &mut [u8]) {
    // SAFETY: this function is called only where there is AVX2.
    unsafe { combine::<Avx2, 4>(terms, sums) }
}

#[target_feature(enable = "avx512bw")]
pub(super) fn avx512(terms: Terms<'_>, sums: &mut [u8]) {
    // SAFETY: this function is called only where there is AVX-512BW.
    unsafe { combine::<Avx512, 8>(terms, sums) }
}

#[target_feature(enable = "gfni,avx2")]
pub(super) fn gfni_avx2(terms: Terms<'_>, sums: &mut [u8]) {
    // SAFETY: this function is called only where there are GFNI and AVX2.
    unsafe { combine::<GfniAvx2, 4>(terms, sums) }
}

#[target_feature(enable = "gfni,avx512bw")]
pub(super) fn gfni_avx512(terms: Terms<'_>, sums: &mut [u8]) {
    // SAFETY: this function is called only where there are GFNI and AVX-512BW.
    unsafe { combine::<GfniAvx512, 8>(terms, sums) }
}

/// The products of `factor` with the low and with the high four bits.
fn nibbles(factor: u8) -> [&'static [u8; 16]; 2] {
    let (low, high) = NIBBLES[usize::from(factor)].split_at(16);
    [low, high].map(|half| half.first_chunk().unwrap_or(&[0; 16]))
}

#[derive(Clone, Copy)]
struct Ssse3([__m128i; 4]);

impl Tile for Ssse3 {
    type Source = [[__m128i; 2]; 4];
    type Factor = [__m128i; 2];

    #[inline]
    #[target_feature(enable = "ssse3")]
    unsafe fn zero() -> Self {
        Self([_mm_setzero_si128(); 4])
    }

    #[inline]
    #[target_feature(enable = "ssse3")]
    unsafe fn source(strip: &[u8; BYTES]) -> Self::Source {
        let mask = _mm_set1_epi8(15);
        let mut halves = [[_mm_setzero_si128(); 2]; 4];
        for (halves, bytes) in halves.iter_mut().zip(strip.as_chunks::<16>().0) {
            // SAFETY: `bytes` is 16 bytes to read, at any address.
            let bytes = unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) };
            let high = _mm_srli_epi64::<4>(bytes);
            *halves = [_mm_and_si128(bytes, mask), _mm_and_si128(high, mask)];
        }
        halves
    }

    #[inline]
    #[target_feature(enable = "ssse3")]
    unsafe fn factor(factor: u8) -> Self::Factor {
        let [low, high] = nibbles(factor);
        // SAFETY: `low` is 16 bytes to read, at any address.
        let low = unsafe { _mm_loadu_si128(low.as_ptr().cast()) };
        // SAFETY: `high` is 16 bytes to read, at any address.
        let high = unsafe { _mm_loadu_si128(high.as_ptr().cast()) };
        [low, high]
    }

    #[inline]
    #[target_feature(enable = "ssse3")]
    unsafe fn plus(mut self, source: Self::Source, [low, high]: Self::Factor) -> Self {
        for (sum, halves) in self.0.iter_mut().zip(source) {
            let product = _mm_shuffle_epi8(low, halves[0]);
            *sum = _mm_xor_si128(*sum, product);
            let product = _mm_shuffle_epi8(high, halves[1]);
            *sum = _mm_xor_si128(*sum, product);
        }
        self
    }

    #[inline]
    #[target_feature(enable = "ssse3")]
    unsafe fn store(self, strip: &mut [u8; BYTES]) {
        for (sum, bytes) in self.0.into_iter().zip(strip.as_chunks_mut::<16>().0) {
            // SAFETY: `bytes` is 16 bytes to write, at any address.
            unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), sum) };
        }
    }
}

#[derive(Clone, Copy)]
struct Avx2([__m256i; 2]);

impl Tile for Avx2 {
    type Source = [[__m256i; 2]; 2];
    type Factor = [__m256i; 2];

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn zero() -> Self {
        Self([_mm256_setzero_si256(); 2])
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn source(strip: &[u8; BYTES]) -> Self::Source {
        let mask = _mm256_set1_epi8(15);
        let mut halves = [[_mm256_setzero_si256(); 2]; 2];
        for (halves, bytes) in halves.iter_mut().zip(strip.as_chunks::<32>().0) {
            // SAFETY: `bytes` is 32 bytes to read, at any address.
            let bytes = unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) };
            let high = _mm256_srli_epi64::<4>(bytes);
            *halves = [_mm256_and_si256(bytes, mask), _mm256_and_si256(high, mask)];
        }
        halves
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn factor(factor: u8) -> Self::Factor {
        let [low, high] = nibbles(factor);
        // SAFETY: `low` is 16 bytes to read, at any address.
        let low = unsafe { _mm_loadu_si128(low.as_ptr().cast()) };
        // SAFETY: `high` is 16 bytes to read, at any address.
        let high = unsafe { _mm_loadu_si128(high.as_ptr().cast()) };
        [
            _mm256_broadcastsi128_si256(low),
            _mm256_broadcastsi128_si256(high),
        ]
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn plus(mut self, source: Self::Source, [low, high]: Self::Factor) -> Self {
        for (sum, halves) in self.0.iter_mut().zip(source) {
            let product = _mm256_shuffle_epi8(low, halves[0]);
            *sum = _mm256_xor_si256(*sum, product);
            let product = _mm256_shuffle_epi8(high, halves[1]);
            *sum = _mm256_xor_si256(*sum, product);
        }
        self
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn store(self, strip: &mut [u8; BYTES]) {
        for (sum, bytes) in self.0.into_iter().zip(strip.as_chunks_mut::<32>().0) {
            // SAFETY: `bytes` is 32 bytes to write, at any address.
            unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), sum) };
        }
    }
}

#[derive(Clone, Copy)]
struct Avx512(__m512i);

impl Tile for Avx512 {
    type Source = [__m512i; 2];
    type Factor = [__m512i; 2];

    #[inline]
    #[target_feature(enable = "avx512bw")]
    unsafe fn zero() -> Self {
        Self(_mm512_setzero_si512())
    }

    #[inline]
    #[target_feature(enable = "avx512bw")]
    unsafe fn source(strip: &[u8; BYTES]) -> Self::Source {
        let mask = _mm512_set1_epi8(15);
        // SAFETY: `strip` is 64 bytes to read, at any address.
        let bytes = unsafe { _mm512_loadu_si512(strip.as_ptr().cast()) };
        let high = _mm512_srli_epi64::<4>(bytes);
        [_mm512_and_si512(bytes, mask), _mm512_and_si512(high, mask)]
    }

    #[inline]
    #[target_feature(enable = "avx512bw")]
    unsafe fn factor(factor: u8) -> Self::Factor {
        let [low, high] = nibbles(factor);
        // SAFETY: `low` is 16 bytes to read, at any address.
        let low = unsafe { _mm_loadu_si128(low.as_ptr().cast()) };
        // SAFETY: `high` is 16 bytes to read, at any address.
        let high = unsafe { _mm_loadu_si128(high.as_ptr().cast()) };
        [_mm512_broadcast_i32x4(low), _mm512_broadcast_i32x4(high)]
    }

    #[inline]
    #[target_feature(enable = "avx512bw")]
    unsafe fn plus(self, source: Self::Source, factor: Self::Factor) -> Self {
        let low = _mm512_shuffle_epi8(factor[0], source[0]);
        let high = _mm512_shuffle_epi8(factor[1], source[1]);
        // 0x96 is the truth table of an exclusive or of three.
        Self(_mm512_ternarylogic_epi64::<0x96>(self.0, low, high))
    }

    #[inline]
    #[target_feature(enable = "avx512bw")]
    unsafe fn store(self, strip: &mut [u8; BYTES]) {
        // SAFETY: `strip` is 64 bytes to write, at any address.
        unsafe { _mm512_storeu_si512(strip.as_mut_ptr().cast(), self.0) };
    }
}

#[derive(Clone, Copy)]
struct GfniAvx2([__m256i; 2]);

impl Tile for GfniAvx2 {
    type Source = [__m256i; 2];
    type Factor = __m256i;

    #[inline]
    #[target_feature(enable = "gfni,avx2")]
    unsafe fn zero() -> Self {
        Self([_mm256_setzero_si256(); 2])
    }

    #[inline]
    #[target_feature(enable = "gfni,avx2")]
    unsafe fn source(strip: &[u8; BYTES]) -> Self::Source {
        let mut source = [_mm256_setzero_si256(); 2];
        for (part, bytes) in source.iter_mut().zip(strip.as_chunks::<32>().0) {
            // SAFETY: `bytes` is 32 bytes to read, at any address.
            *part = unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) };
        }
        source
    }

    #[inline]
    #[target_feature(enable = "gfni,avx2")]
    unsafe fn factor(factor: u8) -> Self::Factor {
        _mm256_set1_epi64x(MATRICES[usize::from(factor)] as i64)
    }

    #[inline]
    #[target_feature(enable = "gfni,avx2")]
    unsafe fn plus(mut self, source: Self::Source, factor: Self::Factor) -> Self {
        for (sum, part) in self.0.iter_mut().zip(source) {
            let product = _mm256_gf2p8affine_epi64_epi8::<0>(part, factor);
            *sum = _mm256_xor_si256(*sum, product);
        }
        self
    }

    #[inline]
    #[target_feature(enable = "gfni,avx2")]
    unsafe fn store(self, strip: &mut [u8; BYTES]) {
        for (sum, bytes) in self.0.into_iter().zip(strip.as_chunks_mut::<32>().0) {
            // SAFETY: `bytes` is 32 bytes to write, at any address.
            unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), sum) };
        }
    }
}

#[derive(Clone, Copy)]
struct GfniAvx512(__m512i);

impl Tile for GfniAvx512 {
    type Source = __m512i;
    type Factor = __m512i;

    #[inline]
    #[target_feature(enable = "gfni,avx512bw")]
    unsafe fn zero() -> Self {
        Self(_mm512_setzero_si512())
    }

    #[inline]
    #[target_feature(enable = "gfni,avx512bw")]
    unsafe fn source(strip: &[u8; BYTES]) -> Self::Source {
        // SAFETY: `strip` is 64 bytes to read, at any address.
        unsafe { _mm512_loadu_si512(strip.as_ptr().cast()) }
    }

    #[inline]
    #[target_feature(enable = "gfni,avx512bw")]
    unsafe fn factor(factor: u8) -> Self::Factor {
        _mm512_set1_epi64(MATRICES[usize::from(factor)] as i64)
    }

    #[inline]
    #[target_feature(enable = "gfni,avx512bw")]
    unsafe fn plus(self, source: Self::Source, factor: Self::Factor) -> Self {
        let product = _mm512_gf2p8affine_epi64_epi8::<0>(source, factor);
        Self(_mm512_xor_si512(self.0, product))
    }

    #[inline]
    #[target_feature(enable = "gfni,avx512bw")]
    unsafe fn store(self, strip: &mut [u8; BYTES]) {
        // SAFETY: `strip` is 64 bytes to write, at any address.
        unsafe { _mm512_storeu_si512(strip.as_mut_ptr().cast(), self.0) };
    }
}
