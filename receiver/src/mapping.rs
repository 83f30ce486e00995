//! The kernel's side of a staged file: allocation, mapping, page cache.
//!
//! With `mmsg.rs` the only place in this crate where `unsafe` lives.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd as _;
use std::ptr::NonNull;
use std::sync::Arc;

/// A file mapped shared, for reading and writing.
///
/// The bytes belong to this value: the file is locked by the one process that
/// maps it, lies in a directory locked by it and is readable by its user
/// alone. Nothing shrinks it while it is mapped. Ranges can be lent to other
/// threads, which may read them; until they are given back, nothing writes
/// there.
#[derive(Debug)]
pub(crate) struct Mapping {
    memory: Arc<Memory>,
    lent: Vec<Range<usize>>,
}

/// Bytes of a mapping that another thread may read. Until it is given back,
/// the mapping does not write to them; one that is dropped keeps them so.
#[derive(Debug)]
pub(crate) struct Loan {
    memory: Arc<Memory>,
    range: Range<usize>,
}

/// The mapped memory itself, unmapped when its last user is gone.
#[derive(Debug)]
struct Memory {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: this is plain memory; nothing in it refers to the thread that
// mapped it.
unsafe impl Send for Memory {}
// SAFETY: by itself it gives no access to the bytes. `Mapping` writes through
// exclusive borrows only and never to a range that is lent, and a `Loan` only
// reads its range.
unsafe impl Sync for Memory {}

impl Mapping {
    /// Maps the first `bytes` of a file that is at least that long and whose
    /// blocks are allocated. Nothing is mapped for 0 bytes.
    pub(crate) fn new(file: &File, bytes: usize) -> io::Result<Self> {
        let memory = Arc::new(Memory::map(file, bytes)?);
        let lent = Vec::new();
        Ok(Self { memory, lent })
    }

    /// The bytes in `range`, which is inside the mapping.
    pub(crate) fn slice(&self, range: Range<usize>) -> &[u8] {
        let start = self.memory.address(&range);
        // SAFETY: `address` checked the range, whose bytes the kernel has
        // initialised. Only this value writes there, which this borrow
        // excludes; loans only read.
        unsafe { std::slice::from_raw_parts(start, range.len()) }
    }

    /// The bytes in `range`, to be written; `None` if any of them are lent.
    pub(crate) fn slice_mut(&mut self, range: Range<usize>) -> Option<&mut [u8]> {
        let (start, bytes) = (self.place(range.clone())?, range.len());
        // SAFETY: as above; this borrow is exclusive, and `place` has found
        // that no loan reads there.
        Some(unsafe { std::slice::from_raw_parts_mut(start, bytes) })
    }

    /// The address of `range`, which is inside the mapping; `None` if any of
    /// its bytes are lent. It stays valid as long as this value lives; writing
    /// through it is the caller's promise that it holds this borrow meanwhile.
    pub(crate) fn place(&mut self, range: Range<usize>) -> Option<*mut u8> {
        let free = |lent: &Range<usize>| lent.end <= range.start || range.end <= lent.start;
        let free = self.lent.iter().all(free);
        free.then(|| self.memory.address(&range))
    }

    /// Lends the bytes in `range`, which is inside the mapping.
    pub(crate) fn lend(&mut self, range: Range<usize>) -> Loan {
        self.memory.address(&range);
        self.lent.push(range.clone());
        let memory = self.memory.clone();
        Loan { memory, range }
    }

    /// Takes a loan of this mapping back.
    pub(crate) fn take_back(&mut self, loan: Loan) {
        assert!(Arc::ptr_eq(&self.memory, &loan.memory), "another's loan");
        // The same range may be lent twice; each loan takes one entry along.
        if let Some(at) = self.lent.iter().position(|lent| *lent == loan.range) {
            self.lent.swap_remove(at);
        }
    }

    /// Lets the kernel make the pages of `start..end` present and writable,
    /// a few hundred at a time instead of one fault each. False if it cannot.
    pub(crate) fn populate(&mut self, start: usize, end: usize) -> bool {
        let start = start / PAGE_BYTES_MAX * PAGE_BYTES_MAX;
        let end = end.min(self.memory.bytes);
        if start >= end {
            return true;
        }
        let address = self.memory.address(&(start..end)).cast();
        // SAFETY: `start..end` lies inside the mapping (checked above) and
        // its address is a multiple of the page size, as the mapping's is;
        // populating changes no content.
        let result = unsafe { libc::madvise(address, end - start, libc::MADV_POPULATE_WRITE) };
        result == 0
    }
}

impl Loan {
    /// The bytes that are lent.
    pub(crate) fn bytes(&self) -> &[u8] {
        let start = self.memory.address(&self.range);
        // SAFETY: `address` checked the range, whose bytes the kernel has
        // initialised. The mapping does not write there before `take_back`
        // consumes this value, and this borrow cannot outlive it.
        unsafe { std::slice::from_raw_parts(start, self.range.len()) }
    }
}

impl Memory {
    fn map(file: &File, bytes: usize) -> io::Result<Memory> {
        if bytes == 0 {
            let start = NonNull::dangling();
            return Ok(Memory { start, bytes });
        }
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let fd = file.as_raw_fd();
        // SAFETY: no address is asked for, so no other mapping is replaced;
        // the descriptor is open because `file` is borrowed.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                protection,
                libc::MAP_SHARED,
                fd,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Memory { start, bytes })
    }

    /// The address of `range`.
    ///
    /// # Panics
    /// If it is not inside the mapping.
    fn address(&self, range: &Range<usize>) -> *mut u8 {
        assert!(range.start <= range.end && range.end <= self.bytes);
        self.start.as_ptr().wrapping_add(range.start)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.bytes > 0 {
            // SAFETY: `start` and `bytes` are those of a mapping of ours, and
            // whoever borrowed from it held a reference to it.
            unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
        }
    }
}

/// Allocates the blocks of the first `bytes` of a file and makes it at least
/// that long. Where the file system cannot allocate, zeros are written.
pub(crate) fn allocate(file: &File, bytes: u64) -> io::Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    let length =
        libc::off64_t::try_from(bytes).map_err(|_| io::Error::from_raw_os_error(libc::EFBIG))?;
    loop {
        // SAFETY: fallocate takes no pointers; the descriptor is open because
        // `file` is borrowed.
        if unsafe { libc::fallocate64(file.as_raw_fd(), 0, 0, length) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::EOPNOTSUPP | libc::ENOSYS) => return write_zeros(file, bytes),
            _ => return Err(error),
        }
    }
}

/// Bytes that this user may still allocate where `file` lies; `None` where
/// the file system does not say.
pub(crate) fn free_bytes(file: &File) -> io::Result<Option<u64>> {
    let mut numbers = std::mem::MaybeUninit::<libc::statvfs64>::uninit();
    // SAFETY: the pointer is valid for writes of one `statvfs64`; the
    // descriptor is open because `file` is borrowed.
    let result = unsafe { libc::fstatvfs64(file.as_raw_fd(), numbers.as_mut_ptr()) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: fstatvfs succeeded, so it filled the structure.
    let numbers = unsafe { numbers.assume_init() };
    let counted = numbers.f_blocks > 0;
    Ok(counted.then(|| numbers.f_bavail.saturating_mul(numbers.f_frsize)))
}

/// Asks the kernel to forget its clean pages of `file`, so that the next read
/// comes from the disk. Only advice: tmpfs keeps everything.
pub(crate) fn forget_pages(file: &File) {
    // SAFETY: posix_fadvise takes no pointers; the descriptor is open because
    // `file` is borrowed.
    unsafe { libc::posix_fadvise64(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
}

fn write_zeros(file: &File, bytes: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt as _;
    let mut offset = file.metadata()?.len();
    let zeros = vec![0; 1 << 20];
    while offset < bytes {
        let step = zeros
            .len()
            .min(usize::try_from(bytes - offset).unwrap_or(usize::MAX));
        file.write_all_at(&zeros[..step], offset)?;
        offset += step as u64;
    }
    Ok(())
}

/// The largest page that Linux runs with: a multiple of every page size.
const PAGE_BYTES_MAX: usize = 64 * 1024;
