//! Small files: read with a cap, written whole or not at all; and where the
//! user's own key is.
use linecast_net::command::Failure;
use linecast_protocol::key::SigningKey;
use linecast_release::openssh;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Most bytes of a key, trust or roster file.
pub(crate) const TEXT_BYTES_MAX: u64 = 16 << 20;

/// Reads a file of at most `limit` bytes; `what` names it in errors.
pub(crate) fn read(what: &str, path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    read_capped(what, path, limit)?
        .ok_or_else(|| Failure::usage(format!("{what} {}: {}", path.display(), too_long(limit))))
}

/// As [`read`], for what has been signed: too long, it does not verify.
pub(crate) fn read_signed(what: &str, path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let message = || format!("{what} {}: {}", path.display(), too_long(limit));
    read_capped(what, path, limit)?.ok_or_else(|| Failure::verification(message()))
}

/// Gives `None` where the file is longer than `limit`.
fn read_capped(what: &str, path: &Path, limit: u64) -> Result<Option<Vec<u8>>, Failure> {
    let fail = |error| Failure::usage(format!("{what} {}: {error}", path.display()));
    let file = File::open(path).map_err(fail)?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(fail)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

fn too_long(limit: u64) -> String {
    format!("at most {limit} bytes expected")
}

/// As [`read`], as text.
pub(crate) fn read_text(what: &str, path: &Path) -> Result<String, Failure> {
    String::from_utf8(read(what, path, TEXT_BYTES_MAX)?)
        .map_err(|_| Failure::usage(format!("{what} {}: not UTF-8 text", path.display())))
}

/// Writes a file that must not exist yet and syncs it.
pub(crate) fn create(what: &str, path: &Path, mode: u32, text: &str) -> Result<(), Failure> {
    let fail = |error| Failure::usage(format!("{what} {}: {error}", path.display()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let mut file = options.open(path).map_err(fail)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    written.map_err(|error| {
        // Half a key is worse than none.
        let _ = std::fs::remove_file(path);
        fail(error)
    })
}

/// A file written beside its place, not yet in it. Dropped, it is gone.
pub(crate) struct Prepared {
    temporary: NamedTempFile,
    path: PathBuf,
    what: &'static str,
}

impl Prepared {
    /// Writes and syncs `bytes` next to `path`.
    pub(crate) fn write(what: &'static str, path: &Path, bytes: &[u8]) -> Result<Self, Failure> {
        let fail = |error| Failure::usage(format!("{what} {}: {error}", path.display()));
        let mut temporary = tempfile::Builder::new()
            .prefix(".linecast-")
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(directory_of(path))
            .map_err(fail)?;
        temporary.write_all(bytes).map_err(fail)?;
        temporary.as_file().sync_all().map_err(fail)?;
        let path = path.to_path_buf();
        Ok(Prepared {
            temporary,
            path,
            what,
        })
    }

    /// Puts the file in its place, over what was there.
    pub(crate) fn publish(self) -> Result<(), Failure> {
        let (what, path) = (self.what, self.path);
        let fail = |error| Failure::usage(format!("{what} {}: {error}", path.display()));
        self.temporary
            .persist(&path)
            .map_err(|error| fail(error.error))?;
        // The name is as durable as the bytes only once its directory is.
        File::open(directory_of(&path))
            .and_then(|dir| dir.sync_all())
            .map_err(fail)
    }
}

/// `path` with `suffix` after its last component.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Where the user's key is when no file is named: `linecast/id` in
/// `$XDG_CONFIG_HOME`, or else in `~/.config`.
pub(crate) fn default_key() -> Result<PathBuf, Failure> {
    let var = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let config = var("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| var("HOME").map(|home| Path::new(&home).join(".config")));
    let config = config.ok_or_else(|| Failure::usage("key: HOME is not set; name a file"))?;
    Ok(config.join("linecast/id"))
}

/// Reads the private key of `--key`, or the user's own.
pub(crate) fn read_key(path: Option<PathBuf>) -> Result<SigningKey, Failure> {
    let path = path.map_or_else(default_key, Ok)?;
    let text = read("key", &path, TEXT_BYTES_MAX)?;
    openssh::read_private(&text)
        .map_err(|error| Failure::usage(format!("key {}: {error}", path.display())))
}

pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}
