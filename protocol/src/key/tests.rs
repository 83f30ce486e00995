use super::*;
use alloc::{format, string::ToString, vec};

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
fn text_forms_survive_a_round_trip() {
    for n in 0..64 {
        let comment = "c".repeat(usize::from(n));
        let text = key(n).to_openssh(&comment);
        let read = SigningKey::from_openssh(text.as_bytes()).unwrap();
        assert_eq!(read.public(), key(n).public());
        let line = read.public().to_openssh(&comment);
        let parsed = PublicKey::parse_line(&line);
        assert_eq!(parsed, Ok((read.public(), comment.as_str())));
    }
}

#[test]
fn damaged_private_keys_name_what_is_wrong() {
    let blob = crate::sshwire::dearmor(KIND, key(3).to_openssh("c").as_bytes()).unwrap();
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
            SigningKey::from_openssh(text.as_bytes()).unwrap_err(),
            error,
            "byte {at}"
        );
    }
    let mut long = blob.clone();
    long.push(0);
    assert_eq!(read_blob(&long), KeyTextError::TrailingBytes { got: 1 });
    for length in 1..blob.len() {
        let error = read_blob(&blob[..length]);
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
    assert_eq!(SigningKey::from_openssh(&text).unwrap_err(), error);
}

fn read_blob(blob: &[u8]) -> KeyTextError {
    let text = crate::sshwire::armor(KIND, blob);
    SigningKey::from_openssh(text.as_bytes()).unwrap_err()
}

#[test]
fn bad_public_lines_name_what_is_wrong() {
    let good = key(1).public().to_openssh("");
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
        assert_eq!(PublicKey::from_openssh(&line), Err(error), "{line}");
    }
    assert!(PublicKey::from_openssh(&format!("ssh-ed25519\t{base64}  a b")).is_ok());
}

fn blob_line(kind: &[u8], bytes: &[u8]) -> String {
    let mut blob = Vec::new();
    put_string(&mut blob, kind);
    put_string(&mut blob, bytes);
    format!("ssh-ed25519 {}", base64ct::Base64::encode_string(&blob))
}

#[test]
fn trust_files_may_mix_both_forms() {
    let line = |n: u8, comment| key(n).public().to_openssh(comment);
    let text = format!(
        "# releases\n\n{}\n{}\r\nalice@x {}\nbob,carol namespaces=\"git,linecast-*\" {}\n\
         dave namespaces=\"git\" {}\n\"eve x\" NAMESPACES=\"*\" {}\n",
        line(1, "release key"),
        line(2, ""),
        line(3, ""),
        line(4, "ignored"),
        line(5, ""),
        line(6, ""),
    );
    let trust = TrustSet::parse(&text).unwrap();
    let name = |n| trust.contains(&key(n).public()).map(ToString::to_string);
    assert_eq!(name(1).as_deref(), Some("release key"));
    assert_eq!(name(2), Some(key(2).public().fingerprint()));
    assert_eq!(name(3).as_deref(), Some("alice@x"));
    assert_eq!(name(4).as_deref(), Some("bob,carol"));
    assert_eq!(name(5), None, "signs other things only");
    assert_eq!(name(6).as_deref(), Some("eve x"));
    assert_eq!(name(7), None);
    assert_eq!(trust.iter().count(), 5);
}

#[test]
fn trust_files_that_would_mislead_are_refused() {
    let line = key(1).public().to_openssh("c");
    let cases = [
        (String::new(), ListError::Empty),
        ("# nothing\n".into(), ListError::Empty),
        (format!("a namespaces=\"git\" {line}"), ListError::Empty),
        (
            format!("a cert-authority {line}"),
            option(1, "cert-authority"),
        ),
        (
            format!("\na valid-after=\"20300101\" {line}"),
            option(2, "valid-after"),
        ),
        (
            format!("a namespaces=\"!x,*\" {line}"),
            option(1, "namespaces with '!'"),
        ),
        (
            format!("a namespaces=\"*\",namespaces=\"*\" {line}"),
            option(1, "namespaces"),
        ),
        ("alice".into(), ListError::NoKey { line: 1 }),
        (
            "alice namespaces=\"*\"".into(),
            ListError::NoKey { line: 1 },
        ),
        ("\"alice".into(), ListError::Quote { line: 1 }),
        (
            "ssh-rsa AAAA me".into(),
            ListError::Key {
                line: 1,
                error: KeyTextError::Type {
                    got: "ssh-rsa".into(),
                },
            },
        ),
    ];
    for (text, error) in cases {
        assert_eq!(TrustSet::parse(&text), Err(error), "{text}");
    }
    let many: String = (0..=TRUST_MAX as u64)
        .map(|n| numbered_key(n) + "\n")
        .collect();
    assert_eq!(
        TrustSet::parse(&many),
        Err(ListError::TooMany { limit: TRUST_MAX })
    );
}

fn option(line: usize, option: &str) -> ListError {
    ListError::Option {
        line,
        option: option.into(),
    }
}

fn numbered_key(n: u64) -> String {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&n.to_le_bytes());
    SigningKey::from_seed(seed).public().to_openssh("")
}

#[test]
fn rosters_hold_each_name_and_key_once() {
    let line = |n: u8| key(n).public().to_openssh("");
    let roster = Roster::parse(&format!("# line 1\nd1 {}\n\n  d2 {} x\n", line(1), line(2)));
    let roster = roster.unwrap();
    assert_eq!(roster.entries()[1], ("d2".to_string(), key(2).public()));
    assert_eq!(roster.name_of(&key(1).public()), Some("d1"));
    assert_eq!(roster.name_of(&key(3).public()), None);
    assert_eq!(
        Roster::parse(&format!("d1 {}\n\nd1 {}", line(1), line(2))),
        Err(ListError::DuplicateName {
            line: 3,
            first: 1,
            name: "d1".into()
        })
    );
    assert_eq!(
        Roster::parse(&format!("d1 {}\n\nd2 {}", line(1), line(1))),
        Err(ListError::DuplicateKey {
            line: 3,
            first: 1,
            name: "d2".into()
        })
    );
    assert_eq!(Roster::parse("d1"), Err(ListError::NoKey { line: 1 }));
    assert_eq!(Roster::parse(""), Err(ListError::Empty));
    let long = format!("{} {}", "n".repeat(129), line(1));
    assert_eq!(
        Roster::parse(&long),
        Err(ListError::Name {
            line: 1,
            limit: 128
        })
    );
    let control = format!("a\u{1b}b {}", line(1));
    assert_eq!(
        Roster::parse(&control),
        Err(ListError::Name {
            line: 1,
            limit: 128
        })
    );
}

const KIND: &str = "OPENSSH PRIVATE KEY";
