//! The root of our tree is what the `b3sum` program prints, whatever the size.
//! A machine without it fails: skipping would pass for agreement.
use linecast_protocol::hex;
use linecast_protocol::object::tree;
use linecast_protocol::random::Random;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

const SIZES: usize = 2_000;
const SIZE_MAX: u64 = 4 << 20;
/// Files that one run of `b3sum` hashes: many, and not all on disk at once.
const BATCH: usize = 100;
const CHUNK_BYTES: u64 = 1_024;

/// Every size at which the tree could change its shape, and others by a fixed
/// seed: as many small ones as large ones.
fn sizes() -> Vec<u64> {
    let chunks = (0..=80).map(|n| n * CHUNK_BYTES);
    let leaves = (1..=33).chain([63, 64]).map(|n| n * tree::LEAF_BYTES);
    let powers = (0..=SIZE_MAX.ilog2()).map(|bit| 1 << bit);
    let mut sizes: BTreeSet<u64> = chunks
        .chain(leaves)
        .chain(powers)
        .flat_map(|edge: u64| [edge.saturating_sub(1), edge, (edge + 1).min(SIZE_MAX)])
        .collect();
    let mut random = Random::new(11);
    while sizes.len() < SIZES {
        let magnitude = 1 << (8 + random.next_u64() % 14);
        sizes.insert(random.next_u64() % magnitude);
    }
    sizes.into_iter().collect()
}

/// What `b3sum` prints for files with these contents.
fn b3sum(dir: &Path, images: &[&[u8]]) -> Vec<String> {
    let mut command = Command::new("b3sum");
    command.arg("--no-names");
    for (index, image) in images.iter().enumerate() {
        let path = dir.join(index.to_string());
        fs::write(&path, image).unwrap();
        command.arg(path);
    }
    let output = command.output();
    let output = output.expect("b3sum is needed: install the package b3sum");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(String::from).collect()
}

#[test]
fn root_is_what_b3sum_prints_for_2000_sizes() {
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random::new(7);
    let image: Vec<u8> = (0..SIZE_MAX / 8)
        .flat_map(|_| random.next_u64().to_le_bytes())
        .collect();
    let mut compared = 0;
    for batch in sizes().chunks(BATCH) {
        let images: Vec<&[u8]> = batch.iter().map(|&size| &image[..size as usize]).collect();
        let theirs = b3sum(dir.path(), &images);
        assert_eq!(theirs.len(), images.len());
        for (image, theirs) in images.iter().zip(theirs) {
            let (root, leaves) = tree::hash_bytes(image);
            let size = image.len() as u64;
            assert_eq!(hex(&root), theirs, "{size} bytes");
            if tree::has_leaf_list(size) {
                assert_eq!(tree::root(size, &leaves), Ok(root), "{size} bytes");
            }
            compared += 1;
        }
    }
    assert_eq!(compared, SIZES);
}
