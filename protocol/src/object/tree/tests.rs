use super::*;
use alloc::vec;

/// The sizes at which chunks, leaves and subtrees change shape, each ±1, and
/// as many more between them as make 500.
fn sizes() -> Vec<u64> {
    let mut sizes = vec![0, 1, 2, 1023, 1024, 1025];
    for leaves in 1..=70 {
        let edge = leaves * LEAF_BYTES;
        sizes.extend([
            edge - 1025,
            edge - 1024,
            edge - 1,
            edge,
            edge + 1,
            edge + 1024,
        ]);
    }
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    while sizes.len() < 560 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        sizes.push((seed >> 33) % (40 * LEAF_BYTES));
    }
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

fn image(size: u64) -> Vec<u8> {
    (0..size)
        .map(|i| (i % 251) as u8 ^ (i >> 16) as u8)
        .collect()
}

#[test]
fn root_is_the_plain_hash_at_500_sizes() {
    let sizes = sizes();
    assert!(sizes.len() >= 500, "{}", sizes.len());
    let all = image(sizes.last().copied().unwrap());
    for size in sizes {
        let image = &all[..size as usize];
        let (root, leaves) = hash_bytes(image);
        assert_eq!(root, *blake3::hash(image).as_bytes(), "size {size}");
        assert_eq!(leaves.len() as u64, leaf_count(size) * 32, "size {size}");
        assert_eq!(super::root(size, &leaves), Ok(root), "size {size}");
    }
}

#[test]
fn leaf_ranges_cover_the_image_once() {
    for size in sizes() {
        let mut next = 0;
        for leaf in 0..leaf_count(size) {
            let range = leaf_range(size, leaf);
            assert_eq!(range.start, next);
            assert!(range.end > range.start);
            next = range.end;
        }
        assert_eq!(next, size);
        assert_eq!(leaf_range(size, leaf_count(size)), size..size);
        assert_eq!(leaf_range(size, u64::MAX), size..size);
    }
    assert_eq!(leaf_count(u64::MAX), 1 << 48);
    assert_eq!(leaf_range(u64::MAX, (1 << 48) - 1).end, u64::MAX);
}

#[test]
fn only_more_than_one_leaf_needs_a_list() {
    assert!(!has_leaf_list(0));
    assert!(!has_leaf_list(LEAF_BYTES));
    assert!(has_leaf_list(LEAF_BYTES + 1));
}

#[test]
fn wrong_lengths_are_errors_not_panics() {
    let size = 2 * LEAF_BYTES + 5;
    for (leaf, expected) in [(0, LEAF_BYTES), (1, LEAF_BYTES), (2, 5)] {
        for got in [0, 4, 6, LEAF_BYTES - 1, LEAF_BYTES + 1] {
            let error = TreeError::LeafLength {
                leaf,
                expected,
                got,
            };
            assert_eq!(leaf_hash(size, leaf, &image(got)), Err(error));
        }
    }
    for leaf in [3, 4, u64::MAX] {
        let error = TreeError::LeafOutOfRange { leaf, count: 3 };
        assert_eq!(leaf_hash(size, leaf, &image(5)), Err(error));
    }
    assert_eq!(
        leaf_hash(0, 1, &[]),
        Err(TreeError::LeafOutOfRange { leaf: 1, count: 1 })
    );
    for got in [0_u64, 31, 32, 64, 95, 97, 128] {
        let error = TreeError::ListLength { expected: 96, got };
        assert_eq!(root(size, &image(got)), Err(error));
    }
    let expected = (1 << 48) * 32;
    let error = TreeError::ListLength { expected, got: 0 };
    assert_eq!(root(u64::MAX, &[]), Err(error));
}

#[test]
fn small_images_are_their_own_root() {
    for size in [0, 1, 1024, LEAF_BYTES] {
        let image = image(size);
        assert_eq!(
            leaf_hash(size, 0, &image),
            Ok(*blake3::hash(&image).as_bytes())
        );
    }
}

#[test]
fn a_flipped_bit_or_swapped_leaves_change_the_root() {
    let size = 5 * LEAF_BYTES;
    let (root, leaves) = hash_bytes(&image(size));
    for at in 0..leaves.len() {
        let mut bad = leaves.clone();
        bad[at] ^= 1;
        assert_ne!(super::root(size, &bad), Ok(root));
    }
    let mut swapped = leaves.clone();
    swapped.rotate_left(32);
    assert_ne!(super::root(size, &swapped), Ok(root));
}

#[test]
fn a_leaf_is_bound_to_its_place() {
    let size = 3 * LEAF_BYTES;
    let bytes = vec![7; LEAF_BYTES as usize];
    assert_ne!(leaf_hash(size, 0, &bytes), leaf_hash(size, 1, &bytes));
    assert_ne!(leaf_hash(size, 0, &bytes), leaf_hash(LEAF_BYTES, 0, &bytes));
}
