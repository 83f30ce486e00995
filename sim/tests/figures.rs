//! The figures that the protocol is held to, on a scale that every test run can
//! afford. `scripts/sim-figures` measures all of them.

use linecast_protocol::time::Duration;
use linecast_sim::{Content, LossModel, Network, Report, Scenario, run};

fn scenario(receivers: u32, loss: LossModel) -> Scenario {
    Scenario {
        receivers,
        network: Network {
            loss,
            ..Network::default()
        },
        ..Scenario::default()
    }
}

fn independent(receivers: u32, p: f64) -> Scenario {
    scenario(receivers, LossModel::Independent { p })
}

/// The median of a figure over nine seeds in which every rule held.
fn median(scenario: &Scenario, figure: impl Fn(&Report) -> f64) -> f64 {
    let mut values: Vec<f64> = (1..=9)
        .map(|seed| {
            let report = run(&Scenario {
                seed,
                ..scenario.clone()
            });
            let report = report.unwrap();
            assert_eq!(report.violation_list, [""; 0], "seed {seed}");
            assert_eq!(report.completed, scenario.receivers);
            figure(&report)
        })
        .collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn overhead(report: &Report) -> f64 {
    report.overhead_factor.unwrap()
}

#[test]
fn independent_loss_costs_hardly_more_than_the_ideal() {
    for receivers in [1, 4, 50] {
        for p in [0.01, 0.05, 0.2] {
            let factor = median(&independent(receivers, p), overhead);
            assert!(factor <= 1.25, "{receivers} at {p}: {factor}");
        }
    }
}

#[test]
fn without_loss_every_symbol_is_sent_once() {
    let report = run(&independent(100, 0.0)).unwrap();
    assert_eq!((report.expansion, report.nacks_sent), (1.0, 0));
}

#[test]
fn a_thousand_receivers_send_few_nacks() {
    let report = run(&Scenario {
        size_bytes: 8 << 20,
        ..independent(1000, 0.01)
    })
    .unwrap();
    let a_block = report.nacks_heard as f64 / f64::from(report.blocks);
    assert!(report.nacks_heard > 0 && a_block <= 6.0, "{a_block}");
    assert!(report.nack_bytes_per_data_byte <= 0.005);
    assert!(overhead(&report) <= 1.25, "{}", overhead(&report));
}

#[test]
fn the_last_receiver_is_a_few_round_trips_behind_the_sender() {
    for rtt in [20, 200] {
        let scenario = Scenario {
            rtt: Duration::from_millis(rtt),
            ..independent(100, 0.02)
        };
        let behind = |report: &Report| {
            (report.completion_ms.max - report.ideal_send_ms * 1.1) / report.rtt_ms
        };
        let behind = median(&scenario, behind);
        assert!(behind <= 6.0, "{behind} RTT at {rtt} ms");
    }
}

#[test]
fn a_loss_that_begins_in_the_middle_and_bursts_cost_half_as_much_again_at_most() {
    let step = LossModel::Step {
        before: 0.0,
        after: 0.1,
        at_packet: 6_000,
    };
    let bursts = LossModel::GilbertElliott {
        p: 0.02,
        burst: 50.0,
    };
    for loss in [step, bursts] {
        let factor = median(&scenario(50, loss), overhead);
        assert!(factor <= 1.5, "{loss:?}: {factor}");
    }
}

#[test]
fn real_bytes_and_symbol_identities_lead_to_the_same_repairs() {
    let identities = Scenario {
        size_bytes: 1 << 20,
        block_symbols: 128,
        ..independent(5, 0.05)
    };
    let bytes = Scenario {
        content: Content::Bytes,
        ..identities.clone()
    };
    let (identities, bytes) = (run(&identities).unwrap(), run(&bytes).unwrap());
    assert_eq!(bytes.completed, 5);
    assert_eq!(bytes.violation_list, [""; 0]);
    // Only object 1 has another length.
    let sent = |report: &Report| report.parity_sent + report.repair_sent;
    let (a, b) = (sent(&identities) as f64, sent(&bytes) as f64);
    assert!((a / b - 1.0).abs() < 0.25, "{a} {b}");
}
