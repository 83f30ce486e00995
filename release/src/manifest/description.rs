//! What a manifest says, and whether a device may take the release.
use crate::manifest::error::ManifestError;
use crate::manifest::limits::{HARDWARE_BYTES_MAX, HARDWARE_MAX, SIZE_MAX, VERSION_MAX};
use crate::manifest::names::{check_name, check_target};
use alloc::{string::String, vec::Vec};
use linecast_protocol::object::tree::Hash;

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
    /// The kind of place it is for, by its name in a device's configuration:
    /// see [`check_target`]. `None` means any, or the device's only one.
    pub target: Option<String>,
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

impl Manifest {
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
        if let Some(target) = &self.target {
            check_target(target)?;
        }
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
            let (number, limit, got) = (index + 1, HARDWARE_BYTES_MAX, id.len());
            if !(1..=limit).contains(&got) {
                return Err(ManifestError::HardwareLength { number, limit, got });
            }
            if let Some(got) = id.chars().find(|c| !c.is_ascii_graphic()) {
                return Err(ManifestError::HardwareCharacter { number, got });
            }
            if self.hardware[..index].contains(id) {
                let got = id.clone();
                return Err(ManifestError::HardwareTwice { got });
            }
        }
        Ok(())
    }
}
