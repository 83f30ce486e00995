//! What a run says: a table, JSON lines, or the medians of many.

use linecast_sim::{Report, Scenario};

pub(super) fn json(report: &Report) {
    match serde_json::to_string(report) {
        Ok(json) => println!("{json}"),
        Err(error) => eprintln!("linecast: the report cannot be written: {error}"),
    }
}

pub(super) fn scenario(scenario: &Scenario) {
    println!(
        "{} receivers, {} bytes in symbols of {} and blocks of {}, {} lanes, rtt {:?}, {:?}{}",
        scenario.receivers,
        scenario.size_bytes,
        scenario.symbol_bytes,
        scenario.block_symbols,
        scenario.lanes,
        scenario.rtt,
        scenario.content,
        if scenario.trains { ", in trains" } else { "" },
    );
    println!("{:?}", scenario.push);
    println!("{:?}", scenario.network);
    let devices = scenario.devices.iter().map(|device| format!("{device:?}"));
    let faults = scenario.faults.iter().map(|fault| format!("{fault:?}"));
    devices.chain(faults).for_each(|line| println!("{line}"));
}

pub(super) fn table(report: &Report) {
    let percent = |part: f64| format!("{:.3} %", part * 100.0);
    let overhead = |factor: Option<f64>| factor.map_or("-".into(), |f| format!("{f:.3}"));
    let completion = &report.completion_ms;
    let rows = [
        (
            "completed",
            format!("{} of {}", report.completed, report.receivers),
        ),
        ("violations", report.violations.to_string()),
        ("expansion", format!("{:.4}", report.expansion)),
        (
            "bound",
            format!("{:.4} ({})", report.bound_expansion, report.bound),
        ),
        ("overhead factor", overhead(report.overhead_factor)),
        (
            "symbols sent",
            format!(
                "{} source, {} parity, {} repair",
                report.source_sent, report.parity_sent, report.repair_sent
            ),
        ),
        (
            "beside them",
            format!(
                "{} symbols by unicast, {} trains taken, {} members",
                report.unicast_sent, report.trains_taken, report.members
            ),
        ),
        (
            "NACKs",
            format!(
                "{} sent, {} suppressed, {} heard ({} of data bytes)",
                report.nacks_sent,
                report.nacks_suppressed,
                report.nacks_heard,
                percent(report.nack_bytes_per_data_byte)
            ),
        ),
        (
            "repair",
            format!(
                "{} orders, at most {} rounds for a block",
                report.repair_orders, report.repair_rounds
            ),
        ),
        (
            "complete after",
            format!(
                "{:.1} ms p50, {:.1} ms p99, {:.1} ms max (sending once: {:.1} ms)",
                completion.p50, completion.p99, completion.max, report.ideal_send_ms
            ),
        ),
        (
            "trace",
            format!("{} (seed {})", report.trace_hash, report.seed),
        ),
    ];
    for (name, value) in rows {
        println!("{name:<16} {value}");
    }
    for queue in &report.queues {
        println!(
            "queue            {}: {} of {}",
            queue.name, queue.depth, queue.bound
        );
    }
}

/// Median, 99th percentile and worst of the figures that vary with the seed.
pub(super) fn summary(reports: &[Report]) {
    type Figure = (&'static str, fn(&Report) -> f64);
    const FIGURES: [Figure; 8] = [
        ("expansion", |r| r.expansion),
        ("overhead factor", |r| r.overhead_factor.unwrap_or(1.0)),
        ("NACKs heard", |r| r.nacks_heard as f64),
        ("repair rounds", |r| r.repair_rounds.into()),
        ("repair symbols", |r| r.repair_sent as f64),
        ("p50 ms", |r| r.completion_ms.p50),
        ("max ms", |r| r.completion_ms.max),
        ("max RTTs beyond 1.1 x sending", |r| {
            (r.completion_ms.max - r.ideal_send_ms * 1.1) / r.rtt_ms
        }),
    ];
    println!("{:<30} {:>10} {:>10} {:>10}", "", "median", "p99", "max");
    for (name, figure) in FIGURES {
        let mut values: Vec<f64> = reports.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values[((values.len() as f64 * share).ceil() as usize).max(1) - 1];
        println!(
            "{name:<30} {:>10.4} {:>10.4} {:>10.4}",
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
    let lacking = reports.iter().filter(|r| r.completed < r.receivers).count();
    println!("{} runs, {lacking} incomplete", reports.len());
}
