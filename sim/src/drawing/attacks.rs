//! Attacks drawn at random, and those that are not drawn yet.

use super::pick;
use crate::draw::{below, between};
use crate::scenario::{Ask, Assault, Attack, Fault, Guise, Scenario};
use linecast_protocol::random::Random;
use linecast_protocol::time::Duration;

/// A finding that the protocol does not withstand yet, and what must not be drawn
/// for it. Rules that it breaks in any case are passed over in what is drawn.
/// Scenarios in `tests/not_yet` show each.
type Gate = (&'static str, fn(&Scenario, &Fault) -> bool);

/// Whoever mends a finding takes its line out.
pub(super) const NOT_YET: &[Gate] = &[
    // A port far below the floor of the rate costs a multiple of the image.
    ("N3", |_, _| false),
];

/// Whether the protocol does not withstand this yet.
pub(super) fn is_not_yet(scenario: &Scenario, fault: &Fault) -> bool {
    NOT_YET.iter().any(|(_, shows)| shows(scenario, fault))
}

/// The findings by name.
pub(super) fn open_findings() -> Vec<String> {
    NOT_YET.iter().map(|(name, _)| (*name).into()).collect()
}

/// Bits of a packet, about.
const SYMBOL_BITS: u64 = 12_000;

/// One attack within `span`, on a push at `rate_bps` at most.
pub(super) fn assault(random: &mut Random, span: Duration, rate_bps: u64) -> Fault {
    let mut assault = Assault {
        at: random.within(span),
        length: match below(random, 10) {
            0 => Duration::from_secs(60),
            _ => between(random, Duration::from_millis(20), Duration::from_secs(2)),
        },
        per_s: pick(random, &[20, 100, 500]),
        attack: attack(random),
    };
    match assault.attack {
        // As many as the true ones, for as long as those are sent for the first time.
        Attack::Symbols { .. } => {
            let packets = rate_bps / SYMBOL_BITS;
            assault.per_s = packets.clamp(20, 10_000) as u32;
            (assault.at, assault.length) = (Duration::ZERO, span / 2);
        }
        // Who believes any session is ended by any for as long as they come.
        Attack::Takeover { .. } => assault.length = assault.length.min(Duration::from_secs(2)),
        _ => {}
    }
    Fault::Attack(assault)
}

fn attack(random: &mut Random) -> Attack {
    let guise = pick(random, &[Guise::Own, Guise::Forged]);
    let ask = pick(
        random,
        &[Ask::Object, Ask::Blocks, Ask::Symbol, Ask::Parity],
    );
    let bytes = pick(random, &[48, 200, 1_192, 9_000]);
    match below(random, 20) {
        0 => Attack::Replay { guise },
        1 => Attack::Register {
            keys: pick(random, &[1, 3, 40, 400]),
            nodes: pick(random, &[1, 4]),
            ranges: pick(random, &[0, 1, 40, 1_000]),
        },
        2 => Attack::Complete {
            keys: pick(random, &[1, 3]),
        },
        3 | 4 => Attack::Status {
            received: pick(random, &[0, 1_000, 1 << 40, 1 << 63]),
            lost: pick(random, &[0, 1_000, 1 << 40, 1 << 63]),
            guise,
        },
        5 => Attack::Header {
            grtt: pick(random, &[0, 100, 200, 255]),
            backoff: pick(random, &[0, 6, 15]),
            gsize: pick(random, &[0, 3, 8, 15]),
        },
        6 => Attack::Stamp {
            offset_ms: pick(random, &[-86_400_000, -9_000, -100, 50, 3_600_000]),
        },
        7 => Attack::Overheard { ask, bytes },
        8 => Attack::Nack { ask, bytes, guise },
        9 => Attack::Flush,
        10 => Attack::Welcome {
            node: pick(random, &[0, 1_001, 77_777, u32::MAX]),
        },
        11 => Attack::Takeover {
            guise,
            ends: below(random, 2) == 0,
        },
        12 => Attack::Symbols {
            parity: below(random, 2) == 0,
        },
        13 => Attack::Advertise,
        14 => Attack::Poll,
        15 | 16 => Attack::Tamper,
        17 => Attack::Lives { guise },
        18 => Attack::Clones {
            count: pick(random, &[2, 20, 400]),
        },
        _ => Attack::Refuse {
            keys: pick(random, &[1, 40, 400]),
        },
    }
}
