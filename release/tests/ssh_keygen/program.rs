//! The real `ssh-keygen`.
use linecast_release::sshsig::MANIFEST_NAMESPACE;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs `ssh-keygen` in `dir`. Skipping would pass for agreement, so a machine
/// without it fails.
pub(crate) fn ssh_keygen(dir: &Path, args: &[&str], stdin: &[u8]) -> Output {
    let mut child = Command::new("ssh-keygen")
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ssh-keygen is needed: install the package openssh-client");
    // It may exit on bad arguments before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    child.wait_with_output().unwrap()
}

pub(crate) fn write_private(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

pub(crate) fn verify_args(namespace: &str) -> [&str; 10] {
    [
        "-Y", "verify", "-f", "allowed", "-I", "me@x", "-n", namespace, "-s", "m.sig",
    ]
}

/// Whether `ssh-keygen -Y verify` takes `armored` for a signature of `message`
/// by a key of the file `allowed`.
pub(crate) fn accepts(dir: &Path, armored: &[u8], message: &[u8]) -> bool {
    fs::write(dir.join("m.sig"), armored).unwrap();
    let verified = ssh_keygen(dir, &verify_args(MANIFEST_NAMESPACE), message);
    verified.status.success()
}
