//! The directory a receiver receives into, and what it keeps there.
//!
//! ```text
//! DIR/
//!   <final name>                the image, once it is verified and synced
//!   .linecast/
//!     lock                      held (flock) as long as a receiver runs
//!     key                       ed25519 seed of this receiver, 32 bytes, 0600
//!     installation              random id of this directory, 32 bytes, 0600
//!     <root>.staging            the image while it arrives
//!     <root>.journal            which leaves of it have been verified
//!     <root>.leaves             the hashes of its leaves
//!     installed/<hash>.json     version counter of one image name
//! ```
//!
//! No name from the network becomes a path: staging and journal are named by
//! the image's root, version counters by the hash of the image name, and the
//! final name is an option of the person who runs the receiver.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::stage_error::{StageError, failed, hex};

/// An open and locked directory to receive into. Clones share the lock, which
/// is released with the last of them.
#[derive(Debug, Clone)]
pub struct Target {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    dir_fd: File,
    state: PathBuf,
    state_fd: File,
    _lock: File,
}

impl Target {
    /// Checks `dir`, makes its state directory and locks it, so that every
    /// reason why nothing can be received here is known before any join.
    pub fn open(dir: &Path) -> Result<Self, StageError> {
        let metadata = std::fs::metadata(dir).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => StageError::Missing {
                path: dir.to_path_buf(),
            },
            _ => StageError::io("look at", dir, source),
        })?;
        if !metadata.is_dir() {
            return Err(StageError::NotADirectory {
                path: dir.to_path_buf(),
            });
        }
        let dir = dir.canonicalize().map_err(failed("resolve", dir))?;
        let dir_fd = File::open(&dir).map_err(failed("open directory", &dir))?;
        let state = dir.join(STATE_DIR);
        make_dir(&state)?;
        let state_fd = File::open(&state).map_err(failed("open directory", &state))?;
        let lock = lock(&state.join("lock"))?;
        sync_dir(&dir_fd, &dir)?;
        Ok(Self {
            inner: Arc::new(Inner {
                dir,
                dir_fd,
                state,
                state_fd,
                _lock: lock,
            }),
        })
    }

    /// The directory itself, absolute and free of links.
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// Where an image stays while it arrives.
    pub fn staging_path(&self, root: &[u8; 32]) -> PathBuf {
        self.inner.state.join(format!("{}.staging", hex(root)))
    }

    /// Where the verified leaves of an image are noted.
    pub fn journal_path(&self, root: &[u8; 32]) -> PathBuf {
        self.inner.state.join(format!("{}.journal", hex(root)))
    }

    /// The final path of an image: `name` if the caller has one, else the
    /// first 16 hexadecimal digits of the root and `.img`.
    pub fn final_path(&self, root: &[u8; 32], name: Option<&str>) -> Result<PathBuf, StageError> {
        let Some(name) = name else {
            return Ok(self.inner.dir.join(format!("{}.img", hex(&root[..8]))));
        };
        let plain = !name.is_empty()
            && name.len() <= NAME_BYTES_MAX
            && !matches!(name, "." | ".." | STATE_DIR)
            && !name.contains(['/', '\0']);
        if !plain {
            return Err(StageError::FinalName { name: name.into() });
        }
        Ok(self.inner.dir.join(name))
    }

    /// Removes the staged bytes and the journal of an image: for one that was
    /// refused, or replaced by another.
    pub fn discard(&self, root: &[u8; 32]) -> Result<(), StageError> {
        remove(&self.journal_path(root))?;
        self.drop_leaf_list(root)?;
        remove(&self.staging_path(root))?;
        self.sync_state()
    }

    /// The seed of this receiver's ed25519 key, made on first use.
    pub fn device_key(&self) -> Result<[u8; 32], StageError> {
        self.secret("key")
    }

    /// The id of this installation: random, made on first use beside the key, and
    /// tied to the machine, which `hardware` tells apart: a copy of this directory
    /// on another machine has another id, though it has the same key.
    ///
    /// # Errors
    /// The file cannot be read or made.
    pub fn installation(&self, hardware: &[u8]) -> Result<[u8; 8], StageError> {
        let seed = self.secret("installation")?;
        let mut hasher = blake3::Hasher::new_keyed(&seed);
        let id = hasher.update(hardware).finalize();
        Ok(std::array::from_fn(|at| id.as_bytes()[at]))
    }

    /// A number for this process, that no other has.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn random_life() -> Result<[u8; 8], StageError> {
        let seed = random_seed()?;
        Ok(std::array::from_fn(|at| seed[at]))
    }

    /// 32 random bytes of a private file, made on first use.
    fn secret(&self, name: &str) -> Result<[u8; 32], StageError> {
        let path = self.inner.state.join(name);
        match open_private(&path, OpenOptions::new().read(true)) {
            Ok(file) => read_key(&path, file),
            Err(source) if source.kind() == io::ErrorKind::NotFound => {
                let seed = random_seed()?;
                self.write_state(&path, &seed)?;
                Ok(seed)
            }
            Err(source) => Err(StageError::io("open", &path, source)),
        }
    }

    pub(crate) fn state(&self) -> &Path {
        &self.inner.state
    }

    /// Replaces a small state file so that a crash leaves the old or the new
    /// content, and returns only when the new one is durable.
    pub(crate) fn write_state(&self, path: &Path, content: &[u8]) -> Result<(), StageError> {
        let temp = path.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        let mut file = open_private(&temp, &mut options).map_err(failed("create", &temp))?;
        file.write_all(content).map_err(failed("write", &temp))?;
        file.sync_all().map_err(|source| StageError::Sync {
            path: temp.clone(),
            source,
        })?;
        std::fs::rename(&temp, path).map_err(failed("rename to", path))?;
        match path.parent() {
            Some(parent) if parent != self.state() => {
                let fd = File::open(parent).map_err(failed("open directory", parent))?;
                sync_dir(&fd, parent)
            }
            _ => self.sync_state(),
        }
    }

    /// Makes renames and removals in the directory durable.
    pub(crate) fn sync_dir(&self) -> Result<(), StageError> {
        sync_dir(&self.inner.dir_fd, &self.inner.dir)
    }

    /// Makes renames and removals in the state directory durable.
    pub(crate) fn sync_state(&self) -> Result<(), StageError> {
        sync_dir(&self.inner.state_fd, &self.inner.state)
    }
}

/// Opens a file of ours: never through a symbolic link, readable by us alone
/// if it is created.
pub(crate) fn open_private(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    open_no_follow(path, options.mode(0o600))
}

/// The same for a file that becomes the user's: its mode is what the umask
/// says. Until then the state directory hides it.
pub(crate) fn open_no_follow(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options
        .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
        .open(path)
}

/// Locks an open file, or says who may not have it.
pub(crate) fn lock_open(file: &File, path: &Path) -> Result<(), StageError> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => StageError::Locked {
            path: path.to_path_buf(),
        },
        TryLockError::Error(source) => StageError::io("lock", path, source),
    })
}

/// Makes a directory of ours, unless it is there.
pub(crate) fn make_dir(path: &Path) -> Result<(), StageError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
            Err(StageError::io("create directory", path, source))
        }
        _ => Ok(()),
    }
}

/// Removes a file, unless it is gone.
pub(crate) fn remove(path: &Path) -> Result<(), StageError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(StageError::io("remove", path, source))
        }
        _ => Ok(()),
    }
}

fn lock(path: &Path) -> Result<File, StageError> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    let file = open_private(path, &mut options).map_err(failed("open", path))?;
    lock_open(&file, path)?;
    Ok(file)
}

fn sync_dir(fd: &File, path: &Path) -> Result<(), StageError> {
    fd.sync_all().map_err(|source| StageError::Sync {
        path: path.to_path_buf(),
        source,
    })
}

fn read_key(path: &Path, mut file: File) -> Result<[u8; 32], StageError> {
    let bad = |reason| StageError::State {
        path: path.to_path_buf(),
        reason,
    };
    let metadata = file.metadata().map_err(failed("look at", path))?;
    if metadata.mode() & 0o077 != 0 {
        return Err(bad(
            "it can be read by others than its owner (chmod 600 it)",
        ));
    }
    if metadata.len() != 32 {
        return Err(bad("not a key or id: it has to be 32 bytes long"));
    }
    let mut seed = [0; 32];
    file.read_exact(&mut seed).map_err(failed("read", path))?;
    Ok(seed)
}

/// `/dev/random` waits until the kernel's generator is seeded, which matters
/// on a device that makes its key in its first boot (random(4)).
fn random_seed() -> Result<[u8; 32], StageError> {
    let path = Path::new("/dev/random");
    let mut seed = [0; 32];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut seed))
        .map_err(failed("read", path))?;
    Ok(seed)
}

const STATE_DIR: &str = ".linecast";
const NAME_BYTES_MAX: usize = 255;

#[cfg(test)]
mod tests;
