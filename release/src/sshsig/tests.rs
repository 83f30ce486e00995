use super::*;
use alloc::{format, string::ToString, vec};

fn key() -> SigningKey {
    SigningKey::from_seed([9; 32])
}

/// A signature blob built field by field, so that each can be wrong.
struct Blob {
    magic: Vec<u8>,
    version: u32,
    key: Vec<u8>,
    namespace: Vec<u8>,
    reserved: Vec<u8>,
    hash: Vec<u8>,
    signature: Vec<u8>,
    tail: Vec<u8>,
}

impl Blob {
    fn good() -> Blob {
        let data = signed_data(NAMESPACE.as_bytes(), SHA512, &Sha512::digest(MESSAGE));
        Blob {
            magic: MAGIC.into(),
            version: 1,
            key: key().public().to_blob().to_vec(),
            namespace: NAMESPACE.into(),
            reserved: vec![],
            hash: SHA512.into(),
            signature: pair(ED25519, &key().sign_bytes(&data)),
            tail: vec![],
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let mut blob = self.magic.clone();
        blob.extend_from_slice(&self.version.to_be_bytes());
        let fields = [
            &self.key,
            &self.namespace,
            &self.reserved,
            &self.hash,
            &self.signature,
        ];
        for field in fields {
            put_string(&mut blob, field);
        }
        blob.extend_from_slice(&self.tail);
        blob
    }

    fn verify(&self) -> Result<PublicKey, SshsigError> {
        verify_blob(&self.bytes())
    }
}

fn pair(kind: &[u8], bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    put_string(&mut out, kind);
    put_string(&mut out, bytes);
    out
}

fn verify_blob(blob: &[u8]) -> Result<PublicKey, SshsigError> {
    verify(armor(ARMOR_KIND, blob).as_bytes(), NAMESPACE, MESSAGE)
}

#[test]
fn what_we_sign_we_accept() {
    let armored = sign(&key(), NAMESPACE, MESSAGE);
    assert_eq!(
        verify(armored.as_bytes(), NAMESPACE, MESSAGE),
        Ok(key().public())
    );
    assert_eq!(Blob::good().verify(), Ok(key().public()));
    assert_eq!(armored, armor(ARMOR_KIND, &Blob::good().bytes()));
    assert_eq!(
        claims(armored.as_bytes()),
        Ok((key().public(), NAMESPACE.into()))
    );
    let open_end = armored.trim_end();
    assert_eq!(
        verify(open_end.as_bytes(), NAMESPACE, MESSAGE),
        Ok(key().public())
    );
}

#[test]
fn sha256_signatures_are_accepted_too() {
    let data = signed_data(NAMESPACE.as_bytes(), SHA256, &Sha256::digest(MESSAGE));
    let signature = pair(ED25519, &key().sign_bytes(&data));
    let blob = Blob {
        hash: SHA256.into(),
        signature,
        ..Blob::good()
    };
    assert_eq!(blob.verify(), Ok(key().public()));
}

#[test]
fn each_malformed_blob_has_its_own_error() {
    let good = Blob::good;
    let mut long_key = key().public().to_blob().to_vec();
    long_key.push(0);
    let signature_tail = {
        let mut signature = good().signature;
        signature.push(0);
        signature
    };
    let other = SigningKey::from_seed([8; 32]).public().to_blob().to_vec();
    let cases = [
        (
            Blob {
                magic: b"SSHSIH".into(),
                ..good()
            },
            SshsigError::Magic,
        ),
        (
            Blob {
                version: 0,
                ..good()
            },
            SshsigError::Version { got: 0 },
        ),
        (
            Blob {
                version: 2,
                ..good()
            },
            SshsigError::Version { got: 2 },
        ),
        (
            Blob {
                key: pair(b"ssh-rsa", &[1; 32]),
                ..good()
            },
            SshsigError::KeyType {
                got: "ssh-rsa".into(),
            },
        ),
        (
            Blob {
                key: pair(ED25519, &[1; 33]),
                ..good()
            },
            SshsigError::KeyLength { got: 33 },
        ),
        (
            Blob {
                key: pair(ED25519, &[]),
                ..good()
            },
            SshsigError::KeyLength { got: 0 },
        ),
        (
            Blob {
                key: pair(ED25519, &[0; 32]),
                ..good()
            },
            SshsigError::KeyPoint,
        ),
        (
            Blob {
                key: vec![],
                ..good()
            },
            SshsigError::Truncated("key type"),
        ),
        (
            Blob {
                key: long_key,
                ..good()
            },
            SshsigError::TrailingBytes {
                what: "key",
                got: 1,
            },
        ),
        (
            Blob {
                key: other,
                ..good()
            },
            SshsigError::Mismatch,
        ),
        (
            Blob {
                namespace: b"file".into(),
                ..good()
            },
            SshsigError::Namespace {
                expected: NAMESPACE.into(),
                got: "file".into(),
            },
        ),
        (
            Blob {
                namespace: vec![],
                ..good()
            },
            SshsigError::Namespace {
                expected: NAMESPACE.into(),
                got: "".into(),
            },
        ),
        (
            Blob {
                reserved: b"x".into(),
                ..good()
            },
            SshsigError::Reserved { got: 1 },
        ),
        (
            Blob {
                hash: b"md5".into(),
                ..good()
            },
            SshsigError::HashAlgorithm { got: "md5".into() },
        ),
        (
            Blob {
                hash: SHA256.into(),
                ..good()
            },
            SshsigError::Mismatch,
        ),
        (
            Blob {
                signature: pair(b"rsa-sha2-512", &[0; 64]),
                ..good()
            },
            SshsigError::SignatureType {
                got: "rsa-sha2-512".into(),
            },
        ),
        (
            Blob {
                signature: pair(ED25519, &[0; 63]),
                ..good()
            },
            SshsigError::SignatureLength { got: 63 },
        ),
        (
            Blob {
                signature: vec![],
                ..good()
            },
            SshsigError::Truncated("signature type"),
        ),
        (
            Blob {
                signature: signature_tail,
                ..good()
            },
            SshsigError::TrailingBytes {
                what: "signature",
                got: 1,
            },
        ),
        (
            Blob {
                signature: pair(ED25519, &[0; 64]),
                ..good()
            },
            SshsigError::Mismatch,
        ),
        (
            Blob {
                signature: pair(ED25519, &[255; 64]),
                ..good()
            },
            SshsigError::Mismatch,
        ),
        (
            Blob {
                tail: vec![0],
                ..good()
            },
            SshsigError::TrailingBytes {
                what: "signature block",
                got: 1,
            },
        ),
    ];
    for (index, (blob, error)) in cases.into_iter().enumerate() {
        assert_eq!(blob.verify(), Err(error), "case {index}");
    }
}

#[test]
fn each_malformed_armor_has_its_own_error() {
    let good = sign(&key(), NAMESPACE, MESSAGE);
    let lines: Vec<&str> = good.lines().collect();
    let body = lines[1..lines.len() - 1].join("");
    let (begin, end) = (lines[0], lines[lines.len() - 1]);
    let line_error = |line, got| ArmorError::Line {
        line,
        limit: 76,
        got,
    };
    let cases = [
        (String::new(), ArmorError::Begin),
        (good.replace('\n', "\r\n"), ArmorError::Begin),
        (good[1..].into(), ArmorError::Begin),
        (format!(" {good}"), ArmorError::Begin),
        (format!("\n{good}"), ArmorError::Begin),
        (good.replace("SIGNATURE", "SIGNATURES"), ArmorError::Begin),
        (good.replace("SSH SIG", "PGP SIG"), ArmorError::Begin),
        (format!("{begin}\n"), ArmorError::End),
        (good.replace(end, ""), line_error(6, 0)),
        (
            good.trim_end().trim_end_matches('-').into(),
            ArmorError::End,
        ),
        (format!("{good}\n"), ArmorError::AfterEnd),
        (format!("{good}x"), ArmorError::AfterEnd),
        (format!("{} \n", good.trim_end()), ArmorError::AfterEnd),
        (format!("{}\r", good.trim_end()), ArmorError::AfterEnd),
        (
            format!("{begin}\n{body}\n{end}\n"),
            line_error(2, body.len()),
        ),
        (good.replacen('\n', "\n\n", 1), line_error(2, 0)),
        (good.replacen("\nU1NI", "\nU1N!", 1), ArmorError::Base64),
        (good.replacen("\nU1NI", "\n U1NI", 1), ArmorError::Base64),
        (good.replacen("\nU1NI", "\n=U1NI", 1), ArmorError::Base64),
        (good.replacen("\nU1NI", "\nU1N", 1), ArmorError::Base64),
    ];
    for (index, (text, error)) in cases.into_iter().enumerate() {
        let got = verify(text.as_bytes(), NAMESPACE, MESSAGE);
        assert_eq!(got, Err(error.into()), "case {index}");
    }
    let long = vec![b'A'; SIGNATURE_BYTES_MAX + 1];
    let error = SshsigError::TooLong {
        limit: 4096,
        got: 4097,
    };
    assert_eq!(verify(&long, NAMESPACE, MESSAGE), Err(error));
}

#[test]
fn claims_are_told_without_being_believed() {
    let armored = sign(&key(), "file", b"whatever it was");
    let told = claims(armored.as_bytes());
    assert_eq!(told, Ok((key().public(), "file".into())));
    let bad = Blob {
        magic: b"SSHSIH".into(),
        ..Blob::good()
    };
    let armored = armor(ARMOR_KIND, &bad.bytes());
    assert_eq!(claims(armored.as_bytes()), Err(SshsigError::Magic));
    let long = vec![b'A'; SIGNATURE_BYTES_MAX + 1];
    assert!(matches!(claims(&long), Err(SshsigError::TooLong { .. })));
}

#[test]
fn foreign_text_in_an_error_is_bounded_quoted_and_escaped() {
    let foreign = "\u{1b}[31m\u{202e}\nlinecast: ok".as_bytes();
    let long = [b'x'; 1000];
    let with = |namespace: &[u8]| {
        let namespace = namespace.to_vec();
        let blob = Blob {
            namespace,
            ..Blob::good()
        };
        blob.verify().unwrap_err().to_string()
    };
    assert_eq!(
        with(foreign),
        "signature: namespace \"linecast-manifest@v1\" expected, \
         got \"\\u{1b}[31m\\u{202e}\\nlinecast: ok\""
    );
    assert!(with(&long).len() < 150, "{}", with(&long));
}

#[test]
fn every_cut_blob_is_refused() {
    let blob = Blob::good().bytes();
    for length in 1..blob.len() {
        let error = verify_blob(&blob[..length]).unwrap_err();
        assert!(
            matches!(error, SshsigError::Truncated(_)),
            "{length}: {error}"
        );
    }
}

#[test]
fn every_changed_byte_of_blob_armor_or_message_is_refused() {
    let blob = Blob::good().bytes();
    for at in 0..blob.len() {
        for flip in 1..=255 {
            let mut bad = blob.clone();
            bad[at] ^= flip;
            assert!(verify_blob(&bad).is_err(), "blob byte {at} ^ {flip}");
        }
    }
    let armored = sign(&key(), NAMESPACE, MESSAGE).into_bytes();
    for at in 0..armored.len() {
        for flip in 1..=255 {
            let mut bad = armored.clone();
            bad[at] ^= flip;
            assert!(
                verify(&bad, NAMESPACE, MESSAGE).is_err(),
                "armor byte {at} ^ {flip}"
            );
        }
    }
    for at in 0..MESSAGE.len() {
        let mut bad = MESSAGE.to_vec();
        bad[at] ^= 1;
        let got = verify(&armored, NAMESPACE, &bad);
        assert_eq!(got, Err(SshsigError::Mismatch));
    }
}

const NAMESPACE: &str = MANIFEST_NAMESPACE;
const MESSAGE: &[u8] = b"{\"name\":\"fw\"}";
