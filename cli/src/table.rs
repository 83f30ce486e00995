//! Reports as tables for people, made from the same JSON that `--json` prints.

use indicatif::HumanBytes;
use linecast_net::command::print_line;
use linecast_protocol::text::Printable;
use serde_json::Value;

/// Prints the report of a push on stdout.
pub(crate) fn push_report(report: &Value) {
    print_line(format_args!("{}", lines(report).join("\n")));
}

fn lines(report: &Value) -> Vec<String> {
    let receivers = report["receivers"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let head = "receiver         state          done      lost  decoded   NACKs   Mbit/s  verified";
    let mut lines = vec![head.to_owned()];
    for receiver in receivers {
        let done = receiver["elapsed_ms"].as_f64();
        let goodput = receiver["goodput_bps"].as_f64();
        lines.push(format!(
            "{:<16} {:<10} {:>8} {:>9} {:>8} {:>7} {:>8}  {}{}{}",
            text(&receiver["name"]),
            text(&receiver["state"]),
            done.map_or("-".into(), |ms| format!("{:.2} s", ms / 1e3)),
            number(&receiver["lost_symbols"]),
            number(&receiver["blocks_decoded"]),
            number(&receiver["nacks_sent"]),
            goodput.map_or("-".into(), |bps| format!("{:.0}", bps / 1e6)),
            if receiver["verified"] == true {
                "yes"
            } else {
                "no"
            },
            if receiver["unicast"] == true {
                "  by unicast"
            } else {
                ""
            },
            receiver["error"]
                .as_str()
                .map(|error| format!("  ({})", Printable(error)))
                .unwrap_or_default(),
        ));
    }
    let (size, sent) = (&report["image"]["size_bytes"], &report["sent"]);
    let complete = receivers
        .iter()
        .filter(|receiver| receiver["verified"] == true)
        .count() as u64;
    lines.push(format!(
        "{}: {} in {:.2} s by {}{}; {} sent ({:.3} x the image) for {} delivered",
        text(&report["image"]["name"]),
        bytes(size.as_u64()),
        report["elapsed_ms"]["total"].as_f64().unwrap_or_default() / 1e3,
        text(&report["session"]["io"]),
        report["session"]["io_fallback"]
            .as_str()
            .map(|why| format!(" ({why})"))
            .unwrap_or_default(),
        bytes(sent["bytes"].as_u64()),
        sent["expansion"].as_f64().unwrap_or_default(),
        bytes(size.as_u64().map(|size| size * complete)),
    ));
    let (outcome, reason) = (text(&report["outcome"]), text(&report["reason"]));
    lines.push(format!("{outcome}: {reason}"));
    lines
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// Names come from strangers.
fn text(value: &Value) -> String {
    Printable(value.as_str().unwrap_or_default()).to_string()
}

fn bytes(count: Option<u64>) -> HumanBytes {
    HumanBytes(count.unwrap_or_default())
}
