//! Sessions that an attacker offers.

use super::ground::{Datagram, Generator, Ground};
use super::messages::{self, own_sender};
use super::overheard::{Overheard, Session};
use super::replies;
use linecast_protocol::key::SigningKey;
use linecast_protocol::wire::Timestamp;
use std::collections::VecDeque;

/// Sessions that are offered in turn.
const SESSIONS: u32 = 16;

/// Identity of a session that an attacker makes up, and its key.
pub(super) fn impostor(number: u32) -> ([u8; 16], SigningKey) {
    let byte = number as u8;
    ([0xb0 ^ byte; 16], SigningKey::from_seed([0x40 | byte; 32]))
}

/// Sends what `make` says of one session after the other, to the group. Where
/// addresses are forged, it is the sender's every second time.
fn in_turn(
    ground: Ground,
    mut make: impl FnMut(&Session, u32) -> Vec<Vec<u8>> + Send + 'static,
) -> Generator {
    let mut queue = VecDeque::new();
    let mut number = 0;
    Box::new(move |overheard: &Overheard| {
        if queue.is_empty() {
            number += 1;
            let packets = make(overheard.session.as_ref()?, number);
            let mask = if number % 2 == 0 {
                ground.sender
            } else {
                Ground::stranger(number % SESSIONS)
            };
            queue.extend(packets.into_iter().map(|bytes| Datagram {
                mask,
                to: ground.group,
                bytes,
            }));
        }
        queue.pop_front()
    })
}

/// Replays the manifest in a session of its own, and ends that.
pub(super) fn take_over(ground: Ground) -> Generator {
    in_turn(ground, |session, number| {
        let (id, key) = impostor(number % SESSIONS);
        let sender = own_sender(number % SESSIONS);
        let object = messages::replayed_offer(session, id, &key, |_| {});
        let mut packets = messages::object_packets(sender, &object);
        packets.push(messages::probe(sender, number as u16, Timestamp::default()));
        // Every fourth time, so that receivers have had time to follow.
        if number.is_multiple_of(4) {
            packets.push(messages::end(sender, id, &key));
        }
        packets
    })
}

/// An image of 128 TiB.
pub(super) fn offer_huge_image(ground: Ground) -> Generator {
    in_turn(ground, |session, number| {
        let (id, key) = impostor(number % SESSIONS);
        let object = messages::huge_offer(session, id, &key);
        messages::object_packets(own_sender(number % SESSIONS), &object)
    })
}

/// The true manifest, cut as small as can be.
pub(super) fn offer_tiny_symbols(ground: Ground) -> Generator {
    in_turn(ground, |session, number| {
        let (id, key) = impostor(number % SESSIONS);
        let sender = own_sender(number % SESSIONS);
        let object = messages::replayed_offer(session, id, &key, |descriptor| {
            descriptor.symbol_bytes = 64;
            descriptor.block_symbols = 1;
        });
        let mut packets = messages::object_packets(sender, &object);
        packets.push(messages::probe(sender, number as u16, Timestamp::default()));
        packets
    })
}

/// Text that a terminal would act on, where a message might quote it.
pub(super) fn speak_to_terminals(ground: Ground) -> Generator {
    in_turn(ground, |session, number| {
        let object = messages::speaking_offer(session, number as usize);
        // What was refused is not looked at again for a while, under one name.
        messages::object_packets(own_sender(number % 60_000), &object)
    })
}

/// Objects that cannot be followed, in the name of the sender: devices that have
/// not followed it yet refuse them.
pub(super) fn offer_in_its_name(ground: Ground) -> Generator {
    let mut queue = VecDeque::new();
    let mut number = 0;
    Box::new(move |overheard: &Overheard| {
        let (sender, session) = (overheard.sender?, overheard.session.as_ref()?);
        if queue.is_empty() {
            number += 1;
            let object = messages::refusable_offer(session, number);
            queue.extend(messages::object_packets(sender, &object));
        }
        Some(Datagram {
            mask: ground.sender,
            to: ground.group,
            bytes: queue.pop_front()?,
        })
    })
}

/// The same now and then. What devices sign to refuse them is sent to the sender,
/// over and over, also when they have registered since.
pub(super) fn provoke_refusals(ground: Ground) -> Generator {
    /// Messages for each symbol of an offer.
    const OFFER_EVERY: usize = 20;
    let mut offer = offer_in_its_name(ground.clone());
    let mut count = 0;
    Box::new(move |overheard: &Overheard| {
        count += 1;
        let refusals = &overheard.refusals;
        let refusal = refusals.get(count % refusals.len().max(1));
        match refusal {
            Some((from, bytes)) if count % OFFER_EVERY != 0 => {
                let mut bytes = bytes.clone();
                replies::readdress(&mut bytes, overheard.sender?);
                Some(Datagram {
                    mask: *from,
                    to: ground.sender,
                    bytes,
                })
            }
            _ => offer(overheard),
        }
    })
}
