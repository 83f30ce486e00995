//! From an offered session to one that may be followed: signature, trust and
//! policy first, and only then the disk.

use crate::journal::Journal;
use crate::stage_error::StageError;
use crate::staging::Staging;
use crate::target::Target;
use linecast_fec::Codec;
use linecast_net::clock;
use linecast_protocol::bytes_from_hex;
use linecast_protocol::key::PublicKey;
use linecast_protocol::limits::SESSION_OBJECT_BYTES_MAX;
use linecast_protocol::message::Cause;
use linecast_protocol::object::tree;
use linecast_protocol::offer::{
    Descriptor, Offer, OfferError, SESSION_NAMESPACE, SessionShape, session_text,
};
use linecast_release::lists::TrustSet;
use linecast_release::manifest::{Manifest, ManifestError, Policy};
use linecast_release::sshsig::{self, MANIFEST_NAMESPACE, SshsigError};

/// What this device accepts.
#[derive(Debug, Clone, Default)]
pub struct Acceptance {
    /// Keys that may sign manifests; `None` accepts any and trusts none.
    pub trust: Option<TrustSet>,
    /// Keys that may sign sessions; `None` follows unsigned ones, as hints.
    pub sender_trust: Option<TrustSet>,
    /// Hardware id of this device; `None` accepts manifests for any.
    pub hardware: Option<String>,
    /// Largest image, in bytes.
    pub size_max: u64,
}

/// Why an offer is refused. Nothing has been written for it.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The session object itself.
    #[error(transparent)]
    Offer(#[from] OfferError),
    /// Its erasure code is unknown here, or does not have such blocks.
    #[error(
        "codec {name:?} with blocks of {block_symbols} and {num_parity} parity symbols is none that this receiver has"
    )]
    Codec {
        /// Its name.
        name: String,
        /// Source symbols of a block.
        block_symbols: u16,
        /// Most parity symbols of a block.
        num_parity: u16,
    },
    /// The signature does not match, or is none.
    #[error("manifest signature: {0}")]
    Signature(#[from] SshsigError),
    /// The session is signed by nobody who may sign sessions.
    #[error("session {0}")]
    Sender(String),
    /// The signature is right, but its key is not trusted.
    #[error("manifest is signed by {0}, which --trust does not list")]
    Untrusted(String),
    /// The manifest says something that this device does not accept.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The record of installed versions cannot be read.
    #[error(transparent)]
    Stage(#[from] StageError),
}

impl Refused {
    /// A session object whose length alone is reason enough: nothing of it was
    /// kept.
    pub(crate) fn too_long(bytes: u64) -> Refused {
        let limit = SESSION_OBJECT_BYTES_MAX;
        Refused::Offer(OfferError::Length {
            limit,
            want: limit,
            got: bytes as usize,
        })
    }
}

/// An offer that passed every check.
#[derive(Debug)]
pub struct Accepted {
    /// Objects and lanes.
    pub shape: SessionShape,
    /// The erasure code of both objects.
    pub codec: Codec,
    /// The manifest.
    pub manifest: Manifest,
    /// Who signed it.
    pub signer: PublicKey,
}

impl Acceptance {
    /// Checks a session object.
    ///
    /// # Errors
    /// The first check that fails.
    pub fn check(&self, object: &[u8], target: &Target) -> Result<Accepted, Refused> {
        let offer = Offer::parse(object)?;
        let descriptor = Descriptor::parse(offer.descriptor)?;
        self.check_sender(&offer)?;
        let signer = sshsig::verify(offer.signature, MANIFEST_NAMESPACE, offer.manifest)?;
        if self
            .trust
            .as_ref()
            .is_some_and(|trust| trust.contains(&signer).is_none())
        {
            return Err(Refused::Untrusted(signer.fingerprint()));
        }
        let manifest = Manifest::parse(offer.manifest)?;
        manifest.check(&Policy {
            now_unix: clock::unix_seconds(),
            installed_version: target.installed_version(&manifest.name)?,
            hardware: self.hardware.clone(),
            size_max: self.size_max,
        })?;
        let shape = SessionShape::new(&descriptor, manifest.size_bytes, manifest.root_b3)?;
        Ok(Accepted {
            shape,
            codec: codec(&descriptor)?,
            manifest,
            signer,
        })
    }
}

impl Acceptance {
    /// The session must be signed by a trusted sender, where there are such.
    fn check_sender(&self, offer: &Offer<'_>) -> Result<(), Refused> {
        let Some(trusted) = &self.sender_trust else {
            return Ok(());
        };
        let refused = |why: String| Err(Refused::Sender(why));
        if offer.sender_signature.is_empty() {
            return refused("is not signed by its sender, and --sender-trust was given".into());
        }
        let text = session_text(offer.descriptor, offer.manifest);
        match sshsig::verify(offer.sender_signature, SESSION_NAMESPACE, &text) {
            Err(error) => refused(format!("signature: {error}")),
            Ok(key) if trusted.contains(&key).is_none() => refused(format!(
                "is signed by {}, which --sender-trust does not list",
                key.fingerprint()
            )),
            Ok(_) => Ok(()),
        }
    }
}

/// The id of the session that an object offers, if it can be read.
pub(crate) fn session_id(object: &[u8]) -> Option<[u8; 16]> {
    let offer = Offer::parse(object).ok()?;
    let descriptor = Descriptor::parse(offer.descriptor).ok()?;
    bytes_from_hex(&descriptor.session)
}

impl Refused {
    /// What the sender is told.
    pub(crate) fn cause(&self) -> Cause {
        match self {
            Refused::Offer(OfferError::Profile { .. }) => Cause::PROFILE,
            Refused::Offer(_) | Refused::Codec { .. } => Cause::SHAPE,
            Refused::Signature(_) => Cause::SIGNATURE,
            Refused::Sender(_) => Cause::SENDER,
            Refused::Untrusted(_) => Cause::UNTRUSTED,
            Refused::Manifest(ManifestError::WrongHardware { .. }) => Cause::HARDWARE,
            Refused::Manifest(ManifestError::Rollback { .. }) => Cause::VERSION,
            Refused::Manifest(_) => Cause::MANIFEST,
            Refused::Stage(StageError::NoSpace { .. } | StageError::Quota { .. }) => Cause::ROOM,
            Refused::Stage(_) => Cause::STORE,
        }
    }
}

/// The codec that the descriptor names, if it has such blocks.
fn codec(descriptor: &Descriptor) -> Result<Codec, Refused> {
    let known = Codec::from_name(&descriptor.codec);
    let fits = |codec: &Codec| {
        codec.max_parity(descriptor.block_symbols.into()) >= descriptor.num_parity.into()
    };
    known.filter(fits).ok_or_else(|| Refused::Codec {
        name: descriptor.codec.clone(),
        block_symbols: descriptor.block_symbols,
        num_parity: descriptor.num_parity,
    })
}

/// The staged image, and what an earlier session verified of it.
#[derive(Debug)]
pub struct Stage {
    /// The staged bytes.
    pub staging: Staging,
    /// The journal of verified leaves.
    pub journal: Journal,
    /// The leaf list, if an earlier session left it.
    pub leaf_list: Option<Vec<u8>>,
    /// Leaves that were verified again.
    pub verified: Vec<u64>,
}

impl Stage {
    /// Reserves the image's space and hashes again what the journal claims.
    ///
    /// # Errors
    /// No space, or the target cannot be written.
    pub fn open(target: &Target, shape: &SessionShape) -> Result<Stage, StageError> {
        let (size, root) = (shape.image.size(), shape.root);
        let staging = Staging::reserve(target, root, size, shape.image.symbol_bytes().into())?;
        let count = tree::leaf_count(size);
        let journal = Journal::open(target, &root, size, count)?;
        let leaf_list = target
            .leaf_list(&root, count * 32)?
            .filter(|list| tree::root(size, list).is_ok_and(|got| got == root));
        let mut stage = Stage {
            staging,
            journal,
            leaf_list,
            verified: Vec::new(),
        };
        if stage.staging.resumed() {
            stage.verify_claims(size)?;
        }
        Ok(stage)
    }

    fn verify_claims(&mut self, size: u64) -> Result<(), StageError> {
        let Some(list) = &self.leaf_list else {
            return Ok(());
        };
        let claimed: Vec<u64> = self.journal.claimed().collect();
        for leaf in claimed {
            let bytes = self.staging.bytes(tree::leaf_range(size, leaf))?;
            let wanted = list
                .get(leaf as usize * 32..)
                .and_then(|rest| rest.first_chunk::<32>());
            let matches = tree::leaf_hash(size, leaf, bytes).is_ok_and(|got| Some(&got) == wanted);
            if matches {
                self.verified.push(leaf);
            } else {
                self.journal.clear(leaf)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_manifest_is_named_once() {
        let error = ManifestError::Rollback {
            installed: 43,
            got: 42,
        };
        let said = Refused::from(error).to_string();
        assert_eq!(
            said,
            "manifest: version 42 is older than the installed version 43"
        );
    }
}
