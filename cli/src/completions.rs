//! `linecast completions`: what a shell needs to complete our commands.
use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;
use linecast_net::command::{Exit, Failure};
use std::io::Write;

/// Print the completion script of a shell.
///
/// For bash: `linecast completions bash > /etc/bash_completion.d/linecast`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    shell: Supported,
}

/// The shells whose scripts are tried.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Supported {
    Bash,
    Zsh,
    Fish,
}

pub(crate) fn run<C: CommandFactory>(args: Args) -> Result<Exit, Failure> {
    let shell = match args.shell {
        Supported::Bash => Shell::Bash,
        Supported::Zsh => Shell::Zsh,
        Supported::Fish => Shell::Fish,
    };
    // Into memory first: the generator panics when a pipe closes.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut C::command(), "linecast", &mut script);
    std::io::stdout()
        .write_all(&script)
        .map_err(|error| Failure::usage(format!("standard output: {error}")))?;
    Ok(Exit::Success)
}
