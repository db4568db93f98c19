//! Documents that dlt and forebay load side by side, and an API that serves them to the byte.

use std::collections::HashMap;
use std::fmt;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use axum::Router;
use axum::extract::{Path as UrlPath, Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::scene::{Failure, Scene, Stage};

/// One table and what is loaded into it.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) write_disposition: Value,
    /// The only engine that it is for, by dlt's name.
    pub(super) engine: Option<String>,
    /// Further settings of the resource.
    pub(super) settings: Vec<(String, Value)>,
    pub(super) runs: Vec<Pages>,
}

impl Case {
    /// Whether it is for the engine of a stage.
    pub(super) fn is_for(&self, stage: Stage) -> bool {
        self.engine.as_ref().is_none_or(|engine| engine == stage.engine())
    }
}

/// Per page, its rows as JSON text.
pub(super) type Pages = Vec<Vec<String>>;

/// The case as a line of `tests/dlt/documents.txt`, pages joined.
impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.name)?;
        match &self.write_disposition {
            Value::String(word) => write!(f, "{word}")?,
            settings => write!(f, "{settings}")?,
        }
        if let Some(engine) = &self.engine {
            write!(f, " engine={engine}")?;
        }
        for (name, value) in &self.settings {
            write!(f, " {name}={value}")?;
        }
        for (run, pages) in self.runs.iter().enumerate() {
            let lead = if run == 0 { " " } else { "    " };
            writeln!(f, "{lead}[{}]", pages.concat().join(","))?;
        }
        Ok(())
    }
}

/// The cases of `tests/dlt/documents.txt` for the engine of a stage.
pub(super) fn by_hand(stage: Stage) -> Vec<Case> {
    of_engine(parse(include_str!("../../dlt/documents.txt")), stage)
}

/// The cases for the engine of a stage.
pub(super) fn of_engine(mut cases: Vec<Case>, stage: Stage) -> Vec<Case> {
    cases.retain(|case| case.is_for(stage));
    cases
}

/// Reads lines as those of `tests/dlt/documents.txt`.
pub(super) fn parse(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let (head, rows) = line.split_at(line.find(" [").unwrap_or_else(|| panic!("no rows in `{line}`")));
        let page = match serde_json::from_str::<Vec<&serde_json::value::RawValue>>(rows) {
            Ok(rows) => rows.iter().map(|row| row.get().to_owned()).collect(),
            // Python's way to write a float is no JSON: all of it is one piece then.
            Err(_) if rows.contains("NaN") => vec![rows.trim().trim_matches(['[', ']']).to_owned()],
            Err(error) => panic!("{error} in `{line}`"),
        };
        match head.split_whitespace().collect::<Vec<_>>()[..] {
            [name, write_disposition, ref settings @ ..] => {
                let engine = settings.iter().find_map(|setting| setting.strip_prefix("engine="));
                let others = settings.iter().filter(|setting| !setting.starts_with("engine="));
                cases.push(Case {
                    name: name.to_owned(),
                    write_disposition: json_or(write_disposition, |word| json!(word)),
                    engine: engine.map(str::to_owned),
                    settings: others.map(|setting| parse_setting(setting)).collect(),
                    runs: vec![vec![page]],
                });
            }
            [] => cases.last_mut().expect("a case comes before its later runs").runs.push(vec![page]),
            _ => panic!("neither a name and a write disposition nor an indented line: `{line}`"),
        }
    }
    cases
}

/// `name=value`: JSON, or names with commas between them.
fn parse_setting(setting: &str) -> (String, Value) {
    let (name, value) = setting.split_once('=').unwrap_or_else(|| panic!("no value in `{setting}`"));
    (name.to_owned(), json_or(value, |names| names.split(',').collect()))
}

fn json_or(text: &str, otherwise: impl Fn(&str) -> Value) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| otherwise(text))
}

/// The resources of a config file that load these cases.
pub(super) fn resources(cases: &[Case]) -> Value {
    let resource = |case: &Case| {
        let mut resource = json!({
            "name": case.name,
            "write_disposition": case.write_disposition,
            "endpoint": {
                // What is no letter of a path has to be written as it travels.
                "path": reqwest::Url::parse("http://host").unwrap().join(&case.name).unwrap().path(),
                "data_selector": "data",
                "paginator": { "type": "cursor", "cursor_path": "next", "cursor_param": "page" },
            },
        });
        for (name, value) in &case.settings {
            resource[name] = value.clone();
        }
        resource
    };
    cases.iter().map(resource).collect()
}

/// The number of runs after which all documents were served.
pub(super) fn run_count(cases: &[Case]) -> usize {
    cases.iter().map(|case| case.runs.len()).max().unwrap_or(0)
}

/// The cases that have documents in this run, be it none.
pub(super) fn of_run(cases: &[Case], run: usize) -> Vec<Case> {
    cases.iter().filter(|case| run < case.runs.len()).cloned().collect()
}

/// Loads the cases with both programs, run after run, and compares what they made of them. A run is for the cases that
/// have documents in it: any other costs dlt almost as much.
///
/// # Errors
/// One of them fails, or there is a difference.
pub(super) fn compare(stage: Stage, cases: &[Case]) -> Result<(), Failure> {
    let documents = Documents::serve(cases);
    let scene = Scene::new(stage);
    for run in 0..run_count(cases) {
        documents.set_run(run);
        let resources = resources(&of_run(cases, run));
        scene.configure(&super::config("documents", &documents.url(), &resources));
        scene.script("load.py", "dlt-home", "dlt", &[])?;
        scene.forebay("forebay")?;
    }
    scene.compare("documents_data", "dlt", "forebay")
}

/// Serves the documents of one run at `/<case>`, on a loopback port; dropping it closes that.
pub(super) struct Documents {
    address: SocketAddr,
    served: Arc<Served>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Served {
    cases: HashMap<String, Case>,
    run: AtomicUsize,
}

impl Documents {
    pub(super) fn serve(cases: &[Case]) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let cases = cases.iter().map(|case| (case.name.clone(), case.clone())).collect();
        let served = Arc::new(Served { cases, run: AtomicUsize::new(0) });
        let router =
            Router::new().route("/{case}", axum::routing::get(answer)).with_state(Arc::clone(&served));
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    served = axum::serve(listener, router) => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self { address, served, stop: Some(stop), thread: Some(thread) }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Goes over to the documents of this run, counted from 0.
    pub(super) fn set_run(&self, run: usize) {
        self.served.run.store(run, Ordering::SeqCst);
    }
}

impl Drop for Documents {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn answer(
    State(served): State<Arc<Served>>,
    UrlPath(name): UrlPath<String>,
    Query(params): Query<HashMap<String, usize>>,
) -> impl IntoResponse {
    let case = &served.cases[&name];
    let page = params.get("page").copied().unwrap_or(0);
    let pages = case.runs.get(served.run.load(Ordering::SeqCst)).map_or(&[][..], Vec::as_slice);
    let rows = pages.get(page).map_or_else(String::new, |rows| rows.join(","));
    let next = if page + 1 < pages.len() { json!(page + 1) } else { Value::Null };
    ([(CONTENT_TYPE, "application/json")], format!(r#"{{"data":[{rows}],"next":{next}}}"#))
}
