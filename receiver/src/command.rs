//! The receive command, of `linecast receive` and `linecast-receiver` alike.

use crate::acceptance::{Acceptance, Refused};
use crate::receive::{ReceiveConfig, ReceiveError, receive};
use crate::shown::Shown;
use crate::target::Target;
use linecast_net::command::{Exit, Failure, NetworkArgs, ProgressMode, print_line, units};
use linecast_protocol::offer::SESSION_NAMESPACE;
use linecast_protocol::text::Printable;
use linecast_release::lists::TrustSet;
use linecast_release::manifest::SIZE_MAX;
use linecast_release::sshsig::MANIFEST_NAMESPACE;
use std::fs::File;
use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// Longest file of trusted keys.
const TRUST_BYTES_MAX: u64 = 1 << 20;

/// Receive one image into DIR
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Existing directory for the image; state is kept in DIR/.linecast
    dir: PathBuf,
    #[command(flatten)]
    network: NetworkArgs,
    /// Receive from this sender only (source-specific multicast)
    #[arg(long, value_name = "ADDRESS")]
    source: Option<IpAddr>,
    /// Accept manifests signed by these keys only (public keys or allowed_signers)
    /// [default: accept any, trust none]
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// Follow sessions signed by these keys only (as --trust, namespace
    /// linecast-session@v1) [default: follow any, believe none]
    #[arg(long, value_name = "FILE")]
    sender_trust: Option<PathBuf>,
    /// Hardware id of this device [default: not checked]
    #[arg(long, value_name = "ID")]
    hardware: Option<String>,
    /// Name of this device in reports [default: the host name]
    #[arg(long)]
    name: Option<String>,
    /// File name in DIR [default: 16 digits of the root hash, .img]
    #[arg(long, value_name = "FILE")]
    output: Option<String>,
    /// Largest image to accept [default: what fits]
    #[arg(long, value_parser = units::size_bytes, value_name = "SIZE")]
    size_max: Option<u64>,
    /// Read the image back from the disk before it counts; auto does when it will
    /// be committed, which this version cannot
    #[arg(long, default_value = "auto", value_parser = ["auto", "always", "never"], value_name = "WHEN")]
    read_back: String,
    /// How long to wait for a session [default: for ever]
    #[arg(long, value_parser = units::duration, value_name = "TIME")]
    wait: Option<Duration>,
    /// Give up a sender that was silent for this long
    #[arg(long, default_value = "60s", value_parser = units::duration, value_name = "TIME")]
    stall_timeout: Duration,
    /// Threads that hash and restore beside the one that receives [default: the
    /// other cores, 3 at most]
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=64), value_name = "N")]
    workers: Option<u8>,
    /// Print the report as one JSON object on the last line
    #[arg(long)]
    json: bool,
    /// Progress on stderr: auto, plain, none
    #[arg(long, default_value = "auto", value_enum)]
    progress: ProgressMode,
}

/// Reads a file of keys that may sign in a namespace.
fn trust_set(path: &Path, namespace: &str) -> Result<TrustSet, Failure> {
    TrustSet::parse_for(&read_text(path)?, namespace)
        .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

fn read_text(path: &Path) -> Result<String, Failure> {
    let failed = |error| Failure::usage(format!("trust {}: {error}", path.display()));
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(TRUST_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(text)
}

/// Runs the reception; `interrupted` ends it with code 130.
///
/// # Errors
/// Wrong arguments, or the image could not be received.
pub fn run(args: Args, interrupted: &AtomicBool) -> Result<Exit, Failure> {
    let read = |path: &Option<PathBuf>, namespace| {
        let path = path.as_ref();
        path.map(|path| trust_set(path, namespace)).transpose()
    };
    let trust = read(&args.trust, MANIFEST_NAMESPACE)?;
    let sender_trust = read(&args.sender_trust, SESSION_NAMESPACE)?;
    let target = Target::open(&args.dir).map_err(Failure::usage)?;
    let (group, interface) = args.network.resolve()?;
    let config = ReceiveConfig {
        group,
        interface,
        source: args.source,
        acceptance: Acceptance {
            trust,
            sender_trust,
            hardware: args.hardware.clone(),
            size_max: args.size_max.unwrap_or(SIZE_MAX),
        },
        name: args.name.clone().unwrap_or_else(host_name),
        file_name: args.output.clone(),
        read_back: args.read_back == "always",
        wait: args.wait,
        stall_timeout: args.stall_timeout,
        workers: args.workers.map_or_else(other_cores, usize::from),
    };
    let mut shown = Shown::new(args.progress);
    let (report, result) = receive(&config, target, interrupted, &mut |p| shown.update(p));
    shown.finish();
    if args.json {
        let json = serde_json::to_string(&report).map_err(Failure::usage)?;
        print_line(format_args!("{json}"));
    } else if let (Some(image), Some(path)) = (&report.image, &report.path) {
        let name = Printable(&image.name);
        print_line(format_args!(
            "{path}: {} bytes of {name}, version {}, signed by {} (trust: {}), verified",
            image.size_bytes, image.version, image.signed_by, report.trust
        ));
    }
    match result {
        Ok(()) => Ok(Exit::Success),
        Err(error) => Err(failure(error)),
    }
}

fn failure(error: ReceiveError) -> Failure {
    let exit = match error {
        ReceiveError::Net(error) => return error.into(),
        ReceiveError::Refused(Refused::Stage(_)) => Exit::Usage,
        ReceiveError::Refused(_) | ReceiveError::ImageChanged(_) => Exit::Verification,
        ReceiveError::NoSession { .. } | ReceiveError::SenderGone(..) => Exit::NoneSucceeded,
        ReceiveError::Interrupted(_) => Exit::Interrupted,
        ReceiveError::Stage(_) | ReceiveError::Symbol(_) | ReceiveError::Receive { .. } => {
            Exit::Usage
        }
    };
    Failure {
        exit,
        message: error.to_string(),
    }
}

/// Hashing takes about one and a half times as long as the copy out of the
/// socket (350 against 230 ms a GiB with AVX2): three keep up with one copier.
fn other_cores() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    (cores - 1).min(3)
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() {
        "device".into()
    } else {
        name.into()
    }
}
