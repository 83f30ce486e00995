//! What goes wrong.

use super::attack::Assault;
use linecast_protocol::time::Duration;
use serde::{Deserialize, Serialize};

/// Which way of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the sender.
    Down,
    /// To the sender.
    Up,
    /// Both.
    Both,
}

/// Whose path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Every receiver's.
    All,
    /// One receiver's.
    Receiver(u32),
    /// That of a subtree.
    Subtree(u32),
}

/// A path that carries nothing for a while, as when a rendezvous point moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// When it begins, from the start of the run.
    #[serde(rename = "at_ns", with = "super::json::nanos")]
    pub at: Duration,
    /// How long it lasts.
    #[serde(rename = "length_ns", with = "super::json::nanos")]
    pub length: Duration,
    /// Whose path.
    pub scope: Scope,
    /// Which way.
    pub direction: Direction,
}

/// What goes wrong. Times run from the start of the simulation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// A path carries nothing.
    Outage(Outage),
    /// A receiver's process dies and is started again.
    CrashReceiver {
        /// Which.
        receiver: u32,
        /// When it dies.
        #[serde(rename = "at_ns", with = "super::json::nanos")]
        at: Duration,
        /// How long it is down.
        #[serde(rename = "down_ns", with = "super::json::nanos")]
        down: Duration,
        /// Share of its unsynced writes that are lost with it, or torn.
        disk_loss: f64,
    },
    /// The sender dies; a new push of the same image is started.
    CrashSender {
        /// When it dies.
        #[serde(rename = "at_ns", with = "super::json::nanos")]
        at: Duration,
        /// How long until the next.
        #[serde(rename = "down_ns", with = "super::json::nanos")]
        down: Duration,
    },
    /// A receiver is started only now.
    LateJoin {
        /// Which.
        receiver: u32,
        /// When.
        #[serde(rename = "at_ns", with = "super::json::nanos")]
        at: Duration,
    },
    /// A receiver is switched off for good.
    Leave {
        /// Which.
        receiver: u32,
        /// When.
        #[serde(rename = "at_ns", with = "super::json::nanos")]
        at: Duration,
    },
    /// A receiver's process stands still while the world goes on.
    Pause {
        /// Which.
        receiver: u32,
        /// When.
        #[serde(rename = "at_ns", with = "super::json::nanos")]
        at: Duration,
        /// How long.
        #[serde(rename = "length_ns", with = "super::json::nanos")]
        length: Duration,
    },
    /// A receiver's clock jumps ahead.
    Jump {
        /// Which.
        receiver: u32,
        /// When.
        #[serde(rename = "at_ns", with = "super::json::nanos")]
        at: Duration,
        /// By how much.
        #[serde(rename = "by_ns", with = "super::json::nanos")]
        by: Duration,
    },
    /// A receiver's disk fails for good: it reports so and is done.
    DiskFull {
        /// Which.
        receiver: u32,
        /// When.
        #[serde(rename = "at_ns", with = "super::json::nanos")]
        at: Duration,
    },
    /// A device that has failed is started again, with a disk that is good.
    Restart {
        /// Which.
        receiver: u32,
        /// When.
        #[serde(rename = "at_ns", with = "super::json::nanos")]
        at: Duration,
    },
    /// A byte that a receiver has staged and hashed changes on its disk.
    RotDisk {
        /// Which.
        receiver: u32,
        /// When.
        #[serde(rename = "at_ns", with = "super::json::nanos")]
        at: Duration,
    },
    /// Somebody sends packets that pretend to be of the session.
    Forge {
        /// When.
        #[serde(rename = "at_ns", with = "super::json::nanos")]
        at: Duration,
        /// How many.
        count: u32,
    },
    /// Somebody sends again what was sent before, to the group and to the
    /// sender.
    Replay {
        /// When.
        #[serde(rename = "at_ns", with = "super::json::nanos")]
        at: Duration,
        /// How many.
        count: u32,
    },
    /// Somebody attacks for a while.
    Attack(Assault),
    /// What a receiver says of its completion is lost from the first time on.
    LoseCompletions {
        /// Which.
        receiver: u32,
        /// For how long.
        #[serde(rename = "length_ns", with = "super::json::nanos")]
        length: Duration,
    },
    /// The person at the sender stops the push.
    Interrupt {
        /// When.
        #[serde(rename = "at_ns", with = "super::json::nanos")]
        at: Duration,
    },
    /// The image turns out to have changed while it was sent.
    ChangeImage {
        /// When.
        #[serde(rename = "at_ns", with = "super::json::nanos")]
        at: Duration,
    },
}

impl Fault {
    /// When the fault is over.
    pub fn end(&self) -> Duration {
        match *self {
            Fault::Outage(Outage { at, length, .. }) | Fault::Pause { at, length, .. } => {
                at + length
            }
            Fault::CrashReceiver { at, down, .. } | Fault::CrashSender { at, down } => at + down,
            Fault::Attack(Assault { at, length, .. }) => at + length,
            Fault::LoseCompletions { length, .. } => length,
            Fault::LateJoin { at, .. }
            | Fault::Leave { at, .. }
            | Fault::Jump { at, .. }
            | Fault::DiskFull { at, .. }
            | Fault::RotDisk { at, .. }
            | Fault::Restart { at, .. }
            | Fault::Forge { at, .. }
            | Fault::Replay { at, .. }
            | Fault::Interrupt { at }
            | Fault::ChangeImage { at } => at,
        }
    }

    /// The receiver that it happens to, if to one.
    pub(crate) fn receiver(&self) -> Option<u32> {
        match *self {
            Fault::CrashReceiver { receiver, .. }
            | Fault::LateJoin { receiver, .. }
            | Fault::Leave { receiver, .. }
            | Fault::Pause { receiver, .. }
            | Fault::Jump { receiver, .. }
            | Fault::DiskFull { receiver, .. }
            | Fault::RotDisk { receiver, .. }
            | Fault::Restart { receiver, .. }
            | Fault::LoseCompletions { receiver, .. } => Some(receiver),
            _ => None,
        }
    }

    /// The attack, if it is one.
    pub(crate) fn assault(&self) -> Option<&Assault> {
        match self {
            Fault::Attack(assault) => Some(assault),
            _ => None,
        }
    }

    /// Whether somebody speaks who should not.
    pub(crate) fn is_hostile(&self) -> bool {
        matches!(
            self,
            Fault::Forge { .. } | Fault::Replay { .. } | Fault::Attack(_)
        )
    }

    /// Whether there is more than one session.
    pub(crate) fn restarts_sender(&self) -> bool {
        matches!(self, Fault::CrashSender { .. })
    }

    /// Whether somebody may be silent for a while, or for good, because of it.
    pub(crate) fn silences(&self) -> bool {
        matches!(
            self,
            Fault::CrashReceiver { .. }
                | Fault::CrashSender { .. }
                | Fault::Leave { .. }
                | Fault::Pause { .. }
                | Fault::Jump { .. }
                | Fault::Outage(_)
                | Fault::LoseCompletions { .. }
                | Fault::Attack(_)
        )
    }

    /// Whether a request may ask for more than is lacking when it is served:
    /// somebody else wrote it, its receiver lost or regained symbols since, or the
    /// round trip is not what the sender believes.
    pub(crate) fn disturbs_requests(&self) -> bool {
        matches!(
            self,
            Fault::Forge { .. }
                | Fault::Replay { .. }
                | Fault::Attack(_)
                | Fault::CrashReceiver { .. }
                | Fault::Leave { .. }
                | Fault::DiskFull { .. }
                | Fault::Restart { .. }
                | Fault::Pause { .. }
                | Fault::Jump { .. }
        )
    }
}
