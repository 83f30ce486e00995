//! `floor`: what receivers on this machine could do at best, as the reference
//! for `push`.
//!
//! The sender is a bare loop that never waits; what a receiver does not take in
//! time is lost to it and made up by what comes later.

use crate::bare::{self, Path as Bare};
use crate::push::Load;
use crate::{BenchError, lab_error, sockets};
use linecast_lab::{Lab, Process};
use linecast_net::usage;
use linecast_protocol::wire::DATA_HEADER_BYTES;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{ChildStdout, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 192, 76, 69);
const PORT: u16 = 7620;
/// A receiver that takes longer is stuck.
const LIMIT: Duration = Duration::from_secs(120);

/// What all receivers did.
#[derive(Debug)]
pub struct Floor {
    /// Of each, milliseconds from its first packet to its sync.
    pub elapsed_ms: Vec<f64>,
    /// CPU seconds of all receivers together.
    pub receiver_cpu_s: f64,
    /// CPU seconds of the sender.
    pub sender_cpu_s: f64,
    /// The most memory that one receiver had resident, its mapped file included.
    pub receiver_rss_bytes: Option<u64>,
    /// From the first packet to the end of the last receiver.
    pub total_ms: f64,
}

/// Runs receivers that do the least, and a sender that never waits.
///
/// # Errors
/// The lab fails, or a receiver.
pub fn run(lab: &Lab, load: &Load, directory: &Path, prefault: bool) -> Result<Floor, BenchError> {
    let program = std::env::current_exe()?;
    let mut sinks = Vec::new();
    for (index, node) in lab.receivers().iter().enumerate() {
        let mut command = node.command(&program);
        command
            .arg("sink")
            .args(["--group", &GROUP.to_string(), "--port", &PORT.to_string()])
            .args(["--size", &load.size_bytes.to_string()])
            .args(["--symbol", &load.symbol_bytes.to_string(), "--file"])
            .arg(directory.join(format!("floor{index}")))
            .stdout(Stdio::piped());
        if prefault {
            command.arg("--prefault");
        }
        sinks.push(Sink::start(node.spawn(&mut command)?)?);
    }
    for sink in &mut sinks {
        sink.line()?;
    }
    // The switch hears of a join some 10 to 20 ms later.
    std::thread::sleep(Duration::from_millis(100));
    let stop = AtomicBool::new(false);
    let (cpu, started) = (usage::cpu_seconds(), Instant::now());
    let results = std::thread::scope(|scope| {
        let sending = scope.spawn(|| send(lab, load.symbol_bytes + DATA_HEADER_BYTES, &stop));
        let results: Result<Vec<_>, _> = sinks.iter_mut().map(Sink::result).collect();
        stop.store(true, Relaxed);
        sending.join().expect("a bare loop does not panic")?;
        results
    })?;
    let total_ms = started.elapsed().as_secs_f64() * 1e3;
    let sender_cpu_s = usage::cpu_seconds() - cpu;
    let peaks: Result<Vec<_>, _> = sinks.iter_mut().map(Sink::end).collect();
    for index in 0..results.len() {
        std::fs::remove_file(directory.join(format!("floor{index}")))?;
    }
    Ok(Floor {
        elapsed_ms: results.iter().map(|(elapsed, _)| *elapsed).collect(),
        receiver_cpu_s: results.iter().map(|(_, cpu)| cpu).sum(),
        sender_cpu_s,
        receiver_rss_bytes: peaks?.into_iter().max().flatten(),
        total_ms,
    })
}

fn send(lab: &Lab, packet_bytes: usize, stop: &AtomicBool) -> Result<(), BenchError> {
    let until = Instant::now() + LIMIT;
    let done = || stop.load(Relaxed) || Instant::now() >= until;
    lab.sender()
        .enter(|| -> Result<(), BenchError> {
            for socket in &sockets::lanes(SocketAddr::from((GROUP, PORT)), 1)? {
                bare::send(Bare::UringGso, socket, packet_bytes, done)?;
            }
            Ok(())
        })
        .map_err(lab_error)?
}

/// A receiver in its namespace.
struct Sink {
    process: Process,
    output: BufReader<ChildStdout>,
}

impl Sink {
    fn start(mut process: Process) -> Result<Sink, BenchError> {
        let output = process.child().stdout.take();
        let output = output.ok_or_else(|| BenchError::Usage("a sink without output".into()))?;
        Ok(Sink {
            process,
            output: BufReader::new(output),
        })
    }

    fn line(&mut self) -> Result<String, BenchError> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        Ok(line)
    }

    /// Waits for the end; the most memory that it had.
    fn end(&mut self) -> Result<Option<u64>, BenchError> {
        self.process.wait_for(LIMIT).map_err(lab_error)?;
        Ok(self.process.peak_rss_bytes())
    }

    /// Milliseconds and CPU seconds.
    fn result(&mut self) -> Result<(f64, f64), BenchError> {
        let line = self.line()?;
        let mut numbers = line.split_whitespace().map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(elapsed)), Some(Ok(cpu))) => Ok((elapsed, cpu)),
            _ => Err(BenchError::Usage(format!("a sink said {line:?}"))),
        }
    }
}
