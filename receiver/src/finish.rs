//! From staged bytes to an installed file: cut, sync, read back, rename.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::mapping;
use crate::stage_error::{StageError, failed, hex};
use crate::staging::Staging;
use crate::target::{open_no_follow, remove};
use linecast_net::aligned::PageAligned;

/// How to finish a staged image.
#[derive(Debug, Clone, Default)]
pub struct FinishOptions {
    /// Read everything back from the disk and compare its hash to the root.
    pub read_back: bool,
    /// A plain file name; without it the file is named by its root.
    pub final_name: Option<String>,
}

/// A file that is complete, durable and in its final place.
#[derive(Debug, Clone)]
pub struct Finished {
    pub path: PathBuf,
    /// Milliseconds that fdatasync took.
    pub sync_ms: u64,
    /// Milliseconds that reading back took; `None` if it was not asked for.
    pub read_back_ms: Option<u64>,
}

impl Staging {
    /// Makes the image durable and moves it to its final name, replacing a
    /// file that is there. The caller has verified every leaf.
    ///
    /// After a failure the staged file stays where it is, for a resume or for
    /// [`Target::discard`](crate::target::Target::discard). After a failed
    /// sync only the latter is safe.
    pub fn finish(self, options: &FinishOptions) -> Result<Finished, StageError> {
        let final_path = self
            .target
            .final_path(&self.root, options.final_name.as_deref())?;
        let (root, size) = (self.root, self.size);
        let (target, file, path) = self.unmap();
        let sync_ms = sync(&file, &path, size)?;
        let read_back_ms = match options.read_back {
            true => Some(read_back(&path, &root, size)?),
            false => None,
        };
        std::fs::rename(&path, &final_path).map_err(failed("rename to", &final_path))?;
        target.sync_dir()?;
        remove(&target.journal_path(&root))?;
        target.drop_leaf_list(&root)?;
        target.sync_state()?;
        Ok(Finished {
            path: final_path,
            sync_ms,
            read_back_ms,
        })
    }
}

/// Whether the file is there and has exactly this image; what cannot be read has not.
pub(crate) fn holds(path: &Path, root: &[u8; 32], size: u64) -> bool {
    let mut hasher = blake3::Hasher::new();
    let file = open_no_follow(path, OpenOptions::new().read(true));
    let read = file.and_then(|file| hash_all(file, size, &mut hasher));
    let same = || hasher.finalize() == blake3::Hash::from_bytes(*root);
    read.is_ok_and(|bytes| bytes == size) && same()
}

/// Cuts the file to the image's size and waits until the disk has it. A
/// failure is final: the kernel reports a lost page once.
fn sync(file: &File, path: &Path, size: u64) -> Result<u64, StageError> {
    file.set_len(size).map_err(failed("truncate", path))?;
    let started = Instant::now();
    file.sync_data().map_err(|source| StageError::Sync {
        path: path.to_path_buf(),
        source,
    })?;
    Ok(elapsed_ms(started))
}

/// Hashes what the disk has, past the page cache where that is possible.
fn read_back(path: &Path, root: &[u8; 32], size: u64) -> Result<u64, StageError> {
    let started = Instant::now();
    let mut hasher = blake3::Hasher::new();
    let read = match hash_direct(path, size, &mut hasher) {
        Err(source) if source.kind() == io::ErrorKind::InvalidInput => {
            hasher.reset();
            hash_uncached(path, size, &mut hasher)
        }
        other => other,
    };
    let bytes = read.map_err(failed("read back", path))?;
    let got = hasher.finalize();
    if bytes == size && got == blake3::Hash::from_bytes(*root) {
        return Ok(elapsed_ms(started));
    }
    // The cache may still hold what was meant to be written: a resume has to
    // hash what is there.
    if let Ok(file) = File::open(path) {
        mapping::forget_pages(&file);
    }
    Err(StageError::ReadBack {
        path: path.to_path_buf(),
        expected: hex(root),
        got: hex(got.as_bytes()),
    })
}

/// With O_DIRECT (open(2)): `InvalidInput` where the file system refuses it.
fn hash_direct(path: &Path, size: u64, hasher: &mut blake3::Hasher) -> io::Result<u64> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECT | libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path)?;
    hash_all(file, size, hasher)
}

/// Through the page cache, after it was asked to forget the file.
fn hash_uncached(path: &Path, size: u64, hasher: &mut blake3::Hasher) -> io::Result<u64> {
    let file = open_no_follow(path, OpenOptions::new().read(true))?;
    mapping::forget_pages(&file);
    hash_all(file, size, hasher)
}

/// Hashes up to `size` bytes and says how many there were. It never reads at
/// the end of the file, where O_DIRECT would mind the odd offset.
fn hash_all(mut file: File, size: u64, hasher: &mut blake3::Hasher) -> io::Result<u64> {
    let length = file.metadata()?.len();
    if length != size {
        return Ok(length);
    }
    let mut memory = PageAligned::zeroed(READ_BYTES);
    let buffer = memory.as_mut_slice();
    let mut total = 0;
    while total < size {
        match file.read(buffer) {
            Ok(0) => break,
            Ok(bytes) => {
                hasher.update(&buffer[..bytes]);
                total += bytes as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}

fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

const READ_BYTES: usize = 1 << 20;

#[cfg(test)]
mod tests;
