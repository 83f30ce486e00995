//! `linecast keygen`: a new ed25519 key pair in OpenSSH's format.
use crate::files;
use linecast_net::command::{Exit, Failure};
use linecast_protocol::key::SigningKey;
use linecast_release::openssh;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Make a key pair: FILE (private, mode 0600) and FILE.pub.
///
/// The keys are those of `ssh-keygen -t ed25519 -N ''`, without a passphrase.
/// Existing files are never overwritten.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the private key goes [default: linecast/id in $XDG_CONFIG_HOME or ~/.config]
    file: Option<PathBuf>,
    /// The comment of the public key, by which people know it
    #[arg(long, default_value = "linecast")]
    comment: String,
}

pub(crate) fn run(args: Args) -> Result<Exit, Failure> {
    if args.comment.chars().any(char::is_control) || args.comment.len() > COMMENT_BYTES_MAX {
        let message = format!("comment: at most {COMMENT_BYTES_MAX} printable characters expected");
        return Err(Failure::usage(message));
    }
    let file = match args.file {
        Some(file) => file,
        None => default_file()?,
    };
    let public_file = files::with_suffix(&file, ".pub");
    for path in [&file, &public_file] {
        if path.symlink_metadata().is_ok() {
            let message = format!("key {}: exists and is not overwritten", path.display());
            return Err(Failure::usage(message));
        }
    }
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| Failure::usage(format!("random numbers: {error}")))?;
    let key = SigningKey::from_seed(seed);
    let public = key.public();
    files::create(
        "key",
        &file,
        0o600,
        &openssh::write_private(&key, &args.comment),
    )?;
    let line = openssh::write_public(&public, &args.comment) + "\n";
    files::create("key", &public_file, 0o644, &line).inspect_err(|_| {
        // A pair or nothing: the next try must not find half of one.
        let _ = std::fs::remove_file(&file);
    })?;
    println!("{} {}", public.fingerprint(), file.display());
    Ok(Exit::Success)
}

/// The default place, in a directory nobody else can look into.
fn default_file() -> Result<PathBuf, Failure> {
    let file = files::default_key()?;
    let directory: &Path = files::directory_of(&file);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(|error| Failure::usage(format!("directory {}: {error}", directory.display())))?;
    Ok(file)
}

const COMMENT_BYTES_MAX: usize = 256;
