//! What a stranger or a peer that speaks can do to the machines. Each test has
//! the name of what is right; the letters are those of the list of findings.

use crate::device::Device;
use crate::world::*;
use linecast_protocol::hex;
use linecast_protocol::key::SigningKey;
use linecast_protocol::limits::{CLONES_MAX, MESSAGE_BYTES_MAX};
use linecast_protocol::message::{
    ACK_REFUSE, Cause, Notice, REFUSE_CONTEXT, Refusal, Status, WelcomeEntry, sign_text,
};
use linecast_protocol::offer::{
    DESCRIPTOR_SCHEMA, Descriptor, IMAGE_TOI, SESSION_TOI, SessionShape,
};
use linecast_protocol::receiver::{OfferKey, Verdict};
use linecast_protocol::sender::{Ending, MemberState, Phase, Sender};
use linecast_protocol::time::{Duration, Time};
use linecast_protocol::wire::{
    Ack, CommandBody, Level, Message, Nack, PayloadId, RequestBuilder, Requests, SenderWord,
    Timestamp,
};
use std::time::Instant;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const STRANGER: &str = "10.9.9.9:7600";

/// A world in the middle of its image.
fn half_sent(size: u64, losses: &[f64]) -> World {
    let mut world = World::new(size, losses, 1);
    while world.image_packets < world.shape.image.symbols() / 2 {
        world.step();
    }
    world
}

fn counts(received: u64, lost: u64) -> Status {
    Status {
        received,
        lost,
        ..Status::default()
    }
}

/// Requests for whole objects, again and again, up to so many bytes.
fn everything(bytes: usize) -> Vec<u8> {
    let mut requests = Vec::new();
    let mut builder = RequestBuilder::new(&mut requests, bytes);
    while builder.push_item(Level::OBJECT, IMAGE_TOI, PayloadId::default()) {}
    requests
}

/// The shape of an image of 4 GiB in short blocks.
fn large() -> SessionShape {
    let descriptor = Descriptor {
        schema: DESCRIPTOR_SCHEMA.into(),
        session: hex(&[3; 16]),
        session_key: hex(SigningKey::from_seed([9; 32]).public().as_bytes()),
        symbol_bytes: 1408,
        block_symbols: 128,
        codec: "gf8".into(),
        num_parity: 100,
        lanes: 1,
        window_packets: 3072,
    };
    SessionShape::new(&descriptor, 4 * GIB, [4; 32]).unwrap()
}

/// The least of five, in milliseconds: other processes only add to it.
fn least_ms(mut work: impl FnMut()) -> f64 {
    let times = (0..5).map(|_| {
        let begun = Instant::now();
        work();
        begun.elapsed().as_secs_f64() * 1e3
    });
    times.fold(f64::INFINITY, f64::min)
}

/// A1.
#[test]
fn a_nack_of_any_size_takes_no_longer_than_its_own_bytes() {
    let mut world = World::new(MIB, &[0.0], 1);
    world.shape = large();
    world.sender = Sender::new(world.now, config(world.shape));
    let mut device = Device::new(1);
    device.join(&mut world);
    world.now = world.now + Duration::from_secs(6);
    world.sender.handle_timeout(world.now);
    while let Some(order) = world.sender.poll_order() {
        world.carry_out(order);
    }
    assert_eq!(world.sender.phase(), Phase::Sending);
    let long = everything(65_000);
    let longest = device.nack(&world, &long);
    let refused = world.sender.feedback().refused;
    device.say(&mut world, &longest);
    assert_eq!(
        world.sender.feedback().refused,
        refused + 1,
        "64 KiB are no message"
    );
    let full = everything(MESSAGE_BYTES_MAX - 60);
    let nacks: Vec<_> = (0..5).map(|_| device.nack(&world, &full)).collect();
    let mut nacks = nacks.iter();
    let took = least_ms(|| {
        device.say(&mut world, nacks.next().unwrap());
        world.sender.handle_timeout(world.now);
    });
    assert!(took <= 1.0, "{took} ms");
}

/// A1, at the receiver: one FLUSH walked all blocks.
#[test]
fn a_flush_takes_no_longer_than_its_own_bytes() {
    let shape = large();
    let mut node = node(0, 0.0, 1);
    let mut now = Time::from_ns(5_000_000_000);
    let world = World::new(MIB, &[], 1);
    let offer = world.header(0, SESSION_TOI, 0, 0, 0);
    hand(now, shape, &mut node, &Packet::Data(offer, 900));
    let flush = world.command(&CommandBody::Flush {
        toi: IMAGE_TOI,
        id: PayloadId::default(),
        nodes: linecast_protocol::wire::NodeList::from_slice(&[1000; 250]),
    });
    let took = least_ms(|| {
        now = now + Duration::from_secs(1);
        hand(now, shape, &mut node, &Packet::Bytes(flush.clone()));
    });
    assert!(took <= 1.0, "{took} ms");
}

/// A2.
#[test]
fn extreme_parameters_and_a_forged_welcome_cost_a_device_a_moment() {
    let mut world = half_sent(4 * MIB, &[0.05; 2]);
    let life = world.nodes[0].life;
    let mut entries = Vec::new();
    WelcomeEntry {
        life: life.name(),
        node: 77,
        nonce: u32::MAX,
        proof: [7; 8],
    }
    .emit(&mut entries);
    let mut content = Vec::new();
    Notice::Welcome(&entries).emit(&mut content);
    let word = SenderWord {
        instance_id: SOURCE.1,
        grtt: 255,
        backoff: 15,
        gsize: 15,
    };
    let forged = world.command_with(word, &CommandBody::Application(&content));
    for node in &mut world.nodes {
        hand(world.now, world.shape, node, &Packet::Bytes(forged.clone()));
    }
    let begun = world.now;
    world.run(Duration::from_secs(10));
    world.assert_all_complete();
    assert!(world.now.since(begun) < Duration::from_secs(2));
}

/// A3: requests of others counted from any address, though receivers of ours never
/// send any to each other.
#[test]
fn a_strangers_nacks_suppress_nothing() {
    let mut world = World::new(2 * MIB, &[0.2], 3);
    let requests = everything(100);
    let mut nack = Vec::new();
    Nack {
        sequence: 0,
        source_id: 1,
        server_id: SOURCE.0,
        instance_id: SOURCE.1,
        grtt_response: Timestamp::default(),
        auth: None,
        cc: None,
        requests: Requests::parse(&requests).unwrap(),
    }
    .emit(&mut nack);
    let end = world.now + Duration::from_secs(10);
    while world.sender.phase() != Phase::Done {
        assert!(world.now < end, "it is kept from asking");
        world.step();
        let (now, receiver) = (world.now, &mut world.nodes[0].receiver);
        let message = Message::parse(&nack).unwrap();
        let stranger = STRANGER.parse().unwrap();
        assert!(!receiver.handle_message(now, stranger, &message));
    }
    world.assert_all_complete();
}

/// A5.
#[test]
fn a_round_trip_is_told_only_by_members_once_and_with_a_sane_age() {
    let mut world = World::new(MIB, &[0.0], 1);
    let mut device = Device::new(1);
    device.join(&mut world);
    let old = Timestamp::from_ns(world.now.ns() - 4_900_000_000);
    let told = device.stamped_status(&world, &Status::default(), old);
    device.say(&mut world, &told);
    let grtt = world.sender.grtt();
    for _ in 0..20 {
        device.say(&mut world, &told);
    }
    assert_eq!(world.sender.grtt(), grtt, "a replay is heard once");
    let mut forged = told.clone();
    forged[16..24].fill(1);
    device.say(&mut world, &forged);
    let ancient = device.stamped_status(&world, &Status::default(), Timestamp { sec: 0, usec: 1 });
    world.now = world.now + Duration::from_secs(60);
    device.say(&mut world, &ancient);
    assert_eq!(world.sender.grtt(), grtt);
}

/// A6.
#[test]
fn a_device_that_failed_starts_again_and_completes_is_complete() {
    let mut world = World::new(MIB, &[], 1);
    let mut device = Device::new(1);
    device.join(&mut world);
    let failure = device.completion(&world, Some("disk full"));
    device.say(&mut world, &failure);
    assert_eq!(
        device.member(&world).state,
        MemberState::Failed("disk full".into())
    );
    let mut again = device.restarted();
    again.join(&mut world);
    assert_eq!(again.member(&world).state, MemberState::Receiving);
    let done = again.completion(&world, None);
    again.say(&mut world, &done);
    assert_eq!(again.member(&world).state, MemberState::Complete);
    // Whatever it said in its life before is old news.
    device.say(&mut world, &failure);
    assert_eq!(again.member(&world).state, MemberState::Complete);
}

/// A7.
#[test]
fn statuses_that_are_replayed_change_nothing() {
    let mut world = half_sent(8 * MIB, &[0.0]);
    let mut device = Device::new(1);
    device.join(&mut world);
    let old: Vec<_> = (1..5)
        .map(|n| device.status(&world, &counts(100 * n, n)))
        .collect();
    old.iter().for_each(|status| device.say(&mut world, status));
    let (rate, lost) = (world.sender.control().rate_bps, device.member(&world).lost);
    let refused = world.sender.feedback().refused;
    for status in old.iter().cycle().take(40) {
        device.say(&mut world, status);
    }
    assert_eq!(world.sender.feedback().refused, refused + 40);
    assert_eq!(world.sender.control().rate_bps, rate);
    assert_eq!((device.member(&world).lost, lost), (4, 4));
}

/// A8, S7.
#[test]
fn one_key_is_one_member_whatever_it_calls_itself_and_clones_are_few() {
    let mut world = World::new(MIB, &[], 1);
    let mut device = Device::new(1);
    for node in 0..2_000 {
        device.node = 10_000 + node;
        let registration = device.registration(&world);
        device.say(&mut world, &registration);
    }
    assert_eq!(world.sender.membership().members().len(), 1);
    for installation in 0..200u8 {
        world.now = world.now + Duration::from_millis(100);
        device.life.installation = [installation; 8];
        let registration = device.registration(&world);
        device.say(&mut world, &registration);
    }
    assert!(world.sender.membership().members().len() <= CLONES_MAX);
    let members = world.sender.membership();
    assert!(
        members
            .members()
            .iter()
            .all(|member| members.is_clone(member))
    );
}

/// A9, S6, S8.
#[test]
fn counts_above_what_was_sent_are_refused_and_honest_ones_go_on_counting() {
    let mut world = half_sent(8 * MIB, &[0.01; 2]);
    for (seed, lie) in (1..).zip([(1 << 63, 1 << 63), (u64::MAX, u64::MAX), (0, 1 << 40)]) {
        let mut liar = Device::new(seed);
        liar.join(&mut world);
        let refused = world.sender.feedback().refused;
        let status = liar.status(&world, &counts(lie.0, lie.1));
        liar.say(&mut world, &status);
        assert_eq!(world.sender.feedback().refused, refused + 1);
        assert_eq!(liar.member(&world).lost, 0);
        let done = liar.completion(&world, None);
        liar.say(&mut world, &done);
    }
    let mut device = Device::new(9);
    device.join(&mut world);
    let status = device.status(&world, &counts(90, 10));
    device.say(&mut world, &status);
    assert_eq!(device.member(&world).lost, 10);
    let done = device.completion(&world, None);
    device.say(&mut world, &done);
    world.run(Duration::from_secs(20));
    assert_eq!(world.sender.ending(), Ending::Finished);
}

/// A11, S14, S15.
#[test]
fn whoever_the_roster_does_not_name_weighs_nothing() {
    let mut world = World::with(4 * MIB, &[0.0; 2], 1, |config| {
        let key = |i: u8| SigningKey::from_seed([i + 20; 32]).public();
        config.roster = vec![("a".into(), key(0)), ("b".into(), key(1))];
    });
    let mut strangers: Vec<Device> = (100..140).map(Device::new).collect();
    for stranger in &mut strangers {
        stranger.join(&mut world);
    }
    while world.sender.data_started().is_none() {
        world.step();
    }
    assert_eq!(world.sender.membership().heard(), 2);
    // They hold no window and no end, and their losses steer nothing.
    let status = strangers[0].status(&world, &counts(0, 1_000));
    strangers[0].say(&mut world, &status);
    assert!(
        world.sender.lane_limit(world.now, 0) < u64::MAX,
        "two have a window"
    );
    world.run(Duration::from_secs(5));
    assert_eq!(world.sender.ending(), Ending::Finished);
    let members = world.sender.membership().members();
    let complete = members.iter().filter(|m| m.state == MemberState::Complete);
    assert_eq!(complete.count(), 2);
}

/// A12: FLUSH waited for an idle ledger.
#[test]
fn one_who_asks_for_ever_keeps_nobody_from_completing() {
    let mut world = World::new(2 * MIB, &[0.3; 2], 5);
    let mut greedy = Device::new(1);
    greedy.join(&mut world);
    let requests = everything(60);
    let end = world.now + Duration::from_secs(20);
    let done = |world: &World| world.nodes.iter().all(|node| node.finished);
    while !done(&world) {
        assert!(world.now < end, "the others do not complete");
        for _ in 0..20 {
            world.step();
        }
        let nack = greedy.nack(&world, &requests);
        greedy.say(&mut world, &nack);
    }
}

/// Whatever is not sealed by the one it names is nobody's.
#[test]
fn feedback_without_a_seal_or_with_anothers_is_refused() {
    let mut world = half_sent(4 * MIB, &[0.01]);
    let (mut one, mut other) = (Device::new(1), Device::new(2));
    one.join(&mut world);
    other.join(&mut world);
    let mut stolen = one.status(&world, &counts(10, 5));
    stolen[4..8].copy_from_slice(&other.node.to_be_bytes());
    let refused = world.sender.feedback().refused;
    other.say(&mut world, &stolen);
    let mut torn = one.nack(&world, &everything(60));
    let last = torn.len() - 1;
    torn[last] ^= 1;
    one.say(&mut world, &torn);
    assert_eq!(world.sender.feedback().refused, refused + 2);
    assert_eq!((one.member(&world).lost, other.member(&world).lost), (0, 0));
}

/// A registration that is replayed welcomes a life again and does nothing else.
#[test]
fn a_replayed_registration_takes_nothing_from_the_life_that_is_served() {
    let mut world = World::new(MIB, &[], 1);
    let mut old = Device::new(1);
    let replay = old.registration(&world);
    old.join(&mut world);
    let mut new = old.restarted();
    new.join(&mut world);
    let stranger: std::net::SocketAddr = STRANGER.parse().unwrap();
    for _ in 0..100 {
        world.now = world.now + Duration::from_millis(50);
        world.sender.handle_datagram(world.now, stranger, &replay);
    }
    assert_eq!(new.member(&world).address, Some(new.address));
    let status = new.status(&world, &Status::default());
    let refused = world.sender.feedback().refused;
    new.say(&mut world, &status);
    assert_eq!(
        world.sender.feedback().refused,
        refused,
        "it is still heard"
    );
}

/// N1, F6: a device that refuses said nothing.
#[test]
fn a_refusal_is_heard_with_its_cause_and_weighs_only_on_a_roster() {
    let mut world = World::new(MIB, &[], 1);
    let device = Device::new(1);
    let refusal = Refusal {
        profile: 2,
        cause: Cause::UNTRUSTED,
        session: world.shape.session,
        installation: device.life.installation,
        life: device.life.number,
        name: "line-7".into(),
        detail: "signed by somebody".into(),
    };
    let mut text = Vec::new();
    refusal.emit(&mut text);
    let payload = sign_text(&device.key, REFUSE_CONTEXT, &text);
    let mut message = Vec::new();
    Ack {
        sequence: 0,
        source_id: 5,
        server_id: SOURCE.0,
        instance_id: SOURCE.1,
        ack_type: ACK_REFUSE,
        ack_id: 0,
        grtt_response: Timestamp::default(),
        auth: None,
        cc: None,
        payload: &payload,
    }
    .emit(&mut message);
    device.say(&mut world, &message);
    assert_eq!(device.member(&world).state, MemberState::Refused(refusal));
    assert_eq!(
        world.sender.membership().heard(),
        0,
        "nobody waits for strangers"
    );
    let mut changed = message.clone();
    let last = changed.len() - 1;
    changed[last] ^= 1;
    let refused = world.sender.feedback().refused;
    device.say(&mut world, &changed);
    assert_eq!(world.sender.feedback().refused, refused + 1);
}

/// What a device refused before it registered, anybody could send again: it was given
/// up without a word.
#[test]
fn a_refusal_replayed_after_registration_is_no_farewell() {
    let mut world = half_sent(8 * MIB, &[0.0; 2]);
    let place = |world: &World| {
        let members = world.sender.membership().members();
        members
            .iter()
            .position(|m| m.address == Some(world.nodes[0].address))
    };
    let from = world.nodes[0].address;
    let offer = OfferKey {
        sender: SOURCE,
        from: SENDER,
    };
    let (now, mut said) = (world.now, Vec::new());
    let receiver = &mut world.nodes[0].receiver;
    receiver.refuse(now, offer, None, Cause::SIGNATURE, "spoilt on its way");
    while receiver.poll_transmit(now, &mut said).is_some() {
        world.sender.handle_datagram(now, from, &said);
    }
    let at = place(&world).unwrap();
    let state = |world: &World| world.sender.membership().members()[at].state.clone();
    assert_eq!(state(&world), MemberState::Receiving);
    let later = now + Duration::from_millis(200);
    let receiver = &mut world.nodes[0].receiver;
    receiver.quit(later, Cause::STOPPED, "by a person");
    assert!(receiver.session().is_none());
    while receiver.poll_transmit(later, &mut said).is_some() {
        world.sender.handle_datagram(later, from, &said);
    }
    assert!(matches!(state(&world), MemberState::Refused(_)));
}

#[test]
fn who_has_left_is_not_waited_for() {
    let mut world = half_sent(8 * MIB, &[0.0; 2]);
    let (now, mut said) = (world.now, Vec::new());
    let mut gone = world.nodes.pop().unwrap();
    gone.receiver.quit(now, Cause::STOPPED, "by a person");
    while gone.receiver.poll_transmit(now, &mut said).is_some() {
        world.sender.handle_datagram(now, gone.address, &said);
    }
    world.run(Duration::from_secs(60));
    let took = world.now.since(now);
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(world.nodes[0].over);
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

/// S4: a sender that talks and sends nothing was followed for ever.
#[test]
fn a_session_without_progress_is_left_for_another() {
    let mut world = World::with(MIB, &[0.0], 1, |config| {
        config.wait = Duration::from_secs(20)
    });
    let from = "10.0.0.7:7600".parse().unwrap();
    let mut offer = world.header(0, SESSION_TOI, 0, 0, 0);
    offer.source_id = 4_711;
    let node = &mut world.nodes[0];
    node.elsewhere = true;
    let verdict = node.receiver.handle_data(world.now, from, &offer, 900);
    let Verdict::Offer { key, .. } = verdict else {
        panic!("{verdict:?}");
    };
    assert!((node.receiver).follow(world.now, key, world.shape, false, std::iter::empty()));
    // It goes on probing; the true session is there, too.
    let end = world.now + Duration::from_secs(8);
    while !world.nodes[0].finished {
        assert!(world.now < end, "it is not left");
        for _ in 0..1_000 {
            world.step();
        }
        let mut probe = world.command(&CommandBody::Eot);
        probe[4..8].copy_from_slice(&4_711u32.to_be_bytes());
        let message = Message::parse(&probe).unwrap();
        world.nodes[0]
            .receiver
            .handle_message(world.now, from, &message);
    }
}

/// Somebody sent a session again from an address of its own, a symbol now and then,
/// and the device stayed with it.
#[test]
fn a_session_that_welcomes_nobody_is_left_for_another_and_not_followed_again_soon() {
    let mut world = World::with(MIB, &[0.0], 1, |config| {
        config.wait = Duration::from_secs(20)
    });
    let from = "10.0.0.7:7600".parse().unwrap();
    let offer = world.header(0, SESSION_TOI, 0, 0, 0);
    let node = &mut world.nodes[0];
    node.elsewhere = true;
    let verdict = node.receiver.handle_data(world.now, from, &offer, 900);
    let Verdict::Offer { key, .. } = verdict else {
        panic!("{verdict:?}");
    };
    assert!((node.receiver).follow(world.now, key, world.shape, false, std::iter::empty()));
    for packet in 0..11 {
        let symbol = world.header(packet, IMAGE_TOI, 0, packet, 0);
        let receiver = &mut world.nodes[0].receiver;
        let bytes = world.shape.image.symbol_len(0, packet);
        receiver.handle_data(world.now, from, &symbol, bytes);
        assert_eq!(receiver.session().unwrap().sender_address(), from);
        for _ in 0..50_000 {
            world.step();
        }
    }
    let receiver = &mut world.nodes[0].receiver;
    assert_ne!(receiver.session().unwrap().sender_address(), from);
    let again = receiver.handle_data(world.now + Duration::from_secs(2), from, &offer, 900);
    assert!(matches!(again, Verdict::Refused(_)), "{again:?}");
}

/// One forged symbol of a session object that nobody had verified yet gave a device
/// another session key: it got the image, and could never say so.
#[test]
fn a_session_object_that_was_forged_is_read_again_from_its_own_sender() {
    let mut world = World::with(MIB, &[0.0], 1, |config| {
        config.wait = Duration::from_secs(20)
    });
    let offer = world.header(0, SESSION_TOI, 0, 0, 0);
    let mut shape = world.shape;
    shape.session_key = *SigningKey::from_seed([77; 32]).public().as_bytes();
    let node = &mut world.nodes[0];
    let verdict = node.receiver.handle_data(world.now, SENDER, &offer, 900);
    let Verdict::Offer { key, .. } = verdict else {
        panic!("{verdict:?}");
    };
    assert!((node.receiver).follow(world.now, key, shape, false, std::iter::empty()));
    world.run(Duration::from_secs(30));
    world.assert_all_complete();
}

/// A device whose clock had jumped, or that was suspended, followed a replay and then
/// refused for half a minute to hear its own sender, which had brought nothing for so
/// long.
#[test]
fn a_session_that_could_not_be_heard_for_a_while_is_followed_again_at_once() {
    let mut world = half_sent(MIB, &[0.0, 0.0]);
    let from = "10.0.0.7:7600".parse().unwrap();
    let later = world.now + Duration::from_secs(9);
    let (offer, shape) = (world.header(0, SESSION_TOI, 0, 0, 0), world.shape);
    let receiver = &mut world.nodes[0].receiver;
    let verdict = receiver.handle_data(later, from, &offer, 900);
    let Verdict::Offer { key, .. } = verdict else {
        panic!("{verdict:?}");
    };
    assert!(receiver.follow(later, key, shape, false, std::iter::empty()));
    let silent = later + Duration::from_secs(1);
    let again = receiver.handle_data(silent, SENDER, &offer, 900);
    assert!(matches!(again, Verdict::Offer { .. }), "{again:?}");
}

/// Whoever offered the same image again took devices from a sender that waited for
/// more of them.
#[test]
fn a_sender_that_gathers_its_receivers_is_not_left_for_another() {
    let mut world = World::with(MIB, &[0.0], 1, |config| {
        (config.receivers, config.wait) = (Some(2), Duration::from_secs(12));
    });
    let from = "10.0.0.7:7600".parse().unwrap();
    let offer = world.header(0, SESSION_TOI, 0, 0, 0);
    while world.now < Time::ZERO + Duration::from_secs(13) {
        (0..10_000).for_each(|_| world.step());
        let receiver = &mut world.nodes[0].receiver;
        if receiver.session().is_some() {
            let verdict = receiver.handle_data(world.now, from, &offer, 900);
            assert!(matches!(verdict, Verdict::Refused(_)), "{:?}", world.now);
        }
    }
    world.run(Duration::from_secs(5));
    world.assert_all_complete();
}

/// A device that comes back to a session began to count at one again under the seal
/// that it had, and was not heard until it had caught up.
#[test]
fn a_device_that_comes_back_to_a_session_is_heard_at_once() {
    let mut world = half_sent(24 * MIB, &[0.0; 2]);
    let offer = world.header(0, SESSION_TOI, 0, 0, 0);
    let node = &mut world.nodes[0];
    let counted = |world: &World| world.sender.feedback().unheard;
    node.receiver.leave();
    let verdict = node.receiver.handle_data(world.now, SENDER, &offer, 900);
    let Verdict::Offer { key, .. } = verdict else {
        panic!("{verdict:?}");
    };
    assert!((node.receiver).follow(world.now, key, world.shape, false, std::iter::empty()));
    let before = counted(&world);
    world.run(Duration::from_secs(20));
    world.assert_all_complete();
    assert_eq!(counted(&world), before, "something it said was not heard");
}

/// S12.
#[test]
fn repair_goes_on_though_somebody_says_that_all_of_it_is_on_its_way() {
    let mut quiet = World::new(2 * MIB, &[0.05; 2], 7);
    let begun = quiet.now;
    quiet.run(Duration::from_secs(20));
    let usual = quiet.now.since(begun);
    let mut world = World::new(2 * MIB, &[0.05; 2], 7);
    let requests = everything(60);
    let forged = world.command(&CommandBody::RepairAdv {
        limit: false,
        requests: Requests::parse(&requests).unwrap(),
    });
    let begun = world.now;
    while world.sender.phase() != Phase::Done {
        assert!(world.now.since(begun) < usual * 3 + Duration::from_millis(500));
        for _ in 0..200 {
            world.step();
        }
        for node in &mut world.nodes {
            hand(world.now, world.shape, node, &Packet::Bytes(forged.clone()));
        }
    }
    world.assert_all_complete();
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
