//! The kernel for AArch64.
//!
//! A product is two lookups: the low and the high four bits of each byte are
//! indices into registers of 16 products.

use std::arch::aarch64::*;

use super::Terms;
use super::tile::{BYTES, Tile, combine};
use crate::gf8::field::NIBBLES;

#[target_feature(enable = "neon")]
pub(super) fn neon(terms: Terms<'_>, sums: &mut [u8]) {
    // SAFETY: this function is called only where there is NEON.
    unsafe { combine::<Neon, 4>(terms, sums) }
}

#[derive(Clone, Copy)]
struct Neon([uint8x16_t; 4]);

impl Tile for Neon {
    type Source = [[uint8x16_t; 2]; 4];
    type Factor = [uint8x16_t; 2];

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn zero() -> Self {
        Self([vdupq_n_u8(0); 4])
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn source(strip: &[u8; BYTES]) -> Self::Source {
        let mut halves = [[vdupq_n_u8(0); 2]; 4];
        for (halves, bytes) in halves.iter_mut().zip(strip.as_chunks::<16>().0) {
            // SAFETY: `bytes` is 16 bytes to read, at any address.
            let bytes = unsafe { vld1q_u8(bytes.as_ptr()) };
            *halves = [vandq_u8(bytes, vdupq_n_u8(15)), vshrq_n_u8::<4>(bytes)];
        }
        halves
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn factor(factor: u8) -> Self::Factor {
        let (low, high) = NIBBLES[usize::from(factor)].split_at(16);
        // SAFETY: `low` is 16 bytes to read, at any address.
        let low = unsafe { vld1q_u8(low.as_ptr()) };
        // SAFETY: `high` is the other 16 of the 32 bytes to read.
        let high = unsafe { vld1q_u8(high.as_ptr()) };
        [low, high]
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn plus(mut self, source: Self::Source, [low, high]: Self::Factor) -> Self {
        for (sum, halves) in self.0.iter_mut().zip(source) {
            *sum = veorq_u8(*sum, vqtbl1q_u8(low, halves[0]));
            *sum = veorq_u8(*sum, vqtbl1q_u8(high, halves[1]));
        }
        self
    }

    #[inline]
    #[target_feature(enable = "neon")]
    unsafe fn store(self, strip: &mut [u8; BYTES]) {
        for (sum, bytes) in self.0.into_iter().zip(strip.as_chunks_mut::<16>().0) {
            // SAFETY: `bytes` is 16 bytes to write, at any address.
            unsafe { vst1q_u8(bytes.as_mut_ptr(), sum) };
        }
    }
}
