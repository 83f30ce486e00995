//! Ed25519 keys as bytes: signing and checking. Their text forms are not needed
//! to speak the protocol; they are in `linecast-release`.
use alloc::{string::String, vec::Vec};
use base64ct::{Base64Unpadded, Encoding};
use core::fmt;
use ed25519_dalek::{Signature, Signer, VerifyingKey};
use sha2::{Digest, Sha256};

/// Bytes of an ed25519 signature.
pub const SIGNATURE_BYTES: usize = 64;
/// Bytes of a public key in SSH's wire form.
pub const BLOB_BYTES: usize = 19 + 32;

/// Why raw bytes are no key, or a raw signature is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes are no point of the curve, or one of its few points of small
    /// order, whose signatures anybody can make.
    #[error("not a usable ed25519 public key")]
    Point,
    /// Not this key's signature of this message in this context.
    #[error("signature does not match")]
    Mismatch,
}

/// A private key. It is wiped from memory when dropped and never printed.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key of a 32-byte seed, which must come from the system's random
    /// source: whoever knows the seed is the key's owner.
    pub fn from_seed(seed: [u8; 32]) -> SigningKey {
        SigningKey(ed25519_dalek::SigningKey::from_bytes(&seed))
    }

    /// The secret that the key was made of: for whoever writes a key file.
    pub fn to_seed(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs `message` for one purpose. The same message signed in another
    /// context has another signature, so a READY is never taken for a commit.
    pub fn sign(&self, context: &[u8], message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.sign_bytes(&in_context(context, message))
    }

    /// Signs bytes whose purpose is already part of them, as those that SSH
    /// signs start with `SSHSIG` and a namespace.
    pub fn sign_bytes(&self, data: &[u8]) -> [u8; SIGNATURE_BYTES] {
        self.0.sign(data).to_bytes()
    }
}

impl SigningKey {
    /// The secret that this key and `other` share (X25519, RFC 7748 §6.1, over the
    /// Montgomery form of both): `other`'s owner computes the same from its own.
    pub fn shared(&self, other: &PublicKey) -> [u8; 32] {
        // A public key is a point of the curve by construction.
        let point = VerifyingKey::from_bytes(&other.0).map(|key| key.to_montgomery());
        point.map_or([0; 32], |point| (point * self.0.to_scalar()).to_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {})", self.public())
    }
}

/// A public key: 32 bytes known to be a usable point of the curve.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes the 32 bytes of a key; refuses those that are no point of the
    /// curve and the weak ones, which would verify forged signatures.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<PublicKey, KeyError> {
        match VerifyingKey::from_bytes(&bytes) {
            Ok(key) if !key.is_weak() => Ok(PublicKey(bytes)),
            _ => Err(KeyError::Point),
        }
    }

    /// The 32 bytes, as they go into packets.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// `SHA256:` and 43 characters, as `ssh-keygen -l` prints it.
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::digest(self.to_blob());
        alloc::format!("SHA256:{}", Base64Unpadded::encode_string(&digest))
    }

    /// Checks a signature that [`SigningKey::sign`] made in the same context.
    pub fn verify(
        &self,
        context: &[u8],
        message: &[u8],
        signature: &[u8; SIGNATURE_BYTES],
    ) -> Result<(), KeyError> {
        self.verify_bytes(&in_context(context, message), signature)
    }

    /// Checks a signature that [`SigningKey::sign_bytes`] made. The check is
    /// strict: one signature has one encoding, and no weak points.
    pub fn verify_bytes(
        &self,
        data: &[u8],
        signature: &[u8; SIGNATURE_BYTES],
    ) -> Result<(), KeyError> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| KeyError::Point)?;
        key.verify_strict(data, &Signature::from_bytes(signature))
            .map_err(|_| KeyError::Mismatch)
    }

    /// The SSH wire form (RFC 8709 section 4): what text, fingerprints and
    /// signatures of OpenSSH carry.
    pub fn to_blob(&self) -> [u8; BLOB_BYTES] {
        let mut blob = [0; BLOB_BYTES];
        let (head, key) = blob.split_at_mut(BLOB_HEAD.len());
        head.copy_from_slice(BLOB_HEAD);
        key.copy_from_slice(&self.0);
        blob
    }
}

/// The fingerprint: a bare key tells nobody anything.
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fingerprint())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// `u64(length of context) context message`. The length keeps `ab`+`c` apart
/// from `a`+`bc`; its leading zero bytes keep these signatures apart from all
/// that SSH makes with the same key, which start with `SSHSIG` or with a
/// session id of non-zero length.
fn in_context(context: &[u8], message: &[u8]) -> Vec<u8> {
    let mut data = Vec::with_capacity(8 + context.len() + message.len());
    data.extend_from_slice(&(context.len() as u64).to_be_bytes());
    data.extend_from_slice(context);
    data.extend_from_slice(message);
    data
}

/// `string("ssh-ed25519")` and the length of the key that follows.
const BLOB_HEAD: &[u8; 19] = b"\0\0\0\x0bssh-ed25519\0\0\0\x20";

#[cfg(test)]
mod tests;
