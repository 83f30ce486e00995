//! The signed description of a release: what the bytes are, whom they are for
//! and until when. It knows nothing of any one push.
//!
//! The signature covers the exact bytes, so they are kept and passed on as
//! they came and never written anew. Parsing is strict: a known schema, every
//! key known and given once, so that two readers cannot understand one manifest
//! differently. Schema `v1` has no `target` and is otherwise the same.
mod description;
mod error;
mod json;
mod limits;
mod names;

pub use description::{Manifest, Policy};
pub use error::ManifestError;
pub use limits::{
    HARDWARE_BYTES_MAX, HARDWARE_MAX, MANIFEST_BYTES_MAX, NAME_BYTES_MAX, SCHEMA, SCHEMA_V1,
    SIZE_MAX, TARGET_BYTES_MAX, VERSION_MAX,
};
pub use names::{check_name, check_target};

#[cfg(test)]
mod tests;
