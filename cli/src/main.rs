//! The `linecast` binary: one file a subcommand, no logic of its own.
mod completions;
mod demo;
mod exit;
mod files;
mod inspect;
mod keygen;
mod network;
mod progress;
mod push;
mod receive;
mod receiving;
mod sign;
mod table;
mod units;
mod verify;

use clap::{Parser, Subcommand};
use exit::{Exit, Failure};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Push one image to every machine on a line by IP multicast, verified.
#[derive(Debug, Parser)]
#[command(name = "linecast", version, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Push(push::Args),
    Receive(receive::Args),
    Keygen(keygen::Args),
    Sign(sign::Args),
    Verify(verify::Args),
    Inspect(inspect::Args),
    Demo(demo::Args),
    Completions(completions::Args),
}

fn run(command: Command, started: Instant) -> Result<Exit, Failure> {
    match command {
        Command::Push(args) => push::run(args, started, interrupted()?.as_ref()),
        Command::Receive(args) => receive::run(args, interrupted()?.as_ref()),
        Command::Keygen(args) => keygen::run(args),
        Command::Sign(args) => sign::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Completions(args) => completions::run::<Cli>(args),
    }
}

/// A flag that SIGINT and SIGTERM raise. The second signal ends the process at
/// once: the first asked it to end with a report.
fn interrupted() -> Result<Arc<AtomicBool>, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        let code = i32::from(Exit::Interrupted as u8);
        signal_hook::flag::register_conditional_shutdown(signal, code, flag.clone())
            .and_then(|_| signal_hook::flag::register(signal, flag.clone()))
            .map_err(|error| Failure::usage(format!("cannot handle signals: {error}")))?;
    }
    Ok(flag)
}

fn main() -> ExitCode {
    let started = Instant::now();
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
    match run(cli.command, started) {
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
