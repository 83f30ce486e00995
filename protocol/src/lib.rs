//! The shared core of linecast: NORM codec, geometry, raw keys, and the sender
//! and receiver state machines. No I/O, no clock, no threads, no `unsafe`.
//!
//! Both machines are driven the same way, by the binaries and by a simulator:
//! `handle_*(now, …)` takes what happened, `poll_*` gives what to do next, and
//! `poll_timeout` tells when to call `handle_timeout` at the latest. They know
//! symbols by identity, never by content.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

mod budget;
mod hex;

pub use hex::{hash_from_hex, hex};

pub mod backoff;
pub mod key;
pub mod limits;
pub mod message;
pub mod object;
pub mod offer;
pub mod pacer;
pub mod queue;
pub mod random;
pub mod receiver;
pub mod sender;
pub mod text;
pub mod time;
pub mod wire;
