//! BLAKE3's own tree over an image, cut at leaves of 64 KiB.
//!
//! ```text
//!                 root            what `b3sum image` prints
//!               /      \
//!            node       l4        an odd subtree moves up unmerged
//!          /      \
//!       node      node
//!       /  \      /  \
//!      l0   l1   l2   l3          the leaf list: 32 bytes a leaf
//! ```
//!
//! A leaf hash is the chaining value of the 64-chunk subtree that BLAKE3 itself
//! computes for those bytes, so the list proves itself against the root and may
//! travel over any channel. It does not bind the image's length: the signed
//! size does, and every function here takes that size and checks lengths
//! against it first, because the `hazmat` calls below panic on impossible ones.
use alloc::vec::Vec;
use blake3::hazmat::{self, HasherExt, Mode};
use core::ops::Range;

/// Bytes of a full leaf: 64 BLAKE3 chunks. The last leaf of an image may be shorter.
pub const LEAF_BYTES: u64 = 65_536;

/// Bytes of one hash, and of one entry of the leaf list.
pub const HASH_BYTES: usize = 32;

/// A BLAKE3 root hash, or the chaining value of one leaf.
pub type Hash = [u8; HASH_BYTES];

/// Why bytes cannot be hashed at the place they claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The image has no leaf of this number.
    #[error("leaf {leaf}: the image has {count}")]
    LeafOutOfRange {
        /// The leaf asked for.
        leaf: u64,
        /// Leaves of the image.
        count: u64,
    },
    /// The bytes are not as long as this leaf is.
    #[error("leaf {leaf}: {expected} bytes expected, got {got}")]
    LeafLength {
        /// The leaf asked for.
        leaf: u64,
        /// Bytes of that leaf.
        expected: u64,
        /// Bytes given.
        got: u64,
    },
    /// The leaf list is not one hash for each leaf of the image.
    #[error("leaf list: {expected} bytes expected, got {got}")]
    ListLength {
        /// 32 bytes for each leaf of the image.
        expected: u64,
        /// Bytes given.
        got: u64,
    },
}

/// Number of leaves of an image of `size` bytes; 0 for an empty one.
pub fn leaf_count(size: u64) -> u64 {
    size.div_ceil(LEAF_BYTES)
}

/// The bytes of the image that leaf number `leaf` covers; empty when there is no such leaf.
pub fn leaf_range(size: u64, leaf: u64) -> Range<u64> {
    let start = leaf.saturating_mul(LEAF_BYTES).min(size);
    start..start.saturating_add(LEAF_BYTES).min(size)
}

/// Whether an image of `size` bytes needs a leaf list. With one leaf or none
/// the root alone proves the bytes.
pub fn has_leaf_list(size: u64) -> bool {
    size > LEAF_BYTES
}

/// Hashes the bytes of one leaf of an image of `size` bytes.
///
/// Up to [`LEAF_BYTES`] the image is its only leaf and the result is the root
/// itself (leaf 0 exists for this purpose even in an empty image); above that
/// it is a chaining value and never equals a root.
pub fn leaf_hash(size: u64, leaf: u64, bytes: &[u8]) -> Result<Hash, TreeError> {
    let count = leaf_count(size).max(1);
    if leaf >= count {
        return Err(TreeError::LeafOutOfRange { leaf, count });
    }
    let range = leaf_range(size, leaf);
    let expected = range.end - range.start;
    let got = bytes.len() as u64;
    if got != expected {
        return Err(TreeError::LeafLength {
            leaf,
            expected,
            got,
        });
    }
    if !has_leaf_list(size) {
        return Ok(*blake3::hash(bytes).as_bytes());
    }
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(range.start);
    hasher.update(bytes);
    Ok(hasher.finalize_non_root())
}

/// Merges the leaf list of an image of `size` bytes (`leaves` is
/// `[leaf_count(size) × 32]`) into its root.
///
/// The list of a one-leaf image is its root, and that of an empty image is
/// empty; such images need no list, but accept one so that callers need no
/// special case.
pub fn root(size: u64, leaves: &[u8]) -> Result<Hash, TreeError> {
    let expected = leaf_count(size) * HASH_BYTES as u64;
    let got = leaves.len() as u64;
    if got != expected {
        return Err(TreeError::ListLength { expected, got });
    }
    Ok(merge_root(leaves.as_chunks::<HASH_BYTES>().0))
}

/// The root over subtrees of one size, all but the last a power of two of chunks.
pub(super) fn merge_root(subtrees: &[Hash]) -> Hash {
    match subtrees {
        [] => *blake3::hash(&[]).as_bytes(),
        [only] => *only,
        _ => {
            let (left, right) = subtrees.split_at(left_leaves(subtrees.len()));
            let (left, right) = (subtree(left), subtree(right));
            *hazmat::merge_subtrees_root(&left, &right, Mode::Hash).as_bytes()
        }
    }
}

/// Hashes a whole image held in memory: its root and its leaf list. For tests,
/// small images and descriptors; large images are hashed leaf by leaf from disk.
pub fn hash_bytes(image: &[u8]) -> (Hash, Vec<u8>) {
    let mut leaves = Vec::with_capacity(image.len().div_ceil(LEAF_BYTES as usize) * HASH_BYTES);
    if !has_leaf_list(image.len() as u64) {
        let root = *blake3::hash(image).as_bytes();
        if !image.is_empty() {
            leaves.extend_from_slice(&root);
        }
        return (root, leaves);
    }
    for (leaf, bytes) in image.chunks(LEAF_BYTES as usize).enumerate() {
        let hash = leaf_hash(image.len() as u64, leaf as u64, bytes);
        leaves.extend_from_slice(&hash.expect("chunks() cuts leaves of the right length"));
    }
    let root = root(image.len() as u64, &leaves).expect("one hash was pushed for each leaf");
    (root, leaves)
}

/// The chaining value of a run of leaves. Depth is log2 of the leaf count: 32
/// for the largest image a manifest admits.
pub(super) fn subtree(leaves: &[Hash]) -> Hash {
    match leaves {
        [only] => *only,
        _ => {
            let (left, right) = leaves.split_at(left_leaves(leaves.len()));
            hazmat::merge_subtrees_non_root(&subtree(left), &subtree(right), Mode::Hash)
        }
    }
}

/// Leaves in the left subtree of `count` ≥ 2: the largest power of two below `count`.
fn left_leaves(count: usize) -> usize {
    1 << (count - 1).ilog2()
}

#[cfg(test)]
mod tests;
