//! Attackers beside a transfer. Needs root: run by `scripts/test`. The figures
//! are those of `scripts/hostile`; here is a short share of the same attacks.

use linecast_lab::{LabConfig, Loss};
use linecast_netns_tests::hostile::Origin::{Forged, Own};
use linecast_netns_tests::hostile::{Arena, Attack, Bounds, Origin, Settings};
use linecast_netns_tests::{Noise, Pushed, Site};
use serde_json::Value;
use std::net::Ipv4Addr;
use std::time::Duration;

const GROUP: (Ipv4Addr, u16) = (Ipv4Addr::new(239, 192, 76, 67), 7_600);

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn rubbish_is_counted_and_the_transfer_completes() {
    // The third machine does not receive: it sends the rubbish.
    for loss in [Loss::None, Loss::percent(5.0)] {
        let site = Site::up(LabConfig {
            receivers: 3,
            loss,
            ..LabConfig::default()
        });
        let image = site.image(16 << 20);
        let feedback = (site.lab().sender().address_v4, GROUP.1);
        let destinations = vec![GROUP.into(), feedback.into()];
        let noise = Noise::start(site.lab().receiver(2), GROUP, destinations);
        let receivers = vec![site.receive(0, &[]), site.receive(1, &[])];
        let sender = site.push(&image, &["--receivers", "2", "--rate", "100mbit"]);
        let pushed = Pushed::wait(sender, receivers);
        println!("{} datagrams of rubbish", noise.sent());
        drop(noise);
        pushed.assert_complete(&image);
        let refused = pushed.sender.number("/feedback/refused");
        assert!(refused > 0.0, "{:#?}", pushed.sender);
        for receiver in &pushed.receivers {
            let refused = receiver.report["refused"].as_object().unwrap();
            println!("{refused:?}");
            let total: u64 = refused.values().filter_map(Value::as_u64).sum();
            assert!(total > 0 && refused.len() > 1, "{receiver:#?}");
        }
    }
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn rubbish_before_a_session_changes_nothing() {
    let site = Site::with_receivers(2);
    let image = site.image(1 << 20);
    let receiver = site.receive(0, &[]);
    let noise = Noise::start(site.lab().receiver(1), GROUP, vec![GROUP.into()]);
    linecast_netns_tests::wait_until(
        "rubbish is sent",
        linecast_netns_tests::PROGRAM_LIMIT,
        || noise.sent() > 1_000,
    );
    assert_eq!(site.leavings(0), Vec::<String>::new());
    let sender = site.push(&image, &["--receivers", "1"]);
    Pushed::wait(sender, vec![receiver]).assert_complete(&image);
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn an_attacker_under_its_own_address_is_withstood() {
    assert_withstood(&[
        ("S2", Own),
        ("S6", Own),
        ("S12a", Own),
        ("A1", Own),
        ("A2", Own),
        ("A7", Own),
        ("R", Own),
    ]);
}

#[test]
#[ignore = "needs root and network namespaces: run by scripts/test"]
fn forged_symbols_are_outlasted() {
    assert_withstood(&[("S13a", Forged)]);
}

/// Runs attacks against a push of 24 MiB at 100 Mbit/s, which takes 2 s.
#[track_caller]
fn assert_withstood(attacks: &[(&str, Origin)]) {
    const RATE_BPS: f64 = 100e6;
    let arena = Arena::up(Settings {
        receivers: 2,
        size_bytes: 24 << 20,
        rate: "100mbit".into(),
        per_second: 10_000,
        late: false,
        limit: Duration::from_secs(30),
    });
    let mut failures = Vec::new();
    for &(name, origin) in attacks {
        let attack = Attack::find(name).unwrap_or_else(|| panic!("no attack {name}"));
        assert!(attack.origins.contains(&origin), "{name} {origin:?}");
        // A machine that is busy with other things may halve the rate.
        let usual = Bounds::of(attack.per_symbol);
        let bounds = Bounds {
            goodput: usual.goodput.and(Some(0.4)),
            expansion: Some(3.0),
            ..usual
        };
        let trial = arena.run(attack.scene, Some((&attack, origin)));
        println!(
            "{name} {origin:?}: {:.1} s, {:.0} packets/s, expansion {:?}",
            trial.total_s, trial.launched.per_second, trial.expansion
        );
        assert!(trial.launched.packets > 1_000, "{name}: {trial:#?}");
        let broken = trial.broken(&bounds, RATE_BPS);
        if !broken.is_empty() {
            let complaints = &trial.complaints;
            failures.push(format!("{name} {origin:?}: {broken:?}: {complaints:?}"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
