//! `linecast-bench`: the command line.

use clap::{Parser, Subcommand};
use linecast_bench::record::Records;
use linecast_bench::{BenchError, push, sink, transmit};
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
    /// The floor's receiver, in its namespace
    #[command(hide = true)]
    Sink(sink::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("linecast-bench: {error}");
            ExitCode::from(match error {
                BenchError::Lab(_) | BenchError::Net(_) => 5,
                _ => 1,
            })
        }
    }
}

fn run(cli: &Cli) -> Result<(), BenchError> {
    if let Bench::Sink(args) = &cli.command {
        return sink::run(args);
    }
    linecast_lab::enter_unprivileged_if_needed()?;
    linecast_lab::cleanup_on_signals()?;
    let mut records = Records::open(cli.json.as_deref())?;
    match &cli.command {
        Bench::Transmit(args) => transmit::run(args, &mut records),
        Bench::Push(args) => push::run(args, &mut records),
        Bench::Sink(_) => Ok(()),
    }
}
