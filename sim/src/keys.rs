//! Who has which key.

use linecast_protocol::key::SigningKey;

/// Key of the device of receiver `index`.
pub(crate) fn device_key(index: u32) -> SigningKey {
    key_of(index, 1)
}

/// Key of a device on the roster that is switched off for good.
pub(crate) fn absent_key(index: u32) -> SigningKey {
    key_of(index, 2)
}

/// A key of an attacker's own.
pub(crate) fn attacker_key(index: u32) -> SigningKey {
    key_of(index, 3)
}

fn key_of(index: u32, owner: u8) -> SigningKey {
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&index.to_be_bytes());
    seed[31] = owner;
    SigningKey::from_seed(seed)
}

/// Key that signs the ends of the sender's sessions.
pub(crate) fn session_key() -> SigningKey {
    SigningKey::from_seed([9; 32])
}
