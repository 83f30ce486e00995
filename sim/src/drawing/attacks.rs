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
    // A NACK of any size is taken.
    ("A1", |_, fault| {
        is_attack(fault, |attack| match attack {
            Attack::Nack { bytes, .. } => *bytes > MESSAGE_BYTES_MAX,
            _ => false,
        })
    }),
    // One forged packet silences a device, or gives it a wrong node id.
    ("A2", |_, fault| is_attack(fault, distorts)),
    // What others ask for suppresses without bound.
    ("A3", |_, fault| {
        lasts(fault) && is_attack(fault, |attack| matches!(attack, Attack::Overheard { .. }))
    }),
    // A gap of 32,768 packets and more is not counted.
    ("A4", |scenario, fault| {
        matches!(fault, Fault::Outage(_)) && scenario.is_long()
    }),
    // The round trip belongs to strangers.
    ("A5", |_, fault| {
        is_attack(fault, |attack| match attack {
            Attack::Stamp { offset_ms } => *offset_ms < -1_000,
            Attack::Replay { .. } => true,
            _ => false,
        })
    }),
    // A failure is final.
    ("A6", |_, fault| matches!(fault, Fault::Restart { .. })),
    // Every key becomes a member.
    ("A8", |_, fault| {
        is_attack(
            fault,
            |attack| matches!(attack, Attack::Register { keys, .. } if *keys > 256),
        )
    }),
    // Impossible counts overflow.
    ("A9", |_, fault| {
        is_attack(
            fault,
            |attack| matches!(attack, Attack::Status { received, lost, .. } if received | lost >= 1 << 63),
        )
    }),
    // A session is believed without a key that is.
    ("A10", |_, fault| {
        is_attack(fault, |attack| matches!(attack, Attack::Takeover { .. }))
    }),
    // The roster admits everybody.
    ("A11", |scenario, fault| {
        scenario.push.roster.is_some() && is_attack(fault, Attack::enrols)
    }),
    // Whoever asks is served without end, and may ask for all parity there is.
    ("A12", |_, fault| {
        is_attack(fault, |attack| match attack {
            Attack::Nack { guise, ask, .. } => *guise == Guise::Own || *ask != Ask::Symbol,
            _ => false,
        })
    }),
    // Being asked doubles the time to the next completion, without bound.
    ("S1", |_, fault| {
        let flushed = is_attack(fault, |attack| *attack == Attack::Flush);
        flushed || matches!(fault, Fault::LoseCompletions { .. })
    }),
    // A registration lists as much as it likes.
    ("S7", |_, fault| {
        is_attack(
            fault,
            |attack| matches!(attack, Attack::Register { ranges, .. } if *ranges > 40),
        )
    }),
    // What the sender is said to send suppresses without bound.
    ("S12", |_, fault| {
        lasts(fault) && is_attack(fault, |attack| *attack == Attack::Advertise)
    }),
    // Forged symbols cost more than they should, and spoil the counts.
    ("S13", |_, fault| {
        is_attack(fault, |attack| matches!(attack, Attack::Symbols { .. }))
    }),
    // A slow port beside quick ones costs a multiple of the image.
    ("N3", |_, _| false),
    // A deadline that is past is named again while the end is said.
    ("deadline", |_, _| false),
];

const MESSAGE_BYTES_MAX: u16 = linecast_protocol::limits::MESSAGE_BYTES_MAX as u16;

/// Whether an attack lasts longer than anybody may be kept from the image.
fn lasts(fault: &Fault) -> bool {
    let length = fault.assault().map(|assault| assault.length);
    length.is_some_and(|length| length > Duration::from_secs(5))
}

fn distorts(attack: &Attack) -> bool {
    match attack {
        Attack::Header { grtt, gsize, .. } => *grtt > 100 || *gsize > 8,
        Attack::Welcome { .. } => true,
        _ => false,
    }
}

fn is_attack(fault: &Fault, shows: fn(&Attack) -> bool) -> bool {
    fault
        .assault()
        .is_some_and(|assault| shows(&assault.attack))
}

/// Whether the protocol does not withstand this yet.
pub(super) fn is_not_yet(scenario: &Scenario, fault: &Fault) -> bool {
    NOT_YET.iter().any(|(_, shows)| shows(scenario, fault))
}

/// The findings by name.
pub(super) fn open_findings() -> Vec<String> {
    NOT_YET.iter().map(|(name, _)| (*name).into()).collect()
}

/// One attack within `span`.
pub(super) fn assault(random: &mut Random, span: Duration) -> Fault {
    Fault::Attack(Assault {
        at: random.within(span),
        length: match below(random, 10) {
            0 => Duration::from_secs(60),
            _ => between(random, Duration::from_millis(20), Duration::from_secs(2)),
        },
        per_s: pick(random, &[20, 100, 500]),
        attack: attack(random),
    })
}

fn attack(random: &mut Random) -> Attack {
    let guise = pick(random, &[Guise::Own, Guise::Forged]);
    let ask = pick(
        random,
        &[Ask::Object, Ask::Blocks, Ask::Symbol, Ask::Parity],
    );
    let bytes = pick(random, &[48, 200, 1_192, 9_000]);
    match below(random, 14) {
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
        _ => Attack::Advertise,
    }
}
