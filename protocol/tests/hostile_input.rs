//! The tree's functions never panic, whatever size, leaf or bytes they are given.
use linecast_protocol::object::tree;
use proptest::prelude::*;

proptest! {
    #[test]
    fn tree_functions_never_panic(
        size in any::<u64>(),
        leaf in any::<u64>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let _ = tree::leaf_hash(size, leaf, &bytes);
        let _ = tree::root(size, &bytes);
        let _ = tree::leaf_hash(size % 400, leaf % 2, &bytes);
        let _ = tree::root(size % (20 * tree::LEAF_BYTES), &bytes);
        let range = tree::leaf_range(size, leaf);
        prop_assert!(range.start <= range.end && range.end <= size);
    }
}
