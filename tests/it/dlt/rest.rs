//! The same config of a REST API, run by dlt and by forebay: the same tables, the same state, the same requests.
//!
//! The cases are the files of `tests/fixtures/rest`: what dlt's `rest_api` takes, as TOML, with jq in place of Python
//! functions. Both load each of them as often as [`CASES`] says from an API that has more in the later runs.

mod cases;
mod data;
mod server;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cases::{CASES, Case};
use serde_json::{Map, Value};

use super::scene::{Failure, Scene, Stage, output};
use crate::rest::api::{Api, Call};

/// Processes of dlt, which spends a good part of its time waiting.
const LOTS: usize = 3;

/// Headers that say how a program speaks HTTP, not what it wants.
const MANNERS: [&str; 6] =
    ["accept", "accept-encoding", "connection", "content-length", "host", "user-agent"];

#[test]
fn the_same_config_becomes_the_same_tables_state_and_requests() {
    let Some(stage) = Stage::on_duckdb() else { return };
    let scene = Scene::new(stage);
    let api = Api::start(server::answer);
    // For work on one of them.
    let wanted = std::env::var("FOREBAY_TEST_CASES").unwrap_or_default();
    let cases: Vec<&Case> = CASES.iter().filter(|case| case.name.contains(&wanted)).collect();
    for case in &cases {
        fs::create_dir(scene.path(case.name)).unwrap();
    }

    let (dlts, forebays) = std::thread::scope(|threads| {
        let lots = (0..LOTS).map(|lot| {
            let mut command = dlts_loads(&scene, &api.url(), cases.iter().skip(lot).step_by(LOTS));
            threads.spawn(move || read(output(&mut command)))
        });
        let lots: Vec<_> = lots.collect();
        let forebays: Vec<_> = cases.iter().map(|case| load(&scene, &api.url(), case)).collect();
        (lots.into_iter().flat_map(|lot| lot.join().unwrap()).collect::<Map<_, _>>(), forebays)
    });
    let mut problems = BTreeMap::new();
    for (case, forebays) in cases.iter().zip(forebays) {
        let dlts = dlts[case.name].as_str().map(|error| format!("dlt fails: {error}"));
        let failures: Vec<_> =
            [dlts, forebays.err().map(|failure| failure.0)].into_iter().flatten().collect();
        if !failures.is_empty() {
            problems.insert(case.name, failures.join("\n"));
        }
    }

    let loaded: Vec<_> = cases.iter().filter(|case| !problems.contains_key(case.name)).collect();
    let names: Vec<&str> = loaded.iter().map(|case| case.name).collect();
    let differences = read(output(scene.python("rest.py", "unused").arg("compare").args(names)));
    let calls = api.calls();
    for case in loaded {
        let tables = differences[case.name].as_str().map(str::to_owned);
        let found: Vec<_> = tables.into_iter().chain(other_requests(case, &calls)).collect();
        if !found.is_empty() {
            problems.insert(case.name, found.join("\n"));
        }
    }
    let report: Vec<_> = problems.iter().map(|(name, problem)| format!("== {name}\n{problem}")).collect();
    assert!(report.is_empty(), "{} of {} cases differ\n{}", report.len(), cases.len(), report.join("\n"));
}

#[test]
fn every_file_is_a_case() {
    let mut files: Vec<_> = fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    let mut names: Vec<_> = CASES.iter().map(|case| format!("{}.toml", case.name)).collect();
    names.sort();
    assert_eq!(files, names);
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rest")
}

/// The command that loads cases with dlt.
fn dlts_loads<'a>(scene: &Scene, url: &str, cases: impl Iterator<Item = &'a &'a Case>) -> Command {
    let mut command = scene.python("rest.py", "dlt-home");
    command.arg("load").arg(fixtures()).arg(url);
    command.args(cases.map(|case| format!("{}:{}", case.name, case.runs)));
    command
}

/// What `rest.py` printed: per case what went wrong.
fn read(printed: Result<String, Failure>) -> Map<String, Value> {
    let printed = printed.unwrap();
    serde_json::from_str(&printed).unwrap_or_else(|error| panic!("rest.py: {error}: {printed}"))
}

/// forebay's loads of one case.
fn load(scene: &Scene, url: &str, case: &Case) -> Result<(), Failure> {
    let folder = scene.path(case.name);
    let destination = format!("duckdb://{}", folder.join("forebay.duckdb").display());
    for run in 1..=case.runs {
        let mut command = scene.command(env!("CARGO_BIN_EXE_forebay"));
        command.args(["run", "--quiet", "--dataset", "data", "--destination", &destination, "--work-dir"]);
        command.arg(&folder).env("BASE_URL", format!("{url}/forebay/{}/{run}", case.name));
        command.args(["--set", &format!("pipeline.name={}", case.name), "--set", "pipeline.source=api"]);
        command.args(["--set", "client.rate_limits=[]"]);
        let loaded = output(command.arg(fixtures().join(format!("{}.toml", case.name))));
        let failure = |what: &str| Failure(format!("run {run}: {what}"));
        match (loaded, case.partial) {
            (Ok(_), None) => {}
            (Ok(_), Some(why)) => {
                return Err(failure(&format!("no resource is partial, and should be: {why}")));
            }
            (Err(said), Some(_)) if said.0.contains("(exit code 3)") => {}
            (Err(said), _) => return Err(failure(&said.0)),
        }
    }
    Ok(())
}

/// What one program sent and the other did not, unless the case has a reason for that.
fn other_requests(case: &Case, calls: &[Call]) -> Option<String> {
    let mut count: BTreeMap<String, i64> = BTreeMap::new();
    for (program, step) in [("dlt", 1), ("forebay", -1)] {
        let start = format!("/{program}/{}/", case.name);
        for call in calls {
            if let Some(rest) = call.path.strip_prefix(&start) {
                *count.entry(request(call, rest)).or_default() += step;
            }
        }
    }
    let others = count.iter().filter(|(_, count)| **count != 0);
    let line = |(request, count): (&String, &i64)| {
        let who = if *count > 0 { "dlt" } else { "forebay" };
        format!("requests: only {who}, {} times: {request}", count.abs())
    };
    let others: Vec<_> = others.map(line).collect();
    match case.other_requests {
        None => (!others.is_empty()).then(|| others.join("\n")),
        Some(_) if !others.is_empty() => None,
        Some(why) => Some(format!("the requests are dlt's, and should not be: {why}")),
    }
}

/// A request in one line: run and path, parameters in the order of their names, headers, body, the fields of a form in
/// that order, too.
fn request(call: &Call, path: &str) -> String {
    let sorted = |pairs: &[(String, String)]| {
        let mut pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.sort();
        pairs.join("&")
    };
    let is_own = |name: &str| !MANNERS.contains(&name) && (name != "content-type" || !call.body.is_empty());
    let headers = call.headers.iter().filter(|(name, _)| is_own(name));
    let headers: Vec<_> = headers.map(|(name, value)| format!("{name}: {value}")).collect();
    let body = match call.json() {
        Value::Null if call.header("content-type") == Some("application/x-www-form-urlencoded") => {
            sorted(&url::form_urlencoded::parse(call.body.as_bytes()).into_owned().collect::<Vec<_>>())
        }
        Value::Null => call.body.clone(),
        json => json.to_string(),
    };
    format!(
        "run {} {} {} {} {body}",
        path.replacen('/', " /", 1),
        call.method,
        sorted(&call.params),
        headers.join(", ")
    )
}
