//! A manifest of the first schema, as it was written and signed before there
//! was a second, is read and believed to the byte.
use linecast_protocol::{hex, key::SigningKey};
use linecast_release::manifest::Manifest;
use linecast_release::sshsig::{self, MANIFEST_NAMESPACE};

const MANIFEST: &[u8] = include_bytes!("first_schema/manifest.json");
const SIGNATURE: &[u8] = include_bytes!("first_schema/manifest.json.sig");

#[test]
fn a_signed_manifest_of_the_first_schema_is_still_good() {
    let signer = sshsig::verify(SIGNATURE, MANIFEST_NAMESPACE, MANIFEST);
    assert_eq!(signer, Ok(SigningKey::from_seed([3; 32]).public()));
    let manifest = Manifest {
        name: "fw-2.1 (line 4).img".into(),
        version: 42,
        hardware: vec!["board-a".into(), "board-b".into()],
        target: None,
        size_bytes: 1 << 40,
        root_b3: [0xab; 32],
        sha256: Some([0xcd; 32]),
        created: 1_785_542_400,
        expires: Some(1_785_542_401),
    };
    assert_eq!(Manifest::parse(MANIFEST), Ok(manifest));
    assert_eq!(hex(&Manifest::digest(MANIFEST)), DIGEST);
}

/// What `b3sum` says of the file: a journal of that release goes by it.
const DIGEST: &str = "98518e0d0d85c2511e49baa3e788ec4c117a6585646dae423b1612b78bd86d0d";
