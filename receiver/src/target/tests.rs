use super::*;
use crate::namespace::{mounted_dir, run_on_mount};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};

const ROOT: [u8; 32] = [0xa5; 32];

fn target() -> (tempfile::TempDir, Target) {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::open(dir.path()).unwrap();
    (dir, target)
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_no_directory_is_named_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (nowhere, file) = (dir.path().join("nowhere"), dir.path().join("file"));
    let error = Target::open(&nowhere).unwrap_err();
    assert!(matches!(error, StageError::Missing { .. }), "{error}");
    assert!(error.to_string().contains("nowhere"));
    fs::write(&file, b"mine").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = Target::open(&path).unwrap_err();
        assert!(matches!(error, StageError::NotADirectory { .. }), "{error}");
    }
    assert_eq!(names(dir.path()), ["file"]);
}

#[test]
fn one_receiver_at_a_time() {
    let (dir, target) = target();
    let clone = target.clone();
    drop(target);
    let error = Target::open(dir.path()).unwrap_err();
    assert!(matches!(error, StageError::Locked { .. }), "{error}");
    drop(clone);
    Target::open(dir.path()).unwrap();
}

#[test]
fn a_link_in_place_of_the_lock_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let aim = dir.path().join("aim");
    fs::create_dir(dir.path().join(STATE_DIR)).unwrap();
    symlink(&aim, dir.path().join(STATE_DIR).join("lock")).unwrap();
    assert!(Target::open(dir.path()).is_err());
    assert!(!aim.exists());
}

#[test]
fn the_key_is_made_once_and_for_its_owner_alone() {
    let (dir, target) = target();
    let key = target.device_key().unwrap();
    assert_eq!(target.device_key().unwrap(), key);
    let path = dir.path().join(STATE_DIR).join("key");
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&dir.path().join(STATE_DIR)), 0o700);
    drop(target);
    let target = Target::open(dir.path()).unwrap();
    assert_eq!(target.device_key().unwrap(), key, "it outlives a restart");
    for mode in [0o640, 0o604, 0o620] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let error = target.device_key().unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, [7; 31]).unwrap();
    let error = target.device_key().unwrap_err();
    assert!(error.to_string().contains("32 bytes"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), [7; 31], "it is left alone");
}

#[test]
fn final_names_are_plain() {
    let (dir, target) = target();
    let dir = dir.path().canonicalize().unwrap();
    let made = target.final_path(&ROOT, None).unwrap();
    assert_eq!(made, dir.join("a5a5a5a5a5a5a5a5.img"));
    let longest = "x".repeat(NAME_BYTES_MAX);
    for name in ["firmware.img", "...", ".hidden", "a b", "ü", &longest] {
        let path = target.final_path(&ROOT, Some(name)).unwrap();
        assert_eq!(path, dir.join(name));
    }
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    for name in [
        "",
        ".",
        "..",
        STATE_DIR,
        "/etc/passwd",
        "a/b",
        "../a",
        "a/",
        "a\0b",
        &long,
    ] {
        let error = target.final_path(&ROOT, Some(name)).unwrap_err();
        assert!(matches!(error, StageError::FinalName { .. }), "{name:?}");
    }
}

#[test]
fn discarding_removes_everything_of_one_image() {
    let (dir, target) = target();
    target.device_key().unwrap();
    let state = dir.path().join(STATE_DIR);
    let before = names(&state);
    for root in [ROOT, [1; 32]] {
        fs::write(target.staging_path(&root), b"bytes").unwrap();
        fs::write(target.journal_path(&root), b"leaves").unwrap();
        target.keep_leaf_list(&root, &[0; 64]).unwrap();
    }
    target.discard(&ROOT).unwrap();
    let left = names(&state);
    assert!(
        !left.iter().any(|name| name.contains(&hex(&ROOT))),
        "{left:?}"
    );
    assert_eq!(left.len(), before.len() + 3, "the other image stays");
    target.discard(&ROOT).unwrap();
    target.discard(&[1; 32]).unwrap();
    assert_eq!(names(&state), before);
}

#[test]
fn a_read_only_file_system_is_named() {
    run_on_mount(
        "target::tests::inside_read_only_tmpfs",
        "tmpfs",
        "size=1m",
        "mount -o remount,ro \"$TEST_DIR\"",
    );
}

#[test]
#[ignore = "run by a_read_only_file_system_is_named"]
fn inside_read_only_tmpfs() {
    let error = Target::open(&mounted_dir()).unwrap_err();
    assert!(matches!(error, StageError::ReadOnly { .. }), "{error}");
}
