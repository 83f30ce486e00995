//! Benchmarks of linecast: one harness that measures the transmit path, whole
//! pushes and pacing against references in the same run, and compares results.

pub mod bare;
pub mod compare;
pub mod count;
pub mod floor;
mod order;
pub mod pace;
pub mod plot;
mod port;
pub mod push;
pub mod readme;
pub mod record;
pub mod sink;
mod sockets;
pub mod stats;
pub mod table;
pub mod transmit;

use std::time::Duration;

/// Why a benchmark could not be run.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// A wrong argument.
    #[error("{0}")]
    Usage(String),
    /// The lab: a tool or a privilege is missing.
    #[error(transparent)]
    Lab(#[from] linecast_lab::LabError),
    /// Interface or socket.
    #[error(transparent)]
    Net(#[from] linecast_net::NetError),
    /// The transmit path.
    #[error(transparent)]
    Transmit(#[from] linecast_engine::transmitter::TransmitError),
    /// A file, or the kernel.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl BenchError {
    pub(crate) fn other(error: impl std::error::Error + Send + Sync + 'static) -> BenchError {
        BenchError::Io(std::io::Error::other(error))
    }
}

pub(crate) fn lab_error(error: linecast_lab::LabError) -> BenchError {
    BenchError::Lab(error)
}

/// A time as `tc` writes it.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    linecast_net::command::units::duration(text).map_err(|error| error.to_string())
}
