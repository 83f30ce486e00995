//! Every way in which a manifest can be wrong is refused by an error of its
//! own. The cases are in tables beside this file, one a line:
//!
//! ```text
//! TEXT OF THE GOOD MANIFEST => WHAT STANDS THERE INSTEAD => MESSAGE
//! ```
//!
//! Without a first part the second one is all of the file. `<LF>` is a new
//! line, `<U+202E>` a character, `<0xFF>` a byte and `<x*65>` a text repeated.
use linecast_protocol::text::is_printable;
use linecast_release::manifest::Manifest;
use std::collections::BTreeMap;

const TABLES: [(&str, &str); 3] = [
    ("form.txt", include_str!("form.txt")),
    ("keys.txt", include_str!("keys.txt")),
    ("values.txt", include_str!("values.txt")),
];
const CASES_MIN: usize = 150;

/// What all cases are edits of.
fn good() -> Vec<u8> {
    let manifest = Manifest {
        name: "fw-2.1 (line 4).img".into(),
        version: 42,
        hardware: vec!["board-a".into(), "board-b".into()],
        target: Some("rootfs".into()),
        size_bytes: 1 << 40,
        root_b3: [0xab; 32],
        sha256: Some([0xcd; 32]),
        created: 1_785_542_400,
        expires: Some(1_785_542_401),
    };
    let bytes = manifest.to_bytes();
    assert_eq!(Manifest::parse(&bytes), Ok(manifest));
    bytes
}

#[test]
fn each_invalid_manifest_has_its_own_error() {
    let good = good();
    let (mut wrong, mut seen) = (Vec::new(), BTreeMap::new());
    let mut cases = 0;
    for (file, table) in TABLES {
        for (index, line) in table.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            cases += 1;
            let place = format!("{file}:{}", index + 1);
            let parts: Vec<&str> = line.split("=>").collect();
            let [from, to, message] = parts[..] else {
                panic!("{place}: three parts expected, got {}", parts.len());
            };
            let bytes = edited(&good, &plain(from.trim()), &plain(to.trim()), &place);
            let got = match Manifest::parse(&bytes) {
                Ok(_) => String::from("accepted"),
                Err(error) => error.to_string(),
            };
            let message = String::from_utf8(plain(message.trim())).unwrap();
            let wanted = format!("manifest: {message}");
            if got != wanted {
                wrong.push(format!("{place}: {wanted:?} expected, got {got:?}"));
            }
            assert!(got.chars().all(is_printable), "{place}: {got:?}");
            if let Some(first) = seen.insert(got, place.clone()) {
                wrong.push(format!("{place}: the error of {first}, too"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases >= CASES_MIN, "{cases} cases");
}

/// The manifest with one place changed, or something else altogether.
fn edited(good: &[u8], from: &[u8], to: &[u8], place: &str) -> Vec<u8> {
    if from.is_empty() {
        return to.to_vec();
    }
    let mut places = (0..good.len()).filter(|&at| good[at..].starts_with(from));
    let at = places
        .next()
        .unwrap_or_else(|| panic!("{place}: no such text in the good manifest"));
    assert_eq!(places.next(), None, "{place}: the text is there twice");
    [&good[..at], to, &good[at + from.len()..]].concat()
}

/// The bytes that a part of a line stands for.
fn plain(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        let (token, after) = after.split_once('>').expect("a token ends with >");
        bytes.extend_from_slice(before.as_bytes());
        if token == "LF" {
            bytes.push(b'\n');
        } else if let Some(digits) = token.strip_prefix("U+") {
            let code = u32::from_str_radix(digits, 16).unwrap();
            let text = char::from_u32(code).unwrap().to_string();
            bytes.extend_from_slice(text.as_bytes());
        } else if let Some(digits) = token.strip_prefix("0x") {
            bytes.push(u8::from_str_radix(digits, 16).unwrap());
        } else {
            let (text, count) = token.rsplit_once('*').expect("text*count");
            bytes.extend(text.repeat(count.parse().unwrap()).into_bytes());
        }
        rest = after;
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}
