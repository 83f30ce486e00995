//! A place in memory for images, so that no disk is measured.

use std::fs;
use std::path::{Path, PathBuf};

use crate::clean::Registration;
use crate::error::LabError;
use crate::names::{DEFAULT_PREFIX, Owner, PLACES};
use crate::sys;

/// A directory for a demonstration or a test.
#[derive(Debug)]
pub struct Staging {
    path: PathBuf,
    _registration: Option<Registration>,
}

impl Staging {
    /// A tmpfs of at most so many bytes, mounted for this process and gone
    /// with it. Where mounting is not allowed it is a directory in `/dev/shm`,
    /// and the size is not enforced.
    pub fn tmpfs(size_bytes: u64) -> Result<Self, LabError> {
        Self::tmpfs_with_prefix(DEFAULT_PREFIX, size_bytes)
    }

    /// The same for labs with a prefix of their own.
    pub fn tmpfs_with_prefix(prefix: &str, size_bytes: u64) -> Result<Self, LabError> {
        let (registration, path) = Registration::build(Owner::new(prefix), |owner| {
            let name = owner.name("staging");
            let [run, shared_memory] = PLACES.map(|place| Path::new(place).join(&name));
            mount(&run, size_bytes).or_else(|_| {
                // Leaves an empty directory at most, which has our name.
                let _ = fs::remove_dir(&run);
                fs::create_dir(&shared_memory)
                    .map_err(LabError::io("create", shared_memory.display()))?;
                Ok(shared_memory)
            })
        })?;
        Ok(Self {
            path,
            _registration: Some(registration),
        })
    }

    /// A directory of the caller's choice, made if it is not there. Nothing of
    /// it is removed.
    pub fn directory(path: impl Into<PathBuf>) -> Result<Self, LabError> {
        let path = path.into();
        fs::create_dir_all(&path).map_err(LabError::io("create", path.display()))?;
        Ok(Self {
            path,
            _registration: None,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A directory inside, made if it is not there.
    pub fn subdirectory(&self, name: &str) -> Result<PathBuf, LabError> {
        let path = self.path.join(name);
        fs::create_dir_all(&path).map_err(LabError::io("create", path.display()))?;
        Ok(path)
    }
}

fn mount(path: &Path, size_bytes: u64) -> Result<PathBuf, LabError> {
    fs::create_dir(path).map_err(LabError::io("create", path.display()))?;
    // Huge pages where the kernel has them: reserving 256 MiB then takes 18 ms
    // instead of 200, and what is measured is the push.
    let options = format!("size={size_bytes},mode=0755");
    sys::mount_tmpfs(path, &format!("{options},huge=within_size"))
        .or_else(|_| sys::mount_tmpfs(path, &options))
        .map_err(LabError::io("mount a tmpfs on", path.display()))?;
    Ok(path.to_owned())
}
