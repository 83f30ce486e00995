//! What an attacker knows who hears every packet of a session.

use linecast_protocol::message::{
    ACK_COMPLETE, ACK_REGISTER, ACK_STATUS, COMPLETE_CONTEXT, REGISTER_CONTEXT, Signed,
};
use linecast_protocol::object::ObjectLayout;
use linecast_protocol::offer::{Descriptor, IMAGE_TOI, Offer, SESSION_TOI};
use linecast_protocol::wire::{
    Ack, CommandBody, DataHeader, Fti, Message, PayloadId, SenderWord, Timestamp,
};
use std::collections::BTreeMap;
use std::net::SocketAddrV4;

/// Bytes in front of a symbol.
pub(super) const HEADER_BYTES: usize = linecast_protocol::wire::DATA_HEADER_BYTES;
/// Statuses that are kept of the beginning of a session, to be replayed.
const STATUSES_KEPT: usize = 64;

/// One session, as far as it was heard.
#[derive(Debug, Clone, Default)]
pub struct Overheard {
    /// Who sends, once a packet of it was heard.
    pub sender: Option<Sender>,
    /// What is offered, once all of object 1 was heard. Of a session before
    /// this one until then: a release is pushed more than once.
    pub session: Option<Session>,
    /// The receivers, by node id.
    pub members: BTreeMap<u32, Member>,
    /// The newest symbol of the image.
    pub place: Option<Place>,
    /// Symbols of the image heard.
    pub symbols: u64,
    /// The first statuses, with the addresses that they came from.
    pub statuses: Vec<(SocketAddrV4, Vec<u8>)>,
    /// The sender's clock in the newest probe.
    pub probe: Timestamp,
    /// Symbols of object 1, by their number.
    pub(super) object: Vec<Option<Vec<u8>>>,
}

/// The header of a sender's packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sender {
    /// NORM source id.
    pub source_id: u32,
    /// Instance and round-trip facts.
    pub word: SenderWord,
}

/// A session object, taken apart.
#[derive(Debug, Clone)]
pub struct Session {
    /// How this push carries the image.
    pub descriptor: Descriptor,
    /// Exact signed bytes.
    pub manifest: Vec<u8>,
    /// Armoured signature.
    pub signature: Vec<u8>,
}

/// A receiver.
#[derive(Debug, Clone)]
pub struct Member {
    /// Where its feedback comes from.
    pub address: SocketAddrV4,
    /// Its public key, once it registered.
    pub key: Option<[u8; 32]>,
    /// The newest registration or completion, as a datagram.
    pub signed: Option<Vec<u8>>,
}

/// A symbol of the image.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Which.
    pub id: PayloadId,
    /// Its packet's sequence.
    pub sequence: u16,
    /// Geometry of the image.
    pub fti: Fti,
}

impl Place {
    /// The place `symbols` further in the first pass; `None` past its end.
    pub fn advance(&self, symbols: u64) -> Option<Place> {
        let layout = self.layout()?;
        let (mut sbn, mut esi) = (self.id.sbn, u64::from(self.id.esi) + symbols);
        while esi >= u64::from(layout.block_len(sbn)) {
            esi -= u64::from(layout.block_len(sbn));
            sbn += 1;
            if sbn >= layout.blocks() {
                return None;
            }
        }
        let id = PayloadId {
            sbn,
            block_len: layout.block_len(sbn),
            esi: esi as u16,
        };
        let sequence = self.sequence.wrapping_add(symbols as u16);
        Some(Place {
            id,
            sequence,
            fti: self.fti,
        })
    }

    fn layout(&self) -> Option<ObjectLayout> {
        let fti = self.fti;
        ObjectLayout::new(fti.object_size, fti.symbol_bytes, fti.max_block_len).ok()
    }
}

impl Overheard {
    /// Takes a packet from the sender. A train counts as its first symbol, and
    /// `bytes` says how long all of it is.
    pub(super) fn hear_sender(&mut self, packet: &[u8], bytes: usize) {
        match Message::parse(packet) {
            Ok(Message::Data(header, symbol)) => {
                self.note_sender(header.source_id, header.sender);
                self.hear_symbol(&header, symbol, bytes);
            }
            Ok(Message::Command(command)) => {
                self.note_sender(command.source_id, command.sender);
                if let CommandBody::Cc { sec, usec, .. } = command.body {
                    self.probe = Timestamp { sec, usec };
                }
            }
            _ => {}
        }
    }

    fn note_sender(&mut self, source_id: u32, word: SenderWord) {
        let known = self.sender.map(|s| (s.source_id, s.word.instance_id));
        if known != Some((source_id, word.instance_id)) {
            let session = self.session.take();
            *self = Overheard {
                session,
                ..Overheard::default()
            };
        }
        self.sender = Some(Sender { source_id, word });
    }

    fn hear_symbol(&mut self, header: &DataHeader, symbol: &[u8], bytes: usize) {
        let Some(fti) = header.fti else { return };
        match header.toi {
            SESSION_TOI if header.id.is_source() => self.collect(header.id, symbol),
            IMAGE_TOI => {
                let packet = usize::from(fti.symbol_bytes) + HEADER_BYTES;
                self.symbols += bytes.div_ceil(packet).max(1) as u64;
                self.place = Some(Place {
                    id: header.id,
                    sequence: header.sequence,
                    fti,
                });
            }
            _ => {}
        }
    }

    fn collect(&mut self, id: PayloadId, symbol: &[u8]) {
        self.object.resize(id.block_len.into(), None);
        self.object[usize::from(id.esi)] = Some(symbol.to_vec());
        let Some(parts) = self.object.iter().cloned().collect::<Option<Vec<_>>>() else {
            return;
        };
        if let Ok(offer) = Offer::parse(&parts.concat()) {
            self.session = Some(Session {
                descriptor: offer.descriptor,
                manifest: offer.manifest.to_vec(),
                signature: offer.signature.to_vec(),
            });
        }
    }

    /// Takes a packet to the sender.
    pub(super) fn hear_feedback(&mut self, from: SocketAddrV4, packet: &[u8]) {
        let Ok(Message::Ack(ack)) = Message::parse(packet) else {
            return;
        };
        let member = self.members.entry(ack.source_id).or_insert(Member {
            address: from,
            key: None,
            signed: None,
        });
        match ack.ack_type {
            ACK_REGISTER | ACK_COMPLETE if is_signed(&ack) => {
                member.key = Signed::parse(ack.payload).map(|signed| *signed.key);
                member.signed = Some(packet.to_vec());
            }
            ACK_STATUS if self.statuses.len() < STATUSES_KEPT => {
                self.statuses.push((from, packet.to_vec()));
            }
            _ => {}
        }
    }
}

/// Whether the key in the message made its signature: an attacker has to know
/// whom to impersonate, and other attackers are of no use to it.
fn is_signed(ack: &Ack<'_>) -> bool {
    let context = match ack.ack_type {
        ACK_REGISTER => REGISTER_CONTEXT,
        _ => COMPLETE_CONTEXT,
    };
    Signed::parse(ack.payload).is_some_and(|signed| {
        linecast_protocol::key::PublicKey::from_bytes(*signed.key)
            .and_then(|key| key.verify(context, signed.text, signed.signature))
            .is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_moves_on_into_the_next_blocks_and_ends_with_the_image() {
        let place = Place {
            id: PayloadId {
                sbn: 0,
                block_len: 4,
                esi: 2,
            },
            sequence: 65_535,
            // Eleven symbols, in blocks of 4, 4 and 3.
            fti: Fti {
                object_size: 11 * 64,
                fec_instance: 0,
                symbol_bytes: 64,
                max_block_len: 4,
                num_parity: 0,
            },
        };
        let moved = place.advance(7).unwrap();
        assert_eq!((moved.id.sbn, moved.id.block_len, moved.id.esi), (2, 3, 1));
        assert_eq!(moved.sequence, 6);
        assert!(place.advance(9).is_none());
    }
}
