//! Bursts of packets with something wrong in them, without a plan.

use super::{Attacker, Known, Volley, forged};
use crate::draw::below;
use crate::lanes::SOURCE_ID;
use crate::noise::{damage, flip_bit};
use crate::packet::{Body, Origin};
use crate::sender::Feedback;
use crate::trunk::Departure;
use linecast_protocol::limits::PARITY_MAX;
use linecast_protocol::message::Notice;
use linecast_protocol::offer::IMAGE_TOI;
use linecast_protocol::random::Random;
use linecast_protocol::wire::{
    CcList, Command, CommandBody, Level, Nack, NodeList, PayloadId, RequestBuilder, Requests,
    SenderWord, Timestamp,
};
use std::net::SocketAddr;

impl Attacker {
    /// `count` old packets and datagrams again.
    pub(crate) fn replay_burst(
        &self,
        known: &Known<'_>,
        count: u32,
        random: &mut Random,
    ) -> Volley {
        let at = known.now;
        let packets = (0..count).filter_map(|_| self.ear.packet(random));
        let packets = packets.map(|packet| Departure {
            at,
            forged: true,
            ..packet
        });
        let packets = packets.collect();
        let feedback = (0..count).filter_map(|_| self.ear.datagram(random));
        let feedback = feedback.map(|old| Feedback { at, ..old }).collect();
        Volley {
            packets,
            feedback,
            ..Volley::default()
        }
    }

    /// `count` forged packets to the group, and as many datagrams to the sender.
    pub(crate) fn forge(&self, known: &Known<'_>, count: u32, random: &mut Random) -> Volley {
        let (at, instance_id) = (known.now, known.instance_id);
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
            packets.extend(body.map(|body| forged(at, origin, body)));
        }
        let datagrams = (0..count).filter_map(|_| self.forged_feedback(at, random));
        Volley {
            feedback: datagrams.collect(),
            packets,
            ..Volley::default()
        }
    }

    fn forged_symbol(&self, random: &mut Random) -> Option<Body> {
        let Body::Data {
            mut header,
            len,
            mut payload,
        } = self.ear.packet(random)?.body
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
        let old = self.ear.datagram(random)?;
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
