//! The kernel's side of a staged file: allocation, mapping, page cache.
//!
//! With `mmsg.rs` the only place in this crate where `unsafe` lives.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::ptr::NonNull;

/// A file mapped shared, for reading and writing.
///
/// The bytes belong to this value: the file is locked by the one process that
/// maps it, lies in a directory locked by it and is readable by its user
/// alone. Nothing shrinks it while it is mapped.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the mapping is plain memory that this value alone owns; nothing in
// it refers to the thread that made it.
unsafe impl Send for Mapping {}
// SAFETY: through a shared reference the memory can only be read.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the first `bytes` of a file that is at least that long and whose
    /// blocks are allocated. Nothing is mapped for 0 bytes.
    pub(crate) fn new(file: &File, bytes: usize) -> io::Result<Self> {
        if bytes == 0 {
            return Ok(Self {
                start: NonNull::dangling(),
                bytes,
            });
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
        Ok(Self { start, bytes })
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        // SAFETY: `start` is the start of a live mapping of `bytes` bytes (or
        // dangling and aligned for 0 bytes), initialised by the kernel; the
        // exclusive methods that change it are excluded by this borrow.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.bytes) }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: as above, and this borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.bytes) }
    }

    /// The address of the byte at `offset`, which is inside the mapping. It
    /// stays valid as long as this value lives; reading or writing through it
    /// is the caller's promise that nobody else does.
    pub(crate) fn address(&mut self, offset: usize) -> *mut u8 {
        debug_assert!(offset < self.bytes);
        self.start.as_ptr().wrapping_add(offset)
    }

    /// Lets the kernel make the pages of `start..end` present and writable,
    /// a few hundred at a time instead of one fault each. False if it cannot.
    pub(crate) fn populate(&mut self, start: usize, end: usize) -> bool {
        let start = start / PAGE_BYTES_MAX * PAGE_BYTES_MAX;
        let end = end.min(self.bytes);
        if start >= end {
            return true;
        }
        let address = self.start.as_ptr().wrapping_add(start).cast();
        // SAFETY: `start..end` lies inside the mapping (checked above) and
        // its address is a multiple of the page size, as the mapping's is;
        // populating changes no content.
        let result = unsafe { libc::madvise(address, end - start, libc::MADV_POPULATE_WRITE) };
        result == 0
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        if self.bytes > 0 {
            // SAFETY: `start` and `bytes` are those of a mapping of ours, and
            // no borrow of it outlives this value.
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
