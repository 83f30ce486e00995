//! What loss costs, in protocol figures. Needs root: run by `scripts/test`.

use linecast_lab::{LabConfig, Loss};
use linecast_netns_tests::{Image, Program, Push, Pushed, Site};
use std::thread;
use std::time::{Duration, Instant};

const MIB: usize = 1 << 20;

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn nothing_is_repaired_where_nothing_is_lost() {
    let site = Site::with_receivers(4);
    let image = site.image(64 * MIB);
    let pushed = Push::of(&site, &image).run();
    pushed.assert_complete(&image);
    let sender = &pushed.sender;
    assert_eq!(sender.number("/feedback/nacks_heard"), 0.0, "{sender:#?}");
    assert_eq!(sender.number("/sent/repair_symbols"), 0.0, "{sender:#?}");
    assert!(pushed.expansion() <= 1.001, "{sender:#?}");
    for receiver in &pushed.receivers {
        assert_eq!(receiver.number("/nacks_sent"), 0.0, "{receiver:#?}");
        assert_eq!(receiver.number("/lost_symbols"), 0.0, "{receiver:#?}");
    }
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn the_cpu_that_each_receiver_used_is_told() {
    let site = Site::with_receivers(2);
    let image = site.image(64 * MIB);
    let receivers = (0..2).map(|at| site.receive(at, &[])).collect();
    let sender = site.push(&image, &["--receivers", "2", "--rate", "500mbit"]);
    let pushed = Pushed::wait(sender, receivers);
    pushed.assert_complete(&image);
    for (at, receiver) in pushed.receivers.iter().enumerate() {
        let told = pushed.sender.number(&format!("/receivers/{at}/busy_ms"));
        let used = receiver.number("/cpu_s") * 1e3;
        assert!(told > 0.0, "{:#?}", pushed.sender);
        println!("{told} of {used:.0} ms");
    }
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn five_per_cent_cost_at_most_twelve() {
    assert_expansion(5.0, 0.0, 1.12);
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn twenty_per_cent_cost_at_most_thirty_five() {
    assert_expansion(20.0, 0.0, 1.35);
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn thirty_per_cent_cost_at_most_fifty_eight() {
    assert_expansion(30.0, 0.0, 1.58);
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn lost_feedback_costs_no_more() {
    assert_expansion(20.0, 20.0, 1.35);
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn sixteen_receivers_with_loss_complete() {
    let site = lossy(16, 1.0, 0.0);
    let image = site.image(16 * MIB);
    let pushed = Push::of(&site, &image).run();
    pushed.assert_complete(&image);
    assert!(pushed.expansion() <= 1.3, "{:#?}", pushed.sender);
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn each_codec_carries_an_image_through_loss() {
    let site = lossy(2, 5.0, 0.0);
    let image = site.image(8 * MIB);
    for (code, name, block_symbols) in [("gf8", "gf8", 180.0), ("gf16", "gf16-low", 512.0)] {
        site.clear_targets();
        let pushed = Push::of(&site, &image).push_args(&["--codec", code]).run();
        pushed.assert_complete(&image);
        let session = |key| pushed.sender.text(&format!("/session/{key}"));
        assert_eq!(session("codec"), name);
        let got = pushed.sender.number("/session/block_symbols");
        assert_eq!(got, block_symbols);
        let decoded = pushed.receivers[0].number("/blocks_decoded");
        assert!(decoded > 0.0, "{:#?}", pushed.receivers[0]);
    }
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn a_slow_receiver_does_not_make_the_group_collapse() {
    let site = Site::with_receivers(4);
    let image = site.image(64 * MIB);
    let (mut sender, receivers) = Push::of(&site, &image).start();
    stop_now_and_then(&receivers[3], &mut sender);
    let pushed = Pushed::wait(sender, receivers);
    pushed.assert_complete(&image);
    assert!(pushed.expansion() <= 1.3, "{:#?}", pushed.sender);
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn nobody_is_told_of_the_loss() {
    let site = Site::with_receivers(2);
    let image = site.image(4 * MIB);
    let mut seen = Vec::new();
    for percent in [0.0, 20.0] {
        for receiver in 0..2 {
            let loss = Loss::percent(percent);
            site.lab().set_loss(receiver, loss).unwrap();
        }
        let pushed = Push::of(&site, &image).run();
        pushed.assert_complete(&image);
        let receivers = pushed.receivers.into_iter().map(|r| r.arguments);
        seen.push((pushed.sender.arguments, receivers.collect::<Vec<_>>()));
        site.clear_targets();
    }
    assert!(seen[0].0.contains(&"push".to_owned()), "{seen:?}");
    assert_eq!(seen[0], seen[1]);
}

/// Pushes 64 MiB to four receivers through this loss.
#[track_caller]
fn assert_expansion(percent: f64, feedback_percent: f64, limit: f64) {
    let site = lossy(4, percent, feedback_percent);
    let image: Image = site.image(64 * MIB);
    let pushed = Push::of(&site, &image).run();
    pushed.assert_complete(&image);
    let sender = &pushed.sender;
    println!(
        "{percent} % loss, {feedback_percent} % of feedback: expansion {:.4}, total {:.0} ms",
        pushed.expansion(),
        sender.number("/elapsed_ms/total")
    );
    assert!(pushed.expansion() <= limit, "{sender:#?}");
    for receiver in 0..4 {
        let count = site.lab().loss_count(receiver).unwrap();
        let share = count.dropped as f64 / count.seen as f64 * 100.0;
        assert!((share - percent).abs() < 2.0, "{share} % were dropped");
    }
}

fn lossy(receivers: usize, percent: f64, feedback_percent: f64) -> Site {
    Site::up(LabConfig {
        receivers,
        loss: Loss::percent(percent),
        feedback_loss: Loss::percent(feedback_percent),
        ..LabConfig::default()
    })
}

/// Stops a receiver for a tenth of every second until the sender has ended.
fn stop_now_and_then(receiver: &Program, sender: &mut Program) {
    let deadline = Instant::now() + linecast_netns_tests::PROGRAM_LIMIT;
    while sender.runs() && Instant::now() < deadline {
        receiver.signal(libc::SIGSTOP);
        thread::sleep(Duration::from_millis(100));
        receiver.signal(libc::SIGCONT);
        let resumed = Instant::now();
        while sender.runs() && resumed.elapsed() < Duration::from_millis(900) {
            thread::sleep(Duration::from_millis(10));
        }
    }
}
