//! `transmit`: the engine's lanes against bare loops, by turns.

use crate::bare::{self, Path};
use crate::record::Records;
use crate::table::Table;
use crate::{BenchError, lab_error, order, sockets};
use hdrhistogram::Histogram;
use linecast_engine::drive::{Drive, drive};
use linecast_engine::transmitter::IoChoice;
use linecast_lab::{Lab, LabConfig};
use linecast_net::usage;
use serde::Serialize;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

/// Nobody has joined it.
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 192, 76, 68);
/// First of the ports. Every measurement has its own: the kernel takes a closed
/// ring down at leisure, and with it the sockets registered there.
const PORT: u16 = 20_000;
/// A rate that no machine reaches: nothing waits for the pacer.
const UNPACED_BPS: u64 = 1 << 44;
/// UDP payload from which a link needs jumbo frames.
const ETHERNET_PAYLOAD_MAX: usize = 1_472;

/// What to measure.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// UDP payload of a packet in bytes; several by commas
    #[arg(long, default_value = "64,256,1448,8936", value_delimiter = ',', value_name = "BYTES",
          value_parser = clap::value_parser!(u16).range(64..=8_972))]
    size: Vec<u16>,
    /// Threads that send; several by commas
    #[arg(long, default_value = "1,2", value_delimiter = ',', value_name = "N",
          value_parser = clap::value_parser!(u8).range(1..=8))]
    lanes: Vec<u8>,
    /// Paths: engine, plain, mmsg, mmsg-gso, uring-gso; several by commas
    #[arg(
        long,
        default_value = "engine,plain,mmsg,mmsg-gso,uring-gso",
        value_delimiter = ',',
        value_name = "PATH"
    )]
    path: Vec<String>,
    /// How long one repeat sends
    #[arg(long, default_value = "500ms", value_name = "TIME", value_parser = crate::time)]
    time: Duration,
    /// Repeats of everything; each takes the paths in an order of its own
    #[arg(long, default_value_t = 5, value_name = "N")]
    repeat: usize,
}

/// One repeat.
#[derive(Debug, Serialize)]
struct Transmitted {
    bench: &'static str,
    path: String,
    lanes: u8,
    size_bytes: u16,
    gbps: f64,
    mpps: f64,
    syscalls_per_packet: f64,
    cpu_ns_per_packet: f64,
    /// From a submission to the end of its call; the engine's only.
    submit_p50_us: Option<f64>,
    submit_p99_us: Option<f64>,
    submit_max_us: Option<f64>,
}

/// Runs it.
///
/// # Errors
/// The lab cannot be built, or a path does not work here.
pub fn run(args: &Args, records: &mut Records) -> Result<(), BenchError> {
    let mut port = PORT;
    let mut random = order::random();
    for repeat in 0..args.repeat {
        for &size in &args.size {
            let lab = Lab::up(LabConfig {
                receivers: 1,
                mtu: if usize::from(size) > ETHERNET_PAYLOAD_MAX {
                    9_000
                } else {
                    1_500
                },
                ..LabConfig::default()
            })
            .map_err(lab_error)?;
            // Snooping begins 100 ms after the bridge is up.
            std::thread::sleep(Duration::from_millis(200));
            for &lanes in &args.lanes {
                for path in order::shuffled(&args.path, &mut random) {
                    eprintln!(
                        "transmit: repeat {} of {}: {path}, {lanes} lanes, {size} bytes",
                        repeat + 1,
                        args.repeat
                    );
                    let figures = lab
                        .sender()
                        .enter(|| {
                            measure(
                                path,
                                sockets::lanes(SocketAddr::from((GROUP, port)), lanes)?,
                                size,
                                args.time,
                            )
                        })
                        .map_err(lab_error)??;
                    records.add(&figures)?;
                    port += 1;
                }
            }
        }
    }
    print(records);
    Ok(())
}

fn measure(
    path: &str,
    sockets: Vec<UdpSocket>,
    size: u16,
    time: Duration,
) -> Result<Transmitted, BenchError> {
    let lanes = sockets.len() as u8;
    let cpu = usage::cpu_seconds();
    let started = Instant::now();
    let (packets, syscalls, submit, elapsed) = match path {
        "engine" => {
            let driven = drive(Drive {
                sockets,
                packet_bytes: size.into(),
                rate_bps: UNPACED_BPS,
                io: IoChoice::Auto,
                duration: time,
            })?;
            let mut submit = Histogram::<u64>::new(3).map_err(BenchError::other)?;
            for lane in &driven.lanes {
                submit.add(&lane.submit_ns).map_err(BenchError::other)?;
            }
            let syscalls = driven.lanes.iter().map(|lane| lane.syscalls).sum();
            (driven.packets, syscalls, Some(submit), driven.elapsed)
        }
        _ => {
            let path: Path = path.parse().map_err(BenchError::Usage)?;
            let (packets, syscalls) = bare_threads(path, &sockets, size.into(), time)?;
            (packets, syscalls, None, started.elapsed())
        }
    };
    let elapsed = elapsed.as_secs_f64();
    let cpu = usage::cpu_seconds() - cpu;
    let per_packet = |value: f64| value / packets.max(1) as f64;
    let submit_us = |q| {
        submit
            .as_ref()
            .map(|histogram| histogram.value_at_quantile(q) as f64 / 1e3)
    };
    Ok(Transmitted {
        bench: "transmit",
        path: path.to_owned(),
        lanes,
        size_bytes: size,
        gbps: packets as f64 * f64::from(size) * 8.0 / elapsed / 1e9,
        mpps: packets as f64 / elapsed / 1e6,
        syscalls_per_packet: per_packet(syscalls as f64),
        cpu_ns_per_packet: per_packet(cpu * 1e9),
        submit_p50_us: submit_us(0.5),
        submit_p99_us: submit_us(0.99),
        submit_max_us: submit_us(1.0),
    })
}

fn bare_threads(
    path: Path,
    sockets: &[UdpSocket],
    size: usize,
    time: Duration,
) -> Result<(u64, u64), BenchError> {
    let until = Instant::now() + time;
    std::thread::scope(|scope| {
        let threads: Vec<_> = sockets
            .iter()
            .map(|socket| {
                scope.spawn(move || bare::send(path, socket, size, || Instant::now() >= until))
            })
            .collect();
        let (mut packets, mut syscalls) = (0, 0);
        for thread in threads {
            let sent = thread.join().expect("a bare loop does not panic")?;
            packets += sent.packets;
            syscalls += sent.syscalls;
        }
        Ok((packets, syscalls))
    })
}

fn print(records: &Records) {
    let table = Table {
        keys: &["path", "lanes", "size_bytes"],
        figures: &[
            ("gbps", "Gbit/s", 2),
            ("mpps", "Mpps", 3),
            ("syscalls_per_packet", "calls a packet", 4),
            ("cpu_ns_per_packet", "CPU ns a packet", 0),
            ("submit_p50_us", "submit p50 us", 1),
            ("submit_p99_us", "p99", 1),
            ("submit_max_us", "most", 0),
        ],
    };
    print!("{}", table.markdown(&records.lines));
    println!("\n{}", records.machine());
}
