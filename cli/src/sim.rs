//! `linecast sim`: the protocol over a simulated network.
mod experiment;
mod flags;
mod output;
mod pinned;
mod plan;
mod plot;
mod values;

use crate::code::CodeArgs;
use flags::{Disturbances, Losses, Pushing};
use linecast_net::command::units;
use linecast_net::command::{Exit, Failure, ProgressMode};
use linecast_sim::{Content, Fault, Report, Scenario};
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

/// Run the protocol over a simulated network: one scenario, a campaign of random
/// ones, or a planned experiment
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// Receivers
    #[arg(long, short = 'n', default_value_t = 100, value_name = "N")]
    receivers: u32,
    /// Size of the image
    #[arg(long, default_value = "16MiB", value_parser = units::size_bytes, value_name = "SIZE")]
    size: u64,
    /// Round trip between sender and receivers
    #[arg(long, default_value = "20ms", value_parser = units::duration, value_name = "TIME")]
    rtt: Duration,
    /// Bytes of a symbol, a multiple of 64
    #[arg(long, default_value_t = 1408, value_name = "BYTES")]
    symbol: u16,
    #[command(flatten)]
    code: CodeArgs,
    /// Transmit lanes
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=8))]
    lanes: u8,
    /// Decides every draw
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    seed: u64,
    #[command(flatten)]
    pushing: Pushing,
    #[command(flatten)]
    losses: Losses,
    #[command(flatten)]
    disturbances: Disturbances,
    /// Carry real bytes, parity, hashes and a signed manifest
    #[arg(long)]
    real_bytes: bool,
    /// Ask at once, whatever others ask for
    #[arg(long)]
    no_suppression: bool,
    /// Take packets that follow each other as trains
    #[arg(long)]
    trains: bool,
    /// Print one JSON object a run
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    many: Many,
    #[command(flatten)]
    planned: Planned,
}

/// More than one run.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Many runs")]
struct Many {
    /// Draw the whole scenario, faults included, from the seed
    #[arg(long, conflicts_with = "repeat")]
    random: bool,
    /// A campaign: random scenarios with the seeds A to B - 1
    #[arg(long, value_parser = values::seeds, value_name = "A..B", conflicts_with_all = ["random", "repeat"])]
    seeds: Option<Range<u64>>,
    /// One that was written down, as JSON; tests/pinned of the simulator has some
    #[arg(long, value_name = "FILE", conflicts_with_all = RUN_FLAGS)]
    scenario: Option<PathBuf>,
    /// Print the scenario as such a file instead of running it
    #[arg(long, conflicts_with_all = ["seeds", "repeat", "json"])]
    print_scenario: bool,
    /// The same scenario with so many seeds, from --seed on
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    repeat: u64,
    /// Runs at the same time [default: the cores there are]
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Progress of a campaign: auto, plain, none
    #[arg(long, default_value = "auto", value_name = "MODE")]
    progress: ProgressMode,
}

/// A declared experiment.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Experiments")]
struct Planned {
    /// Run the experiment that a TOML file declares: every combination of the
    /// flags in its table `[grid]`, with those in `[fixed]`
    #[arg(long, value_name = "FILE", conflicts_with_all = RUN_FLAGS)]
    plan: Option<PathBuf>,
    /// Draw the plan's `[[plot]]` tables too, as SVG files beside it; without
    /// this no file is written
    #[arg(long, requires = "plan")]
    plots: bool,
}

/// What a plan declares itself; given beside one, it would be ignored.
const RUN_FLAGS: [&str; 17] = [
    "receivers",
    "size",
    "rtt",
    "symbol",
    "codec",
    "block_symbols",
    "lanes",
    "seed",
    "real_bytes",
    "no_suppression",
    "trains",
    "Pushing",
    "Losses",
    "Disturbances",
    "random",
    "seeds",
    "repeat",
];

/// Runs `linecast sim`.
pub(crate) fn run(args: &Args) -> Result<Exit, Failure> {
    if let Some(path) = &args.planned.plan {
        return experiment::run(args, path);
    }
    if let Some(path) = &args.many.scenario {
        return pinned::run(args, path);
    }
    if args.many.print_scenario {
        let scenario = if args.many.random {
            linecast_sim::random_scenario(args.seed)
        } else {
            args.scenario()
        };
        return pinned::print(scenario);
    }
    let (seeds, random) = match &args.many.seeds {
        Some(seeds) => (seeds.clone(), true),
        None => (args.seed..args.seed + args.many.repeat, args.many.random),
    };
    let scenario = |seed| {
        if random {
            return linecast_sim::random_scenario(seed);
        }
        Scenario {
            seed,
            ..args.scenario()
        }
    };
    if random && seeds.end - seeds.start == 1 && !args.json {
        output::scenario(&scenario(seeds.start));
    }
    let jobs = args.many.jobs();
    let single = seeds.end - seeds.start == 1;
    let bar = progress(args.many.progress, &seeds, single);
    let mut reports = Vec::new();
    let mut failed = Vec::new();
    let mut seen = |report: Report| {
        bar.inc(1);
        if report.violations > 0 {
            bar.suspend(|| complain(&report, random));
            failed.push(report.seed);
        }
        if args.json {
            bar.suspend(|| output::json(&report));
        }
        // A campaign is about its failures; keep no ten thousand reports.
        if !random || single {
            reports.push(report);
        }
    };
    linecast_sim::run_seeds(seeds.clone(), jobs, scenario, &mut seen).map_err(Failure::usage)?;
    bar.finish_and_clear();
    if !args.json {
        match &reports[..] {
            [report] => output::table(report),
            [] => println!("{} seeds, {} failed", seeds.end - seeds.start, failed.len()),
            many => output::summary(many),
        }
    }
    Ok(if failed.is_empty() {
        Exit::Success
    } else {
        Exit::SomeFailed
    })
}

impl Many {
    fn jobs(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.jobs.unwrap_or_else(cores)
    }
}

impl Args {
    fn scenario(&self) -> Scenario {
        let (codec, block_symbols) = self.code.choose();
        let symbols = self.size / u64::from(self.symbol.max(1));
        Scenario {
            seed: self.seed,
            receivers: self.receivers,
            size_bytes: self.size,
            symbol_bytes: self.symbol,
            codec,
            block_symbols,
            lanes: self.lanes,
            push: self.pushing.push(),
            rtt: self.rtt,
            network: self
                .losses
                .network(&self.disturbances, symbols, self.receivers),
            devices: self.disturbances.port.clone(),
            faults: self
                .disturbances
                .outage
                .map(Fault::Outage)
                .into_iter()
                .collect(),
            content: if self.real_bytes {
                Content::Bytes
            } else {
                Content::Identities
            },
            suppression: !self.no_suppression,
            trains: self.trains,
            ..Scenario::default()
        }
    }
}

fn progress(mode: ProgressMode, seeds: &Range<u64>, single: bool) -> indicatif::ProgressBar {
    if single || !mode.is_live() {
        return indicatif::ProgressBar::hidden();
    }
    let bar = indicatif::ProgressBar::new(seeds.end - seeds.start);
    let template = "{bar:40} {pos} of {len} seeds, {per_sec}, eta {eta}";
    match indicatif::ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn complain(report: &Report, random: bool) {
    let seed = report.seed;
    if random {
        eprintln!("seed {seed} failed; replay it: linecast sim --random --seed {seed}");
    } else {
        eprintln!("seed {seed} failed");
    }
    for violation in &report.violation_list {
        eprintln!("  {violation}");
    }
}
