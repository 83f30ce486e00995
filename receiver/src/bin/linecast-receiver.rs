//! The receiver for devices: the receive command and nothing else.

use clap::Parser;
use linecast_net::command::{Exit, Failure, interrupted};
use linecast_receiver::command::{self, Args};
use std::process::ExitCode;

/// Receive one image by IP multicast, verified
#[derive(Debug, Parser)]
#[command(name = "linecast-receiver", version)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

fn main() -> ExitCode {
    Exit::of(Cli::try_parse(), run)
}

fn run(cli: Cli) -> Result<Exit, Failure> {
    command::run(cli.args, interrupted()?.as_ref())
}
