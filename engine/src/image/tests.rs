use super::*;
use std::fs;
use std::io::Write;

fn image_of(dir: &Path, bytes: &[u8]) -> Image {
    let path = dir.join("image");
    fs::write(&path, bytes).unwrap();
    Image::open(path).unwrap()
}

#[test]
fn any_number_of_threads_finds_the_plain_hash() {
    let dir = tempfile::tempdir().unwrap();
    let read = READ_BYTES;
    for size in [
        0,
        1,
        65_535,
        65_536,
        65_537,
        read - 1,
        read,
        read + 1,
        3 * read + 70_000,
    ] {
        let bytes: Vec<u8> = (0..size).map(|i| (i % 253) as u8).collect();
        let image = image_of(dir.path(), &bytes);
        for threads in [0, 1, 2, 5] {
            let hash = image.hash(threads).unwrap();
            assert_eq!(&hash.root, blake3::hash(&bytes).as_bytes(), "{size}");
            assert_eq!(hash.leaves, tree::hash_bytes(&bytes).1);
            assert_eq!(hash.size, size as u64);
        }
    }
}

#[test]
fn sha256_of_abc_is_the_published_one() {
    let dir = tempfile::tempdir().unwrap();
    let hash = image_of(dir.path(), b"abc").sha256().unwrap();
    assert_eq!(
        linecast_protocol::hex(&hash),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}

#[test]
fn what_is_no_image_is_named_with_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let error = Image::open(&missing).unwrap_err();
    assert!(matches!(error, ImageError::Missing { .. }), "{error}");
    assert!(error.to_string().contains("missing: no such file"));
    let error = Image::open(dir.path()).unwrap_err();
    assert!(matches!(error, ImageError::Directory { .. }), "{error}");
    let error = Image::open("/dev/null").unwrap_err();
    assert!(
        matches!(
            error,
            ImageError::Kind {
                kind: "character device",
                ..
            }
        ),
        "{error}"
    );
    let file = dir.path().join("file");
    fs::write(&file, b"x").unwrap();
    let error = Image::open(file.join("below")).unwrap_err();
    assert!(
        matches!(
            error,
            ImageError::Io {
                operation: "look at it",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_change_after_opening_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let image = image_of(dir.path(), &[1; 100_000]);
    image.unchanged().unwrap();
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(image.path())
        .unwrap();
    file.write_all(b"x").unwrap();
    let error = image.hash(2).unwrap_err();
    let grown = ("size_bytes", 100_000, 100_001);
    assert!(
        matches!(error, ImageError::Changed { what, before, after, .. } if (what, before, after) == grown),
        "{error}"
    );
    file.set_len(10).unwrap();
    let error = image.read_at(50, &mut [0; 10]).unwrap_err();
    assert!(
        matches!(error, ImageError::Changed { after: 10, .. }),
        "{error}"
    );
}

#[test]
fn a_rewrite_with_the_old_time_restored_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let image = image_of(dir.path(), &[1; 1000]);
    let modified = image.file().metadata().unwrap().modified().unwrap();
    // Two changes within one tick of the kernel's clock would look like one.
    let error = loop {
        fs::write(image.path(), [2; 1000]).unwrap();
        let file = fs::OpenOptions::new()
            .write(true)
            .open(image.path())
            .unwrap();
        file.set_modified(modified).unwrap();
        if let Err(error) = image.unchanged() {
            break error;
        }
    };
    assert!(
        matches!(
            error,
            ImageError::Changed {
                what: "ctime_ns",
                ..
            }
        ),
        "{error}"
    );
}

/// Not a gate: prints the speed on a file in the page cache, and that of the
/// hash function alone to compare with.
#[test]
#[ignore = "measures, with --release and --nocapture"]
fn speed_of_hashing() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = vec![7; 512 << 20];
    let image = image_of(dir.path(), &bytes);
    let rate = |start: std::time::Instant| bytes.len() as f64 / start.elapsed().as_secs_f64() / 1e9;
    for threads in [1, 2, 1, 2, 1, 2] {
        let start = std::time::Instant::now();
        image.hash(threads).unwrap();
        println!("{threads} threads: {:.2} GB/s", rate(start));
        let start = std::time::Instant::now();
        blake3::hash(&bytes);
        println!("in memory: {:.2} GB/s", rate(start));
    }
    let start = std::time::Instant::now();
    image.sha256().unwrap();
    println!("SHA-256: {:.2} GB/s", rate(start));
}
