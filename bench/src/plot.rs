//! `plot`: results as SVG files. The drawing itself is in `svg`.

mod svg;

use crate::BenchError;
use crate::record::read;
use crate::stats::{median, quantile};
use crate::table::groups;
use serde_json::Value;
use std::path::PathBuf;
use svg::{Bar, Chart, Series};

/// What to draw, and where.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Results: JSON lines
    #[arg(value_name = "RESULTS.json", required = true)]
    results: Vec<PathBuf>,
    /// Directory for the SVG files
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

/// One plot: a figure of a benchmark, groups of bars, one colour a series.
struct Plot {
    file: &'static str,
    title: &'static str,
    bench: &'static str,
    field: &'static str,
    unit: &'static str,
    /// Fields that tell the groups apart.
    groups: &'static [&'static str],
    /// The field that tells the colours apart.
    series: &'static str,
}

const PUSH_GROUPS: &[&str] = &[
    "receivers",
    "loss",
    "loss_model",
    "port_bps",
    "rate",
    "size_bytes",
];

const PLOTS: &[Plot] = &[
    Plot {
        file: "push-goodput.svg",
        title: "Goodput of the median receiver",
        bench: "push",
        field: "goodput_gbps",
        unit: "Gbit/s",
        groups: PUSH_GROUPS,
        series: "tool",
    },
    Plot {
        file: "push-whole.svg",
        title: "Image bits over the whole command",
        bench: "push",
        field: "whole_gbps",
        unit: "Gbit/s",
        groups: PUSH_GROUPS,
        series: "tool",
    },
    Plot {
        file: "transmit.svg",
        title: "Transmit path, nobody listening",
        bench: "transmit",
        field: "gbps",
        unit: "Gbit/s",
        groups: &["size_bytes", "lanes"],
        series: "path",
    },
    Plot {
        file: "pace-drops.svg",
        title: "Drops of a slow port",
        bench: "pace",
        field: "drops",
        unit: "packets dropped",
        groups: &["ceiling_percent"],
        series: "lanes",
    },
];

/// Writes every plot that the results have figures for.
///
/// # Errors
/// A file cannot be read or written, or the results have nothing to draw.
pub fn run(args: &Args) -> Result<(), BenchError> {
    let mut lines = Vec::new();
    for path in &args.results {
        lines.extend(read(path)?);
    }
    std::fs::create_dir_all(&args.dir)?;
    let mut written = 0;
    for plot in PLOTS {
        let Some(chart) = plot.chart(&lines) else {
            continue;
        };
        let path = args.dir.join(plot.file);
        std::fs::write(&path, chart.svg().map_err(BenchError::Usage)?)?;
        println!("{}", path.display());
        written += 1;
    }
    match written {
        0 => Err(BenchError::Usage("nothing to draw in the results".into())),
        _ => Ok(()),
    }
}

impl Plot {
    /// `None` if no line has the figure.
    fn chart(&self, lines: &[Value]) -> Option<Chart> {
        let drawn: Vec<Value> = lines
            .iter()
            .filter(|line| line["bench"] == self.bench && line[self.field].is_number())
            // A push that left receivers without the image has no rate.
            .filter(|line| self.bench != "push" || line["completed"] == line["receivers"])
            .cloned()
            .collect();
        if drawn.is_empty() {
            return None;
        }
        let groups_found = groups(&drawn, self.groups);
        let series = groups(&drawn, &[self.series]).into_iter().map(|(name, _)| {
            let bars = groups_found.iter().map(|(_, rows)| {
                let own = rows.iter().filter(|row| text(&row[self.series]) == name[0]);
                bar(own.filter_map(|row| row[self.field].as_f64()).collect())
            });
            Series {
                bars: bars.collect(),
                name: match self.series {
                    "lanes" => lanes(&name[0]),
                    _ => name[0].clone(),
                },
            }
        });
        let label = |rows: &Vec<&Value>| {
            let parts = self.groups.iter().filter_map(|key| label(key, rows[0]));
            parts.collect()
        };
        Some(Chart {
            title: self.title,
            unit: self.unit,
            series: series.collect(),
            groups: groups_found.iter().map(|(_, rows)| label(rows)).collect(),
        })
    }
}

fn bar(values: Vec<f64>) -> Option<Bar> {
    (!values.is_empty()).then(|| Bar {
        least: quantile(&values, 0.0),
        median: median(&values),
        most: quantile(&values, 1.0),
    })
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn lanes(count: &str) -> String {
    format!("{count} lane{}", if count == "1" { "" } else { "s" })
}

/// What stands below a group of bars, a line for each field.
fn label(key: &str, line: &Value) -> Option<String> {
    let value = &line[key];
    let number = value.as_f64();
    Some(match key {
        "receivers" => format!("{value} rx"),
        "loss" => format!("{} % loss", number? * 100.0),
        "lanes" => lanes(&text(value)),
        "port_bps" => format!("port of {} Mbit/s", number? / 1e6),
        "ceiling_percent" => format!("{} %", number?),
        "size_bytes" if number? >= MIB => format!("{} MiB", number? / MIB),
        "size_bytes" => format!("{value} bytes"),
        // Without loss there is no model of it.
        "loss_model" if line["loss"] == 0.0 => return None,
        _ => value.as_str()?.to_owned(),
    })
}

const MIB: f64 = 1048576.0;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn push(tool: &str, completed: u32, gbps: f64) -> Value {
        json!({"bench": "push", "tool": tool, "receivers": 4, "completed": completed,
               "loss": 0.01, "size_bytes": 16 << 20, "whole_gbps": gbps})
    }

    #[test]
    fn bars_are_medians_with_the_extremes() {
        let lines = [
            push("a", 4, 1.0),
            push("b", 4, 8.0),
            push("a", 4, 3.0),
            push("a", 4, 2.5),
        ];
        let chart = PLOTS[1].chart(&lines).unwrap();
        assert_eq!(chart.groups, [["4 rx", "1 % loss", "16 MiB"]]);
        let bar = chart.series[0].bars[0].as_ref().unwrap();
        assert_eq!((bar.least, bar.median, bar.most), (1.0, 2.5, 3.0));
        assert_eq!(chart.series[1].name, "b");
    }

    #[test]
    fn a_push_that_failed_has_no_bar() {
        let lines = [push("a", 4, 1.0), push("b", 3, 8.0)];
        let chart = PLOTS[1].chart(&lines).unwrap();
        assert_eq!(chart.series.len(), 1);
        assert!(PLOTS[1].chart(&lines[1..]).is_none());
    }

    #[test]
    fn each_plot_takes_its_own_lines() {
        let lines = [
            json!({"bench": "transmit", "path": "engine", "lanes": 1, "size_bytes": 1448, "gbps": 60.0}),
            json!({"bench": "pace", "ceiling_percent": 97.0, "lanes": 1, "drops": 0}),
        ];
        let labels: Vec<_> = PLOTS
            .iter()
            .filter_map(|plot| plot.chart(&lines))
            .flat_map(|chart| chart.groups)
            .collect();
        assert_eq!(labels, [vec!["1448 bytes", "1 lane"], vec!["97 %"]]);
    }
}
