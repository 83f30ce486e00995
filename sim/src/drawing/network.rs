//! Networks and devices drawn at random.

use super::{KIB, pick};
use crate::draw::{below, chance};
use crate::scenario::{Bottleneck, Device, LossModel, Network};
use linecast_protocol::random::Random;
use linecast_protocol::time::Duration;

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

pub(super) fn network(random: &mut Random, receivers: u32, rate_bps: u64) -> Network {
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

pub(super) fn device(random: &mut Random, receiver: u32) -> Device {
    Device {
        receiver,
        packets_per_s: pick(random, &[0, 20_000, 100_000]),
        buffer_packets: pick(random, &[64, 256, 3_640]),
        drift_ppm: below(random, 1_001) as i32 - 500,
        port: None,
        takes_unicast: true,
    }
}
