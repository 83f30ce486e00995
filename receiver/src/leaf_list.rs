//! The leaf list, kept beside the staged image: it proves itself against the
//! root, so a resumed transfer can check what it has before it asks for more.

use crate::stage_error::{StageError, hex};
use crate::target::{Target, open_private, remove};
use std::fs::OpenOptions;
use std::io::{self, Read};
use std::path::PathBuf;

impl Target {
    fn leaf_list_path(&self, root: &[u8; 32]) -> PathBuf {
        self.state().join(format!("{}.leaves", hex(root)))
    }

    /// The leaf list of `bytes` bytes that was kept; `None` if there is none of
    /// that length.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn leaf_list(&self, root: &[u8; 32], bytes: u64) -> Result<Option<Vec<u8>>, StageError> {
        let path = self.leaf_list_path(root);
        let file = match open_private(&path, OpenOptions::new().read(true)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StageError::io("open", &path, source)),
        };
        let mut list = Vec::new();
        file.take(bytes + 1)
            .read_to_end(&mut list)
            .map_err(|source| StageError::io("read", &path, source))?;
        Ok((list.len() as u64 == bytes).then_some(list))
    }

    /// Keeps the leaf list for a resume.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep_leaf_list(&self, root: &[u8; 32], list: &[u8]) -> Result<(), StageError> {
        self.write_state(&self.leaf_list_path(root), list)
    }

    /// Removes the leaf list: the image is in place, or was refused.
    ///
    /// # Errors
    /// It is there and cannot be removed.
    pub fn drop_leaf_list(&self, root: &[u8; 32]) -> Result<(), StageError> {
        remove(&self.leaf_list_path(root))
    }
}
