//! Object 2: the leaf list as it travels.
//!
//! ```text
//! | hashes of groups, 32 bytes each | hashes of leaves, 32 bytes each | zero map, one bit a leaf |
//! ```
//!
//! A group is a subtree of 1,024 leaves. The groups prove themselves against the
//! root and the leaves of each group against its hash, so of a list with a wrong
//! byte only the part is fetched again that is wrong. A list of one group has no
//! hash for it. The zero map says which leaves are nothing but zeros; nothing
//! proves it, so whoever uses it hashes a leaf of zeros first.

use super::tree::{self, HASH_BYTES, Hash};
use alloc::vec::Vec;
use core::iter::once;
use core::ops::Range;

/// Leaves of one group: 64 MiB of the image.
pub const GROUP_LEAVES: u64 = 1_024;

/// Where the parts of a list are, for an image of a known size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListLayout {
    size: u64,
    leaves: u64,
    groups: u64,
}

impl ListLayout {
    /// The list of an image of `size` bytes.
    pub fn new(size: u64) -> ListLayout {
        let leaves = tree::leaf_count(size);
        let groups = match leaves > GROUP_LEAVES {
            true => leaves.div_ceil(GROUP_LEAVES),
            false => 0,
        };
        ListLayout {
            size,
            leaves,
            groups,
        }
    }

    /// Bytes of the whole list.
    pub fn bytes(&self) -> u64 {
        self.leaf_hashes().end + self.leaves.div_ceil(8)
    }

    /// Bytes of the list that hold the hashes of leaves.
    pub fn leaf_hashes(&self) -> Range<u64> {
        let start = self.groups * HASH_BYTES as u64;
        start..start + self.leaves * HASH_BYTES as u64
    }

    /// Bytes of the list that hold the zero map.
    pub fn zero_map(&self) -> Range<u64> {
        self.leaf_hashes().end..self.bytes()
    }

    /// Puts a list together from the hashes of all leaves and the zero map.
    ///
    /// # Panics
    /// If either is not of the image's size.
    pub fn compose(&self, leaves: &[u8], zero_map: &[u8]) -> Vec<u8> {
        assert_eq!(leaves.len() as u64, self.leaves * HASH_BYTES as u64);
        assert_eq!(zero_map.len() as u64, self.leaves.div_ceil(8));
        let mut out = Vec::with_capacity(self.bytes() as usize);
        let (hashes, _) = leaves.as_chunks::<HASH_BYTES>();
        if self.groups > 0 {
            for group in hashes.chunks(GROUP_LEAVES as usize) {
                out.extend_from_slice(&tree::subtree(group));
            }
        }
        out.extend_from_slice(leaves);
        out.extend_from_slice(zero_map);
        out
    }

    /// Compares a whole list with the root of its image; gives the bytes of it that
    /// are wrong, none if it matches. A list of another length is wrong all over.
    pub fn wrong(&self, list: &[u8], root: &Hash) -> Vec<Range<u64>> {
        let hashes = self.leaf_hashes();
        if list.len() as u64 != self.bytes() {
            return once(0..self.bytes()).collect();
        }
        let (top, rest) = list.split_at(hashes.start as usize);
        let leaves = &rest[..(hashes.end - hashes.start) as usize];
        if self.groups == 0 {
            let matches = tree::root(self.size, leaves).is_ok_and(|got| got == *root);
            return if matches {
                Vec::new()
            } else {
                once(hashes).collect()
            };
        }
        let (groups, _) = top.as_chunks::<HASH_BYTES>();
        if tree::merge_root(groups) != *root {
            // Nothing below it can be judged before it is right.
            return once(0..hashes.start).collect();
        }
        let (leaves, _) = leaves.as_chunks::<HASH_BYTES>();
        let judged = groups.iter().zip(leaves.chunks(GROUP_LEAVES as usize));
        let wrong = (0u64..).zip(judged);
        let wrong = wrong.filter(|(_, (hash, leaves))| tree::subtree(leaves) != **hash);
        let bytes_of = |(number, (_, leaves)): (u64, (&Hash, &[Hash]))| {
            let start = hashes.start + number * GROUP_LEAVES * HASH_BYTES as u64;
            start..start + (leaves.len() * HASH_BYTES) as u64
        };
        wrong.map(bytes_of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::tree::LEAF_BYTES;

    fn only(range: Range<u64>) -> Vec<Range<u64>> {
        once(range).collect()
    }

    /// A list of an image of so many leaves, made of made-up hashes, and its root.
    fn list(leaves: u64) -> (ListLayout, Vec<u8>, Hash) {
        let layout = ListLayout::new(leaves * LEAF_BYTES - 7);
        let hashes: Vec<u8> = (0..leaves * 32).map(|at| (at * at / 7) as u8).collect();
        let zeros = alloc::vec![0x55; leaves.div_ceil(8) as usize];
        let root = tree::root(leaves * LEAF_BYTES - 7, &hashes).unwrap();
        (layout, layout.compose(&hashes, &zeros), root)
    }

    #[test]
    fn a_list_proves_itself_against_the_root_of_its_image() {
        for leaves in [2, 3, 1_023, 1_024, 1_025, 2_048, 2_049, 5_000] {
            let (layout, list, root) = list(leaves);
            assert_eq!(list.len() as u64, layout.bytes());
            assert_eq!(layout.wrong(&list, &root), [], "{leaves}");
            assert_ne!(layout.wrong(&list, &[1; 32]), []);
        }
    }

    /// A13: one wrong byte dropped all of it.
    #[test]
    fn of_a_list_with_a_wrong_byte_only_its_group_is_wrong() {
        let (layout, mut list, root) = list(5_000);
        let at = layout.leaf_hashes().start + (1_024 * 2 + 5) * 32;
        list[at as usize] ^= 1;
        let group = at - 5 * 32..at - 5 * 32 + 1_024 * 32;
        assert_eq!(layout.wrong(&list, &root), only(group.clone()));
        list[3] ^= 1;
        assert_eq!(layout.wrong(&list, &root), only(0..5 * 32));
        list[3] ^= 1;
        let last = layout.leaf_hashes().end - 1;
        list[last as usize] ^= 1;
        let tail = layout.leaf_hashes().start + 4_096 * 32..layout.leaf_hashes().end;
        assert_eq!(layout.wrong(&list, &root), [group, tail]);
    }

    #[test]
    fn the_zero_map_is_believed_by_nobody_and_makes_nothing_wrong() {
        let (layout, mut list, root) = list(100);
        let map = layout.zero_map();
        list[map.start as usize] ^= 0xff;
        assert_eq!(layout.wrong(&list, &root), []);
        assert_eq!(layout.wrong(&list[1..], &root), only(0..layout.bytes()));
    }
}
