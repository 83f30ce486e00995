//! A lab with a place for images and targets.

use crate::images::Image;
use crate::program::Program;
use crate::wait_until;
use linecast_lab::{Lab, LabConfig, Node, Staging};
use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A lab, and a tmpfs. Both go when it is dropped.
#[derive(Debug)]
pub struct Site {
    lab: Lab,
    staging: Staging,
    started: Cell<u32>,
}

/// Symbol, NORM header with EXT_FTI: what an interface counts for one symbol
/// of the default size, apart from the headers below UDP.
const SYMBOL_WIRE_BYTES: u64 = 1_408 + 40;
/// Apart from the labs of demos and measurements on the same machine.
const PREFIX: &str = "linecasttest";
const TMPFS_BYTES: u64 = 2 << 30;
const COUNTER_LIMIT: Duration = Duration::from_secs(20);

impl Site {
    /// Brings a lab up.
    pub fn up(config: LabConfig) -> Site {
        Site::with_room(config, TMPFS_BYTES)
    }

    /// Brings a lab up, with room for so many bytes.
    pub fn with_room(config: LabConfig, bytes: u64) -> Site {
        Site::clean_stale();
        let prefix = PREFIX.to_owned();
        let lab = Lab::up(LabConfig { prefix, ..config });
        let staging = Staging::tmpfs_with_prefix(PREFIX, bytes);
        Site {
            lab: lab.expect("the lab comes up (needs root)"),
            staging: staging.expect("a tmpfs can be mounted"),
            started: Cell::new(0),
        }
    }

    /// Takes away what a test left that was killed.
    pub fn clean_stale() {
        let stale = linecast_lab::clean_stale(PREFIX);
        stale.expect("what a killed test left can be removed");
    }

    /// A lab of so many receivers, without loss.
    pub fn with_receivers(receivers: usize) -> Site {
        Site::up(LabConfig {
            receivers,
            ..LabConfig::default()
        })
    }

    /// The lab.
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// Where images and targets are.
    pub fn path(&self) -> &Path {
        self.staging.path()
    }

    /// Makes an image of `size` bytes.
    pub fn image(&self, size: usize) -> Image {
        Image::write(self.path().join(format!("image-{size}")), size)
    }

    /// The target directory of a receiver, made if it is not there.
    pub fn target(&self, receiver: usize) -> PathBuf {
        let made = self.staging.subdirectory(&format!("target-{receiver}"));
        made.expect("a directory can be made")
    }

    /// Removes all target directories.
    pub fn clear_targets(&self) {
        for receiver in 0..self.lab.receivers().len() {
            fs::remove_dir_all(self.target(receiver)).expect("a target can be removed");
        }
    }

    /// Starts `linecast` with these arguments in any node.
    pub fn start(&self, node: &Node, arguments: &[&str]) -> Program {
        self.start_prepared(node, arguments, |_| {})
    }

    /// The same, with a chance to change the command.
    pub fn start_prepared(
        &self,
        node: &Node,
        arguments: &[&str],
        prepare: impl FnOnce(&mut Command),
    ) -> Program {
        let number = self.started.get();
        self.started.set(number + 1);
        let arguments: Vec<String> = arguments.iter().map(|&a| a.to_owned()).collect();
        let name = self.path().join(format!("program-{number}"));
        Program::start(node, &arguments, &name, prepare)
    }

    /// Starts `linecast receive` into the receiver's target.
    pub fn receive(&self, receiver: usize, arguments: &[&str]) -> Program {
        let target = self.target(receiver);
        let mut all = vec!["receive", text(&target), "--json"];
        all.extend(arguments);
        self.start(self.lab.receiver(receiver), &all)
    }

    /// Starts `linecast push` of an image.
    pub fn push(&self, image: &Image, arguments: &[&str]) -> Program {
        let mut all = vec!["push", image.argument(), "--json"];
        all.extend(arguments);
        self.start(self.lab.sender(), &all)
    }

    /// Bytes that have left the sender's interface.
    pub fn sent_bytes(&self) -> u64 {
        self.lab.sender().traffic().expect("counters").sent_bytes
    }

    /// Waits until about `bytes` of an image have left the sender after the
    /// counter stood at `since`.
    pub fn await_sent(&self, since: u64, bytes: u64) {
        let wire = since + bytes / 1_408 * SYMBOL_WIRE_BYTES;
        wait_until("bytes of the image on the wire", COUNTER_LIMIT, || {
            self.sent_bytes() >= wire
        });
    }

    /// About how many symbols have left the sender since the counter stood at
    /// `since`; never too few.
    pub fn sent_symbols(&self, since: u64) -> u64 {
        (self.sent_bytes() - since) / SYMBOL_WIRE_BYTES
    }

    /// What a target holds that a reception may leave: everything but the
    /// receiver's key, its id, its lock, and the directory for them.
    pub fn leavings(&self, receiver: usize) -> Vec<String> {
        leavings(&self.target(receiver))
    }
}

/// The same for any directory.
pub(crate) fn leavings(directory: &Path) -> Vec<String> {
    let mut names = Vec::new();
    let Ok(entries) = fs::read_dir(directory) else {
        return names;
    };
    for entry in entries {
        let entry = entry.expect("a directory can be read");
        let name = entry.file_name().to_string_lossy().into_owned();
        match name.as_str() {
            ".linecast" => names.extend(leavings(&entry.path())),
            "key" | "installation" | "lock" => {}
            _ => names.push(name),
        }
    }
    names.sort();
    names
}

fn text(path: &Path) -> &str {
    path.to_str().expect("paths of tests are UTF-8")
}
