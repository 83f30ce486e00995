//! A running `linecast`, and how it ended.

use linecast_lab::{Node, Process};
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A `linecast` that runs in a node. Dropping it kills it.
#[derive(Debug)]
pub struct Program {
    process: Process,
    arguments: Vec<String>,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// How a program ended, and what it said.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The JSON object on the last line of standard output; null if none is
    /// there.
    pub report: Value,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// The argument list, as the kernel has it.
    pub arguments: Vec<String>,
}

impl Program {
    /// Starts `linecast` in `node` with its output in files named by `name`.
    /// `prepare` may change the command.
    pub(crate) fn start(
        node: &Node,
        arguments: &[String],
        name: &Path,
        prepare: impl FnOnce(&mut Command),
    ) -> Program {
        let stdout = name.with_extension("stdout");
        let stderr = name.with_extension("stderr");
        let create = |path: &Path| {
            Stdio::from(File::create(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
        };
        let mut command = node.command(binary());
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(create(&stdout))
            .stderr(create(&stderr));
        prepare(&mut command);
        let process = node.spawn(&mut command).expect("linecast starts");
        let arguments = command_line(process.id());
        Program {
            process,
            arguments,
            stdout,
            stderr,
        }
    }

    /// Waits for the end; panics after `limit`.
    pub fn finish(mut self, limit: Duration) -> Outcome {
        let ended = self.process.wait_for(limit);
        let stderr = fs::read_to_string(&self.stderr).unwrap_or_default();
        let status =
            ended.unwrap_or_else(|error| panic!("{:?}: {error}\n{stderr}", self.arguments));
        let stdout = fs::read_to_string(&self.stdout).unwrap_or_default();
        let last = stdout.lines().last().unwrap_or_default();
        Outcome {
            code: status.code(),
            report: serde_json::from_str(last).unwrap_or(Value::Null),
            stdout,
            stderr,
            arguments: self.arguments,
        }
    }

    /// Kills it with SIGKILL.
    pub fn kill(mut self) {
        self.process.kill().expect("a child can be killed");
    }

    /// Sends a signal.
    pub fn signal(&self, signal: i32) {
        self.process
            .signal(signal)
            .expect("a child can be signalled");
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        let status = self.process.try_wait().expect("a child can be waited for");
        status.is_none()
    }
}

impl Outcome {
    /// Panics with everything known unless the exit code is `code`.
    #[track_caller]
    pub fn assert_code(&self, code: i32) -> &Outcome {
        assert_eq!(self.code, Some(code), "exit code of {self:#?}");
        self
    }

    /// Panics unless standard error has `text`.
    #[track_caller]
    pub fn assert_says(&self, text: &str) -> &Outcome {
        assert!(self.stderr.contains(text), "{text:?} is not in {self:#?}");
        self
    }

    /// A number in the report, by its JSON pointer.
    #[track_caller]
    pub fn number(&self, pointer: &str) -> f64 {
        let value = self.report.pointer(pointer).and_then(Value::as_f64);
        value.unwrap_or_else(|| panic!("no number at {pointer} of {self:#?}"))
    }

    /// A text in the report, by its JSON pointer.
    #[track_caller]
    pub fn text(&self, pointer: &str) -> &str {
        let value = self.report.pointer(pointer).and_then(Value::as_str);
        value.unwrap_or_else(|| panic!("no text at {pointer} of {self:#?}"))
    }
}

/// The binary under test.
fn binary() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release");
    let directory = std::env::var_os("LINECAST_BIN_DIR").map_or_else(beside, PathBuf::from);
    let binary = directory.join("linecast");
    assert!(
        binary.is_file(),
        "no {}: run `cargo build --release --bin linecast`, or set LINECAST_BIN_DIR",
        binary.display()
    );
    binary
}

/// The argument list of a process without the program, from proc(5).
fn command_line(id: u32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.trim_end_matches('\0')
        .split('\0')
        .skip(1)
        .map(str::to_owned)
        .collect()
}
