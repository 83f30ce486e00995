use std::os::unix::fs::FileExt as _;

use super::*;
use crate::journal::Journal;
use crate::target::Target;

fn image(size: u64) -> (Vec<u8>, [u8; 32]) {
    let bytes: Vec<u8> = (0..size).map(|i| (i * 31 + i / 251) as u8).collect();
    let root = *blake3::hash(&bytes).as_bytes();
    (bytes, root)
}

/// One directory on a disk and, where there is one, one on tmpfs: the two ways
/// to read back.
fn dirs() -> Vec<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    let mut dirs = vec![tempfile::tempdir().unwrap()];
    if memory.is_dir() {
        dirs.push(tempfile::tempdir_in(memory).unwrap());
    }
    dirs
}

fn staged(target: &Target, bytes: &[u8], root: [u8; 32]) -> Staging {
    let size = bytes.len() as u64;
    let mut staging = Staging::reserve(target, root, size, 1408).unwrap();
    staging.write_at(0, bytes).unwrap();
    let rest = size..staging.reserved_bytes();
    staging.bytes_mut(rest).unwrap().fill(0xee);
    staging
}

fn options() -> FinishOptions {
    FinishOptions {
        read_back: true,
        final_name: Some("fw.img".into()),
    }
}

#[test]
fn every_size_is_installed_exactly() {
    for dir in dirs() {
        let target = Target::open(dir.path()).unwrap();
        for size in [
            0,
            1,
            1407,
            1408,
            1409,
            65_535,
            65_536,
            65_537,
            1 << 20,
            (1 << 20) + 1,
        ] {
            let (bytes, root) = image(size);
            drop(Journal::open(&target, &root, size, size.div_ceil(65_536)).unwrap());
            let finished = staged(&target, &bytes, root).finish(&options()).unwrap();
            assert_eq!(finished.path, target.dir().join("fw.img"));
            assert!(finished.read_back_ms.is_some());
            assert!(std::fs::read(&finished.path).unwrap() == bytes, "{size}");
            assert!(!target.staging_path(&root).exists());
            assert!(!target.journal_path(&root).exists());
        }
        let (bytes, root) = image(5000);
        let plain = FinishOptions::default();
        let finished = staged(&target, &bytes, root).finish(&plain).unwrap();
        assert_eq!(finished.read_back_ms, None);
        assert_eq!(finished.path, target.final_path(&root, None).unwrap());
    }
}

#[test]
fn killed_transfer_is_resumed_and_finished() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::open(dir.path()).unwrap();
    let (bytes, root) = image(200_000);
    let mut staging = Staging::reserve(&target, root, 200_000, 1408).unwrap();
    let mut journal = Journal::open(&target, &root, 200_000, 4).unwrap();
    staging.write_at(65_536, &bytes[65_536..131_072]).unwrap();
    journal.mark(1).unwrap();
    drop((staging, journal, target));

    let target = Target::open(dir.path()).unwrap();
    let mut staging = Staging::reserve(&target, root, 200_000, 1152).unwrap();
    let journal = Journal::open(&target, &root, 200_000, 4).unwrap();
    assert_eq!(journal.claimed().collect::<Vec<_>>(), vec![1]);
    assert!(staging.bytes(65_536..131_072).unwrap() == &bytes[65_536..131_072]);
    staging.write_at(0, &bytes[..65_536]).unwrap();
    staging.write_at(131_072, &bytes[131_072..]).unwrap();
    let finished = staging.finish(&options()).unwrap();
    assert!(std::fs::read(finished.path).unwrap() == bytes);
}

#[test]
fn bit_flips_after_the_write_are_caught() {
    let size = 300_001;
    let (bytes, root) = image(size);
    for dir in dirs() {
        let target = Target::open(dir.path()).unwrap();
        for at in (0..size).step_by(9_973).chain([size - 1]) {
            let staging = staged(&target, &bytes, root);
            flip(&staging.path, at);
            let error = staging.finish(&options()).unwrap_err();
            assert!(
                matches!(error, StageError::ReadBack { .. }),
                "{at}: {error}"
            );
            assert!(!target.dir().join("fw.img").exists());
        }
    }
}

#[test]
fn file_of_another_length_is_caught() {
    let (bytes, root) = image(70_000);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    for length in [0, 69_999, 70_001, 140_000] {
        let mut content = bytes.clone();
        content.resize(length, 0);
        std::fs::write(&path, &content).unwrap();
        let error = read_back(&path, &root, 70_000).unwrap_err();
        assert!(matches!(error, StageError::ReadBack { .. }));
    }
}

#[test]
fn refused_final_name_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::open(dir.path()).unwrap();
    let (bytes, root) = image(3000);
    let hostile = FinishOptions {
        read_back: false,
        final_name: Some("../fw.img".into()),
    };
    let error = staged(&target, &bytes, root).finish(&hostile).unwrap_err();
    assert!(matches!(error, StageError::FinalName { .. }));
    assert!(
        Staging::reserve(&target, root, 3000, 1408)
            .unwrap()
            .resumed()
    );
}

fn flip(path: &Path, at: u64) {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1 << (at % 8)], at).unwrap();
}
