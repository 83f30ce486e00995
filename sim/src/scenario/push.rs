//! What the person at the sender decides: the rate, for whom it is kept, and who
//! must have the image.

use super::json::required;
use linecast_protocol::sender::{OnSlow, RateControl};
use linecast_protocol::time::Duration;
use serde::{Deserialize, Serialize};

/// Rate of a push, in bits of L2 a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Rate {
    /// Always the same.
    Fixed {
        /// The rate.
        bps: u64,
    },
    /// Found from what receivers report.
    Auto {
        /// It never goes below this.
        floor_bps: u64,
        /// It begins with this.
        start_bps: u64,
        /// Speed of the sender's interface.
        ceiling_bps: u64,
    },
}

impl Rate {
    /// The greatest rate that may be sent at.
    pub fn most_bps(self) -> u64 {
        match self {
            Rate::Fixed { bps } => bps,
            Rate::Auto { ceiling_bps, .. } => ceiling_bps,
        }
    }

    /// The least that a group may be sent at.
    pub(crate) fn least_bps(self) -> u64 {
        match self {
            Rate::Fixed { bps } => bps,
            Rate::Auto {
                floor_bps,
                ceiling_bps,
                ..
            } => floor_bps.min(ceiling_bps),
        }
    }

    /// Whether it is found from what receivers report.
    pub(crate) fn is_searched(self) -> bool {
        matches!(self, Rate::Auto { .. })
    }

    pub(crate) fn control(self) -> RateControl {
        match self {
            Rate::Fixed { bps } => RateControl::fixed(bps),
            Rate::Auto {
                floor_bps,
                start_bps,
                ceiling_bps,
            } => RateControl::auto(floor_bps, Some(ceiling_bps), start_bps),
        }
    }
}

/// What becomes of receivers that do not sustain the floor of the rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slow {
    /// The group waits for them.
    Wait,
    /// They are given up.
    Drop,
    /// They are served one by one by unicast after the others.
    Unicast,
}

impl From<Slow> for OnSlow {
    fn from(slow: Slow) -> OnSlow {
        match slow {
            Slow::Wait => OnSlow::Wait,
            Slow::Drop => OnSlow::Drop,
            Slow::Unicast => OnSlow::Unicast,
        }
    }
}

/// The devices that must have the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roster {
    /// Receivers on it.
    pub enrolled: Vec<u32>,
    /// Devices on it that are switched off for good.
    pub absent: u32,
}

/// How the sender is told to push.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Push {
    /// Rate of all lanes together.
    pub rate: Rate,
    /// What becomes of receivers that do not sustain its floor.
    pub on_slow: Slow,
    /// Who must have the image; `None`: as many as are there at the start.
    #[serde(deserialize_with = "required")]
    pub roster: Option<Roster>,
    /// When it gives up, from the start of the session.
    #[serde(rename = "deadline_ns", with = "super::json::nanos_or_null")]
    pub deadline: Option<Duration>,
    /// How long it waits for a silent receiver.
    #[serde(rename = "stall_timeout_ns", with = "super::json::nanos")]
    pub stall_timeout: Duration,
    /// How long it waits for receivers before it starts without them.
    #[serde(rename = "wait_ns", with = "super::json::nanos")]
    pub wait: Duration,
}

impl Push {
    /// Whether a receiver is one of those that the verdict is about.
    pub(crate) fn is_expected(&self, receiver: u32) -> bool {
        let roster = self.roster.as_ref();
        roster.is_none_or(|roster| roster.enrolled.contains(&receiver))
    }
}

impl Default for Push {
    /// 1 Gbit/s for everybody who is there, without a deadline.
    fn default() -> Push {
        Push {
            rate: Rate::Fixed { bps: 1_000_000_000 },
            on_slow: Slow::Wait,
            roster: None,
            deadline: None,
            stall_timeout: Duration::from_secs(60),
            wait: Duration::from_secs(30),
        }
    }
}
