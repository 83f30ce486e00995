//! OpenSSH's own tool agrees with our keys and signatures, in both directions.
mod agreement;
mod mutant;
mod program;

use linecast_protocol::key::SigningKey;
use linecast_release::lists::TrustSet;
use linecast_release::openssh::{self, KeyTextError};
use linecast_release::sshsig::{self, MANIFEST_NAMESPACE, SshsigError};
use program::{ssh_keygen, verify_args, write_private};
use std::fs;

#[test]
fn ssh_keygen_accepts_what_we_sign_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for n in 0..8 {
        let key = SigningKey::from_seed([n; 32]);
        let message = vec![n; usize::from(n) * 1000];
        let signature = sshsig::sign(&key, MANIFEST_NAMESPACE, &message);
        fs::write(dir.join("m.sig"), &signature).unwrap();
        let line = format!("me@x {}\n", openssh::write_public(&key.public(), "comment"));
        fs::write(dir.join("allowed"), line).unwrap();
        let good = ssh_keygen(dir, &verify_args(MANIFEST_NAMESPACE), &message);
        assert!(good.status.success(), "{good:?}");
        let fingerprint = key.public().fingerprint();
        assert!(String::from_utf8_lossy(&good.stdout).contains(&fingerprint));
        let other = ssh_keygen(dir, &verify_args("file"), &message);
        assert!(!other.status.success(), "wrong namespace");
        let tampered = [message.as_slice(), b"x"].concat();
        let bad = ssh_keygen(dir, &verify_args(MANIFEST_NAMESPACE), &tampered);
        assert!(!bad.status.success(), "tampered message");
    }
}

#[test]
fn we_accept_what_ssh_keygen_signs_with_its_keys_and_ours() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let made = ssh_keygen(
        dir,
        &["-q", "-t", "ed25519", "-N", "", "-C", "a b", "-f", "theirs"],
        b"",
    );
    assert!(made.status.success(), "{made:?}");
    write_private(
        &dir.join("ours"),
        &openssh::write_private(&SigningKey::from_seed([5; 32]), "ours"),
    );
    for file in ["theirs", "ours"] {
        let key = openssh::read_private(&fs::read(dir.join(file)).unwrap()).unwrap();
        for hash in ["hashalg=sha512", "hashalg=sha256"] {
            let args = [
                "-q",
                "-Y",
                "sign",
                "-f",
                file,
                "-n",
                MANIFEST_NAMESPACE,
                "-O",
                hash,
            ];
            let signed = ssh_keygen(dir, &args, b"manifest");
            assert!(signed.status.success(), "{signed:?}");
            let public = sshsig::verify(&signed.stdout, MANIFEST_NAMESPACE, b"manifest");
            assert_eq!(public, Ok(key.public()));
            let other = sshsig::verify(&signed.stdout, MANIFEST_NAMESPACE, b"manifesT");
            assert_eq!(other, Err(SshsigError::Mismatch));
            if hash == "hashalg=sha512" {
                let ours = sshsig::sign(&key, MANIFEST_NAMESPACE, b"manifest");
                assert_eq!(ours.as_bytes(), signed.stdout, "ed25519 is deterministic");
            }
        }
    }
}

#[test]
fn key_files_and_fingerprints_are_those_of_ssh_keygen() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let key = SigningKey::from_seed([6; 32]);
    write_private(
        &dir.join("ours"),
        &openssh::write_private(&key, "a comment"),
    );
    let derived = ssh_keygen(dir, &["-y", "-f", "ours"], b"");
    let line = String::from_utf8(derived.stdout).unwrap();
    assert_eq!(
        line.trim_end(),
        openssh::write_public(&key.public(), "a comment")
    );
    fs::write(dir.join("ours.pub"), &line).unwrap();
    let listed = ssh_keygen(dir, &["-l", "-f", "ours.pub"], b"");
    let listed = String::from_utf8(listed.stdout).unwrap();
    let expected = format!("256 {} a comment (ED25519)", key.public().fingerprint());
    assert_eq!(listed.trim_end(), expected);
    let trust = TrustSet::parse(&line).unwrap();
    assert_eq!(trust.contains(&key.public()), Some("a comment"));
}

#[test]
fn keys_we_cannot_use_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    ssh_keygen(
        dir,
        &["-q", "-t", "ed25519", "-N", "secret", "-f", "locked"],
        b"",
    );
    ssh_keygen(dir, &["-q", "-t", "ecdsa", "-N", "", "-f", "ecdsa"], b"");
    let read = |file: &str| openssh::read_private(&fs::read(dir.join(file)).unwrap());
    let locked = read("locked").unwrap_err();
    assert!(matches!(locked, KeyTextError::Encrypted { .. }), "{locked}");
    let ecdsa = read("ecdsa").unwrap_err();
    assert!(matches!(ecdsa, KeyTextError::Type { .. }), "{ecdsa}");
    let line = fs::read_to_string(dir.join("ecdsa.pub")).unwrap();
    let line = openssh::read_public(&line).unwrap_err();
    assert!(matches!(line, KeyTextError::Type { .. }), "{line}");
    let public = fs::read_to_string(dir.join("locked.pub")).unwrap();
    assert!(openssh::read_public(&public).is_ok());
}

/// What we accept, ssh-keygen must accept: it is the more lenient one (about
/// base64 and what follows the end).
#[test]
fn ssh_keygen_refuses_nothing_that_we_accept() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let key = SigningKey::from_seed([4; 32]);
    let line = format!("me@x {}\n", openssh::write_public(&key.public(), ""));
    fs::write(dir.join("allowed"), line).unwrap();
    let armored = sshsig::sign(&key, MANIFEST_NAMESPACE, b"m");
    let (begin, body) = armored.split_at(armored.find('\n').unwrap());
    let variants = [
        armored.clone(),
        armored.trim_end().to_owned(),
        armored.replace('\n', "\r\n"),
        format!("{begin}\n{body}"),
        format!("{armored}\n"),
        format!("\n{armored}"),
        armored.replacen("U1NI", "U1NI\n", 1),
        armored.replacen("U1NI", " U1NI", 1),
    ];
    let mut accepted = 0;
    for text in variants {
        if sshsig::verify(text.as_bytes(), MANIFEST_NAMESPACE, b"m").is_ok() {
            fs::write(dir.join("m.sig"), &text).unwrap();
            let theirs = ssh_keygen(dir, &verify_args(MANIFEST_NAMESPACE), b"m");
            assert!(theirs.status.success(), "{text:?}: {theirs:?}");
            accepted += 1;
        }
    }
    assert_eq!(
        accepted, 3,
        "as written, without final newline, other width"
    );
}
