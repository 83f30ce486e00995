//! For tests that need a file system of their own: runs one ignored test of
//! this binary in a mount namespace, with a small file system mounted.

use std::process::Command;

/// Runs the test `name` (ignored otherwise) with the directory in `TEST_DIR`
/// being a fresh mount of `kind` with `options`; `prepare` is a shell command
/// run in it first. Fails loudly where namespaces are not to be had.
pub(crate) fn run_on_mount(name: &str, kind: &str, options: &str, prepare: &str) {
    let dir = tempfile::tempdir().unwrap();
    let test = std::env::current_exe().unwrap();
    let script = format!(
        "mount -t {kind} -o {options} none \"$TEST_DIR\" && cd \"$TEST_DIR\" && {{ {prepare}; }} \
         && exec \"$TEST_EXE\" --exact {name} --ignored --nocapture"
    );
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-ec", &script])
        .env("TEST_DIR", dir.path())
        .env("TEST_EXE", test)
        .output()
        .expect("this test needs unshare(1) from util-linux");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{name} in a user and mount namespace (are unprivileged user namespaces allowed?): {text}"
    );
}

/// The mounted directory, for the test inside.
pub(crate) fn mounted_dir() -> std::path::PathBuf {
    let dir = std::env::var_os("TEST_DIR");
    dir.expect("run by `run_on_mount` only").into()
}
