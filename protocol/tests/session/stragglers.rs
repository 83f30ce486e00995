//! Receivers that do not sustain the floor: waited for, given up, or served by
//! unicast after the others.

use super::MIB;
use super::world::*;
use linecast_protocol::sender::{Member, MemberState, OnSlow, Phase, RateControl, SenderConfig};
use linecast_protocol::time::Duration;

/// Two receivers on good links and one on 2 Mbit/s, where the floor is 20.
fn with_one_slow(size: u64, decide: fn(&mut SenderConfig)) -> World {
    let mut world = World::with(size, &[0.0; 3], 11, decide);
    world.paced = true;
    world.nodes[2].link = Some(SlowLink {
        carries_bps: 2e6,
        queued: 0.0,
        at: world.now,
    });
    world
}

fn auto(config: &mut SenderConfig) {
    config.rate = RateControl::auto(20_000_000, Some(1_000_000_000), 1_000_000_000);
}

fn slow_member(world: &World) -> &Member {
    let members = world.sender.roster().members();
    members.iter().find(|m| m.name == "line-2").unwrap()
}

/// Runs until the slow one is given up; gives what it sustained.
fn run_until_given_up(world: &mut World) -> u64 {
    let end = world.now + Duration::from_secs(5);
    loop {
        let mut members = world.sender.roster().members().iter();
        let slow = members.find_map(|member| match member.state {
            MemberState::Slow { sustained_bps } => Some((&member.name, sustained_bps)),
            _ => None,
        });
        if let Some((name, sustained_bps)) = slow {
            assert_eq!(name, "line-2");
            return sustained_bps;
        }
        assert!(world.now < end, "not found: {:?}", world.sender.roster());
        world.step();
    }
}

#[test]
fn a_straggler_is_given_up_and_the_others_complete_at_their_own_pace() {
    let mut world = with_one_slow(8 * MIB, |config| {
        auto(config);
        config.on_slow = OnSlow::Drop;
    });
    let began = world.now;
    let sustained_bps = run_until_given_up(&mut world);
    assert!(
        (1_500_000..2_500_000).contains(&sustained_bps),
        "{sustained_bps}"
    );
    assert!(world.now.since(began) > Duration::from_secs(2));
    assert_eq!(world.sender.control().rate_bps, 1_000_000_000);
    let found = world.now;
    world.run(Duration::from_secs(5));
    let rest = world.now.since(found);
    assert!(rest < Duration::from_millis(900), "the rest took {rest:?}");
    for member in world.sender.roster().members() {
        assert_eq!(
            member.state == MemberState::Complete,
            member.name != "line-2"
        );
    }
    assert!(
        world.nodes[2].over,
        "it hears the end behind its full queue"
    );
}

#[test]
fn a_receiver_that_was_given_up_cannot_come_back() {
    let mut world = with_one_slow(48 * MIB, |config| {
        auto(config);
        config.on_slow = OnSlow::Drop;
    });
    run_until_given_up(&mut world);
    let given_up = slow_member(&world).state.clone();
    let acks = world.sender.feedback().acks_heard;
    // Started again, on another port and a good link, it registers under the
    // same key.
    world.nodes[2].link = None;
    let fresh = node(2, 0.0, 11);
    world.nodes[2].receiver = fresh.receiver;
    world.nodes[2].address = "10.0.0.4:7700".parse().unwrap();
    while slow_member(&world).address != Some(world.nodes[2].address) {
        assert!(world.sender.phase() < Phase::Ending, "it was not heard");
        world.step();
    }
    assert!(world.sender.feedback().acks_heard > acks);
    world.run(Duration::from_secs(5));
    assert_eq!(slow_member(&world).state, given_up);
}

#[test]
fn a_straggler_is_waited_for_unless_told_otherwise() {
    let mut world = with_one_slow(MIB, auto);
    world.run(Duration::from_secs(60));
    world.assert_all_complete();
    assert!(slow_member(&world).sustained_bps.is_some());
}

fn by_unicast(config: &mut SenderConfig) {
    auto(config);
    config.on_slow = OnSlow::Unicast;
}

fn member<'a>(world: &'a World, name: &str) -> &'a Member {
    let mut members = world.sender.roster().members().iter();
    members.find(|member| member.name == name).unwrap()
}

/// How many wait for their turn.
fn asides(world: &World) -> usize {
    let members = world.sender.roster().members().iter();
    members.filter(|m| m.state == MemberState::Aside).count()
}

/// Runs until `test` holds.
fn run_until(world: &mut World, longest: Duration, test: fn(&World) -> bool) {
    let end = world.now + longest;
    while !test(world) {
        assert!(world.now < end, "not so: {:?}", world.sender.roster());
        assert!(world.sender.phase() < Phase::Ending, "it has ended");
        world.step();
    }
}

#[test]
fn a_straggler_is_set_aside_and_served_by_unicast_after_the_others() {
    let mut world = with_one_slow(8 * MIB, by_unicast);
    let aside = |world: &World| asides(world) == 1;
    run_until(&mut world, Duration::from_secs(5), aside);
    assert_eq!(world.sender.control().rate_bps, 1_000_000_000);
    let found = world.now;
    let turn = |world: &World| world.sender.control().target.is_some();
    run_until(&mut world, Duration::from_secs(5), turn);
    let rest = world.now.since(found);
    assert!(rest < Duration::from_millis(900), "the rest took {rest:?}");
    for name in ["line-0", "line-1"] {
        assert_eq!(member(&world, name).state, MemberState::Complete);
    }
    assert_eq!(world.unicast_packets, 0);
    let control = world.sender.control();
    assert_eq!(control.target, Some(world.nodes[2].address));
    // The floor is the others'.
    assert!(control.rate_bps < 4_000_000, "{}", control.rate_bps);
    let began = world.now;
    world.run(Duration::from_secs(120));
    world.assert_all_complete();
    assert!(member(&world, "line-2").unicast && !member(&world, "line-0").unicast);
    // 2 Mbit/s carry the image in 36 s.
    let took = world.now.since(began);
    assert!(took < Duration::from_secs(72), "{took:?}");
    let sent = world.unicast_packets as f64 / world.shape.image.symbols() as f64;
    assert!((0.5..1.5).contains(&sent), "{sent} times the image");
}

#[test]
fn what_was_sent_to_the_others_does_not_lower_the_rate_of_a_straggler() {
    let mut world = with_one_slow(8 * MIB, by_unicast);
    let aside = |world: &World| asides(world) == 1;
    let turn = |world: &World| world.sender.control().target.is_some();
    let carry = |world: &mut World, bps| world.nodes[2].link.as_mut().unwrap().carries_bps = bps;
    run_until(&mut world, Duration::from_secs(5), aside);
    // It hears nothing more of what the others get, nor its first packets.
    carry(&mut world, 0.0);
    run_until(&mut world, Duration::from_secs(5), turn);
    let start = world.sender.control().rate_bps;
    let (began, mut least) = (world.now, start);
    while world.now.since(began) < Duration::from_secs(5) {
        if world.now.since(began) > Duration::from_millis(300) {
            carry(&mut world, 2e6);
        }
        world.step();
        least = least.min(world.sender.control().rate_bps);
    }
    assert!(least > start / 3, "{least} of {start}");
}

/// Of four, the third and the fourth are on slow links.
fn with_two_slow(decide: fn(&mut SenderConfig)) -> World {
    let mut world = World::with(8 * MIB, &[0.0; 4], 13, decide);
    world.paced = true;
    for (node, carries_bps) in [(2, 2e6), (3, 4e6)] {
        world.nodes[node].link = Some(SlowLink {
            carries_bps,
            queued: 0.0,
            at: world.now,
        });
    }
    world
}

#[test]
fn those_set_aside_have_their_turns_one_after_the_other() {
    let mut world = with_two_slow(by_unicast);
    let turn = |world: &World| world.sender.control().target.is_some();
    run_until(&mut world, Duration::from_secs(20), turn);
    // As long as it is heard it waits for its turn, however long that takes.
    let first = world.sender.control().target;
    let waits = |world: &World| asides(world) == 1;
    assert!(waits(&world), "{:?}", world.sender.roster());
    let began = world.now;
    while world.sender.control().target == first {
        assert!(waits(&world), "{:?}", world.sender.roster());
        world.step();
    }
    assert!(
        world.now.since(began) > Duration::from_secs(10),
        "more than a stall"
    );
    world.run(Duration::from_secs(120));
    world.assert_all_complete();
    let unicast = |name| member(&world, name).unicast;
    assert!(unicast("line-2") && unicast("line-3") && !unicast("line-1"));
}

#[test]
fn whoever_falls_silent_before_or_in_its_turn_stalls_and_the_next_is_served() {
    for in_turn in [false, true] {
        let mut world = with_two_slow(by_unicast);
        let both = |world: &World| asides(world) == 2;
        let turn = |world: &World| world.sender.control().target == Some(world.nodes[2].address);
        run_until(
            &mut world,
            Duration::from_secs(20),
            if in_turn { turn } else { both },
        );
        world.nodes[2].alive = false;
        world.run(Duration::from_secs(120));
        assert_eq!(member(&world, "line-2").state, MemberState::Stalled);
        assert_eq!(member(&world, "line-2").unicast, in_turn);
        assert_eq!(member(&world, "line-3").state, MemberState::Complete);
        assert!(member(&world, "line-3").unicast);
    }
}

#[test]
fn whoever_cannot_be_sent_to_by_unicast_fails_and_the_next_is_served() {
    let mut world = with_two_slow(by_unicast);
    let turn = |world: &World| asides(world) == 1 && world.sender.control().target.is_some();
    run_until(&mut world, Duration::from_secs(20), turn);
    let first = world.sender.control().target;
    world.sender.handle_unreachable();
    world.sender.handle_unreachable();
    world.sender.handle_timeout(world.now);
    let next = world.sender.control().target;
    assert!(next.is_some() && next != first && asides(&world) == 0);
    let mut members = world.sender.roster().members().iter();
    let failed = members.find(|member| member.address == first).unwrap();
    assert!(matches!(&failed.state, MemberState::Failed(why) if why.contains("unicast")));
    world.run(Duration::from_secs(120));
    let mut members = world.sender.roster().members().iter();
    assert!(members.any(|m| m.address == next && m.state == MemberState::Complete));
}

#[test]
fn a_straggler_that_starts_again_is_served_at_its_new_address() {
    let mut world = with_one_slow(4 * MIB, by_unicast);
    let turn = |world: &World| world.sender.control().target.is_some();
    run_until(&mut world, Duration::from_secs(20), turn);
    world.nodes[2].receiver = node(2, 0.0, 11).receiver;
    world.nodes[2].address = "10.0.0.4:7700".parse().unwrap();
    let moved = |world: &World| world.sender.control().target == Some(world.nodes[2].address);
    run_until(&mut world, Duration::from_secs(5), moved);
    world.run(Duration::from_secs(120));
    world.assert_all_complete();
}

#[test]
fn whoever_comes_late_waits_for_a_turn_of_its_own() {
    let mut world = with_one_slow(4 * MIB, |config| {
        by_unicast(config);
        config.receivers = Some(3);
    });
    let fourth = node(3, 0.0, 11);
    let turn = |world: &World| world.sender.control().target.is_some();
    run_until(&mut world, Duration::from_secs(20), turn);
    world.nodes.push(fourth);
    let came = |world: &World| world.sender.roster().members().len() == 4;
    run_until(&mut world, Duration::from_secs(5), came);
    assert_eq!(member(&world, "line-3").state, MemberState::Aside);
    assert_eq!(world.sender.control().target, Some(world.nodes[2].address));
    world.run(Duration::from_secs(120));
    world.assert_all_complete();
    assert!(member(&world, "line-3").unicast);
}
