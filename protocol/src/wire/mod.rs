//! NORM messages (RFC 5740) as bytes: what is on the wire, and nothing about
//! when to send it.
//!
//! ```text
//!                 +-- common, 8 bytes ----------------------------------+
//!  every message  | version:4 type:4 | hdr_len:8 | sequence:16 | node:32 |
//!                 +-----------------------------------------------------+
//!  INFO DATA CMD  | instance:16 | grtt:8 | backoff:4 gsize:4 | ...       |
//!  NACK ACK       | server:32 | instance:16 | ... | grtt response:64     |
//!                 +-----------------------------------------------------+
//!                 | extensions, as far as hdr_len reaches               |
//!                 +-----------------------------------------------------+
//!                 | payload: symbol, node list, repair requests, ...    |
//! ```
//!
//! All numbers are big-endian. Parsing borrows from the datagram, allocates
//! nothing and never panics, whatever the bytes are; each way to be malformed
//! is a [`WireError`] with a [`reason`](WireError::reason) to count it under.
//! Lengths found in a packet are only ever compared, never used to reserve
//! memory.
//!
//! Only FEC Encoding ID 129 (small block systematic, RFC 5445 section 5) is
//! understood, whose payload id is eight bytes. Header extensions that are not
//! known here are stepped over.
//!
//! Emitting appends to a `Vec<u8>`, except for DATA, whose header is a fixed
//! array written once per slot and then changed in place by [`Patch`].

mod command;
mod data;
mod error;
mod extension;
mod feedback;
mod field;
mod info;
mod list;
mod message;
mod payload_id;
pub mod quantize;
mod request;
mod sender;

pub use command::{Command, CommandBody};
pub use data::{BARE_DATA_HEADER_BYTES, DATA_HEADER_BYTES, DataHeader, Patch, patch_data};
pub use error::WireError;
pub use extension::{AUTH_TAG, AUTH_TAG_BYTES, Auth, CcFeedback, Fti};
pub use feedback::{ACK_CC, ACK_FIRST_APPLICATION, ACK_FLUSH, Ack, Nack, Timestamp};
pub use info::Info;
pub use list::{CcList, CcNode, Entry, List, NodeList, ToiList};
pub use message::{Message, Report};
pub use payload_id::PayloadId;
pub use request::{
    Form, ITEM_BYTES, Item, Items, Level, Request, RequestBuilder, RequestIter, Requests, Spans,
    item_bytes, item_parse,
};
pub use sender::SenderWord;

/// FEC Encoding ID of every message we read or write: small block systematic
/// codes (RFC 5445 section 5).
pub const FEC_ID: u8 = 129;

/// Flags of INFO and DATA messages (RFC 5740 section 4.2.1).
pub mod flag {
    /// This is a repair transmission.
    pub const REPAIR: u8 = 0x01;
    /// The repair repeats source content that was asked for explicitly.
    pub const EXPLICIT: u8 = 0x02;
    /// An INFO message exists for the object.
    pub const INFO: u8 = 0x04;
    /// The sender will not answer repair requests for the object.
    pub const UNRELIABLE: u8 = 0x08;
    /// The object is a file.
    pub const FILE: u8 = 0x10;
    /// The object is a stream.
    pub const STREAM: u8 = 0x20;
}
