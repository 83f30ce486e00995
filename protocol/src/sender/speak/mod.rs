//! What the sender says itself.

mod announce;
mod command;

pub(in crate::sender) use command::{END_REPEATS, packet_bits};
