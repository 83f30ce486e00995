//! Version counters: what has been installed under which image name.
//!
//! The counter of a name only rises. A record that cannot be read is an
//! error, never "nothing installed": otherwise damage to one file would allow
//! a rollback.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::path::PathBuf;

use linecast_protocol::hash_from_hex;
use serde::{Deserialize, Serialize};

use crate::stage_error::{StageError, failed, hex};
use crate::target::{Target, make_dir, open_private};

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    name: String,
    version: u64,
    root_b3: String,
}

impl Target {
    /// The version counter of `name`, if an image of that name was installed.
    pub fn installed_version(&self, name: &str) -> Result<Option<u64>, StageError> {
        Ok(self.installed(name)?.map(|record| record.version))
    }

    /// The root of the image of that name that was installed last.
    pub fn installed_root(&self, name: &str) -> Result<Option<[u8; 32]>, StageError> {
        let record = self.installed(name)?;
        Ok(record.and_then(|record| hash_from_hex(&record.root_b3)))
    }

    fn installed(&self, name: &str) -> Result<Option<Record>, StageError> {
        let path = self.record_path(name);
        let bad = |reason| StageError::State {
            path: path.clone(),
            reason,
        };
        let file = match open_private(&path, OpenOptions::new().read(true)) {
            Ok(file) => file,
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StageError::io("open", &path, source)),
        };
        let mut text = Vec::new();
        file.take(RECORD_BYTES_MAX)
            .read_to_end(&mut text)
            .map_err(failed("read", &path))?;
        let record: Record =
            serde_json::from_slice(&text).map_err(|_| bad("not a record of an installed image"))?;
        if record.name != name {
            return Err(bad("the record of another image name"));
        }
        Ok(Some(record))
    }

    /// Notes durably that `version` of `name` is installed. The same version
    /// again is allowed, an older one is not.
    pub fn record_installed(
        &self,
        name: &str,
        version: u64,
        root: &[u8; 32],
    ) -> Result<(), StageError> {
        if let Some(installed) = self.installed_version(name)?
            && installed > version
        {
            return Err(StageError::VersionFalls {
                name: name.into(),
                installed,
                got: version,
            });
        }
        make_dir(&self.state().join(INSTALLED_DIR))?;
        self.sync_state()?;
        let record = Record {
            name: name.into(),
            version,
            root_b3: hex(root),
        };
        let path = self.record_path(name);
        let text = serde_json::to_vec(&record).map_err(|source| StageError::Io {
            operation: "encode",
            path: path.clone(),
            source: source.into(),
        })?;
        self.write_state(&path, &text)
    }

    fn record_path(&self, name: &str) -> PathBuf {
        let hash = blake3::hash(name.as_bytes());
        self.state()
            .join(INSTALLED_DIR)
            .join(format!("{}.json", hex(&hash.as_bytes()[..16])))
    }
}

const INSTALLED_DIR: &str = "installed";
/// Far above any record: a manifest, and with it the name, is at most 64 KiB,
/// and JSON takes at most six bytes for one of them.
const RECORD_BYTES_MAX: u64 = 512 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_counter_only_rises() {
        let dir = tempfile::tempdir().unwrap();
        let target = Target::open(dir.path()).unwrap();
        assert_eq!(target.installed_version("fw").unwrap(), None);
        target.record_installed("fw", 7, &[1; 32]).unwrap();
        target.record_installed("fw", 7, &[1; 32]).unwrap();
        target.record_installed("fw", 9, &[2; 32]).unwrap();
        assert!(matches!(
            target.record_installed("fw", 8, &[1; 32]),
            Err(StageError::VersionFalls {
                installed: 9,
                got: 8,
                ..
            })
        ));
        drop(target);
        let target = Target::open(dir.path()).unwrap();
        assert_eq!(target.installed_version("fw").unwrap(), Some(9));
    }

    #[test]
    fn hostile_name_is_only_data() {
        let dir = tempfile::tempdir().unwrap();
        let target = Target::open(dir.path()).unwrap();
        for name in ["../../etc/passwd", "", "/", "a\0b", "..", "\u{202e}gmi"] {
            target.record_installed(name, 3, &[0; 32]).unwrap();
            assert_eq!(target.installed_version(name).unwrap(), Some(3));
        }
        let entries = std::fs::read_dir(dir.path()).unwrap().count();
        assert_eq!(entries, 1, "only the state directory");
    }

    #[test]
    fn damaged_record_is_an_error_not_a_rollback() {
        let dir = tempfile::tempdir().unwrap();
        let target = Target::open(dir.path()).unwrap();
        target.record_installed("fw", 7, &[1; 32]).unwrap();
        let path = target.record_path("fw");
        for garbage in [
            &b""[..],
            b"{",
            b"{\"name\":\"other\",\"version\":1,\"root_b3\":\"\"}",
        ] {
            std::fs::write(&path, garbage).unwrap();
            assert!(matches!(
                target.installed_version("fw"),
                Err(StageError::State { .. })
            ));
            assert!(target.record_installed("fw", 8, &[1; 32]).is_err());
        }
    }
}
