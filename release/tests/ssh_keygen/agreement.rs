//! Whatever is changed, `ssh-keygen` and we say the same of it, but for the
//! few freedoms that we do not grant because they let bytes vary.
use crate::mutant::{Fields, Mutant, armor, mutant, trusted};
use crate::program::accepts;
use base64ct::{Base64, Encoding};
use linecast_release::openssh;
use linecast_release::sshsig::{self, MANIFEST_NAMESPACE};
use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::thread;

/// Mutants of one test run; `scripts/ssh-mutants N` asks for more.
const MUTANTS: u64 = 500;
const THREADS: u64 = 2;

#[test]
fn mutants_are_judged_as_ssh_keygen_judges_them() {
    let number = |name| std::env::var(name).map(|text| text.parse().unwrap());
    let count = number("LINECAST_SSH_MUTANTS").unwrap_or(MUTANTS);
    let first = number("LINECAST_SSH_SEED").unwrap_or(1);
    let part = count.div_ceil(THREADS);
    let tallies = thread::scope(|scope| {
        let parts = (0..THREADS).map(|n| first + n * part..first + count.min((n + 1) * part));
        let workers: Vec<_> = parts.map(|seeds| scope.spawn(|| judge(seeds))).collect();
        let tallies = workers.into_iter().map(|worker| worker.join().unwrap());
        tallies.collect::<Vec<_>>()
    });
    let mut tally = BTreeMap::new();
    for (what, n) in tallies.into_iter().flatten() {
        *tally.entry(what).or_insert(0) += n;
    }
    println!("{count} mutants from seed {first}: {tally:?}");
    assert_eq!(tally.values().sum::<u64>(), count);
    // If everything were refused, agreeing would be no feat.
    assert!(tally["accepted"] >= count / 50, "{tally:?}");
    assert!(tally["refused"] >= count / 2, "{tally:?}");
}

/// How many were accepted and refused by both, and how many we refuse for the
/// way they are written only.
fn judge(seeds: Range<u64>) -> BTreeMap<&'static str, u64> {
    let dir = tempfile::tempdir().unwrap();
    allow_trusted(dir.path());
    let mut tally = BTreeMap::new();
    for seed in seeds {
        let mutant = mutant(seed);
        let theirs = accepts(dir.path(), &mutant.armored, &mutant.message);
        let written = is_as_written(&mutant.armored);
        let text = String::from_utf8_lossy(&mutant.armored);
        let what = mutant.change;
        assert_eq!(
            ours(&mutant),
            theirs && written,
            "seed {seed}, a change of {what}: {text:?}"
        );
        let verdict = match (theirs, written) {
            (true, true) => "accepted",
            (true, false) => "written otherwise",
            (false, _) => "refused",
        };
        *tally.entry(verdict).or_insert(0) += 1;
    }
    tally
}

fn allow_trusted(dir: &Path) {
    let line = openssh::write_public(&trusted().public(), "");
    fs::write(dir.join("allowed"), format!("me@x {line}\n")).unwrap();
}

fn ours(mutant: &Mutant) -> bool {
    let signer = sshsig::verify(&mutant.armored, MANIFEST_NAMESPACE, &mutant.message);
    signer == Ok(trusted().public())
}

/// Whether the text is what some width of line makes of its blob, with or
/// without a new line at the end, and the blob is of version 1.
fn is_as_written(text: &[u8]) -> bool {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    let lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
    let [_, base64 @ .., _] = &lines[..] else {
        return false;
    };
    let digits: Vec<u8> = base64.concat();
    let Some(blob) = str::from_utf8(&digits)
        .ok()
        .and_then(|digits| Base64::decode_vec(digits).ok())
    else {
        return false;
    };
    let bare = |lines: Vec<u8>| -> Vec<u8> { lines.into_iter().filter(|&b| b != b'\n').collect() };
    let short = base64.iter().all(|line| (1..=76).contains(&line.len()));
    let version = blob.get(6..10) == Some(&[0, 0, 0, 1]);
    version && short && bare(text.to_vec()) == bare(armor(&blob, 70))
}

/// Each freedom that `ssh-keygen` grants and we do not.
#[test]
fn what_ssh_keygen_lets_vary_we_refuse() {
    let dir = tempfile::tempdir().unwrap();
    allow_trusted(dir.path());
    let message = b"{\"name\":\"fw\"}".to_vec();
    let good = Fields::signed(&trusted(), &message, "sha512");
    let text = String::from_utf8(good.armored(70)).unwrap();
    let version_0 = Fields {
        version: 0,
        ..good.clone()
    };
    let reserved = Fields {
        reserved: b"x".to_vec(),
        ..good.clone()
    };
    let second_scalar = Fields {
        signature: plus_order(&good.signature),
        ..good.clone()
    };
    // Its strings of C may have a zero byte of their own at the end.
    let with_zero = |choose: fn(&mut Fields) -> &mut Vec<u8>| {
        let mut fields = good.clone();
        choose(&mut fields).push(0);
        fields.armored(70)
    };
    let cases: [(&str, Vec<u8>); 10] = [
        ("version 0", version_0.armored(70)),
        ("a reserved field", reserved.armored(70)),
        (
            "a zero after the namespace",
            with_zero(|f| &mut f.namespace),
        ),
        ("a zero after the hash", with_zero(|f| &mut f.hash)),
        ("a zero after the type", with_zero(|f| &mut f.kind)),
        (
            "the scalar plus the group's order",
            second_scalar.armored(70),
        ),
        ("a blank", text.replacen("U1NI", "U1 NI", 1).into()),
        ("an empty line", text.replacen("U1NI", "U1NI\n\n", 1).into()),
        ("a long line", good.armored(77)),
        ("text after the end", format!("{text}x").into()),
    ];
    let judge = |armored: &[u8]| {
        let ours = sshsig::verify(armored, MANIFEST_NAMESPACE, &message);
        (accepts(dir.path(), armored, &message), ours.is_ok())
    };
    assert_eq!(judge(text.as_bytes()), (true, true));
    for (freedom, armored) in cases {
        assert_eq!(judge(&armored), (true, false), "{freedom}");
    }
}

/// The same signature with its scalar S as S + L, L being the group's order
/// (RFC 8032 section 5.1.7 wants S below L).
fn plus_order(signature: &[u8]) -> Vec<u8> {
    let mut signature = signature.to_vec();
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(GROUP_ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum as u8;
        carry = sum >> 8;
    }
    assert_eq!(carry, 0, "2 L has 254 bits");
    signature
}

/// 2^252 + 27742317777372353535851937790883648493, the last byte first.
const GROUP_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];
