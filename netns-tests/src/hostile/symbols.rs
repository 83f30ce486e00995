//! Symbols that are not the image's.

use super::ground::{Datagram, Generator, Ground};
use super::messages;
use super::overheard::{Overheard, Place};
use crate::images::split_mix;
use linecast_protocol::wire::PayloadId;
use std::collections::VecDeque;

/// Symbols between the newest one heard and the forged one: what the sender may
/// have under way until it arrives.
const LEAST_AHEAD: u64 = 256;
const AHEAD: u64 = 768;
/// The same in a block under repair, which has few symbols to come.
const PARITY_AHEAD: u16 = 8;
/// Newest places of which one is forged when it has been sent.
const BEHIND: usize = 16;

/// Forged parity of the block under way.
pub(super) fn forge_parity(ground: Ground) -> Generator {
    let mut count = 0_u16;
    Box::new(move |overheard: &Overheard| {
        let (sender, place) = (overheard.sender?, overheard.place?);
        count = count.wrapping_add(1);
        let parity = count % place.fti.num_parity.clamp(1, 24);
        let forged = Place {
            id: PayloadId {
                esi: place.id.block_len + parity,
                ..place.id
            },
            ..place
        };
        Some(Datagram {
            mask: ground.sender,
            to: ground.group,
            bytes: messages::symbol(sender, &forged, count as u8),
        })
    })
}

/// Forged symbols in the places of those that come next: in the first pass some
/// way ahead, in the block under repair its next parity.
fn forge_ahead(ground: Ground, mut change: impl FnMut(&mut Place) + Send + 'static) -> Generator {
    let mut next: Option<Place> = None;
    let mut count = 0;
    Box::new(move |overheard: &Overheard| {
        let (sender, place) = (overheard.sender?, overheard.place?);
        let ahead = |next: &Place| {
            let (least, most) = (place.advance(LEAST_AHEAD), place.advance(2 * AHEAD));
            least.is_some_and(|least| least.id <= next.id && least.fti == next.fti)
                && most.is_none_or(|most| next.id <= most.id)
        };
        count += 1;
        let mut forged = if place.id.parity_index().is_some() {
            let by = 1 + count % PARITY_AHEAD;
            Place {
                id: PayloadId {
                    esi: place.id.esi.saturating_add(by),
                    ..place.id
                },
                sequence: place.sequence.wrapping_add(by),
                fti: place.fti,
            }
        } else {
            // Behind the end of the image it forges what has just been sent.
            let newer = || place.advance(AHEAD).unwrap_or(place);
            next.filter(ahead).unwrap_or_else(newer)
        };
        next = forged.advance(1);
        change(&mut forged);
        Some(Datagram {
            mask: ground.sender,
            to: ground.group,
            bytes: messages::symbol(sender, &forged, 0x5a),
        })
    })
}

/// Forged symbols with the sequences of the true ones.
pub(super) fn forge_symbols(ground: Ground) -> Generator {
    forge_ahead(ground, |_| {})
}

/// Forged symbols with any sequence.
pub(super) fn forge_sequences(ground: Ground) -> Generator {
    let mut state = 13;
    forge_ahead(ground, move |place| {
        place.sequence = split_mix(&mut state) as u16;
    })
}

/// Forged symbols in the places of those that have just been sent, of which the
/// forged ones come last.
pub(super) fn forge_behind(ground: Ground) -> Generator {
    let mut past: VecDeque<Place> = VecDeque::new();
    Box::new(move |overheard: &Overheard| {
        let (sender, place) = (overheard.sender?, overheard.place?);
        past.push_back(place);
        if past.len() > BEHIND {
            past.pop_front();
        }
        let forged = past[past.len() / 2];
        Some(Datagram {
            mask: ground.sender,
            to: ground.group,
            bytes: messages::symbol(sender, &forged, 0x3c),
        })
    })
}

/// Everything that another session sent, in its order, again and again.
pub(super) fn replay_recording(ground: Ground) -> Generator {
    let mut at = 0;
    Box::new(move |_: &Overheard| {
        let bytes = ground.recording.get(at % ground.recording.len().max(1))?;
        at += 1;
        Some(Datagram {
            mask: ground.sender,
            to: ground.group,
            bytes: bytes.clone(),
        })
    })
}
