use super::*;
use alloc::{
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

fn full() -> Manifest {
    Manifest {
        name: "fw-2.1 (line 4).img".into(),
        version: 42,
        hardware: vec!["board-a".into(), "board-b".into()],
        size_bytes: 1 << 40,
        root_b3: [0xab; 32],
        sha256: Some([0xcd; 32]),
        created: 1_785_542_400,
        expires: Some(1_785_542_401),
    }
}

fn policy() -> Policy {
    Policy {
        now_unix: 1_785_542_400,
        installed_version: Some(42),
        hardware: Some("board-b".into()),
        size_max: 1 << 40,
    }
}

/// The JSON of a good manifest with one piece of text replaced.
fn changed(from: &str, to: &str) -> String {
    let text = String::from_utf8(full().to_bytes()).unwrap();
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1)
}

#[test]
fn manifests_survive_a_round_trip() {
    let bare = Manifest {
        hardware: vec![],
        sha256: None,
        expires: None,
        size_bytes: 0,
        ..full()
    };
    for manifest in [full(), bare] {
        let bytes = manifest.to_bytes();
        assert_eq!(Manifest::parse(&bytes), Ok(manifest));
    }
}

#[test]
fn the_text_is_what_the_documentation_shows() {
    let text = String::from_utf8(full().to_bytes()).unwrap();
    let hash = |byte: &str| byte.repeat(32);
    assert_eq!(
        text,
        format!(
            r#"{{
  "schema": "linecast.manifest.v1",
  "name": "fw-2.1 (line 4).img",
  "version": 42,
  "hardware": [
    "board-a",
    "board-b"
  ],
  "size_bytes": 1099511627776,
  "root_b3": "{}",
  "sha256": "{}",
  "created": "2026-08-01T00:00:00Z",
  "expires": "2026-08-01T00:00:01Z"
}}
"#,
            hash("ab"),
            hash("cd")
        )
    );
}

#[test]
fn each_invalid_text_has_its_own_error() {
    use ManifestError as E;
    let type_error = |key, expected| E::Type { key, expected };
    let (text, count, list) = ("text", "a whole number from 0 on", "a list of texts");
    let cases: Vec<(String, E)> = vec![
        (String::new(), E::NotJson { line: 1, column: 0 }),
        ("{".into(), E::NotJson { line: 1, column: 1 }),
        ("{]".into(), E::NotJson { line: 1, column: 2 }),
        ("\u{feff}{}".into(), E::NotJson { line: 1, column: 1 }),
        ("[]".into(), E::NotAnObject),
        ("null".into(), E::NotAnObject),
        ("\"x\"".into(), E::NotAnObject),
        ("7".into(), E::NotAnObject),
        ("{}".into(), E::MissingKey("schema")),
        ("{}{}".into(), E::TrailingBytes { line: 1, column: 3 }),
        (
            changed("}\n", "}\nx"),
            E::TrailingBytes {
                line: 15,
                column: 1,
            },
        ),
        (
            changed("manifest.v1", "manifest.v2"),
            schema("linecast.manifest.v2"),
        ),
        (changed("linecast.manifest.v1", ""), schema("")),
        (
            changed("\"linecast.manifest.v1\"", "1"),
            type_error("schema", text),
        ),
        (
            changed("\"version\"", "\"name\""),
            E::DuplicateKey("name".into()),
        ),
        (
            changed("\"sha256\"", "\"schema\""),
            E::DuplicateKey("schema".into()),
        ),
        (
            changed("\"sha256\"", "\"sha512\""),
            E::UnknownKey("sha512".into()),
        ),
        (changed("\"sha256\"", "\"\""), E::UnknownKey("".into())),
        (
            changed("\"name\"", "\"Name\""),
            E::UnknownKey("Name".into()),
        ),
        (without("name"), E::MissingKey("name")),
        (without("version"), E::MissingKey("version")),
        (without("size_bytes"), E::MissingKey("size_bytes")),
        (without("root_b3"), E::MissingKey("root_b3")),
        (without("created"), E::MissingKey("created")),
        (
            changed("\"fw-2.1 (line 4).img\"", "[]"),
            type_error("name", text),
        ),
        (
            changed("\"fw-2.1 (line 4).img\"", "null"),
            type_error("name", text),
        ),
        (changed(": 42", ": \"42\""), type_error("version", count)),
        (changed(": 42", ": -1"), type_error("version", count)),
        (changed(": 42", ": 42.0"), type_error("version", count)),
        (changed(": 42", ": 42e0"), type_error("version", count)),
        (
            changed(": 42", ": 042"),
            E::NotJson {
                line: 4,
                column: 15,
            },
        ),
        (
            changed(": 42", ": 18446744073709551616"),
            type_error("version", count),
        ),
        (
            changed(": 42", ": 18446744073709551615"),
            E::Version {
                limit: VERSION_MAX,
                got: u64::MAX,
            },
        ),
        (
            changed(": 42", ": 9007199254740992"),
            E::Version {
                limit: VERSION_MAX,
                got: VERSION_MAX + 1,
            },
        ),
        (
            changed("1099511627776", "281474976710656"),
            size(SIZE_MAX + 1),
        ),
        (
            changed("1099511627776", "9223372036854775808"),
            size(1 << 63),
        ),
        (
            changed("1099511627776", "-5"),
            type_error("size_bytes", count),
        ),
        (
            changed("1099511627776", "true"),
            type_error("size_bytes", count),
        ),
        (changed("abab", "ABAB"), E::Root),
        (changed("abab", "abag"), E::Root),
        (changed("abab", "ab"), E::Root),
        (changed("abab", "ababab"), E::Root),
        (changed("cdcd", "CDCD"), E::Sha256),
        (
            changed(&format!("\"{}\"", "cd".repeat(32)), "null"),
            type_error("sha256", text),
        ),
        (changed("2026-08-01T00:00:00Z", "2026-08-01"), E::Created),
        (
            changed("2026-08-01T00:00:00Z", "2026-08-32T00:00:00Z"),
            E::Created,
        ),
        (
            changed("\"2026-08-01T00:00:00Z\"", "0"),
            type_error("created", text),
        ),
        (changed("2026-08-01T00:00:01Z", "never"), E::Expires),
        (
            changed("\"2026-08-01T00:00:01Z\"", "{}"),
            type_error("expires", text),
        ),
        (
            changed("2026-08-01T00:00:01Z", "2026-07-31T23:59:59Z"),
            E::ExpiresBeforeCreated {
                expires: 1_785_542_399,
                created: 1_785_542_400,
            },
        ),
        (changed("\"board-a\"", "7"), type_error("hardware", list)),
        (
            changed("\"board-a\"", "[\"x\"]"),
            type_error("hardware", list),
        ),
        (
            changed("[\n    \"board-a\",\n    \"board-b\"\n  ]", "\"a\""),
            type_error("hardware", list),
        ),
        (
            changed("board-a", "board-b"),
            E::HardwareTwice {
                got: "board-b".into(),
            },
        ),
        (changed("board-a", ""), hardware_id("")),
        (changed("board-a", "a b"), hardware_id("a b")),
        (changed("board-a", "bör"), hardware_id("bör")),
        (
            changed("board-a", &"x".repeat(65)),
            hardware_id(&"x".repeat(64)),
        ),
    ];
    assert!(cases.len() >= 55);
    for (text, error) in cases {
        assert_eq!(Manifest::parse(text.as_bytes()), Err(error), "{text}");
    }
}

fn schema(got: &str) -> ManifestError {
    ManifestError::Schema { got: got.into() }
}

fn size(got: u64) -> ManifestError {
    ManifestError::Size {
        limit: SIZE_MAX,
        got,
    }
}

fn hardware_id(got: &str) -> ManifestError {
    ManifestError::HardwareId {
        limit: HARDWARE_BYTES_MAX,
        got: got.into(),
    }
}

fn without(key: &str) -> String {
    let text = String::from_utf8(full().to_bytes()).unwrap();
    let key = format!("\"{key}\"");
    text.lines().filter(|line| !line.contains(&key)).collect()
}

#[test]
fn names_that_are_no_plain_file_name_are_refused() {
    use ManifestError as E;
    let character = |got| E::NameCharacter { got };
    let edge = |got| E::NameEdge { got };
    for (name, error) in [
        ("", E::NameLength { limit: 128, got: 0 }),
        ("/etc/passwd", character('/')),
        ("a/../b", character('/')),
        ("..", edge('.')),
        (".", edge('.')),
        (".ssh", edge('.')),
        ("-rf", edge('-')),
        (" a", edge(' ')),
        ("a ", edge(' ')),
        ("a.", edge('.')),
        ("a\\b", character('\\')),
        ("a\0b", character('\0')),
        ("a\nb", character('\n')),
        ("a\u{1b}[31m", character('\u{1b}')),
        ("a\u{202e}b", character('\u{202e}')),
        ("<b>", character('<')),
        ("a\"b", character('"')),
        ("a$b", character('$')),
        ("a*b", character('*')),
        ("C:x", character(':')),
        ("é", character('é')),
    ] {
        assert_eq!(check_name(name), Err(error), "{name:?}");
    }
    let long = "x".repeat(129);
    assert_eq!(
        check_name(&long),
        Err(E::NameLength {
            limit: 128,
            got: 129
        })
    );
    for name in ["a", "fw.img", "Release 2.1 (final)", "a..b", &long[..128]] {
        assert_eq!(check_name(name), Ok(()), "{name}");
    }
}

#[test]
fn oversize_is_refused_before_parsing() {
    let limit = MANIFEST_BYTES_MAX;
    let mut bytes = full().to_bytes();
    bytes.resize(limit, b' ');
    assert_eq!(Manifest::parse(&bytes), Ok(full()));
    bytes.push(b' ');
    let error = ManifestError::TooLong {
        limit,
        got: limit + 1,
    };
    assert_eq!(Manifest::parse(&bytes), Err(error));
    let nested = "[".repeat(limit);
    assert!(Manifest::parse(nested.as_bytes()).is_err());
    let nested = format!("{{\"schema\":{}", "[".repeat(limit - 100));
    assert!(Manifest::parse(nested.as_bytes()).is_err());
    let ids: Vec<_> = (0..65).map(|n| n.to_string()).collect();
    let bytes = Manifest {
        hardware: ids,
        ..full()
    }
    .to_bytes();
    let error = ManifestError::HardwareCount { limit: 64, got: 65 };
    assert_eq!(Manifest::parse(&bytes), Err(error));
}

#[test]
fn policy_refuses_each_with_limit_and_got() {
    use ManifestError as E;
    assert_eq!(full().check(&policy()), Ok(()));
    let now = 1_785_542_401;
    let late = Policy {
        now_unix: now,
        ..policy()
    };
    assert_eq!(full().check(&late), Err(E::Expired { expired: now, now }));
    let newer = Policy {
        installed_version: Some(43),
        ..policy()
    };
    assert_eq!(
        full().check(&newer),
        Err(E::Rollback {
            installed: 43,
            got: 42
        })
    );
    let other = Policy {
        hardware: Some("board".into()),
        ..policy()
    };
    let error = E::WrongHardware {
        allowed: full().hardware,
        device: "board".into(),
    };
    assert_eq!(full().check(&other), Err(error));
    let small = Policy {
        size_max: (1 << 40) - 1,
        ..policy()
    };
    let error = E::TooBig {
        limit: (1 << 40) - 1,
        got: 1 << 40,
    };
    assert_eq!(full().check(&small), Err(error));
}

#[test]
fn what_the_device_does_not_know_is_not_checked() {
    let unknown = Policy {
        installed_version: None,
        hardware: None,
        ..policy()
    };
    assert_eq!(full().check(&unknown), Ok(()));
    let forever = Manifest {
        expires: None,
        hardware: vec![],
        ..full()
    };
    let far = Policy {
        now_unix: u64::MAX,
        ..policy()
    };
    assert_eq!(forever.check(&far), Ok(()));
}

#[test]
fn the_digest_is_of_the_exact_bytes() {
    let bytes = full().to_bytes();
    assert_eq!(Manifest::digest(&bytes), *blake3::hash(&bytes).as_bytes());
    assert_ne!(
        Manifest::digest(&bytes),
        Manifest::digest(bytes.trim_ascii_end())
    );
}
