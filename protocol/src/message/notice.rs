//! What the sender says inside CMD(APPLICATION) (RFC 5740 §4.2.3).

use crate::limits::PAGE_BYTES;
use crate::seal::WELCOME_PROOF_BYTES;
use alloc::vec::Vec;

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum EndReason {
    /// The person at the sender stopped it: keep what is staged.
    Interrupted = 1,
    /// The image changed while it was sent: what is verified is still that of the
    /// manifest.
    ImageChanged = 2,
    /// The sender's deadline passed: keep what is staged.
    Deadline = 3,
    /// Nobody is waited for any more.
    Finished = 4,
}

/// The content of CMD(APPLICATION).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice<'a> {
    /// Registrations that were heard: [`WelcomeEntry`]s, back to back.
    Welcome(&'a [u8]),
    /// The session ends; signed with the session key over reason and session.
    /// CMD(EOT), which anybody can forge, means nothing to a receiver of ours.
    End {
        /// Why.
        reason: EndReason,
        /// Signature by the session key.
        signature: &'a [u8; 64],
    },
    /// Which leaves of a page does somebody lack that are not in this map yet?
    Poll {
        /// Page.
        page: u32,
        /// One bit a leaf of the page that is known to be lacked by somebody.
        known: &'a [u8; PAGE_BYTES],
    },
}

/// One device that is welcome.
///
/// ```text
///  0 | name of its life 64 | node id 32 | nonce 32 | proof 64 |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WelcomeEntry {
    /// Which life: [`Life::name`](crate::seal::Life::name).
    pub life: [u8; 8],
    /// Node id that it shall use.
    pub node: u32,
    /// Number of its registration, that its feedback is sealed with.
    pub nonce: u32,
    /// [`SealKey::welcome_proof`](crate::seal::SealKey::welcome_proof).
    pub proof: [u8; WELCOME_PROOF_BYTES],
}

impl WelcomeEntry {
    /// Bytes of an entry.
    pub const BYTES: usize = 24;

    /// Appends the entry.
    pub fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.life);
        out.extend_from_slice(&self.node.to_be_bytes());
        out.extend_from_slice(&self.nonce.to_be_bytes());
        out.extend_from_slice(&self.proof);
    }

    /// The entries of a welcome for the life of this name.
    pub fn find(entries: &[u8], life: [u8; 8]) -> impl Iterator<Item = WelcomeEntry> {
        let (entries, _) = entries.as_chunks::<{ Self::BYTES }>();
        let own = entries.iter().filter(move |entry| entry[..8] == life);
        own.map(|entry| {
            let word = |at: usize| u32::from_be_bytes(core::array::from_fn(|i| entry[at + i]));
            WelcomeEntry {
                life: core::array::from_fn(|at| entry[at]),
                node: word(8),
                nonce: word(12),
                proof: core::array::from_fn(|at| entry[16 + at]),
            }
        })
    }
}

impl<'a> Notice<'a> {
    /// Reads the content of a CMD(APPLICATION); `None` if it is not ours.
    pub fn parse(bytes: &'a [u8]) -> Option<Notice<'a>> {
        match bytes {
            [WELCOME, entries @ ..] if entries.len() % WelcomeEntry::BYTES == 0 => {
                Some(Notice::Welcome(entries))
            }
            [END, reason, signature @ ..] => {
                let reason = match reason {
                    1 => EndReason::Interrupted,
                    2 => EndReason::ImageChanged,
                    3 => EndReason::Deadline,
                    4 => EndReason::Finished,
                    _ => return None,
                };
                let signature = signature.try_into().ok()?;
                Some(Notice::End { reason, signature })
            }
            [POLL, 0, 0, 0, a, b, c, d, known @ ..] => Some(Notice::Poll {
                page: u32::from_be_bytes([*a, *b, *c, *d]),
                known: known.try_into().ok()?,
            }),
            _ => None,
        }
    }

    /// Appends the content to `out`.
    pub fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Notice::Welcome(entries) => {
                out.push(WELCOME);
                out.extend_from_slice(entries);
            }
            Notice::End { reason, signature } => {
                out.extend_from_slice(&[END, *reason as u8]);
                out.extend_from_slice(*signature);
            }
            Notice::Poll { page, known } => {
                out.extend_from_slice(&[POLL, 0, 0, 0]);
                out.extend_from_slice(&page.to_be_bytes());
                out.extend_from_slice(*known);
            }
        }
    }
}

/// The text that the end of a session signs.
pub fn end_text(reason: EndReason, session: &[u8; 16]) -> [u8; 17] {
    let mut text = [0; 17];
    text[0] = reason as u8;
    text[1..].copy_from_slice(session);
    text
}

// Kind 1 was the welcome of profile 1, whose entries were shorter.
const END: u8 = 2;
const POLL: u8 = 3;
const WELCOME: u8 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_welcome_names_the_node_id_of_a_life_and_of_no_other() {
        let entry = WelcomeEntry {
            life: [9; 8],
            node: 77,
            nonce: 5,
            proof: [3; 8],
        };
        let mut entries = Vec::new();
        entry.emit(&mut entries);
        assert_eq!(entries.len(), WelcomeEntry::BYTES);
        assert_eq!(WelcomeEntry::find(&entries, [9; 8]).next(), Some(entry));
        assert_eq!(WelcomeEntry::find(&entries, [8; 8]).next(), None);
    }

    #[test]
    fn notices_survive_the_round_trip() {
        let known = [0xa5; PAGE_BYTES];
        let signature = [4; 64];
        for notice in [
            Notice::Welcome(&[1; 48]),
            Notice::End {
                reason: EndReason::Deadline,
                signature: &signature,
            },
            Notice::Poll {
                page: 1 << 30,
                known: &known,
            },
        ] {
            let mut bytes = Vec::new();
            notice.emit(&mut bytes);
            assert_eq!(Notice::parse(&bytes), Some(notice));
            assert!(bytes.len() <= crate::limits::MESSAGE_BYTES_MAX);
            bytes.push(0);
            assert_eq!(Notice::parse(&bytes), None);
        }
    }
}
