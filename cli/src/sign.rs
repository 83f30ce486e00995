//! `linecast sign`: a signed manifest for an image.
use crate::files;
use linecast_engine::image::Image;
use linecast_net::command::units;
use linecast_net::command::{Exit, Failure};
use linecast_protocol::hex;
use linecast_release::manifest::Manifest;
use linecast_release::sshsig::{self, MANIFEST_NAMESPACE};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Write a manifest of IMAGE and sign it.
///
/// Writes IMAGE.manifest.json and IMAGE.manifest.json.sig. The signature is
/// OpenSSH's: `ssh-keygen -Y verify -n linecast-manifest@v1` checks it too.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A regular file or block device
    image: PathBuf,
    /// The private key [default: the one `linecast keygen` makes]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Name in reports; the version counter belongs to it [default: the file name of IMAGE]
    #[arg(long)]
    name: Option<String>,
    /// The version counter, which only rises on a device [default: unix seconds now]
    #[arg(long, value_name = "V")]
    release_version: Option<u64>,
    /// A hardware id the image is for; give it again for more [default: any]
    #[arg(long, value_name = "ID")]
    hardware: Vec<String>,
    /// The kind of place it is for, by its name in a device's configuration [default: any]
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// From when on devices refuse it: 30d, 12h, or 2026-12-31T00:00:00Z [default: never]
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    /// Put the SHA-256 in as well; one thread, several times slower than BLAKE3
    #[arg(long)]
    sha256: bool,
    /// Where the manifest goes [default: IMAGE.manifest.json]
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
}

pub(crate) fn run(args: Args) -> Result<Exit, Failure> {
    let created = now_unix()?;
    let key = files::read_key(args.key)?;
    let image = Image::open(&args.image)?;
    let mut manifest = Manifest {
        name: match args.name {
            Some(name) => name,
            None => name_of(&args.image)?,
        },
        version: args.release_version.unwrap_or(created),
        hardware: args.hardware,
        target: args.target,
        size_bytes: image.size(),
        root_b3: [0; 32],
        sha256: None,
        created,
        expires: args
            .expires
            .map(|text| expiry(&text, created))
            .transpose()?,
    };
    // Before minutes are spent on hashing.
    manifest.check_limits().map_err(Failure::usage)?;
    manifest.root_b3 = image.hash(threads())?.root;
    if args.sha256 {
        manifest.sha256 = Some(image.sha256()?);
    }
    let bytes = manifest.to_bytes();
    let signature = sshsig::sign(&key, MANIFEST_NAMESPACE, &bytes);
    let path = args.manifest.unwrap_or_else(|| manifest_path(&args.image));
    let signature_path = files::with_suffix(&path, ".sig");
    // Both are on disk before either is in its place. A crash between the two
    // renames leaves a pair that does not verify, never one that lies.
    let first = files::Prepared::write("manifest", &path, &bytes)?;
    let second = files::Prepared::write("signature", &signature_path, signature.as_bytes())?;
    first.publish()?;
    second.publish()?;
    println!("{} {}", hex(&manifest.root_b3), manifest.name);
    println!("manifest {}", path.display());
    println!("signature {} by {}", signature_path.display(), key.public());
    Ok(Exit::Success)
}

/// Where an image's manifest is when no file is named.
pub(crate) fn manifest_path(image: &Path) -> PathBuf {
    files::with_suffix(image, ".manifest.json")
}

/// Threads for hashing: one a core.
pub(crate) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, |n| n.get())
}

/// The time now, in unix seconds.
pub(crate) fn now_unix() -> Result<u64, Failure> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.map_err(|_| Failure::usage("clock: set before 1970"))?;
    Ok(since.as_secs())
}

fn name_of(image: &Path) -> Result<String, Failure> {
    let name = image.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| {
        Failure::usage(format!(
            "image {}: no usable file name; give --name",
            image.display()
        ))
    })?;
    linecast_release::manifest::check_name(name)
        .map_err(|error| Failure::usage(format!("{error}; give --name")))?;
    Ok(name.into())
}

/// A span from now, or a point in time with any offset.
fn expiry(text: &str, created: u64) -> Result<u64, Failure> {
    let fail = |why: String| Failure::usage(format!("--expires {text}: {why}"));
    let expires = if text.contains(['T', 't']) {
        let time: jiff::Timestamp = text
            .parse()
            .map_err(|error: jiff::Error| fail(error.to_string()))?;
        u64::try_from(time.as_second()).map_err(|_| fail("before 1970".into()))?
    } else {
        let span = units::duration(text).map_err(|error| fail(error.to_string()))?;
        created.saturating_add(span.as_secs())
    };
    if expires <= created {
        return Err(fail("is not in the future".into()));
    }
    Ok(expires)
}
