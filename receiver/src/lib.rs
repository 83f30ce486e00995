//! The receiver of linecast: sockets, decode, verify, stage, journal.

pub mod finish;
pub mod inbox;
pub mod installed;
pub mod journal;
mod mapping;
mod mmsg;
#[cfg(test)]
mod namespace;
pub mod stage_error;
pub mod staging;
pub mod target;
