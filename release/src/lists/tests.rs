use super::*;
use crate::openssh::write_public;
use alloc::{format, string::ToString};
use linecast_protocol::key::SigningKey;

fn key(n: u8) -> SigningKey {
    SigningKey::from_seed([n; 32])
}

#[test]
fn trust_files_may_mix_both_forms() {
    let line = |n: u8, comment| write_public(&key(n).public(), comment);
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
    let hidden = format!("al\u{202e}ice\u{200b}\u{9b}@x {}", line(8, ""));
    let trust = TrustSet::parse(&hidden).unwrap();
    assert_eq!(trust.contains(&key(8).public()), Some("alice@x"));
}

#[test]
fn trust_files_that_would_mislead_are_refused() {
    let line = write_public(&key(1).public(), "c");
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
    write_public(&SigningKey::from_seed(seed).public(), "")
}

#[test]
fn rosters_hold_each_name_and_key_once() {
    let line = |n: u8| write_public(&key(n).public(), "");
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

#[test]
fn wildcards_match_what_a_naive_matcher_matches() {
    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match pattern {
            [] => text.is_empty(),
            [b'*', rest @ ..] => (0..=text.len()).any(|skip| naive(rest, &text[skip..])),
            [c, rest @ ..] => match text {
                [first, after @ ..] => (*c == b'?' || c == first) && naive(rest, after),
                [] => false,
            },
        }
    }
    /// All words of up to `length` of these letters.
    fn words(letters: &[u8], length: usize) -> Vec<Vec<u8>> {
        let mut words = alloc::vec![Vec::new()];
        let mut from = 0;
        for _ in 0..length {
            let to = words.len();
            for at in from..to {
                for &letter in letters {
                    let mut word = words[at].clone();
                    word.push(letter);
                    words.push(word);
                }
            }
            from = to;
        }
        words
    }
    let texts = words(b"ab", 5);
    for pattern in words(b"ab*?", 5) {
        for text in &texts {
            let shown = || format!("{} on {}", pattern.escape_ascii(), text.escape_ascii());
            assert_eq!(
                matches(&pattern, text),
                naive(&pattern, text),
                "{}",
                shown()
            );
        }
    }
    let (pattern, text) = (b"*a".repeat(500), b"a".repeat(20_000));
    assert!(!matches(&[&pattern[..], b"b"].concat(), &text));
}

#[test]
fn namespaces_admit_manifests_by_pattern() {
    let line = write_public(&key(1).public(), "");
    for (namespaces, admitted) in [
        ("linecast-manifest@v1", true),
        ("linecast-manifest@v?", true),
        ("git, linecast-*", true),
        ("*", true),
        ("linecast-manifest@v2", false),
        ("linecast-manifest", false),
        ("linecast-manifest@v1x", false),
        ("", false),
    ] {
        let text = format!("me namespaces=\"{namespaces}\" {line}");
        assert_eq!(TrustSet::parse(&text).is_ok(), admitted, "{namespaces}");
    }
}

#[test]
fn lists_end_at_their_limits() {
    let line = |n: u64| numbered_key(n) + "\n";
    let trusted: String = (0..TRUST_MAX as u64).map(line).collect();
    let trust = TrustSet::parse(&trusted).unwrap();
    assert_eq!(trust.iter().count(), TRUST_MAX);
    // A key that is named again is none more.
    let again = trusted.clone() + &line(0);
    assert_eq!(TrustSet::parse(&again), Ok(trust));
}
