//! What linecast says inside NORM's application messages: registration, status
//! and completion as ACKs of application types (RFC 5740 §4.3.2), welcome and
//! end as CMD(APPLICATION) (§4.2.3).
//!
//! Registration and completion are signed JSON: they are rare, and a person
//! with a packet capture can read them. Status is binary: it is frequent and
//! decides nothing but pace.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// ACK type of a registration.
pub const ACK_REGISTER: u8 = 16;
/// ACK type of a status report.
pub const ACK_STATUS: u8 = 17;
/// ACK type of a completion (or of a receiver's final failure).
pub const ACK_COMPLETE: u8 = 18;

/// Context that registrations are signed in.
pub const REGISTER_CONTEXT: &[u8] = b"linecast-register-v1";
/// Context that completions are signed in.
pub const COMPLETE_CONTEXT: &[u8] = b"linecast-complete-v1";
/// Context that the end of a session is signed in.
pub const END_CONTEXT: &[u8] = b"linecast-end-v1";

/// A receiver introduces itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    /// Session that it answers, 32 hexadecimal digits.
    pub session: String,
    /// Node id that it uses.
    pub node: u32,
    /// Name for people.
    pub name: String,
    /// Packets that its socket buffer holds.
    pub buffer_packets: u32,
    /// Ranges of leaves `[first, end)` that it lacks; `None` means all.
    pub missing: Option<Vec<(u64, u64)>>,
}

/// How a receiver ended.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Complete {
    /// Session that it belongs to, 32 hexadecimal digits.
    pub session: String,
    /// Root of the image that was verified, 64 hexadecimal digits.
    pub root: String,
    /// Node id.
    pub node: u32,
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

/// What a receiver is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Activity {
    /// Taking symbols.
    #[default]
    Receiving = 0,
    /// Every leaf is verified; syncing, reading back, renaming.
    Finishing = 1,
    /// In place.
    Complete = 2,
}

/// A receiver's running counts. All of them only rise, so that a lost report
/// costs nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// What it is doing.
    pub activity: Activity,
    /// DATA packets received.
    pub received: u64,
    /// DATA packets missed, from sequence gaps.
    pub lost: u64,
    /// `SO_RXQ_OVFL` of its socket: an indicator, in buffers.
    pub socket_drops: u32,
    /// Leaves verified.
    pub leaves_verified: u32,
    /// Blocks from which `lost_in_range` symbols were lost since the report
    /// before: first, and one past the last.
    pub range: (u32, u32),
    /// Symbols lost in `range`.
    pub lost_in_range: u32,
    /// Last sequence seen of each lane.
    pub sequences: Vec<u16>,
}

impl Status {
    const HEAD_BYTES: usize = 40;

    /// Appends the payload to `out`.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[1, self.activity as u8, self.sequences.len() as u8, 0]);
        out.extend_from_slice(&self.received.to_be_bytes());
        out.extend_from_slice(&self.lost.to_be_bytes());
        for word in [
            self.socket_drops,
            self.leaves_verified,
            self.range.0,
            self.range.1,
            self.lost_in_range,
        ] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        for sequence in &self.sequences {
            out.extend_from_slice(&sequence.to_be_bytes());
        }
    }

    /// Reads a payload; `None` if it is not one.
    pub fn parse(bytes: &[u8]) -> Option<Status> {
        let (head, tail) = bytes.split_at_checked(Self::HEAD_BYTES)?;
        let activity = match head[1] {
            0 => Activity::Receiving,
            1 => Activity::Finishing,
            2 => Activity::Complete,
            _ => return None,
        };
        let lanes = usize::from(head[2]);
        if head[0] != 1 || lanes > crate::limits::LANES_MAX || tail.len() != lanes * 2 {
            return None;
        }
        let long = |at: usize| u64::from_be_bytes(head[at..at + 8].try_into().unwrap_or_default());
        let word = |at: usize| u32::from_be_bytes(head[at..at + 4].try_into().unwrap_or_default());
        Some(Status {
            activity,
            received: long(4),
            lost: long(12),
            socket_drops: word(20),
            leaves_verified: word(24),
            range: (word(28), word(32)),
            lost_in_range: word(36),
            sequences: tail
                .chunks(2)
                .map(|c| u16::from_be_bytes([c[0], c[1]]))
                .collect(),
        })
    }
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum EndReason {
    /// The person at the sender stopped it: keep what is staged.
    Interrupted = 1,
    /// The image changed while it was sent: discard what is staged.
    ImageChanged = 2,
    /// The sender's deadline passed: keep what is staged.
    Deadline = 3,
    /// Nobody is waited for any more.
    Finished = 4,
}

/// The content of CMD(APPLICATION).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice<'a> {
    /// Registrations that were heard: entries of a key's first 8 bytes and the
    /// node id that its owner shall use.
    Welcome(&'a [u8]),
    /// The session ends; signed with the session key over reason and session.
    /// CMD(EOT), which anybody can forge, means nothing to a receiver of ours.
    End {
        /// Why.
        reason: EndReason,
        /// Signature by the session key.
        signature: &'a [u8; 64],
    },
}

/// Bytes of one entry of a welcome.
pub const WELCOME_ENTRY_BYTES: usize = 12;

impl<'a> Notice<'a> {
    /// Reads the content of a CMD(APPLICATION); `None` if it is not ours.
    pub fn parse(bytes: &'a [u8]) -> Option<Notice<'a>> {
        match bytes {
            [1, entries @ ..] if entries.len() % WELCOME_ENTRY_BYTES == 0 => {
                Some(Notice::Welcome(entries))
            }
            [2, reason, signature @ ..] => {
                let reason = match reason {
                    1 => EndReason::Interrupted,
                    2 => EndReason::ImageChanged,
                    3 => EndReason::Deadline,
                    4 => EndReason::Finished,
                    _ => return None,
                };
                let signature = signature.first_chunk().filter(|_| signature.len() == 64)?;
                Some(Notice::End { reason, signature })
            }
            _ => None,
        }
    }

    /// Appends the content to `out`.
    pub fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Notice::Welcome(entries) => {
                out.push(1);
                out.extend_from_slice(entries);
            }
            Notice::End { reason, signature } => {
                out.extend_from_slice(&[2, *reason as u8]);
                out.extend_from_slice(*signature);
            }
        }
    }
}

/// The node ids that a welcome gives to the owner of `key`.
pub fn welcomed(entries: &[u8], key: &[u8; 32]) -> Option<u32> {
    entries
        .chunks_exact(WELCOME_ENTRY_BYTES)
        .find(|entry| entry[..8] == key[..8])
        .map(|entry| u32::from_be_bytes([entry[8], entry[9], entry[10], entry[11]]))
}

/// The text that the end of a session signs.
pub fn end_text(reason: EndReason, session: &[u8; 16]) -> [u8; 17] {
    let mut text = [0; 17];
    text[0] = reason as u8;
    text[1..].copy_from_slice(session);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_status_survives_the_round_trip() {
        let status = Status {
            activity: Activity::Finishing,
            received: 1 << 40,
            lost: 7,
            socket_drops: 3,
            leaves_verified: 9,
            range: (4, 8),
            lost_in_range: 2,
            sequences: alloc::vec![1, 65_535],
        };
        let mut bytes = Vec::new();
        status.emit(&mut bytes);
        assert_eq!(Status::parse(&bytes), Some(status));
        bytes.push(0);
        assert_eq!(Status::parse(&bytes), None);
    }

    #[test]
    fn a_welcome_names_the_node_id_of_a_key() {
        let mut entries = Vec::new();
        entries.extend_from_slice(&[9; 8]);
        entries.extend_from_slice(&77u32.to_be_bytes());
        assert_eq!(welcomed(&entries, &[9; 32]), Some(77));
        assert_eq!(welcomed(&entries, &[8; 32]), None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Status::parse(&bytes);
            let _ = Notice::parse(&bytes);
            let _ = Signed::parse(&bytes);
        }
    }
}
