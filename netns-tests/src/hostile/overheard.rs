//! What an attacker knows who hears every packet of a session.

use linecast_protocol::bytes_from_hex;
use linecast_protocol::key::PublicKey;
use linecast_protocol::message::{
    ACK_COMPLETE, ACK_REFUSE, ACK_REGISTER, COMPLETE_CONTEXT, Notice, REGISTER_CONTEXT, Register,
    Signed, WelcomeEntry,
};
use linecast_protocol::object::ObjectLayout;
use linecast_protocol::offer::{Descriptor, IMAGE_TOI, Offer, SESSION_TOI};
use linecast_protocol::seal::Life;
use linecast_protocol::wire::{
    Ack, CommandBody, DataHeader, Fti, Message, PayloadId, SenderWord, Timestamp,
};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddrV4;

/// Bytes in front of a symbol.
pub(super) const HEADER_BYTES: usize = linecast_protocol::wire::DATA_HEADER_BYTES;
/// Messages of one kind that are kept of the beginning of a session, to be
/// replayed.
const KEPT: usize = 64;
/// The newest refusals, of whatever session.
const REFUSALS_KEPT: usize = 8;
/// Kind of a NACK, among types of ACKs.
const NACK: u8 = 0;

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
    /// The first messages of receivers of each kind, with the addresses that they
    /// came from.
    pub said: Vec<(SocketAddrV4, Vec<u8>)>,
    /// The same of the session before this one.
    pub past: Vec<(SocketAddrV4, Vec<u8>)>,
    /// Refusals, the newest last.
    pub refusals: VecDeque<(SocketAddrV4, Vec<u8>)>,
    /// The newest welcome of each life.
    pub welcomes: BTreeMap<[u8; 8], WelcomeEntry>,
    /// The sender's clock in the newest probe.
    pub probe: Timestamp,
    /// Symbols of object 1, by their number.
    pub(super) object: Vec<Option<Vec<u8>>>,
    /// Messages in `said`, by kind.
    pub(super) counts: BTreeMap<u8, usize>,
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
    /// Its exact bytes.
    pub text: Vec<u8>,
    /// Exact signed bytes.
    pub manifest: Vec<u8>,
    /// Armoured signature.
    pub signature: Vec<u8>,
}

impl Session {
    /// Its identity.
    pub fn id(&self) -> Option<[u8; 16]> {
        bytes_from_hex(&self.descriptor.session)
    }

    /// The key that signs its end, and welcomes.
    pub fn key(&self) -> Option<PublicKey> {
        let bytes = bytes_from_hex(&self.descriptor.session_key)?;
        PublicKey::from_bytes(bytes).ok()
    }
}

/// A receiver.
#[derive(Debug, Clone)]
pub struct Member {
    /// Where its feedback comes from.
    pub address: SocketAddrV4,
    /// Who it is, once it registered.
    pub life: Option<Life>,
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

    /// Blocks of the image.
    pub fn blocks(&self) -> u32 {
        self.layout().map_or(0, |layout| layout.blocks())
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
                match command.body {
                    CommandBody::Cc { sec, usec, .. } => self.probe = Timestamp { sec, usec },
                    CommandBody::Application(content) => self.hear_welcomes(content),
                    _ => {}
                }
            }
            _ => {}
        }
    }

    fn note_sender(&mut self, source_id: u32, word: SenderWord) {
        let known = self.sender.map(|s| (s.source_id, s.word.instance_id));
        if known != Some((source_id, word.instance_id)) {
            let known = std::mem::take(self);
            *self = Overheard {
                session: known.session,
                refusals: known.refusals,
                past: if known.said.is_empty() {
                    known.past
                } else {
                    known.said
                },
                ..Overheard::default()
            };
        }
        self.sender = Some(Sender { source_id, word });
    }

    fn hear_welcomes(&mut self, content: &[u8]) {
        let Some(Notice::Welcome(entries)) = Notice::parse(content) else {
            return;
        };
        for entry in entries.chunks(WelcomeEntry::BYTES) {
            let name = entry.first_chunk().copied().unwrap_or_default();
            for entry in WelcomeEntry::find(entry, name) {
                let newest = self.welcomes.entry(name).or_insert(entry);
                if entry.nonce > newest.nonce {
                    *newest = entry;
                }
            }
        }
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
        if let Ok(offer) = Offer::parse(&parts.concat())
            && let Ok(descriptor) = Descriptor::parse(offer.descriptor)
        {
            self.session = Some(Session {
                descriptor,
                text: offer.descriptor.to_vec(),
                manifest: offer.manifest.to_vec(),
                signature: offer.signature.to_vec(),
            });
        }
    }

    /// Takes a packet to the sender.
    pub(super) fn hear_feedback(&mut self, from: SocketAddrV4, packet: &[u8]) {
        self.hear_refusal(from, packet);
        match Message::parse(packet) {
            Ok(Message::Nack(_)) => self.keep(NACK, from, packet),
            Ok(Message::Ack(ack)) => {
                if ack.ack_type != ACK_REFUSE {
                    self.hear_member(from, &ack, packet);
                }
                self.keep(ack.ack_type, from, packet);
            }
            _ => {}
        }
    }

    /// Takes a refusal, whoever it was for.
    pub(super) fn hear_refusal(&mut self, from: SocketAddrV4, packet: &[u8]) {
        if let Ok(Message::Ack(ack)) = Message::parse(packet)
            && ack.ack_type == ACK_REFUSE
        {
            self.refusals.push_back((from, packet.to_vec()));
            if self.refusals.len() > REFUSALS_KEPT {
                self.refusals.pop_front();
            }
        }
    }

    fn keep(&mut self, kind: u8, from: SocketAddrV4, packet: &[u8]) {
        let count = self.counts.entry(kind).or_default();
        if *count < KEPT {
            *count += 1;
            self.said.push((from, packet.to_vec()));
        }
    }

    fn hear_member(&mut self, from: SocketAddrV4, ack: &Ack<'_>, packet: &[u8]) {
        let member = self.members.entry(ack.source_id).or_insert(Member {
            address: from,
            life: None,
            signed: None,
        });
        if let Some((key, text)) = signed(ack) {
            member.life = life_of(key, text).or(member.life);
            member.signed = Some(packet.to_vec());
        }
    }
}

/// Who signed a registration or completion, and what. An attacker has to know whom
/// to impersonate, and other attackers are of no use to it.
fn signed<'a>(ack: &Ack<'a>) -> Option<(PublicKey, &'a [u8])> {
    let context = match ack.ack_type {
        ACK_REGISTER => REGISTER_CONTEXT,
        ACK_COMPLETE => COMPLETE_CONTEXT,
        _ => return None,
    };
    let signed = Signed::parse(ack.payload)?;
    let key = PublicKey::from_bytes(*signed.key).ok()?;
    let checked = key.verify(context, signed.text, signed.signature);
    checked.ok().map(|()| (key, signed.text))
}

/// The life that a registration is of.
fn life_of(key: PublicKey, text: &[u8]) -> Option<Life> {
    let register: Register = serde_json::from_slice(text).ok()?;
    Some(Life {
        key,
        installation: bytes_from_hex(&register.installation)?,
        number: bytes_from_hex(&register.life)?,
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
