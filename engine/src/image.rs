//! The image: a regular file or a block device, read by `pread` and hashed by
//! several threads, with a stamp that tells when it changes under the sender.
use linecast_net::aligned::PageAligned;
use linecast_net::command::Failure;
use linecast_protocol::object::tree::{self, HASH_BYTES, Hash, LEAF_BYTES};
use linecast_release::manifest::SIZE_MAX;
use sha2::{Digest, Sha256};
use std::fs::{File, Metadata};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::{panic, thread};

/// An open image. Reads go to the file that was opened, even when another is
/// renamed over its path.
#[derive(Debug)]
pub struct Image {
    file: File,
    path: PathBuf,
    stamp: Stamp,
}

/// What a file was when it was looked at. Writing to a file changes at least
/// its `ctime`, which no program can set back; a write to a block device
/// through its own node may change nothing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Device number of the file system.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Bytes; of a block device, its capacity.
    pub size_bytes: u64,
    /// Last change of the content, in nanoseconds since 1970.
    pub mtime_ns: i128,
    /// Last change of content or attributes, in nanoseconds since 1970.
    pub ctime_ns: i128,
}

/// The hashes of a whole image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageHash {
    /// BLAKE3 root, as `b3sum` prints it.
    pub root: Hash,
    /// The leaf list, `[leaf_count(size) × 32]`.
    pub leaves: Vec<u8>,
    /// Bytes of the image.
    pub size: u64,
    /// One bit a leaf, the first highest: it is nothing but zeros.
    pub zero_map: Vec<u8>,
}

/// Why an image cannot be used. Each names the path.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// Nothing has this path.
    #[error("image {}: no such file", path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// The path is a directory.
    #[error("image {}: is a directory; a file or block device expected", path.display())]
    Directory {
        /// The path.
        path: PathBuf,
    },
    /// A pipe, socket or character device, which has no size and no second read.
    #[error("image {}: is a {kind}; a file or block device expected", path.display())]
    Kind {
        /// The path.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// Larger than the transport can number.
    #[error("image {}: at most {limit} bytes, got {got}", path.display())]
    TooLarge {
        /// The path.
        path: PathBuf,
        /// [`SIZE_MAX`].
        limit: u64,
        /// Bytes of the image.
        got: u64,
    },
    /// The system refused an operation.
    #[error("image {}: cannot {operation}: {error}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What was tried.
        operation: &'static str,
        /// The system's answer.
        error: io::Error,
    },
    /// Reading failed.
    #[error("image {}: cannot read at byte {offset}: {error}", path.display())]
    Read {
        /// The path.
        path: PathBuf,
        /// First byte that was asked for.
        offset: u64,
        /// The system's answer.
        error: io::Error,
    },
    /// The image was written to, cut or extended while it was in use.
    #[error("image {}: changed while it was read: {what} was {before}, is {after}", path.display())]
    Changed {
        /// The path.
        path: PathBuf,
        /// The part of the stamp that differs.
        what: &'static str,
        /// Its value when the image was opened.
        before: i128,
        /// Its value now.
        after: i128,
    },
}

impl Image {
    /// Opens a regular file or block device for reading.
    pub fn open(path: impl AsRef<Path>) -> Result<Image, ImageError> {
        let path = path.as_ref().to_path_buf();
        let io = |operation| {
            let path = path.clone();
            move |error: io::Error| match error.kind() {
                io::ErrorKind::NotFound => ImageError::Missing { path },
                _ => ImageError::Io {
                    path,
                    operation,
                    error,
                },
            }
        };
        // Looked at before it is opened, because opening a pipe waits for a
        // writer; and again afterwards, because the path may have changed.
        let before = std::fs::metadata(&path).map_err(io("look at it"))?;
        check_kind(&path, &before)?;
        let file = File::open(&path).map_err(io("open it"))?;
        let metadata = file.metadata().map_err(io("look at it"))?;
        check_kind(&path, &metadata)?;
        let stamp = Stamp::of(&file).map_err(io("find its size"))?;
        if stamp.size_bytes > SIZE_MAX {
            return Err(ImageError::TooLarge {
                path,
                limit: SIZE_MAX,
                got: stamp.size_bytes,
            });
        }
        Ok(Image { file, path, stamp })
    }

    /// Bytes of the image when it was opened.
    pub fn size(&self) -> u64 {
        self.stamp.size_bytes
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file, for readers with ways of their own.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// What the file was when it was opened.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Fills `buffer` from byte `offset` on. An image that ends before was cut
    /// short since it was opened.
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ImageError> {
        self.file
            .read_exact_at(buffer, offset)
            .map_err(|error| match self.unchanged() {
                Err(changed) => changed,
                Ok(()) => ImageError::Read {
                    path: self.path.clone(),
                    offset,
                    error,
                },
            })
    }

    /// Whether the file is still what it was when it was opened. A sender asks
    /// when it starts, and before it calls a push complete.
    pub fn unchanged(&self) -> Result<(), ImageError> {
        let now = Stamp::of(&self.file).map_err(|error| ImageError::Io {
            path: self.path.clone(),
            operation: "look at it",
            error,
        })?;
        match self.stamp.difference(&now) {
            None => Ok(()),
            Some((what, before, after)) => Err(ImageError::Changed {
                path: self.path.clone(),
                what,
                before,
                after,
            }),
        }
    }

    /// Hashes the image with `threads` threads (at least one), and checks that
    /// it did not change meanwhile.
    pub fn hash(&self, threads: usize) -> Result<ImageHash, ImageError> {
        let size = self.size();
        let count = tree::leaf_count(size) as usize;
        let mut leaves = vec![0; count * HASH_BYTES];
        let mut zero_map = vec![0; count.div_ceil(8)];
        // Each thread takes the next megabyte's worth of both and fills it.
        let parts = leaves.chunks_mut(READ_LEAVES * HASH_BYTES);
        let parts = parts.zip(zero_map.chunks_mut(READ_LEAVES / 8));
        let work = Mutex::new(parts.enumerate());
        let next = || work.lock().expect("no holder of the lock panics").next();
        thread::scope(|scope| {
            let run = || {
                let mut memory = PageAligned::zeroed(READ_BYTES);
                let buffer = memory.as_mut_slice();
                while let Some((index, part)) = next() {
                    self.hash_part(index as u64 * READ_BYTES as u64, buffer, part)?;
                }
                Ok(())
            };
            let threads: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(run)).collect();
            threads.into_iter().try_for_each(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|cause| panic::resume_unwind(cause))
            })
        })?;
        self.unchanged()?;
        let root = tree::root(size, &leaves).expect("the list was made for this size");
        Ok(ImageHash {
            root,
            leaves,
            zero_map,
            size,
        })
    }

    /// SHA-256 of the image: one thread, several times slower than [`Image::hash`].
    pub fn sha256(&self) -> Result<[u8; 32], ImageError> {
        let mut hasher = Sha256::new();
        let mut memory = PageAligned::zeroed(READ_BYTES);
        let buffer = memory.as_mut_slice();
        let mut offset = 0;
        while offset < self.size() {
            let length = (self.size() - offset).min(READ_BYTES as u64) as usize;
            self.read_at(offset, &mut buffer[..length])?;
            hasher.update(&buffer[..length]);
            offset += length as u64;
        }
        self.unchanged()?;
        Ok(hasher.finalize().into())
    }

    /// Reads and hashes the leaves from `offset` on whose places are `hashes`, and
    /// notes those that are nothing but zeros.
    fn hash_part(
        &self,
        offset: u64,
        buffer: &mut [u8],
        (hashes, zero_map): (&mut [u8], &mut [u8]),
    ) -> Result<(), ImageError> {
        let length = (self.size() - offset).min(READ_BYTES as u64) as usize;
        let bytes = &mut buffer[..length];
        self.read_at(offset, bytes)?;
        let first = offset / LEAF_BYTES;
        let parts = bytes.chunks(LEAF_BYTES as usize);
        for (i, (part, hash)) in parts.zip(hashes.chunks_mut(HASH_BYTES)).enumerate() {
            let leaf = tree::leaf_hash(self.size(), first + i as u64, part);
            hash.copy_from_slice(&leaf.expect("the range was cut into leaves"));
            if part.iter().all(|byte| *byte == 0) {
                zero_map[i / 8] |= 0x80 >> (i % 8);
            }
        }
        Ok(())
    }
}

impl Stamp {
    /// Looks at an open file.
    pub fn of(mut file: &File) -> io::Result<Stamp> {
        let metadata = file.metadata()?;
        let size_bytes = match metadata.file_type().is_block_device() {
            // A block device says 0 here; its end is where seeking ends. All
            // reads give their offset, so moving the position harms nobody.
            true => file.seek(SeekFrom::End(0))?,
            false => metadata.len(),
        };
        let ns = |seconds: i64, ns: i64| i128::from(seconds) * 1_000_000_000 + i128::from(ns);
        Ok(Stamp {
            dev: metadata.dev(),
            ino: metadata.ino(),
            size_bytes,
            mtime_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// The first field that differs, with both values: the most telling first.
    pub fn difference(&self, now: &Stamp) -> Option<(&'static str, i128, i128)> {
        let fields = [
            ("size_bytes", self.size_bytes.into(), now.size_bytes.into()),
            ("mtime_ns", self.mtime_ns, now.mtime_ns),
            ("ctime_ns", self.ctime_ns, now.ctime_ns),
            ("ino", self.ino.into(), now.ino.into()),
            ("dev", self.dev.into(), now.dev.into()),
        ];
        fields
            .into_iter()
            .find(|(_, before, after)| before != after)
    }
}

fn check_kind(path: &Path, metadata: &Metadata) -> Result<(), ImageError> {
    let (path, kind) = (path.to_path_buf(), metadata.file_type());
    if kind.is_file() || kind.is_block_device() {
        return Ok(());
    }
    if kind.is_dir() {
        return Err(ImageError::Directory { path });
    }
    let kind = match () {
        () if kind.is_fifo() => "pipe",
        () if kind.is_socket() => "socket",
        () => "character device",
    };
    Err(ImageError::Kind { path, kind })
}

/// Leaves of one read.
const _: () = assert!(
    READ_LEAVES.is_multiple_of(8),
    "a byte of the zero map has one owner"
);
const READ_LEAVES: usize = 16;
/// Bytes of one read: 1 MiB keeps system calls rare and stays in the L2 cache.
const READ_BYTES: usize = READ_LEAVES * LEAF_BYTES as usize;

impl From<ImageError> for Failure {
    fn from(error: ImageError) -> Failure {
        match error {
            ImageError::Changed { .. } => Failure::verification(error),
            error => Failure::usage(error),
        }
    }
}

#[cfg(test)]
mod tests;
