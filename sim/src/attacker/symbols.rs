//! Symbols ahead of the true ones.

use super::{Attacker, Known};
use crate::draw::below;
use crate::packet::{Body, Payload};
use crate::scenario::Content;
use linecast_protocol::random::Random;
use linecast_protocol::wire::PayloadId;

/// Parity that is forged for a block.
const PARITY: u64 = 24;
/// One of so many has a sequence from nowhere.
const ODD_SEQUENCE: u64 = 8;

impl Attacker {
    /// The symbol that comes `ahead` places after the one that was overheard last,
    /// or parity of its block, with wrong bytes.
    pub(super) fn symbol(
        &self,
        known: &Known<'_>,
        parity: bool,
        ahead: u64,
        random: &mut Random,
    ) -> Option<Body> {
        let mut header = self.ear.symbol?;
        let layout = known.shape.image;
        let PayloadId {
            sbn,
            block_len,
            esi,
        } = header.id;
        let lanes = u32::from(known.shape.lanes);
        let next = u64::from(esi) + 1 + ahead;
        let (sbn, esi) = if parity {
            let most = u64::from(layout.parity_max()).min(PARITY);
            (sbn, block_len + below(random, most) as u16)
        } else if next < block_len.into() {
            (sbn, next as u16)
        } else {
            (sbn + lanes, (next - u64::from(block_len)) as u16)
        };
        if sbn >= layout.blocks() || (!parity && esi >= layout.block_len(sbn)) {
            return None;
        }
        let block_len = layout.block_len(sbn);
        header.id = PayloadId {
            sbn,
            block_len,
            esi,
        };
        header.sequence = if self.made.is_multiple_of(ODD_SEQUENCE) {
            random.next_u64() as u16
        } else {
            header.sequence.wrapping_add(1 + ahead as u16)
        };
        let len = if esi < block_len {
            layout.symbol_len(sbn, esi)
        } else {
            layout.symbol_bytes().into()
        };
        let payload = match known.scenario.content {
            Content::Identities => Payload::Damaged,
            Content::Bytes => Payload::Bytes((0..len).map(|_| random.next_u64() as u8).collect()),
        };
        Some(Body::Data {
            header,
            len: len as u16,
            payload,
        })
    }
}
