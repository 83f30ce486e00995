//! `linecast inspect`: what a file is.
use crate::{sign, verify};
use linecast_engine::image::Image;
use linecast_net::command::{Exit, Failure};
use linecast_protocol::hex;
use linecast_protocol::key::PublicKey;
use linecast_protocol::object::tree;
use linecast_protocol::text::Printable;
use linecast_release::manifest::{MANIFEST_BYTES_MAX, Manifest, SCHEMA};
use linecast_release::{openssh, rfc3339, sshsig};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Say what a manifest, signature, key or image is.
///
/// A private key's secret is never printed. A file that is none of the first
/// three is an image, and is hashed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file
    file: PathBuf,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> Result<Exit, Failure> {
    let Value::Object(facts) = facts(&args.file)? else {
        unreachable!("facts are an object");
    };
    if args.json {
        println!("{}", Value::Object(facts));
    } else {
        print_lines(&facts);
    }
    Ok(Exit::Success)
}

fn facts(path: &Path) -> Result<Value, Failure> {
    let image = Image::open(path)?;
    let mut head = vec![0; image.size().min(MANIFEST_BYTES_MAX as u64) as usize];
    image.read_at(0, &mut head)?;
    let refused = |error: &dyn std::fmt::Display| {
        Failure::verification(format!("{}: {error}", path.display()))
    };
    let text = std::str::from_utf8(&head).unwrap_or("").trim_start();
    if text.starts_with("-----BEGIN SSH SIGNATURE") {
        let (key, namespace) = sshsig::claims(&head).map_err(|error| refused(&error))?;
        return Ok(json!({
            "kind": "signature",
            "namespace": namespace,
            "fingerprint": key.fingerprint(),
            "public_key": openssh::write_public(&key, ""),
        }));
    }
    if text.starts_with("-----BEGIN OPENSSH PRIVATE KEY") {
        let key = openssh::read_private(&head).map_err(|error| refused(&error))?;
        return Ok(key_facts("private key", &key.public(), ""));
    }
    if text.starts_with("ssh-ed25519 ") && text.lines().count() == 1 {
        let (key, comment) = openssh::read_public(text).map_err(|error| refused(&error))?;
        return Ok(key_facts("public key", &key, comment));
    }
    let family = SCHEMA.trim_end_matches(char::is_numeric);
    if text.starts_with('{') && text.contains(family) {
        let manifest = Manifest::parse(&head).map_err(|error| refused(&error))?;
        return Ok(manifest_facts(path, &head, &manifest));
    }
    image_facts(&image)
}

fn key_facts(kind: &str, key: &PublicKey, comment: &str) -> Value {
    json!({
        "kind": kind,
        "fingerprint": key.fingerprint(),
        "public_key": openssh::write_public(key, comment),
    })
}

fn manifest_facts(path: &Path, bytes: &[u8], manifest: &Manifest) -> Value {
    let signature = match verify::read_signed(path) {
        Ok((_, signer)) => format!("valid, by {signer}"),
        Err(failure) => format!("none that is valid: {}", failure.message),
    };
    json!({
        "kind": "manifest",
        "name": manifest.name,
        "version": manifest.version,
        "hardware": manifest.hardware,
        "target": manifest.target,
        "size_bytes": manifest.size_bytes,
        "root_b3": hex(&manifest.root_b3),
        "sha256": manifest.sha256.map(|hash| hex(&hash)),
        "created": rfc3339(manifest.created),
        "expires": manifest.expires.map(rfc3339),
        "digest_b3": hex(&Manifest::digest(bytes)),
        "signature": signature,
    })
}

fn image_facts(image: &Image) -> Result<Value, Failure> {
    let hash = image.hash(sign::threads())?;
    let manifest = sign::manifest_path(image.path());
    Ok(json!({
        "kind": "image",
        "size_bytes": hash.size,
        "root_b3": hex(&hash.root),
        "leaves": tree::leaf_count(hash.size),
        "leaf_list_bytes": if tree::has_leaf_list(hash.size) { hash.leaves.len() } else { 0 },
        "manifest": manifest.exists().then(|| manifest.display().to_string()),
    }))
}

/// One fact a line; what is absent is not printed.
fn print_lines(facts: &Map<String, Value>) {
    for (name, value) in facts {
        match value {
            Value::Null => {}
            Value::String(text) => println!("{name}: {}", Printable(text)),
            Value::Array(items) => {
                let items: Vec<_> = items.iter().filter_map(Value::as_str).collect();
                if !items.is_empty() {
                    println!("{name}: {}", items.join(" "));
                }
            }
            other => println!("{name}: {other}"),
        }
    }
}
