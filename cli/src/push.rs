//! `linecast push`: one image to every receiver of a group.

use crate::code::CodeArgs;
use crate::files;
use crate::progress::Progress;
use crate::rate::RateArgs;
use linecast_engine::image::Image;
use linecast_engine::push::{self, Identity, PushConfig, Release};
use linecast_engine::report::PushReport;
use linecast_engine::transmitter::IoChoice;
use linecast_net::clock;
use linecast_net::command::{
    Exit, Failure, NetworkArgs, ProgressMode, eprint_line, print_line, units,
};
use linecast_protocol::key::SigningKey;
use linecast_release::lists::Roster;
use linecast_release::manifest::{MANIFEST_BYTES_MAX, Manifest, ManifestError, Policy, SIZE_MAX};
use linecast_release::sshsig::{self, MANIFEST_NAMESPACE, SIGNATURE_BYTES_MAX};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// Push IMAGE to every receiver of a group
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Image: a regular file or a block device
    image: PathBuf,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    rate: RateArgs,
    /// Bytes of a symbol, a multiple of 64 [default: from the MTU]
    #[arg(long, value_name = "BYTES")]
    symbol: Option<u16>,
    #[command(flatten)]
    code: CodeArgs,
    /// Receivers to wait for [default: start 300 ms after the newest]
    #[arg(long, short = 'n', value_name = "N")]
    receivers: Option<usize>,
    /// File of receivers that must have the image: `NAME ssh-ed25519 KEY` lines
    #[arg(long, value_name = "FILE")]
    roster: Option<PathBuf>,
    /// How long to wait for receivers; then start with those there are, or end with 3
    #[arg(long, default_value = "30s", value_parser = units::duration, value_name = "TIME")]
    wait: Duration,
    /// Give up this long after the first announcement, with 6
    #[arg(long, value_parser = units::duration, value_name = "TIME")]
    deadline: Option<Duration>,
    /// Give up a receiver that was silent for this long
    #[arg(long, default_value = "60s", value_parser = units::duration, value_name = "TIME")]
    stall_timeout: Duration,
    /// Transmit threads
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=8))]
    lanes: u8,
    /// Transmit path: auto, uring, mmsg, plain
    #[arg(long, default_value = "auto", value_name = "PATH")]
    io: IoChoice,
    /// TTL or hop limit of multicast packets
    #[arg(long, default_value_t = 8, value_name = "N")]
    hops: u8,
    /// OpenSSH ed25519 private key to sign with [default: a key for this push only]
    #[arg(long, value_name = "FILE", conflicts_with = "manifest")]
    key: Option<PathBuf>,
    /// OpenSSH ed25519 private key to sign this session with, for receivers with
    /// --sender-trust [default: unsigned]
    #[arg(long, value_name = "FILE")]
    sender_key: Option<PathBuf>,
    /// Manifest made by `linecast sign`; its signature is FILE.sig
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Name in the manifest [default: the image's file name]
    #[arg(long, conflicts_with = "manifest")]
    name: Option<String>,
    /// Version counter in the manifest; `linecast sign` takes unix seconds
    #[arg(
        long,
        default_value_t = 0,
        value_name = "N",
        conflicts_with = "manifest"
    )]
    release_version: u64,
    /// Print the report as one JSON object on the last line
    #[arg(long)]
    json: bool,
    /// Progress on stderr: auto, plain, none
    #[arg(long, default_value = "auto", value_enum)]
    progress: ProgressMode,
    /// Check everything, send nothing
    #[arg(long)]
    dry_run: bool,
}

/// Runs the push.
pub(crate) fn run(args: Args, started: Instant, interrupted: &AtomicBool) -> Result<Exit, Failure> {
    let (group, interface) = args.network.resolve()?;
    interface.address_for(group.ip())?;
    let symbol_bytes = push::symbol_bytes(&interface, args.symbol)?;
    let roster = match &args.roster {
        Some(path) => Roster::parse(&files::read_text("roster", path)?)
            .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?
            .entries()
            .to_vec(),
        None => Vec::new(),
    };
    let rate = args.rate.resolve(&interface)?;
    let sender_key = match &args.sender_key {
        Some(path) => Some(files::read_key(Some(path.clone()))?),
        None => None,
    };
    let release = release(&args)?;
    if args.dry_run {
        print_line(format_args!(
            "{}: {} bytes, root {}, to {group} on {} in symbols of {symbol_bytes} bytes",
            release.manifest.name,
            release.hash.size,
            linecast_protocol::hex(&release.hash.root),
            interface.name,
        ));
        return Ok(Exit::Success);
    }
    let (codec, block_symbols) = args.code.resolve()?;
    let config = PushConfig {
        group,
        interface,
        hops: args.hops,
        rate_bps: rate.fixed_bps,
        rate_floor_bps: rate.floor_bps,
        on_slow: rate.on_slow,
        symbol_bytes: args.symbol,
        codec,
        block_symbols,
        lanes: args.lanes.into(),
        io: args.io,
        receivers: args.receivers,
        roster,
        sender_key,
        wait: args.wait,
        stall_timeout: args.stall_timeout,
        deadline: args.deadline,
    };
    if (args.key.is_none() && args.manifest.is_none()) && args.progress != ProgressMode::None {
        eprint_line(format_args!(
            "linecast: no --key: signed with a key for this push only, {}",
            release.signer.fingerprint()
        ));
    }
    let mut progress = Progress::new(args.progress, &release.manifest.name, release.hash.size);
    let prepared = started.elapsed();
    let result = push::push(
        &config,
        release,
        &identity()?,
        interrupted,
        &mut |sender, totals| {
            progress.update(sender, totals);
        },
    );
    progress.finish();
    let mut report = result?;
    report.elapsed_ms.prepare = prepared.as_secs_f64() * 1e3;
    report.elapsed_ms.total = started.elapsed().as_secs_f64() * 1e3;
    if args.json {
        let json = serde_json::to_string(&report).map_err(Failure::usage)?;
        print_line(format_args!("{json}"));
    } else {
        crate::table::push_report(&serde_json::to_value(&report).map_err(Failure::usage)?);
    }
    let exit = exit_of(&report);
    if exit != Exit::Success {
        eprint_line(format_args!("linecast: {}", report.reason));
    }
    Ok(exit)
}

fn exit_of(report: &PushReport) -> Exit {
    match report.outcome {
        "ok" => Exit::Success,
        _ if report.reason.contains("changed while") => Exit::Verification,
        _ if report.reason.starts_with("interrupted") => Exit::Interrupted,
        _ if report.reason.starts_with("deadline") => Exit::Deadline,
        "partial" => Exit::SomeFailed,
        _ => Exit::NoneSucceeded,
    }
}

fn release(args: &Args) -> Result<Release, Failure> {
    let image = Image::open(&args.image)?;
    if image.size() > SIZE_MAX {
        return Err(Failure::usage(format!(
            "image {} has {} bytes: the limit is {SIZE_MAX}",
            args.image.display(),
            image.size(),
        )));
    }
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let hash = image.hash(threads)?;
    let (manifest, manifest_bytes, signature, signer) = match &args.manifest {
        Some(path) => signed(path)?,
        None => sign(args, &hash)?,
    };
    manifest
        .check(&Policy {
            now_unix: clock::unix_seconds(),
            installed_version: None,
            hardware: None,
            size_max: SIZE_MAX,
        })
        .map_err(refused)?;
    if (manifest.size_bytes, manifest.root_b3) != (hash.size, hash.root) {
        return Err(Failure::verification(format!(
            "image {} is not the one in the manifest: {} bytes with root {}, manifest says {} bytes with root {}",
            args.image.display(),
            hash.size,
            linecast_protocol::hex(&hash.root),
            manifest.size_bytes,
            linecast_protocol::hex(&manifest.root_b3),
        )));
    }
    Ok(Release {
        image,
        hash,
        manifest,
        manifest_bytes,
        signature,
        signer,
    })
}

type Signed = (
    Manifest,
    Vec<u8>,
    Vec<u8>,
    linecast_protocol::key::PublicKey,
);

fn signed(path: &Path) -> Result<Signed, Failure> {
    let bytes = files::read_signed("manifest", path, MANIFEST_BYTES_MAX as u64)?;
    let sig = files::with_suffix(path, ".sig");
    let signature = files::read_signed("signature", &sig, SIGNATURE_BYTES_MAX as u64)?;
    let signer = sshsig::verify(&signature, MANIFEST_NAMESPACE, &bytes)
        .map_err(|error| Failure::verification(format!("{}: {error}", sig.display())))?;
    Ok((
        Manifest::parse(&bytes).map_err(refused)?,
        bytes,
        signature,
        signer,
    ))
}

fn refused(error: ManifestError) -> Failure {
    Failure::verification(error.to_string())
}

fn sign(args: &Args, hash: &linecast_engine::image::ImageHash) -> Result<Signed, Failure> {
    let key = match &args.key {
        Some(path) => files::read_key(Some(path.clone()))?,
        None => SigningKey::from_seed(random()?),
    };
    let file_name = args
        .image
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    let manifest = Manifest {
        name: args
            .name
            .clone()
            .or(file_name)
            .unwrap_or_else(|| "image".into()),
        version: args.release_version,
        hardware: Vec::new(),
        target: None,
        size_bytes: hash.size,
        root_b3: hash.root,
        sha256: None,
        created: clock::unix_seconds(),
        expires: None,
    };
    manifest.check_limits().map_err(refused)?;
    let bytes = manifest.to_bytes();
    let signature = sshsig::sign(&key, MANIFEST_NAMESPACE, &bytes).into_bytes();
    Ok((manifest, bytes, signature, key.public()))
}

fn identity() -> Result<Identity, Failure> {
    let words: [u8; 8] = random()?;
    let [a, b, c, d, e, f, ..] = words;
    Ok(Identity {
        session: random()?,
        key_seed: random()?,
        source_id: u32::from_be_bytes([a, b, c, d]) | 1,
        instance_id: u16::from_be_bytes([e, f]),
    })
}

fn random<const N: usize>() -> Result<[u8; N], Failure> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(Failure::usage)?;
    Ok(bytes)
}
