use super::*;
use crate::staging::Staging;
use crate::symbols::{Bytes, Symbols};
use crate::target::Target;
use linecast_fec::Encoder;
use linecast_protocol::receiver::Blocks;
use std::collections::BTreeMap;

const CODEC: Codec = Codec::Gf8;
const SYMBOL: usize = 1_408;
const LEAVES: u64 = 12;
const BLOCK_MAX: u16 = 100;

fn layout() -> ObjectLayout {
    ObjectLayout::new(LEAVES * tree::LEAF_BYTES, SYMBOL as u16, BLOCK_MAX).unwrap()
}

fn byte(offset: u64) -> u8 {
    (offset.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

/// A staging of the image, filled.
fn staging() -> (tempfile::TempDir, Staging) {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::open(dir.path()).unwrap();
    let mut staging = Staging::reserve(&target, [7; 32], layout().size(), SYMBOL).unwrap();
    let image = staging.bytes_mut(0..layout().size()).unwrap();
    image.iter_mut().zip(0..).for_each(|(b, i)| *b = byte(i));
    (dir, staging)
}

fn hash_all(workers: &mut Workers, staging: &mut Staging) -> BTreeMap<u64, [u8; 32]> {
    let mut hashes = BTreeMap::new();
    for leaf in 0..LEAVES {
        let loan = staging.lend(tree::leaf_range(layout().size(), leaf));
        workers.give(Task::Hash(leaf, loan.unwrap()), leaf % 4 > 0);
    }
    while let Some(outcome) = workers.wait() {
        let Outcome::Hashed(leaf, hash, loan) = outcome else {
            panic!("nothing else was given")
        };
        staging.take_back(loan);
        assert!(hashes.insert(leaf, hash.unwrap()).is_none(), "leaf {leaf}");
    }
    assert!(!workers.is_busy());
    hashes
}

#[test]
fn every_task_has_one_outcome_however_many_workers_there_are() {
    let (_dir, mut staging) = staging();
    let size = layout().size();
    let wanted: BTreeMap<_, _> = (0..LEAVES)
        .map(|leaf| {
            let bytes = staging.bytes(tree::leaf_range(size, leaf)).unwrap();
            (leaf, tree::leaf_hash(size, leaf, bytes).unwrap())
        })
        .collect();
    for count in [0, 1, 3] {
        let mut workers = Workers::new(count, CODEC, layout());
        for _ in 0..3 {
            assert_eq!(hash_all(&mut workers, &mut staging), wanted);
        }
        assert!(workers.poll().is_none());
    }
    // All loans are back.
    assert!(staging.bytes_mut(0..size).is_ok());
}

#[test]
fn a_block_is_restored_from_parity_that_waits_in_its_holes() {
    let (_dir, mut staging) = staging();
    let layout = layout();
    let block_len = layout.block_len(0);
    let lost = [0, 41, block_len - 1];
    let places = 0..u64::from(block_len) * SYMBOL as u64;
    let original = staging.bytes(places.clone()).unwrap().to_vec();
    let mut parity = Vec::new();
    Encoder::new(CODEC, SYMBOL, layout.block_len_max().into())
        .unwrap()
        .parity(original.chunks(SYMBOL), 0..3, |_, symbol| {
            parity.push(symbol.to_vec());
        })
        .unwrap();
    let mut blocks = Blocks::new(layout);
    for esi in (0..block_len).filter(|esi| !lost.contains(esi)) {
        blocks.resume(esi.into());
    }
    for esi in lost {
        let offset = u64::from(esi) * SYMBOL as u64;
        staging.write_at(offset, &[0xee; SYMBOL]).unwrap();
    }
    let mut symbols = Symbols::new(layout, Bytes::Staged(staging));
    for count in [0, 1] {
        let mut workers = Workers::new(count, CODEC, layout);
        for (index, symbol) in (0..).zip(&parity) {
            let kept = symbols.keep_parity(0, index, symbol, &blocks, None);
            kept.unwrap();
        }
        let restoration = symbols.restoration(0, &blocks);
        let range = symbols.places_of(0);
        assert_eq!(range, places);
        let loan = symbols.staging_mut().unwrap().lend(range).unwrap();
        workers.give(Task::Restore(restoration, loan), true);
        let Some(Outcome::Restored(0, Some(restored), loan)) = workers.wait() else {
            panic!("a block was given")
        };
        symbols.staging_mut().unwrap().take_back(loan);
        symbols.keep_restored(0, &restored, None).unwrap();
        assert!(symbols.bytes().get(places.clone()).unwrap() == original);
    }
}

/// S2: it ended the receiver, and the bytes stayed lent.
#[test]
fn a_block_that_cannot_be_restored_is_told_and_its_bytes_come_back() {
    let (_dir, staging) = staging();
    let layout = layout();
    let (blocks, places) = (Blocks::new(layout), 0..layout.size());
    let mut symbols = Symbols::new(layout, Bytes::Staged(staging));
    for count in [0, 1] {
        let mut workers = Workers::new(count, CODEC, layout);
        // Not one symbol of it is held.
        let restoration = symbols.restoration(0, &blocks);
        let range = symbols.places_of(0);
        let loan = symbols.staging_mut().unwrap().lend(range).unwrap();
        workers.give(Task::Restore(restoration, loan), true);
        let Some(Outcome::Restored(0, None, loan)) = workers.wait() else {
            panic!("nothing can be restored from nothing")
        };
        let staging = symbols.staging_mut().unwrap();
        staging.take_back(loan);
        assert!(staging.bytes_mut(places.clone()).is_ok());
    }
}

/// S13: a symbol for a block that was being decoded ended the receiver: a neighbour
/// had not matched, and opened places of it again.
#[test]
fn what_comes_for_bytes_that_are_lent_ends_nothing_and_changes_nothing_there() {
    let (_dir, staging) = staging();
    let layout = layout();
    let blocks = Blocks::new(layout);
    let mut symbols = Symbols::new(layout, Bytes::Staged(staging));
    let range = symbols.places_of(0);
    let before = symbols.bytes().get(range.clone()).unwrap().to_vec();
    let loan = symbols.staging_mut().unwrap().lend(range.clone()).unwrap();
    let symbol = [0xee; SYMBOL];
    symbols.keep_source(0, 3, &symbol, &blocks, None).unwrap();
    symbols.keep_parity(0, 0, &symbol, &blocks, None).unwrap();
    let restored = vec![(5, symbol.to_vec())];
    symbols.keep_restored(0, &restored, None).unwrap();
    assert!(symbols.bytes().get(range.clone()).unwrap() == before);
    symbols.staging_mut().unwrap().take_back(loan);
    symbols.keep_source(0, 3, &symbol, &blocks, None).unwrap();
    let place = 3 * SYMBOL as u64..4 * SYMBOL as u64;
    assert_eq!(symbols.bytes().get(place).unwrap(), symbol);
}
