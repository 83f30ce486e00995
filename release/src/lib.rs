//! What is signed offline, long before a push: manifests of releases, their
//! OpenSSH signatures, keys as OpenSSH writes them, and the files that say
//! whom to trust and whom to expect. No I/O, no clock, no `unsafe`.
//!
//! A release knows nothing of any one push. What a session says and signs is
//! in `linecast-protocol`, which does not know this crate.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

mod rfc3339;
mod sshwire;

pub use rfc3339::{parse_rfc3339, rfc3339};
pub use sshwire::ArmorError;

pub mod lists;
pub mod manifest;
pub mod openssh;
pub mod sshsig;
