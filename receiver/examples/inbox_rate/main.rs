//! How fast an inbox takes symbols off a bridge, places them by prediction in
//! a mapped file and hashes each leaf.
//!
//! `inbox_rate run RECEIVERS SECONDS [cut] [DIR]` (as root) builds a bridge
//! with one sender and the receivers in namespaces named `inbox-…`, sends
//! trains of 45 packets unpaced, prints what each receiver had, and removes
//! the namespaces. `cut` lets the bridge cut the trains to single packets.
//! DIR is where the files are made: on tmpfs, unless the disk is in question.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use linecast_receiver::inbox::{Inbox, Landed, PacketShape};
use linecast_receiver::staging::Staging;
use linecast_receiver::target::Target;

mod trains;

const SHAPE: PacketShape = PacketShape {
    header_bytes: 40,
    symbol_bytes: 1408,
};
const SYMBOL: u64 = 1408;
const PACKET: usize = 1448;
const TRAIN: usize = 45;
const LEAF: u64 = 64 * 1024;
const IMAGE: u64 = 1 << 30;
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 7, 7, 7);
const PORT: u16 = 7777;
const BUFFER_BYTES: i32 = 64 << 20;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["run", receivers, seconds] => run(receivers, seconds, false, "/dev/shm"),
        ["run", receivers, seconds, "cut"] => run(receivers, seconds, true, "/dev/shm"),
        ["run", receivers, seconds, "cut", dir] => run(receivers, seconds, true, dir),
        ["run", receivers, seconds, dir] => run(receivers, seconds, false, dir),
        ["send", seconds] => send(Duration::from_secs(seconds.parse()?)),
        ["receive", address, dir] => receive(address.parse()?, Path::new(dir)),
        _ => Err("usage: inbox_rate run RECEIVERS SECONDS [cut] [DIR]".into()),
    }
}

/// Trains of rising symbol numbers, as fast as they go.
fn send(duration: Duration) -> Result<(), Failure> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(SocketAddr::from((GROUP, PORT)))?;
    trains::set(&socket, libc::SOL_UDP, libc::UDP_SEGMENT, PACKET as i32)?;
    let mut train = vec![0x5a; TRAIN * PACKET];
    let started = Instant::now();
    let mut number = 0u64;
    while started.elapsed() < duration {
        for packet in train.chunks_exact_mut(PACKET) {
            packet[..8].copy_from_slice(&number.to_le_bytes());
            number += 1;
        }
        socket.send(&train)?;
    }
    let gbit = (number * PACKET as u64 * 8) as f64 / started.elapsed().as_nanos() as f64;
    println!("sender: {gbit:.1} Gbit/s");
    Ok(())
}

/// Receives until nothing comes for a second. Symbol `n` belongs at place
/// `n` of the file, which starts again from its beginning at its end.
fn receive(address: Ipv4Addr, dir: &Path) -> Result<(), Failure> {
    let dir = dir.join(format!("inbox-{address}"));
    std::fs::create_dir(&dir)?;
    let socket = UdpSocket::bind((GROUP, PORT))?;
    trains::set_up_receiver(&socket, BUFFER_BYTES)?;
    socket.join_multicast_v4(&GROUP, &address)?;
    let reserving = Instant::now();
    let target = Target::open(&dir)?;
    let staging = Staging::reserve(&target, [1; 32], IMAGE, SHAPE.symbol_bytes)?;
    let reserve_ms = reserving.elapsed().as_millis();
    let mut intake = Intake {
        symbols: staging.reserved_bytes() / SYMBOL,
        staging,
        inbox: Inbox::new(socket, SHAPE),
        next: 0,
        run_from: 0,
        leaves: 0,
        received: 0,
        misplaced: Vec::new(),
    };
    let mut predicted = Vec::new();
    let mut times: Option<(Instant, Instant)> = None;
    loop {
        let quiet = Duration::from_secs(if times.is_some() { 1 } else { 20 });
        if !intake.step(&mut predicted, quiet)? {
            break;
        }
        let now = Instant::now();
        times = Some((times.map_or(now, |(first, _)| first), now));
    }
    let elapsed = times.map_or(Duration::ZERO, |(first, last)| last - first);
    let gbit = (intake.received * SYMBOL * 8) as f64 / elapsed.as_nanos() as f64;
    let hashed = (intake.leaves * LEAF) as f64 / (intake.received * SYMBOL) as f64;
    println!(
        "{address}: {gbit:.2} Gbit/s, {:.1} % hashed, {:.2} % lost, reserved in {reserve_ms} ms, {} dropped, {:?}",
        hashed * 100.0,
        (1.0 - intake.received as f64 / intake.next.max(1) as f64) * 100.0,
        intake.inbox.dropped(),
        intake.inbox.counters(),
    );
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

struct Intake {
    inbox: Inbox,
    staging: Staging,
    symbols: u64,
    /// The number expected next.
    next: u64,
    /// The first number of the run without a gap, or the end of the last
    /// hashed leaf.
    run_from: u64,
    leaves: u64,
    received: u64,
    misplaced: Vec<(usize, u64)>,
}

impl Intake {
    fn step(&mut self, predicted: &mut Vec<u64>, quiet: Duration) -> Result<bool, Failure> {
        predicted.clear();
        let mut place = self.next % self.symbols;
        for _ in 0..self.inbox.wanted() {
            predicted.push(place * SYMBOL);
            place = if place + 1 == self.symbols {
                0
            } else {
                place + 1
            };
        }
        let datagrams = self
            .inbox
            .receive(Some(&mut self.staging), predicted, quiet)?;
        if datagrams == 0 {
            return Ok(false);
        }
        self.received += datagrams as u64;
        self.misplaced.clear();
        let mut gap = None;
        for (i, datagram) in self.inbox.datagrams().enumerate() {
            let number = u64::from_le_bytes(datagram.header[..8].try_into()?);
            let offset = number % self.symbols * SYMBOL;
            if datagram.landed != Landed::Place(offset) {
                self.misplaced.push((i, offset));
            }
            if number != self.next {
                gap = Some(number);
            }
            self.next = number + 1;
        }
        let misplaced: Vec<usize> = self.misplaced.iter().map(|(i, _)| *i).collect();
        self.inbox.lift(&self.staging, &misplaced);
        for (i, offset) in &self.misplaced {
            let payload = self.inbox.payload(*i).ok_or("lifted")?;
            self.staging.write_at(*offset, payload)?;
        }
        self.hash(gap)?;
        Ok(true)
    }

    /// Hashes the leaves that became whole: in runs without a gap, and not
    /// across the end of the file.
    fn hash(&mut self, gap: Option<u64>) -> Result<(), Failure> {
        if let Some(number) = gap {
            self.run_from = number * SYMBOL;
        }
        let file = self.symbols * SYMBOL;
        loop {
            let lap = self.run_from / file * file;
            let leaf = lap + (self.run_from - lap).next_multiple_of(LEAF);
            if leaf + LEAF > lap + file {
                self.run_from = lap + file;
            } else if leaf + LEAF <= self.next * SYMBOL {
                let bytes = self.staging.bytes(leaf - lap..leaf - lap + LEAF)?;
                std::hint::black_box(blake3::hash(bytes));
                self.leaves += 1;
                self.run_from = leaf + LEAF;
            } else {
                return Ok(());
            }
            if self.run_from >= self.next * SYMBOL {
                return Ok(());
            }
        }
    }
}

fn run(receivers: &str, seconds: &str, cut: bool, dir: &str) -> Result<(), Failure> {
    let receivers: u8 = receivers.parse()?;
    let names: Vec<String> = (0..=receivers).map(|i| format!("inbox-{i}")).collect();
    let result = build(&names, cut).and_then(|()| push(&names, seconds, dir));
    for name in names.iter().map(String::as_str).chain(["inbox-bridge"]) {
        let _ = Command::new("ip").args(["netns", "del", name]).status();
    }
    result
}

/// Namespace 0 is the sender's.
fn build(names: &[String], cut: bool) -> Result<(), Failure> {
    ip("netns add inbox-bridge")?;
    ip("-n inbox-bridge link add br type bridge mcast_snooping 0")?;
    ip("-n inbox-bridge link set br up")?;
    for (i, name) in names.iter().enumerate() {
        ip(&format!("netns add {name}"))?;
        ip(&format!(
            "-n {name} link add eth type veth peer name p{i} netns inbox-bridge"
        ))?;
        ip(&format!("-n {name} addr add 10.77.0.{}/24 dev eth", i + 1))?;
        ip(&format!("-n {name} link set lo up"))?;
        ip(&format!("-n {name} link set eth up"))?;
        ip(&format!("-n {name} route add 239.0.0.0/8 dev eth"))?;
        ip(&format!("-n inbox-bridge link set p{i} master br up"))?;
        if cut && i > 0 {
            let port = format!("p{i}");
            let ethtool = ["netns", "exec", "inbox-bridge", "ethtool", "-K", &port];
            let mut command = Command::new("ip");
            command.args(ethtool).args(["tx-udp-segmentation", "off"]);
            done(command)?;
        }
    }
    Ok(())
}

fn push(names: &[String], seconds: &str, dir: &str) -> Result<(), Failure> {
    let mut receivers = Vec::new();
    for (i, name) in names.iter().enumerate().skip(1) {
        let address = format!("10.77.0.{}", i + 1);
        receivers.push(inside(name, &["receive", &address, dir])?);
    }
    std::thread::sleep(Duration::from_millis(1500 * names.len() as u64));
    let sent = inside(&names[0], &["send", seconds])?.wait()?;
    for receiver in &mut receivers {
        receiver.wait()?;
    }
    if sent.success() {
        Ok(())
    } else {
        Err("the sender failed".into())
    }
}

fn inside(name: &str, arguments: &[&str]) -> Result<Child, Failure> {
    let mut command = Command::new("ip");
    command
        .args(["netns", "exec", name])
        .arg(std::env::current_exe()?);
    Ok(command.args(arguments).spawn()?)
}

fn ip(arguments: &str) -> Result<(), Failure> {
    let mut command = Command::new("ip");
    command.args(arguments.split(' '));
    done(command)
}

fn done(mut command: Command) -> Result<(), Failure> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(format!("{command:?}: {text}").into())
}
