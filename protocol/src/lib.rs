//! The shared core of linecast: NORM codec, geometry, manifest, and the sender
//! and receiver state machines. No I/O, no clock, no threads, no `unsafe`.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;

pub mod wire;
