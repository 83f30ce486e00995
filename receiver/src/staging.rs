//! The file an image is received into: reserved as a whole, mapped, filled in
//! any order.
//!
//! The file is as long as the image rounded up to whole symbols, so that the
//! last symbol has a full place too; `finish` cuts it to size. Its blocks are
//! allocated before anything is received: a full disk is an error of
//! [`Staging::reserve`] and never a SIGBUS during the push.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::mapping::{self, Loan, Mapping};
use crate::stage_error::{StageError, failed};
use crate::target::{Target, lock_open, open_no_follow};

/// The staged bytes of one image. Dropping it keeps the file for a resume.
#[derive(Debug)]
pub struct Staging {
    pub(crate) target: Target,
    pub(crate) root: [u8; 32],
    pub(crate) size: u64,
    pub(crate) path: PathBuf,
    pub(crate) file: File,
    mapping: Mapping,
    reserved: u64,
    symbol_bytes: usize,
    resumed: bool,
    warm: Warm,
}

/// How far the pages have been made present ahead of the symbols.
#[derive(Debug)]
struct Warm {
    up_to: u64,
    possible: bool,
    /// Time for what nobody waited for.
    spent: Duration,
}

impl Staging {
    /// Opens the staging file of the image with this root, or makes it, and
    /// allocates and maps the whole of it. `size` may be 0. Checking it
    /// against what the manifest says is the caller's part, before this call.
    pub fn reserve(
        target: &Target,
        root: [u8; 32],
        size: u64,
        symbol_bytes: usize,
    ) -> Result<Self, StageError> {
        if symbol_bytes == 0 || symbol_bytes > SYMBOL_BYTES_MAX {
            return Err(StageError::SymbolBytes { symbol_bytes });
        }
        let path = target.staging_path(&root);
        let too_large = || StageError::TooLarge {
            path: path.clone(),
            size_bytes: size,
        };
        let reserved = size
            .checked_next_multiple_of(symbol_bytes as u64)
            .filter(|bytes| i64::try_from(*bytes).is_ok())
            .ok_or_else(too_large)?;
        let mapped = usize::try_from(reserved)
            .ok()
            .filter(|bytes| isize::try_from(*bytes).is_ok())
            .ok_or_else(too_large)?;
        let (file, before) = open(&path)?;
        if let Err(error) = allocate(&file, &path, before, size, reserved) {
            shrink_back(&file, &path, before);
            return Err(error);
        }
        let mapping = Mapping::new(&file, mapped).map_err(failed("map", &path))?;
        Ok(Self {
            target: target.clone(),
            root,
            size,
            path,
            file,
            mapping,
            reserved,
            symbol_bytes,
            resumed: before.is_some_and(|bytes| bytes > 0),
            warm: Warm {
                up_to: 0,
                possible: true,
                spent: Duration::ZERO,
            },
        })
    }

    /// Bytes of the image.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes of the file: the size rounded up to whole symbols.
    pub fn reserved_bytes(&self) -> u64 {
        self.reserved
    }

    /// Bytes of one symbol's place.
    pub fn symbol_bytes(&self) -> usize {
        self.symbol_bytes
    }

    /// True if there was a staging file already: the claims of the journal
    /// are worth checking.
    pub fn resumed(&self) -> bool {
        self.resumed
    }

    /// The bytes in `range`.
    pub fn bytes(&self, range: Range<u64>) -> Result<&[u8], StageError> {
        let range = self.checked(range.start, range.end)?;
        Ok(self.mapping.slice(range))
    }

    /// The bytes in `range`, to be written.
    ///
    /// # Errors
    /// The range lies outside the file, or some of it is lent.
    pub fn bytes_mut(&mut self, range: Range<u64>) -> Result<&mut [u8], StageError> {
        let Range { start, end } = range;
        let range = self.checked(start, end)?;
        let bytes = self.mapping.slice_mut(range);
        bytes.ok_or(StageError::Lent { start, end })
    }

    /// Lends the bytes in `range` to be read by another thread. Nothing can be
    /// written there until they are taken back.
    pub(crate) fn lend(&mut self, range: Range<u64>) -> Result<Loan, StageError> {
        let range = self.checked(range.start, range.end)?;
        Ok(self.mapping.lend(range))
    }

    /// Takes a loan of this staging back.
    pub(crate) fn take_back(&mut self, loan: Loan) {
        self.mapping.take_back(loan);
    }

    /// Writes `bytes` at `offset`.
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), StageError> {
        let end = offset.saturating_add(bytes.len() as u64);
        self.bytes_mut(offset..end)?.copy_from_slice(bytes);
        Ok(())
    }

    /// The address of one symbol's place, for the kernel to write
    /// `symbol_bytes` bytes to; `None` if the place is not inside the file,
    /// or lent.
    ///
    /// It stays valid as long as this staging lives. Whoever writes through it
    /// holds the exclusive borrow of the staging while doing so.
    pub fn symbol_place(&mut self, offset: u64) -> Option<*mut u8> {
        let end = offset.checked_add(self.symbol_bytes as u64)?;
        if end > self.reserved {
            return None;
        }
        // Both are at most `reserved`, which is mapped and so fits a usize.
        self.mapping.place(offset as usize..end as usize)
    }

    /// Makes the pages present in which the next symbols are expected, a step
    /// at a time and ahead of them, so that the kernel's copy does not fault
    /// on every page. Cheap when there is nothing to do.
    pub fn expect(&mut self, next: Range<u64>) {
        if next.end <= self.warm.up_to || !self.warm.possible {
            return;
        }
        let start = next.start.max(self.warm.up_to).min(self.reserved);
        let end = next.end.saturating_add(WARM_STEP_BYTES).min(self.reserved);
        self.populate(start, end);
    }

    /// Unmaps the bytes and hands out what is left to be finished.
    pub(crate) fn unmap(self) -> (Target, File, PathBuf) {
        (self.target, self.file, self.path)
    }

    /// Takes one step more in a moment without anything else to do; false if
    /// there is none to take. Such steps take a bounded time in all: a 4 GiB
    /// file would take 3 s and more of page clearing on tmpfs; on a disk it
    /// would also dirty, and so write, every page twice. The rest is made
    /// present by [`Staging::expect`] while the image arrives.
    pub fn warm_up(&mut self) -> bool {
        let all = self.warm.up_to >= self.reserved;
        if all || !self.warm.possible || self.warm.spent >= WARM_UP_MAX {
            return false;
        }
        let started = Instant::now();
        let end = (self.warm.up_to + WARM_STEP_BYTES).min(self.reserved);
        self.populate(self.warm.up_to, end);
        self.warm.spent += started.elapsed();
        true
    }

    fn populate(&mut self, start: u64, end: u64) {
        // Both are at most `reserved`, which is mapped and so fits a usize.
        self.warm.possible = self.mapping.populate(start as usize, end as usize);
        self.warm.up_to = end;
    }

    fn checked(&self, start: u64, end: u64) -> Result<Range<usize>, StageError> {
        if start > end || end > self.reserved {
            return Err(StageError::OutOfBounds {
                start,
                end,
                reserved_bytes: self.reserved,
            });
        }
        // Both are at most `reserved`, which is mapped and so fits a usize.
        Ok(start as usize..end as usize)
    }
}

/// Opens and locks the file; its length if it was there before.
fn open(path: &Path) -> Result<(File, Option<u64>), StageError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    let (file, fresh) = match open_no_follow(path, options.clone().create_new(true)) {
        Ok(file) => (file, true),
        Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {
            let file = open_no_follow(path, &mut options).map_err(failed("open", path))?;
            (file, false)
        }
        Err(source) => return Err(StageError::io("create", path, source)),
    };
    lock_open(&file, path)?;
    if fresh {
        return Ok((file, None));
    }
    let length = file.metadata().map_err(failed("look at", path))?.len();
    Ok((file, Some(length)))
}

fn allocate(
    file: &File,
    path: &Path,
    before: Option<u64>,
    size: u64,
    reserved: u64,
) -> Result<(), StageError> {
    let metadata = file.metadata().map_err(failed("look at", path))?;
    let needed = reserved.saturating_sub(metadata.blocks().saturating_mul(512));
    let full = |free_bytes| StageError::NoSpace {
        path: path.to_path_buf(),
        needed_bytes: needed,
        free_bytes,
    };
    let free = mapping::free_bytes(file).map_err(failed("look at", path))?;
    if let Some(free) = free
        && free < needed
    {
        return Err(full(free));
    }
    if before.is_some_and(|bytes| bytes > reserved) {
        file.set_len(reserved).map_err(failed("truncate", path))?;
    }
    mapping::allocate(file, reserved).map_err(|source| match source.kind() {
        io::ErrorKind::StorageFull => full(free.unwrap_or(0)),
        io::ErrorKind::QuotaExceeded => StageError::Quota {
            path: path.to_path_buf(),
            needed_bytes: needed,
        },
        io::ErrorKind::FileTooLarge => StageError::TooLarge {
            path: path.to_path_buf(),
            size_bytes: size,
        },
        _ => StageError::io("allocate", path, source),
    })
}

/// After a failed allocation: gives back what was allocated, best effort,
/// since the failure is reported anyway.
fn shrink_back(file: &File, path: &Path, before: Option<u64>) {
    let _ = match before {
        None => std::fs::remove_file(path),
        Some(bytes) => file
            .metadata()
            .and_then(|now| file.set_len(bytes.min(now.len()))),
    };
}

const SYMBOL_BYTES_MAX: usize = 65_535;
/// About 1 ms of page clearing: the socket buffer has to bridge it.
const WARM_STEP_BYTES: u64 = 1 << 20;
const WARM_UP_MAX: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
