//! The `linecast` binary: one file a subcommand, no logic of its own.
mod completions;
mod exit;
mod files;
mod inspect;
mod keygen;
mod sign;
#[allow(dead_code, reason = "rates, sizes and shares are for the push command")]
mod units;
mod verify;

use clap::{Parser, Subcommand};
use exit::{Exit, Failure};
use std::process::ExitCode;

/// Push one image to every machine on a line by IP multicast, verified.
#[derive(Debug, Parser)]
#[command(name = "linecast", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Keygen(keygen::Args),
    Sign(sign::Args),
    Verify(verify::Args),
    Inspect(inspect::Args),
    Completions(completions::Args),
}

fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Keygen(args) => keygen::run(args),
        Command::Sign(args) => sign::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Completions(args) => completions::run::<Cli>(args),
    }
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version are answers, not errors; clap's own code for wrong
        // usage, 2, means "some receivers failed" here.
        Err(message) => {
            let exit = match message.use_stderr() {
                true => Exit::Usage,
                false => Exit::Success,
            };
            // A closed pipe leaves nobody to tell.
            let _ = message.print();
            return exit.into();
        }
    };
    match run(cli.command) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("linecast: {}", failure.message);
            failure.exit.into()
        }
    }
}

const EXIT_CODES: &str = "\
Exit codes:
  0    every expected receiver has it (and committed where asked)
  1    usage, unreadable or unwritable files, internal faults
  2    some receivers failed
  3    no receiver succeeded
  4    verification: hash, signature or manifest
  5    network path or another precondition
  6    deadline
  7    commit aborted
  8    performance regression
  130  interrupted";
