//! `readme`: the README's table of pushes, from results.

use crate::BenchError;
use crate::record::{origin, read};
use crate::stats::median;
use crate::table::{groups, spread};
use serde_json::Value;
use std::fmt::Write;
use std::path::PathBuf;

/// Between these lines stands what this writes.
const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";

/// Tools that push an image as linecast does.
const PEERS: &[&str] = &["udpcast", "uftp", "norm"];

/// What to write, and where.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Results: JSON lines of `push`
    #[arg(value_name = "RESULTS.json", required = true)]
    results: Vec<PathBuf>,
    /// The file whose part between the marks is replaced [default: print it]
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// Prints the table, or puts it between the marks of a file.
///
/// # Errors
/// A file cannot be read or written, the results have no push of linecast, or
/// the file lacks the marks.
pub fn run(args: &Args) -> Result<(), BenchError> {
    let mut lines = Vec::new();
    for path in &args.results {
        lines.extend(read(path)?);
    }
    let table = table(&lines)?;
    let Some(path) = &args.write else {
        print!("{table}");
        return Ok(());
    };
    let text = std::fs::read_to_string(path)?;
    let text = replaced(&text, &table).ok_or_else(|| {
        let path = path.display();
        BenchError::Usage(format!("{path}: no {BEGIN} with {END} behind it"))
    })?;
    Ok(std::fs::write(path, text)?)
}

/// One row for each load, and where the figures come from.
fn table(lines: &[Value]) -> Result<String, BenchError> {
    let pushes: Vec<Value> = lines
        .iter()
        .filter(|line| {
            line["bench"] == "push" && line["port_bps"].is_null() && line["rate"].is_null()
        })
        .cloned()
        .collect();
    let mut rows = String::new();
    for (_, load) in groups(&pushes, &["receivers", "loss", "loss_model", "size_bytes"]) {
        if let Some(row) = row(&load) {
            let _ = writeln!(rows, "{row}");
        }
    }
    if rows.is_empty() {
        let wanted = "no push of linecast that served all receivers in the results";
        return Err(BenchError::Usage(wanted.into()));
    }
    let mut text = format!(
        "| receivers | loss | image | n | goodput Gbit/s | of the floor's | whole command Gbit/s \
         | against the fastest peer | sender CPU against UFTP's |\n{}|\n{rows}\n\
         Medians with quartiles, ratios of medians; all tools by turns, in random order, on the same cores.\n",
        "|---".repeat(9)
    );
    for (_, run) in groups(&pushes, &["command", "revision", "kernel", "machine"]) {
        let _ = writeln!(text, "{}.", origin(run[0]));
    }
    Ok(text)
}

/// `None` where linecast was not measured, or always left a receiver out.
fn row(load: &[&Value]) -> Option<String> {
    let first = load.first()?;
    let own = figures(load, "linecast", "whole_gbps");
    if own.is_empty() {
        return None;
    }
    let ratio = |tool: &str, field: &str| {
        let other = figures(load, tool, field);
        let own = figures(load, "linecast", field);
        (!own.is_empty() && !other.is_empty()).then(|| median(&own) / median(&other))
    };
    let slowness = |tool: &&&str| ratio(tool, "whole_gbps").unwrap_or(f64::INFINITY);
    let fastest = PEERS
        .iter()
        .min_by(|a, b| slowness(a).total_cmp(&slowness(b)))?;
    let dash = || "–".to_owned();
    let shown = |ratio: Option<f64>| ratio.map_or_else(dash, |ratio| format!("{ratio:.2}"));
    let n = match failed(load, "linecast") {
        0 => own.len().to_string(),
        failed => format!("{} ({failed} failed)", own.len()),
    };
    let peer = match failed(load, fastest) {
        0 => (*fastest).to_owned(),
        failed => format!("{fastest}, {failed} failed"),
    };
    let model = match first["loss_model"].as_str() {
        Some(model) if model != "independent" => format!(", {model}"),
        _ => String::new(),
    };
    Some(format!(
        "| {} | {} %{model} | {} MiB | {n} | {} | {} | {} | {} | {} |",
        first["receivers"],
        first["loss"].as_f64()? * 100.0,
        first["size_bytes"].as_u64()? >> 20,
        spread(&figures(load, "linecast", "goodput_gbps"), 2),
        shown(ratio("floor", "goodput_gbps")),
        spread(&own, 2),
        ratio(fastest, "whole_gbps").map_or_else(dash, |ratio| format!("{ratio:.2} ({peer})")),
        shown(ratio("uftp", "sender_cpu_s_per_gb")),
    ))
}

/// Repeats that left a receiver without the image.
fn failed(load: &[&Value], tool: &str) -> usize {
    load.iter()
        .filter(|line| line["tool"] == tool && line["completed"] != line["receivers"])
        .count()
}

/// Of the repeats in which every receiver had the image at the end.
fn figures(load: &[&Value], tool: &str, field: &str) -> Vec<f64> {
    load.iter()
        .filter(|line| line["tool"] == tool && line["completed"] == line["receivers"])
        .filter_map(|line| line[field].as_f64())
        .collect()
}

/// `None` if the marks are not there.
fn replaced(text: &str, table: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn push(tool: &str, completed: u32, goodput: Option<f64>, whole: f64, cpu: f64) -> Value {
        json!({"bench": "push", "tool": tool, "receivers": 4, "loss": 0.01, "completed": completed,
               "size_bytes": 256 << 20, "loss_model": "independent", "goodput_gbps": goodput,
               "whole_gbps": whole, "sender_cpu_s_per_gb": cpu, "command": "linecast-bench push",
               "revision": "abc", "machine": "CPU", "cores": 2, "kernel": "6.18"})
    }

    fn lines() -> Vec<Value> {
        vec![
            push("linecast", 4, Some(2.0), 1.0, 3.0),
            push("floor", 4, Some(4.0), 4.0, 1.0),
            push("udpcast", 4, None, 0.25, 2.0),
            push("uftp", 4, None, 0.5, 6.0),
            // The fastest, but two receivers were left without the image.
            push("norm", 2, None, 9.0, 1.0),
            push("linecast", 4, Some(4.0), 3.0, 3.0),
        ]
    }

    #[test]
    fn pushes_behind_a_port_or_at_a_rate_of_their_own_are_another_matter() {
        let mut lines = lines();
        for field in ["port_bps", "rate"] {
            let mut line = push("linecast", 4, Some(100.0), 100.0, 1.0);
            line[field] = json!("1gbit");
            lines.push(line);
        }
        assert_eq!(table(&lines).unwrap(), table(&self::lines()).unwrap());
    }

    #[test]
    fn a_row_has_medians_and_ratios_of_them() {
        let text = table(&lines()).unwrap();
        let row = text.lines().nth(2).unwrap();
        assert_eq!(
            row,
            "| 4 | 1 % | 256 MiB | 2 | 3.00 (2.50–3.50) | 0.75 | 2.00 (1.50–2.50) | 4.00 (uftp) | 0.50 |"
        );
        let last = text.lines().last().unwrap();
        assert_eq!(
            last,
            "`linecast-bench push` at abc; 2 cores (CPU), Linux 6.18."
        );
        let columns = |line: &str| line.matches('|').count();
        assert!(text.lines().take(3).all(|line| columns(line) == 10));
    }

    #[test]
    fn failures_are_counted_and_peers_may_be_missing() {
        let lines = [
            push("linecast", 4, Some(2.0), 1.0, 3.0),
            push("linecast", 3, Some(9.0), 9.0, 3.0),
            push("udpcast", 4, None, 0.5, 2.0),
            push("udpcast", 0, None, 0.1, 2.0),
        ];
        let text = table(&lines).unwrap();
        assert!(
            text.contains("| 1 (1 failed) | 2.00 | – | 1.00 | 2.00 (udpcast, 1 failed) | – |"),
            "{text}"
        );
        assert!(table(&lines[1..]).is_err());
    }

    #[test]
    fn only_what_is_between_the_marks_changes() {
        let text = format!("a\n{BEGIN}\nold\n{END}\nb {END}\n");
        let new = replaced(&text, "new\n").unwrap();
        assert_eq!(new, format!("a\n{BEGIN}\nnew\n{END}\nb {END}\n"));
        assert_eq!(replaced(&new, "new\n").unwrap(), new);
        assert_eq!(replaced(&format!("{END} {BEGIN}"), ""), None);
    }
}
