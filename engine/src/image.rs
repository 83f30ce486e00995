//! The image: opened once, hashed by several threads, and watched for changes
//! while it is sent.

use linecast_protocol::tree::{self, HASH_BYTES, Hash, LEAF_BYTES};
use std::fs::{File, Metadata};
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread;

/// Leaves that one read brings: 1 MiB.
const LEAVES_A_READ: u64 = 16;

/// Why an image cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// It cannot be opened.
    #[error("cannot open image {}: {source}", path.display())]
    Open {
        /// The path given.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It is neither a regular file nor a block device.
    #[error("image {} is {kind}: it must be a regular file or a block device", path.display())]
    Kind {
        /// The path given.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// It cannot be read.
    #[error("cannot read image {} at byte {offset}: {source}", path.display())]
    Read {
        /// The path given.
        path: PathBuf,
        /// Where.
        offset: u64,
        /// What the kernel said.
        source: io::Error,
    },
    /// It is no longer what was hashed.
    #[error("image {} changed while it was sent ({what})", path.display())]
    Changed {
        /// The path given.
        path: PathBuf,
        /// Which property changed.
        what: &'static str,
    },
}

/// An open image.
#[derive(Debug)]
pub struct Image {
    path: PathBuf,
    file: File,
    size: u64,
}

/// Root and leaf list of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageHash {
    /// Bytes of the image.
    pub size: u64,
    /// What `b3sum` prints.
    pub root: Hash,
    /// Hashes of all leaves, 32 bytes each.
    pub leaves: Vec<u8>,
}

/// What tells a changed image without reading it. A change that leaves even
/// the change time alone is still caught by every receiver's leaf hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    inode: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Image {
    /// Opens a regular file or a block device for reading.
    ///
    /// # Errors
    /// It is missing, unreadable, or of another kind.
    pub fn open(path: &Path) -> Result<Image, ImageError> {
        let failed = |source| ImageError::Open {
            path: path.to_path_buf(),
            source,
        };
        // Opening a FIFO would block: look at what it is first.
        let kind = std::fs::metadata(path).map_err(failed)?.file_type();
        if !kind.is_file() && !kind.is_block_device() {
            let kind = if kind.is_dir() {
                "a directory"
            } else {
                "a special file"
            };
            return Err(ImageError::Kind {
                path: path.to_path_buf(),
                kind,
            });
        }
        let mut file = File::open(path).map_err(failed)?;
        let size = file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok(Image {
            path: path.to_path_buf(),
            file,
            size,
        })
    }

    /// Bytes of the image.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Fills `buffer` from byte `offset`.
    ///
    /// # Errors
    /// The image ends before, or cannot be read.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), ImageError> {
        self.file.read_exact_at(buffer, offset).map_err(|source| {
            let path = self.path.clone();
            if source.kind() == io::ErrorKind::UnexpectedEof {
                ImageError::Changed {
                    path,
                    what: "it became shorter",
                }
            } else {
                ImageError::Read {
                    path,
                    offset,
                    source,
                }
            }
        })
    }

    /// Hashes every leaf, with `threads` threads.
    ///
    /// # Errors
    /// The image cannot be read, or changes meanwhile.
    pub fn hash(&self, threads: usize) -> Result<ImageHash, ImageError> {
        let stamp = self.stamp()?;
        let count = tree::leaf_count(self.size);
        let mut leaves = vec![0; count as usize * HASH_BYTES];
        let share = count.div_ceil(threads.max(1) as u64).max(1);
        thread::scope(|scope| {
            let parts = leaves.chunks_mut(share as usize * HASH_BYTES).enumerate();
            let workers: Vec<_> = parts
                .map(|(part, hashes)| {
                    scope.spawn(move || self.hash_part(part as u64 * share, hashes))
                })
                .collect();
            workers
                .into_iter()
                .try_for_each(|worker| match worker.join() {
                    Ok(result) => result,
                    Err(panic) => std::panic::resume_unwind(panic),
                })
        })?;
        stamp.unchanged(self)?;
        let root = match tree::root(self.size, &leaves) {
            Ok(root) => root,
            Err(error) => unreachable!("one hash for each leaf: {error}"),
        };
        Ok(ImageHash {
            size: self.size,
            root,
            leaves,
        })
    }

    fn hash_part(&self, first: u64, hashes: &mut [u8]) -> Result<(), ImageError> {
        let mut buffer = vec![0; (LEAVES_A_READ * LEAF_BYTES) as usize];
        let mut leaf = first;
        for group in hashes.chunks_mut(LEAVES_A_READ as usize * HASH_BYTES) {
            let start = leaf * LEAF_BYTES;
            let count = (group.len() / HASH_BYTES) as u64;
            let bytes = (self.size - start).min(count * LEAF_BYTES) as usize;
            self.read_exact_at(&mut buffer[..bytes], start)?;
            let pieces = buffer[..bytes].chunks(LEAF_BYTES as usize);
            for (piece, hash) in pieces.zip(group.chunks_mut(HASH_BYTES)) {
                match tree::leaf_hash(self.size, leaf, piece) {
                    Ok(got) => hash.copy_from_slice(&got),
                    Err(error) => unreachable!("pieces have their leaf's length: {error}"),
                }
                leaf += 1;
            }
        }
        Ok(())
    }

    /// What the image looks like from outside, now.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn stamp(&self) -> Result<Stamp, ImageError> {
        let metadata = self.file.metadata();
        let metadata = metadata.map_err(|source| ImageError::Read {
            path: self.path.clone(),
            offset: 0,
            source,
        })?;
        Ok(Stamp::of(&metadata))
    }
}

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            inode: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether `image` still looks as it did.
    ///
    /// # Errors
    /// [`ImageError::Changed`], naming the property.
    pub fn unchanged(&self, image: &Image) -> Result<(), ImageError> {
        let new = image.stamp()?;
        let what = if new.inode != self.inode {
            "it is another file"
        } else if new.size != self.size {
            "its size"
        } else if new.modified != self.modified {
            "its modification time"
        } else if new.changed != self.changed {
            "its change time"
        } else {
            return Ok(());
        };
        Err(ImageError::Changed {
            path: image.path.clone(),
            what,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image_of(bytes: &[u8]) -> (tempfile::NamedTempFile, Image) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let image = Image::open(file.path()).unwrap();
        (file, image)
    }

    #[test]
    fn the_root_is_what_b3sum_prints_for_any_number_of_threads() {
        for size in [0usize, 1, 65_535, 65_536, 65_537, 200_000, 3_000_001] {
            let bytes: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            let (_file, image) = image_of(&bytes);
            for threads in [1, 2, 7] {
                let hash = image.hash(threads).unwrap();
                assert_eq!(
                    hash.root,
                    *blake3::hash(&bytes).as_bytes(),
                    "{size} by {threads}"
                );
            }
        }
    }

    #[test]
    fn a_change_is_noticed() {
        let (file, image) = image_of(&[7; 100_000]);
        let stamp = image.stamp().unwrap();
        stamp.unchanged(&image).unwrap();
        std::fs::write(file.path(), [8; 100_001]).unwrap();
        assert!(matches!(
            stamp.unchanged(&image),
            Err(ImageError::Changed { .. })
        ));
    }

    #[test]
    fn errors_name_the_image_and_what_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let missing = Image::open(&dir.path().join("fw.img")).unwrap_err();
        assert!(missing.to_string().contains("fw.img"));
        let directory = Image::open(dir.path()).unwrap_err();
        assert!(
            directory.to_string().contains("is a directory"),
            "{directory}"
        );
    }
}
