//! Tests of plots.

use super::*;
use crate::sim::plan::parsed;

const GRID: &str = "[fixed]\nsize = '64KiB'\n\
                    [grid]\nreceivers = [8, 1]\nloss = ['5%', '20%']\n";

/// A plan with one plot, which has these lines in its table.
fn plan(plot: &str) -> Result<Plan, String> {
    parsed(&format!(
        "{GRID}[[plot]]\nfile = 'a.svg'\ntitle = 'A plot'\n{plot}\n"
    ))
}

fn rows(plan: &Plan) -> Vec<Row> {
    experiment::measure(plan, 1, |_, _, _| {}).unwrap()
}

#[track_caller]
fn refused(plot: &str, error: &str) {
    let got = plan(plot).map(|plan| plan.runs()).unwrap_err();
    assert!(got.starts_with("[[plot]] a.svg: "), "{got}");
    assert!(got.contains(error), "{error:?} expected, got {got:?}");
}

#[test]
fn errors_name_the_plot() {
    refused("x = 'rtt'\ny = ['expansion']", "x: rtt is no key of [grid]");
    refused(
        "x = 'receivers'\ny = ['expansion']\nseries = 'size'",
        "series: size is no key of [grid]",
    );
    refused(
        "x = 'loss'\ny = ['expansion']\nseries = 'loss'",
        "series: loss is x already",
    );
    refused(
        "x = 'loss'\ny = ['expansion']",
        "receivers varies but is neither",
    );
    let rest = "x = 'loss'\nseries = 'receivers'\n";
    refused(&format!("{rest}y = []"), "y: at least one field");
    refused(&format!("{rest}y = ['expanse']"), "no number \"expanse\"");
    refused(&format!("{rest}y = ['schema']"), "no number \"schema\"");
    refused(
        &format!("{rest}y = ['seed', 'blocks', 'completed']"),
        "at most 2 fields",
    );
}

#[test]
fn axes_need_numbers_and_logarithms_need_more_than_zero() {
    let plot = |grid: &str, x: &str| {
        let text = "title = ''\ny = ['expansion']\nlog_x = true\nfile = 'a.svg'";
        parsed(&format!("[grid]\n{grid}\n[[plot]]\nx = '{x}'\n{text}")).map(|plan| plan.runs())
    };
    let zero = plot("loss = ['0%', '5%']", "loss").unwrap_err();
    assert!(
        zero.ends_with("log_x: loss above 0 expected, got 0"),
        "{zero}"
    );
    let no_number = plot("outliers = ['1:5%']", "outliers").unwrap_err();
    assert!(
        no_number.ends_with("a number expected, got \"1:5%\""),
        "{no_number}"
    );
    let seeds: Vec<_> = (1..10).map(|seed| seed.to_string()).collect();
    let grid = format!("seed = [{}]\nloss = ['5%']", seeds.join(","));
    let plot = "[[plot]]\nx = 'loss'\nseries = 'seed'\ny = ['expansion']\ntitle = ''\n";
    let nine = parsed(&format!("[grid]\n{grid}\n{plot}file = 'a.svg'")).unwrap_err();
    assert!(nine.ends_with("at most 8 values expected, got 9"), "{nine}");
    let png = parsed(&format!("[grid]\nloss = ['5%']\n{plot}file = 'a.png'")).unwrap_err();
    assert!(png.contains("ends in .svg"), "{png}");
}

#[test]
fn lines_run_from_left_to_right_one_for_each_field_and_value() {
    let plot = "x = 'receivers'\nseries = 'loss'\ny = ['expansion', 'bound_expansion']";
    let plan = plan(plot).unwrap();
    let lines = plan.plots[0].lines(&plan, &rows(&plan)).unwrap();
    let names: Vec<_> = lines.iter().map(|line| line.name.as_str()).collect();
    let expected = [
        "expansion, loss 5%",
        "bound_expansion, loss 5%",
        "expansion, loss 20%",
        "bound_expansion, loss 20%",
    ];
    assert_eq!(names, expected);
    assert_eq!(lines[0].stroke, Stroke::Solid);
    assert_eq!(lines[1].stroke, Stroke::Dashed);
    assert_eq!((lines[1].colour, lines[2].colour), (0, 1));
    for line in &lines {
        let x: Vec<_> = line.points.iter().map(|point| point.0).collect();
        assert_eq!(x, [1.0, 8.0]);
    }
}

#[test]
fn logarithms_leave_out_zeros() {
    let row = |value| {
        let mut row = Row::default();
        row.medians.insert("nacks_heard".into(), value);
        row
    };
    let (zero, ten) = (row(0.0), row(10.0));
    let places = [(1.0, &zero), (2.0, &ten)];
    let plot = "x = 'receivers'\nseries = 'loss'\ny = ['nacks_heard']\nlog_y = ";
    let count = |log| {
        let plan = plan(&format!("{plot}{log}")).unwrap();
        plan.plots[0].points(&places, "nacks_heard").len()
    };
    assert_eq!((count("true"), count("false")), (1, 2));
}

#[test]
fn plots_lie_relative_to_the_plan_and_name_their_series() {
    let plot = "x = 'loss'\nseries = 'receivers'\ny = ['completion_ms.max']\nlog_x = true";
    let mut plan = plan(plot).unwrap();
    let directory = tempfile::tempdir().unwrap();
    plan.path = directory.path().join("plans/plan.toml");
    plan.plots[0].file = "../plots/a.svg".into();
    std::fs::create_dir(directory.path().join("plans")).unwrap();
    write(&plan, &rows(&plan)).unwrap();
    let svg = std::fs::read_to_string(directory.path().join("plots/a.svg")).unwrap();
    for text in [
        "A plot",
        "loss, %",
        "completion_ms.max, receivers 8",
        "completion_ms.max, receivers 1",
    ] {
        assert!(svg.lines().any(|line| line.trim() == text), "{text}");
    }
}

#[test]
fn values_are_counted_in_the_units_of_their_flags() {
    for (value_name, text, expected) in [
        ("PERCENT", "0.5%", 0.5),
        ("SIZE", "512KiB", 0.5),
        ("RATE", "1gbit", 1000.0),
        ("TIME", "2s", 2000.0),
        ("N", "100", 100.0),
    ] {
        assert_eq!(number(value_name, text), Ok(expected), "{value_name}");
    }
    assert!(number("N", "inf").is_err());
}
