//! The receiver of linecast: sockets, decode, verify, stage, journal.

pub mod acceptance;
pub mod assembly;
pub mod command;
pub mod finish;
pub mod inbox;
pub mod installed;
pub mod journal;
pub mod leaf_list;
mod mapping;
mod mmsg;
#[cfg(test)]
mod namespace;
pub mod offers;
mod prediction;
pub mod receive;
mod reception;
pub mod report;
mod shown;
pub mod stage_error;
pub mod staging;
pub mod symbols;
pub mod target;
mod workers;
