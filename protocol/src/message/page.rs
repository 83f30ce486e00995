//! Leaves that a receiver lacks, a page of them at a time: a map of bits, so that
//! a thousand equal receivers add nothing to what the first has said.

use crate::limits::PAGE_BYTES;
use alloc::vec::Vec;

const LAYOUT: u8 = 1;

/// Leaves of one page that are lacked.
///
/// ```text
///  0 | layout 8 | 0 24 | page 32 | one bit a leaf, the first highest ... |
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Number: it begins with leaf `number * PAGE_LEAVES`.
    pub number: u32,
    /// One bit a leaf.
    pub lacking: [u8; PAGE_BYTES],
}

impl Page {
    /// Appends the payload to `out`.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[LAYOUT, 0, 0, 0]);
        out.extend_from_slice(&self.number.to_be_bytes());
        out.extend_from_slice(&self.lacking);
    }

    /// Reads a payload; `None` if it is not one.
    pub fn parse(bytes: &[u8]) -> Option<Page> {
        let (&[LAYOUT, 0, 0, 0], rest) = bytes.split_first_chunk::<4>()? else {
            return None;
        };
        let (number, lacking) = rest.split_first_chunk::<4>()?;
        Some(Page {
            number: u32::from_be_bytes(*number),
            lacking: lacking.try_into().ok()?,
        })
    }

    /// The leaves of the map, numbered in the image.
    pub fn leaves(number: u32, map: &[u8; PAGE_BYTES]) -> impl Iterator<Item = u64> {
        let first = u64::from(number) * (PAGE_BYTES as u64 * 8);
        let bits = (0..PAGE_BYTES * 8).filter(|bit| map[bit / 8] << (bit % 8) & 0x80 != 0);
        bits.map(move |bit| first + bit as u64)
    }

    /// Sets the bit of a leaf of this page, by its number in the page.
    pub fn set(map: &mut [u8; PAGE_BYTES], bit: usize) {
        map[bit / 8] |= 0x80 >> (bit % 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_survives_the_round_trip_and_names_its_leaves() {
        let mut page = Page {
            number: 2,
            lacking: [0; PAGE_BYTES],
        };
        for bit in [0, 9, PAGE_BYTES * 8 - 1] {
            Page::set(&mut page.lacking, bit);
        }
        let mut bytes = Vec::new();
        page.emit(&mut bytes);
        assert_eq!(Page::parse(&bytes).as_ref(), Some(&page));
        bytes.pop();
        assert_eq!(Page::parse(&bytes), None);
        let leaves: Vec<u64> = Page::leaves(2, &page.lacking).collect();
        let first = 2 * PAGE_BYTES as u64 * 8;
        assert_eq!(
            leaves,
            [first, first + 9, first + PAGE_BYTES as u64 * 8 - 1]
        );
    }
}
