//! Other tools' multicast pushes in the same lab, for comparison.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::LabError;
use crate::node::Node;
use crate::process::Process;
use crate::topology::Lab;
use crate::{sys, tools};

/// Another tool, as Debian packages it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// `udp-sender` and `udp-receiver`.
    Udpcast,
    /// `uftp` and `uftpd`.
    Uftp,
    /// NRL's library, by the program in `lab/norm`, which is compiled for each run.
    Norm,
}

impl Peer {
    /// Fails with the package's name if the tool is not installed.
    pub fn require(self) -> Result<(), LabError> {
        match self {
            Self::Udpcast => tools::require(&["udp-sender", "udp-receiver"]),
            Self::Uftp => tools::require(&["uftp", "uftpd"]),
            Self::Norm => tools::require(&["g++"]),
        }
    }
}

/// How a peer's push went.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerRun {
    /// From the start of the sending command to its exit and, for udpcast, to
    /// the exit of the last receiver (the others' do not end by themselves).
    /// Receivers are started before; comparing the files is not in it.
    pub elapsed: Duration,
    /// Whether the limit was reached and everything killed.
    pub timed_out: bool,
    /// The sending command's exit code; `None` if it was killed.
    pub exit_code: Option<i32>,
    /// For each receiver, whether it has exactly the image.
    pub identical: Vec<bool>,
    /// The sending command line, for reports.
    pub command: String,
    /// CPU seconds of the sending command.
    pub sender_cpu_s: f64,
    /// CPU seconds of all receivers.
    pub receiver_cpu_s: f64,
    /// The most memory that the sending command had resident.
    pub sender_rss_bytes: Option<u64>,
    /// The same of the largest receiver.
    pub receiver_rss_bytes: Option<u64>,
}

impl PeerRun {
    /// Whether every receiver has exactly the image.
    pub fn all_identical(&self) -> bool {
        self.identical.iter().all(|&same| same)
    }
}

/// Pushes `image` to all receivers of the lab with the flags that served the
/// peer best in our measurements. Receivers write below `directory`, which the
/// caller removes.
pub fn run_peer(
    lab: &Lab,
    peer: Peer,
    image: &Path,
    directory: &Path,
    limit: Duration,
) -> Result<PeerRun, LabError> {
    peer.require()?;
    if peer == Peer::Norm {
        compile_norm(directory)?;
    }
    let mut receivers = Vec::new();
    let mut copies = Vec::new();
    for (index, node) in lab.receivers().iter().enumerate() {
        let own = directory.join(format!("peer-rx{index}"));
        fs::create_dir_all(&own).map_err(LabError::io("create", own.display()))?;
        let (mut command, copy) = receiver(peer, node, index, &own, image)?;
        receivers.push(node.spawn(quiet(&mut command))?);
        copies.push(copy);
    }
    let mut command = sender(peer, lab, directory, image)?;
    std::thread::sleep(RECEIVERS_START);
    let cpu_before = sys::children_cpu_seconds();
    let started = Instant::now();
    let mut sending = lab.sender().spawn(quiet(&mut command))?;
    let sent = sending.wait_for(limit);
    let sender_cpu_s = sys::children_cpu_seconds() - cpu_before;
    let end = match sent {
        Ok(status) if peer == Peer::Udpcast => {
            wait_all(&mut receivers, started, limit).map(|()| status)
        }
        sent => sent,
    };
    let elapsed = started.elapsed();
    for receiver in &mut receivers {
        receiver.kill()?;
    }
    let receiver_cpu_s = sys::children_cpu_seconds() - cpu_before - sender_cpu_s;
    let (timed_out, exit_code) = match end {
        Ok(status) => (false, status.code()),
        Err(LabError::TimedOut { .. }) => (true, None),
        Err(error) => return Err(error),
    };
    let identical = copies
        .iter()
        .map(|copy| same_bytes(image, copy).map_err(LabError::io("compare", copy.display())))
        .collect::<Result<_, _>>()?;
    Ok(PeerRun {
        elapsed,
        timed_out,
        exit_code,
        identical,
        command: tools::show(&command),
        sender_cpu_s,
        receiver_cpu_s,
        sender_rss_bytes: sending.peak_rss_bytes(),
        receiver_rss_bytes: receivers.iter().filter_map(Process::peak_rss_bytes).max(),
    })
}

/// Builds `norm-file` in `directory`.
fn compile_norm(directory: &Path) -> Result<(), LabError> {
    let source = directory.join("norm-file.cpp");
    fs::write(&source, NORM_SOURCE).map_err(LabError::io("write", source.display()))?;
    let mut command = Command::new(tools::find("g++")?);
    command
        .arg("-O2")
        .arg("-o")
        .arg(directory.join("norm-file"));
    command.arg(&source).arg("-lnorm");
    tools::run(command, "").map(drop)
}

/// The receiving command and where it puts the image.
fn receiver(
    peer: Peer,
    node: &Node,
    index: usize,
    directory: &Path,
    image: &Path,
) -> Result<(Command, PathBuf), LabError> {
    match peer {
        Peer::Norm => {
            let program = directory.with_file_name("norm-file");
            let mut command = node.command(program);
            command
                .args(["receive", node.interface, NORM_GROUP, NORM_PORT])
                .arg((index + NORM_FIRST_RECEIVER).to_string())
                .arg(directory);
            Ok((command, directory.join("image")))
        }
        Peer::Udpcast => {
            let copy = directory.join("image");
            let mut command = node.command(tools::find("udp-receiver")?);
            command
                .args(["--nokbd", "--interface", node.interface, "--file"])
                .arg(&copy);
            Ok((command, copy))
        }
        Peer::Uftp => {
            let mut command = node.command(tools::find("uftpd")?);
            command
                .args(["-d", "-I", node.interface, "-B", UFTP_BUFFER_BYTES, "-D"])
                .arg(directory);
            Ok((
                command,
                directory.join(image.file_name().unwrap_or_default()),
            ))
        }
    }
}

/// The sending command. udpcast hangs on a lost hello and gives receivers up
/// early unless told otherwise; UFTP sends at 1 Mbit/s and announces for 30 s
/// unless told the rate and whom to expect.
fn sender(peer: Peer, lab: &Lab, directory: &Path, image: &Path) -> Result<Command, LabError> {
    let node = lab.sender();
    let mut command;
    match peer {
        Peer::Norm => {
            command = node.command(directory.join("norm-file"));
            command
                .args(["send", node.interface, NORM_GROUP, NORM_PORT])
                .args([&lab.receivers().len().to_string(), NORM_BITS_PER_S]);
        }
        Peer::Udpcast => {
            command = node.command(tools::find("udp-sender")?);
            command
                .args(["--full-duplex", "--nokbd", "--interface", node.interface])
                .args([
                    "--rexmit-hello-interval",
                    "200",
                    "--retries-until-drop",
                    "200",
                ])
                .args([
                    "--min-receivers",
                    &lab.receivers().len().to_string(),
                    "--file",
                ]);
        }
        Peer::Uftp => {
            let block_bytes = lab.config().mtu - UFTP_OVERHEAD_BYTES;
            let expected: Vec<String> = lab
                .receivers()
                .iter()
                .map(|receiver| format!("0x{:08X}", receiver.address_v4.to_bits()))
                .collect();
            command = node.command(tools::find("uftp")?);
            command
                .args([
                    "-R",
                    "-1",
                    "-r",
                    "0.05:0.01:1",
                    "-s",
                    "20",
                    "-I",
                    node.interface,
                ])
                .args(["-B", UFTP_BUFFER_BYTES, "-b", &block_bytes.to_string()])
                .args(["-H", &expected.join(",")]);
        }
    }
    command.arg(image);
    Ok(command)
}

fn quiet(command: &mut Command) -> &mut Command {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
}

fn wait_all(processes: &mut [Process], started: Instant, limit: Duration) -> Result<(), LabError> {
    for process in processes {
        process.wait_for(limit.saturating_sub(started.elapsed()))?;
    }
    Ok(())
}

/// Whether two files are the same; a missing copy is not.
fn same_bytes(image: &Path, copy: &Path) -> io::Result<bool> {
    let Ok(copy) = File::open(copy) else {
        return Ok(false);
    };
    let image = File::open(image)?;
    if image.metadata()?.len() != copy.metadata()?.len() {
        return Ok(false);
    }
    let mut image = BufReader::with_capacity(COMPARE_BYTES, image);
    let mut copy = BufReader::with_capacity(COMPARE_BYTES, copy);
    let (mut left, mut right) = (vec![0; COMPARE_BYTES], vec![0; COMPARE_BYTES]);
    loop {
        let count = image.read(&mut left)?;
        if count == 0 {
            return Ok(true);
        }
        copy.read_exact(&mut right[..count])?;
        if left[..count] != right[..count] {
            return Ok(false);
        }
    }
}

const NORM_SOURCE: &str = include_str!("../norm/norm-file.cpp");
const NORM_GROUP: &str = "239.192.76.70";
const NORM_PORT: &str = "7630";
const NORM_FIRST_RECEIVER: usize = 2;
/// Beyond what its sender can do: it paces by itself, and more of it is lost.
const NORM_BITS_PER_S: &str = "1e9";
/// Receivers have joined within this.
const RECEIVERS_START: Duration = Duration::from_millis(200);
const COMPARE_BYTES: usize = 1 << 20;
const UFTP_BUFFER_BYTES: &str = "8388608";
/// IPv4 and UDP headers: `-b` is what is left of the MTU.
const UFTP_OVERHEAD_BYTES: u32 = 28;
