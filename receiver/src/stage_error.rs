//! Why staging an image failed.

use std::io;
use std::path::{Path, PathBuf};

/// A failure of the directory, of the staged file or of the state beside it.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The directory to receive into does not exist.
    #[error("{}: no such directory", path.display())]
    Missing { path: PathBuf },
    /// The path to receive into is something else than a directory.
    #[error("{}: not a directory", path.display())]
    NotADirectory { path: PathBuf },
    /// The file system is mounted read-only.
    #[error("{}: the file system is read-only", path.display())]
    ReadOnly { path: PathBuf },
    /// Another receiver (or another staging of this process) holds the path.
    #[error("{}: in use by another receiver", path.display())]
    Locked { path: PathBuf },
    /// The file system has no room for the image.
    #[error("{}: the disk is full: {needed_bytes} bytes needed, {free_bytes} free", path.display())]
    NoSpace {
        path: PathBuf,
        /// Bytes still to be allocated for the whole image.
        needed_bytes: u64,
        /// Bytes this user may still allocate.
        free_bytes: u64,
    },
    /// The quota of the user does not allow the image.
    #[error("{}: the disk quota does not allow {needed_bytes} bytes more", path.display())]
    Quota { path: PathBuf, needed_bytes: u64 },
    /// The image is larger than a file here can be.
    #[error("{}: an image of {size_bytes} bytes is larger than a file can be here", path.display())]
    TooLarge { path: PathBuf, size_bytes: u64 },
    /// A symbol size that no session can have.
    #[error("a symbol of {symbol_bytes} bytes (1 to 65535 allowed)")]
    SymbolBytes { symbol_bytes: usize },
    /// A range outside the staged file.
    #[error("bytes {start}..{end} are outside the {reserved_bytes} reserved bytes")]
    OutOfBounds {
        start: u64,
        end: u64,
        reserved_bytes: u64,
    },
    /// A range that another thread may be reading.
    #[error("bytes {start}..{end} are being hashed or decoded and cannot be written")]
    Lent { start: u64, end: u64 },
    /// A final name that is not one plain file name.
    #[error("{name:?} is not a plain file name")]
    FinalName { name: String },
    /// What was read back from the disk is not what the manifest says.
    #[error("{}: read back from the disk, it hashes to {got} instead of {expected}", path.display())]
    ReadBack {
        path: PathBuf,
        expected: String,
        got: String,
    },
    /// The disk refused to keep the bytes. Fatal to this staging: the kernel
    /// may have dropped the pages it could not write, so trying again proves
    /// nothing.
    #[error("{}: the disk did not keep the data: {source}", path.display())]
    Sync { path: PathBuf, source: io::Error },
    /// The version counter of an image name never falls.
    #[error("version {got} of {name:?} is older than the installed version {installed}")]
    VersionFalls {
        name: String,
        installed: u64,
        got: u64,
    },
    /// A state file that this program cannot have written.
    #[error("{}: {reason}", path.display())]
    State { path: PathBuf, reason: &'static str },
    /// Any other failure of the operating system.
    #[error("{operation} {}: {source}", path.display())]
    Io {
        operation: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

impl StageError {
    /// Names the operation and the path of a failed call, and lifts the
    /// failures that have a variant of their own.
    pub(crate) fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            io::ErrorKind::NotADirectory => Self::NotADirectory { path },
            _ => Self::Io {
                operation,
                path,
                source,
            },
        }
    }
}

/// For `map_err`: the failed operation and the path it was for.
pub(crate) fn failed(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StageError {
    move |source| StageError::io(operation, path, source)
}

/// Lower-case hexadecimal, the only form in which anything from the network
/// becomes part of a path.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
