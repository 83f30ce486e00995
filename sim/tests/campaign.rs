//! Random scenarios: new ones in every run.

use linecast_sim::{Report, random_scenario, run, run_seeds};
use std::time::{SystemTime, UNIX_EPOCH};

const FRESH: u64 = 300;

fn complaint(report: &Report) -> String {
    format!(
        "linecast sim --random --seed {}\n  {}",
        report.seed,
        report.violation_list.join("\n  ")
    )
}

fn failures(seeds: std::ops::Range<u64>) -> Vec<String> {
    let mut failed = Vec::new();
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    run_seeds(seeds, jobs, random_scenario, &mut |report| {
        if report.violations > 0 {
            failed.push(complaint(&report));
        }
    })
    .unwrap();
    failed
}

#[test]
fn fresh_seeds_break_no_rule() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let first = now.as_millis() as u64;
    let failed = failures(first..first + FRESH);
    assert!(failed.is_empty(), "replay:\n{}", failed.join("\n"));
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in 0..20 {
        let first = run(&random_scenario(seed)).unwrap();
        let second = run(&random_scenario(seed)).unwrap();
        assert_eq!(first, second, "seed {seed}");
    }
    let traces: std::collections::BTreeSet<_> = (0..20)
        .map(|seed| run(&random_scenario(seed)).unwrap().trace_hash)
        .collect();
    assert_eq!(traces.len(), 20);
}
