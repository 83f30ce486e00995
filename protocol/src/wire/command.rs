//! NORM_CMD: what the sender says besides data.

use alloc::vec::Vec;

use super::extension::{Extensions, RATE_BYTES, emit_rate};
use super::field::{
    ADV_FLAGS, CC_SEC, CC_SEQUENCE, CC_USEC, FEC_ID_AT, FLAVOR, PAYLOAD_ID, REQ_ACK_ID,
    REQ_ACK_TYPE, TOI, flavor, kind, u16_at, u32_at,
};
use super::sender::{Common, emit_common};
use super::{CcList, FEC_ID, NodeList, PayloadId, Requests, SenderWord, ToiList, WireError};

/// A CMD message (RFC 5740 section 4.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command<'a> {
    /// Counts the sender's messages, wraps.
    pub sequence: u16,
    /// Node id of the sender.
    pub source_id: u32,
    /// Instance and round-trip facts of the sender.
    pub sender: SenderWord,
    /// What it says.
    pub body: CommandBody<'a>,
}

/// The commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandBody<'a> {
    /// Everything up to this place has been sent: check, then ask or confirm.
    Flush {
        /// Object of the watermark.
        toi: u16,
        /// Symbol of the watermark.
        id: PayloadId,
        /// Who is to confirm.
        nodes: NodeList<'a>,
    },
    /// The sender ends.
    Eot,
    /// What was asked for is gone; ask for nothing before this place.
    Squelch {
        /// Object of the earliest place that can be repaired.
        toi: u16,
        /// Symbol of that place.
        id: PayloadId,
        /// Later objects that are gone as well.
        invalid: ToiList<'a>,
    },
    /// Probe for the round trip.
    Cc {
        /// Number of the probe.
        cc_sequence: u16,
        /// Sender's clock: whole seconds.
        sec: u32,
        /// Sender's clock: microseconds.
        usec: u32,
        /// Quantized rate of the sender, if announced.
        rate: Option<u16>,
        /// Receivers reported on.
        nodes: CcList<'a>,
    },
    /// What the sender has been asked for, so that others need not.
    RepairAdv {
        /// The list was cut to fit.
        limit: bool,
        /// What was asked for.
        requests: Requests<'a>,
    },
    /// The nodes are to acknowledge.
    AckReq {
        /// Kind of acknowledgement.
        ack_type: u8,
        /// Number of the request.
        ack_id: u8,
        /// Who is asked.
        nodes: NodeList<'a>,
    },
    /// The application's own.
    Application(&'a [u8]),
}

impl<'a> Command<'a> {
    pub(super) fn parse(common: &Common, bytes: &'a [u8]) -> Result<Self, WireError> {
        let (fixed, _, _) = common.split::<SHORT_BYTES>(bytes)?;
        let body = match fixed[FLAVOR] {
            flavor::FLUSH => {
                let (toi, id, payload) = parse_place(common, bytes)?;
                CommandBody::Flush {
                    toi,
                    id,
                    nodes: NodeList::from_bytes(payload)?,
                }
            }
            flavor::SQUELCH => {
                let (toi, id, payload) = parse_place(common, bytes)?;
                CommandBody::Squelch {
                    toi,
                    id,
                    invalid: ToiList::from_bytes(payload)?,
                }
            }
            flavor::CC => {
                let (fixed, extensions, payload) = common.split::<LONG_BYTES>(bytes)?;
                CommandBody::Cc {
                    cc_sequence: u16_at(fixed, CC_SEQUENCE),
                    sec: u32_at(fixed, CC_SEC),
                    usec: u32_at(fixed, CC_USEC),
                    rate: Extensions::parse(extensions)?.rate,
                    nodes: CcList::from_bytes(payload)?,
                }
            }
            simple => parse_simple(simple, common, bytes)?,
        };
        Ok(Self {
            sequence: common.sequence,
            source_id: common.source_id,
            sender: SenderWord::read(fixed),
            body,
        })
    }

    /// Appends the message.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let header_bytes = match self.body {
            CommandBody::Flush { .. } | CommandBody::Squelch { .. } => LONG_BYTES,
            CommandBody::Cc { rate, .. } => LONG_BYTES + rate.map_or(0, |_| RATE_BYTES),
            _ => SHORT_BYTES,
        };
        emit_common(out, kind::CMD, header_bytes, self.sequence, self.source_id);
        out.extend_from_slice(&self.sender.to_bytes());
        match self.body {
            CommandBody::Flush { toi, id, nodes } => {
                emit_place(out, flavor::FLUSH, toi, id);
                nodes.emit(out);
            }
            CommandBody::Squelch { toi, id, invalid } => {
                emit_place(out, flavor::SQUELCH, toi, id);
                invalid.emit(out);
            }
            CommandBody::Cc {
                cc_sequence,
                sec,
                usec,
                rate,
                nodes,
            } => {
                out.extend_from_slice(&[flavor::CC, 0]);
                out.extend_from_slice(&cc_sequence.to_be_bytes());
                out.extend_from_slice(&sec.to_be_bytes());
                out.extend_from_slice(&usec.to_be_bytes());
                if let Some(rate) = rate {
                    emit_rate(out, rate);
                }
                nodes.emit(out);
            }
            CommandBody::Eot => out.extend_from_slice(&[flavor::EOT, 0, 0, 0]),
            CommandBody::RepairAdv { limit, requests } => {
                let flags = if limit { ADV_LIMIT } else { 0 };
                out.extend_from_slice(&[flavor::REPAIR_ADV, flags, 0, 0]);
                out.extend_from_slice(requests.as_bytes());
            }
            CommandBody::AckReq {
                ack_type,
                ack_id,
                nodes,
            } => {
                out.extend_from_slice(&[flavor::ACK_REQ, 0, ack_type, ack_id]);
                nodes.emit(out);
            }
            CommandBody::Application(content) => {
                out.extend_from_slice(&[flavor::APPLICATION, 0, 0, 0]);
                out.extend_from_slice(content);
            }
        }
    }
}

/// The commands whose fixed part is sixteen bytes.
fn parse_simple<'a>(
    flavor: u8,
    common: &Common,
    bytes: &'a [u8],
) -> Result<CommandBody<'a>, WireError> {
    let (fixed, extensions, payload) = common.split::<SHORT_BYTES>(bytes)?;
    Extensions::parse(extensions)?;
    Ok(match flavor {
        flavor::EOT => CommandBody::Eot,
        flavor::REPAIR_ADV => CommandBody::RepairAdv {
            limit: fixed[ADV_FLAGS] & ADV_LIMIT != 0,
            requests: Requests::parse(payload)?,
        },
        flavor::ACK_REQ => CommandBody::AckReq {
            ack_type: fixed[REQ_ACK_TYPE],
            ack_id: fixed[REQ_ACK_ID],
            nodes: NodeList::from_bytes(payload)?,
        },
        flavor::APPLICATION => CommandBody::Application(payload),
        unknown => return Err(WireError::Flavor(unknown)),
    })
}

/// Object and symbol of FLUSH and SQUELCH, and the payload behind.
fn parse_place<'a>(
    common: &Common,
    bytes: &'a [u8],
) -> Result<(u16, PayloadId, &'a [u8]), WireError> {
    let (short, _, _) = common.split::<SHORT_BYTES>(bytes)?;
    // Other FEC ids have shorter headers, so the id is looked at first.
    if short[FEC_ID_AT] != FEC_ID {
        return Err(WireError::UnsupportedFecId(short[FEC_ID_AT]));
    }
    let (fixed, extensions, payload) = common.split::<LONG_BYTES>(bytes)?;
    Extensions::parse(extensions)?;
    Ok((
        u16_at(fixed, TOI),
        PayloadId::read(fixed, PAYLOAD_ID),
        payload,
    ))
}

fn emit_place(out: &mut Vec<u8>, flavor: u8, toi: u16, id: PayloadId) {
    out.extend_from_slice(&[flavor, FEC_ID]);
    out.extend_from_slice(&toi.to_be_bytes());
    out.extend_from_slice(&id.to_bytes());
}

const SHORT_BYTES: usize = 16;
const LONG_BYTES: usize = 24;
const ADV_LIMIT: u8 = 0x01;
