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
        target: Some("rootfs".into()),
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
        target: None,
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
  "schema": "linecast.manifest.v2",
  "name": "fw-2.1 (line 4).img",
  "version": 42,
  "hardware": [
    "board-a",
    "board-b"
  ],
  "target": "rootfs",
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
fn the_first_schema_says_the_same_but_for_the_target() {
    let bare = Manifest {
        target: None,
        ..full()
    };
    let text = String::from_utf8(bare.to_bytes()).unwrap();
    let first = text.replace(SCHEMA, SCHEMA_V1);
    assert_eq!(Manifest::parse(first.as_bytes()), Ok(bare));
    let first = changed(SCHEMA, SCHEMA_V1);
    let error = ManifestError::UnknownKey("target".into());
    assert_eq!(Manifest::parse(first.as_bytes()), Err(error));
}

#[test]
fn names_are_plain_file_names() {
    use ManifestError as E;
    let long = "x".repeat(129);
    let length = |got| E::NameLength { limit: 128, got };
    for (name, error) in [
        ("", length(0)),
        (&long, length(129)),
        ("/etc/passwd", E::NameCharacter { got: '/' }),
        ("..", E::NameStart { got: '.' }),
        ("-rf", E::NameStart { got: '-' }),
        (" a", E::NameStart { got: ' ' }),
        ("a ", E::NameEnd { got: ' ' }),
        ("a.", E::NameEnd { got: '.' }),
    ] {
        assert_eq!(check_name(name), Err(error), "{name:?}");
    }
    for name in ["a", "fw.img", "Release 2.1 (final)", "a..b", &long[..128]] {
        assert_eq!(check_name(name), Ok(()), "{name}");
    }
}

#[test]
fn targets_are_short_words() {
    use ManifestError as E;
    let long = "x".repeat(33);
    let length = |got| E::TargetLength { limit: 32, got };
    for (target, error) in [
        ("", length(0)),
        (&long, length(33)),
        ("/dev/sda", E::TargetCharacter { got: '/' }),
        ("..", E::TargetStart { got: '.' }),
        ("-f", E::TargetStart { got: '-' }),
    ] {
        assert_eq!(check_target(target), Err(error), "{target:?}");
        let manifest = Manifest {
            target: Some(target.into()),
            ..full()
        };
        assert_eq!(manifest.check_limits(), check_target(target));
    }
    for target in ["a", "rootfs", "_x", "0", "boot.a-1_2", "a.", &long[..32]] {
        assert_eq!(check_target(target), Ok(()), "{target}");
    }
}

/// So none that is hidden, turns a line around or belongs to another script.
#[test]
fn of_all_characters_names_have_these_only() {
    let all = || (char::MIN..=char::MAX).map(|c| (c, format!("a{c}a")));
    let allowed = |check: fn(&str) -> Result<(), ManifestError>| -> String {
        all()
            .filter(|(_, text)| check(text).is_ok())
            .map(|(c, _)| c)
            .collect()
    };
    assert_eq!(
        allowed(check_name),
        " #%()+,-.0123456789=@ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"
    );
    assert_eq!(
        allowed(check_target),
        "-.0123456789_abcdefghijklmnopqrstuvwxyz"
    );
    let hardware = |text: &str| {
        let hardware = vec![text.into()];
        Manifest { hardware, ..full() }.check_limits()
    };
    let graphic: String = ('!'..='~').collect();
    assert_eq!(allowed(hardware), graphic);
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
fn refusals_by_policy_are_told_in_words() {
    let told = |policy: Policy| full().check(&policy).unwrap_err().to_string();
    let now_unix = 1_785_542_402;
    assert_eq!(
        told(Policy {
            now_unix,
            ..policy()
        }),
        "manifest: expired 2026-08-01T00:00:01Z, it is now 2026-08-01T00:00:02Z"
    );
    let installed_version = Some(43);
    assert_eq!(
        told(Policy {
            installed_version,
            ..policy()
        }),
        "manifest: version 42 is older than the installed version 43"
    );
    let hardware = Some("board-c".into());
    assert_eq!(
        told(Policy {
            hardware,
            ..policy()
        }),
        "manifest: for hardware board-a, board-b, this device is board-c"
    );
    let size_max = 5;
    assert_eq!(
        told(Policy {
            size_max,
            ..policy()
        }),
        "manifest: image of 1099511627776 bytes, the target holds 5"
    );
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
