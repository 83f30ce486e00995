//! Images with content that any test can make again.

use std::fs;
use std::path::{Path, PathBuf};

/// A file of pseudo-random bytes.
#[derive(Debug, Clone)]
pub struct Image {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl Image {
    /// Writes an image of `size` bytes. The same size gives the same bytes.
    pub(crate) fn write(path: PathBuf, size: usize) -> Image {
        let mut state = size as u64;
        let mut bytes = Vec::with_capacity(size + 8);
        while bytes.len() < size {
            bytes.extend_from_slice(&split_mix(&mut state).to_le_bytes());
        }
        bytes.truncate(size);
        fs::write(&path, &bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Image { path, bytes }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path as an argument.
    pub fn argument(&self) -> &str {
        self.path.to_str().expect("paths of tests are UTF-8")
    }

    /// What it holds.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How much it holds.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Panics unless the file at `path` holds the same bytes.
    pub fn assert_same(&self, path: &Path) {
        let copy = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(copy.len(), self.bytes.len(), "size of {}", path.display());
        let differs = copy.iter().zip(&self.bytes).position(|(a, b)| a != b);
        assert_eq!(
            differs,
            None,
            "first byte that differs in {}",
            path.display()
        );
    }
}

/// The next output of SplitMix64 (Steele, Lea, Flood 2014).
pub(crate) fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
