//! A whole push in a lab: receivers in their namespaces, a signed image, loss
//! on their ingress, and a check of every file by another hash.
//!
//! The argument lists of sender and receivers do not depend on loss, speed or
//! topology: [`Demo::push_arguments`] and [`Demo::receive_arguments`] are all
//! that they are told.

use crate::config::{LabConfig, Loss, RateCap};
use crate::error::LabError;
use crate::process::Process;
use crate::staging::Staging;
use crate::topology::Lab;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long receivers have to end after the push has.
const RECEIVERS_END: Duration = Duration::from_secs(20);
/// Staging space beyond the images themselves.
const SLACK_BYTES: u64 = 64 << 20;
/// Memory that is warmed at most.
const WARM_BYTES_MAX: u64 = 4 << 30;
/// A push that takes longer than this is killed.
const PUSH_MAX: Duration = Duration::from_secs(600);

/// What to demonstrate.
#[derive(Debug, Clone)]
pub struct Demo {
    /// The `linecast` program.
    pub program: PathBuf,
    /// Number of receivers.
    pub receivers: usize,
    /// The image, or the size of one to make.
    pub image: DemoImage,
    /// Loss on each receiver's ingress.
    pub loss: Loss,
    /// What the switch's port to each receiver lets through.
    pub port: Option<RateCap>,
    /// Loss on the sender's ingress.
    pub feedback_loss: Loss,
    /// MTU of every link.
    pub mtu: u32,
    /// Use IPv6.
    pub ipv6: bool,
    /// Directory to stage into instead of a tmpfs.
    pub target: Option<PathBuf>,
    /// `--rate` and `--io` of the push, and `--read-back` of the receivers.
    pub rate: String,
    /// Transmit path.
    pub io: String,
    /// When receivers read back.
    pub read_back: String,
    /// Whether the push shows live progress.
    pub progress: String,
    /// More arguments of the push.
    pub push: Vec<OsString>,
}

/// Where the image comes from.
#[derive(Debug, Clone)]
pub enum DemoImage {
    /// This file.
    File(PathBuf),
    /// Made of this many bytes that do not compress.
    Made(u64),
}

/// How it went.
#[derive(Debug)]
pub struct DemoResult {
    /// The push's report: its last line on stdout.
    pub push_report: String,
    /// The receivers' reports.
    pub receive_reports: Vec<String>,
    /// The push's exit code; 255 if a signal ended it.
    pub push_exit: u8,
    /// The receivers' exit codes.
    pub receive_exits: Vec<u8>,
    /// Receivers whose file has the image's SHA-256.
    pub identical: usize,
    /// SHA-256 of the image.
    pub sha256: String,
    /// Packets that the lab dropped on the way to receivers.
    pub dropped: u64,
    /// How long the lab took to come up.
    pub lab_up: Duration,
    /// The most memory that the push had resident, the mapped image included.
    pub push_rss_bytes: Option<u64>,
    /// The same of the largest receiver.
    pub receive_rss_bytes: Option<u64>,
}

impl Demo {
    /// Arguments of the push.
    pub fn push_arguments(&self, image: &Path, manifest: &Path) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["push".into(), image.into()];
        let count = self.receivers.to_string();
        for argument in ["--interface", "v0", "--receivers", &count, "--json"] {
            arguments.push(argument.into());
        }
        let flags = [
            ("--rate", &self.rate),
            ("--io", &self.io),
            ("--progress", &self.progress),
        ];
        for (flag, value) in flags {
            arguments.extend([flag.into(), value.into()]);
        }
        arguments.extend(["--manifest".into(), manifest.into()]);
        arguments.extend(self.ipv6.then(|| "--ipv6".into()));
        arguments.extend(self.push.iter().cloned());
        arguments
    }

    /// Arguments of a receiver.
    pub fn receive_arguments(&self, dir: &Path, name: &str, trust: &Path) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["receive".into(), dir.into()];
        for argument in [
            "--interface",
            "v0",
            "--json",
            "--progress",
            "none",
            "--wait",
            "60s",
        ] {
            arguments.push(argument.into());
        }
        arguments.extend(["--read-back".into(), (&self.read_back).into()]);
        arguments.extend(["--name".into(), name.into(), "--trust".into(), trust.into()]);
        arguments.extend(self.ipv6.then(|| "--ipv6".into()));
        arguments
    }

    /// Builds the lab, pushes, verifies, and takes the lab down again.
    ///
    /// # Errors
    /// The lab cannot be built, or a program cannot be run; not that the push
    /// failed.
    pub fn run(&self) -> Result<DemoResult, LabError> {
        let started = Instant::now();
        let lab = Lab::up(LabConfig {
            receivers: self.receivers,
            mtu: self.mtu,
            loss: self.loss,
            receiver_rate: self.port,
            feedback_loss: self.feedback_loss,
            ipv6: self.ipv6,
            ..LabConfig::default()
        })?;
        let lab_up = started.elapsed();
        let size = match &self.image {
            DemoImage::Made(size) => *size,
            DemoImage::File(path) => std::fs::metadata(path)
                .map_err(io_error("reading", path))?
                .len(),
        };
        let copies = self.receivers as u64 + 1;
        let work = Staging::tmpfs(size * copies * 3 / 2 + SLACK_BYTES)?;
        let image = self.prepare_image(work.path())?;
        let (trust, manifest) = self.sign(work.path(), &image)?;
        // Last: what is free for long goes back to the host of a virtual machine.
        warm(&work.path().join("warm"), size * (copies - 1) * 5 / 4)
            .map_err(io_error("warming", work.path()))?;
        let places = match &self.target {
            Some(dir) => Staging::directory(dir)?,
            None => Staging::directory(work.path())?,
        };
        let mut receivers = Vec::new();
        for i in 0..self.receivers {
            let dir = places.subdirectory(&format!("linecast-demo-rx{i}"))?;
            let name = format!("line-{:02}", i + 1);
            let mut command = lab.receiver(i).command(&self.program);
            command.args(self.receive_arguments(&dir, &name, &trust));
            let output = work.path().join(format!("rx{i}.json"));
            command.stdout(create(&output)?);
            receivers.push(Running {
                process: lab.receiver(i).spawn(&mut command)?,
                dir,
                output,
            });
        }
        let (push_exit, push_report, push_rss_bytes) =
            self.push(&lab, work.path(), &image, &manifest)?;
        let sha256 = sha256(&image)?;
        let mut result = DemoResult {
            push_report,
            receive_reports: Vec::new(),
            push_exit,
            receive_exits: Vec::new(),
            identical: 0,
            sha256,
            dropped: 0,
            lab_up,
            push_rss_bytes,
            receive_rss_bytes: None,
        };
        for (i, mut running) in receivers.into_iter().enumerate() {
            let exit = running.process.wait_for(RECEIVERS_END);
            result.receive_exits.push(exit.map_or(255, code));
            let peak = running.process.peak_rss_bytes();
            result.receive_rss_bytes = result.receive_rss_bytes.max(peak);
            result.receive_reports.push(last_line(&running.output)?);
            result.identical += usize::from(running.holds(&result.sha256)?);
            if !self.loss.is_none() {
                result.dropped += lab.loss_count(i)?.dropped;
            }
            std::fs::remove_dir_all(&running.dir).map_err(io_error("removing", &running.dir))?;
        }
        Ok(result)
    }

    fn prepare_image(&self, dir: &Path) -> Result<PathBuf, LabError> {
        match &self.image {
            DemoImage::File(path) => Ok(path.clone()),
            DemoImage::Made(size) => {
                let path = dir.join("demo.img");
                make_image(&path, *size).map_err(io_error("making", &path))?;
                Ok(path)
            }
        }
    }

    /// Makes a key and signs the image with it, as a release engineer would.
    fn sign(&self, dir: &Path, image: &Path) -> Result<(PathBuf, PathBuf), LabError> {
        let key = dir.join("release");
        let manifest = dir.join("demo.manifest.json");
        let run = |arguments: &[&OsString]| {
            let output = Command::new(&self.program)
                .args(arguments)
                .output()
                .map_err(io_error("running", &self.program))?;
            if output.status.success() {
                return Ok(());
            }
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            Err(io_error("signing", image)(io::Error::other(text)))
        };
        let (flag_key, flag_manifest) = ("--key".into(), "--manifest".into());
        run(&[&"keygen".into(), &key.clone().into()])?;
        let (key_path, image_path): (OsString, OsString) = (key.clone().into(), image.into());
        let manifest_path: OsString = manifest.clone().into();
        run(&[
            &"sign".into(),
            &image_path,
            &flag_key,
            &key_path,
            &flag_manifest,
            &manifest_path,
        ])?;
        Ok((key.with_extension("pub"), manifest))
    }

    fn push(
        &self,
        lab: &Lab,
        dir: &Path,
        image: &Path,
        manifest: &Path,
    ) -> Result<(u8, String, Option<u64>), LabError> {
        let output = dir.join("push.json");
        let mut command = lab.sender().command(&self.program);
        command
            .args(self.push_arguments(image, manifest))
            .stdout(create(&output)?);
        let mut process = lab.sender().spawn(&mut command)?;
        let exit = process.wait_for(PUSH_MAX)?;
        let report = last_line(&output)?;
        Ok((code(exit), report, process.peak_rss_bytes()))
    }
}

/// One receiver of the demo.
struct Running {
    process: Process,
    dir: PathBuf,
    output: PathBuf,
}

impl Running {
    /// Whether the directory holds one image with this SHA-256.
    fn holds(&self, sha256_wanted: &str) -> Result<bool, LabError> {
        for entry in std::fs::read_dir(&self.dir).map_err(io_error("listing", &self.dir))? {
            let path = entry.map_err(io_error("listing", &self.dir))?.path();
            if path.is_file() && sha256(&path)? == sha256_wanted {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn code(exit: ExitStatus) -> u8 {
    exit.code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(255)
}

fn create(path: &Path) -> Result<Stdio, LabError> {
    File::create(path)
        .map(Stdio::from)
        .map_err(io_error("creating", path))
}

fn last_line(path: &Path) -> Result<String, LabError> {
    let text = std::fs::read_to_string(path).map_err(io_error("reading", path))?;
    Ok(text.lines().last().unwrap_or_default().to_owned())
}

fn io_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LabError {
    let target = path.display().to_string();
    move |source| LabError::Io {
        operation,
        target,
        source,
    }
}

/// An independent hash: coreutils' `sha256sum`.
fn sha256(path: &Path) -> Result<String, LabError> {
    let output = Command::new("sha256sum")
        .arg("--")
        .arg(path)
        .output()
        .map_err(io_error("running sha256sum on", path))?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned())
}

/// Writes and frees as much memory as the demo will use, so that the first use
/// of a page, which a hypervisor makes slow, is not taken for the push.
pub fn warm(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = File::create(path)?;
    let zeros = vec![0; 1 << 20];
    let mut left = bytes.min(WARM_BYTES_MAX);
    while left > 0 {
        let chunk = left.min(zeros.len() as u64);
        file.write_all(&zeros[..chunk as usize])?;
        left -= chunk;
    }
    std::fs::remove_file(path)
}

/// Writes `size` bytes that look random and are the same every time.
pub fn make_image(path: &Path, size: u64) -> io::Result<()> {
    let mut state = 0x6c69_6e65_6361_7374u64;
    let mut word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut file = File::create(path)?;
    let mut left = size;
    let mut chunk = Vec::with_capacity(1 << 20);
    while left > 0 {
        chunk.clear();
        while (chunk.len() as u64) < left.min(1 << 20) {
            chunk.extend_from_slice(&word().to_le_bytes());
        }
        let bytes = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        file.write_all(&chunk[..bytes])?;
        left -= bytes as u64;
    }
    Ok(())
}
