//! The sender of linecast: image source, encoder, lanes, io_uring, repair
//! thread.
//!
//! ```text
//! image ─ source ─ encoder ─┬─ lane 0 ─ ring ─┬─ group
//!                  ↑ orders └─ lane 1 ─ ring ─┘
//!               session ← feedback socket ← NACKs, reports, completions
//! ```
#![warn(missing_docs)]

mod batch;
pub mod drive;
mod encoder;
pub mod image;
mod lane;
mod mmsg;
mod nap;
mod plain;
pub mod push;
pub mod report;
mod ring;
mod session;
mod shared;
mod socket_wait;
mod source;
mod summary;
mod surplus;
pub mod train;
mod transmit_queue;
pub mod transmitter;

pub use encoder::Symbols;
pub use lane::LaneReport;
pub use session::Totals;
