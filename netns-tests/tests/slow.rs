//! Receivers that cannot keep up. Needs root: run by `scripts/test`.

use linecast_lab::RateCap;
use linecast_netns_tests::{Push, Site};

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
    assert_eq!(sender.text("/reason"), "2 of 3 receivers have the image");
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
