//! Erasure coding of one block of 512 symbols of 1,408 bytes, one thread.
//! Throughput counts the bytes of the block's sources.
//!
//! `cargo bench -p linecast-bench --bench fec`

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use linecast_fec::{Codec, Decoder, Encoder};

const BLOCK_LEN: usize = 512;
const SYMBOL_BYTES: usize = 1408;

fn sources() -> Vec<Vec<u8>> {
    let byte = |index: usize| (index.wrapping_mul(0x9e37_79b9) >> 13) as u8;
    (0..BLOCK_LEN)
        .map(|symbol| {
            (0..SYMBOL_BYTES)
                .map(|at| byte(symbol * SYMBOL_BYTES + at))
                .collect()
        })
        .collect()
}

fn encode(criterion: &mut Criterion) {
    let sources = sources();
    let mut encoder = Encoder::new(Codec::Gf16Low, SYMBOL_BYTES).unwrap();
    let mut group = criterion.benchmark_group("encode");
    group.throughput(Throughput::Bytes((BLOCK_LEN * SYMBOL_BYTES) as u64));
    for count in [1, 26, 128, 512, 1024] {
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

fn decode(criterion: &mut Criterion) {
    let sources = sources();
    let mut parity = Vec::new();
    Encoder::new(Codec::Gf16Low, SYMBOL_BYTES)
        .unwrap()
        .parity(
            sources.iter().map(Vec::as_slice),
            0..1_024,
            |index, symbol| {
                parity.push((index, symbol.to_vec()));
            },
        )
        .unwrap();
    let mut decoder = Decoder::new(Codec::Gf16Low, SYMBOL_BYTES).unwrap();
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Bytes((BLOCK_LEN * SYMBOL_BYTES) as u64));
    // Sources lost, and the first parity index that arrived.
    for (lost, first) in [
        (1, 0),
        (5, 0),
        (26, 0),
        (48, 0),
        (49, 0),
        (128, 0),
        (512, 0),
        (26, 512),
    ] {
        let name = format!("{lost} lost, parity from {first}");
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| {
                let kept = sources.iter().map(Vec::as_slice).enumerate().skip(lost);
                let parity = parity[first..first + lost].iter();
                let parity = parity.map(|(index, symbol)| (*index, symbol.as_slice()));
                decoder.restore(BLOCK_LEN, kept, parity, |_, symbol| {
                    black_box(symbol);
                })
            });
        });
    }
    group.finish();
}

criterion_group!(benches, encode, decode);
criterion_main!(benches);
