//! Interfaces, multicast sockets, clocks and resource usage for linecast.
//!
//! Everything that the sender and the receiver both ask of the operating
//! system is here; the packets themselves are moved by `linecast-engine` and
//! `linecast-receiver`.
#![warn(missing_docs)]

pub mod aligned;
pub mod clock;
pub mod command;
pub mod error;
pub mod feedback;
pub mod group;
pub mod interface;
pub mod sender;
mod sockopt;
pub mod usage;
pub mod wait;

pub use error::{NetError, NetErrorKind};
pub use feedback::feedback_socket;
pub use group::{GroupSocket, JoinConfig, join};
pub use interface::Interface;
pub use sender::{SenderConfig, SenderSockets};
pub use usage::PeakSampler;
