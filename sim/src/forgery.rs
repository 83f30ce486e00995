//! Packets that nobody should have sent: wrong bits, forgeries, replays.

use crate::draw::below;
use crate::lanes::SOURCE_ID;
use crate::packet::{Body, Origin, Payload};
use crate::sender::Feedback;
use crate::trunk::Departure;
use linecast_protocol::limits::PARITY_MAX;
use linecast_protocol::message::Notice;
use linecast_protocol::offer::IMAGE_TOI;
use linecast_protocol::random::Random;
use linecast_protocol::wire::{
    CcList, Command, CommandBody, DATA_HEADER_BYTES, DataHeader, Level, Nack, NodeList, PayloadId,
    RequestBuilder, Requests, SenderWord, Timestamp,
};
use std::collections::VecDeque;
use std::net::SocketAddr;

/// What an attacker has overheard.
const OVERHEARD_MAX: usize = 512;

/// Turns one bit of a packet over.
pub(crate) fn flip(body: &mut Body, random: &mut Random) {
    match body {
        Body::Message(bytes) => {
            let mut copy = bytes.to_vec();
            flip_bit(&mut copy, random);
            *body = Body::Message(copy.into());
        }
        Body::Data {
            header,
            len,
            payload,
        } => {
            let total = DATA_HEADER_BYTES as u64 + u64::from(*len);
            if below(random, total) >= DATA_HEADER_BYTES as u64 {
                return damage(payload, random);
            }
            let mut bytes = [0; DATA_HEADER_BYTES];
            header.emit(&mut bytes);
            flip_bit(&mut bytes, random);
            match DataHeader::parse(&bytes) {
                Ok((flipped, DATA_HEADER_BYTES)) => {
                    if (flipped.toi, flipped.id) != (header.toi, header.id) {
                        damage(payload, random);
                    }
                    *header = flipped;
                }
                // No longer a symbol of ours.
                _ => *body = Body::Message(bytes[..].into()),
            }
        }
    }
}

fn flip_bit(bytes: &mut [u8], random: &mut Random) {
    let bit = below(random, bytes.len() as u64 * 8);
    if let Some(byte) = bytes.get_mut((bit / 8) as usize) {
        *byte ^= 1 << (bit % 8);
    }
}

fn damage(payload: &mut Payload, random: &mut Random) {
    match payload {
        Payload::Bytes(bytes) => {
            let mut copy = bytes.to_vec();
            flip_bit(&mut copy, random);
            *payload = Payload::Bytes(copy.into());
        }
        _ => *payload = Payload::Damaged,
    }
}

/// Somebody who listens to the network and talks into it.
#[derive(Debug, Default)]
pub(crate) struct Attacker {
    packets: VecDeque<Departure>,
    feedback: VecDeque<Feedback>,
}

impl Attacker {
    pub(crate) fn overhear(&mut self, packet: &Departure) {
        self.packets.push_back(packet.clone());
        if self.packets.len() > OVERHEARD_MAX {
            self.packets.pop_front();
        }
    }

    pub(crate) fn overhear_feedback(&mut self, feedback: &Feedback) {
        self.feedback.push_back(feedback.clone());
        if self.feedback.len() > OVERHEARD_MAX {
            self.feedback.pop_front();
        }
    }

    fn packet(&self, random: &mut Random) -> Option<Departure> {
        let at = below(random, self.packets.len() as u64) as usize;
        self.packets.get(at).cloned()
    }

    fn datagram(&self, random: &mut Random) -> Option<Feedback> {
        let at = below(random, self.feedback.len() as u64) as usize;
        self.feedback.get(at).cloned()
    }

    /// Sends `count` old packets and datagrams again.
    pub(crate) fn replay(
        &self,
        at: u64,
        count: u32,
        random: &mut Random,
    ) -> (Vec<Departure>, Vec<Feedback>) {
        let packets = (0..count).filter_map(|_| self.packet(random));
        let packets = packets.map(|packet| Departure { at, ..packet }).collect();
        let feedback = (0..count).filter_map(|_| self.datagram(random));
        let feedback = feedback.map(|old| Feedback { at, ..old }).collect();
        (packets, feedback)
    }

    /// Sends `count` forged packets to the group, and as many datagrams to the
    /// sender, for the session with this instance id.
    pub(crate) fn forge(
        &self,
        at: u64,
        count: u32,
        instance_id: u16,
        random: &mut Random,
    ) -> (Vec<Departure>, Vec<Feedback>) {
        let mut packets = Vec::new();
        for _ in 0..count {
            let body = match below(random, 10) {
                0..5 => self.forged_symbol(random),
                _ => Some(forged_command(instance_id, random)),
            };
            let origin = if below(random, 4) == 0 {
                Origin::Stranger
            } else {
                Origin::Sender
            };
            packets.extend(body.map(|body| Departure {
                at,
                origin,
                ordinal: 0,
                body,
            }));
        }
        let datagrams = (0..count).filter_map(|_| self.forged_feedback(at, random));
        (packets, datagrams.collect())
    }

    fn forged_symbol(&self, random: &mut Random) -> Option<Body> {
        let Body::Data {
            mut header,
            len,
            mut payload,
        } = self.packet(random)?.body
        else {
            return None;
        };
        match below(random, 4) {
            0 => header.id.esi = header.id.block_len.wrapping_add(below(random, 64) as u16),
            1 => header.id.sbn = header.id.sbn.wrapping_add(below(random, 3) as u32),
            2 => header.sequence = random.next_u64() as u16,
            _ => {}
        }
        damage(&mut payload, random);
        Some(Body::Data {
            header,
            len,
            payload,
        })
    }

    fn forged_feedback(&self, at: u64, random: &mut Random) -> Option<Feedback> {
        let old = self.datagram(random)?;
        let bytes = match below(random, 3) {
            0 => {
                let mut bytes = old.bytes;
                flip_bit(&mut bytes, random);
                bytes
            }
            1 => forged_nack(&old, random),
            _ => (0..below(random, 80))
                .map(|_| random.next_u64() as u8)
                .collect(),
        };
        let from = if below(random, 2) == 0 {
            old.from
        } else {
            SocketAddr::from(([10, 254, 0, 2], 7600))
        };
        Some(Feedback { at, from, bytes })
    }
}

fn forged_command(instance_id: u16, random: &mut Random) -> Body {
    let id = PayloadId {
        sbn: below(random, 40) as u32,
        block_len: below(random, 600) as u16,
        esi: below(random, 600) as u16,
    };
    let mut entries = vec![0; 12];
    entries[8..].copy_from_slice(&1001u32.to_be_bytes());
    let mut content = Vec::new();
    Notice::Welcome(&entries).emit(&mut content);
    let mut requests = Vec::new();
    let _ = RequestBuilder::new(&mut requests, 256).push_range(Level::BLOCK, IMAGE_TOI, id, id);
    let nodes = [1000, 1001];
    let body = match below(random, 5) {
        0 => CommandBody::Eot,
        1 => CommandBody::Flush {
            toi: IMAGE_TOI,
            id,
            nodes: NodeList::from_slice(&nodes),
        },
        2 => CommandBody::Cc {
            cc_sequence: 7,
            sec: below(random, 10) as u32,
            usec: 0,
            rate: None,
            nodes: CcList::EMPTY,
        },
        3 => match Requests::parse(&requests) {
            Ok(requests) => CommandBody::RepairAdv {
                limit: false,
                requests,
            },
            Err(_) => CommandBody::Eot,
        },
        _ => CommandBody::Application(&content),
    };
    let command = Command {
        sequence: random.next_u64() as u16,
        source_id: SOURCE_ID,
        sender: SenderWord {
            instance_id,
            grtt: 100,
            backoff: 4,
            gsize: 2,
        },
        body,
    };
    let mut bytes = Vec::new();
    command.emit(&mut bytes);
    Body::Message(bytes.into())
}

fn forged_nack(old: &Feedback, random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    let Ok(linecast_protocol::wire::Message::Nack(heard)) =
        linecast_protocol::wire::Message::parse(&old.bytes)
    else {
        return bytes;
    };
    let block_len = 1 + below(random, 512) as u16;
    let id = |esi| PayloadId {
        sbn: below(&mut Random::new(u64::from(block_len)), 40) as u32,
        block_len,
        esi,
    };
    let mut requests = Vec::new();
    let last = block_len + below(random, PARITY_MAX.into()) as u16;
    let _ = RequestBuilder::new(&mut requests, 256).push_range(
        Level::SEGMENT,
        IMAGE_TOI,
        id(block_len),
        id(last),
    );
    if let Ok(requests) = Requests::parse(&requests) {
        let nack = Nack {
            requests,
            grtt_response: Timestamp::default(),
            ..heard
        };
        nack.emit(&mut bytes);
    }
    bytes
}
