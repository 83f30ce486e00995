//! Packet captures with tcpdump.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{ChildStderr, Stdio};
use std::time::Duration;

use crate::error::LabError;
use crate::node::Node;
use crate::process::Process;
use crate::tools;

/// A running capture. Dropping it kills tcpdump, which may lose the last
/// packets: call [`Capture::stop`].
#[derive(Debug)]
pub struct Capture {
    process: Process,
    messages: BufReader<ChildStderr>,
}

impl Capture {
    /// Captures an interface of a node into a pcap file until stopped; returns
    /// when tcpdump listens. `snap_bytes` is how much of each packet is kept
    /// (0: all of it), `filter` is in the language of pcap-filter(7) and may be
    /// empty.
    pub fn start(
        node: &Node,
        interface: &str,
        file: &Path,
        snap_bytes: u32,
        filter: &str,
    ) -> Result<Self, LabError> {
        let mut command = node.command(tools::find("tcpdump")?);
        // In a user namespace there is no other user to change to (-Z root).
        command
            .args([
                "-n",
                "-U",
                "--immediate-mode",
                "-Z",
                "root",
                "-B",
                BUFFER_KIB,
            ])
            .args(["-i", interface, "-s", &snap_bytes.to_string(), "-w"])
            .arg(file)
            .args(filter.split_whitespace())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = node.spawn(&mut command)?;
        let stderr = process.child().stderr.take().expect("stderr is piped");
        let mut messages = BufReader::new(stderr);
        let mut said = String::new();
        while !said.contains("listening on") {
            let read = messages
                .read_line(&mut said)
                .map_err(LabError::io("read from", "tcpdump"))?;
            if read == 0 {
                return Err(LabError::Tool {
                    command: format!("tcpdump -i {interface} -w {}", file.display()),
                    status: process.kill()?.to_string(),
                    stderr: said.trim().to_owned(),
                });
            }
        }
        Ok(Self { process, messages })
    }

    /// Ends the capture, with the file complete; returns how many packets are
    /// in it.
    pub fn stop(mut self) -> Result<u64, LabError> {
        self.process.signal(libc::SIGINT)?;
        self.process.wait_for(STOP_LIMIT)?;
        let lines: Vec<String> = self
            .messages
            .by_ref()
            .lines()
            .map_while(Result::ok)
            .collect();
        lines
            .iter()
            .find_map(|line| line.trim().strip_suffix(" packets captured")?.parse().ok())
            .or_else(|| {
                lines
                    .iter()
                    .any(|l| l.trim() == "1 packet captured")
                    .then_some(1)
            })
            .ok_or_else(|| LabError::Answer {
                tool: "tcpdump",
                reason: lines.join("; "),
            })
    }
}

/// What the kernel keeps for tcpdump while it writes.
const BUFFER_KIB: &str = "16384";
const STOP_LIMIT: Duration = Duration::from_secs(10);
