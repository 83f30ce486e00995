//! How the sender is told to push, and images that need more than a moment.

use super::pick;
use crate::draw::{below, between, chance};
use crate::scenario::{Bottleneck, Content, Device, Rate, Roster, Scenario, Slow};
use linecast_fec::Codec;
use linecast_protocol::random::Random;
use linecast_protocol::time::Duration;

const MIB: u64 = 1 << 20;
/// How many times an image is sent, at most, by a push that goes on for all of it at
/// the floor of its rate.
const AT_THE_FLOOR: f64 = 10.0;
const START_BPS_MIN: u64 = 5_000_000;

/// Another rate, a roster, a deadline, trains: each in a part of the seeds.
pub(super) fn decide(random: &mut Random, scenario: &mut Scenario, span: Duration) {
    scenario.trains = chance(random, 0.4);
    if chance(random, 0.25) {
        let ceiling_bps = scenario.push.rate.most_bps();
        scenario.push.rate = Rate::Auto {
            floor_bps: ceiling_bps / pick(random, &[100, 10, 2]),
            // Announcements of a slower one fit into one burst of losses.
            start_bps: (ceiling_bps / pick(random, &[20, 4, 1])).max(START_BPS_MIN),
            ceiling_bps,
        };
        // Heavy losses take the search to its floor, and the image several times.
        let bits = scenario.size_bytes as f64 * 8.0;
        let crawling = bits * AT_THE_FLOOR / scenario.push.rate.least_bps() as f64;
        let crawling = Duration::from_secs_f64(crawling);
        scenario.limit = scenario.limit.max(crawling);
        scenario.push.on_slow = pick(random, &[Slow::Wait, Slow::Drop, Slow::Unicast]);
    }
    if chance(random, 0.12) {
        let absent = pick(random, &[0, 0, 1, 3]);
        let enrolled = (0..scenario.receivers).filter(|_| chance(random, 0.8));
        let enrolled: Vec<u32> = enrolled.collect();
        if !enrolled.is_empty() {
            scenario.push.roster = Some(Roster { enrolled, absent });
        }
    }
    if chance(random, 0.06) {
        scenario.push.deadline = Some(between(random, span / 4, span * 4));
    }
}

/// A device on a port that carries far less than the floor of the rate, and an
/// image that takes long enough for that to be noticed.
pub(super) fn hold_up(random: &mut Random, scenario: &mut Scenario) {
    let ceiling_bps = 20_000_000;
    let floor_bps = ceiling_bps / 2;
    scenario.push.rate = Rate::Auto {
        floor_bps,
        start_bps: ceiling_bps,
        ceiling_bps,
    };
    scenario.push.on_slow = pick(
        random,
        &[Slow::Wait, Slow::Drop, Slow::Unicast, Slow::Unicast],
    );
    scenario.symbol_bytes = 1_408;
    scenario.codec = Codec::Gf16Low;
    scenario.block_symbols = pick(random, &[64, 128]);
    scenario.size_bytes = MIB + below(random, 4 * MIB);
    scenario.receivers = scenario.receivers.clamp(3, 8);
    // Turns of one receiver alone are far from what its port carries (finding N3).
    scenario.limit = Duration::from_secs(1_800);
    scenario.network.bottleneck = None;
    scenario.devices.clear();
    scenario.faults.clear();
    for receiver in 0..1 + below(random, 2) as u32 {
        scenario.devices.push(Device {
            port: Some(Bottleneck {
                rate_bps: floor_bps / pick(random, &[4, 10]),
                queue_bytes: pick(random, &[16 * 1024, 256 * 1024]),
            }),
            takes_unicast: chance(random, 0.8),
            ..Device::ordinary(receiver)
        });
    }
}

/// An image whose lanes count beyond 65,535.
pub(super) fn lengthen(random: &mut Random, scenario: &mut Scenario) {
    scenario.size_bytes = 100 * MIB + below(random, 20 * MIB);
    scenario.symbol_bytes = 1_408;
    scenario.codec = Codec::Gf16Low;
    scenario.block_symbols = 512;
    scenario.lanes = 1;
    scenario.receivers = scenario.receivers.min(2);
    scenario.content = Content::Identities;
    scenario.rtt = scenario.rtt.max(Duration::from_millis(2));
    scenario.push.rate = Rate::Fixed { bps: 1_000_000_000 };
    scenario.network.bottleneck = None;
    scenario.network.outliers = None;
    scenario.devices.clear();
}
