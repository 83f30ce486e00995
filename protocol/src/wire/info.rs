//! NORM_INFO: out-of-band facts about an object.

use alloc::vec::Vec;

use super::extension::Extensions;
use super::field::{FEC_ID_AT, FLAGS, TOI, kind, u16_at};
use super::sender::{Common, emit_common};
use super::{FEC_ID, Fti, SenderWord, WireError};

/// An INFO message (RFC 5740 section 4.2.2 of the sender messages): as DATA,
/// without a payload id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Info<'a> {
    /// Counts the sender's messages, wraps.
    pub sequence: u16,
    /// Node id of the sender.
    pub source_id: u32,
    /// Instance and round-trip facts of the sender.
    pub sender: SenderWord,
    /// Bits of [`flag`](super::flag).
    pub flags: u8,
    /// Transport object identifier.
    pub toi: u16,
    /// Geometry of the object, if given.
    pub fti: Option<Fti>,
    /// At most one symbol of content.
    pub payload: &'a [u8],
}

impl<'a> Info<'a> {
    pub(super) fn parse(common: &Common, bytes: &'a [u8]) -> Result<Self, WireError> {
        let (fixed, extensions, payload) = common.split::<FIXED_BYTES>(bytes)?;
        if fixed[FEC_ID_AT] != FEC_ID {
            return Err(WireError::UnsupportedFecId(fixed[FEC_ID_AT]));
        }
        Ok(Self {
            sequence: common.sequence,
            source_id: common.source_id,
            sender: SenderWord::read(fixed),
            flags: fixed[FLAGS],
            toi: u16_at(fixed, TOI),
            fti: Extensions::parse(extensions)?.fti,
            payload,
        })
    }

    /// Appends the message.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let fti = self.fti.map(Fti::to_bytes);
        let extensions = fti.as_ref().map_or(&[][..], |fti| &fti[..]);
        emit_common(
            out,
            kind::INFO,
            FIXED_BYTES + extensions.len(),
            self.sequence,
            self.source_id,
        );
        out.extend_from_slice(&self.sender.to_bytes());
        out.extend_from_slice(&[self.flags, FEC_ID]);
        out.extend_from_slice(&self.toi.to_be_bytes());
        out.extend_from_slice(extensions);
        out.extend_from_slice(self.payload);
    }
}

const FIXED_BYTES: usize = 16;
