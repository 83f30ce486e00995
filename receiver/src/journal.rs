//! Which leaves of an image have been verified, kept over restarts.
//!
//! ```text
//! 0        8        12       16       24            32      64       96
//! | magic  | format | zero   | size   | leaf count  | root  | BLAKE3 | bitmap …
//! ```
//!
//! Integers are little-endian; the checksum is the BLAKE3 hash of the 64 bytes
//! before it; leaf `i` is bit `i % 8` of bitmap byte `i / 8`.
//!
//! The journal belongs to the image, whatever session, symbol size or codec
//! its bytes came with. Its claims are hints: on resume each claimed leaf is
//! hashed again before it counts, so marking needs no fsync, and a torn or
//! lying journal costs a transfer and never a wrong image. For the same reason
//! marks are written by the megabyte: who is killed before has that much to
//! receive again.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::stage_error::{StageError, failed};
use crate::target::{Target, open_private};

/// The open journal of one image.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    bitmap: Vec<u8>,
    /// Bytes of the bitmap that hold marks which the file does not have yet,
    /// and how many marks.
    unwritten: Range<usize>,
    marks: u32,
    leaf_count: u64,
}

impl Journal {
    /// Opens the journal of the image with this root, size and number of
    /// leaves. One that does not belong to it, or is damaged, is emptied.
    pub fn open(
        target: &Target,
        root: &[u8; 32],
        size: u64,
        leaf_count: u64,
    ) -> Result<Self, StageError> {
        let path = target.journal_path(root);
        let too_large = || StageError::TooLarge {
            path: path.clone(),
            size_bytes: size,
        };
        let bitmap_bytes = usize::try_from(leaf_count.div_ceil(8)).map_err(|_| too_large())?;
        let header = header(root, size, leaf_count);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let file = open_private(&path, &mut options).map_err(failed("open", &path))?;
        let bitmap = match read(&file, &header, bitmap_bytes) {
            Ok(Some(bitmap)) => bitmap,
            Ok(None) => rewrite(&file, &path, &header, bitmap_bytes)?,
            Err(source) => return Err(StageError::io("read", &path, source)),
        };
        Ok(Self {
            file,
            path,
            bitmap,
            unwritten: 0..0,
            marks: 0,
            leaf_count,
        })
    }

    /// Claims a leaf, in the file once there are a few. Out of range leaves are
    /// none.
    pub fn mark(&mut self, leaf: u64) -> Result<(), StageError> {
        let Some(at) = self.byte_of(leaf) else {
            return Ok(());
        };
        let near = at + NEAR_BYTES >= self.unwritten.start && at <= self.unwritten.end + NEAR_BYTES;
        if self.marks > 0 && !near {
            self.write()?;
        }
        self.bitmap[at] |= 1 << (leaf % 8);
        self.unwritten = match self.marks {
            0 => at..at + 1,
            _ => self.unwritten.start.min(at)..self.unwritten.end.max(at + 1),
        };
        self.marks += 1;
        if self.marks >= MARKS_MAX {
            self.write()?;
        }
        Ok(())
    }

    /// Takes back the claim of a leaf that turned out to be wrong, at once.
    pub fn clear(&mut self, leaf: u64) -> Result<(), StageError> {
        let Some(at) = self.byte_of(leaf) else {
            return Ok(());
        };
        self.write()?;
        self.bitmap[at] &= !(1 << (leaf % 8));
        self.unwritten = at..at + 1;
        self.write()
    }

    /// The claimed leaves, in rising order.
    pub fn claimed(&self) -> impl Iterator<Item = u64> + '_ {
        let bytes = self
            .bitmap
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte != 0);
        bytes
            .flat_map(|(index, byte)| {
                let first = index as u64 * 8;
                (0..8)
                    .filter(move |bit| byte >> bit & 1 == 1)
                    .map(move |bit| first + bit)
            })
            .take_while(|leaf| *leaf < self.leaf_count)
    }

    fn byte_of(&self, leaf: u64) -> Option<usize> {
        debug_assert!(leaf < self.leaf_count);
        let at = usize::try_from(leaf / 8).ok()?;
        (at < self.bitmap.len()).then_some(at)
    }

    /// Writes what the file does not have yet.
    fn write(&mut self) -> Result<(), StageError> {
        let range = std::mem::take(&mut self.unwritten);
        self.marks = 0;
        let offset = (HEADER_BYTES + range.start) as u64;
        self.file
            .write_all_at(&self.bitmap[range], offset)
            .map_err(failed("write", &self.path))
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // Claims are hints: without the last of them more is received again.
        let _ = self.write();
    }
}

fn header(root: &[u8; 32], size: u64, leaf_count: u64) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&FORMAT.to_le_bytes());
    header[16..24].copy_from_slice(&size.to_le_bytes());
    header[24..32].copy_from_slice(&leaf_count.to_le_bytes());
    header[32..64].copy_from_slice(root);
    let checksum = blake3::hash(&header[..64]);
    header[64..].copy_from_slice(checksum.as_bytes());
    header
}

/// The bitmap, if the file has exactly the expected header and length.
fn read(
    mut file: &File,
    expected: &[u8; HEADER_BYTES],
    bitmap_bytes: usize,
) -> io::Result<Option<Vec<u8>>> {
    if file.metadata()?.len() != (HEADER_BYTES + bitmap_bytes) as u64 {
        return Ok(None);
    }
    let mut header = [0; HEADER_BYTES];
    file.read_exact(&mut header)?;
    if header != *expected {
        return Ok(None);
    }
    let mut bitmap = vec![0; bitmap_bytes];
    file.read_exact(&mut bitmap)?;
    Ok(Some(bitmap))
}

/// Writes an empty journal. The header goes last: until it is there, the file
/// is no journal.
fn rewrite(
    file: &File,
    path: &Path,
    header: &[u8; HEADER_BYTES],
    bitmap_bytes: usize,
) -> Result<Vec<u8>, StageError> {
    let bitmap = vec![0; bitmap_bytes];
    file.set_len(0).map_err(failed("truncate", path))?;
    file.write_all_at(&bitmap, HEADER_BYTES as u64)
        .map_err(failed("write", path))?;
    file.write_all_at(header, 0)
        .map_err(failed("write", path))?;
    Ok(bitmap)
}

const MAGIC: &[u8; 8] = b"LCJOURNL";
const FORMAT: u32 = 1;
const HEADER_BYTES: usize = 96;
/// Marks that may be missing in the file: 1 MiB of the image.
const MARKS_MAX: u32 = 16;
/// Marks are written together if they are no further apart.
const NEAR_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: [u8; 32] = [7; 32];

    fn claimed(journal: &Journal) -> Vec<u64> {
        journal.claimed().collect()
    }

    #[test]
    fn marks_are_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let target = Target::open(dir.path()).unwrap();
        for leaf_count in [1, 7, 8, 9, 4096, 4097] {
            let mut journal = Journal::open(&target, &ROOT, 1 << 28, leaf_count).unwrap();
            assert!(claimed(&journal).is_empty());
            journal.mark(leaf_count - 1).unwrap();
            journal.mark(0).unwrap();
            journal.mark(leaf_count / 2).unwrap();
            let mut expected = vec![0, leaf_count / 2, leaf_count - 1];
            expected.dedup();
            drop(journal);
            let mut journal = Journal::open(&target, &ROOT, 1 << 28, leaf_count).unwrap();
            assert_eq!(claimed(&journal), expected);
            journal.clear(0).unwrap();
            drop(journal);
            let journal = Journal::open(&target, &ROOT, 1 << 28, leaf_count).unwrap();
            assert!(!claimed(&journal).contains(&0));
        }
    }

    #[test]
    fn a_kill_costs_the_last_few_marks_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let target = Target::open(dir.path()).unwrap();
        let near: Vec<u64> = (0..40).collect();
        let far: Vec<u64> = (0..40).map(|i| i * 1_000).collect();
        for leaves in [near, far] {
            let mut journal = Journal::open(&target, &ROOT, 1 << 32, 65_536).unwrap();
            leaves.iter().for_each(|leaf| journal.mark(*leaf).unwrap());
            std::mem::forget(journal);
            let mut journal = Journal::open(&target, &ROOT, 1 << 32, 65_536).unwrap();
            let found = claimed(&journal);
            assert!(leaves.starts_with(&found));
            assert!(found.len() > leaves.len() - MARKS_MAX as usize);
            found.iter().for_each(|leaf| journal.clear(*leaf).unwrap());
        }
    }

    #[test]
    fn image_of_no_leaves_has_a_journal() {
        let dir = tempfile::tempdir().unwrap();
        let target = Target::open(dir.path()).unwrap();
        assert!(claimed(&Journal::open(&target, &ROOT, 0, 0).unwrap()).is_empty());
    }

    #[test]
    fn journal_of_another_image_counts_as_empty() {
        let dir = tempfile::tempdir().unwrap();
        let target = Target::open(dir.path()).unwrap();
        let path = target.journal_path(&ROOT);
        let mut journal = Journal::open(&target, &ROOT, 1 << 20, 16).unwrap();
        journal.mark(3).unwrap();
        drop(journal);
        let good = std::fs::read(&path).unwrap();

        let other_size = Journal::open(&target, &ROOT, (1 << 20) - 1, 16).unwrap();
        assert!(claimed(&other_size).is_empty());
        std::fs::write(&path, &good).unwrap();
        std::fs::copy(&path, target.journal_path(&[8; 32])).unwrap();
        let other_root = Journal::open(&target, &[8; 32], 1 << 20, 16).unwrap();
        assert!(claimed(&other_root).is_empty());
        let same = Journal::open(&target, &ROOT, 1 << 20, 16).unwrap();
        assert_eq!(claimed(&same), [3]);
    }

    #[test]
    fn damaged_journal_counts_as_empty_and_works_again() {
        let dir = tempfile::tempdir().unwrap();
        let target = Target::open(dir.path()).unwrap();
        let path = target.journal_path(&ROOT);
        let mut journal = Journal::open(&target, &ROOT, 1 << 20, 16).unwrap();
        journal.mark(3).unwrap();
        drop(journal);
        let good = std::fs::read(&path).unwrap();
        let mut damaged: Vec<Vec<u8>> = (0..HEADER_BYTES)
            .map(|at| {
                let mut bytes = good.clone();
                bytes[at] ^= 0x10;
                bytes
            })
            .collect();
        damaged.extend((0..good.len()).map(|length| good[..length].to_vec()));
        damaged.push([&good[..], &[0]].concat());
        damaged.push(vec![0xff; 1 << 16]);
        for bytes in damaged {
            std::fs::write(&path, &bytes).unwrap();
            let mut journal = Journal::open(&target, &ROOT, 1 << 20, 16).unwrap();
            assert!(claimed(&journal).is_empty());
            journal.mark(5).unwrap();
            drop(journal);
            let journal = Journal::open(&target, &ROOT, 1 << 20, 16).unwrap();
            assert_eq!(claimed(&journal), [5]);
        }
    }

    #[test]
    fn bits_past_the_last_leaf_are_no_claims() {
        let dir = tempfile::tempdir().unwrap();
        let target = Target::open(dir.path()).unwrap();
        let path = target.journal_path(&ROOT);
        drop(Journal::open(&target, &ROOT, 100, 11).unwrap());
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[HEADER_BYTES..].fill(0xff);
        std::fs::write(&path, &bytes).unwrap();
        let journal = Journal::open(&target, &ROOT, 100, 11).unwrap();
        assert_eq!(claimed(&journal), (0..11).collect::<Vec<_>>());
    }
}
