use super::*;
use alloc::{format, string::ToString, vec};

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed([n; 32])
}

#[test]
fn text_forms_survive_a_round_trip() {
    for n in 0..64 {
        let comment = "c".repeat(usize::from(n));
        let text = write_private(&key(n), &comment);
        let read = read_private(text.as_bytes()).unwrap();
        assert_eq!(read.public(), key(n).public());
        let line = write_public(&read.public(), &comment);
        let parsed = read_public(&line);
        assert_eq!(parsed, Ok((read.public(), comment.as_str())));
    }
}

#[test]
fn damaged_private_keys_name_what_is_wrong() {
    let blob = crate::sshwire::dearmor(KIND, write_private(&key(3), "c").as_bytes()).unwrap();
    // Offsets: 15 magic, 4+4 cipher, 4+4 kdf, 4 options, 4 count, 4+51 public,
    // 4 length, then the private part.
    let cases: [(usize, KeyTextError); 9] = [
        (0, KeyTextError::Magic),
        (
            19,
            KeyTextError::Encrypted {
                cipher: "oone".into(),
            },
        ),
        (38, KeyTextError::KeyCount { got: 0 }),
        (
            47,
            KeyTextError::Type {
                got: "rsh-ed25519".into(),
            },
        ),
        (98, KeyTextError::Check),
        (
            110,
            KeyTextError::Type {
                got: "rsh-ed25519".into(),
            },
        ),
        (161, KeyTextError::Halves),
        (193, KeyTextError::Halves),
        (blob.len() - 1, KeyTextError::Padding),
    ];
    for (at, error) in cases {
        let mut bad = blob.clone();
        bad[at] ^= 1;
        let text = crate::sshwire::armor(KIND, &bad);
        assert_eq!(
            read_private(text.as_bytes()).unwrap_err(),
            error,
            "byte {at}"
        );
    }
    let mut long = blob.clone();
    long.push(0);
    assert_eq!(refusal(&long), KeyTextError::TrailingBytes { got: 1 });
    for length in 1..blob.len() {
        let error = refusal(&blob[..length]);
        assert!(
            matches!(error, KeyTextError::Truncated(_)),
            "{length}: {error:?}"
        );
    }
    let text = vec![b'-'; 16 * 1024 + 1];
    let error = KeyTextError::TooLong {
        limit: 16_384,
        got: 16_385,
    };
    assert_eq!(read_private(&text).unwrap_err(), error);
}

fn refusal(blob: &[u8]) -> KeyTextError {
    let text = crate::sshwire::armor(KIND, blob);
    read_private(text.as_bytes()).unwrap_err()
}

#[test]
fn bad_public_lines_name_what_is_wrong() {
    let good = write_public(&key(1).public(), "");
    let base64 = good.split(' ').nth(1).unwrap();
    let cases = [
        (String::new(), KeyTextError::Type { got: String::new() }),
        (
            "ssh-rsa AAAA".into(),
            KeyTextError::Type {
                got: "ssh-rsa".into(),
            },
        ),
        ("ssh-ed25519".into(), KeyTextError::NoBlob),
        ("ssh-ed25519 A!".into(), KeyTextError::Base64),
        (
            "ssh-ed25519 AAAA".into(),
            KeyTextError::Truncated("key type"),
        ),
        (
            blob_line(b"ssh-rsa", &[1; 32]),
            KeyTextError::Type {
                got: "ssh-rsa".into(),
            },
        ),
        (
            blob_line(ED25519, &[1; 31]),
            KeyTextError::PublicLength { got: 31 },
        ),
        (blob_line(ED25519, &[0; 32]), KeyTextError::Point),
        (
            "x".repeat(16_385),
            KeyTextError::TooLong {
                limit: 16_384,
                got: 16_385,
            },
        ),
    ];
    for (line, error) in cases {
        assert_eq!(read_public(&line), Err(error), "{line}");
    }
    assert!(read_public(&format!("ssh-ed25519\t{base64}  a b")).is_ok());
}

#[test]
fn foreign_text_in_an_error_is_bounded_quoted_and_escaped() {
    let error = read_public("\u{1b}[31m\u{202e} AAAA").unwrap_err();
    let text = error.to_string();
    assert_eq!(
        text,
        "key type ssh-ed25519 expected, got \"\\u{1b}[31m\\u{202e}\""
    );
    let error = read_public(&"x".repeat(10_000)).unwrap_err();
    assert!(error.to_string().len() < 150, "{error}");
}

fn blob_line(kind: &[u8], bytes: &[u8]) -> String {
    let mut blob = Vec::new();
    put_string(&mut blob, kind);
    put_string(&mut blob, bytes);
    format!("ssh-ed25519 {}", base64ct::Base64::encode_string(&blob))
}

const KIND: &str = "OPENSSH PRIVATE KEY";
