//! `linecast demo`: a push to receivers in network namespaces of its own.

use linecast_lab::demo::{Demo, DemoImage, DemoResult};
use linecast_lab::{Lab, LabError, Loss};
use linecast_net::command::units;
use linecast_net::command::{Exit, Failure};
use std::path::PathBuf;

/// Push a signed image to receivers in network namespaces, with loss. Wants root,
/// or unprivileged user namespaces, and `ip`, `nft` and `ethtool`
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Receivers
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=200))]
    receivers: u8,
    /// Size of the image to make
    #[arg(long, default_value = "256MiB", value_parser = units::size_bytes, value_name = "SIZE", conflicts_with = "image")]
    size: u64,
    /// Image to push instead of one made
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Packets lost on the way to each receiver, independently
    #[arg(long, default_value = "2%", value_parser = units::percent_ppm, value_name = "PERCENT")]
    loss: u32,
    /// Feedback lost on the way to the sender
    #[arg(long, default_value = "0%", value_parser = units::percent_ppm, value_name = "PERCENT")]
    feedback_loss: u32,
    /// Rate of the push
    #[arg(long, default_value = "auto", value_name = "RATE")]
    rate: String,
    /// Transmit path of the push
    #[arg(long, default_value = "auto", value_name = "PATH")]
    io: String,
    /// MTU of every link
    #[arg(long, default_value_t = 1500, value_name = "BYTES")]
    mtu: u32,
    /// Directory to receive into [default: a tmpfs]
    #[arg(long, value_name = "DIR")]
    target: Option<PathBuf>,
    /// When receivers read the image back: auto, always, never
    #[arg(long, default_value = "auto", value_name = "WHEN")]
    read_back: String,
    /// Use IPv6
    #[arg(long)]
    ipv6: bool,
    /// Print the push report as one JSON object on the last line
    #[arg(long)]
    json: bool,
    /// Progress of the push: auto, plain, none
    #[arg(long, default_value = "auto", value_name = "MODE")]
    progress: String,
    /// Remove what demos that were killed have left, and do nothing else
    #[arg(long)]
    clean: bool,
}

fn lab_failure(error: LabError) -> Failure {
    Failure {
        exit: Exit::Preflight,
        message: error.to_string(),
    }
}

/// Runs the demo. It must be called while the process has one thread.
pub(crate) fn run(args: Args) -> Result<Exit, Failure> {
    linecast_lab::enter_unprivileged_if_needed().map_err(lab_failure)?;
    if args.clean {
        let cleaned = Lab::clean_stale().map_err(lab_failure)?;
        println!(
            "removed {} namespaces, {} processes, {} directories",
            cleaned.namespaces, cleaned.processes, cleaned.directories
        );
        return Ok(Exit::Success);
    }
    linecast_lab::cleanup_on_signals().map_err(lab_failure)?;
    let demo = Demo {
        program: std::env::current_exe().map_err(Failure::usage)?,
        receivers: args.receivers.into(),
        image: args
            .image
            .map_or(DemoImage::Made(args.size), DemoImage::File),
        loss: loss(args.loss),
        port: None,
        feedback_loss: loss(args.feedback_loss),
        mtu: args.mtu,
        ipv6: args.ipv6,
        target: args.target,
        rate: args.rate,
        io: args.io,
        read_back: args.read_back,
        progress: args.progress,
        push: Vec::new(),
    };
    let result = demo.run().map_err(lab_failure)?;
    print(&result, demo.receivers, args.json)?;
    let verified = result.identical == demo.receivers;
    Ok(match result.push_exit {
        0 if !verified => Exit::Verification,
        code => Exit::from_code(code),
    })
}

fn loss(ppm: u32) -> Loss {
    Loss::percent(f64::from(ppm) / 10_000.0)
}

fn print(result: &DemoResult, receivers: usize, json: bool) -> Result<(), Failure> {
    eprintln!(
        "linecast: lab up in {} ms; {} packets dropped on the way; {} of {receivers} files have SHA-256 {}",
        result.lab_up.as_millis(),
        result.dropped,
        result.identical,
        result.sha256,
    );
    if json || result.push_report.is_empty() {
        println!("{}", result.push_report);
        return Ok(());
    }
    let report: serde_json::Value =
        serde_json::from_str(&result.push_report).map_err(Failure::usage)?;
    crate::table::push_report(&report);
    Ok(())
}
