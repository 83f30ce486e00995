//! `linecast verify`: whether an image is what a trusted key signed.
use crate::{files, sign};
use linecast_engine::image::Image;
use linecast_net::command::{Exit, Failure};
use linecast_protocol::hex;
use linecast_protocol::key::PublicKey;
use linecast_release::lists::TrustSet;
use linecast_release::manifest::{Manifest, Policy, SIZE_MAX};
use linecast_release::sshsig::{self, MANIFEST_NAMESPACE};
use std::path::{Path, PathBuf};

/// Check an image against its signed manifest.
///
/// Checks the signature, the signer (with --trust), the expiry, the size and
/// the hashes, in this order. Ends with 4 and the reason if one is refused.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A regular file or block device
    image: PathBuf,
    /// The manifest; its signature is FILE.sig [default: IMAGE.manifest.json]
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// The keys to believe: `.pub` or OpenSSH allowed_signers lines
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
    /// The hardware id to check for [default: unchecked]
    #[arg(long, value_name = "ID")]
    hardware: Option<String>,
}

pub(crate) fn run(args: Args) -> Result<Exit, Failure> {
    let path = args
        .manifest
        .unwrap_or_else(|| sign::manifest_path(&args.image));
    let trust = args.trust.as_deref().map(read_trust).transpose()?;
    let (bytes, signer) = read_signed(&path)?;
    let trusted_as = trust.map(|trust| name_in(&trust, &signer)).transpose()?;
    let manifest = Manifest::parse(&bytes).map_err(Failure::verification)?;
    let policy = Policy {
        now_unix: sign::now_unix()?,
        installed_version: None,
        hardware: args.hardware,
        size_max: SIZE_MAX,
    };
    manifest.check(&policy).map_err(Failure::verification)?;
    check_image(&args.image, &manifest)?;
    println!("{} {}", hex(&manifest.root_b3), manifest.name);
    println!("version {}", manifest.version);
    if let Some(target) = &manifest.target {
        println!("target {target}");
    }
    match trusted_as {
        Some(name) => println!("signed by {name} {signer}"),
        None => println!("signed by {signer}, trust: none (give --trust to check the signer)"),
    }
    Ok(Exit::Success)
}

/// Reads a manifest and the signature beside it; returns the exact bytes and
/// whose signature they have. Nothing has looked inside the bytes yet.
pub(crate) fn read_signed(path: &Path) -> Result<(Vec<u8>, PublicKey), Failure> {
    let bytes = files::read("manifest", path, files::TEXT_BYTES_MAX)?;
    let signature_path = files::with_suffix(path, ".sig");
    let signature = files::read("signature", &signature_path, files::TEXT_BYTES_MAX)?;
    let signer = sshsig::verify(&signature, MANIFEST_NAMESPACE, &bytes)
        .map_err(|error| Failure::verification(format!("{}: {error}", signature_path.display())))?;
    Ok((bytes, signer))
}

fn read_trust(path: &Path) -> Result<TrustSet, Failure> {
    TrustSet::parse(&files::read_text("trust file", path)?)
        .map_err(|error| Failure::usage(format!("trust file {}: {error}", path.display())))
}

fn name_in(trust: &TrustSet, signer: &PublicKey) -> Result<String, Failure> {
    let name = trust.contains(signer).map(String::from);
    name.ok_or_else(|| Failure::verification(format!("signer: {signer} is not trusted")))
}

fn check_image(path: &Path, manifest: &Manifest) -> Result<(), Failure> {
    let image = Image::open(path)?;
    let differs = |what: &str, expected: String, got: String| {
        let path = path.display();
        Failure::verification(format!(
            "image {path}: {what}: {expected} expected, got {got}"
        ))
    };
    let (expected, got) = (manifest.size_bytes, image.size());
    if expected != got {
        return Err(differs("size_bytes", expected.to_string(), got.to_string()));
    }
    let got = image.hash(sign::threads())?.root;
    if got != manifest.root_b3 {
        return Err(differs("root_b3", hex(&manifest.root_b3), hex(&got)));
    }
    if let Some(expected) = manifest.sha256 {
        let got = image.sha256()?;
        if got != expected {
            return Err(differs("sha256", hex(&expected), hex(&got)));
        }
    }
    Ok(())
}
