//! The shared core of linecast: NORM codec, geometry, manifest, and the sender
//! and receiver state machines. No I/O, no clock, no threads, no `unsafe`.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

pub mod key;
pub mod manifest;
pub mod sshsig;
pub mod tree;

mod hex;
mod rfc3339;
mod sshwire;

pub use hex::hex;
pub use rfc3339::{parse_rfc3339, rfc3339};
pub use sshwire::ArmorError;
