//! `push`: whole pushes end to end, linecast and other tools by turns, with the
//! floor of the same topology.

mod loss;

use crate::floor;
use crate::order;
use crate::port::{QUEUE_BYTES, port};
use crate::record::Records;
use crate::stats::{median, quantile};
use crate::table::Table;
use crate::{BenchError, lab_error};
use linecast_lab::demo::{Demo, DemoImage, make_image, warm};
use linecast_lab::{Lab, LabConfig, Loss, Peer, RateCap, Staging, run_peer};
use linecast_net::command::units;
use loss::LossModel;
use serde::Serialize;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// A peer that takes longer has hung.
const PEER_MAX: Duration = Duration::from_secs(120);
/// Symbols at MTU 1500.
const SYMBOL_BYTES: usize = 1_408;
const SLACK_BYTES: u64 = 64 << 20;

/// What to measure.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Tools: linecast, floor, uftp, udpcast, norm; several by commas
    #[arg(long, default_value = "linecast,floor,udpcast,uftp,norm", value_delimiter = ',', value_name = "TOOL",
          value_parser = ["linecast", "floor", "uftp", "udpcast", "norm"])]
    tool: Vec<String>,
    /// Receivers; several by commas
    #[arg(long, default_value = "1,4,16", value_delimiter = ',', value_name = "N",
          value_parser = clap::value_parser!(u8).range(1..=200))]
    receivers: Vec<u8>,
    /// Packets lost on the way to each receiver; several by commas
    #[arg(long, default_value = "0%,1%,5%,20%", value_delimiter = ',', value_name = "PERCENT",
          value_parser = units::percent_ppm)]
    loss: Vec<u32>,
    /// How packets are lost: independent; shared (all receivers lose the same);
    /// bursty (16 in a row at equal distances, each receiver in its own phase).
    /// Several by commas
    #[arg(
        long,
        default_value = "independent",
        value_delimiter = ',',
        value_name = "MODEL"
    )]
    loss_model: Vec<LossModel>,
    /// Receivers behind ports of this rate, each with a queue of 128 KiB
    #[arg(long, value_parser = units::rate_bps, value_name = "RATE")]
    port: Option<u64>,
    /// Rate of linecast's pushes [default: auto]
    #[arg(long, value_name = "RATE")]
    rate: Option<String>,
    /// Size of the image
    #[arg(long, default_value = "256MiB", value_parser = units::size_bytes, value_name = "SIZE")]
    size: u64,
    /// Repeats of everything; each takes the tools in an order of its own
    #[arg(long, default_value_t = 5, value_name = "N")]
    repeat: usize,
    /// Let the floor's receivers have all pages before the first packet
    #[arg(long)]
    prefault: bool,
    /// The linecast program [default: the one beside this]
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// More arguments of `linecast push`, by spaces
    #[arg(
        long,
        default_value = "",
        value_name = "ARGUMENTS",
        allow_hyphen_values = true
    )]
    push: String,
}

/// An image on its way.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Bytes of the image.
    pub size_bytes: u64,
    /// Bytes of a symbol.
    pub symbol_bytes: usize,
}

/// One push.
#[derive(Debug, Default, Serialize)]
struct Pushed {
    bench: &'static str,
    tool: String,
    receivers: u8,
    loss: f64,
    loss_model: LossModel,
    /// L2 bits a second of the port to each receiver.
    port_bps: Option<u64>,
    /// `--rate` of linecast, if not auto.
    rate: Option<String>,
    size_bytes: u64,
    /// Receivers that have exactly the image.
    completed: usize,
    /// Image bits over a receiver's time from the first packet to its
    /// completion: the median receiver.
    goodput_gbps: Option<f64>,
    /// Image bits over the whole command, start to exit.
    whole_gbps: f64,
    total_ms: f64,
    /// The whole command without the sending.
    setup_ms: Option<f64>,
    completion_p50_ms: Option<f64>,
    completion_p99_ms: Option<f64>,
    completion_max_ms: Option<f64>,
    sender_cpu_s_per_gb: Option<f64>,
    /// One receiver's.
    receiver_cpu_s_per_gb: Option<f64>,
    expansion: Option<f64>,
    /// Most anonymous memory, as the program itself reports it.
    sender_peak_bytes: Option<u64>,
    receiver_peak_bytes: Option<u64>,
    /// Most resident memory, mapped files included, as the kernel keeps it.
    sender_rss_bytes: Option<u64>,
    /// The largest receiver's.
    receiver_rss_bytes: Option<u64>,
}

/// Runs it.
///
/// # Errors
/// The lab cannot be built, or a tool is missing. That a push failed is no
/// error: its line says so.
pub fn run(args: &Args, records: &mut Records) -> Result<(), BenchError> {
    let mut random = order::random();
    for repeat in 0..args.repeat {
        for &receivers in &args.receivers {
            for (model, loss) in loss::grid(&args.loss_model, &args.loss) {
                for tool in order::shuffled(&args.tool, &mut random) {
                    eprintln!(
                        "push: repeat {} of {}: {tool}, {receivers} receivers, loss {} % {model:?}",
                        repeat + 1,
                        args.repeat,
                        loss * 100.0
                    );
                    let cell = Cell {
                        args,
                        tool,
                        receivers,
                        loss,
                        model,
                    };
                    records.add(&cell.measure()?)?;
                }
            }
        }
    }
    print(records);
    Ok(())
}

/// One measurement.
struct Cell<'a> {
    args: &'a Args,
    tool: &'a str,
    receivers: u8,
    loss: f64,
    model: LossModel,
}

impl Cell<'_> {
    fn measure(&self) -> Result<Pushed, BenchError> {
        let mut pushed = match self.tool {
            "linecast" => self.linecast(),
            "floor" => self.floor(),
            "uftp" => self.peer(Peer::Uftp),
            "udpcast" => self.peer(Peer::Udpcast),
            _ => self.peer(Peer::Norm),
        }?;
        pushed.bench = "push";
        pushed.tool = self.tool.to_owned();
        pushed.receivers = self.receivers;
        pushed.loss = self.loss;
        pushed.loss_model = self.model;
        pushed.port_bps = self.args.port;
        if self.tool == "linecast" {
            pushed.rate.clone_from(&self.args.rate);
        }
        pushed.size_bytes = self.args.size;
        pushed.whole_gbps = self.gbps(pushed.total_ms);
        Ok(pushed)
    }

    fn gbps(&self, ms: f64) -> f64 {
        self.args.size as f64 * 8.0 / ms / 1e6
    }

    fn per_gb(&self, seconds: f64) -> f64 {
        seconds / (self.args.size as f64 / 1e9)
    }

    fn loss(&self) -> Loss {
        self.model.loss(self.loss)
    }

    fn port(&self) -> Option<RateCap> {
        self.args.port.map(|rate| port(rate, QUEUE_BYTES))
    }

    fn linecast(&self) -> Result<Pushed, BenchError> {
        let beside = std::env::current_exe()?.with_file_name("linecast");
        let demo = Demo {
            program: self.args.program.clone().unwrap_or(beside),
            receivers: self.receivers.into(),
            image: DemoImage::Made(self.args.size),
            loss: self.loss(),
            port: self.port(),
            feedback_loss: Loss::None,
            mtu: 1_500,
            ipv6: false,
            target: None,
            rate: self.args.rate.clone().unwrap_or_else(|| "auto".into()),
            io: "auto".into(),
            read_back: "auto".into(),
            progress: "none".into(),
            push: self.args.push.split_whitespace().map(Into::into).collect(),
        };
        let result = demo.run()?;
        let report: Value = serde_json::from_str(&result.push_report).map_err(BenchError::other)?;
        let receivers = report["receivers"].as_array().cloned().unwrap_or_default();
        let all = |field: &str| -> Vec<f64> {
            receivers.iter().filter_map(|r| r[field].as_f64()).collect()
        };
        let elapsed = all("elapsed_ms");
        let total_ms = report["elapsed_ms"]["total"].as_f64().unwrap_or(f64::NAN);
        let cpu = all("cpu_s").iter().sum::<f64>() / f64::from(self.receivers);
        let send_ms = report["elapsed_ms"]["send"].as_f64().unwrap_or(f64::NAN);
        Ok(Pushed {
            completed: result.identical,
            total_ms,
            setup_ms: Some(total_ms - send_ms),
            sender_cpu_s_per_gb: report["cpu"]["sender_s"].as_f64().map(|s| self.per_gb(s)),
            receiver_cpu_s_per_gb: Some(self.per_gb(cpu)),
            expansion: report["sent"]["expansion"].as_f64(),
            sender_peak_bytes: report["memory"]["anon_peak_bytes"].as_u64(),
            receiver_peak_bytes: all("anon_peak_bytes")
                .into_iter()
                .reduce(f64::max)
                .map(|b| b as u64),
            sender_rss_bytes: result.push_rss_bytes,
            receiver_rss_bytes: result.receive_rss_bytes,
            ..self.completions(&elapsed)
        })
    }

    fn floor(&self) -> Result<Pushed, BenchError> {
        let (lab, staging) = self.ground()?;
        let load = Load {
            size_bytes: self.args.size,
            symbol_bytes: SYMBOL_BYTES,
        };
        let floor = floor::run(&lab, &load, staging.path(), self.args.prefault)?;
        let cpu = floor.receiver_cpu_s / f64::from(self.receivers);
        Ok(Pushed {
            completed: floor.elapsed_ms.len(),
            total_ms: floor.total_ms,
            sender_cpu_s_per_gb: Some(self.per_gb(floor.sender_cpu_s)),
            receiver_cpu_s_per_gb: Some(self.per_gb(cpu)),
            receiver_rss_bytes: floor.receiver_rss_bytes,
            ..self.completions(&floor.elapsed_ms)
        })
    }

    fn peer(&self, peer: Peer) -> Result<Pushed, BenchError> {
        peer.require()?;
        let (lab, staging) = self.ground()?;
        let image = staging.path().join("peer.img");
        make_image(&image, self.args.size)?;
        let run = run_peer(&lab, peer, &image, staging.path(), PEER_MAX)?;
        let cpu = run.receiver_cpu_s / f64::from(self.receivers);
        Ok(Pushed {
            completed: run.identical.iter().filter(|same| **same).count(),
            total_ms: run.elapsed.as_secs_f64() * 1e3,
            sender_cpu_s_per_gb: Some(self.per_gb(run.sender_cpu_s)),
            receiver_cpu_s_per_gb: Some(self.per_gb(cpu)),
            sender_rss_bytes: run.sender_rss_bytes,
            receiver_rss_bytes: run.receiver_rss_bytes,
            ..Pushed::default()
        })
    }

    fn completions(&self, elapsed_ms: &[f64]) -> Pushed {
        if elapsed_ms.is_empty() {
            return Pushed::default();
        }
        Pushed {
            goodput_gbps: Some(self.gbps(median(elapsed_ms))),
            completion_p50_ms: Some(median(elapsed_ms)),
            completion_p99_ms: Some(quantile(elapsed_ms, 0.99)),
            completion_max_ms: Some(quantile(elapsed_ms, 1.0)),
            ..Pushed::default()
        }
    }

    /// A lab, and memory that has been used before.
    fn ground(&self) -> Result<(Lab, Staging), BenchError> {
        let lab = Lab::up(LabConfig {
            receivers: self.receivers.into(),
            loss: self.loss(),
            receiver_rate: self.port(),
            ..LabConfig::default()
        })
        .map_err(lab_error)?;
        let bytes = (self.args.size + SLACK_BYTES / 8) * (u64::from(self.receivers) + 1);
        let staging = Staging::tmpfs(bytes * 3 / 2 + SLACK_BYTES)?;
        warm(&staging.path().join("warm"), bytes)?;
        Ok((lab, staging))
    }
}

fn print(records: &Records) {
    let table = Table {
        keys: &[
            "receivers",
            "loss",
            "loss_model",
            "port_bps",
            "rate",
            "tool",
        ],
        figures: &[
            ("completed", "complete", 0),
            ("goodput_gbps", "goodput Gbit/s", 2),
            ("whole_gbps", "whole command Gbit/s", 2),
            ("total_ms", "total ms", 0),
            ("setup_ms", "set-up ms", 0),
            ("completion_max_ms", "slowest ms", 0),
            ("expansion", "expansion", 4),
            ("sender_cpu_s_per_gb", "sender CPU s/GB", 2),
            ("receiver_cpu_s_per_gb", "receiver CPU s/GB", 2),
            ("sender_rss_bytes", "sender RSS bytes", 0),
            ("receiver_rss_bytes", "receiver RSS bytes", 0),
        ],
    };
    print!("{}", table.markdown(&records.lines));
    println!("\n{}", records.machine());
}
