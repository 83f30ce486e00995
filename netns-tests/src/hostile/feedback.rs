//! What receivers say, from whom it is not.

use super::ground::{Datagram, Generator, Ground};
use super::messages;
use super::overheard::{Member, Overheard};
use super::replies::{self, Voice};
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

/// What a receiver would say, if it sealed nothing.
fn voice(overheard: &Overheard, node: u32) -> Option<Voice> {
    Some(Voice::unsealed(overheard.sender?, node))
}

/// More packets received and lost than anybody could send.
pub(super) fn poison_counts(ground: Ground) -> Generator {
    const MANY: u64 = 1 << 63;
    let mut count = 0;
    Box::new(move |overheard: &Overheard| {
        let (node, member) = take_turns(overheard, &mut count)?;
        let counts = [(MANY, MANY), (MANY, 0), (0, MANY), (u64::MAX, u64::MAX)][count % 4];
        let bytes = voice(overheard, node)?.status(counts, count as u16);
        datagram(member.address, ground.sender, bytes)
    })
}

/// Asks for everything where other receivers hear it.
pub(super) fn ask_the_group(ground: Ground) -> Generator {
    let mut count = 0;
    Box::new(move |overheard: &Overheard| {
        let (node, member) = take_turns(overheard, &mut count)?;
        let bytes = voice(overheard, node)?.greedy_nack(48);
        datagram(member.address, ground.group, bytes)
    })
}

/// Asks the sender for everything, as often as a packet can say it, and for the
/// session object, which needs no seal.
pub(super) fn ask_for_everything(ground: Ground) -> Generator {
    let mut count = 0;
    Box::new(move |overheard: &Overheard| {
        let (node, member) = take_turns(overheard, &mut count)?;
        let voice = voice(overheard, node)?;
        let bytes = match count % 4 {
            0 => voice.soliciting_nack(),
            _ => voice.greedy_nack(NACK_BYTES),
        };
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
        let mut bytes = replies::restamp(member.signed.as_deref()?, stamp);
        replies::readdress(&mut bytes, sender);
        datagram(member.address, ground.sender, bytes)
    })
}

/// What receivers said at the beginning of the session and in the one before: as
/// it was, with another count, with another byte, without its seal.
pub(super) fn replay_feedback(ground: Ground) -> Generator {
    let mut count = 0;
    Box::new(move |overheard: &Overheard| {
        let sender = overheard.sender?;
        let all = overheard.said.len() + overheard.past.len();
        let mut said = overheard.said.iter().chain(&overheard.past);
        let (from, bytes) = said.nth(count % all.max(1))?;
        let mut bytes = match count / all % 4 {
            0 => bytes.clone(),
            1 => replies::recount(bytes, (count as u8).wrapping_add(1)),
            2 => {
                let mut changed = bytes.clone();
                let at = count % changed.len();
                changed[at] ^= 1 << (count % 8);
                changed
            }
            _ => replies::unseal(bytes).unwrap_or_else(|| bytes.clone()),
        };
        count += 1;
        replies::readdress(&mut bytes, sender);
        datagram(*from, ground.sender, bytes)
    })
}
