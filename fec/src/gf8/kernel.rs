//! Sums of products of symbols.
//!
//! This folder holds all `unsafe` code of the crate: SIMD instructions that
//! the processor may not have. [`Kernel`] is made only of what the processor
//! was seen to have, and checks all shapes before it runs.
//!
//! The kernels go through the symbols in strips of 64 bytes ([`tile`]). The
//! strips of all sources of a block fit the first-level cache, and so do the
//! tables of products; the sums stay in registers and are written once.

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod tile;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::ops::Range;

use super::field::mul;

/// A way to compute sums of products that this processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kernel(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Ssse3,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    GfniAvx2,
    #[cfg(target_arch = "x86_64")]
    GfniAvx512,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

/// What to sum. The shapes fit, or [`Kernel::combine`] has panicked.
#[derive(Debug, Clone, Copy)]
struct Terms<'a> {
    /// `[sources × bytes]`.
    sources: &'a [&'a [u8]],
    /// `[sources × sums]`.
    factors: &'a [u8],
    /// Number of sums.
    sums: usize,
}

impl Kernel {
    /// The fastest.
    pub(super) fn best() -> Self {
        Self::available().last().unwrap_or(Self(Kind::Scalar))
    }

    /// All that this processor has, in rising order of speed.
    pub(super) fn available() -> impl Iterator<Item = Self> {
        let kinds = [
            (Kind::Scalar, true),
            #[cfg(target_arch = "x86_64")]
            (Kind::Ssse3, is_x86_feature_detected!("ssse3")),
            #[cfg(target_arch = "x86_64")]
            (Kind::Avx2, is_x86_feature_detected!("avx2")),
            #[cfg(target_arch = "x86_64")]
            (
                Kind::GfniAvx2,
                is_x86_feature_detected!("gfni") && is_x86_feature_detected!("avx2"),
            ),
            #[cfg(target_arch = "x86_64")]
            (Kind::Avx512, is_x86_feature_detected!("avx512bw")),
            #[cfg(target_arch = "x86_64")]
            (
                Kind::GfniAvx512,
                is_x86_feature_detected!("gfni") && is_x86_feature_detected!("avx512bw"),
            ),
            #[cfg(target_arch = "aarch64")]
            (Kind::Neon, std::arch::is_aarch64_feature_detected!("neon")),
        ];
        let present = kinds.into_iter().filter(|(_, is_present)| *is_present);
        present.map(|(kind, _)| Self(kind))
    }

    /// Puts into `sums`, `[sums × bytes]`, the sum over all `sources`,
    /// `[sources × bytes]`, of each times its factor, `[sources × sums]`.
    ///
    /// # Panics
    /// The shapes do not fit each other, or there is no source.
    pub(super) fn combine(self, sources: &[&[u8]], factors: &[u8], sums: &mut [u8]) {
        let bytes = sources[0].len();
        assert!(sources.iter().all(|source| source.len() == bytes));
        let terms = Terms {
            sources,
            factors,
            sums: factors.len() / sources.len(),
        };
        assert_eq!(factors.len(), sources.len() * terms.sums);
        assert_eq!(sums.len(), terms.sums * bytes);
        if sums.is_empty() {
            return;
        }
        match self.0 {
            Kind::Scalar => return scalar(terms, sums, 0..bytes),
            // SAFETY: `available` makes this kind if the processor has SSSE3.
            #[cfg(target_arch = "x86_64")]
            Kind::Ssse3 => unsafe { x86::ssse3(terms, sums) },
            // SAFETY: `available` makes this kind if the processor has AVX2.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { x86::avx2(terms, sums) },
            // SAFETY: `available` makes this kind if the processor has
            // AVX-512BW, which includes AVX-512F.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => unsafe { x86::avx512(terms, sums) },
            // SAFETY: `available` makes this kind if the processor has GFNI
            // and AVX2, which includes AVX.
            #[cfg(target_arch = "x86_64")]
            Kind::GfniAvx2 => unsafe { x86::gfni_avx2(terms, sums) },
            // SAFETY: `available` makes this kind if the processor has GFNI
            // and AVX-512BW, which includes AVX-512F.
            #[cfg(target_arch = "x86_64")]
            Kind::GfniAvx512 => unsafe { x86::gfni_avx512(terms, sums) },
            // SAFETY: `available` makes this kind if the processor has NEON.
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => unsafe { aarch64::neon(terms, sums) },
        }
        scalar(terms, sums, bytes - bytes % tile::BYTES..bytes);
    }
}

/// The sums at the bytes of `columns`: the reference for the other kernels,
/// and what computes the bytes that do not fill a strip.
fn scalar(terms: Terms<'_>, sums: &mut [u8], columns: Range<usize>) {
    let bytes = terms.sources[0].len();
    for (row, sum) in sums.chunks_exact_mut(bytes).enumerate() {
        sum[columns.clone()].fill(0);
        let factors = terms.factors.iter().skip(row).step_by(terms.sums);
        for (source, &factor) in terms.sources.iter().zip(factors) {
            let source = &source[columns.clone()];
            for (sum, &byte) in sum[columns.clone()].iter_mut().zip(source) {
                *sum ^= mul(factor, byte);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bytes that look random.
    fn noise(seed: u64, len: usize) -> Vec<u8> {
        let mut state = seed | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        (0..len).map(|_| next()).collect()
    }

    /// Zero to four strips, each with and without a rest.
    fn symbol_bytes() -> impl Strategy<Value = usize> {
        (0..5usize, prop_oneof![Just(0), 0..64usize]).prop_map(|(strips, rest)| strips * 64 + rest)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn all_kernels_agree_with_the_reference(
            sources in 1..40usize, sums in 0..20usize, bytes in symbol_bytes(),
            offset in 0..64usize, seed: u64,
        ) {
            let data = noise(seed, offset + sources * bytes);
            let symbols: Vec<&[u8]> = match bytes {
                0 => vec![&[]; sources],
                _ => data[offset..].chunks_exact(bytes).collect(),
            };
            let factors = noise(!seed, sources * sums);
            let mut wanted = vec![1; sums * bytes];
            Kernel(Kind::Scalar).combine(&symbols, &factors, &mut wanted);
            for kernel in Kernel::available() {
                // What was there before must not matter.
                let mut got = noise(seed, sums * bytes);
                kernel.combine(&symbols, &factors, &mut got);
                prop_assert_eq!(&got, &wanted, "{:?}", kernel);
            }
        }
    }

    #[test]
    fn all_kernels_know_all_products() {
        let every_byte: Vec<u8> = (0..=255).collect();
        for kernel in Kernel::available() {
            for factor in 0..=255 {
                let mut products = vec![0; 256];
                kernel.combine(&[&every_byte], &[factor], &mut products);
                let wanted = every_byte.iter().map(|&byte| mul(factor, byte));
                assert!(products.into_iter().eq(wanted), "{kernel:?}, {factor}");
            }
        }
    }

    #[test]
    fn the_best_kernel_is_the_last() {
        assert_eq!(Some(Kernel::best()), Kernel::available().last());
        assert_eq!(Kernel::available().next(), Some(Kernel(Kind::Scalar)));
    }

    #[test]
    #[should_panic(expected = "assertion")]
    fn a_short_source_is_refused() {
        Kernel::best().combine(&[&[0; 64], &[0; 63]], &[1, 1], &mut [0; 64]);
    }

    #[test]
    #[should_panic(expected = "assertion")]
    fn a_missing_factor_is_refused() {
        Kernel::best().combine(&[&[0; 64], &[0; 64]], &[1, 1, 1], &mut [0; 64]);
    }

    #[test]
    #[should_panic(expected = "assertion")]
    fn a_short_sum_is_refused() {
        Kernel::best().combine(&[&[0; 64]], &[1], &mut [0; 63]);
    }
}
