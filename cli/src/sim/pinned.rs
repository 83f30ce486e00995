//! Scenarios that are written down: one is run, or printed to be kept.

use super::{Args, complain, output};
use crate::files;
use linecast_net::command::{Exit, Failure};
use linecast_sim::{Pinned, Scenario};
use std::path::Path;

/// Runs the scenario of a file.
pub(super) fn run(args: &Args, path: &Path) -> Result<Exit, Failure> {
    let text = files::read_text("scenario", path)?;
    let refused = |error: &dyn std::fmt::Display| {
        Failure::usage(format!("scenario {}: {error}", path.display()))
    };
    let pinned: Pinned = serde_json::from_str(&text).map_err(|error| refused(&error))?;
    let report = linecast_sim::run(&pinned.scenario).map_err(|error| refused(&error))?;
    if args.json {
        output::json(&report);
    } else {
        println!("{}", pinned.wrong);
        output::scenario(&pinned.scenario);
        output::table(&report);
    }
    if report.violations == 0 {
        return Ok(Exit::Success);
    }
    complain(&report, false);
    Ok(Exit::SomeFailed)
}

/// Prints a scenario as a file that [`run`] takes.
pub(super) fn print(scenario: Scenario) -> Result<Exit, Failure> {
    let wrong = format!("Seed {}.", scenario.seed);
    let pinned = Pinned { wrong, scenario };
    let text = serde_json::to_string_pretty(&pinned).map_err(Failure::usage)?;
    println!("{text}");
    Ok(Exit::Success)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_as_the_same() {
        let scenario = linecast_sim::random_scenario(34);
        let pinned = Pinned {
            wrong: "Nothing.".into(),
            scenario,
        };
        let text = serde_json::to_string_pretty(&pinned).unwrap();
        assert_eq!(serde_json::from_str::<Pinned>(&text).unwrap(), pinned);
    }
}
