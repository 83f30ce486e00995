//! `compare`: whether one set of results is worse than another.

use crate::BenchError;
use crate::record::read;
use crate::stats::{median, smaller_by_chance};
use crate::table::{groups, spread};
use linecast_net::command::units;
use serde_json::Value;
use std::path::PathBuf;

/// What to compare.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Results before: JSON lines
    #[arg(value_name = "A.json")]
    before: PathBuf,
    /// Results after
    #[arg(value_name = "B.json")]
    after: PathBuf,
    /// How much worse a median may be
    #[arg(long, default_value = "5%", value_parser = units::percent_ppm, value_name = "PERCENT")]
    max_regress: u32,
    /// Probability of a false alarm, in all rows together
    #[arg(long, default_value = "1%", value_parser = units::percent_ppm, value_name = "PERCENT")]
    alpha: u32,
}

/// Fields that tell rows apart; what a line lacks is empty.
const KEYS: &[&str] = &[
    "bench",
    "path",
    "tool",
    "lanes",
    "receivers",
    "loss",
    "loss_model",
    "port_bps",
    "rate",
    "size_bytes",
    "ceiling_percent",
];

/// A figure that decides, and whether more of it is better.
struct Metric {
    bench: &'static str,
    field: &'static str,
    more_is_better: bool,
}

const METRICS: &[Metric] = &[
    Metric {
        bench: "transmit",
        field: "gbps",
        more_is_better: true,
    },
    Metric {
        bench: "push",
        field: "goodput_gbps",
        more_is_better: true,
    },
    Metric {
        bench: "pace",
        field: "departure_p99_us",
        more_is_better: false,
    },
];

/// One row of both sets.
#[derive(Debug, Clone, PartialEq)]
struct Comparison {
    row: String,
    field: &'static str,
    before: Vec<f64>,
    after: Vec<f64>,
    /// How much worse the median is: 0.1 is 10 %; negative is better.
    worse: f64,
    /// That `after` looks as bad by chance.
    chance: f64,
}

impl Comparison {
    fn is_regression(&self, limit: f64, alpha: f64) -> bool {
        self.worse > limit && self.chance < alpha
    }
}

/// Prints all rows; true if one of them is worse.
///
/// A row is worse if its median is, by more than `--max-regress`, and if Mann
/// and Whitney's test gives that less than `--alpha` over the number of rows.
///
/// # Errors
/// A file cannot be read, or nothing can be compared.
pub fn run(args: &Args) -> Result<bool, BenchError> {
    let (before, after) = (read(&args.before)?, read(&args.after)?);
    let rows = comparisons(&before, &after);
    if rows.is_empty() {
        return Err(BenchError::Usage(format!(
            "{} and {} have no row in common",
            args.before.display(),
            args.after.display()
        )));
    }
    let limit = f64::from(args.max_regress) / 1e6;
    let alpha = f64::from(args.alpha) / 1e6 / rows.len() as f64;
    println!("| row | figure | n | before | after | worse by | p | |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut any = false;
    for row in &rows {
        let regressed = row.is_regression(limit, alpha);
        any |= regressed;
        println!(
            "| {} | {} | {} + {} | {} | {} | {:.1} % | {:.4} | {} |",
            row.row,
            row.field,
            row.before.len(),
            row.after.len(),
            spread(&row.before, 2),
            spread(&row.after, 2),
            row.worse * 100.0,
            row.chance,
            if regressed { "**regression**" } else { "" }
        );
    }
    if let Some(few) = rows.iter().find(|row| least_chance(row) >= alpha) {
        eprintln!(
            "linecast-bench: {} + {} repeats cannot show a difference in {} rows at --alpha; take more",
            few.before.len(),
            few.after.len(),
            rows.len()
        );
    }
    Ok(any)
}

/// The least that the test can give for so many values.
fn least_chance(row: &Comparison) -> f64 {
    let high: Vec<f64> = (0..row.before.len()).map(|i| 1e6 + i as f64).collect();
    let low: Vec<f64> = (0..row.after.len()).map(|i| i as f64).collect();
    smaller_by_chance(&high, &low)
}

fn comparisons(before: &[Value], after: &[Value]) -> Vec<Comparison> {
    let after = groups(after, KEYS);
    let mut rows = Vec::new();
    for (key, old) in groups(before, KEYS) {
        let Some((_, new)) = after.iter().find(|(other, _)| *other == key) else {
            continue;
        };
        for metric in METRICS.iter().filter(|metric| metric.bench == key[0]) {
            rows.extend(comparison(&key, metric, &old, new));
        }
    }
    rows
}

fn comparison(
    key: &[String],
    metric: &Metric,
    old: &[&Value],
    new: &[&Value],
) -> Option<Comparison> {
    let values = |lines: &[&Value]| -> Vec<f64> {
        lines
            .iter()
            .filter_map(|line| line[metric.field].as_f64())
            .collect()
    };
    let (before, after) = (values(old), values(new));
    if before.is_empty() || after.is_empty() {
        return None;
    }
    let ratio = median(&after) / median(&before);
    let (worse, chance) = match metric.more_is_better {
        true => (1.0 - ratio, smaller_by_chance(&before, &after)),
        false => (ratio - 1.0, smaller_by_chance(&after, &before)),
    };
    let named: Vec<&str> = key
        .iter()
        .map(String::as_str)
        .filter(|part| *part != "–")
        .collect();
    Some(Comparison {
        row: named.join(" "),
        field: metric.field,
        before,
        after,
        worse,
        chance,
    })
}

#[cfg(test)]
mod decision;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lines(gbps: &[f64]) -> Vec<Value> {
        let line = |gbps: &f64| json!({"bench": "transmit", "path": "engine", "lanes": 1, "size_bytes": 1448, "gbps": gbps});
        gbps.iter().map(line).collect()
    }

    #[test]
    fn a_slowdown_is_told_from_noise() {
        let noise = [10.0, 10.3, 9.8, 10.1, 9.9, 10.2, 9.7, 10.4];
        let slower: Vec<f64> = noise.iter().map(|v| v * 0.8 + 0.001).collect();
        let [same] = &comparisons(&lines(&noise), &lines(&noise))[..] else {
            panic!()
        };
        assert!(same.worse.abs() < 1e-9 && same.chance > 0.4);
        let [slow] = &comparisons(&lines(&noise), &lines(&slower))[..] else {
            panic!()
        };
        assert!(slow.worse > 0.19 && slow.chance < 0.001, "{slow:?}");
    }

    #[test]
    fn less_is_better_where_it_is() {
        let late =
            |us: f64| json!({"bench": "pace", "ceiling_percent": 97, "departure_p99_us": us});
        let before: Vec<Value> = (0..6).map(|i| late(50.0 + f64::from(i))).collect();
        let after: Vec<Value> = (0..6).map(|i| late(80.0 + f64::from(i))).collect();
        let [row] = &comparisons(&before, &after)[..] else {
            panic!()
        };
        assert!(row.worse > 0.5 && row.chance < 0.01);
        assert_eq!(row.row, "pace 97");
    }

    #[test]
    fn rows_of_one_side_only_are_left_out() {
        let other = [json!({"bench": "transmit", "path": "plain", "gbps": 1.0})];
        assert!(comparisons(&lines(&[1.0]), &other).is_empty());
    }

    #[test]
    fn few_repeats_can_show_nothing() {
        let [row] = &comparisons(&lines(&[1.0, 2.0]), &lines(&[1.0, 2.0]))[..] else {
            panic!()
        };
        assert!((least_chance(row) - 1.0 / 6.0).abs() < 1e-9);
    }
}
