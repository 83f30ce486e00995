//! Scenarios drawn at random: every kind of network, push, fault and attack, from
//! one seed.

mod attacks;
mod faults;
mod network;
mod push;

use crate::draw::{below, between, chance, stream};
use crate::scenario::{Content, Fault, Push, Rate, Scenario};
use linecast_fec::Codec;
use linecast_protocol::random::Random;
use linecast_protocol::time::Duration;

const KIB: u64 = 1024;

/// The scenario of one seed of a campaign: up to 64 receivers, small images and few
/// long ones, up to four faults, and sometimes an attacker.
pub fn random_scenario(seed: u64) -> Scenario {
    let mut scenario = plain(seed);
    let random = &mut stream(seed, 3);
    match below(random, 1_000) {
        0..8 => push::lengthen(random, &mut scenario),
        8..18 => push::hold_up(random, &mut scenario),
        _ => {
            let span = span(&scenario);
            push::decide(random, &mut scenario, span);
        }
    }
    let long = span(&scenario);
    let receiver = below(random, scenario.receivers.into()) as u32;
    let mut more = Vec::new();
    if chance(random, 0.04) {
        let at = random.within(long);
        more.push(match below(random, 2) {
            0 => Fault::Interrupt { at },
            _ => Fault::ChangeImage { at },
        });
    }
    if chance(random, 0.03) {
        let length = between(random, Duration::from_millis(100), Duration::from_secs(10));
        more.push(Fault::LoseCompletions { receiver, length });
    }
    if chance(random, 0.03) {
        let at = random.within(long);
        more.push(Fault::DiskFull { receiver, at });
        let later = Duration::from_millis(500);
        more.push(Fault::Restart {
            receiver,
            at: at + later,
        });
    }
    if chance(random, 0.15) {
        let rate_bps = scenario.push.rate.most_bps();
        more.push(attacks::assault(random, long, rate_bps));
    }
    let mut faults = std::mem::take(&mut scenario.faults);
    faults.extend(more);
    faults.retain(|fault| {
        concerns(fault, scenario.receivers) && !attacks::is_not_yet(&scenario, fault)
    });
    scenario.faults = faults;
    scenario
}

/// Sending takes this long twice; registration comes before it.
fn span(scenario: &Scenario) -> Duration {
    let bits = scenario.size_bytes as f64 * 9.0;
    let rate = scenario.push.rate.most_bps() as f64;
    let sending = Duration::from_secs_f64(bits / rate) + scenario.rtt * 8;
    sending * 2 + Duration::from_millis(100)
}

/// A fixed rate for everybody who is there, and accidents.
fn plain(seed: u64) -> Scenario {
    let random = &mut stream(seed, 0);
    let most = pick(random, &[1, 3, 8, 20, 64]);
    let receivers = 1 + below(random, most) as u32;
    let longest = Duration::from_micros(pick(random, &[200, 1_000, 5_000, 20_000, 100_000]));
    let rtt = between(random, longest / 2, longest);
    let rate_bps = pick(random, &[10_000_000, 100_000_000, 1_000_000_000]);
    let mut scenario = Scenario {
        seed,
        receivers,
        size_bytes: size(random),
        symbol_bytes: pick(random, &[64, 256, 1408, 1408, 1408]),
        codec: Codec::Gf16Low,
        block_symbols: pick(random, &[1, 8, 32, 64, 128, 512]),
        lanes: pick(random, &[1, 1, 1, 2, 4]),
        push: Push {
            rate: Rate::Fixed { bps: rate_bps },
            stall_timeout: Duration::from_secs(20),
            ..Push::default()
        },
        rtt,
        network: network::network(random, receivers, rate_bps),
        devices: Vec::new(),
        faults: Vec::new(),
        content: if chance(random, 0.1) {
            Content::Bytes
        } else {
            Content::Identities
        },
        suppression: true,
        trains: false,
        pardons: attacks::open_findings(),
        limit: Duration::from_secs(300),
    };
    limit_blocks(&mut scenario);
    if seed % 2 == 1 && scenario.block_symbols <= GF8_BLOCK_MAX {
        scenario.codec = Codec::Gf8;
    }
    for receiver in 0..receivers {
        if chance(random, 0.05) {
            scenario.devices.push(network::device(random, receiver));
        }
    }
    let count = pick(random, &[0, 1, 1, 2, 4]);
    let span = span(&scenario);
    for _ in 0..count {
        let fault = faults::fault(random, receivers, scenario.network.subtrees, span);
        if allowed(&scenario, &fault) {
            scenario.faults.push(fault);
        }
    }
    scenario
}

/// Whether what a fault happens to is there.
fn concerns(fault: &Fault, receivers: u32) -> bool {
    let late = matches!(fault, Fault::LateJoin { .. }) && receivers == 1;
    !late && fault.receiver().is_none_or(|receiver| receiver < receivers)
}

/// Two lives of one device, or of the sender, at the same time would be one
/// fault too many.
fn allowed(scenario: &Scenario, fault: &Fault) -> bool {
    let owner = |fault: &Fault| match fault {
        Fault::CrashSender { .. } => Some(None),
        Fault::Jump { .. } | Fault::RotDisk { .. } => None,
        other => other.receiver().map(Some),
    };
    let same = |other: &Fault| owner(fault).is_some() && owner(other) == owner(fault);
    // Somebody must be there when the push starts.
    let all_late = matches!(fault, Fault::LateJoin { .. }) && scenario.receivers == 1;
    !all_late && !scenario.faults.iter().any(same)
}

/// One of these.
fn pick<T: Copy>(random: &mut Random, choices: &[T]) -> T {
    choices[below(random, choices.len() as u64) as usize]
}

fn size(random: &mut Random) -> u64 {
    let most = pick(random, &[1, 2 * KIB, 64 * KIB, 300 * KIB, 1024 * KIB]);
    match below(random, 10) {
        0 => 0,
        1 => most,
        _ => below(random, most) + 1,
    }
}

/// Longer blocks have too little parity over GF(2^8).
const GF8_BLOCK_MAX: u16 = 240;

/// Keeps the number of blocks such that a run takes milliseconds.
fn limit_blocks(scenario: &mut Scenario) {
    let symbols = scenario.size_bytes.div_ceil(scenario.symbol_bytes.into());
    let least = symbols.div_ceil(256).min(512) as u16;
    scenario.block_symbols = scenario.block_symbols.max(least);
}
