//! `linecast sim`: the protocol over a simulated network.
mod experiment;
mod output;
mod plan;
mod plot;
mod values;

use crate::code::CodeArgs;
use linecast_net::command::units;
use linecast_net::command::{Exit, Failure, ProgressMode};
use linecast_sim::{
    Bottleneck, Content, Drop, Fault, LossModel, Network, Outage, Report, Scenario,
};
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
    /// Rate of the push, L2 headers included
    #[arg(long, default_value = "1gbit", value_parser = units::rate_bps, value_name = "RATE")]
    rate: u64,
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
    losses: Losses,
    #[command(flatten)]
    disturbances: Disturbances,
    /// Carry real bytes, parity, hashes and a signed manifest
    #[arg(long)]
    real_bytes: bool,
    /// Ask at once, whatever others ask for
    #[arg(long)]
    no_suppression: bool,
    /// Print one JSON object a run
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    many: Many,
    #[command(flatten)]
    planned: Planned,
}

/// What is lost.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Losses")]
struct Losses {
    /// Packets lost on the way to each receiver, independently
    #[arg(long, default_value = "0%", value_parser = values::share, value_name = "PERCENT")]
    loss: f64,
    /// In bursts of so many packets on average (Gilbert-Elliott)
    #[arg(long, value_name = "PACKETS")]
    gilbert_elliott: Option<f64>,
    /// From the middle of the image on, this loss instead
    #[arg(long, value_parser = values::share, value_name = "PERCENT", conflicts_with = "gilbert_elliott")]
    loss_step: Option<f64>,
    /// Receivers with another loss, as `1:10%`
    #[arg(long, value_parser = values::outliers, value_name = "N:PERCENT")]
    outliers: Option<(u32, f64)>,
    /// Packets lost by all receivers together
    #[arg(long, default_value = "0%", value_parser = values::share, value_name = "PERCENT")]
    shared_loss: f64,
    /// Subtrees of the network
    #[arg(long, default_value_t = 0, value_name = "N")]
    subtrees: u32,
    /// Packets lost by all receivers of a subtree together
    #[arg(long, default_value = "0%", value_parser = values::share, value_name = "PERCENT")]
    subtree_loss: f64,
    /// Feedback lost on the way to the sender
    #[arg(long, default_value = "0%", value_parser = values::share, value_name = "PERCENT")]
    feedback_loss: f64,
    /// Lose the first transmission of this symbol: for all, or as `RECEIVER@BLOCK:ESI`
    #[arg(long, value_parser = values::drop_of, value_name = "BLOCK:ESI")]
    drop: Vec<Drop>,
    /// Receiver number i loses symbol i of this block
    #[arg(long, value_name = "BLOCK")]
    drop_each: Option<u32>,
}

/// What else the network does.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Disturbances")]
struct Disturbances {
    /// Most that a packet is delayed beyond the round trip
    #[arg(long, default_value = "0ms", value_parser = units::duration, value_name = "TIME")]
    jitter: Duration,
    /// Packets that are overtaken
    #[arg(long, default_value = "0%", value_parser = values::share, value_name = "PERCENT")]
    reorder: f64,
    /// Packets that come twice
    #[arg(long, default_value = "0%", value_parser = values::share, value_name = "PERCENT")]
    duplicate: f64,
    /// Packets that come with a wrong bit
    #[arg(long, default_value = "0%", value_parser = values::share, value_name = "PERCENT")]
    flip: f64,
    /// A slow link with a queue, as `900mbit:128KiB`
    #[arg(long, value_parser = values::bottleneck, value_name = "RATE:SIZE")]
    bottleneck: Option<Bottleneck>,
    /// Every path carries nothing from TIME for TIME, as `1s+5s`
    #[arg(long, value_parser = values::outage, value_name = "START+LENGTH")]
    outage: Option<Outage>,
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
const RUN_FLAGS: [&str; 16] = [
    "receivers",
    "size",
    "rate",
    "rtt",
    "symbol",
    "codec",
    "block_symbols",
    "lanes",
    "seed",
    "real_bytes",
    "no_suppression",
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
        Scenario {
            seed: self.seed,
            receivers: self.receivers,
            size_bytes: self.size,
            symbol_bytes: self.symbol,
            codec,
            block_symbols,
            lanes: self.lanes,
            rate_bps: self.rate,
            rtt: self.rtt,
            network: self.network(),
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
            ..Scenario::default()
        }
    }

    fn network(&self) -> Network {
        let (losses, disturbances) = (&self.losses, &self.disturbances);
        let independent = |p| {
            if p > 0.0 {
                LossModel::Independent { p }
            } else {
                LossModel::None
            }
        };
        let middle = self.size / u64::from(self.symbol.max(1)) / 2;
        let loss = match (losses.gilbert_elliott, losses.loss_step) {
            (Some(burst), _) => LossModel::GilbertElliott {
                p: losses.loss,
                burst,
            },
            (None, Some(after)) => LossModel::Step {
                before: losses.loss,
                after,
                at_packet: middle,
            },
            (None, None) => independent(losses.loss),
        };
        let each = losses.drop_each.into_iter().flat_map(|sbn| {
            (0..self.receivers).map(move |receiver| Drop {
                receiver: Some(receiver),
                sbn,
                esi: receiver as u16,
            })
        });
        Network {
            loss,
            outliers: losses.outliers.map(|(count, p)| (count, independent(p))),
            trunk_loss: independent(losses.shared_loss),
            subtrees: losses.subtrees,
            subtree_loss: independent(losses.subtree_loss),
            feedback_loss: losses.feedback_loss,
            jitter: disturbances.jitter,
            reorder: disturbances.reorder,
            duplicate: disturbances.duplicate,
            flip: disturbances.flip,
            bottleneck: disturbances.bottleneck,
            drops: losses.drop.iter().copied().chain(each).collect(),
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
