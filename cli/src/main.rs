//! The `linecast` binary: one file a subcommand, no logic of its own.

mod exit;
mod network;
mod progress;
mod push;
mod receive;
mod receiving;
mod table;
mod units;

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Push one image to every machine on a line by IP multicast, verified
#[derive(Debug, Parser)]
#[command(name = "linecast", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Push(push::PushArgs),
    Receive(receive::ReceiveArgs),
}

fn main() -> ExitCode {
    let started = Instant::now();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::from(error.use_stderr()));
        }
    };
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // Twice: the second Ctrl-C ends a process that hangs.
        let _ = signal_hook::flag::register_conditional_shutdown(signal, 130, interrupted.clone());
        let _ = signal_hook::flag::register(signal, interrupted.clone());
    }
    let result = match &cli.command {
        Command::Push(args) => push::run(args, started, &interrupted),
        Command::Receive(args) => receive::run(args, &interrupted),
    };
    match result {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(failure) => {
            eprintln!("linecast: {}", failure.message);
            ExitCode::from(failure.exit as u8)
        }
    }
}
