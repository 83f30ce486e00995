//! No parser panics on any bytes, and no changed byte of a signed manifest or
//! its signature gets through.
use linecast_protocol::key::SigningKey;
use linecast_release::lists::{Roster, TrustSet};
use linecast_release::manifest::Manifest;
use linecast_release::sshsig::{self, MANIFEST_NAMESPACE};
use linecast_release::{openssh, parse_rfc3339, rfc3339};
use proptest::prelude::*;

fn key() -> SigningKey {
    SigningKey::from_seed([3; 32])
}

fn manifest() -> Manifest {
    Manifest {
        name: "fw.img".into(),
        version: 7,
        hardware: vec!["board".into()],
        target: Some("rootfs".into()),
        size_bytes: 123,
        root_b3: [1; 32],
        sha256: Some([2; 32]),
        created: 1_785_542_400,
        expires: Some(1_785_542_500),
    }
}

fn parse_all(bytes: &[u8]) {
    let _ = Manifest::parse(bytes);
    let _ = sshsig::verify(bytes, MANIFEST_NAMESPACE, b"m");
    let _ = openssh::read_private(bytes);
    let text = String::from_utf8_lossy(bytes);
    let _ = openssh::read_public(&text);
    let _ = TrustSet::parse(&text);
    let _ = Roster::parse(&text);
    let _ = parse_rfc3339(&text);
}

#[test]
fn every_changed_byte_of_a_signed_manifest_is_refused() {
    let bytes = manifest().to_bytes();
    let signature = sshsig::sign(&key(), MANIFEST_NAMESPACE, &bytes);
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut bad = bytes.clone();
            bad[at] ^= 1 << bit;
            let got = sshsig::verify(signature.as_bytes(), MANIFEST_NAMESPACE, &bad);
            assert!(got.is_err(), "byte {at} bit {bit}");
        }
    }
    for cut in 0..bytes.len() {
        let got = sshsig::verify(signature.as_bytes(), MANIFEST_NAMESPACE, &bytes[..cut]);
        assert!(got.is_err(), "cut to {cut}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        parse_all(&bytes);
    }

    #[test]
    fn arbitrary_text_never_panics(text in "(ssh-ed25519|namespaces=|[ \t\r\n\",=*?!#a-zA-Z0-9+/é-]){0,60}") {
        parse_all(text.as_bytes());
    }

    #[test]
    fn mutated_private_keys_never_panic(at in 0_usize..400, byte in any::<u8>()) {
        let mut text = openssh::write_private(&key(), "comment").into_bytes();
        let at = at % text.len();
        text[at] = byte;
        parse_all(&text);
    }

    #[test]
    fn mutated_manifests_parse_to_what_they_say(at in 0_usize..600, byte in any::<u8>()) {
        let mut bytes = manifest().to_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(manifest) = Manifest::parse(&bytes) {
            prop_assert_eq!(Manifest::parse(&manifest.to_bytes()), Ok(manifest));
        }
    }

    #[test]
    fn times_survive_a_round_trip(unix in 0_u64..253_402_300_800) {
        prop_assert_eq!(parse_rfc3339(&rfc3339(unix)), Some(unix));
    }
}
