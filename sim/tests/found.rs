//! What the simulator found in the protocol, each as the smallest scenario that
//! showed it, with what was wrong.

use linecast_protocol::time::Duration;
use linecast_sim::{
    Content, Direction, Drop, Fault, LossModel, Network, Outage, Push, Rate, Report, Scenario,
    Scope, run,
};

fn checked(scenario: &Scenario) -> Report {
    let report = run(scenario).unwrap();
    assert_eq!(report.violation_list, [""; 0], "{scenario:?}");
    report
}

fn lossy(receivers: u32, p: f64) -> Scenario {
    Scenario {
        receivers,
        size_bytes: 1 << 20,
        network: Network {
            loss: LossModel::Independent { p },
            ..Network::default()
        },
        ..Scenario::default()
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// CMD(EOT) ended a session for whoever heard it, and anybody can send one.
#[test]
fn forged_packets_end_nobodys_session() {
    for seed in 0..20 {
        let at = ms(30 + seed * 2);
        let report = checked(&Scenario {
            seed,
            faults: vec![Fault::Forge { at, count: 100 }],
            ..lossy(6, 0.01)
        });
        assert_eq!(report.completed, 6);
    }
}

/// One forged symbol of object 1 made a receiver refuse the session for ever.
#[test]
fn a_forged_offer_delays_a_receiver_and_does_not_keep_it_out() {
    for seed in 0..20 {
        let at = ms(1 + seed);
        let report = checked(&Scenario {
            seed,
            content: Content::Bytes,
            faults: vec![Fault::Forge { at, count: 100 }],
            ..lossy(3, 0.01)
        });
        assert_eq!(report.completed, 3);
    }
}

/// A failure was told once, and asked for again only at the end of the image,
/// which the window of the silent receiver kept from coming.
#[test]
fn a_failure_is_told_until_it_is_heard() {
    let mut failed = 0;
    for seed in 0..20 {
        let mut scenario = Scenario {
            seed,
            size_bytes: 8 << 20,
            faults: vec![Fault::DiskFull {
                receiver: 0,
                at: ms(100 + seed * 5),
            }],
            ..lossy(2, 0.0)
        };
        scenario.network.feedback_loss = 0.5;
        failed += 2 - checked(&scenario).completed;
    }
    assert!(failed > 0, "no disk was full in time");
}

/// The hold-off was shorter than the time between two packets of a lane, so
/// every packet of a repair was followed by another request.
#[test]
fn a_slow_rate_does_not_make_receivers_ask_again() {
    let report = checked(&Scenario {
        push: Push {
            rate: Rate::Fixed { bps: 10_000_000 },
            ..Push::default()
        },
        lanes: 4,
        rtt: Duration::from_micros(200),
        faults: vec![Fault::CrashReceiver {
            receiver: 0,
            at: ms(500),
            down: ms(600),
            disk_loss: 1.0,
        }],
        ..lossy(1, 0.0)
    });
    assert!(report.nacks_heard < 40, "{} NACKs", report.nacks_heard);
}

/// With a backoff factor of 0, which RFC 5740 recommends for unicast feedback,
/// a receiver wanted to be woken in the past.
#[test]
fn without_suppression_everybody_asks_at_once() {
    let mut scenario = lossy(100, 0.0);
    scenario.suppression = false;
    scenario.network.drops = vec![Drop {
        receiver: None,
        sbn: 0,
        esi: 17,
    }];
    assert_eq!(checked(&scenario).nacks_heard, 100);
    scenario.suppression = true;
    assert!(checked(&scenario).nacks_heard <= 25);
}

/// A request that parity under way had answered already left the sender without
/// a flush, and the session without an end.
#[test]
fn a_request_that_leads_to_no_order_does_not_stop_the_flushes() {
    for seed in 1..8 {
        let scenario = Scenario {
            seed,
            size_bytes: 4 << 20,
            ..lossy(100, 0.05)
        };
        assert_eq!(checked(&scenario).completed, 100);
    }
}

/// A path that carries nothing for five seconds: nobody gives up, and hardly
/// more than was lost is sent again.
#[test]
fn an_outage_of_seconds_costs_what_it_lost() {
    for receivers in [4, 40] {
        let mut scenario = lossy(receivers, 0.0);
        scenario.push.rate = Rate::Fixed { bps: 20_000_000 };
        scenario.size_bytes = 24 << 20;
        scenario.faults = vec![Fault::Outage(Outage {
            at: ms(3_000),
            length: ms(5_000),
            scope: Scope::All,
            direction: Direction::Both,
        })];
        let report = checked(&scenario);
        let least = report.trace_expansion - 1.0;
        let resent = report.expansion - 1.0;
        assert!(resent <= least * 1.1, "{resent} for {least}");
    }
}

/// The last 32 receivers of a large group were held to the window of a small
/// one, by positions that they had reported long ago: repairs stood still for
/// two seconds.
#[test]
fn the_end_of_a_large_group_is_not_held_by_old_positions() {
    for seed in 15..25 {
        let mut scenario = Scenario {
            seed,
            size_bytes: 16 << 20,
            ..lossy(100, 0.05)
        };
        scenario.network.feedback_loss = 0.2;
        let report = checked(&scenario);
        assert!(
            report.completion_ms.max < 1_000.0,
            "{:?}",
            report.completion_ms
        );
    }
}

/// The simulator's device wrote a symbol over the end of a verified leaf when the
/// leaf behind it was damaged; the receiver's does not.
#[test]
fn what_is_verified_is_never_written_again() {
    let mut scenario = Scenario {
        seed: 1,
        size_bytes: 1 << 20,
        content: Content::Bytes,
        ..lossy(20, 0.0)
    };
    scenario.network.flip = 0.05;
    assert_eq!(checked(&scenario).completed, 20);
}
