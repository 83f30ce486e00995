//! `--rate auto` on a real port. Needs root: run by `scripts/test`.

use linecast_lab::{LabConfig, RateCap};
use linecast_netns_tests::{Push, Site, TcpFlow};
use std::time::Instant;

const MIB: usize = 1 << 20;
/// The port arms a timer for each packet that it lets go, which takes a virtual
/// machine up to 25 us: at higher rates its processor is what is shared.
const RATE_BPS: u64 = 100_000_000;

/// A receiver behind the port of a cheap switch.
fn behind_a_port(rate_bps: u64) -> Site {
    Site::up(LabConfig {
        receivers: 1,
        receiver_rate: Some(RateCap {
            rate_bps,
            burst_bytes: 8 << 10,
            queue_bytes: 128 << 10,
        }),
        ..LabConfig::default()
    })
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn a_port_is_filled_and_hardly_overrun() {
    let site = behind_a_port(RATE_BPS);
    let image = site.image(32 * MIB);
    let pushed = Push::of(&site, &image).run();
    pushed.assert_complete(&image);
    // 1490 bytes at the port carry 1408 of the image.
    let most = RATE_BPS as f64 * 1408.0 / 1490.0;
    let goodput = pushed.sender.number("/receivers/0/goodput_bps");
    assert!(goodput >= 0.75 * most, "{goodput}: {:#?}", pushed.sender);
    assert!(pushed.expansion() <= 1.1, "{:#?}", pushed.sender);
}

/// In the middle of three runs: how long the flow takes to come back from a
/// timeout is chance, and a push is short.
#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn a_tcp_flow_and_a_push_leave_each_other_a_share() {
    let mut shares = [0; 3].map(|_| share_beside_tcp());
    shares.sort_by(f64::total_cmp);
    assert!((0.25..=0.75).contains(&shares[1]), "{shares:?}");
}

/// Part of the goodput that a push has where a TCP flow was there first.
fn share_beside_tcp() -> f64 {
    let site = behind_a_port(RATE_BPS);
    let image = site.image(40 * MIB);
    let lab = site.lab();
    let flow = TcpFlow::start(lab.sender(), lab.receiver(0));
    let (began, before) = (Instant::now(), flow.received());
    let pushed = Push::of(&site, &image).run();
    let seconds = began.elapsed().as_secs_f64();
    let tcp = (flow.received() - before) as f64 * 8.0 / seconds;
    pushed.assert_complete(&image);
    let ours = pushed.sender.number("/receivers/0/goodput_bps");
    println!("push {:.0} Mbit/s, TCP {:.0} Mbit/s", ours / 1e6, tcp / 1e6);
    ours / (ours + tcp)
}

/// B4: a batch that found the socket's buffer full goes on only inside of calls,
/// and a lane at the end of its window made none. Nobody has lost what has not
/// left.
#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn the_ring_is_no_slower_than_sendmmsg_where_the_sockets_buffer_is_full_and_repeats_nothing() {
    let site = Site::with_receivers(1);
    let sender = site.lab().sender();
    // More than the socket's buffer waits before it, and nothing is dropped.
    let slow = sender
        .command("tc")
        .args(["qdisc", "replace", "dev", sender.interface, "root", "tbf"])
        .args(["rate", "20mbit", "burst", "64kb", "limit", "16mb"])
        .status();
    assert!(slow.expect("tc runs").success());
    let image = site.image(6 * MIB);
    // The least of two runs in turn: others use this machine, too.
    let mut elapsed_ms = [f64::INFINITY; 2];
    for _ in 0..2 {
        for (io, elapsed_ms) in ["uring", "mmsg"].into_iter().zip(&mut elapsed_ms) {
            site.clear_targets();
            let args = ["--io", io, "--rate", "200mbit"];
            let pushed = Push::of(&site, &image).push_args(&args).run();
            pushed.assert_complete(&image);
            let repairs = pushed.sender.number("/sent/repair_symbols");
            assert_eq!(repairs, 0.0, "{io}: {:#?}", pushed.sender);
            *elapsed_ms = elapsed_ms.min(pushed.sender.number("/elapsed_ms/total"));
        }
    }
    assert!(elapsed_ms[0] <= 1.1 * elapsed_ms[1], "{elapsed_ms:?}");
}
