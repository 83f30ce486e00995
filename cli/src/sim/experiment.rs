//! Running a plan: one JSON object a run, or one row of medians a combination.

use super::Args;
use super::plan::{Combination, Key, Plan, text_of};
use linecast_net::command::{Exit, Failure};
use linecast_sim::{Report, Scenario};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// Columns of the table, with the decimals that tell one run from another.
const COLUMNS: [(&str, usize); 6] = [
    ("expansion", 4),
    ("bound_expansion", 4),
    ("overhead_factor", 3),
    ("nacks_heard", 0),
    ("repair_rounds", 0),
    ("completion_ms.max", 1),
];

/// What the runs of a combination are summed up as.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// Medians by the name of the report's field; a field that is `null` in
    /// every run has none.
    pub(super) medians: BTreeMap<String, f64>,
    violations: u64,
}

/// A report with the values of the grid that it belongs to.
#[derive(Serialize)]
struct Planned<'a> {
    #[serde(flatten)]
    report: &'a Report,
    plan: Map<String, Value>,
}

/// Runs the plan of `path`.
pub(super) fn run(args: &Args, path: &Path) -> Result<Exit, Failure> {
    let plan = Plan::read(path)?;
    if args.planned.plots && plan.plots.is_empty() {
        let message = format!("plan {}: --plots: no [[plot]] table", path.display());
        return Err(Failure::usage(message));
    }
    if !args.json {
        println!("{}", header(&plan.grid));
    }
    let runs = 0..plan.runs();
    let bar = super::progress(args.many.progress, &runs, runs.end == 1);
    let rows = measure(&plan, args.many.jobs(), |combination, reports, row| {
        bar.inc(reports.len() as u64);
        bar.suspend(|| {
            complain(&plan.grid, combination, reports);
            if args.json {
                print_json(&plan.grid, combination, reports);
            } else {
                println!("{}", line(&plan.grid, combination, row));
            }
        });
    });
    bar.finish_and_clear();
    let rows = rows.map_err(Failure::usage)?;
    if args.planned.plots {
        super::plot::write(&plan, &rows)?;
    }
    Ok(if rows.iter().all(|row| row.violations == 0) {
        Exit::Success
    } else {
        Exit::SomeFailed
    })
}

/// Runs every combination, and hands each over in the plan's order as soon as
/// its runs and those before it are done.
pub(super) fn measure(
    plan: &Plan,
    jobs: usize,
    mut done: impl FnMut(&Combination, &[Report], &Row),
) -> Result<Vec<Row>, linecast_sim::ScenarioError> {
    let scenario = |run: u64| {
        let args = &plan.combinations[(run / plan.repeat) as usize].args;
        Scenario {
            seed: args.seed.wrapping_add(run % plan.repeat),
            ..args.scenario()
        }
    };
    let mut early = BTreeMap::new();
    let mut reports = Vec::new();
    let mut rows = Vec::new();
    let mut next = 0;
    linecast_sim::run_many(0..plan.runs(), jobs, scenario, &mut |run, report| {
        early.insert(run, report);
        while let Some(report) = early.remove(&next) {
            next += 1;
            reports.push(report);
            if next % plan.repeat == 0 {
                let row = summed_up(plan, &reports);
                done(&plan.combinations[rows.len()], &reports, &row);
                rows.push(row);
                reports.clear();
            }
        }
    })?;
    Ok(rows)
}

fn summed_up(plan: &Plan, reports: &[Report]) -> Row {
    let values: Vec<Value> = reports.iter().map(json).collect();
    let columns = COLUMNS.iter().map(|(name, _)| *name);
    let plotted = plan.plots.iter().flat_map(|plot| &plot.y);
    let fields = columns.chain(plotted.map(String::as_str));
    let median = |name: &str| {
        let numbers = values
            .iter()
            .filter_map(|value| field(value, name)?.as_f64());
        Some((name.to_string(), median(numbers.collect())?))
    };
    Row {
        medians: fields.filter_map(median).collect(),
        violations: reports.iter().map(|report| report.violations).sum(),
    }
}

/// A report as JSON; `Null` were it to have no JSON.
pub(super) fn json(report: &Report) -> Value {
    serde_json::to_value(report).unwrap_or_default()
}

/// A field by its name, those of objects within as `completion_ms.max`.
pub(super) fn field<'a>(report: &'a Value, name: &str) -> Option<&'a Value> {
    name.split('.')
        .try_fold(report, |value, part| value.get(part))
}

/// The median, which is a value that occurred: of two the lesser.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied()
}

fn complain(grid: &[Key], combination: &Combination, reports: &[Report]) {
    for report in reports.iter().filter(|report| report.violations > 0) {
        let pairs = grid.iter().zip(&combination.values);
        let settings: String = pairs
            .map(|(key, value)| format!("{} {}, ", key.name, text_of(value)))
            .collect();
        eprintln!("{settings}seed {} failed", report.seed);
        for violation in &report.violation_list {
            eprintln!("  {violation}");
        }
    }
}

fn print_json(grid: &[Key], combination: &Combination, reports: &[Report]) {
    for report in reports {
        match serde_json::to_string(&planned(grid, combination, report)) {
            Ok(json) => println!("{json}"),
            Err(error) => eprintln!("linecast: the report cannot be written: {error}"),
        }
    }
}

fn planned<'a>(grid: &[Key], combination: &Combination, report: &'a Report) -> Planned<'a> {
    let pairs = grid.iter().zip(&combination.values);
    let pair = |(key, value): (&Key, &toml::Value)| {
        let value = serde_json::to_value(value).unwrap_or_default();
        (key.name.clone(), value)
    };
    Planned {
        report,
        plan: pairs.map(pair).collect(),
    }
}

/// Wide enough for the key and each of its values, so that rows can be printed
/// before the last is known.
fn width(key: &Key) -> usize {
    let values = key.values.iter().map(|value| text_of(value).len());
    values.chain([key.name.len()]).max().unwrap_or_default()
}

fn header(grid: &[Key]) -> String {
    let keys = grid
        .iter()
        .map(|key| format!("{:>w$}  ", key.name, w = width(key)));
    let columns = COLUMNS.iter().map(|(name, _)| format!("{name}  "));
    keys.chain(columns).chain(["violations".into()]).collect()
}

fn line(grid: &[Key], combination: &Combination, row: &Row) -> String {
    let pairs = grid.iter().zip(&combination.values);
    let keys = pairs.map(|(key, value)| format!("{:>w$}  ", text_of(value), w = width(key)));
    let columns = COLUMNS.iter().map(|(name, decimals)| {
        let median = row.medians.get(*name);
        let text = median.map_or("-".into(), |value| format!("{value:.decimals$}"));
        format!("{text:>w$}  ", w = name.len())
    });
    let violations = format!("{:>w$}", row.violations, w = "violations".len());
    keys.chain(columns).chain([violations]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_values_that_occurred() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![5.0]), Some(5.0));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn fields_within_objects_have_names_with_points() {
        let report = serde_json::json!({"completion_ms": {"max": 3.5}, "seed": 7});
        assert_eq!(field(&report, "completion_ms.max"), Some(&3.5.into()));
        assert_eq!(field(&report, "seed"), Some(&7.into()));
        assert_eq!(field(&report, "completion_ms.min"), None);
        assert_eq!(field(&report, "seed.max"), None);
    }

    #[test]
    fn rows_come_in_the_order_of_the_plan_whatever_the_jobs() {
        let text = "repeat = 2\n[fixed]\nsize = '64KiB'\nloss = '10%'\n\
                    [grid]\nreceivers = [20, 1]\nseed = [5, 9]\n";
        let plan = super::super::plan::parsed(text).unwrap();
        let mut seen = Vec::new();
        let rows = measure(&plan, 4, |combination, reports, row| {
            assert_eq!(reports.len(), 2);
            let json = serde_json::to_value(planned(&plan.grid, combination, &reports[1]));
            let json = json.unwrap();
            assert_eq!(json["schema"], linecast_sim::SCHEMA);
            assert_eq!(json["receivers"], json["plan"]["receivers"]);
            seen.push((json["receivers"].as_u64(), json["seed"].as_u64()));
            assert_eq!(
                header(&plan.grid).len(),
                line(&plan.grid, combination, row).len()
            );
        });
        assert_eq!(rows.unwrap().len(), 4);
        let expected = [(20, 6), (20, 10), (1, 6), (1, 10)];
        assert_eq!(seen, expected.map(|(n, seed)| (Some(n), Some(seed))));
    }

    #[test]
    fn a_run_of_a_plan_is_the_run_of_its_command_line() {
        let text = "[fixed]\nsize = '64KiB'\nreceivers = 3\n[grid]\nloss = ['0%', '10%']\n";
        let plan = super::super::plan::parsed(text).unwrap();
        let mut reports = Vec::new();
        let rows = measure(&plan, 1, |_, done, _| reports.extend_from_slice(done)).unwrap();
        assert_eq!(rows[0].medians.get("overhead_factor"), None);
        assert_eq!(rows[1].medians["expansion"], reports[1].expansion);
        for (combination, report) in plan.combinations.iter().zip(&reports) {
            let alone = linecast_sim::run(&combination.args.scenario()).unwrap();
            assert_eq!(*report, alone);
        }
    }
}
