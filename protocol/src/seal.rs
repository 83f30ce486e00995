//! Seals: which device said this, for feedback that is too frequent to sign.
//!
//! A device signs its registration once. From then on sender and device share a
//! key that nobody else can compute: the Diffie-Hellman secret of the session's
//! key and the device's (X25519 over the Montgomery form of their ed25519 keys),
//! mixed with what belongs to this life of the device. Every NACK and status
//! carries a count and a tag by it in EXT_AUTH (RFC 5740 §4.1, laid out as RFC
//! 6584 §3.1 has it), and the welcome is proven to its device in the same way.
//! Whoever listens can replay a message, which its count tells, and make none.

use crate::key::{PublicKey, SigningKey};
use crate::wire::{AUTH_TAG, AUTH_TAG_BYTES};

const FEEDBACK_CONTEXT: &str = "linecast 2026 feedback seal v1";
const WELCOME_CONTEXT: &str = "linecast 2026 welcome seal v1";

/// Bytes of the proof in a welcome.
pub const WELCOME_PROOF_BYTES: usize = 8;

/// A process of a device that takes part in a session: who it is, apart from
/// where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Life {
    /// The device's key.
    pub key: PublicKey,
    /// Id that the device made at its first start and tied to its machine: of two
    /// machines with one cloned key each has its own.
    pub installation: [u8; 8],
    /// Random, made when the process started.
    pub number: [u8; 8],
}

impl Life {
    /// The key with which a welcome of this session is proven to this life. `own`
    /// is the session's key and `other` the device's, or the other way round.
    pub fn welcome_key(&self, session: &[u8; 16], own: &SigningKey, other: &PublicKey) -> SealKey {
        self.derive(WELCOME_CONTEXT, session, &own.shared(other), 0)
    }

    /// The key of its feedback once it was welcomed with `nonce`.
    pub fn feedback_key(
        &self,
        session: &[u8; 16],
        own: &SigningKey,
        other: &PublicKey,
        nonce: u32,
    ) -> SealKey {
        self.derive(FEEDBACK_CONTEXT, session, &own.shared(other), nonce)
    }

    fn derive(&self, context: &str, session: &[u8; 16], secret: &[u8; 32], nonce: u32) -> SealKey {
        let mut hasher = blake3::Hasher::new_derive_key(context);
        hasher.update(secret).update(session);
        hasher.update(self.key.as_bytes());
        hasher.update(&self.installation).update(&self.number);
        hasher.update(&nonce.to_be_bytes());
        SealKey(*hasher.finalize().as_bytes())
    }

    /// What a welcome names it by.
    pub fn name(&self) -> [u8; 8] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.key.as_bytes());
        hasher.update(&self.installation).update(&self.number);
        first(hasher.finalize().as_bytes())
    }
}

/// A key that two ends share.
#[derive(Clone)]
pub struct SealKey([u8; 32]);

impl core::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("SealKey")
    }
}

impl SealKey {
    /// Writes the tag of a message that was emitted with an empty one.
    pub fn seal(&self, message: &mut [u8]) {
        let tag = self.tag(message);
        if let Some(place) = message.get_mut(AUTH_TAG) {
            place.copy_from_slice(&tag);
        }
    }

    /// Whether the message, which carries EXT_AUTH, was sealed with this key.
    pub fn opens(&self, message: &[u8]) -> bool {
        let tag = self.tag(message);
        message.get(AUTH_TAG).is_some_and(|got| same(got, &tag))
    }

    /// Over the whole message, its tag taken for zeros.
    fn tag(&self, message: &[u8]) -> [u8; AUTH_TAG_BYTES] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(message.get(..AUTH_TAG.start).unwrap_or_default());
        hasher.update(&[0; AUTH_TAG_BYTES]);
        hasher.update(message.get(AUTH_TAG.end..).unwrap_or_default());
        first(hasher.finalize().as_bytes())
    }

    /// The proof that a welcome with this node id and nonce is the session's.
    pub fn welcome_proof(&self, node: u32, nonce: u32) -> [u8; WELCOME_PROOF_BYTES] {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&node.to_be_bytes());
        hasher.update(&nonce.to_be_bytes());
        first(hasher.finalize().as_bytes())
    }

    /// Whether `proof` is that of a welcome with this node id and nonce.
    pub fn proves(&self, proof: &[u8], node: u32, nonce: u32) -> bool {
        same(proof, &self.welcome_proof(node, nonce))
    }
}

fn first<const N: usize>(hash: &[u8; 32]) -> [u8; N] {
    core::array::from_fn(|at| hash[at])
}

/// Compares in a time that does not tell where the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    let differ = a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b));
    a.len() == b.len() && differ == 0
}

/// The counts of one life's messages that were heard: each is taken once, also
/// when messages overtake each other by up to 63 (as RFC 4303 §3.4.3 does).
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    newest: u64,
    /// Bit `n`: the count `newest - n` was heard.
    heard: u64,
}

impl Counts {
    /// Takes a count, which starts at 1; `None` if it was heard or is too old to
    /// know. Else whether it is the newest.
    pub fn take(&mut self, count: u64) -> Option<bool> {
        if count > self.newest {
            let by = count - self.newest;
            self.heard = self.heard.checked_shl(by.min(64) as u32).unwrap_or(0) | 1;
            self.newest = count;
            return Some(true);
        }
        let bit = 1u64.checked_shl((self.newest - count).min(64) as u32)?;
        let fresh = count > 0 && self.heard & bit == 0;
        self.heard |= bit;
        fresh.then_some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Ack, Auth, Timestamp};
    use alloc::vec::Vec;

    fn life(number: u8) -> Life {
        Life {
            key: device().public(),
            installation: [3; 8],
            number: [number; 8],
        }
    }

    fn session() -> SigningKey {
        SigningKey::from_seed([1; 32])
    }

    fn device() -> SigningKey {
        SigningKey::from_seed([2; 32])
    }

    fn message(count: u64) -> Vec<u8> {
        let mut out = Vec::new();
        Ack {
            sequence: 0,
            source_id: 1,
            server_id: 2,
            instance_id: 3,
            ack_type: 17,
            ack_id: 0,
            grtt_response: Timestamp::default(),
            auth: Some(Auth::unsealed(count)),
            cc: None,
            payload: b"how it is",
        }
        .emit(&mut out);
        out
    }

    #[test]
    fn both_ends_compute_the_same_key_and_no_other_life_or_nonce_has_it() {
        let ours = life(1).feedback_key(&[9; 16], &device(), &session().public(), 5);
        let mut sealed = message(1);
        ours.seal(&mut sealed);
        let of = |life: Life, session_id: u8, nonce| {
            life.feedback_key(&[session_id; 16], &session(), &device().public(), nonce)
                .opens(&sealed)
        };
        assert!(of(life(1), 9, 5));
        assert!(!of(life(2), 9, 5) && !of(life(1), 8, 5) && !of(life(1), 9, 6));
    }

    #[test]
    fn no_byte_of_a_sealed_message_can_change() {
        let key = life(1).feedback_key(&[9; 16], &device(), &session().public(), 5);
        let mut sealed = message(7);
        assert!(!key.opens(&sealed), "it is not sealed yet");
        key.seal(&mut sealed);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(!key.opens(&changed), "byte {at}");
        }
        assert!(!key.opens(&sealed[..sealed.len() - 1]) && !key.opens(&[]));
    }

    #[test]
    fn a_welcome_is_proven_to_the_life_that_registered() {
        let theirs = life(1).welcome_key(&[9; 16], &session(), &device().public());
        let ours = life(1).welcome_key(&[9; 16], &device(), &session().public());
        let proof = theirs.welcome_proof(77, 5);
        assert!(ours.proves(&proof, 77, 5));
        assert!(!ours.proves(&proof, 78, 5) && !ours.proves(&proof, 77, 6));
        assert!(!ours.proves(&[], 77, 5));
        assert_ne!(life(1).name(), life(2).name());
    }

    #[test]
    fn every_count_is_taken_once_and_late_ones_may_be_63_late() {
        let mut counts = Counts::default();
        assert_eq!(counts.take(0), None);
        assert_eq!(counts.take(1), Some(true));
        assert_eq!(counts.take(1), None);
        assert_eq!(counts.take(70), Some(true));
        assert_eq!(counts.take(7), Some(false));
        assert_eq!((counts.take(7), counts.take(6)), (None, None));
        assert_eq!(counts.take(1 << 39), Some(true));
        assert_eq!((counts.take(70), counts.take(71)), (None, None));
        assert_eq!(counts.take((1 << 39) - 1), Some(false));
    }
}
