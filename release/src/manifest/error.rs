//! Why a manifest is refused.
use crate::manifest::limits::{NAME_SIGNS, SCHEMA, SCHEMA_V1};
use crate::rfc3339::rfc3339;
use alloc::{string::String, vec::Vec};

/// Why a manifest is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Longer than `MANIFEST_BYTES_MAX`; nothing of it was parsed.
    #[error("manifest: at most {limit} bytes, got {got}")]
    TooLong {
        /// The limit.
        limit: usize,
        /// Bytes given.
        got: usize,
    },
    /// Not JSON.
    #[error("manifest: not JSON: {why} at line {line}, column {column}")]
    NotJson {
        /// What the JSON reader says; none of it is the manifest's own text.
        why: String,
        /// Line of the fault, from 1.
        line: usize,
        /// Column of the fault.
        column: usize,
    },
    /// JSON, but not an object.
    #[error("manifest: a JSON object expected, got {got}")]
    NotAnObject {
        /// What it is.
        got: &'static str,
    },
    /// Bytes follow the object.
    #[error("manifest: bytes after the object at line {line}, column {column}")]
    TrailingBytes {
        /// Line, from 1.
        line: usize,
        /// Column.
        column: usize,
    },
    /// A key is given twice.
    #[error("manifest: key {0:?} is given twice")]
    DuplicateKey(String),
    /// A key the schema does not have.
    #[error("manifest: unknown key {0:?}")]
    UnknownKey(String),
    /// A key the schema needs.
    #[error("manifest: key {0:?} is missing")]
    MissingKey(&'static str),
    /// A value of the wrong type: a fraction or a negative number where a
    /// count belongs, too.
    #[error("manifest: {key}: {expected} expected, got {got}")]
    Type {
        /// The key.
        key: &'static str,
        /// What belongs there.
        expected: &'static str,
        /// What is there: a number, or what else it is.
        got: String,
    },
    /// Another schema, or a later version of this one.
    #[error("manifest: schema {SCHEMA_V1} or {SCHEMA} expected, got {got:?}")]
    Schema {
        /// The schema it names, cut to 64 characters.
        got: String,
    },
    /// The name is not 1 to `NAME_BYTES_MAX` bytes.
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
    /// The name starts in a way that is not safe in a file name.
    #[error("manifest: name: must not start with {got:?}")]
    NameStart {
        /// The first character.
        got: char,
    },
    /// The name ends in a way that is not safe in a file name.
    #[error("manifest: name: must not end in {got:?}")]
    NameEnd {
        /// The last character.
        got: char,
    },
    /// The target's name is not 1 to `TARGET_BYTES_MAX` bytes.
    #[error("manifest: target of 1 to {limit} bytes expected, got {got}")]
    TargetLength {
        /// The limit.
        limit: usize,
        /// Bytes of the name.
        got: usize,
    },
    /// The target's name has a character that no target's name has.
    #[error(
        "manifest: target: character {got:?} is not allowed (lower-case letters, digits, '-', '_' and '.' are)"
    )]
    TargetCharacter {
        /// The first such character.
        got: char,
    },
    /// The target's name starts like an option or a hidden file.
    #[error("manifest: target: must not start with {got:?}")]
    TargetStart {
        /// The first character.
        got: char,
    },
    /// The version counter is above `VERSION_MAX`.
    #[error("manifest: version: at most {limit}, got {got}")]
    Version {
        /// The limit.
        limit: u64,
        /// The version.
        got: u64,
    },
    /// More than `HARDWARE_MAX` hardware ids.
    #[error("manifest: at most {limit} hardware ids, got {got}")]
    HardwareCount {
        /// The limit.
        limit: usize,
        /// Ids given.
        got: usize,
    },
    /// A hardware id is not 1 to `HARDWARE_BYTES_MAX` bytes.
    #[error("manifest: hardware id {number}: 1 to {limit} bytes expected, got {got}")]
    HardwareLength {
        /// Which id, from 1.
        number: usize,
        /// The limit.
        limit: usize,
        /// Bytes of the id.
        got: usize,
    },
    /// A hardware id has a character that is not printable ASCII, or a space.
    #[error(
        "manifest: hardware id {number}: character {got:?} is not allowed (printable ASCII without spaces is)"
    )]
    HardwareCharacter {
        /// Which id, from 1.
        number: usize,
        /// The first such character.
        got: char,
    },
    /// A hardware id is given twice.
    #[error("manifest: hardware id {got:?} is given twice")]
    HardwareTwice {
        /// The id.
        got: String,
    },
    /// The image is larger than `SIZE_MAX`.
    #[error("manifest: size_bytes: at most {limit}, got {got}")]
    Size {
        /// The limit.
        limit: u64,
        /// The size.
        got: u64,
    },
    /// A hash has not 64 digits.
    #[error("manifest: {key}: 64 lower-case hexadecimal digits expected, got {got} characters")]
    HashLength {
        /// `root_b3` or `sha256`.
        key: &'static str,
        /// Characters of the text.
        got: usize,
    },
    /// A hash has a character that is no lower-case hexadecimal digit.
    #[error(
        "manifest: {key}: 64 lower-case hexadecimal digits expected, got {got:?} at character {at}"
    )]
    HashDigit {
        /// `root_b3` or `sha256`.
        key: &'static str,
        /// Where the first such character is, from 1.
        at: usize,
        /// The character.
        got: char,
    },
    /// A time is not `YYYY-MM-DDTHH:MM:SSZ`, or there is no such time.
    #[error("manifest: {key}: a time like 2026-01-31T00:00:00Z expected, got {got:?}")]
    Time {
        /// `created` or `expires`.
        key: &'static str,
        /// The text, cut to 64 characters.
        got: String,
    },
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
