//! Many runs at the same time.

use crate::report::Report;
use crate::scenario::{Scenario, ScenarioError};
use crate::world::run;
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::thread;

/// Runs the scenarios of `seeds`, `jobs` at a time, and hands over each report
/// as soon as it is there.
///
/// # Errors
/// A scenario that cannot be run.
pub fn run_seeds(
    seeds: Range<u64>,
    jobs: usize,
    scenario: impl Fn(u64) -> Scenario + Sync,
    seen: &mut dyn FnMut(Report),
) -> Result<(), ScenarioError> {
    run_many(seeds, jobs, scenario, &mut |_, report| seen(report))
}

/// As [`run_seeds`], for runs that more than a seed tells apart: each report
/// comes with the number that its scenario was made from.
///
/// # Errors
/// A scenario that cannot be run.
pub fn run_many(
    numbers: Range<u64>,
    jobs: usize,
    scenario: impl Fn(u64) -> Scenario + Sync,
    seen: &mut dyn FnMut(u64, Report),
) -> Result<(), ScenarioError> {
    let next = AtomicU64::new(numbers.start);
    let (sender, reports) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs.max(1) {
            let (sender, next, scenario) = (sender.clone(), &next, &scenario);
            let end = numbers.end;
            scope.spawn(move || {
                loop {
                    let number = next.fetch_add(1, Relaxed);
                    // Nobody listens any more once a scenario was refused.
                    if number >= end || sender.send((number, run(&scenario(number)))).is_err() {
                        break;
                    }
                }
            });
        }
        std::mem::drop(sender);
        for (number, report) in reports {
            seen(number, report?);
        }
        Ok(())
    })
}
