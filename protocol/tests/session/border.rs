//! What a stranger or a peer that speaks can do to the machines. Each test has
//! the name of what is right; the letters are those of the list of findings.

use crate::world::*;
use linecast_protocol::message::{ACK_STATUS, Activity, Status};
use linecast_protocol::offer::IMAGE_TOI;
use linecast_protocol::time::Duration;
use linecast_protocol::wire::{Ack, Timestamp};

const MIB: u64 = 1 << 20;

/// A world in the middle of its image.
fn half_sent(size: u64, losses: &[f64]) -> World {
    let mut world = World::new(size, losses, 1);
    while world.image_packets < world.shape.image.symbols() / 2 {
        world.step();
    }
    world
}

fn status_of(world: &World, member: usize, received: u64, lost: u64) -> Vec<u8> {
    let status = Status {
        activity: Activity::Receiving,
        received,
        lost,
        ..Status::default()
    };
    let mut payload = Vec::new();
    status.emit(&mut payload);
    let mut out = Vec::new();
    Ack {
        sequence: 0,
        source_id: world.sender.membership().members()[member].node,
        server_id: SOURCE.0,
        instance_id: SOURCE.1,
        ack_type: ACK_STATUS,
        ack_id: 0,
        grtt_response: Timestamp::default(),
        auth: None,
        cc: None,
        payload: &payload,
    }
    .emit(&mut out);
    out
}

/// A9, S6, S8.
#[test]
fn counts_above_what_was_sent_are_refused_and_honest_ones_go_on_counting() {
    let mut world = half_sent(8 * MIB, &[0.01; 2]);
    let from = world.nodes[0].address;
    let before = world.sender.membership().members()[0].lost;
    for (received, lost) in [(1 << 63, 1 << 63), (u64::MAX, u64::MAX), (0, 1 << 40)] {
        let forged = status_of(&world, 0, received, lost);
        let refused = world.sender.feedback().refused;
        world.sender.handle_datagram(world.now, from, &forged);
        assert_eq!(world.sender.feedback().refused, refused + 1);
    }
    assert_eq!(world.sender.membership().members()[0].lost, before);
    while world.image_packets < world.shape.image.symbols() * 9 / 10 {
        world.step();
    }
    let lost = world.sender.membership().members()[0].lost;
    assert!((before + 1..500).contains(&lost), "{before} {lost}");
    world.run(Duration::from_secs(20));
    world.assert_all_complete();
}

/// S2: the second was told although the first had taken a symbol from it, and
/// parity was dropped that the session went on counting.
#[test]
fn of_two_damaged_neighbours_the_second_is_damaged_only_once_it_is_whole_again() {
    let mut world = World::new(MIB, &[0.0], 2);
    world.nodes[0].damage_pair = Some(3);
    world.run(Duration::from_secs(20));
    world.assert_all_complete();
    let session = world.nodes[0].receiver.session().unwrap();
    assert_eq!(session.counters().leaves_damaged, 1);
}

/// S13: reports that count forged symbols were thrown away altogether, and the
/// window waited for their sender without end.
#[test]
fn whoever_counts_forged_symbols_goes_on_being_heard() {
    let mut world = half_sent(24 * MIB, &[0.01; 2]);
    let image = world.shape.image;
    for sequence in 0..200_000u32 {
        let header = world.header(sequence as u16, IMAGE_TOI, 0, 0, 0);
        let (now, bytes) = (world.now, image.symbol_len(0, 0));
        let receiver = &mut world.nodes[0].receiver;
        receiver.handle_data(now, SENDER, &header, bytes);
    }
    let lost = world.sender.membership().members()[0].lost;
    world.run(Duration::from_secs(20));
    world.assert_all_complete();
    let member = &world.sender.membership().members()[0];
    let unheard = world.sender.feedback().unheard;
    assert!(unheard.iter().any(|(name, _)| name == "implausible"));
    let counted = member.lost;
    assert!((lost + 1..image.symbols()).contains(&counted), "{counted}");
}
