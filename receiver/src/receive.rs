//! One reception from beginning to end: joins the group, follows the first
//! session that passes every check, puts the image in place, tells the sender.

use crate::acceptance::{Acceptance, Refused};
use crate::reception::Reception;
use crate::report::{ReceiveReport, SCHEMA};
use crate::stage_error::StageError;
use crate::symbols::SymbolError;
use crate::target::Target;
use linecast_net::{Interface, NetError};
use linecast_protocol::message::Cause;
use linecast_protocol::time::Duration;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::AtomicBool;

/// What to receive, and how.
#[derive(Debug, Clone)]
pub struct ReceiveConfig {
    /// Group and port.
    pub group: SocketAddr,
    /// Interface to join on.
    pub interface: Interface,
    /// Only this sender (source-specific multicast).
    pub source: Option<IpAddr>,
    /// What this device accepts.
    pub acceptance: Acceptance,
    /// Name for people.
    pub name: String,
    /// File name in the target; `None`: made from the root.
    pub file_name: Option<String>,
    /// Read the image back from the disk before it counts.
    pub read_back: bool,
    /// How long to wait for a session; `None`: for ever.
    pub wait: Option<Duration>,
    /// Threads that hash and restore beside the one that receives; may be 0.
    pub workers: usize,
    /// How long a followed sender may be silent.
    pub stall_timeout: Duration,
}

/// Why a reception ended without an image.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// Interface or socket.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The target directory, or the disk.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// A symbol could not be kept.
    #[error(transparent)]
    Symbol(#[from] SymbolError),
    /// Receiving failed.
    #[error("receiving from {group}: {source}")]
    Receive {
        /// The group.
        group: SocketAddr,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// Every session on offer was refused.
    #[error("{0}")]
    Refused(Refused),
    /// No session came.
    #[error("no session on {group} within {waited:?}")]
    NoSession {
        /// The group.
        group: SocketAddr,
        /// How long it was waited.
        waited: Duration,
    },
    /// The sender went away; what is verified stays staged.
    #[error("the sender {0}; {1} verified bytes are kept for a resume")]
    SenderGone(&'static str, u64),
    /// The image changed at the sender; what is verified is that of the manifest.
    #[error("the image changed while it was sent; {0} verified bytes are kept for a resume")]
    ImageChanged(u64),
    /// Ctrl-C; what is verified stays staged.
    #[error("interrupted; {0} verified bytes are kept for a resume")]
    Interrupted(u64),
}

impl ReceiveError {
    /// What the sender is told.
    pub(crate) fn cause(&self) -> Cause {
        match self {
            ReceiveError::Interrupted(_) => Cause::STOPPED,
            ReceiveError::Stage(_) => Cause::STORE,
            ReceiveError::Refused(refused) => refused.cause(),
            _ => Cause::FAILED,
        }
    }
}

/// What a caller may show while it lasts.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Name of the image; empty while no session is followed.
    pub image: String,
    /// Bytes of the image.
    pub size_bytes: u64,
    /// Bytes verified.
    pub verified_bytes: u64,
    /// Symbols lost.
    pub lost: u64,
    /// NACKs sent.
    pub nacks: u64,
    /// An offer that was refused, in words.
    pub refused: Option<String>,
}

/// Receives one image into `target`. `observe` is called about twenty times a
/// second. The report is filled in as far as it went, also after an error.
pub fn receive(
    config: &ReceiveConfig,
    target: Target,
    interrupted: &AtomicBool,
    observe: &mut dyn FnMut(&Progress),
) -> (ReceiveReport, Result<(), ReceiveError>) {
    let mut report = ReceiveReport {
        schema: SCHEMA,
        name: config.name.clone(),
        trust: if config.acceptance.trust.is_some() {
            "trusted"
        } else {
            "none"
        },
        ..ReceiveReport::default()
    };
    let result = Reception::open(config, target, &mut report).and_then(|mut reception| {
        let result = reception.run(interrupted, observe);
        if let Err(error) = &result {
            reception.quit(error);
        }
        reception.report(&mut report);
        result
    });
    (report.outcome, report.reason) = match &result {
        Ok(()) => ("ok", "the image is verified and in place".into()),
        Err(error) => ("failed", error.to_string()),
    };
    (report, result)
}
