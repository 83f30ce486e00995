//! What every codec promises.

mod common;

use common::{block, noise, parity, restore};
use linecast_fec::{Codec, Decoder, Encoder, FecError};
use proptest::prelude::*;

const CODEC: Codec = Codec::Gf16Low;

fn encoder(symbol_bytes: usize) -> Encoder {
    Encoder::new(CODEC, symbol_bytes, CODEC.max_block_len()).unwrap()
}

fn decoder(symbol_bytes: usize) -> Decoder {
    Decoder::new(CODEC, symbol_bytes, CODEC.max_block_len()).unwrap()
}

fn any_codec() -> impl Strategy<Value = Codec> {
    proptest::sample::select(&Codec::ALL[..])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever `k` of the `k + r` symbols arrive, and in whatever order, the
    /// missing sources come back; with one fewer they do not.
    #[test]
    fn any_k_symbols_restore_the_block(
        codec in any_codec(), k in 1..70usize, beyond in 0..70usize, r in 1..90usize, symbol_bytes in prop_oneof![Just(2usize), Just(64), Just(66), Just(192)],
        short in 0..64usize, seed: u64,
    ) {
        let mut sources = block(k, symbol_bytes, seed);
        let short = symbol_bytes - short.min(symbol_bytes - 1);
        sources[k - 1].truncate(short);
        let mut encoder = Encoder::new(codec, symbol_bytes, k + beyond).unwrap();
        let parity = parity(&mut encoder, &sources, 0..r);

        let mut order: Vec<usize> = (0..k + r).collect();
        let mut random = noise(!seed);
        order.sort_by_cached_key(|_| random.next());
        let mut kept_sources = Vec::new();
        let mut kept_parity = Vec::new();
        for &index in &order[..k] {
            if index < k {
                kept_sources.push((index, sources[index].clone()));
            } else {
                kept_parity.push(parity[index - k].clone());
            }
        }

        let mut decoder = Decoder::new(codec, symbol_bytes, k + beyond).unwrap();
        let restored = restore(&mut decoder, k, &kept_sources, &kept_parity).unwrap();
        let mut missing: Vec<usize> = order[k..].iter().copied().filter(|&index| index < k).collect();
        missing.sort_unstable();
        prop_assert!(restored.iter().map(|(index, _)| *index).eq(missing));
        for (index, symbol) in restored {
            let (bytes, padding) = symbol.split_at(sources[index].len());
            prop_assert_eq!(bytes, &sources[index][..]);
            prop_assert!(padding.iter().all(|&byte| byte == 0));
        }

        if kept_parity.pop().is_some() {
            let got = restore(&mut decoder, k, &kept_sources, &kept_parity);
            prop_assert_eq!(got, Err(FecError::TooFew { limit: k, got: k - 1 }));
        }
    }

    /// Parity made at once, in pieces, or after other blocks is the same.
    #[test]
    fn parity_is_prefix_stable(
        codec in any_codec(), k in 1..70usize,
        cuts in proptest::collection::vec(0..150usize, 1..5), seed: u64,
    ) {
        let sources = block(k, 64, seed);
        let encoder = || Encoder::new(codec, 64, 100).unwrap();
        let whole = parity(&mut encoder(), &sources, 0..150);
        let mut encoder = encoder();
        for pair in cuts.windows(2) {
            let (from, to) = (pair[0].min(pair[1]), pair[0].max(pair[1]));
            prop_assert_eq!(&parity(&mut encoder, &sources, from..to)[..], &whole[from..to]);
            parity(&mut encoder, &block(cuts[0] % 100 + 1, 64, !seed), 0..3);
        }
    }
}

#[test]
fn work_space_serves_blocks_of_all_lengths() {
    let mut encoder = encoder(128);
    let mut decoder = decoder(128);
    for k in [512, 1, 300, 513, 2, 64] {
        let sources = block(k, 128, k as u64);
        let parity = parity(&mut encoder, &sources, 0..k.min(40));
        let kept: Vec<_> = sources
            .iter()
            .cloned()
            .enumerate()
            .skip(parity.len())
            .collect();
        let restored = restore(&mut decoder, k, &kept, &parity).unwrap();
        let lost: Vec<_> = sources.into_iter().enumerate().take(parity.len()).collect();
        assert!(restored == lost, "block of {k}");
    }
}

#[test]
fn a_block_of_one_symbol_is_repeated() {
    let sources = block(1, 64, 7);
    let parity = parity(&mut encoder(64), &sources, 0..3);
    assert!(parity.iter().all(|(_, symbol)| *symbol == sources[0]));
    let mut decoder = decoder(64);
    let restored = restore(&mut decoder, 1, &[], &parity[2..]).unwrap();
    assert_eq!(restored, [(0, sources[0].clone())]);
}

#[test]
fn the_longest_block_and_the_last_parity_work() {
    let k = CODEC.max_block_len();
    let last = CODEC.max_parity(k) - 1;
    assert_eq!(k + last, usize::from(u16::MAX));
    let sources = block(k, 2, 1);
    let parity = parity(&mut encoder(2), &sources, last..last + 1);
    let kept: Vec<_> = sources.iter().cloned().enumerate().skip(1).collect();
    let mut decoder = decoder(2);
    assert_eq!(
        restore(&mut decoder, k, &kept, &parity),
        Ok(vec![(0, sources[0].clone())])
    );
    let beyond = [(last + 1, vec![0; 2])];
    let refused = FecError::Parity {
        limit: last + 1,
        got: last + 2,
    };
    assert_eq!(restore(&mut decoder, k, &kept, &beyond), Err(refused));
}

#[test]
fn nothing_missing_restores_nothing() {
    let sources: Vec<_> = block(5, 64, 3).into_iter().enumerate().collect();
    let mut decoder = decoder(64);
    assert_eq!(restore(&mut decoder, 5, &sources, &[]), Ok(vec![]));
}

#[test]
fn surplus_parity_with_a_high_index_is_left_alone() {
    let sources = block(4, 64, 3);
    let parity = parity(&mut encoder(64), &sources, 0..4_000);
    let kept: Vec<_> = sources.iter().cloned().enumerate().skip(1).collect();
    let mut decoder = decoder(64);
    let some = [parity[3_999].clone(), parity[2].clone()];
    let restored = restore(&mut decoder, 4, &kept, &some).unwrap();
    assert_eq!(restored, [(0, sources[0].clone())]);
}

#[test]
fn misuse_is_refused_and_does_not_linger() {
    assert_eq!(
        Encoder::new(CODEC, 0, 3).unwrap_err(),
        FecError::SymbolBytes { unit: 2, got: 0 }
    );
    assert_eq!(
        Decoder::new(CODEC, 63, 3).unwrap_err(),
        FecError::SymbolBytes { unit: 2, got: 63 }
    );
    let mut encoder = encoder(64);
    let mut make = |sources: &[Vec<u8>], end| {
        encoder.parity(sources.iter().map(Vec::as_slice), 0..end, |_, _| {})
    };
    let limit = CODEC.max_block_len();
    assert_eq!(make(&[], 1), Err(FecError::BlockLen { limit, got: 0 }));
    let long = vec![vec![0; 64]; limit + 1];
    assert_eq!(
        make(&long, 1),
        Err(FecError::BlockLen {
            limit,
            got: limit + 1
        })
    );
    let limit = CODEC.max_parity(CODEC.max_block_len());
    let three = block(3, 64, 1);
    assert_eq!(
        make(&three, limit + 1),
        Err(FecError::Parity {
            limit,
            got: limit + 1
        })
    );
    assert_eq!(
        make(&block(3, 65, 1), 1),
        Err(FecError::SymbolLength { limit: 64, got: 65 })
    );
    assert_eq!(make(&three, 2), Ok(()));

    let mut decoder = decoder(64);
    let mut give = |sources: &[(usize, Vec<u8>)], parity: &[(usize, Vec<u8>)]| {
        restore(&mut decoder, 3, sources, parity)
    };
    let symbol = || three[0].clone();
    assert_eq!(
        give(&[(3, symbol())], &[]),
        Err(FecError::SourceIndex { limit: 3, got: 3 })
    );
    assert_eq!(
        give(&[(0, symbol()), (0, symbol())], &[]),
        Err(FecError::Duplicate { index: 0 })
    );
    let twice = [(1, symbol()), (1, symbol()), (2, symbol())];
    assert_eq!(give(&[], &twice), Err(FecError::Duplicate { index: 1 }));
    let stub = [(0, vec![0; 62]), (1, symbol()), (2, symbol())];
    assert_eq!(
        give(&[], &stub),
        Err(FecError::SymbolLength { limit: 64, got: 62 })
    );
    assert_eq!(
        give(&[], &[(usize::MAX, symbol())]),
        Err(FecError::Parity {
            limit,
            got: usize::MAX
        })
    );
    let good: Vec<_> = three.iter().cloned().enumerate().collect();
    assert_eq!(give(&good, &[]), Ok(vec![]));
}

/// The code must stay what receivers in the field decode: a change of the
/// library that alters parity has to become another codec.
#[test]
fn parity_is_what_it_has_always_been() {
    let sources: Vec<Vec<u8>> = (0..5u8)
        .map(|symbol| {
            (0..64u8)
                .map(|byte| symbol.wrapping_mul(31).wrapping_add(byte))
                .collect()
        })
        .collect();
    let parity = parity(&mut encoder(64), &sources, 0..9);
    // FNV-1a of each symbol.
    let sums: Vec<u32> = parity
        .iter()
        .map(|(_, symbol)| {
            symbol.iter().fold(0x811c_9dc5, |hash: u32, &byte| {
                (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
            })
        })
        .collect();
    assert_eq!(
        sums,
        [
            0x8997_10df,
            0x31fc_5108,
            0x0e77_97df,
            0xcf8f_dcfe,
            0x0a05_36d5,
            0x29a4_d009,
            0xf35d_5ac8,
            0xfaa5_57fe,
            0x9856_f4ec
        ]
    );
}

#[test]
fn codecs_are_found_by_name_and_by_number() {
    for codec in Codec::ALL {
        assert_eq!(Codec::from_name(codec.name()), Some(codec));
        assert_eq!(Codec::from_fec_instance(codec.fec_instance()), Some(codec));
    }
    assert_eq!(Codec::from_name("gf16-high"), None);
    assert_eq!(Codec::from_fec_instance(1), None);
    assert_eq!(CODEC.max_parity(0), 0);
    assert_eq!(CODEC.max_parity(1), 65_535);
    assert_eq!(CODEC.max_parity(300), 65_024);
    assert_eq!(CODEC.max_parity(CODEC.max_block_len() + 1), 0);
}

#[test]
fn few_and_many_missing_sources_are_restored_alike() {
    let (k, width) = (200, 128);
    let sources: Vec<Vec<u8>> = (0..k)
        .map(|i| (0..width).map(|b| (i * 31 + b * 7 + i * b) as u8).collect())
        .collect();
    let mut parity = Vec::new();
    encoder(width)
        .parity(sources.iter().map(Vec::as_slice), 0..90, |_, p| {
            parity.push(p.to_vec())
        })
        .unwrap();
    let mut decoder = decoder(width);
    // 48 is the most that are solved for; beyond, the general decoder works.
    for missing in [1, 2, 17, 47, 48, 49, 80] {
        let present = sources
            .iter()
            .enumerate()
            .skip(missing)
            .map(|(i, s)| (i, s.as_slice()));
        // Parity as it may arrive: not from the first, and out of order.
        let held = parity
            .iter()
            .enumerate()
            .skip(5)
            .rev()
            .map(|(i, p)| (i, p.as_slice()));
        let mut restored = Vec::new();
        decoder
            .restore(k, present, held, |i, symbol| {
                restored.push((i, symbol.to_vec()))
            })
            .unwrap();
        let wanted: Vec<_> = sources.iter().cloned().enumerate().take(missing).collect();
        assert_eq!(restored, wanted, "{missing} missing");
    }
}
