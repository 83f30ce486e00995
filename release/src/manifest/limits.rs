//! What a manifest may say at most.

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
/// Longest target name, in bytes.
pub const TARGET_BYTES_MAX: usize = 32;
/// The schema that is written. It is read, too.
pub const SCHEMA: &str = "linecast.manifest.v2";
/// The schema before `target` came; it is read and no longer written.
pub const SCHEMA_V1: &str = "linecast.manifest.v1";
/// What a name may have besides letters, digits and spaces.
pub(super) const NAME_SIGNS: &str = "._-+~@=,()#%";
