//! NORM_NACK and NORM_ACK: what receivers send.

use alloc::vec::Vec;

use super::extension::Extensions;
use super::field::{
    ACK_ID, ACK_TYPE, FEEDBACK_BYTES, FEEDBACK_INSTANCE_ID, GRTT_SEC, GRTT_USEC, SERVER_ID, kind,
    u16_at, u32_at,
};
use super::request::{Item, item_parse};
use super::sender::{Common, emit_common};
use super::{Auth, CcFeedback, Requests, WireError};

/// `ack_type` that carries congestion feedback.
pub const ACK_CC: u8 = 1;

/// `ack_type` that confirms a flush; the payload is the watermark's item.
pub const ACK_FLUSH: u8 = 2;

/// First `ack_type` that is the application's own.
pub const ACK_FIRST_APPLICATION: u8 = 16;

/// A moment as the sender's CMD(CC) gave it, moved on by the time the receiver
/// held it. Only the sender knows what clock it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Whole seconds.
    pub sec: u32,
    /// Microseconds; a stranger may exceed 999,999.
    pub usec: u32,
}

impl Timestamp {
    /// From nanoseconds of the sender's clock; seconds wrap at 2^32.
    pub fn from_ns(ns: u64) -> Self {
        Self {
            sec: (ns / NS_PER_SEC) as u32,
            usec: (ns % NS_PER_SEC / NS_PER_USEC) as u32,
        }
    }

    /// In nanoseconds. Cannot overflow.
    pub fn as_ns(self) -> u64 {
        u64::from(self.sec) * NS_PER_SEC + u64::from(self.usec) * NS_PER_USEC
    }

    /// Whether there is none: receivers that have no CMD(CC) to answer send
    /// zeros.
    pub fn is_zero(self) -> bool {
        self == Self::default()
    }
}

/// A NACK message (RFC 5740 section 4.3.1): what a receiver lacks.
///
/// ```text
///  8 | server_id 32               |    16 | grtt response, seconds 32      |
/// 12 | instance 16 | reserved 16  |    20 | grtt response, microseconds 32 |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nack<'a> {
    /// Counts the receiver's messages; other implementations send 0.
    pub sequence: u16,
    /// Node id of the receiver.
    pub source_id: u32,
    /// Node id of the sender that is asked.
    pub server_id: u32,
    /// The sender instance that the receiver follows.
    pub instance_id: u16,
    /// For the sender to measure the round trip; zero if there is nothing to
    /// answer.
    pub grtt_response: Timestamp,
    /// Which device says it, if it is proven.
    pub auth: Option<Auth>,
    /// Congestion feedback, if any.
    pub cc: Option<CcFeedback>,
    /// What is asked for.
    pub requests: Requests<'a>,
}

impl<'a> Nack<'a> {
    /// Bytes in front of the requests when there are no extensions.
    pub const HEADER_BYTES: usize = FEEDBACK_BYTES;

    pub(super) fn parse(common: &Common, bytes: &'a [u8]) -> Result<Self, WireError> {
        let (fixed, extensions, payload) = common.split::<FEEDBACK_BYTES>(bytes)?;
        Ok(Self {
            sequence: common.sequence,
            source_id: common.source_id,
            server_id: u32_at(fixed, SERVER_ID),
            instance_id: u16_at(fixed, FEEDBACK_INSTANCE_ID),
            grtt_response: read_grtt(fixed),
            auth: Auth::first(extensions),
            cc: Extensions::parse(extensions)?.cc,
            requests: Requests::parse(payload)?,
        })
    }

    /// Appends the message.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let (sequence, source_id) = (self.sequence, self.source_id);
        emit_common(
            out,
            kind::NACK,
            header_bytes(self.auth, self.cc),
            sequence,
            source_id,
        );
        out.extend_from_slice(&self.server_id.to_be_bytes());
        out.extend_from_slice(&self.instance_id.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
        emit_grtt(out, self.grtt_response);
        emit_extensions(out, self.auth, self.cc);
        out.extend_from_slice(self.requests.as_bytes());
    }
}

/// An ACK message (RFC 5740 section 4.3.2); as a NACK, with the kind and
/// number of the acknowledgement in bytes 14 and 15.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack<'a> {
    /// Counts the receiver's messages; other implementations send 0.
    pub sequence: u16,
    /// Node id of the receiver.
    pub source_id: u32,
    /// Node id of the sender that is answered.
    pub server_id: u32,
    /// The sender instance that the receiver follows.
    pub instance_id: u16,
    /// [`ACK_CC`], [`ACK_FLUSH`], or from [`ACK_FIRST_APPLICATION`] on.
    pub ack_type: u8,
    /// The `ack_id` of the CMD(ACK_REQ) that this answers.
    pub ack_id: u8,
    /// For the sender to measure the round trip; zero if there is nothing to
    /// answer.
    pub grtt_response: Timestamp,
    /// Which device says it, if it is proven.
    pub auth: Option<Auth>,
    /// Congestion feedback, if any.
    pub cc: Option<CcFeedback>,
    /// Content by `ack_type`.
    pub payload: &'a [u8],
}

impl<'a> Ack<'a> {
    /// Bytes in front of the payload when there are no extensions.
    pub const HEADER_BYTES: usize = FEEDBACK_BYTES;

    pub(super) fn parse(common: &Common, bytes: &'a [u8]) -> Result<Self, WireError> {
        let (fixed, extensions, payload) = common.split::<FEEDBACK_BYTES>(bytes)?;
        Ok(Self {
            sequence: common.sequence,
            source_id: common.source_id,
            server_id: u32_at(fixed, SERVER_ID),
            instance_id: u16_at(fixed, FEEDBACK_INSTANCE_ID),
            ack_type: fixed[ACK_TYPE],
            ack_id: fixed[ACK_ID],
            grtt_response: read_grtt(fixed),
            auth: Auth::first(extensions),
            cc: Extensions::parse(extensions)?.cc,
            payload,
        })
    }

    /// The watermark that an ACK(FLUSH) confirms. Compare object, `sbn` and
    /// `esi` only: libnorm 1.5.9 puts the length of the object's longest block
    /// in `block_len`, whatever FLUSH said.
    pub fn watermark(&self) -> Result<Item, WireError> {
        item_parse(self.payload)
    }

    /// Appends the message.
    pub fn emit(&self, out: &mut Vec<u8>) {
        emit_common(
            out,
            kind::ACK,
            header_bytes(self.auth, self.cc),
            self.sequence,
            self.source_id,
        );
        out.extend_from_slice(&self.server_id.to_be_bytes());
        out.extend_from_slice(&self.instance_id.to_be_bytes());
        out.extend_from_slice(&[self.ack_type, self.ack_id]);
        emit_grtt(out, self.grtt_response);
        emit_extensions(out, self.auth, self.cc);
        out.extend_from_slice(self.payload);
    }
}

fn header_bytes(auth: Option<Auth>, cc: Option<CcFeedback>) -> usize {
    let (auth, cc) = (
        auth.map_or(0, |_| Auth::BYTES),
        cc.map_or(0, |_| CcFeedback::BYTES),
    );
    FEEDBACK_BYTES + auth + cc
}

fn read_grtt(fixed: &[u8; FEEDBACK_BYTES]) -> Timestamp {
    Timestamp {
        sec: u32_at(fixed, GRTT_SEC),
        usec: u32_at(fixed, GRTT_USEC),
    }
}

fn emit_grtt(out: &mut Vec<u8>, grtt: Timestamp) {
    out.extend_from_slice(&grtt.sec.to_be_bytes());
    out.extend_from_slice(&grtt.usec.to_be_bytes());
}

fn emit_extensions(out: &mut Vec<u8>, auth: Option<Auth>, cc: Option<CcFeedback>) {
    if let Some(auth) = auth {
        auth.emit(out);
    }
    if let Some(cc) = cc {
        cc.emit(out);
    }
}

const NS_PER_SEC: u64 = 1_000_000_000;
const NS_PER_USEC: u64 = 1_000;
