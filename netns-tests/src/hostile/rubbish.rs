//! What means nothing.

use super::ground::{Datagram, Generator, Ground};
use super::messages;
use super::overheard::Overheard;
use crate::images::split_mix;
use std::net::SocketAddrV4;

const SHORT_BYTES_MAX: usize = 1_472;
const LONG_BYTES_MAX: usize = 9_000;
/// One in so many has more bytes than a packet.
const LONG_EVERY: u64 = 64;

/// Random datagrams, and real messages that are cut short, lengthened or
/// changed, to both sides.
pub(super) fn send_rubbish(ground: Ground) -> Generator {
    let mut state = 17;
    let mut count = 0;
    Box::new(move |overheard: &Overheard| {
        let mut number = |below: usize| (split_mix(&mut state) % below.max(1) as u64) as usize;
        count += 1;
        let to_group = number(2) == 0;
        let limit = if count % LONG_EVERY == 0 {
            LONG_BYTES_MAX
        } else {
            SHORT_BYTES_MAX
        };
        let mut bytes = model(overheard, to_group, number(4)).unwrap_or_default();
        match number(4) {
            0 => bytes.truncate(number(bytes.len() + 1)),
            1 => bytes.resize(
                bytes.len() + number(limit.saturating_sub(bytes.len())),
                0xa5,
            ),
            2 if !bytes.is_empty() => {
                for _ in 0..3 {
                    let at = number(bytes.len().min(64));
                    bytes[at] ^= 1 << number(8);
                }
            }
            _ => {
                bytes = vec![0; number(limit)];
                bytes.iter_mut().for_each(|byte| *byte = number(256) as u8);
            }
        }
        let member = overheard.members.values().next();
        let (mask, to) = if to_group {
            (ground.sender, ground.group)
        } else {
            let member = member.map_or(Ground::stranger(1), |member| member.address);
            (member, ground.sender)
        };
        Some(Datagram { mask, to, bytes })
    })
}

/// A message as its hearer knows it.
fn model(overheard: &Overheard, to_group: bool, kind: usize) -> Option<Vec<u8>> {
    let sender = overheard.sender?;
    if !to_group {
        let said = &overheard.said;
        let any = |at: usize| said.get(at).map(|(_, bytes)| bytes.clone());
        let signed = overheard.members.values().next();
        let signed = || signed.and_then(|member| member.signed.clone());
        return match kind {
            0 => signed(),
            // One of each kind, if there are.
            _ => any(said.len() * kind / 4),
        };
    }
    match kind {
        0 => Some(messages::probe(sender, 1, overheard.probe)),
        1 => Some(messages::advertisement(sender)),
        _ => Some(messages::symbol(sender, &overheard.place?, 0x99)),
    }
}

/// Packets that nobody listens for.
pub(super) fn send_nowhere(ground: Ground) -> Generator {
    let to = SocketAddrV4::new(*ground.group.ip(), ground.group.port() ^ 1);
    Box::new(move |_: &Overheard| {
        Some(Datagram {
            mask: ground.sender,
            to,
            bytes: vec![0; 100],
        })
    })
}
