//! What receivers say, from whom it is not.

use super::attacks::{Generator, Ground};
use super::launcher::Datagram;
use super::messages;
use super::overheard::{Member, Overheard};
use linecast_protocol::wire::Timestamp;
use std::net::SocketAddrV4;

/// Of what a packet of MTU 1500 holds.
const NACK_BYTES: usize = 1_192;

/// One receiver after the other.
fn take_turns(overheard: &Overheard, count: &mut usize) -> Option<(u32, Member)> {
    let place = *count % overheard.members.len().max(1);
    *count += 1;
    let (node, member) = overheard.members.iter().nth(place)?;
    Some((*node, member.clone()))
}

fn datagram(mask: SocketAddrV4, to: SocketAddrV4, bytes: Vec<u8>) -> Option<Datagram> {
    Some(Datagram { mask, to, bytes })
}

/// More packets received and lost than anybody could send.
pub(super) fn poison_counts(ground: Ground) -> Generator {
    const MANY: u64 = 1 << 63;
    let mut count = 0;
    Box::new(move |overheard: &Overheard| {
        let (node, member) = take_turns(overheard, &mut count)?;
        let counts = [(MANY, MANY), (MANY, 0), (0, MANY), (u64::MAX, u64::MAX)][count % 4];
        let bytes = messages::status(overheard.sender?, node, counts, count as u16);
        datagram(member.address, ground.sender, bytes)
    })
}

/// Asks for everything where other receivers hear it.
pub(super) fn ask_the_group(ground: Ground) -> Generator {
    let mut count = 0;
    Box::new(move |overheard: &Overheard| {
        let (node, member) = take_turns(overheard, &mut count)?;
        let stamp = Timestamp::default();
        let bytes = messages::greedy_nack(overheard.sender?, node, stamp, 48);
        datagram(member.address, ground.group, bytes)
    })
}

/// Asks the sender for everything, as often as a packet can say it.
pub(super) fn ask_for_everything(ground: Ground) -> Generator {
    let mut count = 0;
    Box::new(move |overheard: &Overheard| {
        let (node, member) = take_turns(overheard, &mut count)?;
        let stamp = Timestamp::default();
        let bytes = messages::greedy_nack(overheard.sender?, node, stamp, NACK_BYTES);
        datagram(member.address, ground.sender, bytes)
    })
}

/// What a receiver signed, with stamps that make its round trip long.
pub(super) fn date_back(ground: Ground) -> Generator {
    let mut count = 0;
    Box::new(move |overheard: &Overheard| {
        let sender = overheard.sender?;
        let (_, member) = take_turns(overheard, &mut count)?;
        let stamp = messages::stamp_before(overheard, 9_000);
        let mut bytes = messages::restamp(member.signed.as_deref()?, stamp);
        messages::readdress(&mut bytes, sender);
        datagram(member.address, ground.sender, bytes)
    })
}

/// What receivers said at the beginning of the session.
pub(super) fn replay_statuses(ground: Ground) -> Generator {
    let mut count = 0;
    Box::new(move |overheard: &Overheard| {
        let (from, bytes) = overheard
            .statuses
            .get(count % overheard.statuses.len().max(1))?;
        count += 1;
        datagram(*from, ground.sender, bytes.clone())
    })
}
