//! Where the fields are, and how to read them.
//!
//! The readers index slices whose length the caller has already compared with
//! the constants of this file.

/// Protocol version in the upper half of the first byte.
pub(super) const VERSION: u8 = 1;

/// Message types in the lower half of the first byte.
pub(super) mod kind {
    pub(in super::super) const INFO: u8 = 1;
    pub(in super::super) const DATA: u8 = 2;
    pub(in super::super) const CMD: u8 = 3;
    pub(in super::super) const NACK: u8 = 4;
    pub(in super::super) const ACK: u8 = 5;
    pub(in super::super) const REPORT: u8 = 6;
}

/// Sub-types of CMD.
pub(super) mod flavor {
    pub(in super::super) const FLUSH: u8 = 1;
    pub(in super::super) const EOT: u8 = 2;
    pub(in super::super) const SQUELCH: u8 = 3;
    pub(in super::super) const CC: u8 = 4;
    pub(in super::super) const REPAIR_ADV: u8 = 5;
    pub(in super::super) const ACK_REQ: u8 = 6;
    pub(in super::super) const APPLICATION: u8 = 7;
}

/// Bytes of the part that all messages share.
pub(super) const COMMON_BYTES: usize = 8;

// Every message.
pub(super) const HEADER_WORDS: usize = 1;
pub(super) const SEQUENCE: usize = 2;
pub(super) const SOURCE_ID: usize = 4;

// INFO, DATA, CMD.
pub(super) const INSTANCE_ID: usize = 8;
pub(super) const GRTT: usize = 10;
pub(super) const BACKOFF_GSIZE: usize = 11;

// INFO, DATA.
pub(super) const FLAGS: usize = 12;

// INFO, DATA, CMD(FLUSH), CMD(SQUELCH).
pub(super) const FEC_ID_AT: usize = 13;
pub(super) const TOI: usize = 14;
pub(super) const PAYLOAD_ID: usize = 16;

// CMD.
pub(super) const FLAVOR: usize = 12;
pub(super) const CC_SEQUENCE: usize = 14;
pub(super) const CC_SEC: usize = 16;
pub(super) const CC_USEC: usize = 20;
pub(super) const ADV_FLAGS: usize = 13;
pub(super) const REQ_ACK_TYPE: usize = 14;
pub(super) const REQ_ACK_ID: usize = 15;

// NACK, ACK.
pub(super) const SERVER_ID: usize = 8;
pub(super) const FEEDBACK_INSTANCE_ID: usize = 12;
pub(super) const ACK_TYPE: usize = 14;
pub(super) const ACK_ID: usize = 15;
pub(super) const GRTT_SEC: usize = 16;
pub(super) const GRTT_USEC: usize = 20;
pub(super) const FEEDBACK_BYTES: usize = 24;

#[inline(always)]
pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

#[inline(always)]
pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
