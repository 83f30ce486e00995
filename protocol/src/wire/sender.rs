//! The part all messages share, and the word that every sender message adds.

use alloc::vec::Vec;

use super::WireError;
use super::field::{
    BACKOFF_GSIZE, COMMON_BYTES, GRTT, HEADER_WORDS, INSTANCE_ID, SEQUENCE, SOURCE_ID, VERSION,
    u16_at, u32_at,
};

/// What a sender repeats in each INFO, DATA and CMD message
/// (RFC 5740 section 4.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct SenderWord {
    /// Number of this run of the sender; a new one resets its receivers.
    pub instance_id: u16,
    /// Group round-trip time, in the code of [`quantize`](super::quantize).
    pub grtt: u8,
    /// Backoff factor K, 0..=15.
    pub backoff: u8,
    /// Group size, in the 4-bit code of [`quantize`](super::quantize).
    pub gsize: u8,
}

impl SenderWord {
    /// Reads bytes 8..12, which the caller has checked for.
    #[inline(always)]
    pub(super) fn read(bytes: &[u8]) -> Self {
        Self {
            instance_id: u16_at(bytes, INSTANCE_ID),
            grtt: bytes[GRTT],
            backoff: bytes[BACKOFF_GSIZE] >> 4,
            gsize: bytes[BACKOFF_GSIZE] & 0x0f,
        }
    }

    /// Backoff and group size as they share one byte.
    #[inline]
    pub(super) fn backoff_gsize(&self) -> u8 {
        self.backoff << 4 | self.gsize & 0x0f
    }

    /// The four bytes.
    #[inline]
    pub(super) fn to_bytes(self) -> [u8; 4] {
        let [a, b] = self.instance_id.to_be_bytes();
        [a, b, self.grtt, self.backoff_gsize()]
    }
}

/// Fixed part, extensions and payload of a message.
pub(super) type Parts<'a, const N: usize> = (&'a [u8; N], &'a [u8], &'a [u8]);

/// The first eight bytes of a message, with `hdr_len` checked against the
/// datagram.
#[derive(Debug, Clone, Copy)]
pub(super) struct Common {
    pub(super) kind: u8,
    pub(super) header_bytes: usize,
    pub(super) sequence: u16,
    pub(super) source_id: u32,
}

impl Common {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, WireError> {
        let Some(head) = bytes.first_chunk::<COMMON_BYTES>() else {
            return Err(WireError::Truncated {
                need: COMMON_BYTES,
                got: bytes.len(),
            });
        };
        if head[0] >> 4 != VERSION {
            return Err(WireError::Version(head[0] >> 4));
        }
        let header_bytes = usize::from(head[HEADER_WORDS]) * 4;
        if header_bytes > bytes.len() {
            return Err(WireError::Truncated {
                need: header_bytes,
                got: bytes.len(),
            });
        }
        Ok(Self {
            kind: head[0] & 0x0f,
            header_bytes,
            sequence: u16_at(head, SEQUENCE),
            source_id: u32_at(head, SOURCE_ID),
        })
    }

    /// Cuts the datagram into the fixed part of `N` bytes, the extensions and
    /// the payload.
    pub(super) fn split<'a, const N: usize>(
        &self,
        bytes: &'a [u8],
    ) -> Result<Parts<'a, N>, WireError> {
        let (header, payload) =
            bytes
                .split_at_checked(self.header_bytes)
                .ok_or(WireError::Truncated {
                    need: self.header_bytes,
                    got: bytes.len(),
                })?;
        let (fixed, extensions) =
            header
                .split_first_chunk::<N>()
                .ok_or(WireError::HeaderLength {
                    min: N,
                    got: self.header_bytes,
                })?;
        Ok((fixed, extensions, payload))
    }
}

/// Appends the common part. `header_bytes` counts the fixed part and the
/// extensions of the message.
pub(super) fn emit_common(
    out: &mut Vec<u8>,
    kind: u8,
    header_bytes: usize,
    sequence: u16,
    source_id: u32,
) {
    debug_assert!(header_bytes.is_multiple_of(4) && header_bytes <= 1020);
    out.push(VERSION << 4 | kind);
    out.push((header_bytes / 4) as u8);
    out.extend_from_slice(&sequence.to_be_bytes());
    out.extend_from_slice(&source_id.to_be_bytes());
}
