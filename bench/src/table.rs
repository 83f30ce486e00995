//! Tables of results: one row for each combination of keys, medians with the
//! spread.

use crate::stats::{median, quantile};
use serde_json::Value;
use std::cmp::Ordering;
use std::fmt::Write;

/// Which columns a table has.
#[derive(Debug)]
pub struct Table<'a> {
    /// Fields that tell rows apart, in order.
    pub keys: &'a [&'a str],
    /// Fields with figures, their headings and decimals.
    pub figures: &'a [(&'a str, &'a str, usize)],
}

impl Table<'_> {
    /// The table in Markdown: medians, and quartiles where there are several
    /// repeats.
    pub fn markdown(&self, lines: &[Value]) -> String {
        let mut text = String::new();
        let headings = self.figures.iter().map(|(_, heading, _)| *heading);
        let headings: Vec<&str> = self
            .keys
            .iter()
            .copied()
            .chain(["n"])
            .chain(headings)
            .collect();
        let _ = writeln!(text, "| {} |", headings.join(" | "));
        let _ = writeln!(text, "|{}", "---|".repeat(headings.len()));
        for (key, rows) in groups(lines, self.keys) {
            let cells = self.figures.iter().map(|(field, _, decimals)| {
                let values: Vec<f64> = rows.iter().filter_map(|row| row[*field].as_f64()).collect();
                spread(&values, *decimals)
            });
            let count = rows.len().to_string();
            let cells: Vec<String> = key.into_iter().chain([count]).chain(cells).collect();
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        text
    }
}

/// Lines by what they have in `keys`, sorted by that: numbers as numbers. The
/// order in which things were measured is chance.
pub fn groups<'a>(lines: &'a [Value], keys: &[&str]) -> Vec<(Vec<String>, Vec<&'a Value>)> {
    let mut groups: Vec<(Vec<String>, Vec<&Value>)> = Vec::new();
    for line in lines {
        let key: Vec<String> = keys.iter().map(|key| plain(&line[*key])).collect();
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, rows)) => rows.push(line),
            None => groups.push((key, vec![line])),
        }
    }
    groups.sort_by(|(a, _), (b, _)| {
        let parts = a.iter().zip(b).map(|(a, b)| natural(a, b));
        parts.fold(Ordering::Equal, Ordering::then)
    });
    groups
}

fn natural(a: &str, b: &str) -> Ordering {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a.total_cmp(&b),
        _ => a.cmp(b),
    }
}

/// A median, and the quartiles of several values.
pub fn spread(values: &[f64], decimals: usize) -> String {
    match values {
        [] => "–".to_owned(),
        [value] => format!("{value:.decimals$}"),
        _ => format!(
            "{:.decimals$} ({:.decimals$}–{:.decimals$})",
            median(values),
            quantile(values, 0.25),
            quantile(values, 0.75)
        ),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "–".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_are_sorted_by_number_and_name_whatever_was_measured_first() {
        let line = |n: u32, tool: &str| json!({"receivers": n, "tool": tool});
        let lines = [line(16, "a"), line(4, "b"), line(16, "b"), line(4, "a")];
        let keys: Vec<_> = groups(&lines, &["receivers", "tool"])
            .into_iter()
            .map(|(key, _)| key.concat())
            .collect();
        assert_eq!(keys, ["4a", "4b", "16a", "16b"]);
    }

    #[test]
    fn rows_are_medians_of_their_repeats() {
        let lines = [
            json!({"path": "a", "gbps": 1.0}),
            json!({"path": "b", "gbps": 5.0}),
            json!({"path": "a", "gbps": 3.0}),
        ];
        let table = Table {
            keys: &["path"],
            figures: &[("gbps", "Gbit/s", 1)],
        };
        assert_eq!(
            table.markdown(&lines),
            "| path | n | Gbit/s |\n|---|---|---|\n| a | 2 | 2.0 (1.5–2.5) |\n| b | 1 | 5.0 |\n"
        );
    }
}
