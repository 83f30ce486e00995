//! The `linecast` binary: one file a subcommand, no logic of its own.
mod code;
mod completions;
mod demo;
mod files;
mod inspect;
mod keygen;
mod progress;
mod push;
mod rate;
mod sign;
mod sim;
mod table;
mod verify;

use clap::{Parser, Subcommand};
use linecast_net::command::{Exit, Failure, interrupted};
use linecast_receiver::command as receive;
use std::process::ExitCode;
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
    Sim(Box<sim::Args>),
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
        Command::Sim(args) => sim::run(&args),
        Command::Completions(args) => completions::run::<Cli>(args),
    }
}

fn main() -> ExitCode {
    let started = Instant::now();
    Exit::of(Cli::try_parse(), |cli| run(cli.command, started))
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
