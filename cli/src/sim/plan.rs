//! Plans: experiments declared in TOML. What a plan sets are the flags of
//! `linecast sim`, read by the parser of the command line, so that a value means
//! the same in both and a new flag works in plans without a word here.

use super::Args;
use super::plot::Plot;
use crate::files;
use clap::error::{ContextKind, ContextValue};
use clap::{ArgAction, Args as _, Command, FromArgMatches as _};
use linecast_net::command::Failure;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::{Spanned, Value};

/// Most runs of one plan.
const RUNS_MAX: u64 = 100_000;

/// Flags that say what the command does with runs rather than what a run is.
const OUTSIDE: [&str; 10] = [
    "jobs",
    "json",
    "plan",
    "plots",
    "print-scenario",
    "progress",
    "random",
    "repeat",
    "scenario",
    "seeds",
];

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Declaration {
    #[serde(default = "once")]
    repeat: u64,
    #[serde(default)]
    fixed: Settings,
    #[serde(default)]
    grid: Settings,
    #[serde(default)]
    plot: Vec<Plot>,
}

/// Keys with their place in the file, which is the order of the columns.
type Settings = BTreeMap<Spanned<String>, Value>;

/// An experiment that can be run.
#[derive(Debug)]
pub(super) struct Plan {
    /// The file, which the plots lie relative to.
    pub(super) path: PathBuf,
    /// Runs of a combination, each with its own seed.
    pub(super) repeat: u64,
    /// What varies, the slowest first.
    pub(super) grid: Vec<Key>,
    /// Every combination of the grid's values.
    pub(super) combinations: Vec<Combination>,
    /// Plots to draw.
    pub(super) plots: Vec<Plot>,
}

/// A flag that varies.
#[derive(Debug)]
pub(super) struct Key {
    /// The flag without its dashes.
    pub(super) name: String,
    /// What the help calls its value, which tells its unit: `PERCENT`, `SIZE`.
    pub(super) value_name: String,
    /// Its values, in the order of the file.
    pub(super) values: Vec<Value>,
}

/// One row of the experiment.
#[derive(Debug)]
pub(super) struct Combination {
    /// One value for each key of the grid.
    pub(super) values: Vec<Value>,
    /// The command line that it stands for.
    pub(super) args: Args,
}

impl Plan {
    /// Reads and checks a plan; nothing is run before all of it is right.
    pub(super) fn read(path: &Path) -> Result<Plan, Failure> {
        let text = files::read_text("plan", path)?;
        Plan::parse(path, &text)
            .map_err(|error| Failure::usage(format!("plan {}: {error}", path.display())))
    }

    fn parse(path: &Path, text: &str) -> Result<Plan, String> {
        let declared: Declaration =
            toml::from_str(text).map_err(|error| syntax_error(text, &error))?;
        let command = command();
        let fixed = in_order(declared.fixed);
        let grid = grid(&command, in_order(declared.grid), &fixed)?;
        check_count(declared.repeat, &grid)?;
        let combinations = rows(&grid)
            .into_iter()
            .map(|values| combination(&command, &fixed, &grid, values))
            .collect::<Result<_, _>>()?;
        let plan = Plan {
            path: path.to_path_buf(),
            repeat: declared.repeat,
            grid,
            combinations,
            plots: declared.plot,
        };
        super::plot::check(&plan.plots, &plan.grid)?;
        Ok(plan)
    }

    /// Runs of the whole plan.
    pub(super) fn runs(&self) -> u64 {
        self.combinations.len() as u64 * self.repeat
    }
}

/// A value as it would be written on the command line.
pub(super) fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(on) => on.to_string(),
        Value::Array(values) => values.iter().map(text_of).collect::<Vec<_>>().join(","),
        Value::Datetime(_) | Value::Table(_) => kind(value),
    }
}

/// What a value is, with its article.
fn kind(value: &Value) -> String {
    let kind = value.type_str();
    let article = if kind.starts_with(['a', 'i']) {
        "an"
    } else {
        "a"
    };
    format!("{article} {kind}")
}

fn once() -> u64 {
    1
}

fn syntax_error(text: &str, error: &toml::de::Error) -> String {
    let line = |start: usize| text[..start].matches('\n').count() + 1;
    match error.span() {
        Some(span) => format!("line {}: {}", line(span.start), error.message()),
        None => error.message().to_string(),
    }
}

/// The parser of `linecast sim`, for words without a program's name.
fn command() -> Command {
    let command = Command::new("sim").no_binary_name(true);
    // Help is nothing that a run could be set to.
    Args::augment_args(command).disable_help_flag(true)
}

fn in_order(settings: Settings) -> Vec<(String, Value)> {
    let mut settings: Vec<_> = settings.into_iter().collect();
    settings.sort_by_key(|(key, _)| key.span().start);
    settings
        .into_iter()
        .map(|(key, value)| (key.into_inner(), value))
        .collect()
}

fn grid(
    command: &Command,
    declared: Vec<(String, Value)>,
    fixed: &[(String, Value)],
) -> Result<Vec<Key>, String> {
    let key = |(name, value): (String, Value)| {
        let flag = flag(command, &name).map_err(|error| format!("[grid] {name}: {error}"))?;
        if fixed.iter().any(|(other, _)| *other == name) {
            return Err(format!("[grid] {name}: also in [fixed]"));
        }
        let values = match value {
            Value::Array(values) if !values.is_empty() => values,
            Value::Array(_) => {
                return Err(format!(
                    "[grid] {name}: at least one value expected, got none"
                ));
            }
            other => {
                let got = kind(&other);
                return Err(format!("[grid] {name}: an array expected, got {got}"));
            }
        };
        let value_name = flag.get_value_names().and_then(|names| names.first());
        Ok(Key {
            name,
            value_name: value_name.map(ToString::to_string).unwrap_or_default(),
            values,
        })
    };
    declared.into_iter().map(key).collect()
}

fn check_count(repeat: u64, grid: &[Key]) -> Result<(), String> {
    if repeat == 0 {
        return Err("repeat: at least 1 expected, got 0".into());
    }
    let lengths = grid.iter().map(|key| key.values.len() as u64);
    let runs = lengths.fold(repeat, u64::saturating_mul);
    if runs > RUNS_MAX {
        return Err(format!("at most {RUNS_MAX} runs expected, got {runs}"));
    }
    Ok(())
}

/// Every combination; the last key varies first.
fn rows(grid: &[Key]) -> Vec<Vec<Value>> {
    grid.iter().fold(vec![Vec::new()], |rows, key| {
        let longer = |row: &Vec<Value>, value: &Value| {
            let mut row = row.clone();
            row.push(value.clone());
            row
        };
        rows.iter()
            .flat_map(|row| key.values.iter().map(move |value| longer(row, value)))
            .collect()
    })
}

fn combination(
    command: &Command,
    fixed: &[(String, Value)],
    grid: &[Key],
    values: Vec<Value>,
) -> Result<Combination, String> {
    let fixed = fixed.iter().map(|(name, value)| ("fixed", name, value));
    let varied = grid.iter().map(|key| &key.name).zip(&values);
    let varied = varied.map(|(name, value)| ("grid", name, value));
    let mut words = Vec::new();
    for (table, name, value) in fixed.chain(varied) {
        let flags = flags(command, name, value);
        words.extend(flags.map_err(|error| format!("[{table}] {name}: {error}"))?);
    }
    let matches = command.clone().try_get_matches_from(words);
    let args = matches
        .and_then(|matches| Args::from_arg_matches(&matches))
        .map_err(|error| refusal(grid, &error))?;
    // A value that the parser takes and no scenario may have is found here,
    // not after an hour of runs.
    if let Err(error) = args.scenario().check() {
        return Err(format!("{}{error}", place(grid, &values)));
    }
    Ok(Combination { values, args })
}

/// The combination as a prefix of errors.
fn place(grid: &[Key], values: &[Value]) -> String {
    let pairs = grid.iter().zip(values);
    pairs
        .map(|(key, value)| format!("{} {}: ", key.name, text_of(value)))
        .collect()
}

fn flag<'a>(command: &'a Command, name: &str) -> Result<&'a clap::Arg, String> {
    if OUTSIDE.contains(&name) {
        return Err("not a property of a run; it cannot be set here".into());
    }
    let mut flags = command.get_arguments();
    flags
        .find(|flag| flag.get_long() == Some(name))
        .ok_or_else(|| "unknown key; `linecast sim --help` lists the flags".into())
}

/// The words that set one flag.
fn flags(command: &Command, name: &str, value: &Value) -> Result<Vec<String>, String> {
    let word = |value: &Value| match value {
        Value::String(_) | Value::Integer(_) | Value::Float(_) => {
            Ok(format!("--{name}={}", text_of(value)))
        }
        other => Err(format!(
            "a string or a number expected, got {}",
            kind(other)
        )),
    };
    match (flag(command, name)?.get_action(), value) {
        (ArgAction::SetTrue, Value::Boolean(true)) => Ok(vec![format!("--{name}")]),
        (ArgAction::SetTrue, Value::Boolean(false)) => Ok(Vec::new()),
        (ArgAction::SetTrue, other) => {
            let got = kind(other);
            Err(format!("true or false expected, got {got}"))
        }
        (ArgAction::Append, Value::Array(values)) => values.iter().map(word).collect(),
        (_, value) => Ok(vec![word(value)?]),
    }
}

/// What the parser of the command line says, with the key that it is about.
fn refusal(grid: &[Key], error: &clap::Error) -> String {
    let rendered = error.to_string();
    // The paragraphs after the first advise on a command line that nobody wrote.
    let first = rendered.split("\n\n").next().unwrap_or_default();
    let lines: Vec<&str> = first.lines().map(str::trim).collect();
    let message = lines.join(" ");
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    let Some(ContextValue::String(flag)) = error.get(ContextKind::InvalidArg) else {
        return message.into();
    };
    let name = flag.trim_start_matches('-');
    let name = name.split([' ', '=']).next().unwrap_or_default();
    let varies = grid.iter().any(|key| key.name == name);
    let table = if varies { "grid" } else { "fixed" };
    format!("[{table}] {name}: {message}")
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;

#[cfg(test)]
pub(super) use tests::parsed;
