//! What linecast says inside NORM's application messages: registration, status,
//! completion, refusal and pages of lacking leaves as ACKs of application types
//! (RFC 5740 §4.3.2), welcome, poll and end as CMD(APPLICATION) (§4.2.3).
//!
//! Registration and completion are signed JSON: they are rare, and a person
//! with a packet capture can read them. Status and pages are binary and sealed
//! ([`seal`](crate::seal)).

mod notice;
mod page;
mod refusal;
mod status;

pub use notice::{EndReason, Notice, WelcomeEntry, end_text};
pub use page::Page;
pub use refusal::{Cause, REFUSE_CONTEXT, Refusal, cut};
pub use status::{Activity, Status};

use crate::key::SigningKey;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// ACK type of a registration.
pub const ACK_REGISTER: u8 = 16;
/// ACK type of a status report.
pub const ACK_STATUS: u8 = 17;
/// ACK type of a completion (or of a receiver's final failure).
pub const ACK_COMPLETE: u8 = 18;
/// ACK type of a refusal.
pub const ACK_REFUSE: u8 = 19;
/// ACK type of a page of lacking leaves.
pub const ACK_PAGE: u8 = 20;

/// The version of this profile: of the messages here, of the session object, and
/// of what they mean. Peers of another version are told apart by it.
pub const PROFILE: u8 = 2;

/// Context that registrations are signed in.
pub const REGISTER_CONTEXT: &[u8] = b"linecast-register-v2";
/// Context that completions are signed in.
pub const COMPLETE_CONTEXT: &[u8] = b"linecast-complete-v2";
/// Context that the end of a session is signed in.
pub const END_CONTEXT: &[u8] = b"linecast-end-v1";

/// A receiver introduces itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    /// [`PROFILE`].
    pub profile: u8,
    /// Session that it answers, 32 hexadecimal digits.
    pub session: String,
    /// Id of its installation, 16 hexadecimal digits.
    pub installation: String,
    /// Number of its life, 16 hexadecimal digits.
    pub life: String,
    /// Node id that it uses.
    pub node: u32,
    /// Name for people.
    pub name: String,
    /// Packets that its socket buffer holds.
    pub buffer_packets: u32,
    /// Leaves of the image that it has already; which, it says when it is polled.
    pub held: u64,
}

/// How a receiver ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Complete {
    /// Session that it belongs to, 32 hexadecimal digits.
    pub session: String,
    /// Root of the image that was verified, 64 hexadecimal digits.
    pub root: String,
    /// Number of its life, 16 hexadecimal digits.
    pub life: String,
    /// Nonce of its welcome: the completion belongs to that registration.
    pub nonce: u32,
    /// Counts what it says of its end: the newest holds.
    pub count: u32,
    /// Whether it had the image before this session: nothing was written.
    pub had: bool,
    /// Why it failed; `None` means that the image is verified and in place.
    pub error: Option<String>,
    /// Figures for the report.
    pub figures: Figures,
}

/// What one receiver counted; the names are those of the push report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Milliseconds in fdatasync, rename and directory fsync.
    pub sync_ms: f64,
    /// Milliseconds in reading back; 0 if it was not asked for.
    pub read_back_ms: f64,
    /// Symbols that were sent and not received, from sequence gaps.
    pub lost_symbols: u64,
    /// Estimate of the packets that the own socket dropped.
    pub socket_drops_estimate: u64,
    /// Symbols received that were not needed.
    pub duplicates: u64,
    /// Blocks that parity restored.
    pub blocks_decoded: u64,
    /// Leaves that did not match and were fetched again.
    pub leaves_damaged: u64,
    /// Packets refused, by whatever cause.
    pub packets_refused: u64,
    /// NACK messages sent.
    pub nacks_sent: u64,
    /// NACKs that somebody else's request made unnecessary.
    pub nacks_suppressed: u64,
    /// Seconds of CPU.
    pub cpu_s: f64,
    /// Greatest anonymous memory seen.
    pub anon_peak_bytes: u64,
    /// Effective size of the socket buffer.
    pub socket_buffer_bytes: u64,
    /// Bytes that an earlier session had already put in place.
    pub resumed_bytes: u64,
}

/// Public key, signature, and the signed text that they belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signed<'a> {
    /// ed25519 public key.
    pub key: &'a [u8; 32],
    /// Signature over context, then `text`.
    pub signature: &'a [u8; 64],
    /// JSON.
    pub text: &'a [u8],
}

impl<'a> Signed<'a> {
    /// Bytes before the text.
    pub const HEAD_BYTES: usize = 96;

    /// Splits a payload; `None` if it is too short.
    pub fn parse(bytes: &'a [u8]) -> Option<Signed<'a>> {
        let (key, rest) = bytes.split_first_chunk::<32>()?;
        let (signature, text) = rest.split_first_chunk::<64>()?;
        Some(Signed {
            key,
            signature,
            text,
        })
    }

    /// Appends the payload to `out`.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.key);
        out.extend_from_slice(self.signature);
        out.extend_from_slice(self.text);
    }
}

/// A message signed in its context, as JSON: what [`Signed::parse`] reads.
pub fn sign_json(key: &SigningKey, context: &[u8], message: &impl Serialize) -> Vec<u8> {
    sign_text(
        key,
        context,
        &serde_json::to_vec(message).unwrap_or_default(),
    )
}

/// A text signed in its context.
pub fn sign_text(key: &SigningKey, context: &[u8], text: &[u8]) -> Vec<u8> {
    let signature = key.sign(context, text);
    let mut out = Vec::with_capacity(Signed::HEAD_BYTES + text.len());
    let (key, signature) = (key.public(), &signature);
    Signed {
        key: key.as_bytes(),
        signature,
        text,
    }
    .emit(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Status::parse(&bytes);
            let _ = Notice::parse(&bytes);
            let _ = Page::parse(&bytes);
            let _ = Refusal::parse(&bytes);
            let _ = Signed::parse(&bytes);
        }
    }
}
