//! Receivers that cannot keep up. Needs root: run by `scripts/test`.

use linecast_lab::RateCap;
use linecast_netns_tests::{Push, Pushed, Site, wait_until};
use std::time::Duration;

const MIB: usize = 1 << 20;

/// A port of 2 Mbit/s with a queue of a fifth of a second.
const SLOW: RateCap = RateCap {
    rate_bps: 2_000_000,
    burst_bytes: 16 << 10,
    queue_bytes: 48 << 10,
};

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn a_receiver_behind_a_slow_port_is_given_up_and_named() {
    let site = Site::with_receivers(3);
    // Trains would be larger than the port's bucket.
    let slow = site.lab().receiver(2);
    site.lab().cut_trains(slow, true).unwrap();
    site.lab().set_rate(slow, Some(SLOW)).unwrap();
    let image = site.image(16 * MIB);
    let pushed = Push::of(&site, &image)
        .push_args(&["--rate-floor", "20mbit", "--on-slow", "drop"])
        .run();
    let sender = &pushed.sender;
    sender.assert_code(2);
    assert_eq!(sender.text("/outcome"), "partial");
    assert_eq!(
        sender.text("/reason"),
        "2 of 3 unverified receivers have the image"
    );
    for receiver in &pushed.receivers[..2] {
        receiver.assert_has(&image);
    }
    // Told that the session is over, it ends like one whose sender went away.
    pushed.receivers[2].assert_code(3);
    let receivers = sender.report["receivers"].as_array().expect("a list");
    let of_state = |state: &str| receivers.iter().filter(|r| r["state"] == state).count();
    assert_eq!(of_state("complete"), 2, "{sender:#?}");
    let given_up = receivers.iter().find(|r| r["state"] == "slow");
    let given_up = given_up.unwrap_or_else(|| panic!("nobody is slow: {sender:#?}"));
    let error = given_up["error"].as_str().expect("a reason");
    assert!(error.starts_with("slow: sustained "), "{error}");
    assert!(error.ends_with(", floor 20 Mbit/s"), "{error}");
    let sustained = given_up["sustained_bps"].as_u64().expect("a figure");
    assert!(sustained < 3_000_000, "{sustained} bit/s");
    println!(
        "{error}; total {:.0} ms",
        sender.number("/elapsed_ms/total")
    );
    assert!(sender.number("/elapsed_ms/total") < 15_000.0, "{sender:#?}");
}

/// A port of 8 Mbit/s with a queue of a twentieth of a second.
const NARROW: RateCap = RateCap {
    rate_bps: 8_000_000,
    burst_bytes: 16 << 10,
    queue_bytes: 48 << 10,
};

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn a_receiver_behind_a_slow_port_is_served_by_unicast_after_the_others() {
    let site = Site::with_receivers(3);
    let slow = site.lab().receiver(2);
    site.lab().cut_trains(slow, true).unwrap();
    site.lab().set_rate(slow, Some(NARROW)).unwrap();
    let image = site.image(8 * MIB);
    let (sender, receivers) = Push::of(&site, &image)
        .push_args(&["--rate-floor", "20mbit", "--on-slow", "unicast"])
        .start();
    let unicast = || site.sent_bytes().saturating_sub(group_bytes(&site));
    let limit = Duration::from_secs(20);
    wait_until("the turn of the slow one", limit, || unicast() > 256 << 10);
    let before = (group_bytes(&site), unicast());
    let pushed = Pushed::wait(sender, receivers);
    let after = (group_bytes(&site), unicast());
    pushed.assert_complete(&image);
    let sender = &pushed.sender;
    let (to_group, to_one) = (after.0 - before.0, after.1 - before.1);
    println!("{to_group} bytes to the group, {to_one} to one");
    assert!(to_one > 2 << 20, "{to_one} bytes by unicast");
    // Announcements and commands go to the group.
    assert!(to_group < to_one / 8, "{to_group} bytes to the group");
    let heard = sender.report["receivers"].as_array().expect("a list");
    let elapsed = |alone: bool| {
        let of_kind = heard.iter().filter(move |r| r["unicast"] == alone);
        of_kind.filter_map(|r| r["elapsed_ms"].as_f64()).collect()
    };
    let (together, alone): (Vec<f64>, Vec<f64>) = (elapsed(false), elapsed(true));
    println!("{together:.0?} ms together, {alone:.0?} ms alone");
    assert_eq!((together.len(), alone.len()), (2, 1), "{sender:#?}");
    let early = together.iter().all(|ms| ms * 1.5 < alone[0]);
    assert!(early, "{sender:#?}");
    assert!(sender.number("/elapsed_ms/total") < 25_000.0, "{sender:#?}");
}

/// IP bytes that the sender's machine has sent to groups (`OutMcastOctets`).
fn group_bytes(site: &Site) -> u64 {
    let table = site.lab().sender().enter(|| {
        let table = std::fs::read_to_string("/proc/thread-self/net/netstat");
        table.expect("counters can be read")
    });
    let table = table.expect("the sender's namespace can be entered");
    let mut lines = table.lines().filter_map(|line| line.strip_prefix("IpExt:"));
    let (names, values) = (lines.next(), lines.next());
    let names = names.into_iter().flat_map(str::split_whitespace);
    let mut counters = names.zip(values.into_iter().flat_map(str::split_whitespace));
    let found = counters.find(|(name, _)| *name == "OutMcastOctets");
    let (_, value) = found.expect("the kernel counts multicast");
    value.parse().expect("a number")
}
