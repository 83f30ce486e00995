//! How fast each path hands trains to the kernel.
//!
//! `transmit_rate GROUP:PORT INTERFACE [SECONDS] [PACKET_BYTES] [ROUNDS]` sends
//! full trains unpaced, the paths in turn, and prints Gbit/s of UDP payload and
//! CPU time a train. Run it in a namespace of its own.

use std::time::{Duration, Instant};

use linecast_engine::train::{TrainBuffer, TrainPool};
use linecast_engine::transmitter::{IoChoice, TransmitError, Transmitter};
use linecast_net::{Interface, SenderConfig, SenderSockets, usage};

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
    for _ in 0..arguments.rounds {
        for choice in [IoChoice::Uring, IoChoice::Mmsg, IoChoice::Plain] {
            measure(choice, &arguments)?;
        }
    }
    Ok(())
}

fn measure(choice: IoChoice, arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
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
    let trains = counters.sent.packets as f64 / pool_segments(&pool) as f64;
    println!(
        "{:6} {:7.2} Gbit/s  {:6.2} us CPU a train  {:.3} syscalls a train  segmented {}",
        transmitter.path().to_string(),
        counters.sent.bytes as f64 * 8.0 / elapsed / 1e9,
        cpu / trains * 1e6,
        counters.syscalls as f64 / trains,
        transmitter.segmented(),
    );
    Ok(())
}

fn pool_segments(pool: &TrainPool) -> usize {
    linecast_engine::train::segments_max(pool.packet_bytes())
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
