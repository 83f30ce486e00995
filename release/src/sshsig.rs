//! OpenSSH signatures (PROTOCOL.sshsig of OpenSSH), ed25519 only, so that
//! `ssh-keygen -Y verify` checks what linecast signs and linecast accepts what
//! `ssh-keygen -Y sign` makes.
//!
//! ```text
//! blob    "SSHSIG" u32(1) string(public key) string(namespace) string("")
//!         string("sha512") string(signature)
//! signed  "SSHSIG" string(namespace) string("") string("sha512") string(H(message))
//! ```
//!
//! Stricter than ssh-keygen where leniency would let bytes vary: the version is
//! 1 and not 0, the reserved field is empty, no name ends in a zero byte, the
//! scalar is the smallest one, there are no blanks in the base64, and nothing
//! follows the end. A test holds the two to the same verdict otherwise.
use crate::sshwire::{ArmorError, ED25519, Reader, Truncated, armor, dearmor, put_string};
use alloc::{string::String, vec::Vec};
use linecast_protocol::key::{PublicKey, SigningKey};
use sha2::{Digest, Sha256, Sha512};

/// The namespace of release manifests. A signature made for anything else is
/// not a signature of a manifest.
pub const MANIFEST_NAMESPACE: &str = "linecast-manifest@v1";

/// Longest armored signature that is looked at. An ed25519 one has about 300 bytes.
pub const SIGNATURE_BYTES_MAX: usize = 4096;

/// Why a signature is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SshsigError {
    /// Longer than any ed25519 signature; nothing of it was parsed.
    #[error("signature: at most {limit} bytes, got {got}")]
    TooLong {
        /// [`SIGNATURE_BYTES_MAX`].
        limit: usize,
        /// Bytes given.
        got: usize,
    },
    /// The text is not an armored SSH signature.
    #[error("signature armor: {0}")]
    Armor(#[from] ArmorError),
    /// The blob ends before this field does.
    #[error("signature: ends within its {0}")]
    Truncated(&'static str),
    /// The blob does not start with `SSHSIG`.
    #[error("signature: no SSHSIG magic")]
    Magic,
    /// A version of the format that does not exist yet.
    #[error("signature: format version 1 expected, got {got}")]
    Version {
        /// The version it names.
        got: u32,
    },
    /// The signer's key is not an ed25519 key.
    #[error("signature: key type ssh-ed25519 expected, got {got:?}")]
    KeyType {
        /// The type it names.
        got: String,
    },
    /// The signer's key is not 32 bytes.
    #[error("signature: key of 32 bytes expected, got {got}")]
    KeyLength {
        /// Bytes of the key.
        got: usize,
    },
    /// The 32 bytes are no point of the curve, or one anybody can sign for.
    #[error("signature: the key is not a usable ed25519 point")]
    KeyPoint,
    /// Made for another purpose.
    #[error("signature: namespace {expected:?} expected, got {got:?}")]
    Namespace {
        /// The namespace asked for.
        expected: String,
        /// The namespace it names.
        got: String,
    },
    /// The reserved field is not empty.
    #[error("signature: reserved field must be empty, got {got} bytes")]
    Reserved {
        /// Bytes of the field.
        got: usize,
    },
    /// Neither sha512 nor sha256.
    #[error("signature: hash sha512 or sha256 expected, got {got:?}")]
    HashAlgorithm {
        /// The hash it names.
        got: String,
    },
    /// The signature is not an ed25519 signature.
    #[error("signature: type ssh-ed25519 expected, got {got:?}")]
    SignatureType {
        /// The type it names.
        got: String,
    },
    /// The signature is not 64 bytes.
    #[error("signature: 64 bytes expected, got {got}")]
    SignatureLength {
        /// Bytes of the signature.
        got: usize,
    },
    /// Bytes follow one of the three structures.
    #[error("signature: {got} bytes after the {what}")]
    TrailingBytes {
        /// The structure that should have been the last.
        what: &'static str,
        /// Bytes after it.
        got: usize,
    },
    /// Well formed, but not this key's signature of this message.
    #[error("signature: does not match the message")]
    Mismatch,
}

/// Signs `message` for one purpose; returns armored text as `ssh-keygen -Y sign` writes it.
pub fn sign(key: &SigningKey, namespace: &str, message: &[u8]) -> String {
    let hash = Sha512::digest(message);
    let signature = key.sign_bytes(&signed_data(namespace.as_bytes(), SHA512, &hash));
    let mut sig = Vec::new();
    put_string(&mut sig, ED25519);
    put_string(&mut sig, &signature);
    let mut blob = Vec::from(MAGIC);
    blob.extend_from_slice(&1u32.to_be_bytes());
    put_string(&mut blob, &key.public().to_blob());
    put_string(&mut blob, namespace.as_bytes());
    put_string(&mut blob, b"");
    put_string(&mut blob, SHA512);
    put_string(&mut blob, &sig);
    armor(ARMOR_KIND, &blob)
}

/// Checks an armored signature of `message` and returns who made it. Whether
/// that key is trusted is the caller's question: see [`crate::lists::TrustSet`].
pub fn verify(armored: &[u8], namespace: &str, message: &[u8]) -> Result<PublicKey, SshsigError> {
    if armored.len() > SIGNATURE_BYTES_MAX {
        return Err(SshsigError::TooLong {
            limit: SIGNATURE_BYTES_MAX,
            got: armored.len(),
        });
    }
    let blob = dearmor(ARMOR_KIND, armored)?;
    let parts = Parts::parse(&blob)?;
    if parts.namespace != namespace.as_bytes() {
        return Err(SshsigError::Namespace {
            expected: namespace.into(),
            got: lossy(parts.namespace),
        });
    }
    parts.verify(message)
}

/// The key and the namespace an armored signature claims, unchecked: for
/// display only.
pub fn claims(armored: &[u8]) -> Result<(PublicKey, String), SshsigError> {
    if armored.len() > SIGNATURE_BYTES_MAX {
        return Err(SshsigError::TooLong {
            limit: SIGNATURE_BYTES_MAX,
            got: armored.len(),
        });
    }
    let blob = dearmor(ARMOR_KIND, armored)?;
    let parts = Parts::parse(&blob)?;
    Ok((parts.key, lossy(parts.namespace)))
}

/// The fields of a well-formed blob that vary.
struct Parts<'a> {
    key: PublicKey,
    namespace: &'a [u8],
    hash: &'a [u8],
    signature: &'a [u8; 64],
}

impl<'a> Parts<'a> {
    fn parse(blob: &'a [u8]) -> Result<Parts<'a>, SshsigError> {
        let mut reader = Reader(blob);
        if reader.bytes(MAGIC.len(), "magic")? != MAGIC {
            return Err(SshsigError::Magic);
        }
        let version = reader.u32("version")?;
        if version != 1 {
            return Err(SshsigError::Version { got: version });
        }
        let key = parse_key(reader.string("public key")?)?;
        let namespace = reader.string("namespace")?;
        let reserved = reader.string("reserved field")?;
        if !reserved.is_empty() {
            let got = reserved.len();
            return Err(SshsigError::Reserved { got });
        }
        let hash = reader.string("hash algorithm")?;
        if hash != SHA512 && hash != SHA256 {
            return Err(SshsigError::HashAlgorithm { got: lossy(hash) });
        }
        let signature = parse_signature(reader.string("signature")?)?;
        at_end(&reader, "signature block")?;
        Ok(Parts {
            key,
            namespace,
            hash,
            signature,
        })
    }

    fn verify(&self, message: &[u8]) -> Result<PublicKey, SshsigError> {
        let data = if self.hash == SHA512 {
            signed_data(self.namespace, SHA512, &Sha512::digest(message))
        } else {
            signed_data(self.namespace, SHA256, &Sha256::digest(message))
        };
        self.key
            .verify_bytes(&data, self.signature)
            .map_err(|_| SshsigError::Mismatch)?;
        Ok(self.key)
    }
}

fn parse_key(blob: &[u8]) -> Result<PublicKey, SshsigError> {
    let mut reader = Reader(blob);
    let kind = reader.string("key type")?;
    if kind != ED25519 {
        return Err(SshsigError::KeyType { got: lossy(kind) });
    }
    let bytes = reader.string("key")?;
    let Ok(bytes) = <&[u8; 32]>::try_from(bytes) else {
        let got = bytes.len();
        return Err(SshsigError::KeyLength { got });
    };
    at_end(&reader, "key")?;
    PublicKey::from_bytes(*bytes).map_err(|_| SshsigError::KeyPoint)
}

fn parse_signature(blob: &[u8]) -> Result<&[u8; 64], SshsigError> {
    let mut reader = Reader(blob);
    let kind = reader.string("signature type")?;
    if kind != ED25519 {
        return Err(SshsigError::SignatureType { got: lossy(kind) });
    }
    let bytes = reader.string("signature bytes")?;
    let Ok(signature) = bytes.try_into() else {
        let got = bytes.len();
        return Err(SshsigError::SignatureLength { got });
    };
    at_end(&reader, "signature")?;
    Ok(signature)
}

fn at_end(reader: &Reader<'_>, what: &'static str) -> Result<(), SshsigError> {
    match reader.0.len() {
        0 => Ok(()),
        got => Err(SshsigError::TrailingBytes { what, got }),
    }
}

fn signed_data(namespace: &[u8], algorithm: &[u8], hash: &[u8]) -> Vec<u8> {
    let mut data = Vec::from(MAGIC);
    for field in [namespace, b"", algorithm, hash] {
        put_string(&mut data, field);
    }
    data
}

/// Foreign text for an error message, which quotes and escapes it.
fn lossy(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(64)];
    String::from_utf8_lossy(start).into_owned()
}

impl From<Truncated> for SshsigError {
    fn from(Truncated(field): Truncated) -> Self {
        SshsigError::Truncated(field)
    }
}

const MAGIC: &[u8] = b"SSHSIG";
const SHA512: &[u8] = b"sha512";
const SHA256: &[u8] = b"sha256";
const ARMOR_KIND: &str = "SSH SIGNATURE";

#[cfg(test)]
mod tests;
