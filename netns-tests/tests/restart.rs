//! Either side ends in the middle, and a later run goes on from there. Needs
//! root: run by `scripts/test`.

use linecast_netns_tests::{Image, Outcome, PROGRAM_LIMIT, Push, Pushed, Site};
use linecast_protocol::key::SigningKey;
use linecast_release::openssh;

const SIZE: usize = 64 << 20;
/// Slow enough to hit half way by watching counters: 1.4 s for the image.
const RATE: [&str; 2] = ["--rate", "400mbit"];
/// What the sender may be ahead of the slowest receiver of a small group.
const WINDOW_PACKETS: u64 = 3_072;

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn a_killed_receiver_resumes_within_the_session() {
    let site = Site::with_receivers(2);
    let image = site.image(SIZE);
    let before = site.sent_bytes();
    let (sender, mut receivers) = Push::of(&site, &image).push_args(&RATE).start();
    site.await_sent(before, image.size() / 2);
    receivers.remove(0).kill();
    receivers.insert(0, site.receive(0, &[]));
    let pushed = Pushed::wait(sender, receivers);
    pushed.assert_complete(&image);
    // What was under way when it died and while it was away is lost to it: at
    // most the window. Beyond that, 2 % of the image.
    let again = site.sent_symbols(before).saturating_sub(symbols(&image));
    let allowed = symbols(&image) / 50 + WINDOW_PACKETS;
    println!("{again} of {} symbols sent again", symbols(&image));
    assert!(again <= allowed, "{again} symbols: {:#?}", pushed.sender);
    assert!(
        pushed.receivers[0].number("/resumed_bytes") >= image.size() as f64 * 0.4,
        "{:#?}",
        pushed.receivers[0]
    );
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn a_killed_sender_is_followed_by_a_second() {
    let site = Site::with_receivers(2);
    let image = site.image(SIZE);
    let before = site.sent_bytes();
    let (sender, receivers) = Push::of(&site, &image).push_args(&RATE).start();
    site.await_sent(before, image.size() / 2);
    sender.kill();
    let between = site.sent_bytes();
    let sender = site.push(&image, &[&RATE[..], &["--receivers", "2"]].concat());
    let pushed = Pushed::wait(sender, receivers);
    pushed.assert_complete(&image);
    assert_sent_at_most(&site, between, &image, 0.55);
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn a_late_receiver_gets_all() {
    let site = Site::with_receivers(2);
    let image = site.image(SIZE);
    let before = site.sent_bytes();
    let early = site.receive(0, &[]);
    let sender = site.push(&image, &[&RATE[..], &["--receivers", "1"]].concat());
    site.await_sent(before, image.size() / 2);
    let late = site.receive(1, &[]);
    let pushed = Pushed::wait(sender, vec![early, late]);
    pushed.assert_complete(&image);
    assert!(pushed.expansion() <= 1.6, "{:#?}", pushed.sender);
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn an_interrupted_sender_ends_with_a_report_and_can_begin_again() {
    let site = Site::with_receivers(2);
    let image = site.image(SIZE);
    let before = site.sent_bytes();
    let (sender, receivers) = Push::of(&site, &image).push_args(&RATE).start();
    site.await_sent(before, image.size() / 2);
    sender.signal(libc::SIGINT);
    let interrupted = sender.finish(PROGRAM_LIMIT);
    interrupted.assert_code(130);
    assert_reason(&interrupted, "interrupted");
    let between = site.sent_bytes();
    let sender = site.push(&image, &[&RATE[..], &["--receivers", "2"]].concat());
    let pushed = Pushed::wait(sender, receivers);
    pushed.assert_complete(&image);
    assert_sent_at_most(&site, between, &image, 0.55);
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn an_interrupted_receiver_ends_with_a_report_and_can_begin_again() {
    let site = Site::with_receivers(2);
    let image = site.image(SIZE);
    let before = site.sent_bytes();
    let stall = ["--stall-timeout", "3s"];
    let push = Push::of(&site, &image).push_args(&RATE).push_args(&stall);
    let (sender, mut receivers) = push.start();
    site.await_sent(before, image.size() / 2);
    let stopped = receivers.remove(0);
    stopped.signal(libc::SIGINT);
    let interrupted = stopped.finish(PROGRAM_LIMIT);
    interrupted
        .assert_code(130)
        .assert_says("kept for a resume");
    assert_reason(&interrupted, "interrupted");
    // The other completes, and the sender says that one did not.
    let first = Pushed::wait(sender, receivers);
    first.sender.assert_code(2);
    first.receivers[0].assert_has(&image);
    let between = site.sent_bytes();
    let again = site.receive(0, &[]);
    let sender = site.push(&image, &[&RATE[..], &["--receivers", "1"]].concat());
    let pushed = Pushed::wait(sender, vec![again]);
    pushed.assert_complete(&image);
    assert!(pushed.receivers[0].number("/resumed_bytes") >= image.size() as f64 * 0.4);
    assert_sent_at_most(&site, between, &image, 0.60);
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn an_interrupt_while_waiting_ends_both_sides() {
    let site = Site::with_receivers(1);
    let image = site.image(SIZE);
    let before = site.sent_bytes();
    let receiver = site.receive(0, &["--group", "239.192.9.9"]);
    let sender = site.push(&image, &[]);
    site.await_sent(before, 10_000);
    for program in [sender, receiver] {
        program.signal(libc::SIGINT);
        let outcome = program.finish(PROGRAM_LIMIT);
        outcome.assert_code(130);
        assert_reason(&outcome, "interrupted");
    }
    assert_eq!(site.leavings(0), Vec::<String>::new());
}

fn symbols(image: &Image) -> u64 {
    image.size().div_ceil(1_408)
}

/// By the interface's counter, so that no process is asked.
#[track_caller]
fn assert_sent_at_most(site: &Site, since: u64, image: &Image, part: f64) {
    let sent = site.sent_symbols(since) as f64 / symbols(image) as f64;
    println!("the second run sent {sent:.3} of the image");
    assert!(sent <= part, "{sent:.3} of the image instead of {part}");
}

#[track_caller]
fn assert_reason(outcome: &Outcome, reason: &str) {
    assert!(outcome.text("/reason").starts_with(reason), "{outcome:#?}");
}

/// F19, S17: a device that has that image writes nothing, and says so.
#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn the_same_image_again_is_had_and_hardly_anything_is_sent() {
    let site = Site::with_receivers(2);
    let image = site.image(SIZE);
    let push = || Push::of(&site, &image).receive_args(&["--output", "fw.img"]);
    push().run().assert_complete(&image);
    let before = site.sent_bytes();
    let again = push().run();
    again.assert_complete(&image);
    let receivers = again.sender.report["receivers"].as_array().expect("a list");
    assert!(
        receivers.iter().all(|receiver| receiver["had"] == true),
        "{:#?}",
        again.sender
    );
    assert_sent_at_most(&site, before, &image, 0.10);
    // Bytes that are no longer those of the image are no reason to have it.
    let path = site.target(0).join("fw.img");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    push().run().assert_complete(&image);
}

/// The way of the sender that is trusted: others are not followed.
#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn a_session_is_followed_only_if_a_trusted_sender_signed_it() {
    let site = Site::with_receivers(1);
    let image = site.image(1 << 20);
    let key = SigningKey::from_seed([6; 32]);
    let (private, public) = (site.path().join("command"), site.path().join("senders"));
    std::fs::write(&private, openssh::write_private(&key, "command").as_bytes()).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&private, mode).unwrap();
    std::fs::write(&public, openssh::write_public(&key.public(), "command")).unwrap();
    let trust = ["--sender-trust", public.to_str().unwrap(), "--wait", "3s"];
    let receiver = site.receive(0, &trust);
    let refused = site.push(&image, &["--wait", "2s"]).finish(PROGRAM_LIMIT);
    refused.assert_code(3);
    assert_eq!(refused.text("/receivers/0/state"), "refused");
    assert!(
        refused
            .text("/receivers/0/error")
            .starts_with("untrusted sender")
    );
    receiver.finish(PROGRAM_LIMIT).assert_code(4);
    let receiver = site.receive(0, &trust);
    let sender = site.push(&image, &["--sender-key", private.to_str().unwrap()]);
    Pushed::wait(sender, vec![receiver]).assert_complete(&image);
}
