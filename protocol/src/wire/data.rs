//! NORM_DATA: one symbol.

use super::extension::Extensions;
use super::field::{
    BACKOFF_GSIZE, FEC_ID_AT, FLAGS, GRTT, HEADER_WORDS, PAYLOAD_ID, SEQUENCE, SOURCE_ID, TOI,
    VERSION, kind, u16_at, u32_at,
};
use super::sender::Common;
use super::{FEC_ID, Fti, PayloadId, SenderWord, WireError};

/// Bytes of the header we send: 24, and 16 of EXT_FTI.
pub const DATA_HEADER_BYTES: usize = BARE_DATA_HEADER_BYTES + Fti::BYTES;

/// Bytes of a DATA header without extensions.
pub const BARE_DATA_HEADER_BYTES: usize = 24;

/// The header of a DATA message (RFC 5740 section 4.2.1); the symbol follows.
///
/// ```text
///  0 | 1:4 2:4 | hdr_len 8 | sequence 16 |    16 | sbn 32                    |
///  4 | source_id 32                      |    20 | block_len 16 | esi 16     |
///  8 | instance 16 | grtt 8 | K:4 gsize:4|    24 | EXT_FTI, 16 bytes ...     |
/// 12 | flags 8 | fec_id 8 | toi 16       |    40 | symbol ...                |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataHeader {
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
    /// Which symbol.
    pub id: PayloadId,
    /// Geometry of the object; our sender puts it in every DATA message.
    pub fti: Option<Fti>,
}

impl DataHeader {
    /// Reads a DATA message and says where its symbol begins. The symbol may
    /// be empty.
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<(DataHeader, usize), WireError> {
        if let Some(head) = bytes.first_chunk::<DATA_HEADER_BYTES>()
            && let Some(fti) = head.last_chunk::<{ Fti::BYTES }>()
            && head[0] == FIRST_BYTE
            && head[HEADER_WORDS] == (DATA_HEADER_BYTES / 4) as u8
            && head[FEC_ID_AT] == FEC_ID
            && Fti::starts(fti)
        {
            return Ok((Self::read(head, Some(Fti::read(fti))), DATA_HEADER_BYTES));
        }
        Self::parse_unusual(bytes)
    }

    /// Whether the message that begins with `next` is the one that comes `by`
    /// messages after that of `first`, in the same train: all is the same but
    /// sequence and symbol, which count on.
    #[inline]
    pub fn continues(first: &[u8], next: &[u8], by: u16) -> bool {
        let (Some(mut words), Some(next)) = (words(first), words(next)) else {
            return false;
        };
        // As big-endian numbers, both count in the same way: a count that wraps
        // changes what stands before it, and is no match.
        let by = u64::from(by);
        words[0] = words[0].wrapping_add(by << SEQUENCE_SHIFT);
        words[PAYLOAD_ID / 8] = words[PAYLOAD_ID / 8].wrapping_add(by);
        words.iter().zip(next).all(|(word, next)| *word == next)
    }

    /// Any DATA message that is not of the shape we send, and everything that
    /// is none.
    #[cold]
    fn parse_unusual(bytes: &[u8]) -> Result<(DataHeader, usize), WireError> {
        let common = Common::parse(bytes)?;
        if common.kind != kind::DATA {
            return Err(WireError::Type(common.kind));
        }
        let (fixed, extensions, _) = common.split::<BARE_DATA_HEADER_BYTES>(bytes)?;
        if fixed[FEC_ID_AT] != FEC_ID {
            return Err(WireError::UnsupportedFecId(fixed[FEC_ID_AT]));
        }
        let fti = Extensions::parse(extensions)?.fti;
        Ok((Self::read(fixed, fti), common.header_bytes))
    }

    #[inline(always)]
    fn read(head: &[u8], fti: Option<Fti>) -> Self {
        Self {
            sequence: u16_at(head, SEQUENCE),
            source_id: u32_at(head, SOURCE_ID),
            sender: SenderWord::read(head),
            flags: head[FLAGS],
            toi: u16_at(head, TOI),
            id: PayloadId::read(head, PAYLOAD_ID),
            fti,
        }
    }

    /// Writes the header with its FTI: what a slot holds in front of the
    /// symbol.
    ///
    /// # Panics
    /// If `fti` is `None`: such a header is shorter, see
    /// [`emit_bare`](Self::emit_bare).
    #[inline]
    pub fn emit(&self, out: &mut [u8; DATA_HEADER_BYTES]) {
        let fti = self.fti.expect("a DATA header template carries its FTI");
        if let Some((bare, tail)) = out.split_first_chunk_mut::<BARE_DATA_HEADER_BYTES>() {
            self.emit_fixed(bare, DATA_HEADER_BYTES);
            tail.copy_from_slice(&fti.to_bytes());
        }
    }

    /// Writes the header without FTI, whether there is one or not.
    pub fn emit_bare(&self, out: &mut [u8; BARE_DATA_HEADER_BYTES]) {
        self.emit_fixed(out, BARE_DATA_HEADER_BYTES);
    }

    #[inline]
    fn emit_fixed(&self, out: &mut [u8; BARE_DATA_HEADER_BYTES], header_bytes: usize) {
        out[0] = FIRST_BYTE;
        out[HEADER_WORDS] = (header_bytes / 4) as u8;
        out[SEQUENCE..SOURCE_ID].copy_from_slice(&self.sequence.to_be_bytes());
        out[SOURCE_ID..8].copy_from_slice(&self.source_id.to_be_bytes());
        out[8..FLAGS].copy_from_slice(&self.sender.to_bytes());
        out[FLAGS] = self.flags;
        out[FEC_ID_AT] = FEC_ID;
        out[TOI..PAYLOAD_ID].copy_from_slice(&self.toi.to_be_bytes());
        out[PAYLOAD_ID..].copy_from_slice(&self.id.to_bytes());
    }
}

/// What changes in a DATA header between two sends of the same slot. The
/// sender's round-trip facts are kept as the two bytes they take, so that a
/// patch is three stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patch {
    /// Sequence number of this send.
    pub sequence: u16,
    /// Bits of [`flag`](super::flag), replacing those of the template.
    pub flags: u8,
    grtt_backoff_gsize: [u8; 2],
}

impl Patch {
    /// A patch with the round-trip facts of `sender`; its instance id stays as
    /// the template has it.
    #[inline]
    pub fn new(sequence: u16, flags: u8, sender: &SenderWord) -> Self {
        Self {
            sequence,
            flags,
            grtt_backoff_gsize: [sender.grtt, sender.backoff_gsize()],
        }
    }
}

/// Applies `patch` to a packet that begins with a DATA header. A slice too
/// short to be one is left alone.
#[inline]
pub fn patch_data(packet: &mut [u8], patch: Patch) {
    let Some(head) = packet.first_chunk_mut::<BARE_DATA_HEADER_BYTES>() else {
        debug_assert!(false, "a packet begins with a DATA header");
        return;
    };
    head[SEQUENCE..SOURCE_ID].copy_from_slice(&patch.sequence.to_be_bytes());
    head[GRTT..=BACKOFF_GSIZE].copy_from_slice(&patch.grtt_backoff_gsize);
    head[FLAGS] = patch.flags;
}

/// The header as five numbers.
#[inline]
fn words(header: &[u8]) -> Option<[u64; DATA_HEADER_BYTES / 8]> {
    let header = header.first_chunk::<DATA_HEADER_BYTES>()?;
    let (words, _) = header.as_chunks::<8>();
    let words = words.first_chunk::<{ DATA_HEADER_BYTES / 8 }>()?;
    Some(words.map(u64::from_be_bytes))
}

/// Where the sequence is in the first of them.
const SEQUENCE_SHIFT: usize = 64 - 8 * SOURCE_ID;

const FIRST_BYTE: u8 = VERSION << 4 | kind::DATA;
