//! Results as JSON lines: what was measured, and on what.

use crate::BenchError;
use serde::Serialize;
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where results are written.
#[derive(Debug)]
pub struct Records {
    out: Option<File>,
    common: Common,
    cores: CoreTime,
    /// What was written, for tables.
    pub lines: Vec<Value>,
}

/// What every line has besides its figures.
#[derive(Debug, Clone, Serialize)]
struct Common {
    schema: &'static str,
    machine: String,
    cores: usize,
    kernel: String,
    revision: String,
    command: String,
}

impl Records {
    /// Writes to `path`, `-` for stdout; without one it only remembers.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: Option<&Path>) -> io::Result<Records> {
        let out = match path {
            None => None,
            Some(path) if path == Path::new("-") => {
                Some(OpenOptions::new().write(true).open("/dev/stdout")?)
            }
            Some(path) => Some(
                OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(path)
                    .map_err(|error| {
                        io::Error::new(error.kind(), format!("{}: {error}", path.display()))
                    })?,
            ),
        };
        Ok(Records {
            out,
            common: Common::of_this_machine(),
            cores: CoreTime::now(),
            lines: Vec::new(),
        })
    }

    /// Adds one repeat of one measurement.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&mut self, figures: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_value(figures).map_err(io::Error::other)?;
        let common = serde_json::to_value(&self.common).map_err(io::Error::other)?;
        if let (Value::Object(line), Value::Object(common)) = (&mut line, common) {
            line.extend(common);
            let before = std::mem::replace(&mut self.cores, CoreTime::now());
            line.insert(
                "steal_percent".to_owned(),
                self.cores.steal_since(&before).into(),
            );
        }
        if let Some(out) = &mut self.out {
            out.write_all(format!("{line}\n").as_bytes())?;
        }
        self.lines.push(line);
        Ok(())
    }

    /// A sentence about the machine, for tables.
    pub fn machine(&self) -> String {
        let common = serde_json::to_value(&self.common).unwrap_or_default();
        origin(&common)
    }
}

/// Reads the lines of a file of results.
///
/// # Errors
/// The file cannot be read, or a line is no JSON.
pub fn read(path: &Path) -> Result<Vec<Value>, BenchError> {
    let named =
        |error: &dyn std::fmt::Display| BenchError::Usage(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| named(&error))?;
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| {
            serde_json::from_str(line)
                .map(complete)
                .map_err(|error| named(&format!("line {}: {error}", number + 1)))
        })
        .collect()
}

/// Lines from before there was a choice say what there was.
fn complete(mut line: Value) -> Value {
    if line["bench"] == "push" && line["loss_model"].is_null() {
        line["loss_model"] = "independent".into();
    }
    line
}

/// Where a line comes from: command, revision and machine.
pub fn origin(line: &Value) -> String {
    let text = |field: &str| line[field].as_str().unwrap_or("unknown");
    format!(
        "`{}` at {}; {} cores ({}), Linux {}",
        text("command"),
        text("revision"),
        line["cores"],
        text("machine"),
        text("kernel")
    )
}

/// Time of all cores together, in ticks of proc_stat(5).
#[derive(Debug, Clone, Copy, Default)]
struct CoreTime {
    all: u64,
    steal: u64,
}

impl CoreTime {
    fn now() -> CoreTime {
        let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        CoreTime::parse(&text)
    }

    fn parse(text: &str) -> CoreTime {
        let line = text.lines().find_map(|line| line.strip_prefix("cpu "));
        let ticks = line.unwrap_or_default().split_whitespace();
        // Guests' time, behind these, is in user time already.
        let ticks: Vec<u64> = ticks.take(8).flat_map(str::parse).collect();
        CoreTime {
            all: ticks.iter().sum(),
            steal: ticks.get(7).copied().unwrap_or(0),
        }
    }

    /// Per cent that the host of a virtual machine took for others.
    fn steal_since(&self, before: &CoreTime) -> f64 {
        let all = self.all.saturating_sub(before.all).max(1);
        let steal = self.steal.saturating_sub(before.steal);
        (steal as f64 / all as f64 * 1e4).round() / 1e2
    }
}

impl Common {
    fn of_this_machine() -> Common {
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let arguments: Vec<String> = std::env::args().skip(1).map(short).collect();
        Common {
            schema: "linecast.bench.v1",
            machine: processor().unwrap_or_else(|| "unknown".to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: kernel.trim().to_owned(),
            revision: revision().unwrap_or_else(|| "unknown".to_owned()),
            command: format!("linecast-bench {}", arguments.join(" ")),
        }
    }
}

/// Paths say nothing to a reader elsewhere: their last part does.
fn short(argument: String) -> String {
    match PathBuf::from(&argument).file_name() {
        Some(name) if argument.starts_with('/') => name.to_string_lossy().into_owned(),
        _ => argument,
    }
}

fn processor() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// `REVISION` where a script sets it (it builds revisions side by side), else
/// what git says.
fn revision() -> Option<String> {
    if let Ok(revision) = std::env::var("REVISION") {
        return Some(revision);
    }
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn steal_is_a_part_of_the_time_of_all_cores() {
        let before = CoreTime::parse("cpu  10 0 10 60 0 0 0 20 9 9\ncpu0 1 1\n");
        let after = CoreTime::parse("cpu  50 0 10 100 0 0 0 40 9 9\n");
        assert_eq!(after.steal_since(&before), 20.0);
        assert_eq!(CoreTime::parse("").steal_since(&before), 0.0);
    }

    #[test]
    fn old_lines_are_completed() {
        let model = |line: Value| complete(line)["loss_model"].clone();
        assert_eq!(model(json!({"bench": "push"})), "independent");
        let shared = json!({"bench": "push", "loss_model": "shared"});
        assert_eq!(model(shared), "shared");
        assert!(model(json!({"bench": "pace"})).is_null());
    }
}
