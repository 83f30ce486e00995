//! How fast each path hands trains to the kernel.
//!
//! `transmit_rate GROUP:PORT INTERFACE [SECONDS] [PACKET_BYTES] [ROUNDS]` sends
//! full trains unpaced, the paths in turn, ROUNDS times each, and prints Gbit/s of
//! UDP payload and CPU time a train. Run it in a namespace of its own.

use std::time::{Duration, Instant};

use linecast_engine::train::{TrainBuffer, TrainPool, segments_max};
use linecast_engine::transmitter::{IoChoice, TransmitError, Transmitter};
use linecast_net::{Interface, SenderConfig, SenderSockets, usage};

const CHOICES: [IoChoice; 3] = [IoChoice::Uring, IoChoice::Mmsg, IoChoice::Plain];
const POOL_BYTES: usize = 4 << 20;
const IN_FLIGHT_MAX: usize = 16;

struct Arguments {
    group: std::net::SocketAddr,
    interface: Interface,
    duration: Duration,
    packet_bytes: usize,
    rounds: usize,
}

fn arguments() -> Result<Arguments, Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let group = words.next().ok_or("GROUP:PORT is missing")?.parse()?;
    let interface = Interface::by_name(&words.next().ok_or("INTERFACE is missing")?)?;
    let seconds: f64 = words.next().as_deref().unwrap_or("2").parse()?;
    Ok(Arguments {
        group,
        interface,
        duration: Duration::from_secs_f64(seconds),
        packet_bytes: words.next().as_deref().unwrap_or("1448").parse()?,
        rounds: words.next().as_deref().unwrap_or("1").parse()?,
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = arguments()?;
    let mut figures: [Vec<Figure>; CHOICES.len()] = Default::default();
    for round in 0..arguments.rounds {
        for step in 0..CHOICES.len() {
            // Each path goes first in turn: the machine warms up and drifts.
            let path = (round + step) % CHOICES.len();
            figures[path].push(measure(CHOICES[path], &arguments)?);
        }
    }
    println!("path    Gbit/s median (min .. max)  us CPU a train  syscalls a train");
    for (choice, figures) in CHOICES.iter().zip(&figures) {
        let rate = spread(figures.iter().map(|f| f.gbit_s));
        let cpu = spread(figures.iter().map(|f| f.cpu_us));
        let calls = spread(figures.iter().map(|f| f.syscalls));
        println!(
            "{:7} {:6.2} ({:.2} .. {:.2})  {:14.2}  {:16.3}",
            format!("{choice:?}"),
            rate.1,
            rate.0,
            rate.2,
            cpu.1,
            calls.1
        );
    }
    Ok(())
}

/// What one run of one path gave.
struct Figure {
    gbit_s: f64,
    cpu_us: f64,
    syscalls: f64,
}

/// Least, median and most.
fn spread(values: impl Iterator<Item = f64>) -> (f64, f64, f64) {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    (
        values[0],
        values[values.len() / 2],
        values[values.len() - 1],
    )
}

fn measure(choice: IoChoice, arguments: &Arguments) -> Result<Figure, Box<dyn std::error::Error>> {
    let sockets = SenderSockets::open(&SenderConfig {
        group: arguments.group,
        interface: &arguments.interface,
        hops: 1,
        send_buffer: 4 << 20,
        loopback: false,
    })?;
    let mut transmitter = Transmitter::open(choice, sockets.lane_socket()?, IN_FLIGHT_MAX)?;
    let pool = TrainPool::new(POOL_BYTES, arguments.packet_bytes);
    let cpu = usage::cpu_seconds();
    let start = Instant::now();
    while start.elapsed() < arguments.duration {
        round(&mut transmitter, &pool)?;
    }
    let elapsed = start.elapsed().as_secs_f64();
    let cpu = usage::cpu_seconds() - cpu;
    let counters = transmitter.counters();
    let trains = counters.sent.packets as f64 / segments_max(arguments.packet_bytes) as f64;
    Ok(Figure {
        gbit_s: counters.sent.bytes as f64 * 8.0 / elapsed / 1e9,
        cpu_us: cpu / trains * 1e6,
        syscalls: counters.syscalls as f64 / trains,
    })
}

/// Queues trains while there is room, then submits and reaps.
fn round(transmitter: &mut Transmitter, pool: &TrainPool) -> Result<(), TransmitError> {
    while transmitter.has_room()
        && let Some(mut train) = pool.try_get()
    {
        while !train.is_full() {
            train.push_slot(pool.packet_bytes());
        }
        let packets = train.len_packets();
        let key = transmitter.load(train);
        transmitter.send(key, 0, packets);
        transmitter.release(key);
    }
    transmitter.submit()?;
    let mut recycled: Vec<TrainBuffer> = Vec::new();
    transmitter.reap(Some(Duration::from_millis(1)), &mut recycled)?;
    recycled.into_iter().for_each(|train| pool.put(train));
    Ok(())
}
