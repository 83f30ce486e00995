//! What [`Codec::Gf8`] promises beyond every codec: its very bytes, and its
//! limits.

mod common;

use common::{Symbol, block, noise, parity, restore};
use linecast_fec::{Codec, Decoder, Encoder, FecError};
use proptest::prelude::*;

fn encoder(symbol_bytes: usize, k: usize) -> Encoder {
    Encoder::new(Codec::Gf8, symbol_bytes, k).unwrap()
}

fn decoder(symbol_bytes: usize, k: usize) -> Decoder {
    Decoder::new(Codec::Gf8, symbol_bytes, k).unwrap()
}

/// What is kept of a block if the symbols of `lost` are not, sources first.
fn kept(
    sources: &[Vec<u8>],
    parity: &[Symbol],
    is_lost: impl Fn(usize) -> bool,
) -> [Vec<Symbol>; 2] {
    let sources_kept = sources.iter().cloned().enumerate();
    let sources_kept = sources_kept.filter(|&(index, _)| !is_lost(index));
    let parity_kept = parity.iter().cloned();
    let parity_kept = parity_kept.filter(|&(index, _)| !is_lost(sources.len() + index));
    [sources_kept.collect(), parity_kept.collect()]
}

#[test]
fn parity_is_that_of_nrl_norm() {
    let vectors = [
        include_str!("golden/k1-r5-len1.txt"),
        include_str!("golden/k20-r10-len20.txt"),
        include_str!("golden/k20-r10-len13.txt"),
        include_str!("golden/k64-r16-len64.txt"),
        include_str!("golden/k64-r16-len1.txt"),
        include_str!("golden/k200-r55-len200.txt"),
        include_str!("golden/k200-r55-len199.txt"),
        include_str!("golden/k128-r127-len128.txt"),
        include_str!("golden/k254-r1-len254.txt"),
    ];
    for vector in vectors {
        let (head, rows) = vector.split_once('\n').unwrap();
        let head: Vec<usize> = head.split(' ').map(|n| n.parse().unwrap()).collect();
        let [k, r, block_len, bytes] = head[..] else {
            panic!("{head:?}")
        };
        let byte = |s: usize, b: usize| ((s * 31 + b * 7 + s * b * 3 + 11) / 2) as u8;
        let sources: Vec<Vec<u8>> = (0..block_len)
            .map(|s| (0..bytes).map(|b| byte(s, b)).collect())
            .collect();
        let made = parity(&mut encoder(bytes, k), &sources, 0..r);
        assert_eq!(rows.lines().count(), r);
        for (line, (index, symbol)) in rows.lines().zip(made) {
            let hex: String = symbol.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(line, hex, "k {k}, block of {block_len}, parity {index}");
        }
    }
}

/// Rizzo's matrices, as written: powers of the points, systematic by the
/// inverse of the top rows.
mod rizzo {
    pub(super) fn mul(x: u8, y: u8) -> u8 {
        let carry = |x: u8| (x << 1) ^ if x & 0x80 != 0 { 0x1d } else { 0 };
        let (mut product, mut shifted) = (0, x);
        for bit in 0..8 {
            if y >> bit & 1 != 0 {
                product ^= shifted;
            }
            shifted = carry(shifted);
        }
        product
    }

    fn power(x: u8, n: usize) -> u8 {
        (0..n).fold(1, |product, _| mul(product, x))
    }

    /// `[255 - k × k]`: the rows of the parity.
    pub(super) fn generator(k: usize) -> Vec<Vec<u8>> {
        let point = |row: usize| match row {
            0 => 0,
            _ => power(2, row - 1),
        };
        let vandermonde = |row: usize| -> Vec<u8> {
            let x = point(row);
            std::iter::successors(Some(1), |&y| Some(mul(y, x)))
                .take(k)
                .collect()
        };
        let inverse = invert((0..k).map(vandermonde).collect());
        let row = |row: Vec<u8>| -> Vec<u8> {
            let entry = |column: usize| {
                let terms = row.iter().zip(&inverse);
                terms.fold(0, |sum, (&x, inverse)| sum ^ mul(x, inverse[column]))
            };
            (0..k).map(entry).collect()
        };
        (k..255).map(|index| row(vandermonde(index))).collect()
    }

    fn invert(mut matrix: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let k = matrix.len();
        for (index, row) in matrix.iter_mut().enumerate() {
            row.resize(2 * k, 0);
            row[k + index] = 1;
        }
        for column in 0..k {
            let pivot = (column..k).find(|&row| matrix[row][column] != 0).unwrap();
            matrix.swap(column, pivot);
            let scale = power(matrix[column][column], 254);
            matrix[column].iter_mut().for_each(|x| *x = mul(*x, scale));
            let pivot = matrix[column].clone();
            for (index, row) in matrix.iter_mut().enumerate() {
                let factor = row[column];
                if index != column && factor != 0 {
                    for (x, &y) in row.iter_mut().zip(&pivot) {
                        *x ^= mul(y, factor);
                    }
                }
            }
        }
        matrix.into_iter().map(|row| row[k..].to_vec()).collect()
    }
}

/// Sources that are the unit vectors make the matrix visible.
#[test]
fn the_generator_is_the_one_that_rizzo_writes() {
    for k in [1, 2, 3, 20, 64, 127, 254] {
        let units: Vec<Vec<u8>> = (0..k)
            .map(|source| (0..k).map(|byte| u8::from(byte == source)).collect())
            .collect();
        let made = parity(&mut encoder(k, k), &units, 0..255 - k);
        let rows: Vec<Vec<u8>> = made.into_iter().map(|(_, symbol)| symbol).collect();
        assert!(rows == rizzo::generator(k), "k {k}");
    }
}

#[test]
fn every_block_length_survives_the_loss_of_as_much_as_there_is_parity() {
    for k in 1..=255 {
        let sources = block(k, 3, k as u64);
        let parity = parity(&mut encoder(3, k), &sources, 0..255 - k);
        let mut order: Vec<usize> = (0..255).collect();
        let mut random = noise(k as u64);
        order.sort_by_cached_key(|_| random.next());
        let lost = &order[k..];
        let [held, parity] = kept(&sources, &parity, |index| lost.contains(&index));
        let restored = restore(&mut decoder(3, k), k, &held, &parity).unwrap();
        let wanted: Vec<Symbol> = sources.into_iter().enumerate().collect();
        assert!(
            restored
                .into_iter()
                .eq(wanted.into_iter().filter(|(index, _)| lost.contains(index))),
            "k {k}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Blocks of all lengths, up to the longest, with sources of all lengths,
    /// lose as many symbols as there is parity.
    #[test]
    fn any_loss_up_to_the_parity_is_made_good(
        k in 1..=255usize, shorter in 0..255usize, r in 0..=255usize,
        symbol_bytes in prop_oneof![Just(64usize), 1..200usize],
        shorts in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 0..4),
        seed: u64,
    ) {
        let (block_len, r) = (k - shorter % k, r.min(255 - k));
        let mut sources = block(block_len, symbol_bytes, seed);
        for (source, len) in shorts {
            sources[source.index(block_len)].truncate(len.index(symbol_bytes + 1));
        }
        let parity = parity(&mut encoder(symbol_bytes, k), &sources, 0..r);
        let mut order: Vec<usize> = (0..block_len + r).collect();
        let mut random = noise(!seed);
        order.sort_by_cached_key(|_| random.next());
        let lost = &order[block_len..];
        let [mut held, parity] = kept(&sources, &parity, |index| lost.contains(&index));
        held.reverse();
        let restored = restore(&mut decoder(symbol_bytes, k), block_len, &held, &parity).unwrap();
        let missing: Vec<usize> = (0..block_len).filter(|index| lost.contains(index)).collect();
        prop_assert!(restored.iter().map(|(index, _)| *index).eq(missing));
        for (index, symbol) in restored {
            let mut wanted = sources[index].clone();
            wanted.resize(symbol_bytes, 0);
            prop_assert_eq!(symbol, wanted);
        }
    }

    /// Whatever is given, the decoder answers.
    #[test]
    fn bad_input_is_refused_without_panic(
        k in 0..260usize, block_len in 0..260usize, symbol_bytes in 0..4usize,
        sources in proptest::collection::vec((0..260usize, 0..5usize), 0..6),
        held in proptest::collection::vec((prop_oneof![0..260usize, Just(usize::MAX)], 0..5usize), 0..6),
    ) {
        let symbols = |lens: &[(usize, usize)]| -> Vec<Symbol> {
            lens.iter().map(|&(index, len)| (index, vec![1; len])).collect()
        };
        if let Ok(mut decoder) = Decoder::new(Codec::Gf8, symbol_bytes, k) {
            _ = restore(&mut decoder, block_len, &symbols(&sources), &symbols(&held));
        }
        if let Ok(mut encoder) = Encoder::new(Codec::Gf8, symbol_bytes, k) {
            let sources = symbols(&sources);
            let sources = sources.iter().map(|(_, symbol)| &symbol[..]);
            _ = encoder.parity(sources, 0..block_len, |_, _| {});
        }
    }
}

#[test]
fn the_code_depends_on_the_longest_block_and_not_on_this_one() {
    let sources = block(13, 64, 5);
    let mut padded = sources.clone();
    padded.resize(20, vec![0; 64]);
    let shortened = parity(&mut encoder(64, 20), &sources, 0..10);
    assert_eq!(shortened, parity(&mut encoder(64, 20), &padded, 0..10));
    assert_ne!(shortened, parity(&mut encoder(64, 13), &sources, 0..10));
}

#[test]
fn a_longest_block_of_255_has_no_parity() {
    assert_eq!(Codec::Gf8.max_parity(255), 0);
    assert_eq!(Codec::Gf8.max_parity(254), 1);
    assert_eq!(Codec::Gf8.max_parity(1), 254);
    assert_eq!(Codec::Gf8.max_parity(256), 0);
    let sources = block(255, 64, 2);
    assert_eq!(parity(&mut encoder(64, 255), &sources, 0..0), []);
    let held: Vec<Symbol> = sources.into_iter().enumerate().collect();
    let mut decoder = decoder(64, 255);
    assert_eq!(restore(&mut decoder, 255, &held, &[]), Ok(vec![]));
    let few = FecError::TooFew {
        limit: 255,
        got: 254,
    };
    assert_eq!(restore(&mut decoder, 255, &held[1..], &[]), Err(few));
}

#[test]
fn sizes_that_the_codec_does_not_have_are_refused() {
    let unit = FecError::SymbolBytes { unit: 1, got: 0 };
    assert_eq!(Encoder::new(Codec::Gf8, 0, 9).unwrap_err(), unit);
    assert_eq!(Decoder::new(Codec::Gf8, 0, 9).unwrap_err(), unit);
    for got in [0, 256] {
        let long = FecError::BlockLen { limit: 255, got };
        assert_eq!(Encoder::new(Codec::Gf8, 1, got).unwrap_err(), long);
        assert_eq!(Decoder::new(Codec::Gf8, 1, got).unwrap_err(), long);
    }
}

#[test]
fn misuse_of_an_encoder_is_refused_and_does_not_linger() {
    let mut encoder = encoder(64, 4);
    let mut make = |sources: &[Vec<u8>], range: std::ops::Range<usize>| {
        encoder.parity(sources.iter().map(Vec::as_slice), range, |_, _| {})
    };
    let four = block(4, 64, 1);
    let refused = |got| Err(FecError::BlockLen { limit: 4, got });
    assert_eq!(make(&[], 0..1), refused(0));
    assert_eq!(make(&block(5, 64, 1), 0..1), refused(5));
    let (limit, got) = (251, 252);
    assert_eq!(make(&four, 251..252), Err(FecError::Parity { limit, got }));
    let (limit, got) = (64, 65);
    assert_eq!(
        make(&block(2, 65, 1), 0..1),
        Err(FecError::SymbolLength { limit, got })
    );
    assert_eq!(make(&four, 0..251), Ok(()));
}

#[test]
fn misuse_of_a_decoder_is_refused_and_does_not_linger() {
    let three = block(3, 64, 1);
    let parity = parity(&mut encoder(64, 4), &three, 0..3);
    let mut decoder = decoder(64, 4);
    let mut give =
        |sources: &[Symbol], parity: &[Symbol]| restore(&mut decoder, 3, sources, parity);
    let source = |index: usize| (index, three[0].clone());
    assert_eq!(
        give(&[source(3)], &[]),
        Err(FecError::SourceIndex { limit: 3, got: 3 })
    );
    assert_eq!(
        give(&[source(0), source(0)], &[]),
        Err(FecError::Duplicate { index: 0 })
    );
    let twice = [parity[1].clone(), parity[1].clone(), parity[2].clone()];
    assert_eq!(give(&[], &twice), Err(FecError::Duplicate { index: 1 }));
    let stub = [(0, vec![0; 62]), parity[1].clone(), parity[2].clone()];
    let stubby = Err(FecError::SymbolLength { limit: 64, got: 62 });
    assert_eq!(give(&[], &stub), stubby);
    let long = Err(FecError::SymbolLength { limit: 64, got: 65 });
    assert_eq!(give(&[(0, vec![0; 65])], &parity), long);
    for index in [251, usize::MAX] {
        let (limit, got) = (251, index.saturating_add(1));
        assert_eq!(
            give(&[], &[(index, vec![0; 64])]),
            Err(FecError::Parity { limit, got })
        );
    }
    assert_eq!(
        give(&[source(0)], &parity[..1]),
        Err(FecError::TooFew { limit: 3, got: 2 })
    );
    let all: Vec<Symbol> = three.iter().cloned().enumerate().collect();
    assert_eq!(give(&[], &parity), Ok(all.clone()));
    assert_eq!(give(&all, &parity), Ok(vec![]));
    let long = FecError::BlockLen { limit: 4, got: 5 };
    assert_eq!(restore(&mut decoder, 5, &all, &parity), Err(long));
}
