//! What dlt fails on, or loses something of, and forebay does not: the cases of `tests/dlt/better.txt`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::documents::{self, Case, Documents};
use super::scene::{Scene, Stage};

/// The cases for the engine of a stage, and what is in the table of each at the end.
fn cases(stage: Stage) -> (Vec<Case>, BTreeMap<String, Value>) {
    let (mut documents, mut expected) = (String::new(), Vec::new());
    for line in include_str!("../../dlt/better.txt").lines().filter(|line| !line.starts_with('#')) {
        let (document, rows) = line.split_once(" => ").unwrap_or((line, ""));
        documents.extend([document, "\n"]);
        if !rows.is_empty() {
            let rows: Value =
                serde_json::from_str(rows).unwrap_or_else(|error| panic!("{error} in `{line}`"));
            expected.push(rows);
        }
    }
    let cases = documents::parse(&documents);
    assert_eq!(cases.len(), expected.len(), "each case has its rows behind `=>`");
    let expected = cases.iter().zip(expected).filter(|(case, _)| case.is_for(stage));
    let expected = expected.map(|(case, rows)| (case.name.clone(), rows)).collect();
    (documents::of_engine(cases, stage), expected)
}

pub(super) fn check(stage: Stage) {
    let (cases, expected) = cases(stage);
    let documents = Documents::serve(&cases);
    let scene = Scene::new(stage);
    let mut dlts: BTreeMap<String, Value> = BTreeMap::new();
    for run in 0..documents::run_count(&cases) {
        documents.set_run(run);
        let resources = documents::resources(&documents::of_run(&cases, run));
        scene.configure(&super::config("better", &documents.url(), &resources));
        scene.forebay("forebay").unwrap();
        let found = scene.script("better.py", "dlt-home", "dlts", &[]).unwrap();
        for (name, outcome) in found.as_object().unwrap() {
            // What failed once is not made good by a run after it.
            if dlts.get(name).is_none_or(|earlier| earlier.get("error").is_none()) {
                dlts.insert(name.clone(), outcome.clone());
            }
        }
    }
    let found = scene.script("better.py", "reader-home", "forebay", &["--read"]).unwrap();
    let mut wrong = String::new();
    for (name, rows) in &expected {
        let (forebays, dlts) = (&found[name]["rows"], &dlts[name]);
        if forebays != rows {
            wrong += &format!("{name} => {forebays}\n    dlt: {dlts}\n");
        }
        if dlts["rows"] == *rows {
            wrong += &format!("{name}: dlt gets there, too\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
