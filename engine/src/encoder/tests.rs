use super::*;
use crate::image::Image;
use linecast_protocol::hex;
use linecast_protocol::offer::{DESCRIPTOR_SCHEMA, Descriptor};
use linecast_protocol::wire::DATA_HEADER_BYTES;
use std::fs;

const SYMBOL: usize = 64;
const BLOCK: u16 = 10;
/// Two blocks, the last symbol short.
const SIZE: usize = 19 * SYMBOL + 5;

/// An encoder of an image, and the image.
fn encoder(dir: &tempfile::TempDir) -> (Encoder, Vec<u8>) {
    let bytes: Vec<u8> = (0..SIZE).map(|i| (i * 7 + i / 256) as u8).collect();
    let path = dir.path().join("image");
    fs::write(&path, &bytes).unwrap();
    let image = Image::open(&path).unwrap();
    let hash = image.hash(1).unwrap();
    let descriptor = Descriptor {
        schema: DESCRIPTOR_SCHEMA.into(),
        session: hex(&[1; 16]),
        session_key: hex(&[2; 32]),
        symbol_bytes: SYMBOL as u16,
        block_symbols: BLOCK,
        codec: Codec::Gf8.name().into(),
        num_parity: 20,
        lanes: 1,
        window_packets: 100,
    };
    let shape = SessionShape::new(&descriptor, hash.size, hash.root).unwrap();
    let header = HeaderFields {
        source_id: 1,
        instance_id: 2,
        codec: Codec::Gf8,
    };
    let (_, orders) = crossbeam_channel::bounded(1);
    let encoder = Encoder::new(
        Source::new(image, &hash, shape),
        header,
        TrainPool::new(1 << 20, DATA_HEADER_BYTES + SYMBOL),
        Arc::new(Shared::default()),
        orders,
        Vec::new(),
    );
    (encoder.unwrap(), bytes)
}

/// What is sent when symbols from `first` on are asked for, by their numbers.
fn repair(encoder: &mut Encoder, sbn: u32, first: u16, count: u16) -> Vec<(u16, Vec<u8>)> {
    let order = RepairOrder {
        toi: IMAGE_TOI,
        sbn,
        first,
        count,
    };
    let batch = encoder.encode_repair(order, true).unwrap();
    let packets = batch.packets().map(|packet| {
        let (header, offset) = DataHeader::parse(packet).unwrap();
        assert_eq!((header.id.sbn, header.id.block_len), (sbn, BLOCK));
        (header.id.esi, packet[offset..].to_vec())
    });
    packets.collect()
}

#[test]
fn sources_are_sent_as_they_are_from_any_of_them_on() {
    let dir = tempfile::tempdir().unwrap();
    let (mut encoder, bytes) = encoder(&dir);
    let block = &bytes[BLOCK as usize * SYMBOL..];
    let wanted: Vec<_> = (3..).zip(block.chunks(SYMBOL).skip(3)).collect();
    let sent = repair(&mut encoder, 1, 3, BLOCK - 3);
    let sent: Vec<_> = sent
        .iter()
        .map(|(esi, symbol)| (*esi, &symbol[..]))
        .collect();
    assert_eq!(sent, wanted);
    assert_eq!(sent.last().unwrap().1.len(), 5);
}

#[test]
fn parity_alone_is_that_of_the_whole_block_and_kept_for_later() {
    let dir = tempfile::tempdir().unwrap();
    let (mut encoder, bytes) = encoder(&dir);
    let block = &bytes[BLOCK as usize * SYMBOL..];
    let mut wanted = Vec::new();
    let mut fec = Fec::new(Codec::Gf8, SYMBOL, BLOCK.into()).unwrap();
    fec.parity(block.chunks(SYMBOL), 0..20, |index, symbol| {
        wanted.push((BLOCK + index as u16, symbol.to_vec()));
    })
    .unwrap();
    assert_eq!(repair(&mut encoder, 1, BLOCK, 2), wanted[..2]);
    // Computed with the two before: nothing is read for it.
    fs::write(dir.path().join("image"), b"changed").unwrap();
    assert_eq!(repair(&mut encoder, 1, BLOCK + 2, 1), wanted[2..3]);
}

#[test]
fn sources_and_parity_of_one_order_follow_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let (mut encoder, bytes) = encoder(&dir);
    let sent = repair(&mut encoder, 0, 8, 4);
    let numbers: Vec<_> = sent.iter().map(|(esi, _)| *esi).collect();
    assert_eq!(numbers, [8, 9, 10, 11]);
    assert_eq!(sent[0].1, bytes[8 * SYMBOL..9 * SYMBOL]);
    assert!(sent.iter().all(|(_, symbol)| symbol.len() == SYMBOL));
}
