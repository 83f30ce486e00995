//! What somebody does who sees every packet, knows the session, may forge any
//! address and has keys of its own, but nobody else's.

use linecast_protocol::time::Duration;
use serde::{Deserialize, Serialize};

/// One attack, for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assault {
    /// When it begins.
    #[serde(rename = "at_ns", with = "super::json::nanos")]
    pub at: Duration,
    /// How long it lasts.
    #[serde(rename = "length_ns", with = "super::json::nanos")]
    pub length: Duration,
    /// Packets a second.
    pub per_s: u32,
    /// What is sent.
    pub attack: Attack,
}

/// Whose address an attacker writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guise {
    /// Its own.
    Own,
    /// To the group, the sender's; to the sender, a receiver's.
    Forged,
}

/// What a NACK asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// The whole image, again in every item.
    Object,
    /// Every block.
    Blocks,
    /// The same symbol, again in every item.
    Symbol,
    /// All parity that there can be, of some blocks.
    Parity,
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Attack {
    /// Anything that was overheard, however long ago.
    Replay {
        /// From where.
        guise: Guise,
    },
    /// Registrations that are validly signed.
    Register {
        /// With so many keys.
        keys: u32,
        /// Each with so many node ids.
        nodes: u32,
        /// With so many leaves that they have already.
        ranges: u32,
    },
    /// The same, and completions.
    Complete {
        /// With so many keys.
        keys: u32,
    },
    /// Status reports.
    Status {
        /// DATA packets that they say were received.
        received: u64,
        /// DATA packets that they say were lost.
        lost: u64,
        /// Of a registered key of its own, or of a receiver.
        guise: Guise,
    },
    /// Probes with these parameters in their headers, from the sender's address.
    Header {
        /// Code of the group round-trip time.
        grtt: u8,
        /// Backoff factor, at most 15.
        backoff: u8,
        /// Code of the group size, at most 15.
        gsize: u8,
    },
    /// Probes from the sender's address, and status reports of receivers, whose
    /// time stamps are so far from the truth; a great age is more than an uptime.
    Stamp {
        /// Milliseconds from now, negative in the past.
        offset_ms: i64,
    },
    /// NACKs to the group, as if overheard.
    Overheard {
        /// What they ask for.
        ask: Ask,
        /// Bytes of each.
        bytes: u16,
    },
    /// NACKs to the sender.
    Nack {
        /// What they ask for.
        ask: Ask,
        /// Bytes of each.
        bytes: u16,
        /// Of a registered key of its own, or of a receiver.
        guise: Guise,
    },
    /// FLUSH from the sender's address that lists everybody.
    Flush,
    /// Welcomes from the sender's address that give everybody this node id.
    Welcome {
        /// Node id.
        node: u32,
    },
    /// The same image on offer in a session of its own, without a symbol of it.
    Takeover {
        /// From where.
        guise: Guise,
        /// Whether it is ended at once, as if the image had changed.
        ends: bool,
    },
    /// Symbols ahead of the true ones, from the sender's address, with wrong bytes.
    Symbols {
        /// Parity of the present block instead of the next sources.
        parity: bool,
    },
    /// REPAIR_ADV for everything, from the sender's address.
    Advertise,
    /// Polls for leaves that somebody lacks, from the sender's address.
    Poll,
    /// Overheard feedback of receivers with one bit changed, or without its seal.
    Tamper,
    /// Registrations that were overheard, of whatever life.
    Lives {
        /// From where.
        guise: Guise,
    },
    /// Registrations of so many machines that all have one key.
    Clones {
        /// Machines.
        count: u32,
    },
    /// Refusals that are validly signed.
    Refuse {
        /// With so many keys.
        keys: u32,
    },
}
