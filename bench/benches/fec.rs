//! Erasure coding of one block of symbols of 1,408 bytes, one thread: blocks
//! of 512 over GF(2^16), of 200 over GF(2^8). Throughput counts the bytes of
//! the block's sources.
//!
//! `cargo bench -p linecast-bench --bench fec`

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use linecast_fec::{Codec, Decoder, Encoder};

const SYMBOL_BYTES: usize = 1408;

/// A codec at the block length that it is used with.
struct Case {
    codec: Codec,
    block_len: usize,
    /// Parity symbols to make.
    made: &'static [usize],
    /// Sources lost, and the first parity index that arrived. The first three
    /// are 1, 5 and 20 % of the block.
    lost: &'static [(usize, usize)],
}

const CASES: [Case; 2] = [
    Case {
        codec: Codec::Gf16Low,
        block_len: 512,
        made: &[1, 26, 128, 512, 1024],
        lost: &[
            (5, 0),
            (26, 0),
            (102, 0),
            (1, 0),
            (48, 0),
            (49, 0),
            (128, 0),
            (512, 0),
            (26, 512),
        ],
    },
    Case {
        codec: Codec::Gf8,
        block_len: 200,
        made: &[1, 2, 10, 40, 55],
        lost: &[(2, 0), (10, 0), (40, 0), (1, 0), (55, 0), (10, 45)],
    },
];

impl Case {
    fn sources(&self) -> Vec<Vec<u8>> {
        let byte = |index: usize| (index.wrapping_mul(0x9e37_79b9) >> 13) as u8;
        (0..self.block_len)
            .map(|symbol| {
                (0..SYMBOL_BYTES)
                    .map(|at| byte(symbol * SYMBOL_BYTES + at))
                    .collect()
            })
            .collect()
    }

    fn encoder(&self) -> Encoder {
        Encoder::new(self.codec, SYMBOL_BYTES, self.block_len).unwrap()
    }

    fn throughput(&self) -> Throughput {
        Throughput::Bytes((self.block_len * SYMBOL_BYTES) as u64)
    }
}

fn encode(criterion: &mut Criterion) {
    for case in &CASES {
        let sources = case.sources();
        let mut encoder = case.encoder();
        let mut group = criterion.benchmark_group(format!("encode {}", case.codec.name()));
        group.throughput(case.throughput());
        for &count in case.made {
            group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
                bencher.iter(|| {
                    let sources = black_box(&sources).iter().map(Vec::as_slice);
                    encoder.parity(sources, 0..count, |_, symbol| {
                        black_box(symbol);
                    })
                });
            });
        }
        group.finish();
    }
}

fn decode(criterion: &mut Criterion) {
    for case in &CASES {
        let sources = case.sources();
        let ends = case.lost.iter().map(|(lost, first)| lost + first);
        let mut parity = Vec::new();
        case.encoder()
            .parity(
                sources.iter().map(Vec::as_slice),
                0..ends.max().unwrap_or(0),
                |index, symbol| parity.push((index, symbol.to_vec())),
            )
            .unwrap();
        let mut decoder = Decoder::new(case.codec, SYMBOL_BYTES, case.block_len).unwrap();
        let mut group = criterion.benchmark_group(format!("decode {}", case.codec.name()));
        group.throughput(case.throughput());
        for &(lost, first) in case.lost {
            let name = format!("{lost} lost, parity from {first}");
            group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
                bencher.iter(|| {
                    let kept = sources.iter().map(Vec::as_slice).enumerate().skip(lost);
                    let parity = parity[first..first + lost].iter();
                    let parity = parity.map(|(index, symbol)| (*index, symbol.as_slice()));
                    decoder.restore(case.block_len, kept, parity, |_, symbol| {
                        black_box(symbol);
                    })
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, encode, decode);
criterion_main!(benches);
