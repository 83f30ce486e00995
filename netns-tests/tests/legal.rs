//! Odd but legal: every one of these pushes succeeds. Needs root: run by
//! `scripts/test`.

use linecast_lab::LabConfig;
use linecast_netns_tests::{Outcome, Push, Pushed, Site, deny_uring};

const BLOCK_BYTES: usize = 512 * 1_408;

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn every_size_arrives() {
    let site = Site::with_receivers(2);
    for size in [
        0,
        1,
        1_407,
        1_408,
        1_409,
        65_535,
        65_536,
        65_537,
        BLOCK_BYTES - 1,
        BLOCK_BYTES,
        BLOCK_BYTES + 1,
        5 * BLOCK_BYTES + 1,
    ] {
        let image = site.image(size);
        let pushed = Push::of(&site, &image).run();
        pushed.assert_complete(&image);
        assert!(pushed.expansion() <= 1.001, "{size}: {:#?}", pushed.sender);
        if size == 0 {
            assert_eq!(pushed.expansion(), 1.0);
            assert_eq!(pushed.sender.number("/sent/source_symbols"), 0.0);
            assert_eq!(pushed.receivers[0].number("/received_packets"), 0.0);
        }
        site.clear_targets();
    }
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn blocks_of_one_symbol_arrive() {
    let site = Site::with_receivers(2);
    let image = site.image(200_001);
    for loss in [0.0, 5.0] {
        for receiver in 0..2 {
            let loss = linecast_lab::Loss::percent(loss);
            site.lab().set_loss(receiver, loss).unwrap();
        }
        let pushed = Push::of(&site, &image)
            .push_args(&["--block-symbols", "1"])
            .run();
        pushed.assert_complete(&image);
        assert_eq!(pushed.sender.number("/session/block_symbols"), 1.0);
        site.clear_targets();
    }
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn every_mtu_and_family_arrives() {
    for (mtu, symbol_bytes) in [(1_280, 1_152.0), (1_500, 1_408.0), (9_000, 8_896.0)] {
        let site = Site::up(LabConfig {
            receivers: 2,
            mtu,
            ..LabConfig::default()
        });
        let image = site.image(3_000_001);
        for family in [&[][..], &["--ipv6"]] {
            let pushed = Push::of(&site, &image).args(family).run();
            pushed.assert_complete(&image);
            assert_eq!(pushed.sender.number("/session/symbol_bytes"), symbol_bytes);
            let colons = pushed.sender.text("/session/group").matches(':').count();
            assert_eq!(colons > 1, !family.is_empty());
            site.clear_targets();
        }
    }
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn a_source_specific_group_arrives() {
    let site = Site::with_receivers(2);
    let image = site.image(3_000_001);
    let sender = site.lab().sender();
    for (group, source) in [
        ("232.7.7.7", sender.address_v4.to_string()),
        ("ff38::7:7", sender.address_v6.to_string()),
    ] {
        let pushed = Push::of(&site, &image)
            .args(&["--group", group, "--interface", "v0"])
            .receive_args(&["--source", &source])
            .run();
        pushed.assert_complete(&image);
        site.clear_targets();
    }
    // Nobody hears this sender who asked for another.
    let stranger = site.lab().receiver(1).address_v4.to_string();
    let deaf = site.receive(
        0,
        &[
            "--group",
            "232.7.7.7",
            "--source",
            &stranger,
            "--wait",
            "2s",
        ],
    );
    let push = site.push(&image, &["--group", "232.7.7.7", "--wait", "1s"]);
    push.finish(linecast_netns_tests::PROGRAM_LIMIT)
        .assert_code(3);
    deaf.finish(linecast_netns_tests::PROGRAM_LIMIT)
        .assert_code(3);
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn two_groups_do_not_disturb_each_other() {
    let site = Site::with_receivers(2);
    let groups = ["239.192.1.1", "239.192.1.2"];
    let images = [site.image(8_000_001), site.image(9_000_001)];
    // Feedback of both comes to one machine, so it needs two ports there.
    let ports = ["7600", "7602"];
    let receivers: Vec<_> = (0..2)
        .map(|i| site.receive(i, &["--group", groups[i], "--port", ports[i]]))
        .collect();
    let senders: Vec<_> = (0..2)
        .map(|i| {
            let group = ["--group", groups[i], "--port", ports[i]];
            let rate = ["--receivers", "1", "--rate", "200mbit"];
            site.push(&images[i], &[group, rate].concat())
        })
        .collect();
    for ((sender, receiver), image) in senders.into_iter().zip(receivers).zip(&images) {
        let pushed = Pushed::wait(sender, vec![receiver]);
        pushed.assert_complete(image);
        assert_eq!(pushed.receivers[0].number("/other_sessions"), 0.0);
    }
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn every_transmit_path_arrives() {
    let site = Site::with_receivers(2);
    let image = site.image(8_000_001);
    for io in ["uring", "mmsg", "plain"] {
        let pushed = Push::of(&site, &image).push_args(&["--io", io]).run();
        pushed.assert_complete(&image);
        let used = pushed.sender.text("/session/io");
        assert!(used.contains(io), "{used} instead of {io}");
        assert!(pushed.sender.report["session"]["io_fallback"].is_null());
        site.clear_targets();
    }
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn without_uring_another_path_is_taken_and_named() {
    let site = Site::with_receivers(1);
    let image = site.image(8_000_001);
    let receiver = site.receive(0, &[]);
    let arguments = ["push", image.argument(), "--json", "--receivers", "1"];
    let sender = site.start_prepared(site.lab().sender(), &arguments, deny_uring);
    let pushed = Pushed::wait(sender, vec![receiver]);
    pushed.assert_complete(&image);
    let Outcome { report, .. } = &pushed.sender;
    assert!(
        pushed.sender.text("/session/io").contains("mmsg"),
        "{report:#}"
    );
    let why = pushed.sender.text("/session/io_fallback");
    assert!(why.contains("io_uring") || why.contains("uring"), "{why}");
}
