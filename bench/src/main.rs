//! `linecast-bench`: the command line.

use clap::{Parser, Subcommand};
use linecast_bench::record::Records;
use linecast_bench::{BenchError, compare, count, pace, plot, push, readme, sink, transmit};
use std::path::PathBuf;
use std::process::ExitCode;

/// Measures linecast against references in the same run
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    /// Also write each repeat as a line of JSON: a file to append to, or `-`
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(subcommand)]
    command: Bench,
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// The engine's lanes against bare loops, nobody listening
    Transmit(transmit::Args),
    /// Whole pushes: linecast, the floor of this machine, and other tools
    Push(push::Args),
    /// Pacing into a slow port with a small queue: its drops, and how exact it is
    Pace(pace::Args),
    /// Whether results are worse than earlier ones; exit code 8 if they are
    Compare(compare::Args),
    /// Draws results: bars of medians, with whiskers from the least to the most
    Plot(plot::Args),
    /// The README's table of pushes, from results
    Readme(readme::Args),
    /// The floor's receiver, in its namespace
    #[command(hide = true)]
    Sink(sink::Args),
    /// A fixed number of operations, to count their instructions
    #[command(hide = true)]
    Count(count::Args),
}

/// As in every command of linecast.
const REGRESSION: u8 = 8;

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(REGRESSION),
        Err(error) => {
            eprintln!("linecast-bench: {error}");
            ExitCode::from(match error {
                BenchError::Lab(_) | BenchError::Net(_) => 5,
                _ => 1,
            })
        }
    }
}

/// Whether nothing is worse.
fn run(cli: &Cli) -> Result<bool, BenchError> {
    match &cli.command {
        Bench::Sink(args) => return sink::run(args).map(|()| true),
        Bench::Count(args) => return count::run(args).map(|()| true),
        Bench::Compare(args) => return compare::run(args).map(|worse| !worse),
        Bench::Plot(args) => return plot::run(args).map(|()| true),
        Bench::Readme(args) => return readme::run(args).map(|()| true),
        _ => {}
    }
    linecast_lab::enter_unprivileged_if_needed()?;
    linecast_lab::cleanup_on_signals()?;
    let mut records = Records::open(cli.json.as_deref())?;
    match &cli.command {
        Bench::Transmit(args) => transmit::run(args, &mut records),
        Bench::Pace(args) => pace::run(args, &mut records),
        Bench::Push(args) => push::run(args, &mut records),
        _ => Ok(()),
    }
    .map(|()| true)
}
