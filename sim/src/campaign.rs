//! Scenarios drawn at random: every kind of network and fault, from one seed.

use crate::draw::{below, between, chance, stream};
use crate::report::Report;
use crate::scenario::{
    Bottleneck, Content, Device, Direction, Fault, LossModel, Network, Outage, Scenario,
    ScenarioError, Scope,
};
use crate::world::run;
use linecast_fec::Codec;
use linecast_protocol::random::Random;
use linecast_protocol::time::Duration;
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::thread;

const KIB: u64 = 1024;

/// The scenario of one seed of a campaign: up to 64 receivers, small images,
/// and up to four faults.
pub fn random_scenario(seed: u64) -> Scenario {
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
        rate_bps,
        rtt,
        network: network(random, receivers, rate_bps),
        devices: Vec::new(),
        faults: Vec::new(),
        content: if chance(random, 0.1) {
            Content::Bytes
        } else {
            Content::Identities
        },
        suppression: true,
        stall_timeout: Duration::from_secs(20),
        wait: Duration::from_secs(30),
        limit: Duration::from_secs(300),
    };
    limit_blocks(&mut scenario);
    if seed % 2 == 1 && scenario.block_symbols <= GF8_BLOCK_MAX {
        scenario.codec = Codec::Gf8;
    }
    for receiver in 0..receivers {
        if chance(random, 0.05) {
            scenario.devices.push(device(random, receiver));
        }
    }
    let faults = pick(random, &[0, 1, 1, 2, 4]);
    // Sending takes this long; registration comes before it.
    let bits = scenario.size_bytes as f64 * 9.0;
    let sending = Duration::from_secs_f64(bits / scenario.rate_bps as f64) + rtt * 8;
    let span = sending * 2 + Duration::from_millis(100);
    for _ in 0..faults {
        let fault = fault(random, receivers, scenario.network.subtrees, span);
        if allowed(&scenario, &fault) {
            scenario.faults.push(fault);
        }
    }
    scenario
}

/// Two lives of one device, or of the sender, at the same time would be one
/// fault too many.
fn allowed(scenario: &Scenario, fault: &Fault) -> bool {
    let owner = |fault: &Fault| match *fault {
        Fault::CrashReceiver { receiver, .. }
        | Fault::LateJoin { receiver, .. }
        | Fault::Leave { receiver, .. }
        | Fault::Pause { receiver, .. }
        | Fault::DiskFull { receiver, .. } => Some(Some(receiver)),
        Fault::CrashSender { .. } => Some(None),
        _ => None,
    };
    let same = |other: &Fault| owner(fault).is_some() && owner(other) == owner(fault);
    // Somebody must be there when the push starts.
    let all_late = matches!(fault, Fault::LateJoin { .. }) && scenario.receivers == 1;
    !all_late && !scenario.faults.iter().any(same)
}

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

fn loss(random: &mut Random) -> LossModel {
    let p = pick(random, &[0.001, 0.01, 0.05, 0.2]);
    match below(random, 6) {
        0 => LossModel::GilbertElliott {
            p,
            burst: pick(random, &[2.0, 10.0, 50.0]),
        },
        1 => LossModel::Step {
            before: 0.0,
            after: p,
            at_packet: below(random, 2_000),
        },
        _ => LossModel::Independent { p },
    }
}

fn network(random: &mut Random, receivers: u32, rate_bps: u64) -> Network {
    let mut network = Network::default();
    if chance(random, 0.7) {
        network.loss = loss(random);
    }
    if chance(random, 0.15) {
        network.outliers = Some((1 + below(random, receivers.into()) as u32, loss(random)));
    }
    if chance(random, 0.15) {
        network.trunk_loss = loss(random);
    }
    if chance(random, 0.2) {
        network.subtrees = 1 + below(random, 8) as u32;
        network.subtree_loss = loss(random);
    }
    if chance(random, 0.4) {
        network.feedback_loss = pick(random, &[0.01, 0.1, 0.3]);
    }
    if chance(random, 0.15) {
        network.jitter = random.within(Duration::from_millis(5));
    }
    if chance(random, 0.15) {
        network.reorder = pick(random, &[0.001, 0.02]);
    }
    if chance(random, 0.15) {
        network.duplicate = pick(random, &[0.001, 0.05]);
    }
    if chance(random, 0.1) {
        network.flip = pick(random, &[0.000_001, 0.000_02]);
    }
    if chance(random, 0.1) {
        network.bottleneck = Some(Bottleneck {
            rate_bps: rate_bps / 100 * pick(random, &[60, 90, 99]),
            queue_bytes: pick(random, &[16 * KIB, 128 * KIB, 1024 * KIB]),
        });
    }
    network
}

fn device(random: &mut Random, receiver: u32) -> Device {
    Device {
        receiver,
        packets_per_s: pick(random, &[0, 20_000, 100_000]),
        buffer_packets: pick(random, &[64, 256, 3_640]),
        drift_ppm: below(random, 1_001) as i32 - 500,
    }
}

fn fault(random: &mut Random, receivers: u32, subtrees: u32, span: Duration) -> Fault {
    let at = random.within(span);
    let receiver = below(random, receivers.into()) as u32;
    match below(random, 12) {
        0..2 => Fault::CrashReceiver {
            receiver,
            at,
            down: between(random, Duration::from_millis(50), Duration::from_secs(3)),
            disk_loss: pick(random, &[0.0, 0.05, 1.0]),
        },
        2 => Fault::CrashSender {
            at,
            down: between(random, Duration::from_millis(50), Duration::from_secs(4)),
        },
        3 => Fault::LateJoin { receiver, at },
        4 => Fault::Leave { receiver, at },
        5 => Fault::Pause {
            receiver,
            at,
            length: random.within(Duration::from_secs(3)),
        },
        6 => Fault::Jump {
            receiver,
            at,
            by: random.within(Duration::from_secs(10)),
        },
        7 => Fault::DiskFull { receiver, at },
        8 => Fault::RotDisk { receiver, at },
        9 => Fault::Forge {
            at,
            count: 1 + below(random, 40) as u32,
        },
        10 => Fault::Replay {
            at,
            count: 1 + below(random, 100) as u32,
        },
        _ => Fault::Outage(Outage {
            at,
            length: random.within(Duration::from_secs(5)),
            scope: match below(random, 3) {
                0 if subtrees > 0 => Scope::Subtree(below(random, subtrees.into()) as u32),
                1 => Scope::Receiver(receiver),
                _ => Scope::All,
            },
            direction: pick(random, &[Direction::Down, Direction::Up, Direction::Both]),
        }),
    }
}

/// Runs the scenarios of `seeds`, `jobs` at a time, and hands over each report
/// as soon as it is there.
///
/// # Errors
/// A scenario that cannot be run.
pub fn run_seeds(
    seeds: Range<u64>,
    jobs: usize,
    scenario: impl Fn(u64) -> Scenario + Sync,
    seen: &mut dyn FnMut(Report),
) -> Result<(), ScenarioError> {
    run_many(seeds, jobs, scenario, &mut |_, report| seen(report))
}

/// As [`run_seeds`], for runs that more than a seed tells apart: each report
/// comes with the number that its scenario was made from.
///
/// # Errors
/// A scenario that cannot be run.
pub fn run_many(
    numbers: Range<u64>,
    jobs: usize,
    scenario: impl Fn(u64) -> Scenario + Sync,
    seen: &mut dyn FnMut(u64, Report),
) -> Result<(), ScenarioError> {
    let next = AtomicU64::new(numbers.start);
    let (sender, reports) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            let (sender, next, scenario) = (sender.clone(), &next, &scenario);
            let end = numbers.end;
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Relaxed);
                    // Nobody listens any more once a scenario was refused.
                    if number >= end || sender.send((number, run(&scenario(number)))).is_err() {
                        break;
                    }
                }
            });
        }
        std::mem::drop(sender);
        for (number, report) in reports {
            seen(number, report?);
        }
        Ok(())
    })
}
