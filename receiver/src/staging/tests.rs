use super::*;
use crate::namespace::{mounted_dir, run_on_mount};

const SYMBOL: usize = 1408;
const ROOT: [u8; 32] = [0x5a; 32];

fn target() -> (tempfile::TempDir, Target) {
    let dir = tempfile::tempdir().unwrap();
    let target = Target::open(dir.path()).unwrap();
    (dir, target)
}

#[test]
fn every_size_is_reserved_in_whole_symbols() {
    let (_dir, target) = target();
    for size in [0, 1, 1407, 1408, 1409, 65_535, 65_536, 65_537] {
        let staging = Staging::reserve(&target, ROOT, size, SYMBOL).unwrap();
        assert_eq!(staging.reserved_bytes(), size.div_ceil(1408) * 1408);
        let metadata = staging.file.metadata().unwrap();
        assert_eq!(metadata.len(), staging.reserved_bytes());
        assert!(metadata.blocks() * 512 >= metadata.len(), "no holes");
        let all = staging.bytes(0..staging.reserved_bytes()).unwrap();
        assert!(all.iter().all(|byte| *byte == 0));
        drop(staging);
        target.discard(&ROOT).unwrap();
    }
}

#[test]
fn bytes_outlive_a_kill() {
    let (_dir, target) = target();
    let mut staging = Staging::reserve(&target, ROOT, 100_000, SYMBOL).unwrap();
    assert!(!staging.resumed());
    staging.write_at(99_990, b"last bytes").unwrap();
    staging.write_at(0, b"first").unwrap();
    drop(staging);
    for symbol_bytes in [1152, 8896, 64, SYMBOL] {
        let staging = Staging::reserve(&target, ROOT, 100_000, symbol_bytes).unwrap();
        assert!(staging.resumed());
        assert_eq!(staging.bytes(99_990..100_000).unwrap(), b"last bytes");
        assert_eq!(staging.bytes(0..5).unwrap(), b"first");
        let length = staging.file.metadata().unwrap().len();
        assert_eq!(length, staging.reserved_bytes());
    }
}

#[test]
fn ranges_outside_the_file_are_refused() {
    let (_dir, target) = target();
    let mut staging = Staging::reserve(&target, ROOT, 3000, SYMBOL).unwrap();
    let end = staging.reserved_bytes();
    assert!(staging.bytes(end..end).is_ok());
    let reversed = Range { start: 2, end: 1 };
    for range in [
        0..end + 1,
        end..end + 1,
        reversed,
        0..u64::MAX,
        u64::MAX..u64::MAX,
    ] {
        assert!(staging.bytes(range.clone()).is_err());
        assert!(staging.bytes_mut(range).is_err());
    }
    assert!(staging.write_at(end, b"x").is_err());
    assert!(staging.write_at(u64::MAX, b"xy").is_err());
    assert!(staging.symbol_place(end - 1408).is_some());
    assert!(staging.symbol_place(end - 1407).is_none());
    assert!(staging.symbol_place(u64::MAX).is_none());
}

#[test]
fn what_is_lent_is_not_written_until_every_loan_is_back() {
    let (_dir, target) = target();
    let mut staging = Staging::reserve(&target, ROOT, 4 * 1408, SYMBOL).unwrap();
    staging.write_at(1408, b"lent").unwrap();
    let loans = [0, 1].map(|_| staging.lend(1408..2816).unwrap());
    assert!(staging.lend(0..4 * 1408 + 1).is_err());
    let lent = |staging: &mut Staging, offset: u64| {
        let refused = staging.write_at(offset, &[0; SYMBOL]);
        let refused = matches!(refused, Err(StageError::Lent { .. }));
        assert_eq!(refused, staging.symbol_place(offset).is_none());
        refused
    };
    for loan in loans {
        let places = [0, 1, 1408, 2815, 2816].map(|offset| lent(&mut staging, offset));
        assert_eq!(places, [false, true, true, true, false]);
        let read = std::thread::spawn(move || {
            assert_eq!(&loan.bytes()[..4], b"lent");
            loan
        });
        staging.take_back(read.join().unwrap());
    }
    assert!(!lent(&mut staging, 1408));
}

#[test]
fn a_loan_outlives_the_staging_that_it_is_of() {
    let (_dir, target) = target();
    let mut staging = Staging::reserve(&target, ROOT, 3000, SYMBOL).unwrap();
    staging.write_at(0, b"still there").unwrap();
    let loan = staging.lend(0..11).unwrap();
    drop(staging);
    assert_eq!(loan.bytes(), b"still there");
}

#[test]
fn image_of_no_bytes_has_no_places() {
    let (_dir, target) = target();
    let mut staging = Staging::reserve(&target, ROOT, 0, SYMBOL).unwrap();
    assert_eq!(staging.bytes(0..0).unwrap(), b"");
    assert!(staging.symbol_place(0).is_none());
    staging.expect(0..u64::MAX);
    staging.write_at(0, b"").unwrap();
}

#[test]
fn expecting_changes_no_bytes() {
    let (_dir, target) = target();
    let mut staging = Staging::reserve(&target, ROOT, 8 << 20, SYMBOL).unwrap();
    staging.write_at(5 << 20, b"here").unwrap();
    staging.warm.up_to = 0;
    staging.expect(3 << 20..4 << 20);
    staging.expect(2 << 20..6 << 20);
    staging.expect(u64::MAX - 1..u64::MAX);
    assert_eq!(staging.bytes(5 << 20..(5 << 20) + 4).unwrap(), b"here");
}

#[test]
fn one_image_is_staged_once_at_a_time() {
    let (_dir, target) = target();
    let first = Staging::reserve(&target, ROOT, 3000, SYMBOL).unwrap();
    let second = Staging::reserve(&target, ROOT, 3000, SYMBOL);
    assert!(matches!(second, Err(StageError::Locked { .. })));
    drop(first);
    Staging::reserve(&target, ROOT, 3000, SYMBOL).unwrap();
}

#[test]
fn absurd_sizes_are_errors() {
    let (_dir, target) = target();
    for size in [u64::MAX, u64::MAX - 1500, i64::MAX as u64, 1 << 62, 1 << 52] {
        let error = Staging::reserve(&target, ROOT, size, SYMBOL).unwrap_err();
        assert!(
            matches!(
                error,
                StageError::TooLarge { .. } | StageError::NoSpace { .. }
            ),
            "{size}: {error}"
        );
        assert!(!target.staging_path(&ROOT).exists());
    }
    for symbol_bytes in [0, 65_536] {
        let error = Staging::reserve(&target, ROOT, 1, symbol_bytes).unwrap_err();
        assert!(matches!(error, StageError::SymbolBytes { .. }));
    }
}

#[test]
fn full_disk_is_an_error_before_the_push() {
    run_on_mount(
        "staging::tests::inside_full_disk",
        "tmpfs",
        "size=4m",
        "true",
    );
}

#[test]
#[ignore = "run by full_disk_is_an_error_before_the_push"]
fn inside_full_disk() {
    let target = Target::open(&mounted_dir()).unwrap();
    let size = 64 << 20;
    let error = Staging::reserve(&target, ROOT, size, SYMBOL).unwrap_err();
    let StageError::NoSpace {
        needed_bytes,
        free_bytes,
        ..
    } = &error
    else {
        panic!("{error}");
    };
    assert!(*needed_bytes >= size && *free_bytes <= 4 << 20, "{error}");
    assert!(error.to_string().contains("the disk is full"), "{error}");
    assert!(!target.staging_path(&ROOT).exists());

    // A resume keeps what it had, and needs only what is missing.
    let mut staging = Staging::reserve(&target, ROOT, 3 << 20, SYMBOL).unwrap();
    staging.write_at(0, b"kept").unwrap();
    drop(staging);
    let resumed = Staging::reserve(&target, ROOT, 3 << 20, SYMBOL).unwrap();
    assert_eq!(resumed.bytes(0..4).unwrap(), b"kept");
    drop(resumed);
    Staging::reserve(&target, ROOT, size, SYMBOL).unwrap_err();
    let kept = std::fs::read(target.staging_path(&ROOT)).unwrap();
    assert_eq!(&kept[..4], b"kept");
}

#[test]
fn file_system_without_allocation_gets_zeros() {
    run_on_mount("staging::tests::inside_ramfs", "ramfs", "mode=700", "true");
}

#[test]
#[ignore = "run by file_system_without_allocation_gets_zeros"]
fn inside_ramfs() {
    let target = Target::open(&mounted_dir()).unwrap();
    let mut staging = Staging::reserve(&target, ROOT, 3 << 20, SYMBOL).unwrap();
    staging.write_at(1 << 20, b"kept").unwrap();
    drop(staging);
    let staging = Staging::reserve(&target, ROOT, 4 << 20, SYMBOL).unwrap();
    assert_eq!(staging.bytes(1 << 20..(1 << 20) + 4).unwrap(), b"kept");
    assert!(staging.reserved_bytes() >= 4 << 20);
}
