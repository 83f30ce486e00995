//! `linecast sim`: the protocol over a simulated network.
mod experiment;
mod plan;
mod plot;

use crate::code::CodeArgs;
use linecast_net::command::units;
use linecast_net::command::{Exit, Failure, ProgressMode};
use linecast_sim::{
    Bottleneck, Content, Drop, Fault, LossModel, Network, Outage, Report, Scenario, Scope,
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
    #[arg(long, default_value = "0%", value_parser = share, value_name = "PERCENT")]
    loss: f64,
    /// In bursts of so many packets on average (Gilbert-Elliott)
    #[arg(long, value_name = "PACKETS")]
    gilbert_elliott: Option<f64>,
    /// From the middle of the image on, this loss instead
    #[arg(long, value_parser = share, value_name = "PERCENT", conflicts_with = "gilbert_elliott")]
    loss_step: Option<f64>,
    /// Receivers with another loss, as `1:10%`
    #[arg(long, value_parser = outliers, value_name = "N:PERCENT")]
    outliers: Option<(u32, f64)>,
    /// Packets lost by all receivers together
    #[arg(long, default_value = "0%", value_parser = share, value_name = "PERCENT")]
    shared_loss: f64,
    /// Subtrees of the network
    #[arg(long, default_value_t = 0, value_name = "N")]
    subtrees: u32,
    /// Packets lost by all receivers of a subtree together
    #[arg(long, default_value = "0%", value_parser = share, value_name = "PERCENT")]
    subtree_loss: f64,
    /// Feedback lost on the way to the sender
    #[arg(long, default_value = "0%", value_parser = share, value_name = "PERCENT")]
    feedback_loss: f64,
    /// Lose the first transmission of this symbol: for all, or as `RECEIVER@BLOCK:ESI`
    #[arg(long, value_parser = drop_of, value_name = "BLOCK:ESI")]
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
    #[arg(long, default_value = "0%", value_parser = share, value_name = "PERCENT")]
    reorder: f64,
    /// Packets that come twice
    #[arg(long, default_value = "0%", value_parser = share, value_name = "PERCENT")]
    duplicate: f64,
    /// Packets that come with a wrong bit
    #[arg(long, default_value = "0%", value_parser = share, value_name = "PERCENT")]
    flip: f64,
    /// A slow link with a queue, as `900mbit:128KiB`
    #[arg(long, value_parser = bottleneck, value_name = "RATE:SIZE")]
    bottleneck: Option<Bottleneck>,
    /// Every path carries nothing from TIME for TIME, as `1s+5s`
    #[arg(long, value_parser = outage, value_name = "START+LENGTH")]
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
    #[arg(long, value_parser = seeds, value_name = "A..B", conflicts_with_all = ["random", "repeat"])]
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
        print_scenario(&scenario(seeds.start));
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
            bar.suspend(|| print_json(&report));
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
            [report] => print_table(report),
            [] => println!("{} seeds, {} failed", seeds.end - seeds.start, failed.len()),
            many => print_summary(many),
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

fn print_json(report: &Report) {
    match serde_json::to_string(report) {
        Ok(json) => println!("{json}"),
        Err(error) => eprintln!("linecast: the report cannot be written: {error}"),
    }
}

fn print_scenario(scenario: &Scenario) {
    println!(
        "{} receivers, {} bytes in symbols of {} and blocks of {}, {} lanes, {} bit/s, rtt {:?}, {:?}",
        scenario.receivers,
        scenario.size_bytes,
        scenario.symbol_bytes,
        scenario.block_symbols,
        scenario.lanes,
        scenario.rate_bps,
        scenario.rtt,
        scenario.content,
    );
    println!("{:?}", scenario.network);
    let devices = scenario.devices.iter().map(|device| format!("{device:?}"));
    let faults = scenario.faults.iter().map(|fault| format!("{fault:?}"));
    devices.chain(faults).for_each(|line| println!("{line}"));
}

fn print_table(report: &Report) {
    let percent = |part: f64| format!("{:.3} %", part * 100.0);
    let overhead = |factor: Option<f64>| factor.map_or("-".into(), |f| format!("{f:.3}"));
    let completion = &report.completion_ms;
    let rows = [
        (
            "completed",
            format!("{} of {}", report.completed, report.receivers),
        ),
        ("violations", report.violations.to_string()),
        ("expansion", format!("{:.4}", report.expansion)),
        (
            "bound",
            format!("{:.4} ({})", report.bound_expansion, report.bound),
        ),
        ("overhead factor", overhead(report.overhead_factor)),
        (
            "symbols sent",
            format!(
                "{} source, {} parity, {} repair",
                report.source_sent, report.parity_sent, report.repair_sent
            ),
        ),
        (
            "NACKs",
            format!(
                "{} sent, {} suppressed, {} heard ({} of data bytes)",
                report.nacks_sent,
                report.nacks_suppressed,
                report.nacks_heard,
                percent(report.nack_bytes_per_data_byte)
            ),
        ),
        (
            "repair",
            format!(
                "{} orders, at most {} rounds for a block",
                report.repair_orders, report.repair_rounds
            ),
        ),
        (
            "complete after",
            format!(
                "{:.1} ms p50, {:.1} ms p99, {:.1} ms max (sending once: {:.1} ms)",
                completion.p50, completion.p99, completion.max, report.ideal_send_ms
            ),
        ),
        (
            "trace",
            format!("{} (seed {})", report.trace_hash, report.seed),
        ),
    ];
    for (name, value) in rows {
        println!("{name:<16} {value}");
    }
    for queue in &report.queues {
        println!(
            "queue            {}: {} of {}",
            queue.name, queue.depth, queue.bound
        );
    }
}

/// Median, 99th percentile and worst of the figures that vary with the seed.
fn print_summary(reports: &[Report]) {
    type Figure = (&'static str, fn(&Report) -> f64);
    const FIGURES: [Figure; 8] = [
        ("expansion", |r| r.expansion),
        ("overhead factor", |r| r.overhead_factor.unwrap_or(1.0)),
        ("NACKs heard", |r| r.nacks_heard as f64),
        ("repair rounds", |r| r.repair_rounds.into()),
        ("repair symbols", |r| r.repair_sent as f64),
        ("p50 ms", |r| r.completion_ms.p50),
        ("max ms", |r| r.completion_ms.max),
        ("max RTTs beyond 1.1 x sending", |r| {
            (r.completion_ms.max - r.ideal_send_ms * 1.1) / r.rtt_ms
        }),
    ];
    println!("{:<30} {:>10} {:>10} {:>10}", "", "median", "p99", "max");
    for (name, figure) in FIGURES {
        let mut values: Vec<f64> = reports.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values[((values.len() as f64 * share).ceil() as usize).max(1) - 1];
        println!(
            "{name:<30} {:>10.4} {:>10.4} {:>10.4}",
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
    let lacking = reports.iter().filter(|r| r.completed < r.receivers).count();
    println!("{} runs, {lacking} incomplete", reports.len());
}

fn share(text: &str) -> Result<f64, units::UnitError> {
    units::percent_ppm(text).map(|ppm| f64::from(ppm) / 1e6)
}

fn pair<'a>(text: &'a str, separator: &str, form: &str) -> Result<(&'a str, &'a str), String> {
    text.split_once(separator)
        .ok_or_else(|| format!("{form} expected, got {text:?}"))
}

fn outliers(text: &str) -> Result<(u32, f64), String> {
    let (count, percent) = pair(text, ":", "N:PERCENT")?;
    let count = count
        .parse()
        .map_err(|error| format!("{count:?}: {error}"))?;
    Ok((count, share(percent).map_err(|error| error.to_string())?))
}

fn drop_of(text: &str) -> Result<Drop, String> {
    let number = |text: &str| {
        text.parse::<u32>()
            .map_err(|error| format!("{text:?}: {error}"))
    };
    let (receiver, symbol) = match text.split_once('@') {
        Some((receiver, symbol)) => (Some(number(receiver)?), symbol),
        None => (None, text),
    };
    let (sbn, esi) = pair(symbol, ":", "BLOCK:ESI")?;
    let esi = number(esi)?;
    Ok(Drop {
        receiver,
        sbn: number(sbn)?,
        esi: u16::try_from(esi).map_err(|_| format!("ESI: at most 65535, got {esi}"))?,
    })
}

fn bottleneck(text: &str) -> Result<Bottleneck, String> {
    let (rate, queue) = pair(text, ":", "RATE:SIZE")?;
    Ok(Bottleneck {
        rate_bps: units::rate_bps(rate).map_err(|error| error.to_string())?,
        queue_bytes: units::size_bytes(queue).map_err(|error| error.to_string())?,
    })
}

fn outage(text: &str) -> Result<Outage, String> {
    let (at, length) = pair(text, "+", "START+LENGTH")?;
    Ok(Outage {
        at: units::duration(at).map_err(|error| error.to_string())?,
        length: units::duration(length).map_err(|error| error.to_string())?,
        scope: Scope::All,
        direction: linecast_sim::Direction::Both,
    })
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let (first, end) = pair(text, "..", "A..B")?;
    let number = |text: &str| {
        text.parse::<u64>()
            .map_err(|error| format!("{text:?}: {error}"))
    };
    let (first, end) = (number(first)?, number(end)?);
    if first >= end {
        return Err(format!("A below B expected, got {text}"));
    }
    Ok(first..end)
}
