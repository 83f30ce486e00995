//! The sender of linecast: image source, encoder, lanes, io_uring, repair thread.

mod mmsg;
mod plain;
mod ring;
mod socket_wait;
pub mod train;
mod transmit_queue;
pub mod transmitter;
