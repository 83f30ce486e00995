//! How one push went, and whether that is good enough.

use super::launcher::Launched;
use super::processes::{Usage, Watched};
use super::release::Release;
use crate::program::Outcome;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// One push, as it ended.
#[derive(Debug, Clone, Default)]
pub struct Trial {
    /// What the attacker sent.
    pub launched: Launched,
    /// Honest receivers that have exactly the image and ended well.
    pub complete: usize,
    /// Honest receivers.
    pub receivers: usize,
    /// From the sender's start to the end of the last program, in seconds.
    pub total_s: f64,
    /// Bits of the image over the time that the slowest honest receiver took, by
    /// the sender's report; `None` unless all are complete.
    pub goodput_bps: Option<f64>,
    /// Image symbols sent for each source symbol; `None` without a report.
    pub expansion: Option<f64>,
    /// The sender's.
    pub sender: Usage,
    /// The greatest of any receiver.
    pub receiver: Usage,
    /// Exit codes, of the sender first; `None` for who had to be killed, or died.
    pub codes: Vec<Option<i32>>,
    /// Datagrams that the sender refused.
    pub refused_sender: u64,
    /// Most packets that one receiver refused.
    pub refused_receiver: u64,
    /// Most symbols that a receiver takes for lost.
    pub lost_symbols: u64,
    /// Packets that the sender sent.
    pub sent_packets: u64,
    /// Least bytes that a receiver had from a session before.
    pub resumed_bytes: u64,
    /// Whether it should have had some.
    pub resumes: bool,
    /// The sender's verdict.
    pub reason: String,
    /// The last line on standard error of who did not end well.
    pub complaints: Vec<String>,
    /// Standard output or error has bytes that a terminal acts on, or a line that
    /// the attacker wrote.
    pub terminal_text: bool,
    /// A file that was in place before was written again.
    pub replaced_files: bool,
    /// Receivers of the attacker's take part, and the sender has no roster.
    pub strangers: bool,
    /// Receivers that the sender takes for complete and that are none of ours.
    pub vouched: usize,
}

/// What a push under attack must keep to.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Least part of the goodput without attack.
    pub goodput: Option<f64>,
    /// Most image symbols for each source symbol.
    pub expansion: Option<f64>,
    /// Most anonymous memory of the sender.
    pub sender_bytes: u64,
    /// Most anonymous memory of a receiver.
    pub receiver_bytes: u64,
}

impl Bounds {
    /// Those of every attack, and of the one that forges as many symbols as
    /// there are true ones: it may cost time, but no more than so many symbols.
    pub fn of(per_symbol: bool) -> Bounds {
        Bounds {
            goodput: (!per_symbol).then_some(0.8),
            expansion: per_symbol.then_some(3.0),
            sender_bytes: 256 << 20,
            receiver_bytes: 64 << 20,
        }
    }
}

impl Trial {
    /// Reads how the sender, the first, and the receivers ended; `ids` are those
    /// of honest receivers in reports.
    pub(super) fn of(
        release: &Release,
        ids: &[String],
        ended: &[Watched],
        elapsed: Duration,
        launched: Launched,
    ) -> Trial {
        let (sender, receivers) = ended.split_first().expect("a sender");
        let report = &sender.outcome.report;
        let has_it = |one: &&Watched| {
            let path = one.outcome.report["path"].as_str();
            one.outcome.code == Some(0) && path.is_some_and(|path| release.is_in(Path::new(path)))
        };
        let complete = receivers.iter().filter(has_it).count();
        let all = complete == receivers.len();
        let slowest = slowest_ms(report, ids);
        let bits = release.size_bytes as f64 * 8.0;
        Trial {
            launched,
            complete,
            receivers: receivers.len(),
            total_s: elapsed.as_secs_f64(),
            goodput_bps: slowest.filter(|_| all).map(|ms| bits * 1e3 / ms.max(1.0)),
            expansion: report.pointer("/sent/expansion").and_then(Value::as_f64),
            sender: usage(sender, report.pointer("/memory/anon_peak_bytes")),
            receiver: receivers
                .iter()
                .map(|one| usage(one, one.outcome.report.get("anon_peak_bytes")))
                .fold(Usage::default(), greater),
            codes: ended.iter().map(code).collect(),
            refused_sender: number(report, "/feedback/refused"),
            refused_receiver: most(receivers, |report| {
                let causes = report["refused"].as_object().into_iter().flatten();
                causes.filter_map(|(_, count)| count.as_u64()).sum()
            }),
            lost_symbols: most(receivers, |report| number(report, "/lost_symbols")),
            sent_packets: number(report, "/sent/packets"),
            resumed_bytes: receivers
                .iter()
                .map(|one| number(&one.outcome.report, "/resumed_bytes"))
                .min()
                .unwrap_or(0),
            resumes: false,
            reason: report["reason"].as_str().unwrap_or_default().to_owned(),
            complaints: ended.iter().filter_map(complaint).collect(),
            terminal_text: ended.iter().any(|one| {
                has_terminal_text(&one.outcome.stderr) || has_terminal_text(&one.outcome.stdout)
            }),
            replaced_files: false,
            strangers: false,
            vouched: vouched(report, ids),
        }
    }

    /// The median goodput of pushes of which some may have failed; of none of
    /// them if all did.
    pub fn goodput_median(trials: &[Trial]) -> f64 {
        median(trials.iter().filter_map(|trial| trial.goodput_bps))
    }

    /// What it does not keep to, by the goodput of the same push without attack.
    pub fn broken(&self, bounds: &Bounds, reference_bps: f64) -> Vec<String> {
        let mut broken = Vec::new();
        let mut check = |holds: bool, what: String| {
            if !holds {
                broken.push(what);
            }
        };
        let (complete, receivers) = (self.complete, self.receivers);
        check(
            complete == receivers,
            format!("{complete} of {receivers} complete"),
        );
        let mib = |bytes: u64| bytes >> 20;
        let (sender, receiver) = (self.sender.anon_peak_bytes, self.receiver.anon_peak_bytes);
        check(
            sender <= bounds.sender_bytes,
            format!("sender {} MiB", mib(sender)),
        );
        check(
            receiver <= bounds.receiver_bytes,
            format!("receiver {} MiB", mib(receiver)),
        );
        // Without a roster those made up are waited for, and missing from the
        // verdict.
        let spoiled = self.strangers && matches!(self.codes[0], Some(2 | 6));
        check(
            self.codes[0] == Some(0) || spoiled,
            format!("sender ended with {}", shown(self.codes[0])),
        );
        for code in &self.codes[1..] {
            check(
                *code == Some(0),
                format!("a receiver ended with {}", shown(*code)),
            );
        }
        if let (Some(least), Some(bps)) = (bounds.goodput, self.goodput_bps) {
            let ratio = bps / reference_bps;
            check(ratio >= least, format!("goodput × {ratio:.2}"));
        }
        if let (Some(most), Some(expansion)) = (bounds.expansion, self.expansion) {
            check(expansion <= most, format!("expansion {expansion:.2}"));
        }
        // Without a report nobody knows how many there were.
        check(
            self.sent_packets == 0 || self.lost_symbols <= 2 * self.sent_packets,
            format!(
                "{} symbols lost of {}",
                self.lost_symbols, self.sent_packets
            ),
        );
        // Who is not complete has not said what it had.
        let kept = !self.resumes || complete < receivers || self.resumed_bytes > 0;
        check(kept, "verified bytes were discarded".into());
        check(!self.terminal_text, "terminal sequences in output".into());
        check(
            !self.replaced_files,
            "a file in place was written again".into(),
        );
        let vouched = self.vouched > 0 && !self.reason.contains("unverified");
        check(!vouched, format!("verdict \"{}\"", self.reason));
        broken
    }
}

/// Milliseconds until the last of these receivers was heard to be complete.
fn slowest_ms(report: &Value, ids: &[String]) -> Option<f64> {
    rows(report)
        .filter(|row| is_one_of(row, ids))
        .filter_map(|row| row["elapsed_ms"].as_f64())
        .reduce(f64::max)
}

/// Receivers that are complete and none of these.
fn vouched(report: &Value, ids: &[String]) -> usize {
    rows(report)
        .filter(|row| row["state"] == "complete" && !is_one_of(row, ids))
        .count()
}

fn rows(report: &Value) -> impl Iterator<Item = &Value> {
    report["receivers"].as_array().into_iter().flatten()
}

fn is_one_of(row: &Value, ids: &[String]) -> bool {
    ids.iter().any(|id| row["id"] == id.as_str())
}

fn usage(one: &Watched, reported: Option<&Value>) -> Usage {
    let reported = reported.and_then(Value::as_u64).unwrap_or(0);
    Usage {
        anon_peak_bytes: one.usage.anon_peak_bytes.max(reported),
        ..one.usage
    }
}

fn greater(one: Usage, other: Usage) -> Usage {
    Usage {
        anon_peak_bytes: one.anon_peak_bytes.max(other.anon_peak_bytes),
        cpu_s: one.cpu_s.max(other.cpu_s),
    }
}

fn number(report: &Value, pointer: &str) -> u64 {
    report.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

fn most(receivers: &[Watched], count: impl Fn(&Value) -> u64) -> u64 {
    let counts = receivers.iter().map(|one| count(&one.outcome.report));
    counts.max().unwrap_or(0)
}

fn code(one: &Watched) -> Option<i32> {
    one.outcome.code.filter(|_| !one.overdue)
}

/// An exit code as the table has it.
pub(super) fn shown(code: Option<i32>) -> String {
    code.map_or("killed".into(), |code| code.to_string())
}

fn complaint(one: &Watched) -> Option<String> {
    let Outcome { code, stderr, .. } = &one.outcome;
    if *code == Some(0) {
        return None;
    }
    let line = stderr.lines().rfind(|line| !line.trim().is_empty())?;
    let line: String = line
        .chars()
        .take(160)
        .flat_map(char::escape_default)
        .collect();
    Some(line)
}

/// Whether a text has what a terminal acts on, apart from ends of lines, or a
/// line of the attacker's.
fn has_terminal_text(text: &str) -> bool {
    let acts = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.contains(acts)
        || text
            .lines()
            .any(|line| line.starts_with("linecast: all is well"))
}

/// The middle one; not a number where there is none.
pub(super) fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    match figures.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => figures[count / 2],
        count => f64::midpoint(figures[count / 2 - 1], figures[count / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Trial {
        Trial {
            complete: 2,
            receivers: 2,
            goodput_bps: Some(1e9),
            expansion: Some(1.0),
            codes: vec![Some(0); 3],
            sent_packets: 100,
            ..Trial::default()
        }
    }

    #[test]
    fn a_good_push_breaks_nothing() {
        for per_symbol in [false, true] {
            let broken = good().broken(&Bounds::of(per_symbol), 1e9);
            assert!(broken.is_empty(), "{broken:?}");
        }
    }

    #[test]
    fn every_bound_can_be_broken() {
        let changes: [fn(&mut Trial); 11] = [
            |trial| trial.complete = 1,
            |trial| trial.goodput_bps = Some(7e8),
            |trial| trial.sender.anon_peak_bytes = 257 << 20,
            |trial| trial.receiver.anon_peak_bytes = 65 << 20,
            |trial| trial.codes[0] = Some(2),
            |trial| trial.codes[1] = None,
            |trial| trial.lost_symbols = 1_000,
            |trial| trial.terminal_text = true,
            |trial| trial.replaced_files = true,
            |trial| trial.vouched = 1,
            |trial| trial.resumes = true,
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut trial = good();
            change(&mut trial);
            let broken = trial.broken(&Bounds::of(false), 1e9);
            assert_eq!(broken.len(), 1, "{index}: {broken:?}");
        }
        let mut trial = good();
        trial.expansion = Some(3.1);
        assert_eq!(trial.broken(&Bounds::of(true), 1e9).len(), 1);
    }

    #[test]
    fn what_a_terminal_acts_on_is_seen() {
        assert!(!has_terminal_text(
            "linecast: „Straße“ – fine\nlinecast: done\n"
        ));
        for text in [
            "\u{1b}[2J",
            "\u{7}",
            "a\rb",
            "\u{9b}31m",
            "\u{202e}",
            "\u{200b}",
        ] {
            assert!(has_terminal_text(text), "{text:?}");
        }
        assert!(has_terminal_text("x\nlinecast: all is well\n"));
    }
}
