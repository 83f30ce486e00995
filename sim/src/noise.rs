//! Wrong bits.

use crate::draw::below;
use crate::packet::{Body, Payload};
use linecast_protocol::random::Random;
use linecast_protocol::wire::{DATA_HEADER_BYTES, DataHeader};

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

pub(crate) fn flip_bit(bytes: &mut [u8], random: &mut Random) {
    let bit = below(random, bytes.len() as u64 * 8);
    if let Some(byte) = bytes.get_mut((bit / 8) as usize) {
        *byte ^= 1 << (bit % 8);
    }
}

pub(crate) fn damage(payload: &mut Payload, random: &mut Random) {
    match payload {
        Payload::Bytes(bytes) => {
            let mut copy = bytes.to_vec();
            flip_bit(&mut copy, random);
            *payload = Payload::Bytes(copy.into());
        }
        _ => *payload = Payload::Damaged,
    }
}
