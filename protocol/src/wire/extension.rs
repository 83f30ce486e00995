//! Header extensions (RFC 5740 section 4.1, RFC 5052 section 6).
//!
//! ```text
//! HET < 128:  | het | hel | (4 x hel - 2) bytes |     HET >= 128:  | het | 3 bytes |
//! ```

use alloc::vec::Vec;

use super::WireError;
use super::field::{u16_at, u32_at};

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

const HET_CC: u8 = 3;
const CC_WORDS: u8 = (CcFeedback::BYTES / 4) as u8;
const HET_FTI: u8 = 64;
const FTI_WORDS: u8 = (Fti::BYTES / 4) as u8;
const FIRST_FIXED_HET: u8 = 128;
const HET_RATE: u8 = 128;
