//! The signed description of a release: what the bytes are, whom they are for
//! and until when. It knows nothing of any one push.
//!
//! The signature covers the exact bytes, so they are kept and passed on as
//! they came and never written anew. Parsing is strict: one schema, every key
//! known and given once, so that two readers cannot understand one manifest
//! differently.
mod json;

use crate::rfc3339::rfc3339;
use alloc::{string::String, vec::Vec};
use linecast_protocol::tree::Hash;

/// Longest manifest that is looked at. Session descriptor, manifest and
/// signature travel as one object of at most this size, so a manifest that is
/// to be pushed must leave room for the other two.
pub const MANIFEST_BYTES_MAX: usize = 64 * 1024;
/// Largest image: what a NORM object length of 48 bits can say.
pub const SIZE_MAX: u64 = (1 << 48) - 1;
/// Largest version counter: above it JSON readers with floating-point numbers
/// would confuse neighbours.
pub const VERSION_MAX: u64 = (1 << 53) - 1;
/// Longest image name, in bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// Most hardware ids.
pub const HARDWARE_MAX: usize = 64;
/// Longest hardware id, in bytes.
pub const HARDWARE_BYTES_MAX: usize = 64;
/// The schema this version of linecast writes and reads.
pub const SCHEMA: &str = "linecast.manifest.v1";

/// What a release is. Times are unix seconds, hashes raw bytes; in JSON times
/// are RFC 3339 text in UTC and hashes lower-case hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The image's name, safe as a file name: see [`check_name`].
    pub name: String,
    /// Version counter. It only rises on a device; up to [`VERSION_MAX`].
    pub version: u64,
    /// Hardware ids the release is for; empty means any.
    pub hardware: Vec<String>,
    /// Bytes of the image, up to [`SIZE_MAX`].
    pub size_bytes: u64,
    /// BLAKE3 root of the image, as `b3sum` prints it.
    pub root_b3: Hash,
    /// SHA-256 of the image, for tools that know no BLAKE3.
    pub sha256: Option<[u8; 32]>,
    /// When the manifest was made.
    pub created: u64,
    /// From when on devices refuse it; `None` means never.
    pub expires: Option<u64>,
}

/// What a device, or the person at a terminal, knows when a manifest comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The time now, in unix seconds.
    pub now_unix: u64,
    /// The version the device runs; lower ones are refused.
    pub installed_version: Option<u64>,
    /// The device's hardware id; `None` leaves hardware unchecked.
    pub hardware: Option<String>,
    /// Bytes the target can hold.
    pub size_max: u64,
}

/// Why a manifest is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Longer than [`MANIFEST_BYTES_MAX`]; nothing of it was parsed.
    #[error("manifest: at most {limit} bytes, got {got}")]
    TooLong {
        /// The limit.
        limit: usize,
        /// Bytes given.
        got: usize,
    },
    /// Not JSON.
    #[error("manifest: not JSON at line {line}, column {column}")]
    NotJson {
        /// Line of the fault, from 1.
        line: usize,
        /// Column of the fault.
        column: usize,
    },
    /// JSON, but not an object.
    #[error("manifest: a JSON object expected")]
    NotAnObject,
    /// Bytes follow the object.
    #[error("manifest: bytes after the object at line {line}, column {column}")]
    TrailingBytes {
        /// Line, from 1.
        line: usize,
        /// Column.
        column: usize,
    },
    /// A key is given twice.
    #[error("manifest: key {0} is given twice")]
    DuplicateKey(String),
    /// A key the schema does not have.
    #[error("manifest: unknown key {0}")]
    UnknownKey(String),
    /// A key the schema needs.
    #[error("manifest: key {0} is missing")]
    MissingKey(&'static str),
    /// A value of the wrong type: a fraction or a negative number where a
    /// count belongs, too.
    #[error("manifest: {key}: {expected} expected")]
    Type {
        /// The key.
        key: &'static str,
        /// What belongs there.
        expected: &'static str,
    },
    /// Another schema, or a later version of this one.
    #[error("manifest: schema {SCHEMA} expected, got {got}")]
    Schema {
        /// The schema it names.
        got: String,
    },
    /// The name is not 1 to [`NAME_BYTES_MAX`] bytes.
    #[error("manifest: name of 1 to {limit} bytes expected, got {got}")]
    NameLength {
        /// The limit.
        limit: usize,
        /// Bytes of the name.
        got: usize,
    },
    /// The name has a character that is not safe in a file name.
    #[error(
        "manifest: name: character {got:?} is not allowed (letters, digits, space and {NAME_SIGNS} are)"
    )]
    NameCharacter {
        /// The first such character.
        got: char,
    },
    /// The name starts or ends in a way that is not safe in a file name.
    #[error("manifest: name: must not start with {got:?} or end in a space or dot")]
    NameEdge {
        /// The first or last character.
        got: char,
    },
    /// The version counter is above [`VERSION_MAX`].
    #[error("manifest: version: at most {limit}, got {got}")]
    Version {
        /// The limit.
        limit: u64,
        /// The version.
        got: u64,
    },
    /// More than [`HARDWARE_MAX`] hardware ids.
    #[error("manifest: at most {limit} hardware ids, got {got}")]
    HardwareCount {
        /// The limit.
        limit: usize,
        /// Ids given.
        got: usize,
    },
    /// A hardware id is not 1 to [`HARDWARE_BYTES_MAX`] printable ASCII characters.
    #[error("manifest: hardware id {got:?}: 1 to {limit} printable ASCII characters expected")]
    HardwareId {
        /// The limit.
        limit: usize,
        /// The id, cut to the limit.
        got: String,
    },
    /// A hardware id is given twice.
    #[error("manifest: hardware id {got:?} is given twice")]
    HardwareTwice {
        /// The id.
        got: String,
    },
    /// The image is larger than [`SIZE_MAX`].
    #[error("manifest: size_bytes: at most {limit}, got {got}")]
    Size {
        /// The limit.
        limit: u64,
        /// The size.
        got: u64,
    },
    /// The BLAKE3 root is not 64 lower-case hexadecimal digits.
    #[error("manifest: root_b3: 64 lower-case hexadecimal digits expected")]
    Root,
    /// The SHA-256 is not 64 lower-case hexadecimal digits.
    #[error("manifest: sha256: 64 lower-case hexadecimal digits expected")]
    Sha256,
    /// The time of making is not `YYYY-MM-DDTHH:MM:SSZ`.
    #[error("manifest: created: a time like 2026-01-31T00:00:00Z expected")]
    Created,
    /// The expiry is not `YYYY-MM-DDTHH:MM:SSZ`.
    #[error("manifest: expires: a time like 2026-01-31T00:00:00Z expected")]
    Expires,
    /// It expires before it was made.
    #[error("manifest: expires {}, before it was created {}", rfc3339(*.expires), rfc3339(*.created))]
    ExpiresBeforeCreated {
        /// Unix seconds.
        expires: u64,
        /// Unix seconds.
        created: u64,
    },
    /// The time is past the expiry.
    #[error("manifest: expired {}, it is now {}", rfc3339(*.expired), rfc3339(*.now))]
    Expired {
        /// When it expired, in unix seconds.
        expired: u64,
        /// The time now, in unix seconds.
        now: u64,
    },
    /// The device runs a later version.
    #[error("manifest: version {got} is older than the installed version {installed}")]
    Rollback {
        /// The version the device runs.
        installed: u64,
        /// The manifest's version.
        got: u64,
    },
    /// The release is for other hardware.
    #[error("manifest: for hardware {}, this device is {device}", .allowed.join(", "))]
    WrongHardware {
        /// The hardware ids of the release.
        allowed: Vec<String>,
        /// The device's.
        device: String,
    },
    /// The image does not fit the target.
    #[error("manifest: image of {got} bytes, the target holds {limit}")]
    TooBig {
        /// Bytes the target holds.
        limit: u64,
        /// Bytes of the image.
        got: u64,
    },
}

impl Manifest {
    /// Reads a manifest. Its signature should have been checked before: this
    /// is the first thing that looks inside the bytes.
    pub fn parse(bytes: &[u8]) -> Result<Manifest, ManifestError> {
        json::parse(bytes)
    }

    /// Writes the manifest as indented JSON: the bytes to sign. Fields outside
    /// their limits are written as they are, and [`Manifest::parse`] refuses
    /// them: see [`Manifest::check_limits`].
    pub fn to_bytes(&self) -> Vec<u8> {
        json::to_bytes(self)
    }

    /// BLAKE3 of the exact bytes: what names a release.
    pub fn digest(bytes: &[u8]) -> Hash {
        *blake3::hash(bytes).as_bytes()
    }

    /// Whether this device may take the release now: checked before anything
    /// is allocated or opened for write.
    pub fn check(&self, policy: &Policy) -> Result<(), ManifestError> {
        let now = policy.now_unix;
        if let Some(expired) = self.expires.filter(|&expires| expires <= now) {
            return Err(ManifestError::Expired { expired, now });
        }
        let got = self.version;
        if let Some(installed) = policy.installed_version.filter(|&v| v > got) {
            return Err(ManifestError::Rollback { installed, got });
        }
        if let Some(device) = &policy.hardware
            && !self.hardware.is_empty()
            && !self.hardware.contains(device)
        {
            return Err(ManifestError::WrongHardware {
                allowed: self.hardware.clone(),
                device: device.clone(),
            });
        }
        let (limit, got) = (policy.size_max, self.size_bytes);
        if got > limit {
            return Err(ManifestError::TooBig { limit, got });
        }
        Ok(())
    }

    /// Whether every field is within the limits that [`Manifest::parse`]
    /// enforces: for those who fill one in before they sign it.
    pub fn check_limits(&self) -> Result<(), ManifestError> {
        check_name(&self.name)?;
        let (limit, got) = (VERSION_MAX, self.version);
        if got > limit {
            return Err(ManifestError::Version { limit, got });
        }
        self.check_hardware()?;
        let (limit, got) = (SIZE_MAX, self.size_bytes);
        if got > limit {
            return Err(ManifestError::Size { limit, got });
        }
        let created = self.created;
        if let Some(expires) = self.expires.filter(|&expires| expires < created) {
            return Err(ManifestError::ExpiresBeforeCreated { expires, created });
        }
        Ok(())
    }

    fn check_hardware(&self) -> Result<(), ManifestError> {
        let (limit, got) = (HARDWARE_MAX, self.hardware.len());
        if got > limit {
            return Err(ManifestError::HardwareCount { limit, got });
        }
        for (index, id) in self.hardware.iter().enumerate() {
            let printable = id.bytes().all(|byte| byte.is_ascii_graphic());
            if id.is_empty() || id.len() > HARDWARE_BYTES_MAX || !printable {
                return Err(ManifestError::HardwareId {
                    limit: HARDWARE_BYTES_MAX,
                    got: id.chars().take(HARDWARE_BYTES_MAX).collect(),
                });
            }
            if self.hardware[..index].contains(id) {
                let got = id.clone();
                return Err(ManifestError::HardwareTwice { got });
            }
        }
        Ok(())
    }
}

/// Whether `name` may be an image's name. People may use it as a file name, and
/// dashboards show it, so it has 1 to [`NAME_BYTES_MAX`] letters, digits,
/// spaces or signs that mean nothing to a path, a shell pattern or HTML, starts
/// with none of `.`, `-` and space (so no name is hidden, an option, or `..`)
/// and ends in neither space nor dot.
pub fn check_name(name: &str) -> Result<(), ManifestError> {
    let (limit, got) = (NAME_BYTES_MAX, name.len());
    if !(1..=limit).contains(&got) {
        return Err(ManifestError::NameLength { limit, got });
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == ' ' || NAME_SIGNS.contains(c);
    if let Some(got) = name.chars().find(|&c| !allowed(c)) {
        return Err(ManifestError::NameCharacter { got });
    }
    let edge = |c: &char| matches!(c, '.' | '-' | ' ');
    if let Some(got) = name.chars().next().filter(edge) {
        return Err(ManifestError::NameEdge { got });
    }
    if let Some(got) = name.chars().last().filter(|c| matches!(c, '.' | ' ')) {
        return Err(ManifestError::NameEdge { got });
    }
    Ok(())
}

const NAME_SIGNS: &str = "._-+~@=,()#%";

#[cfg(test)]
mod tests;
