//! Receivers that an attacker makes up, with keys of their own.

use super::attacks::{Generator, Ground};
use super::launcher::Datagram;
use super::messages;
use super::overheard::{Overheard, Sender, Session};
use linecast_protocol::key::SigningKey;
use linecast_protocol::wire::Timestamp;
use std::collections::VecDeque;

/// Ranges of leaves in one registration; its datagram has about 60 KiB.
const RANGES: u64 = 5_000;
const LONG_NACK_BYTES: usize = 60 << 10;
/// Messages between two registrations of one key: a sender may have missed it.
const REGISTER_EVERY: usize = 50;
/// Keys that list ranges: more than an attack has time for.
const LISTING_KEYS: usize = 2_000;

fn key(number: u32) -> SigningKey {
    let mut seed = [0xa7; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    SigningKey::from_seed(seed)
}

fn node(number: u32) -> u32 {
    0x0a00_0000 | number
}

/// Signed messages of one session, made when they are needed first: signing
/// takes longer than sending.
struct Pool {
    session: String,
    size: usize,
    packets: Vec<Vec<u8>>,
    turn: usize,
}

impl Pool {
    fn new(size: usize) -> Pool {
        Pool {
            session: String::new(),
            size,
            packets: Vec::new(),
            turn: 0,
        }
    }

    /// Whether its messages are of the session that is heard.
    fn is_of(&self, overheard: &Overheard) -> bool {
        let session = overheard.session.as_ref();
        session.is_some_and(|session| session.descriptor.session == self.session)
    }

    fn next(
        &mut self,
        overheard: &Overheard,
        make: impl FnOnce(Sender, &Session, u32) -> Option<Vec<u8>>,
    ) -> Option<Vec<u8>> {
        let (sender, session) = (overheard.sender?, overheard.session.as_ref()?);
        if !self.is_of(overheard) {
            self.session.clone_from(&session.descriptor.session);
            self.packets.clear();
        }
        let at = self.turn % self.size;
        self.turn += 1;
        if at >= self.packets.len() {
            let number = self.packets.len() as u32;
            self.packets.push(make(sender, session, number)?);
            return self.packets.last().cloned();
        }
        self.packets.get(at).cloned()
    }
}

/// To the sender, from the address that goes with a key.
fn to_sender(ground: &Ground, number: u32, bytes: Vec<u8>) -> Option<Datagram> {
    Some(Datagram {
        mask: Ground::stranger(number),
        to: ground.sender,
        bytes,
    })
}

/// Registers a few keys with more ranges than any receiver of ours lists.
pub(super) fn list_many_ranges(ground: Ground) -> Generator {
    let mut pool = Pool::new(LISTING_KEYS);
    Box::new(move |overheard: &Overheard| {
        let bytes = pool.next(overheard, |sender, session, number| {
            let key = key(number);
            let ranges = Some(RANGES);
            Some(messages::registration(
                sender,
                session,
                &key,
                node(number),
                ranges,
            ))
        })?;
        to_sender(&ground, (pool.turn - 1) as u32 % LISTING_KEYS as u32, bytes)
    })
}

/// Registers one key under ever new node ids.
pub(super) fn rename_node(ground: Ground) -> Generator {
    let mut pool = Pool::new(2_000);
    Box::new(move |overheard: &Overheard| {
        let bytes = pool.next(overheard, |sender, session, number| {
            Some(messages::registration(
                sender,
                session,
                &key(0),
                node(number),
                None,
            ))
        })?;
        to_sender(&ground, 0, bytes)
    })
}

/// Registers ten thousand keys.
pub(super) fn register_many_keys(ground: Ground) -> Generator {
    let mut pool = Pool::new(10_000);
    Box::new(move |overheard: &Overheard| {
        let bytes = pool.next(overheard, |sender, session, number| {
            let key = key(number);
            Some(messages::registration(
                sender,
                session,
                &key,
                node(number),
                None,
            ))
        })?;
        to_sender(&ground, (pool.turn as u32 - 1) % 10_000, bytes)
    })
}

/// Registers three keys, and says that they have the image.
pub(super) fn complete_without_device(ground: Ground) -> Generator {
    let mut pool = Pool::new(6);
    Box::new(move |overheard: &Overheard| {
        let bytes = pool.next(overheard, |sender, session, number| {
            let (key, node) = (key(number / 2), node(number / 2));
            if number.is_multiple_of(2) {
                Some(messages::registration(sender, session, &key, node, None))
            } else {
                messages::completion(sender, session, &key, node)
            }
        })?;
        to_sender(&ground, (pool.turn as u32 - 1) / 2 % 3, bytes)
    })
}

/// Registers one key, and goes on with what `say` makes.
fn registered(
    ground: Ground,
    mut say: impl FnMut(&Overheard, Sender, usize) -> Vec<u8> + Send + 'static,
) -> Generator {
    let mut pool = Pool::new(1);
    let mut count = 0;
    let mut queue = VecDeque::new();
    Box::new(move |overheard: &Overheard| {
        let sender = overheard.sender?;
        if count % REGISTER_EVERY == 0 || !pool.is_of(overheard) {
            queue.push_back(pool.next(overheard, |sender, session, _| {
                Some(messages::registration(
                    sender,
                    session,
                    &key(0),
                    node(0),
                    None,
                ))
            })?);
        }
        queue.push_back(say(overheard, sender, count));
        count += 1;
        to_sender(&ground, 0, queue.pop_front()?)
    })
}

/// Asks for everything, in datagrams as long as there are.
pub(super) fn nack_at_length(ground: Ground) -> Generator {
    registered(ground, |_, sender, _| {
        messages::greedy_nack(sender, node(0), Timestamp::default(), LONG_NACK_BYTES)
    })
}

/// Keeps up, and says that nearly every second packet was lost.
pub(super) fn claim_loss(ground: Ground) -> Generator {
    registered(ground, |overheard, sender, _| {
        let symbols = overheard.symbols;
        let counts = (symbols * 55 / 100, symbols * 45 / 100);
        let sequence = overheard.place.map_or(0, |place| place.sequence);
        messages::status(sender, node(0), counts, sequence)
    })
}

/// Gets on by a packet now and then.
pub(super) fn hold_window(ground: Ground) -> Generator {
    registered(ground, |_, sender, count| {
        let read = count as u64 / 100;
        messages::status(sender, node(0), (read, 0), read as u16)
    })
}
