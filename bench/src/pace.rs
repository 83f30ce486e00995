//! `pace`: the engine's lanes into a port of a cheap switch, close to its
//! ceiling: what the port drops, and how exactly trains depart.

use crate::port::port;
use crate::record::Records;
use crate::table::Table;
use crate::{BenchError, lab_error, sockets};
use hdrhistogram::Histogram;
use linecast_engine::LaneReport;
use linecast_engine::drive::{Drive, drive};
use linecast_engine::transmitter::IoChoice;
use linecast_lab::{Lab, LabConfig};
use linecast_net::command::units;
use linecast_protocol::pacer::l2_bytes;
use serde::Serialize;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 192, 76, 71);
/// First of the ports; every measurement has its own.
const PORT: u16 = 21_000;
const PACKET_BYTES: usize = 1_448;

/// What to measure.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Rate of the port in bits of L2 a second
    #[arg(long, default_value = "1gbit", value_parser = units::rate_bps, value_name = "RATE")]
    ceiling: u64,
    /// Queue before it
    #[arg(long, default_value = "128KiB", value_parser = units::size_bytes, value_name = "SIZE")]
    queue: u64,
    /// Rates as parts of the ceiling; several by commas
    #[arg(long, default_value = "90%,95%,97%,99%", value_delimiter = ',', value_name = "PERCENT",
          value_parser = units::percent_ppm)]
    rate: Vec<u32>,
    /// How long one repeat sends
    #[arg(long, default_value = "5s", value_name = "TIME", value_parser = crate::time)]
    time: Duration,
    /// Threads that send
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=8))]
    lanes: u8,
    /// Repeats of everything, in turn
    #[arg(long, default_value_t = 5, value_name = "N")]
    repeat: usize,
}

/// One repeat.
#[derive(Debug, Serialize)]
struct Paced {
    bench: &'static str,
    ceiling_bps: u64,
    ceiling_percent: f64,
    lanes: u8,
    passed: u64,
    drops: u64,
    /// Sent L2 bits a second against those asked for.
    rate_error_ppm: f64,
    /// How late trains left that had to wait for the pacer.
    departure_p50_us: f64,
    departure_p99_us: f64,
    gap_p50_us: f64,
    gap_p99_us: f64,
    max_burst_bytes: u64,
}

/// Runs it.
///
/// # Errors
/// The lab cannot be built, or the transmit path does not work here.
pub fn run(args: &Args, records: &mut Records) -> Result<(), BenchError> {
    let mut port = PORT;
    for repeat in 0..args.repeat {
        for &rate in &args.rate {
            eprintln!(
                "pace: repeat {} of {}: {} %",
                repeat + 1,
                args.repeat,
                f64::from(rate) / 1e4
            );
            records.add(&measure(args, rate, port)?)?;
            port += 1;
        }
    }
    print(records);
    Ok(())
}

fn measure(args: &Args, part_ppm: u32, group_port: u16) -> Result<Paced, BenchError> {
    let queue_bytes = u32::try_from(args.queue).map_err(|_| {
        BenchError::Usage(format!("a queue of {} bytes, at most 4 GiB", args.queue))
    })?;
    let lab = Lab::up(LabConfig {
        receivers: 1,
        receiver_rate: Some(port(args.ceiling, queue_bytes)),
        ..LabConfig::default()
    })
    .map_err(lab_error)?;
    let group = SocketAddr::from((GROUP, group_port));
    let receiver = lab.receiver(0);
    let _member = receiver
        .enter(|| sockets::member(group))
        .map_err(lab_error)??;
    // The switch has to hear of the join.
    std::thread::sleep(Duration::from_millis(300));
    let before = lab.rate_count(receiver)?;
    let rate_bps = (u128::from(args.ceiling) * u128::from(part_ppm) / 1_000_000) as u64;
    let driven = lab
        .sender()
        .enter(|| -> Result<_, BenchError> {
            Ok(drive(Drive {
                sockets: sockets::lanes(group, args.lanes)?,
                packet_bytes: PACKET_BYTES,
                rate_bps,
                io: IoChoice::Auto,
                duration: args.time,
            })?)
        })
        .map_err(lab_error)??;
    // What is in the queue has to come out.
    std::thread::sleep(Duration::from_millis(100));
    let after = lab.rate_count(receiver)?;
    let headers = l2_bytes(0, false) as u64 * driven.packets;
    let sent_bps = (driven.bytes + headers) as f64 * 8.0 / driven.elapsed.as_secs_f64();
    let quantile_us = |of: fn(&LaneReport) -> &Histogram<u64>, q: f64| {
        let mut all = Histogram::<u64>::new(3).expect("3 significant digits are allowed");
        for lane in &driven.lanes {
            // Both have the same precision and resize themselves.
            let _ = all.add(of(lane));
        }
        all.value_at_quantile(q) as f64 / 1e3
    };
    Ok(Paced {
        bench: "pace",
        ceiling_bps: args.ceiling,
        ceiling_percent: f64::from(part_ppm) / 1e4,
        lanes: args.lanes,
        passed: after.passed - before.passed,
        drops: after.dropped - before.dropped,
        rate_error_ppm: (sent_bps / rate_bps as f64 - 1.0) * 1e6,
        departure_p50_us: quantile_us(|lane| &lane.departure_ns, 0.5),
        departure_p99_us: quantile_us(|lane| &lane.departure_ns, 0.99),
        gap_p50_us: quantile_us(|lane| &lane.gaps_ns, 0.5),
        gap_p99_us: quantile_us(|lane| &lane.gaps_ns, 0.99),
        max_burst_bytes: driven
            .lanes
            .iter()
            .map(|lane| lane.burst_bytes_max)
            .max()
            .unwrap_or(0),
    })
}

fn print(records: &Records) {
    let table = Table {
        keys: &["ceiling_percent"],
        figures: &[
            ("passed", "packets", 0),
            ("drops", "drops", 0),
            ("rate_error_ppm", "rate error ppm", 0),
            ("departure_p50_us", "departure error p50 us", 1),
            ("departure_p99_us", "p99", 1),
            ("gap_p50_us", "gap p50 us", 1),
            ("gap_p99_us", "p99", 1),
            ("max_burst_bytes", "largest burst bytes", 0),
            ("steal_percent", "taken by the host %", 1),
        ],
    };
    print!("{}", table.markdown(&records.lines));
    println!("\n{}", records.machine());
}
