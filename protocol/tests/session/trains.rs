//! Trains taken at once against the same packets taken one by one.

use linecast_protocol::offer::{IMAGE_TOI, SESSION_TOI, SessionShape};
use linecast_protocol::random::Random;
use linecast_protocol::receiver::{Held, Verdict};
use linecast_protocol::wire::{DataHeader, flag};
use std::fmt::Debug;

use crate::world::*;

/// A receiver that follows a session.
fn following(world: &World) -> Node {
    let mut node = node(0, 0.0, 1);
    let offer = Packet::Data(world.header(0, SESSION_TOI, 0, 0, 0), 900);
    hand(world.now, world.shape, &mut node, &offer);
    assert!(node.receiver.session().is_some());
    node
}

/// `count` headers of a train that begins at a random place of the image.
fn train(world: &World, sequence: u16, random: &mut Random) -> Vec<DataHeader> {
    let layout = world.shape.image;
    let below = |random: &mut Random, end: u32| (random.unit() * f64::from(end)) as u32;
    let sbn = below(random, layout.blocks());
    let flags = [0, flag::REPAIR][below(random, 2) as usize];
    // Some reach into parity, some are of symbols that came before.
    let first = below(random, u32::from(layout.block_len(sbn)) + 4) as u16;
    let count = 1 + below(random, 44) as u16;
    (0..count)
        .map(|i| {
            let sequence = sequence.wrapping_add(i);
            world.header(sequence, IMAGE_TOI, sbn, first + i, flags)
        })
        .collect()
}

fn payload(shape: SessionShape, header: &DataHeader) -> usize {
    match header.id {
        id if id.esi < id.block_len => shape.image.symbol_len(id.sbn, id.esi),
        _ => usize::from(shape.image.symbol_bytes()),
    }
}

/// Hands the packets over one by one; gives what they completed last.
fn take_singly(world: &World, node: &mut Node, headers: &[DataHeader]) -> Option<Held> {
    let mut last = None;
    for header in headers {
        let bytes = payload(world.shape, header);
        let verdict = node.receiver.handle_data(world.now, SENDER, header, bytes);
        last = match verdict {
            Verdict::Keep { held, .. } => Some(held),
            _ => None,
        };
    }
    last
}

/// Hands them over as a train, or one by one if that is refused; gives what
/// they completed last if it was not.
fn take_together(world: &World, node: &mut Node, headers: &[DataHeader]) -> Option<Held> {
    let count = headers.len() as u16;
    let receiver = &mut node.receiver;
    let held = receiver.handle_train(world.now, SENDER, &headers[0], count);
    if held.is_none() {
        take_singly(world, node, headers);
    }
    held
}

/// What can be seen of a receiver: counters, leaves that are ready, when it wants
/// to be called, how each block stands.
fn seen(world: &World, node: &mut Node) -> impl PartialEq + Debug {
    let session = node.receiver.session_mut().unwrap();
    if session.leaf_list_complete() {
        session.handle_leaf_list(world.now, &[]);
    }
    let counters = format!("{:?}", session.counters());
    let blocks = session.blocks(IMAGE_TOI).unwrap();
    let blocks: Vec<_> = (0..blocks.layout().blocks())
        .map(|sbn| (blocks.phase(sbn), blocks.lacking(sbn)))
        .collect();
    let leaves: Vec<u64> = std::iter::from_fn(|| node.receiver.poll_leaf()).collect();
    (counters, blocks, leaves, node.receiver.poll_timeout())
}

#[test]
fn a_train_taken_at_once_is_as_good_as_its_packets_one_by_one() {
    let mut at_once = 0;
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let mut world = World::new(3_000_000, &[0.0], seed);
        let (mut together, mut singly) = (following(&world), following(&world));
        let mut sequence = 65_000_u16;
        for _ in 0..300 {
            world.now = world.now + TICK;
            let headers = train(&world, sequence, &mut random);
            let lost = u16::from(random.unit() < 0.1);
            sequence = sequence.wrapping_add(headers.len() as u16 + lost);
            let last = take_singly(&world, &mut singly, &headers);
            if let Some(held) = take_together(&world, &mut together, &headers) {
                at_once += 1;
                assert_eq!(Some(held), last, "seed {seed}");
            }
            let expected = seen(&world, &mut singly);
            assert_eq!(seen(&world, &mut together), expected, "seed {seed}");
        }
    }
    assert!(at_once > 500, "{at_once}");
}
