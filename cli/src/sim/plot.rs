//! Plots of an experiment: which lines they have, and their axes. The drawing
//! itself is in `svg`.

mod svg;

use super::experiment::{self, Row};
use super::plan::{Key, Plan, text_of};
use crate::files::{self, Prepared};
use linecast_net::command::{Failure, units};
use linecast_sim::Scenario;
use serde::Deserialize;
use std::path::PathBuf;
use svg::{Axis, Chart, Line, Stroke};
use toml::Value;

/// A `[[plot]]` table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plot {
    /// The SVG file, relative to the plan.
    file: PathBuf,
    title: String,
    /// Key of the grid that runs along the horizontal axis.
    x: String,
    /// Fields of the report, as `completion_ms.max`.
    pub(super) y: Vec<String>,
    /// Key of the grid with one colour a value.
    series: Option<String>,
    #[serde(default)]
    log_x: bool,
    #[serde(default)]
    log_y: bool,
}

/// Checks what can be checked before the runs, which may take an hour.
pub(super) fn check(plots: &[Plot], grid: &[Key]) -> Result<(), String> {
    if plots.is_empty() {
        return Ok(());
    }
    let sample = sample()?;
    for (index, plot) in plots.iter().enumerate() {
        let place = |error| format!("[[plot]] {}: {error}", plot.file.display());
        plot.check(grid, &sample).map_err(place)?;
        if plots[..index].iter().any(|other| other.file == plot.file) {
            return Err(place("file: also of the plot before".into()));
        }
    }
    Ok(())
}

/// Draws every plot of the plan; `rows` are its combinations.
pub(super) fn write(plan: &Plan, rows: &[Row]) -> Result<(), Failure> {
    for plot in &plan.plots {
        let path = files::directory_of(&plan.path).join(&plot.file);
        let fail = |error: String| Failure::usage(format!("plot {}: {error}", path.display()));
        let svg = plot.draw(plan, rows).map_err(fail)?;
        let directory = files::directory_of(&path);
        std::fs::create_dir_all(directory).map_err(|error| fail(error.to_string()))?;
        Prepared::write("plot", &path, svg.as_bytes())?.publish()?;
        // Not on stdout, which `--json` has for itself.
        eprintln!("{} written", path.display());
    }
    Ok(())
}

/// The report of the smallest run there is: it knows the names of the fields.
fn sample() -> Result<serde_json::Value, String> {
    let scenario = Scenario {
        receivers: 1,
        size_bytes: 1,
        ..Scenario::default()
    };
    let report = linecast_sim::run(&scenario).map_err(|error| error.to_string())?;
    Ok(experiment::json(&report))
}

impl Plot {
    fn check(&self, grid: &[Key], sample: &serde_json::Value) -> Result<(), String> {
        if self.file.extension().is_none_or(|suffix| suffix != "svg") {
            return Err("file: a name that ends in .svg expected".into());
        }
        let x = key("x", grid, &self.x)?;
        for value in &grid[x].values {
            let number = number(&grid[x].value_name, &text_of(value));
            let number = number.map_err(|error| format!("x: {}: {error}", self.x))?;
            if self.log_x && number <= 0.0 {
                return Err(format!("log_x: {} above 0 expected, got {number}", self.x));
            }
        }
        let colours = match &self.series {
            Some(name) if *name == self.x => return Err(format!("series: {name} is x already")),
            Some(name) => grid[key("series", grid, name)?].values.len(),
            None => 1,
        };
        if colours > svg::COLOURS {
            let most = svg::COLOURS;
            return Err(format!(
                "series: at most {most} values expected, got {colours}"
            ));
        }
        // A line through the points of several settings would show none of them.
        let mixed = |key: &&Key| {
            key.values.len() > 1 && key.name != self.x && Some(&key.name) != self.series.as_ref()
        };
        if let Some(key) = grid.iter().find(mixed) {
            return Err(format!("{} varies but is neither x nor series", key.name));
        }
        self.check_fields(sample)
    }

    fn check_fields(&self, sample: &serde_json::Value) -> Result<(), String> {
        if self.y.is_empty() {
            return Err("y: at least one field expected, got none".into());
        }
        for name in &self.y {
            let field = experiment::field(sample, name);
            if !field.is_some_and(|value| value.is_number() || value.is_null()) {
                return Err(format!("y: the report has no number {name:?}"));
            }
        }
        let unbound = self.y.iter().filter(|name| !is_bound(name)).count();
        if unbound > 2 {
            return Err(format!(
                "y: at most 2 fields that are no bound expected, got {unbound}"
            ));
        }
        Ok(())
    }

    fn draw(&self, plan: &Plan, rows: &[Row]) -> Result<String, String> {
        let x = key("x", &plan.grid, &self.x)?;
        let unit = match unit(&plan.grid[x].value_name) {
            "" => String::new(),
            unit => format!(", {unit}"),
        };
        let chart = Chart {
            title: &self.title,
            x: Axis {
                title: format!("{}{unit}", self.x),
                log: self.log_x,
            },
            y: Axis {
                title: self.y.join(", "),
                log: self.log_y,
            },
            lines: self.lines(plan, rows)?,
        };
        chart.svg()
    }

    /// One line for each field and value of the series.
    fn lines(&self, plan: &Plan, rows: &[Row]) -> Result<Vec<Line>, String> {
        let x = key("x", &plan.grid, &self.x)?;
        let groups: Vec<Option<(usize, &Value)>> = match &self.series {
            Some(name) => {
                let at = key("series", &plan.grid, name)?;
                let values = plan.grid[at].values.iter();
                values.map(|value| Some((at, value))).collect()
            }
            None => vec![None],
        };
        let mut lines = Vec::new();
        for (colour, group) in groups.into_iter().enumerate() {
            let mut places = Vec::new();
            for (combination, row) in plan.combinations.iter().zip(rows) {
                let values = &combination.values;
                if group.is_none_or(|(at, value)| values[at] == *value) {
                    let text = text_of(&values[x]);
                    places.push((number(&plan.grid[x].value_name, &text)?, row));
                }
            }
            places.sort_by(|a, b| a.0.total_cmp(&b.0));
            let value = group.map(|(_, value)| value);
            lines.extend(self.y.iter().map(|field| Line {
                name: self.name(field, value),
                colour,
                stroke: self.stroke(field),
                points: self.points(&places, field),
            }));
        }
        Ok(lines)
    }

    fn points(&self, places: &[(f64, &Row)], field: &str) -> Vec<(f64, f64)> {
        let point = |(x, row): &(f64, &Row)| Some((*x, *row.medians.get(field)?));
        let points = places.iter().filter_map(point);
        // A logarithm has no zero; the line goes on without it.
        points.filter(|(_, y)| !self.log_y || *y > 0.0).collect()
    }

    fn name(&self, field: &str, value: Option<&Value>) -> String {
        match (&self.series, value) {
            (Some(series), Some(value)) => format!("{field}, {series} {}", text_of(value)),
            _ => field.into(),
        }
    }

    /// Bounds are dashed, the first field that was measured is not.
    fn stroke(&self, field: &str) -> Stroke {
        let measured = self.y.iter().find(|name| !is_bound(name));
        match measured {
            _ if is_bound(field) => Stroke::Dashed,
            Some(first) if first != field => Stroke::Dotted,
            _ => Stroke::Solid,
        }
    }
}

fn is_bound(field: &str) -> bool {
    field.starts_with("bound")
}

fn key(what: &str, grid: &[Key], name: &str) -> Result<usize, String> {
    let at = grid.iter().position(|key| key.name == name);
    at.ok_or_else(|| format!("{what}: {name} is no key of [grid]"))
}

/// What an axis counts the values of a flag in; the help's name of the value
/// tells what it is.
fn unit(value_name: &str) -> &'static str {
    match value_name {
        "PERCENT" => "%",
        "SIZE" => "MiB",
        "RATE" => "Mbit/s",
        "TIME" => "ms",
        _ => "",
    }
}

/// A value, counted in what `unit` names.
fn number(value_name: &str, text: &str) -> Result<f64, String> {
    let number = match value_name {
        "PERCENT" => units::percent_ppm(text).map(|ppm| f64::from(ppm) / 1e4),
        "SIZE" => units::size_bytes(text).map(|bytes| bytes as f64 / f64::from(1 << 20)),
        "RATE" => units::rate_bps(text).map(|bps| bps as f64 / 1e6),
        "TIME" => units::duration(text).map(|time| time.as_secs_f64() * 1e3),
        _ => {
            let number = text.parse().ok().filter(|number: &f64| number.is_finite());
            return number.ok_or_else(|| format!("a number expected, got {text:?}"));
        }
    };
    number.map_err(|error| error.to_string())
}

#[cfg(test)]
#[path = "plot_tests.rs"]
mod tests;
