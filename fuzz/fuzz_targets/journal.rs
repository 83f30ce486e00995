//! The receiver's journal: whatever the file has in it, it is read or emptied, it
//! claims nothing outside the image, and what is marked then is found again.
#![no_main]

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::sync::LazyLock;

// The two files of the receiver that it takes, without the rest of it, which has
// sockets and a command line.
#[allow(dead_code, unreachable_pub)]
#[path = "../../receiver/src/journal.rs"]
mod journal;
#[allow(dead_code, unreachable_pub)]
#[path = "../../receiver/src/stage_error.rs"]
mod stage_error;

/// What the journal asks of the receiver's directory.
mod target {
    use std::fs::{File, OpenOptions};
    use std::path::{Path, PathBuf};

    pub struct Target(pub PathBuf);

    impl Target {
        pub fn journal_path(&self, _root: &[u8; 32]) -> PathBuf {
            self.0.clone()
        }
    }

    pub(crate) fn open_private(path: &Path, options: &mut OpenOptions) -> std::io::Result<File> {
        options.open(path)
    }
}

use journal::Journal;
use target::Target;

const ROOT: [u8; 32] = [7; 32];
const MIB: u64 = 1 << 20;

/// A file in memory, where there is such a place, that has no name any more: nothing
/// is left of it, however the process ends.
static FILE: LazyLock<(File, PathBuf)> = LazyLock::new(|| {
    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    };
    let path = folder.join(format!("linecast-fuzz-journal-{}", std::process::id()));
    let file = File::create(&path).expect("a file can be made");
    std::fs::remove_file(&path).expect("it can be removed");
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    (file, path.into())
});

#[derive(Debug, Arbitrary)]
struct Case<'a> {
    leaves: u16,
    honest: bool,
    marks: [u16; 6],
    clears: [u16; 2],
    content: &'a [u8],
}

fuzz_target!(|data: &[u8]| {
    if let Ok(case) = Case::arbitrary_take_rest(Unstructured::new(data)) {
        check(&case);
    }
});

fn check(case: &Case<'_>) {
    let target = Target(FILE.1.clone());
    let leaves = u64::from(case.leaves) % 5_000;
    let open = || Journal::open(&target, &ROOT, MIB, leaves).expect("the file can be opened");
    let mut content = case.content.to_vec();
    if case.honest {
        // The head that belongs to the image, which nobody guesses, and a length that
        // fits or is wrong by a little.
        let bitmap = leaves.div_ceil(8) as usize;
        content.resize(
            content.len().clamp(bitmap.saturating_sub(1), bitmap + 1),
            0xff,
        );
        content = [&head(&target, leaves), content.as_slice()].concat();
    }
    std::fs::write(&FILE.1, &content).expect("the file can be written");
    let mut journal = open();
    let mut claimed: Vec<u64> = journal.claimed().collect();
    assert!(claimed.is_sorted() && claimed.iter().all(|leaf| *leaf < leaves));
    if leaves > 0 {
        for leaf in case.marks.map(|mark| u64::from(mark) % leaves) {
            journal.mark(leaf).expect("the file can be written");
            claimed.push(leaf);
        }
        for leaf in case.clears.map(|clear| u64::from(clear) % leaves) {
            journal.clear(leaf).expect("the file can be written");
            claimed.retain(|other| *other != leaf);
        }
    }
    drop(journal);
    claimed.sort_unstable();
    claimed.dedup();
    assert_eq!(open().claimed().collect::<Vec<_>>(), claimed);
}

/// The head of an empty journal, as it is written for so many leaves.
fn head(target: &Target, leaves: u64) -> [u8; 96] {
    thread_local! {
        static HEADS: RefCell<HashMap<u64, [u8; 96]>> = RefCell::default();
    }
    let write = || {
        std::fs::write(&FILE.1, b"").expect("the file can be written");
        drop(Journal::open(target, &ROOT, MIB, leaves));
        let written = std::fs::read(&FILE.1).expect("the file can be read");
        *written.first_chunk().expect("it has a head")
    };
    HEADS.with_borrow_mut(|heads| *heads.entry(leaves).or_insert_with(write))
}
