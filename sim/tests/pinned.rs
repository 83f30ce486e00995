//! Scenarios that are kept by their content: what broke once, and what the
//! protocol does not withstand yet.

use linecast_sim::{Pinned, Scenario, random_scenario, run};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(folder);
    let entries = fs::read_dir(&folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn read(file: &Path) -> Pinned {
    let text = fs::read_to_string(file).unwrap();
    let pinned: Pinned =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    assert!(
        pinned.wrong.ends_with('.'),
        "{}: no sentence",
        file.display()
    );
    pinned
}

fn violations(pinned: &Pinned) -> Vec<String> {
    run(&pinned.scenario).unwrap().violation_list
}

#[test]
fn what_broke_once_holds() {
    let files = files("pinned");
    assert!(files.len() >= 17, "{} files", files.len());
    for file in files {
        let pinned = read(&file);
        let broken = violations(&pinned);
        assert_eq!(broken, [""; 0], "{}: {}", file.display(), pinned.wrong);
    }
}

/// Whoever mends one moves its file to `pinned` and takes its line out of
/// `NOT_YET`, so that it is drawn from then on.
#[test]
fn what_is_not_withstood_yet_is_shown() {
    for file in files("not_yet") {
        let pinned = read(&file);
        let broken = violations(&pinned);
        assert!(
            !broken.is_empty(),
            "mended, so move it to tests/pinned: {}",
            file.display()
        );
        assert_eq!(pinned.scenario.pardons, [""; 0], "{}", file.display());
    }
}

/// Every place in a JSON value, as the steps that lead there.
fn places(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let place = format!("{path}/{name}");
                places(field, &place, found);
                found.push(place);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                places(item, &format!("{path}/{at}"), found);
            }
        }
        _ => {}
    }
}

fn without(value: &Value, place: &str) -> Value {
    let (owner, name) = place.rsplit_once('/').unwrap();
    let mut value = value.clone();
    let owner = value.pointer_mut(owner).unwrap();
    owner.as_object_mut().unwrap().remove(name).unwrap();
    value
}

#[test]
fn a_field_that_is_missing_or_unknown_is_refused() {
    for seed in [1, 2, 5, 7, 34] {
        let scenario = serde_json::to_value(random_scenario(seed)).unwrap();
        let mut found = Vec::new();
        places(&scenario, "", &mut found);
        assert!(found.len() > 30);
        for place in found {
            let fewer = without(&scenario, &place);
            let read = serde_json::from_value::<Scenario>(fewer);
            assert!(read.is_err(), "seed {seed} is read without {place}");
            let mut more = scenario.clone();
            let (owner, _) = place.rsplit_once('/').unwrap();
            let fields = more.pointer_mut(owner).unwrap().as_object_mut().unwrap();
            fields.insert("unheard_of".into(), Value::Null);
            let read = serde_json::from_value::<Scenario>(more);
            assert!(
                read.is_err(),
                "seed {seed} is read with more beside {place}"
            );
        }
    }
}

#[test]
fn a_scenario_that_was_written_down_is_the_same_when_it_is_read() {
    for seed in 0..500 {
        let scenario = random_scenario(seed);
        let text = serde_json::to_string(&scenario).unwrap();
        let read: Scenario = serde_json::from_str(&text).unwrap();
        assert_eq!(read, scenario, "seed {seed}");
    }
}
