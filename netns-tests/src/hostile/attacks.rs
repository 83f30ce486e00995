//! The attacks: what each sends, and what it is tried against.

use super::commands::{
    advertise_repairs, flush_everybody, hold_without_progress, poll_all, probe_wrongly,
    welcome_wrongly,
};
use super::feedback::{
    ask_for_everything, ask_the_group, date_back, poison_counts, replay_feedback,
};
use super::ground::{Generator, Ground};
use super::keys::{
    claim_distance, claim_loss, clone_often, complete_without_device, count_too_much, hold_window,
    lack_nowhere, live_often, nack_at_length, name_for_terminals, refuse_with_many_keys,
    register_at_length, register_many_keys, rename_node,
};
use super::launcher::{Origin, Pace};
use super::offers::{
    offer_huge_image, offer_in_its_name, offer_tiny_symbols, provoke_refusals, speak_to_terminals,
    take_over,
};
use super::rubbish::{send_nowhere, send_rubbish};
use super::symbols::{
    forge_behind, forge_parity, forge_sequences, forge_symbols, replay_recording,
};
/// How the push is set up that an attack is tried against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Scene {
    /// Loss on the way to each receiver, in per mille.
    pub loss_per_mille: u16,
    /// Whether receivers know whom to trust.
    pub trust: bool,
    /// Whether the sender signs its session, and receivers follow no other.
    pub sender_trust: bool,
    /// Whether the sender knows whom to expect.
    pub roster: bool,
    /// Whether the receivers have taken another image from a session that the
    /// attacker recorded.
    pub recorded: bool,
    /// Whether the last receiver stands still for some seconds, so that others
    /// are complete long before the end.
    pub pause: bool,
    /// Whether the attack begins when a sender has been killed in mid-push; the
    /// push is then begun again.
    pub silence: bool,
    /// Whether the sender reports to a person, not to a program.
    pub table: bool,
}

/// Receivers that trust one key, without loss.
const PLAIN: Scene = Scene {
    loss_per_mille: 0,
    trust: true,
    sender_trust: false,
    roster: false,
    recorded: false,
    pause: false,
    silence: false,
    table: false,
};
const PAUSED: Scene = Scene {
    pause: true,
    ..PLAIN
};
const LOSSY: Scene = Scene {
    loss_per_mille: 50,
    ..PLAIN
};
const SILENCE: Scene = Scene {
    silence: true,
    ..PLAIN
};
const TABLE: Scene = Scene {
    table: true,
    ..PLAIN
};
const SIGNED: Scene = Scene {
    sender_trust: true,
    ..PLAIN
};
const ROSTER: Scene = Scene {
    roster: true,
    ..PLAIN
};

/// One attack.
#[derive(Clone, Copy)]
pub struct Attack {
    /// As in the list of findings; a letter tells kinds of one apart.
    pub id: &'static str,
    /// In a few words.
    pub what: &'static str,
    /// Whose addresses its packets can bear.
    pub origins: &'static [Origin],
    /// What it is tried against.
    pub scene: Scene,
    /// Whether it goes with the symbols instead of the clock.
    pub per_symbol: bool,
    /// Most packets a second; it is worse when it does not fill its victims' time.
    pub per_second_max: u64,
    /// Whether receivers of its own take part, which a sender without a roster
    /// cannot tell from honest ones that fail.
    pub takes_part: bool,
    arm: fn(Ground) -> Generator,
}

impl std::fmt::Debug for Attack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Attack({})", self.id)
    }
}

impl Attack {
    /// Gets ready.
    pub fn arm(&self, ground: &Ground) -> Generator {
        (self.arm)(ground.clone())
    }

    /// How quick it is where others send `per_second`.
    pub fn pace(&self, per_second: u64) -> Pace {
        if self.per_symbol {
            Pace::PerSymbol
        } else {
            Pace::PerSecond(per_second.min(self.per_second_max))
        }
    }

    /// The attack of this name.
    pub fn find(id: &str) -> Option<Attack> {
        ATTACKS.iter().copied().find(|attack| attack.id == id)
    }
}

const BOTH: &[Origin] = &[Origin::Own, Origin::Forged];
const OWN: &[Origin] = &[Origin::Own];
const FORGED: &[Origin] = &[Origin::Forged];

const fn attack(id: &'static str, what: &'static str, arm: fn(Ground) -> Generator) -> Attack {
    Attack {
        id,
        what,
        origins: BOTH,
        scene: PLAIN,
        per_symbol: false,
        per_second_max: u64::MAX,
        takes_part: false,
        arm,
    }
}

const fn part(id: &'static str, what: &'static str, arm: fn(Ground) -> Generator) -> Attack {
    Attack {
        takes_part: true,
        ..attack(id, what, arm)
    }
}

const fn at(scene: Scene, attack: Attack) -> Attack {
    Attack { scene, ..attack }
}

const fn from(origins: &'static [Origin], attack: Attack) -> Attack {
    Attack { origins, ..attack }
}

const fn per_symbol(attack: Attack) -> Attack {
    Attack {
        per_symbol: true,
        ..attack
    }
}

/// All attacks. `idle` is none: it shows what so many packets cost this machine.
pub const ATTACKS: &[Attack] = &[
    from(OWN, attack("idle", "packets to another port", send_nowhere)),
    at(
        PAUSED,
        attack("S1", "FLUSH that lists everybody", flush_everybody),
    ),
    Attack {
        per_second_max: 300,
        ..at(
            PAUSED,
            attack("S1s", "the same, 300 a second", flush_everybody),
        )
    },
    at(
        Scene {
            loss_per_mille: 10,
            ..PLAIN
        },
        attack("S2", "forged parity", forge_parity),
    ),
    attack("S3", "replayed manifest, own end: image changed", take_over),
    at(
        SILENCE,
        attack("S3k", "the same, after the sender was killed", take_over),
    ),
    at(
        SIGNED,
        attack("S3t", "as S3, sessions are signed", take_over),
    ),
    at(
        Scene {
            sender_trust: true,
            ..SILENCE
        },
        attack("S3kt", "as S3k, sessions are signed", take_over),
    ),
    attack(
        "S4a",
        "replayed manifest, then only probes",
        hold_without_progress,
    ),
    at(
        SIGNED,
        attack(
            "S4t",
            "the same, sessions are signed",
            hold_without_progress,
        ),
    ),
    at(
        Scene {
            trust: false,
            ..PLAIN
        },
        attack(
            "S4b",
            "offers of 2^47 bytes, nobody trusted",
            offer_huge_image,
        ),
    ),
    attack(
        "S5",
        "replayed manifest, symbols of 64, blocks of 1",
        offer_tiny_symbols,
    ),
    at(
        SIGNED,
        attack("S5t", "the same, sessions are signed", offer_tiny_symbols),
    ),
    attack("S6", "statuses of 2^63 packets (S8, A9)", poison_counts),
    part("S6k", "own key: statuses of 2^63 packets", count_too_much),
    at(
        ROSTER,
        part("S6r", "statuses of 2^63 packets, roster", count_too_much),
    ),
    part("S7", "registrations as large as can be", register_at_length),
    at(
        SILENCE,
        part("S7p", "own key: pages that no image has", lack_nowhere),
    ),
    attack("S9", "offers with terminal sequences", speak_to_terminals),
    part(
        "S9n",
        "own keys: names, refusals with the same",
        name_for_terminals,
    ),
    at(
        TABLE,
        part(
            "S9t",
            "the same, and a table for people",
            name_for_terminals,
        ),
    ),
    at(
        LOSSY,
        attack("S12a", "REPAIR_ADV for everything", advertise_repairs),
    ),
    at(
        LOSSY,
        attack(
            "S12b",
            "NACK for everything to the group (A3)",
            ask_the_group,
        ),
    ),
    from(
        FORGED,
        per_symbol(attack("S13a", "forged symbols ahead, 1:1", forge_symbols)),
    ),
    from(
        FORGED,
        per_symbol(attack(
            "S13b",
            "the same, garbage sequences",
            forge_sequences,
        )),
    ),
    from(
        FORGED,
        per_symbol(attack("S13c", "forged symbols behind, 1:1", forge_behind)),
    ),
    part(
        "S14a",
        "own key: NACKs for all, up to 60 KiB",
        nack_at_length,
    ),
    part("S14b", "own key: a new node id each time", rename_node),
    part("S14c", "own key: 45 % loss claimed", claim_loss),
    part("S14d", "own key: holds the window", hold_window),
    at(
        ROSTER,
        part("S14m", "holds the window, roster", hold_window),
    ),
    at(
        ROSTER,
        part(
            "S14n",
            "NACKs for all, up to 60 KiB, roster",
            nack_at_length,
        ),
    ),
    part("S14e", "10,000 keys", register_many_keys),
    at(
        ROSTER,
        part("S14f", "10,000 keys, roster", register_many_keys),
    ),
    at(
        ROSTER,
        part("S14g", "45 % loss claimed, roster", claim_loss),
    ),
    part("S14h", "own key: a new life each time", live_often),
    part("S14i", "own key: a new machine each time", clone_often),
    part("S14j", "own key: round trips of 9 s", claim_distance),
    at(
        ROSTER,
        part("S14k", "round trips of 9 s, roster", claim_distance),
    ),
    part(
        "S15",
        "keys that complete without device",
        complete_without_device,
    ),
    at(
        Scene {
            recorded: true,
            ..PLAIN
        },
        attack("S17", "replay of a session that ended", replay_recording),
    ),
    Attack {
        per_second_max: 1_000,
        ..attack("S18", "refusals provoked, and replayed", provoke_refusals)
    },
    attack("S19", "bad offers in the sender's name", offer_in_its_name),
    at(
        SIGNED,
        attack("S19t", "the same, sessions are signed", offer_in_its_name),
    ),
    part("S20", "10,000 keys refuse", refuse_with_many_keys),
    at(
        ROSTER,
        part("S20r", "10,000 keys refuse, roster", refuse_with_many_keys),
    ),
    attack("A1", "NACKs full of whole objects", ask_for_everything),
    attack(
        "A2",
        "welcome with GRTT 255, group size 15",
        welcome_wrongly,
    ),
    attack("A5", "signed ACKs with old stamps", date_back),
    attack("A5p", "probes of 9 s ago", probe_wrongly),
    attack(
        "A7",
        "feedback replayed, changed, unsealed",
        replay_feedback,
    ),
    attack("P", "polls for all pages", poll_all),
    attack("R", "random, cut, changed, oversized", send_rubbish),
];

#[cfg(test)]
mod tests {
    use super::super::overheard::Overheard;
    use super::*;
    use std::sync::Arc;

    #[test]
    fn every_attack_has_a_name_of_its_own() {
        for (index, attack) in ATTACKS.iter().enumerate() {
            assert!(!attack.origins.is_empty());
            assert!(
                ATTACKS[..index].iter().all(|other| other.id != attack.id),
                "{}",
                attack.id
            );
        }
    }

    #[test]
    fn an_attack_that_knows_nothing_sends_nothing_or_rubbish() {
        let ground = Ground {
            sender: Ground::stranger(1),
            group: Ground::stranger(2),
            recording: Arc::default(),
        };
        for attack in ATTACKS {
            let mut generator = attack.arm(&ground);
            let made = generator(&Overheard::default());
            let blind = ["idle", "R"].contains(&attack.id);
            assert_eq!(made.is_some(), blind, "{attack:?}");
        }
    }
}
