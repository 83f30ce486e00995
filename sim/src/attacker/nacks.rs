//! NACKs that ask for more than anybody lacks.

use super::Known;
use super::identity::FORGED_COUNT;
use crate::draw::below;
use crate::lanes::SOURCE_ID;
use crate::scenario::Ask;
use linecast_protocol::offer::IMAGE_TOI;
use linecast_protocol::random::Random;
use linecast_protocol::wire::{Auth, Level, Nack, PayloadId, RequestBuilder, Requests, Timestamp};

/// A NACK of about `bytes` bytes in the name of `node`; `None` for an empty image.
pub(super) fn nack(
    known: &Known<'_>,
    node: u32,
    ask: Ask,
    bytes: usize,
    random: &mut Random,
) -> Option<Vec<u8>> {
    let requests = requests(known, ask, bytes.saturating_sub(Nack::HEADER_BYTES), random)?;
    let nack = Nack {
        sequence: 0,
        source_id: node,
        server_id: SOURCE_ID,
        instance_id: known.instance_id,
        grtt_response: Timestamp::default(),
        auth: Some(Auth::unsealed(FORGED_COUNT)),
        cc: None,
        requests: Requests::parse(&requests).ok()?,
    };
    let mut out = Vec::new();
    nack.emit(&mut out);
    Some(out)
}

/// Requests that fill `bytes`.
pub(super) fn requests(
    known: &Known<'_>,
    ask: Ask,
    bytes: usize,
    random: &mut Random,
) -> Option<Vec<u8>> {
    let layout = known.shape.image;
    let blocks = layout.blocks();
    let last = blocks.checked_sub(1)?;
    let id = |sbn, esi| PayloadId {
        sbn,
        block_len: layout.block_len(sbn),
        esi,
    };
    let mut out = Vec::new();
    let mut builder = RequestBuilder::new(&mut out, bytes);
    let mut push = || match ask {
        Ask::Object => builder.push_item(Level::OBJECT, IMAGE_TOI, id(0, 0)),
        Ask::Blocks => builder.push_range(Level::BLOCK, IMAGE_TOI, id(0, 0), id(last, 0)),
        Ask::Symbol => builder.push_item(Level::SEGMENT, IMAGE_TOI, id(0, 0)),
        Ask::Parity => {
            let sbn = below(random, blocks.into()) as u32;
            let len = layout.block_len(sbn);
            let end = len.saturating_add(layout.parity_max().max(1) - 1);
            builder.push_range(Level::SEGMENT, IMAGE_TOI, id(sbn, len), id(sbn, end))
        }
    };
    while push() {}
    Some(out)
}
