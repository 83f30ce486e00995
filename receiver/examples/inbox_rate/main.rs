//! How fast an inbox takes symbols off a bridge, places them by prediction in
//! a mapped file and hashes each leaf.
//!
//! `inbox_rate run RECEIVERS [cut] [cold] [unhashed] [DIR]` (as root) builds a
//! bridge with one sender and the receivers in namespaces named `inbox-…`,
//! sends trains of 45 packets unpaced until each receiver had 1 GiB, prints how
//! they did, and removes the namespaces. `cut` lets the bridge cut the trains
//! to single packets; `cold` leaves the pages of the files to be made present
//! as the symbols arrive; `unhashed` hashes nothing. DIR is where the files are
//! made: tmpfs by default.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
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
const QUIET: Duration = Duration::from_secs(60);

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["run", receivers, ref options @ ..] => run(receivers.parse()?, options),
        ["send"] => send(),
        ["receive", address, dir, warmth, hashing] => {
            let (warm, hashed) = (warmth == "warm", hashing == "hashed");
            receive(address.parse()?, Path::new(dir), warm, hashed)
        }
        _ => Err("usage: inbox_rate run RECEIVERS [cut] [cold] [unhashed] [DIR]".into()),
    }
}

/// Trains of rising symbol numbers, as fast as they go.
fn send() -> Result<(), Failure> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(SocketAddr::from((GROUP, PORT)))?;
    trains::set(&socket, libc::SOL_UDP, libc::UDP_SEGMENT, PACKET as i32)?;
    let mut train = vec![0x5a; TRAIN * PACKET];
    let mut number = 0u64;
    loop {
        for packet in train.chunks_exact_mut(PACKET) {
            packet[..8].copy_from_slice(&number.to_le_bytes());
            number += 1;
        }
        socket.send(&train)?;
    }
}

/// Receives 1 GiB. Symbol `n` belongs at place `n` of the file, which starts
/// again from its beginning at its end.
fn receive(address: Ipv4Addr, dir: &Path, warm: bool, hashed: bool) -> Result<(), Failure> {
    let dir = dir.join(format!("inbox-{address}"));
    std::fs::create_dir(&dir)?;
    let socket = UdpSocket::bind((GROUP, PORT))?;
    trains::set_up_receiver(&socket, BUFFER_BYTES)?;
    let reserving = Instant::now();
    let target = Target::open(&dir)?;
    let mut staging = Staging::reserve(&target, [1; 32], IMAGE, SHAPE.symbol_bytes)?;
    let reserve_ms = reserving.elapsed().as_millis();
    if warm {
        staging.expect(0..IMAGE);
    }
    socket.join_multicast_v4(&GROUP, &address)?;
    let mut intake = Intake {
        symbols: staging.reserved_bytes() / SYMBOL,
        staging,
        hashed,
        inbox: Inbox::new(socket, SHAPE),
        next: 0,
        run_from: 0,
        leaves: 0,
        received: 0,
        misplaced: Vec::new(),
    };
    let mut predicted = Vec::new();
    println!("ready");
    intake.step(&mut predicted)?;
    let (started, cpu_started, before) = (Instant::now(), cpu_ns()?, intake.received);
    while intake.received < intake.symbols {
        intake.step(&mut predicted)?;
    }
    let elapsed = started.elapsed();
    let cpu = cpu_ns()? - cpu_started;
    intake.received -= before;
    let gbit = (intake.received * SYMBOL * 8) as f64 / elapsed.as_nanos() as f64;
    let gbit_cpu = (intake.received * SYMBOL * 8) as f64 / cpu as f64;
    let hashed = (intake.leaves * LEAF) as f64 / (intake.received * SYMBOL) as f64;
    println!(
        "{address}: {gbit:.2} Gbit/s, {gbit_cpu:.1} per second of CPU time, {:.1} % hashed, {:.2} % lost, reserved in {reserve_ms} ms, {} dropped, {:?}",
        hashed * 100.0,
        (1.0 - intake.received as f64 / intake.next.max(1) as f64) * 100.0,
        intake.inbox.dropped(),
        intake.inbox.counters(),
    );
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

/// Nanoseconds that this process has run (proc(5), schedstat).
fn cpu_ns() -> Result<u64, Failure> {
    let text = std::fs::read_to_string("/proc/self/schedstat")?;
    let first = text.split(' ').next().ok_or("no schedstat")?;
    Ok(first.parse()?)
}

struct Intake {
    inbox: Inbox,
    staging: Staging,
    symbols: u64,
    hashed: bool,
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
    fn step(&mut self, predicted: &mut Vec<u64>) -> Result<(), Failure> {
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
            .receive(Some(&mut self.staging), predicted, QUIET)?;
        if datagrams == 0 {
            return Err("nothing comes".into());
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
        self.hash(gap)
    }

    /// Hashes the leaves that became whole: in runs without a gap, and not
    /// across the end of the file.
    fn hash(&mut self, gap: Option<u64>) -> Result<(), Failure> {
        if !self.hashed {
            return Ok(());
        }
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

fn run(receivers: u8, options: &[&str]) -> Result<(), Failure> {
    let names: Vec<String> = (0..=receivers).map(|i| format!("inbox-{i}")).collect();
    let warmth = if options.contains(&"cold") {
        "cold"
    } else {
        "warm"
    };
    let hashing = if options.contains(&"unhashed") {
        "unhashed"
    } else {
        "hashed"
    };
    let dir = options.iter().find(|option| option.starts_with('/'));
    let dir = dir.unwrap_or(&"/dev/shm");
    let built = build(&names, options.contains(&"cut"));
    let result = built.and_then(|()| push(&names, &[dir, warmth, hashing]));
    for name in names.iter().map(String::as_str).chain(["inbox-bridge"]) {
        let _ = Command::new("ip").args(["netns", "del", name]).output();
    }
    result
}

/// Namespace 0 is the sender's.
fn build(names: &[String], cut: bool) -> Result<(), Failure> {
    ip("netns add inbox-bridge")?;
    ip("-n inbox-bridge link add name hub type bridge mcast_snooping 0")?;
    ip("-n inbox-bridge link set hub up")?;
    for (i, name) in names.iter().enumerate() {
        ip(&format!("netns add {name}"))?;
        ip(&format!(
            "-n {name} link add name eth type veth peer name p{i} netns inbox-bridge"
        ))?;
        ip(&format!("-n {name} addr add 10.77.0.{}/24 dev eth", i + 1))?;
        ip(&format!("-n {name} link set lo up"))?;
        ip(&format!("-n {name} link set eth up"))?;
        ip(&format!("-n {name} route add 239.0.0.0/8 dev eth"))?;
        ip(&format!("-n inbox-bridge link set p{i} master hub up"))?;
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

/// Each receiver says a line when it has joined and another at its end; the
/// sender runs in between.
fn push(names: &[String], how: &[&str]) -> Result<(), Failure> {
    let mut receivers = Vec::new();
    for (i, name) in names.iter().enumerate().skip(1) {
        let address = format!("10.77.0.{}", i + 1);
        let mut receiver = inside(name, &[&["receive", &address], how].concat())?;
        let output = receiver.stdout.take().ok_or("no output")?;
        receivers.push((receiver, BufReader::new(output)));
    }
    for (_, output) in &mut receivers {
        output.read_line(&mut String::new())?;
    }
    let mut sender = inside(&names[0], &["send"])?;
    for (receiver, output) in &mut receivers {
        std::io::copy(output, &mut std::io::stdout())?;
        receiver.wait()?;
    }
    sender.kill()?;
    sender.wait()?;
    Ok(())
}

fn inside(name: &str, arguments: &[&str]) -> Result<Child, Failure> {
    let mut command = Command::new("ip");
    command
        .args(["netns", "exec", name])
        .arg(std::env::current_exe()?);
    Ok(command.args(arguments).stdout(Stdio::piped()).spawn()?)
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
