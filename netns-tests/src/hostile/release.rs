//! A signed image of any size, and the files that its push needs.

use crate::images::split_mix;
use linecast_protocol::key::SigningKey;
use linecast_release::openssh;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

const CHUNK_BYTES: usize = 1 << 20;

/// An image in a file, a key to sign it with, and one for who trusts that.
#[derive(Debug)]
pub struct Release {
    /// The image.
    pub image: PathBuf,
    /// Private key.
    pub key: PathBuf,
    /// Public key.
    pub trust: PathBuf,
    /// Bytes of the image.
    pub size_bytes: u64,
}

impl Release {
    /// Writes all of it into a directory. The same name and size give the same
    /// bytes.
    pub(super) fn write(directory: &Path, name: &str, size_bytes: u64) -> Release {
        let release = Release {
            image: directory.join(name),
            key: directory.join("release-key"),
            trust: directory.join("release-key.pub"),
            size_bytes,
        };
        release.write_files(name).expect("a tmpfs with room");
        release
    }

    fn write_files(&self, name: &str) -> io::Result<()> {
        let key = SigningKey::from_seed([0x11; 32]);
        fs::write(&self.key, openssh::write_private(&key, "release"))?;
        fs::set_permissions(&self.key, fs::Permissions::from_mode(0o600))?;
        fs::write(
            &self.trust,
            openssh::write_public(&key.public(), "release") + "\n",
        )?;
        let mut state = name.bytes().map(u64::from).sum::<u64>() + self.size_bytes;
        let mut file = BufWriter::with_capacity(CHUNK_BYTES, File::create(&self.image)?);
        let mut left = self.size_bytes;
        while left > 0 {
            let bytes = split_mix(&mut state).to_le_bytes();
            let taken = left.min(bytes.len() as u64);
            file.write_all(&bytes[..taken as usize])?;
            left -= taken;
        }
        file.flush()
    }

    /// Whether a file holds exactly the image.
    pub fn is_in(&self, path: &Path) -> bool {
        let same = || -> io::Result<bool> {
            let (mut a, mut b) = (File::open(&self.image)?, File::open(path)?);
            if b.metadata()?.len() != self.size_bytes {
                return Ok(false);
            }
            let (mut one, mut other) = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]);
            let mut left = self.size_bytes as usize;
            while left > 0 {
                let length = left.min(CHUNK_BYTES);
                a.read_exact(&mut one[..length])?;
                b.read_exact(&mut other[..length])?;
                if one[..length] != other[..length] {
                    return Ok(false);
                }
                left -= length;
            }
            Ok(true)
        };
        same().unwrap_or(false)
    }
}

/// What tells a file from one that replaced it.
pub(super) fn identity(path: &Path) -> Option<(u64, i64, i64)> {
    let meta = fs::metadata(path).ok()?;
    Some((meta.ino(), meta.mtime(), meta.mtime_nsec()))
}

/// Takes away what receptions have left in a target directory; who the device is
/// stays.
pub(super) fn clear_target(target: &Path) {
    let remove = |path: &Path| {
        let removed = if path.is_dir() {
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        };
        removed.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    };
    let entries = |directory: &Path| {
        let entries = fs::read_dir(directory).into_iter().flatten();
        entries.filter_map(|entry| Some(entry.ok()?.path()))
    };
    for path in entries(target).filter(|path| !path.ends_with(".linecast")) {
        remove(&path);
    }
    for path in entries(&target.join(".linecast")) {
        let staged = [".staging", ".journal", ".leaves"];
        let name = path.to_string_lossy();
        if path.is_dir() || staged.iter().any(|end| name.ends_with(end)) {
            remove(&path);
        }
    }
}
