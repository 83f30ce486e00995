//! Header extensions (RFC 5740 section 4.1, RFC 5052 section 6).
//!
//! ```text
//! HET < 128:  | het | hel | (4 x hel - 2) bytes |     HET >= 128:  | het | 3 bytes |
//! ```

use alloc::vec::Vec;

use super::WireError;
use super::field::{FEEDBACK_BYTES, u16_at, u32_at};
use core::ops::Range;

/// Object transmission information of FEC Encoding ID 129
/// (RFC 5445 section 5.2.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Fti {
    /// Size of the object in bytes. The wire has 48 bits; higher ones are not
    /// sent.
    pub object_size: u64,
    /// FEC instance id: which code of the family.
    pub fec_instance: u16,
    /// Bytes of a symbol; the last one of an object may be shorter.
    pub symbol_bytes: u16,
    /// Source symbols in the longest block.
    pub max_block_len: u16,
    /// Parity symbols a block can have: a ceiling, never a size to allocate.
    pub num_parity: u16,
}

impl Fti {
    /// Bytes of the extension.
    pub const BYTES: usize = 16;

    /// Whether the extension starting here is an FTI of the right length.
    #[inline(always)]
    pub(super) fn starts(bytes: &[u8]) -> bool {
        bytes[0] == HET_FTI && bytes[1] == FTI_WORDS
    }

    /// Reads an extension for which [`Fti::starts`] holds.
    #[inline(always)]
    pub(super) fn read(bytes: &[u8; Self::BYTES]) -> Self {
        Self {
            object_size: u64::from(u16_at(bytes, 2)) << 32 | u64::from(u32_at(bytes, 4)),
            fec_instance: u16_at(bytes, 8),
            symbol_bytes: u16_at(bytes, 10),
            max_block_len: u16_at(bytes, 12),
            num_parity: u16_at(bytes, 14),
        }
    }

    /// The sixteen bytes.
    pub(super) fn to_bytes(self) -> [u8; Self::BYTES] {
        debug_assert!(self.object_size < 1 << 48);
        let mut out = [0; Self::BYTES];
        out[..8].copy_from_slice(&self.object_size.to_be_bytes());
        out[0] = HET_FTI;
        out[1] = FTI_WORDS;
        out[8..10].copy_from_slice(&self.fec_instance.to_be_bytes());
        out[10..12].copy_from_slice(&self.symbol_bytes.to_be_bytes());
        out[12..14].copy_from_slice(&self.max_block_len.to_be_bytes());
        out[14..16].copy_from_slice(&self.num_parity.to_be_bytes());
        out
    }
}

/// A receiver's congestion feedback, EXT_CC (RFC 5740 section 4.2.2). We do
/// not act on it; other implementations attach it to their NACKs and ACKs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct CcFeedback {
    /// `cc_sequence` of the CMD(CC) that this answers.
    pub cc_sequence: u16,
    /// CLR 0x01, PLR 0x02, RTT 0x04, START 0x08, LEAVE 0x10.
    pub flags: u8,
    /// Quantized round-trip time of the receiver.
    pub rtt: u8,
    /// Quantized loss fraction, 65535 being all.
    pub loss: u16,
    /// Quantized rate.
    pub rate: u16,
}

impl CcFeedback {
    /// Bytes of the extension.
    pub const BYTES: usize = 12;

    fn read(bytes: &[u8; Self::BYTES]) -> Self {
        Self {
            cc_sequence: u16_at(bytes, 2),
            flags: bytes[4],
            rtt: bytes[5],
            loss: u16_at(bytes, 6),
            rate: u16_at(bytes, 8),
        }
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[HET_CC, CC_WORDS]);
        out.extend_from_slice(&self.cc_sequence.to_be_bytes());
        out.extend_from_slice(&[self.flags, self.rtt]);
        out.extend_from_slice(&self.loss.to_be_bytes());
        out.extend_from_slice(&self.rate.to_be_bytes());
        out.extend_from_slice(&[0, 0]);
    }
}

/// Who says it, EXT_AUTH (RFC 5740 §4.1), laid out as RFC 6584 §3.1 has it: an
/// anti-replay count of 40 bits and a tag. Ours is always the first extension of
/// a NACK or ACK, so that its tag is at [`AUTH_TAG`].
///
/// ```text
/// 24 | het 1 | hel 6 | asid:4 0:3 ar:1 | count 40 ...  |
/// 32 | tag 128                                         |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Auth {
    /// Counts the messages of one life of a device, from 1; 40 bits on the wire.
    pub count: u64,
    /// Over the whole message, with zeros in place of the tag.
    pub tag: [u8; AUTH_TAG_BYTES],
}

/// Bytes of the tag.
pub const AUTH_TAG_BYTES: usize = 16;
/// Where the tag is in a NACK or ACK.
pub const AUTH_TAG: Range<usize> = FEEDBACK_BYTES + 8..FEEDBACK_BYTES + Auth::BYTES;

impl Auth {
    /// Bytes of the extension.
    pub const BYTES: usize = 8 + AUTH_TAG_BYTES;

    /// The extension of a message that is to be sealed.
    pub fn unsealed(count: u64) -> Auth {
        Auth {
            count,
            tag: [0; AUTH_TAG_BYTES],
        }
    }

    /// The extension, if it is the first of `extensions` and of our scheme.
    pub(super) fn first(extensions: &[u8]) -> Option<Auth> {
        let bytes = extensions.first_chunk::<{ Self::BYTES }>()?;
        let (head, tag) = bytes.split_first_chunk::<8>()?;
        let ours = head[..3] == [HET_AUTH, AUTH_WORDS, AUTH_SCHEME];
        let count = u64::from_be_bytes(*head) & AUTH_COUNT_MAX;
        ours.then(|| Auth {
            count,
            tag: tag.try_into().unwrap_or_default(),
        })
    }

    pub(super) fn emit(&self, out: &mut Vec<u8>) {
        let mut head = (self.count & AUTH_COUNT_MAX).to_be_bytes();
        head[..3].copy_from_slice(&[HET_AUTH, AUTH_WORDS, AUTH_SCHEME]);
        out.extend_from_slice(&head);
        out.extend_from_slice(&self.tag);
    }
}

/// Bytes of EXT_RATE.
pub(super) const RATE_BYTES: usize = 4;

/// Appends EXT_RATE with a quantized rate.
pub(super) fn emit_rate(out: &mut Vec<u8>, rate: u16) {
    out.extend_from_slice(&[HET_RATE, 0]);
    out.extend_from_slice(&rate.to_be_bytes());
}

/// The extensions of one header that mean something here. Of two of a kind the
/// first counts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extensions {
    pub(super) fti: Option<Fti>,
    pub(super) cc: Option<CcFeedback>,
    pub(super) rate: Option<u16>,
}

impl Extensions {
    /// Reads all of `bytes`: the header behind its fixed part.
    pub(super) fn parse(mut bytes: &[u8]) -> Result<Self, WireError> {
        let mut known = Self::default();
        while let &[het, hel, ..] = bytes {
            let words = if het < FIRST_FIXED_HET { hel } else { 1 };
            let malformed = WireError::Extension { het, words };
            if words == 0 {
                return Err(malformed);
            }
            let (extension, rest) = bytes
                .split_at_checked(usize::from(words) * 4)
                .ok_or(malformed)?;
            match het {
                HET_FTI => {
                    let bytes = extension.try_into().map_err(|_| malformed)?;
                    known.fti.get_or_insert(Fti::read(bytes));
                }
                HET_CC => {
                    let bytes = extension.try_into().map_err(|_| malformed)?;
                    known.cc.get_or_insert(CcFeedback::read(bytes));
                }
                HET_RATE => {
                    known.rate.get_or_insert(u16_at(extension, 2));
                }
                _ => {}
            }
            bytes = rest;
        }
        Ok(known)
    }
}

const HET_AUTH: u8 = 1;
const AUTH_WORDS: u8 = (Auth::BYTES / 4) as u8;
/// Our number for the scheme (agreed out of band, RFC 6584 §3.1), and the flag
/// that a count is there.
const AUTH_SCHEME: u8 = 12 << 4 | 1;
const AUTH_COUNT_MAX: u64 = (1 << 40) - 1;
const HET_CC: u8 = 3;
const CC_WORDS: u8 = (CcFeedback::BYTES / 4) as u8;
const HET_FTI: u8 = 64;
const FTI_WORDS: u8 = (Fti::BYTES / 4) as u8;
const FIRST_FIXED_HET: u8 = 128;
const HET_RATE: u8 = 128;
