use super::*;
use alloc::format;

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed([n; 32])
}

#[test]
fn rfc8032_vector_2_is_what_the_core_signs() {
    let seed = crate::hex::hash_from_hex(
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
    );
    let key = SigningKey::from_seed(seed.unwrap());
    assert_eq!(
        crate::hex(key.public().as_bytes()),
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
    );
    let signature = crate::hex(&key.sign_bytes(&[0x72]));
    assert_eq!(
        signature,
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
         085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    );
}

#[test]
fn a_signature_holds_in_its_context_only() {
    let (key, message) = (key(1), b"message");
    let signature = key.sign(b"ready", message);
    let public = key.public();
    assert_eq!(public.verify(b"ready", message, &signature), Ok(()));
    let mismatch = Err(KeyError::Mismatch);
    assert_eq!(public.verify(b"commit", message, &signature), mismatch);
    assert_eq!(public.verify(b"readym", b"essage", &signature), mismatch);
    assert_eq!(public.verify(b"ready", b"massage", &signature), mismatch);
    assert_eq!(
        self::key(2).public().verify(b"ready", message, &signature),
        mismatch
    );
    for bit in 0..512 {
        let mut bad = signature;
        bad[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(
            public.verify(b"ready", message, &bad),
            mismatch,
            "bit {bit}"
        );
    }
}

#[test]
fn weak_and_impossible_points_are_no_keys() {
    let mut identity = [0; 32];
    identity[0] = 1;
    assert_eq!(PublicKey::from_bytes(identity), Err(KeyError::Point));
    assert_eq!(PublicKey::from_bytes([0; 32]), Err(KeyError::Point));
    let mut off_curve = [0; 32];
    off_curve[0] = 2;
    assert_eq!(PublicKey::from_bytes(off_curve), Err(KeyError::Point));
}

#[test]
fn printing_a_private_key_shows_no_secret() {
    let shown = format!("{:?}", key(7));
    assert_eq!(
        shown,
        format!("SigningKey(of {})", key(7).public().fingerprint())
    );
}

#[test]
fn the_wire_form_is_that_of_rfc_8709() {
    let public = key(1).public();
    let mut wanted = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20".to_vec();
    wanted.extend_from_slice(public.as_bytes());
    assert_eq!(public.to_blob()[..], wanted);
}

#[test]
fn a_seed_gives_its_key_again() {
    let again = SigningKey::from_seed(key(9).to_seed());
    assert_eq!(again.public(), key(9).public());
    assert_eq!(again.sign(b"c", b"m"), key(9).sign(b"c", b"m"));
}
