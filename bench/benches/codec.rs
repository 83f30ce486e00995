//! The NORM codec where it runs per packet: DATA headers on both sides, NACKs
//! at the sender.
//!
//! `cargo bench -p linecast-bench --bench codec`

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use linecast_bench::count::data_header;
use linecast_protocol::wire::{
    DATA_HEADER_BYTES, DataHeader, Level, Message, Nack, Patch, PayloadId, RequestBuilder,
    Requests, Timestamp, patch_data,
};

const SYMBOL_BYTES: usize = 1408;

fn data(criterion: &mut Criterion) {
    let header = data_header(4711);
    let mut packet = [0x5a; DATA_HEADER_BYTES + SYMBOL_BYTES];
    header.emit(packet.first_chunk_mut().unwrap());
    let mut bare = packet.to_vec();
    header.emit_bare(bare.first_chunk_mut().unwrap());

    let mut group = criterion.benchmark_group("data");
    group.throughput(Throughput::Elements(1));
    group.bench_function("parse", |bencher| {
        bencher.iter(|| DataHeader::parse(black_box(&packet)));
    });
    group.bench_function("parse without FTI", |bencher| {
        bencher.iter(|| DataHeader::parse(black_box(&bare)));
    });
    group.bench_function("emit", |bencher| {
        let mut out = [0; DATA_HEADER_BYTES];
        bencher.iter(|| black_box(&header).emit(black_box(&mut out)));
    });
    group.bench_function("patch", |bencher| {
        let patch = Patch::new(1, 0x14, &header.sender);
        bencher.iter(|| patch_data(black_box(&mut packet), black_box(patch)));
    });
    group.finish();
}

fn nack(criterion: &mut Criterion) {
    // A full NACK of a receiver that lacks a few symbols in each of 57 blocks.
    let mut requests = Vec::new();
    let mut builder = RequestBuilder::new(&mut requests, SYMBOL_BYTES);
    let parity = |sbn, esi| PayloadId {
        sbn,
        block_len: 512,
        esi,
    };
    let mut blocks = 0;
    while builder.push_range(Level::SEGMENT, 3, parity(blocks, 512), parity(blocks, 515)) {
        blocks += 1;
    }
    let nack = Nack {
        sequence: 1,
        source_id: 0x0a4d_0002,
        server_id: 0x0a4d_0001,
        instance_id: 0xbeef,
        grtt_response: Timestamp { sec: 1, usec: 2 },
        auth: None,
        cc: None,
        requests: Requests::parse(&requests).unwrap(),
    };
    let mut bytes = Vec::new();
    nack.emit(&mut bytes);

    let mut group = criterion.benchmark_group("nack");
    group.throughput(Throughput::Elements(u64::from(blocks)));
    group.bench_function("parse and visit every range", |bencher| {
        bencher.iter(|| match Message::parse(black_box(&bytes)) {
            Ok(Message::Nack(nack)) => nack
                .requests
                .iter()
                .flat_map(|request| request.spans())
                .map(|(first, last)| u32::from(last.1.esi - first.1.esi))
                .sum::<u32>(),
            other => panic!("{other:?}"),
        });
    });
    group.bench_function("build", |bencher| {
        bencher.iter_batched_ref(
            || Vec::with_capacity(SYMBOL_BYTES),
            |out| {
                let mut builder = RequestBuilder::new(out, SYMBOL_BYTES);
                let mut sbn = 0;
                while builder.push_range(Level::SEGMENT, 3, parity(sbn, 512), parity(sbn, 515)) {
                    sbn += 1;
                }
            },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, data, nack);
criterion_main!(benches);
