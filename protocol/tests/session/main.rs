//! Whole sessions of one sender and a few receivers.

mod border;
mod device;
mod stragglers;
mod trains;
mod world;

use linecast_protocol::key::SigningKey;
use linecast_protocol::message::EndReason;
use linecast_protocol::receiver::{Receiver, SessionConfig};
use linecast_protocol::sender::{Ending, MemberState};
use linecast_protocol::time::Duration;

use world::*;

const MIB: u64 = 1 << 20;

#[test]
fn without_loss_nothing_is_asked_for_and_nothing_is_sent_twice() {
    let mut world = World::new(4 * MIB, &[0.0; 4], 1);
    let expansion = world.run(Duration::from_secs(20));
    world.assert_all_complete();
    assert_eq!(expansion, 1.0);
    assert_eq!(world.sender.feedback().nacks_heard, 0);
    assert_eq!(world.sender.feedback().refused, 0);
    for _ in 0..2_000 {
        world.step();
    }
    assert!(
        world.nodes.iter().all(|node| node.over),
        "everybody hears the end"
    );
}

#[test]
fn the_first_symbol_waits_for_a_few_announcements_at_most() {
    for seed in 0..100 {
        let mut world = World::new(MIB, &[0.0], seed);
        let begun = world.now;
        world.run(Duration::from_secs(20));
        let waited = world.sender.data_started().unwrap().since(begun);
        assert!(
            waited < Duration::from_millis(50),
            "seed {seed}: {waited:?}"
        );
    }
}

#[test]
fn independent_loss_is_repaired_close_to_what_parity_allows() {
    for (loss, limit) in [(0.01, 1.05), (0.05, 1.16), (0.2, 1.45), (0.3, 1.68)] {
        let mut world = World::new(4 * MIB, &[loss; 4], 7);
        let expansion = world.run(Duration::from_secs(60));
        world.assert_all_complete();
        assert!(expansion < limit, "loss {loss}: expansion {expansion}");
    }
}

#[test]
fn lost_feedback_delays_but_does_not_stop() {
    for seed in 0..5 {
        let mut world = World::new(MIB, &[0.2; 3], seed);
        world.feedback_loss = 0.2;
        let expansion = world.run(Duration::from_secs(60));
        world.assert_all_complete();
        assert!(expansion < 1.6, "expansion {expansion}");
    }
}

#[test]
fn every_odd_size_completes() {
    for size in [
        0,
        1,
        1407,
        1408,
        1409,
        65_535,
        65_536,
        65_537,
        128 * 1408 - 1,
        128 * 1408 + 1,
    ] {
        for loss in [0.0, 0.3] {
            let mut world = World::new(size, &[loss; 2], size);
            let expansion = world.run(Duration::from_secs(60));
            world.assert_all_complete();
            assert!(
                loss > 0.0 || size == 0 || expansion == 1.0,
                "{size}: {expansion}"
            );
        }
    }
}

#[test]
fn a_receiver_that_comes_late_gets_all_of_it() {
    let mut world = World::new(8 * MIB, &[0.0, 0.0], 3);
    world.nodes.push(node(2, 0.0, 3));
    world.nodes[2].alive = false;
    while world.image_packets < world.shape.image.symbols() / 2 {
        world.step();
    }
    world.nodes[2].alive = true;
    let expansion = world.run(Duration::from_secs(60));
    world.assert_all_complete();
    assert!(expansion < 1.6, "{expansion}");
}

#[test]
fn a_receiver_that_dies_is_given_up_after_the_stall_time_out_and_the_others_complete() {
    let mut world = World::new(4 * MIB, &[0.01; 3], 4);
    while world.image_packets < 1000 {
        world.step();
    }
    world.nodes[1].alive = false;
    world.run(Duration::from_secs(30));
    let states: Vec<_> = world
        .sender
        .membership()
        .members()
        .iter()
        .map(|m| m.state.clone())
        .collect();
    assert_eq!(
        states
            .iter()
            .filter(|s| **s == MemberState::Complete)
            .count(),
        2
    );
    assert!(states.contains(&MemberState::Stalled));
}

#[test]
fn nobody_there_ends_the_session_after_the_wait() {
    let mut world = World::new(MIB, &[0.0], 5);
    world.nodes[0].alive = false;
    world.run(Duration::from_secs(6));
    assert_eq!(world.sender.ending(), Ending::NoReceivers);
}

/// It asked to be woken at the end of the wait, which was past, for as long as it
/// polled for leaves: every step of the world refuses that.
#[test]
fn who_waited_for_others_in_vain_and_polls_for_leaves_does_not_ask_for_the_past() {
    let mut world = World::with(MIB, &[0.0], 12, |config| {
        config.receivers = Some(2);
        config.wait = Duration::from_millis(100);
    });
    world.nodes[0].kept = vec![0, 1, 2];
    let begun = world.now;
    world.run(Duration::from_secs(20));
    world.assert_all_complete();
    let waited = world.sender.data_started().unwrap().since(begun);
    assert!(
        waited > Duration::from_millis(100),
        "it polled after the wait: {waited:?}"
    );
    assert!(world.image_packets < world.shape.image.symbols());
}

#[test]
fn an_outage_of_the_path_is_survived() {
    let mut world = World::new(8 * MIB, &[0.0; 3], 6);
    while world.image_packets < 2000 {
        world.step();
    }
    world.nodes.iter_mut().for_each(|node| node.loss = 1.0);
    for _ in 0..100_000 {
        world.step();
    }
    world.nodes.iter_mut().for_each(|node| node.loss = 0.0);
    world.run(Duration::from_secs(60));
    world.assert_all_complete();
}

#[test]
fn a_damaged_leaf_is_fetched_again() {
    let mut world = World::new(4 * MIB, &[0.05; 2], 8);
    world.nodes[0].damage_once = Some(17);
    world.run(Duration::from_secs(60));
    world.assert_all_complete();
    assert_eq!(
        world.nodes[0]
            .receiver
            .session()
            .unwrap()
            .counters()
            .leaves_damaged,
        1
    );
}

#[test]
fn an_early_end_reaches_everybody_and_is_signed() {
    let mut world = World::new(8 * MIB, &[0.0; 2], 9);
    while world.image_packets < 1000 {
        world.step();
    }
    world.sender.end_early(world.now, EndReason::ImageChanged);
    world.run(Duration::from_secs(5));
    (0..1000).for_each(|_| world.step());
    assert!(
        world
            .nodes
            .iter()
            .all(|n| n.ended == Some(EndReason::ImageChanged) && !n.finished)
    );
}

#[test]
fn receivers_with_the_same_node_id_are_told_apart() {
    let mut world = World::new(MIB, &[0.05; 3], 10);
    for i in 0..3 {
        let config = SessionConfig {
            key: SigningKey::from_seed([i + 20; 32]),
            installation: [i; 8],
            life: [i; 8],
            node: 1000,
            name: "same".into(),
            buffer_packets: 4000,
            seed: u64::from(i),
        };
        world.nodes[usize::from(i)].receiver = Receiver::new(config);
    }
    world.run(Duration::from_secs(30));
    world.assert_all_complete();
    let mut nodes: Vec<_> = world
        .sender
        .membership()
        .members()
        .iter()
        .map(|m| m.node)
        .collect();
    nodes.sort_unstable();
    nodes.dedup();
    assert_eq!(nodes.len(), 3);
}

/// Otherwise its feedback is refused until it registers again, seconds later.
#[test]
fn a_registration_replayed_ahead_of_the_receivers_own_costs_it_nothing() {
    let mut world = World::new(MIB, &[0.05], 11);
    while world.up.is_empty() {
        world.step();
    }
    let registration = world.up[0].2.clone();
    let elsewhere = "10.254.0.2:7600".parse().unwrap();
    world
        .sender
        .handle_datagram(world.now, elsewhere, &registration);
    assert_eq!(
        world.sender.membership().members()[0].address,
        Some(elsewhere),
        "it was taken for the receiver's"
    );
    world.run(Duration::from_secs(2));
    world.assert_all_complete();
}
