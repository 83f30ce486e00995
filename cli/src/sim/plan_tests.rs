//! Tests of plans.

use super::*;

/// A plan that lies nowhere.
pub(in crate::sim) fn parsed(text: &str) -> Result<Plan, String> {
    Plan::parse(Path::new("plan.toml"), text)
}

#[track_caller]
fn refused(text: &str, error: &str) {
    let got = parsed(text).map(|plan| plan.runs()).unwrap_err();
    assert!(got.contains(error), "{error:?} expected, got {got:?}");
}

#[test]
fn grids_become_every_combination_in_the_order_of_the_file() {
    let text = "repeat = 3\n[fixed]\nsize = '1MiB'\nreal-bytes = true\nno-suppression = false\n\
                [grid]\nrtt = ['10ms', '20ms']\nloss = ['0%', '1%', '5%']\n";
    let plan = parsed(text).unwrap();
    let rows: Vec<String> = plan
        .combinations
        .iter()
        .map(|row| row.values.iter().map(text_of).collect::<Vec<_>>().join(" "))
        .collect();
    let expected = [
        "10ms 0%", "10ms 1%", "10ms 5%", "20ms 0%", "20ms 1%", "20ms 5%",
    ];
    assert_eq!(rows, expected);
    assert_eq!(plan.runs(), 18);
    let last = &plan.combinations[5].args;
    assert_eq!((last.size, last.losses.loss), (1 << 20, 0.05));
    assert_eq!(last.rtt.as_millis(), 20);
    assert!(last.real_bytes && !last.no_suppression);
}

#[test]
fn a_plan_without_a_grid_is_one_run() {
    assert_eq!(parsed("").unwrap().runs(), 1);
}

#[test]
fn flags_that_repeat_take_arrays() {
    let plan = parsed("[fixed]\ndrop = ['0:1', '0:2']").unwrap();
    assert_eq!(plan.combinations[0].args.losses.drop.len(), 2);
    let plan = parsed("[grid]\ndrop = [['0:1', '0:2'], '0:3']").unwrap();
    let drops = |row: &Combination| row.args.losses.drop.len();
    let counts: Vec<_> = plan.combinations.iter().map(drops).collect();
    assert_eq!(counts, [2, 1]);
}

#[test]
fn every_flag_is_of_a_run_or_outside_and_conflicts_with_a_plan() {
    for flag in command().get_arguments() {
        let name = flag.get_long().expect("every flag is long");
        if OUTSIDE.contains(&name) {
            refused(&format!("[fixed]\n{name} = 1"), "cannot be set here");
            continue;
        }
        let value = match flag.get_value_names().map(|names| names[0].as_str()) {
            _ if !flag.get_action().takes_values() => "",
            Some("PERCENT") => "=1%",
            Some("SIZE") => "=1MiB",
            Some("RATE") => "=1gbit",
            Some("TIME") => "=1ms",
            Some("CODE") => "=gf8",
            Some("N:PERCENT") => "=1:1%",
            Some("BLOCK:ESI") => "=0:1",
            Some("RATE:SIZE") => "=1gbit:1MiB",
            Some("START+LENGTH") => "=1s+1s",
            Some("RECEIVER:RATE:SIZE") => "=0:1gbit:1MiB",
            Some("N+ABSENT") => "=1+0",
            Some("WHAT") => "=wait",
            _ => "=1",
        };
        let words = ["--plan=p".to_string(), format!("--{name}{value}")];
        let error = command().try_get_matches_from(words).unwrap_err();
        assert_eq!(
            error.kind(),
            clap::error::ErrorKind::ArgumentConflict,
            "{name}"
        );
    }
    let words = [
        "--plan=p",
        "--plots",
        "--json",
        "--jobs=2",
        "--progress=none",
    ];
    assert!(command().try_get_matches_from(words).is_ok());
    assert!(command().try_get_matches_from(["--plots"]).is_err());
}

#[test]
fn errors_name_the_key() {
    refused("[fixed]\nsise = 1", "[fixed] sise: unknown key");
    refused("[grid]\nhelp = [true]", "[grid] help: unknown key");
    refused("[grid]\nloss = []", "[grid] loss: at least one value");
    refused(
        "[grid]\nloss = '1%'",
        "[grid] loss: an array expected, got a string",
    );
    refused(
        "[fixed]\nloss = '1%'\n[grid]\nloss = ['1%']",
        "[grid] loss: also in [fixed]",
    );
    refused(
        "[fixed]\nloss = ['1%']",
        "[fixed] loss: a string or a number expected, got an array",
    );
    refused(
        "[fixed]\nreal-bytes = 'yes'",
        "[fixed] real-bytes: true or false expected",
    );
    refused(
        "[fixed]\nsize = true",
        "[fixed] size: a string or a number expected",
    );
    refused("repeat = 0", "repeat: at least 1 expected, got 0");
    refused(
        "repeat = 100001",
        "at most 100000 runs expected, got 100001",
    );
}

#[test]
fn errors_of_the_command_line_name_the_key() {
    refused(
        "[fixed]\nloss = 1",
        "[fixed] loss: invalid value '1' for '--loss <PERCENT>'",
    );
    refused(
        "[grid]\nrtt = ['1ms', '5']",
        "[grid] rtt: invalid value '5'",
    );
    refused("[grid]\nlanes = [1, 9]", "[grid] lanes: invalid value '9'");
    refused(
        "[fixed]\ngilbert-elliott = 3\nloss-step = '2%'",
        "cannot be used with",
    );
}

#[test]
fn errors_of_the_scenario_name_the_combination() {
    refused(
        "[grid]\nreceivers = [1, 0]\nlanes = [2]",
        "receivers 0: lanes 2: receivers: 1 to",
    );
}

#[test]
fn errors_of_the_file_name_the_line() {
    refused("repeat = 1\n[fixd]\n", "line 2: unknown field `fixd`");
    refused("repeat = \n", "line 1: ");
    refused("[[plot]]\nfile = 'a.svg'\n", "missing field `title`");
    refused("repeat = -1\n", "line 1: ");
}

#[test]
fn errors_name_the_file_and_are_usage() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("wrong.toml");
    let message = |path: &Path| Plan::read(path).unwrap_err().message;
    assert!(message(&path).contains("wrong.toml"));
    std::fs::write(&path, "repeat = 0").unwrap();
    assert!(message(&path).ends_with("wrong.toml: repeat: at least 1 expected, got 0"));
    let exit = Plan::read(&path).unwrap_err().exit;
    assert_eq!(exit as u8, linecast_net::command::Exit::Usage as u8);
}

#[test]
fn the_plans_of_the_repository_can_be_run() {
    let plans = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sim/plans");
    for (name, runs) in [("expansion.toml", 18), ("nacks.toml", 9)] {
        let plan = Plan::read(&plans.join(name)).unwrap();
        assert_eq!(plan.runs(), runs, "{name}");
        assert!(!plan.plots.is_empty(), "{name}");
    }
}
