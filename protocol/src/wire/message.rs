//! Any NORM message.

use alloc::vec::Vec;

use super::data::{BARE_DATA_HEADER_BYTES, DATA_HEADER_BYTES};
use super::field::{COMMON_BYTES, kind};
use super::sender::{Common, emit_common};
use super::{Ack, Command, DataHeader, Info, Nack, WireError};

/// A message, borrowing from its datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message<'a> {
    /// Facts about an object.
    Info(Info<'a>),
    /// One symbol.
    Data(DataHeader, &'a [u8]),
    /// A command of the sender.
    Command(Command<'a>),
    /// A receiver asks.
    Nack(Nack<'a>),
    /// A receiver confirms.
    Ack(Ack<'a>),
    /// Left open by RFC 5740.
    Report(Report<'a>),
}

/// A REPORT message; RFC 5740 section 4.4.1 reserves the type and says no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report<'a> {
    /// Counts the messages of the node.
    pub sequence: u16,
    /// Node id of whoever sent it.
    pub source_id: u32,
    /// What follows the header.
    pub payload: &'a [u8],
}

impl Message<'_> {
    /// Reads one datagram.
    pub fn parse(bytes: &[u8]) -> Result<Message<'_>, WireError> {
        let common = Common::parse(bytes)?;
        Ok(match common.kind {
            kind::DATA => {
                let (header, payload_at) = DataHeader::parse(bytes)?;
                Message::Data(header, &bytes[payload_at..])
            }
            kind::INFO => Message::Info(Info::parse(&common, bytes)?),
            kind::CMD => Message::Command(Command::parse(&common, bytes)?),
            kind::NACK => Message::Nack(Nack::parse(&common, bytes)?),
            kind::ACK => Message::Ack(Ack::parse(&common, bytes)?),
            kind::REPORT => {
                let (_, _, payload) = common.split::<COMMON_BYTES>(bytes)?;
                let Common {
                    sequence,
                    source_id,
                    ..
                } = common;
                Message::Report(Report {
                    sequence,
                    source_id,
                    payload,
                })
            }
            other => return Err(WireError::Type(other)),
        })
    }

    /// Appends the message.
    pub fn emit(&self, out: &mut Vec<u8>) {
        match self {
            Message::Info(info) => info.emit(out),
            Message::Data(header, payload) => {
                if header.fti.is_some() {
                    let mut head = [0; DATA_HEADER_BYTES];
                    header.emit(&mut head);
                    out.extend_from_slice(&head);
                } else {
                    let mut head = [0; BARE_DATA_HEADER_BYTES];
                    header.emit_bare(&mut head);
                    out.extend_from_slice(&head);
                }
                out.extend_from_slice(payload);
            }
            Message::Command(command) => command.emit(out),
            Message::Nack(nack) => nack.emit(out),
            Message::Ack(ack) => ack.emit(out),
            Message::Report(report) => {
                emit_common(
                    out,
                    kind::REPORT,
                    COMMON_BYTES,
                    report.sequence,
                    report.source_id,
                );
                out.extend_from_slice(report.payload);
            }
        }
    }
}
