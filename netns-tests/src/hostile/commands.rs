//! What only the sender should say.

use super::ground::{Datagram, Generator, Ground};
use super::messages::{self, own_sender};
use super::offers::impostor;
use super::overheard::{Member, Overheard};
use linecast_protocol::wire::PayloadId;

/// To the group, as if from the sender.
fn to_group(ground: &Ground, bytes: Vec<u8>) -> Option<Datagram> {
    Some(Datagram {
        mask: ground.sender,
        to: ground.group,
        bytes,
    })
}

/// Asks all receivers to answer, over and over.
pub(super) fn flush_everybody(ground: Ground) -> Generator {
    Box::new(move |overheard: &Overheard| {
        let nodes: Vec<u32> = overheard.members.keys().copied().take(64).collect();
        let last = overheard.place.map_or(PayloadId::default(), |p| p.id);
        to_group(&ground, messages::flush(overheard.sender?, &nodes, last))
    })
}

/// Says that everything has been asked for.
pub(super) fn advertise_repairs(ground: Ground) -> Generator {
    Box::new(move |overheard: &Overheard| {
        to_group(&ground, messages::advertisement(overheard.sender?))
    })
}

/// Gives wrong node ids, and parameters that silence.
pub(super) fn welcome_wrongly(ground: Ground) -> Generator {
    let mut count = 0;
    Box::new(move |overheard: &Overheard| {
        count += 1;
        let members: Vec<&Member> = overheard.members.values().take(64).collect();
        to_group(
            &ground,
            messages::welcome(overheard.sender?, &members, count),
        )
    })
}

/// Asks for the leaves of every page there could be, so that all receivers answer.
pub(super) fn poll_all(ground: Ground) -> Generator {
    const PAGES: u32 = 9;
    let mut count = 0_u32;
    Box::new(move |overheard: &Overheard| {
        count = count.wrapping_add(1);
        // Page 0, which every image of ours has, every second time.
        let page = match count % (2 * PAGES) {
            0 => u32::MAX,
            turn if turn % 2 == 0 => turn / 2,
            _ => 0,
        };
        to_group(&ground, messages::poll(overheard.sender?, page))
    })
}

/// Probes with times of long ago and of times to come, which receivers answer
/// under seal.
pub(super) fn probe_wrongly(ground: Ground) -> Generator {
    const AGO_MS: [u64; 4] = [9_000, 5_000, 500, 1 << 40];
    let mut count = 0_u16;
    Box::new(move |overheard: &Overheard| {
        count = count.wrapping_add(1);
        let mut clock = messages::stamp_before(overheard, AGO_MS[usize::from(count) % 4]);
        if count.is_multiple_of(8) {
            clock.sec = u32::MAX;
        }
        to_group(&ground, messages::probe(overheard.sender?, count, clock))
    })
}

/// A session that is offered and then never goes on.
pub(super) fn hold_without_progress(ground: Ground) -> Generator {
    /// Probes for each offer.
    const PROBES: u32 = 20;
    /// Sessions in turn, so that leaving one leads to the next.
    const SESSIONS: u32 = 8;
    let mut count = 0;
    Box::new(move |overheard: &Overheard| {
        let session = overheard.session.as_ref()?;
        count += 1;
        let number = count / PROBES % SESSIONS;
        let (id, key) = impostor(number);
        let sender = own_sender(number);
        let bytes = if count % PROBES == 0 {
            let object = messages::replayed_offer(session, id, &key, |_| {});
            messages::object_packets(sender, &object).swap_remove(0)
        } else {
            messages::probe(sender, count as u16, overheard.probe)
        };
        to_group(&ground, bytes)
    })
}
