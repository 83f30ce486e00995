//! What a session is given, and what it says to its caller.

use crate::key::SigningKey;
use crate::message::EndReason;
use crate::object::Held;
use crate::receiver::OfferKey;
use crate::wire::{Fti, PayloadId};
use alloc::string::String;

/// What a receiver brings to every session.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// The device's own key.
    pub key: SigningKey,
    /// Id that the device made at its first start and tied to its machine.
    pub installation: [u8; 8],
    /// Random, made when this process started; each session that it follows has the
    /// next.
    pub life: [u8; 8],
    /// Node id that it would like.
    pub node: u32,
    /// Name for people.
    pub name: String,
    /// Packets that the socket buffer holds.
    pub buffer_packets: u32,
    /// Seed of the random delays.
    pub seed: u64,
}

/// Why a packet was refused: each is a counter of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// DATA before any session is followed.
    NoSession,
    /// Another session is followed.
    OtherSession,
    /// Object 1 without EXT_FTI.
    NoFti,
    /// Object 1 of so many bytes: longer than a session object may be.
    TooLong(u64),
    /// Block, symbol or length that the session cannot have.
    Geometry,
    /// A session whose manifest was refused.
    RefusedOffer,
}

impl Rejection {
    /// A name for counters.
    pub fn name(self) -> &'static str {
        match self {
            Rejection::NoSession => "no session followed",
            Rejection::OtherSession => "other session",
            Rejection::NoFti => "no EXT_FTI",
            Rejection::TooLong(_) => "session object too long",
            Rejection::Geometry => "geometry",
            Rejection::RefusedOffer => "refused session",
        }
    }
}

/// What to do with the payload of a DATA packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing: it is damaged or foreign.
    Refused(Rejection),
    /// Nothing: it is held already.
    Duplicate,
    /// It is held already, but nobody knows yet whether what came first was right:
    /// what comes last is to be kept.
    Again {
        /// Object.
        toi: u16,
        /// Which source symbol.
        id: PayloadId,
    },
    /// Keep it as part of an offer.
    Offer {
        /// Which offer.
        key: OfferKey,
        /// Its size and symbols.
        fti: Fti,
        /// Which symbol.
        id: PayloadId,
        /// What the symbol completed.
        held: Held,
    },
    /// Keep it as symbol `id` of object `toi`.
    Keep {
        /// Object.
        toi: u16,
        /// Which symbol.
        id: PayloadId,
        /// What the symbol completed.
        held: Held,
    },
}

/// What the caller must know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The sender has this receiver on its list.
    Welcomed,
    /// Every leaf is verified: put the image in place, then call `finish`.
    Verified,
    /// The sender ended the session early: never `Finished`.
    Ended(EndReason),
    /// The session is over for this receiver: nothing more will be sent.
    Over {
        /// The completion (or failure) had been told before the end.
        finished: bool,
    },
}

/// Running counts of one session.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counters {
    /// DATA packets of this session.
    pub received: u64,
    /// DATA packets missed, from sequence gaps.
    pub lost: u64,
    /// Symbols that were not needed.
    pub duplicates: u64,
    /// Blocks restored from parity.
    pub blocks_decoded: u64,
    /// Leaves that did not match.
    pub leaves_damaged: u64,
    /// NACK messages sent.
    pub nacks_sent: u64,
}
