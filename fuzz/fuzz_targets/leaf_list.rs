//! Leaf lists: whatever bytes come, the parts that are wrong lie within the list,
//! and a list that was put together from honest hashes is right but for the groups
//! that were touched.
#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use linecast_protocol::object::tree::{self, HASH_BYTES, LEAF_BYTES};
use linecast_protocol::object::{GROUP_LEAVES, ListLayout};
use std::cell::RefCell;
use std::collections::HashMap;

#[derive(Debug, Arbitrary)]
struct Case<'a> {
    size: u64,
    leaves: u16,
    flips: [(u32, u8); 3],
    tail: u8,
    bytes: &'a [u8],
}

fuzz_target!(|data: &[u8]| {
    let Ok(case) = Case::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    check_any(case.size >> (case.tail % 64), case.bytes);
    check_honest(&case);
});

/// Any size and any bytes, which are nearly never of the right length.
fn check_any(size: u64, bytes: &[u8]) {
    let layout = ListLayout::new(size);
    let (hashes, map) = (layout.leaf_hashes(), layout.zero_map());
    assert!(hashes.start <= hashes.end && hashes.end == map.start && map.end == layout.bytes());
    let wrong = layout.wrong(bytes, &[7; 32]);
    assert!(wrong.iter().all(|range| range.end <= layout.bytes()));
    // An empty list has nothing that could be wrong.
    assert!(wrong.is_empty() == (layout.bytes() == 0 && bytes.is_empty()) || size == 0);
}

fn check_honest(case: &Case<'_>) {
    // Mostly few: to hash thousands of them takes a millisecond.
    let most = match case.leaves & 0x1f {
        0x1f => 2 * GROUP_LEAVES + 40,
        _ => 40,
    };
    let leaves = 2 + u64::from(case.leaves >> 5) % most;
    let List {
        layout,
        honest,
        root,
    } = list(leaves, case.tail % 4);
    let mut list = honest.clone();
    let mut touched = Vec::new();
    for (at, bits) in case.flips {
        let at = at as usize % list.len();
        list[at] ^= bits;
        if bits != 0 && !layout.zero_map().contains(&(at as u64)) {
            touched.push(at as u64);
        }
    }
    // A second flip may have undone the first.
    touched.retain(|&at| list[at as usize] != honest[at as usize]);
    let wrong = layout.wrong(&list, &root);
    let found = |at: &u64| wrong.iter().any(|range| range.contains(at));
    assert_eq!(wrong.is_empty(), touched.is_empty());
    // Where a hash of a group is wrong, nothing below it is judged.
    let above = touched.iter().any(|at| *at < layout.leaf_hashes().start);
    assert!(above || touched.iter().all(found), "{touched:?} {wrong:?}");
}

/// A list that was put together from made-up hashes, and the root that it has.
#[derive(Clone)]
struct List {
    layout: ListLayout,
    honest: Vec<u8>,
    root: tree::Hash,
}

fn list(leaves: u64, tail: u8) -> List {
    thread_local! {
        static LISTS: RefCell<HashMap<(u64, u8), List>> = RefCell::default();
    }
    let compose = || {
        let size = leaves * LEAF_BYTES - u64::from(tail);
        let layout = ListLayout::new(size);
        let noise = |at: u64| (at.wrapping_mul(0x9e37_79b9) >> 11) as u8 ^ tail;
        let hashes: Vec<u8> = (0..leaves * HASH_BYTES as u64).map(noise).collect();
        let root = tree::root(size, &hashes).expect("the hashes are of this size");
        let honest = layout.compose(&hashes, &vec![tail; leaves.div_ceil(8) as usize]);
        assert_eq!(honest.len() as u64, layout.bytes());
        assert!(layout.wrong(&honest, &root).is_empty());
        List {
            layout,
            honest,
            root,
        }
    };
    LISTS.with_borrow_mut(|lists| lists.entry((leaves, tail)).or_insert_with(compose).clone())
}
