//! The cases of `tests/dlt/documents.txt`, and an API that serves them to the byte.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde_json::{Value, json};
use tokio::sync::oneshot;

/// One table and what is loaded into it.
#[derive(Debug)]
struct Case {
    name: &'static str,
    write_disposition: Value,
    /// Further settings of the resource.
    settings: Vec<(&'static str, Value)>,
    /// Per run, the rows as JSON text.
    runs: Vec<&'static str>,
}

fn cases() -> &'static [Case] {
    static CASES: OnceLock<Vec<Case>> = OnceLock::new();
    CASES.get_or_init(|| parse(include_str!("../../dlt/documents.txt")))
}

fn parse(text: &'static str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        let (head, rows) = line.split_once(" [").unwrap_or_else(|| panic!("no rows in `{line}`"));
        let rows = &line[line.len() - rows.len() - 1..];
        serde_json::from_str::<Vec<Value>>(rows).unwrap_or_else(|error| panic!("{error} in `{line}`"));
        match head.split_whitespace().collect::<Vec<_>>()[..] {
            [name, write_disposition, ref settings @ ..] => {
                let settings = settings.iter().map(|setting| parse_setting(setting)).collect();
                cases.push(Case {
                    name,
                    write_disposition: parse_value(write_disposition),
                    settings,
                    runs: vec![rows],
                });
            }
            [] => cases.last_mut().expect("a case comes before its later runs").runs.push(rows),
            _ => panic!("neither a name and a write disposition nor an indented line: `{line}`"),
        }
    }
    cases
}

/// `name=value`: JSON, or names with commas between them.
fn parse_setting(setting: &'static str) -> (&'static str, Value) {
    let (name, value) = setting.split_once('=').unwrap_or_else(|| panic!("no value in `{setting}`"));
    (name, serde_json::from_str(value).unwrap_or_else(|_| value.split(',').collect()))
}

/// JSON, or a word as it stands.
fn parse_value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!(text))
}

/// The resources of a config file that load all cases.
pub(super) fn resources() -> Value {
    let resource = |case: &Case| {
        let mut resource = json!({
            "name": case.name,
            "write_disposition": case.write_disposition,
            "endpoint": { "path": case.name, "data_selector": "data", "paginator": "single_page" },
        });
        for (name, value) in &case.settings {
            resource[*name] = value.clone();
        }
        resource
    };
    cases().iter().map(resource).collect()
}

/// The number of runs after which all documents were served.
pub(super) fn run_count() -> usize {
    cases().iter().map(|case| case.runs.len()).max().unwrap_or(0)
}

/// Serves the documents of one run at `/<case>`, on a loopback port; dropping it closes that.
pub(super) struct Documents {
    address: SocketAddr,
    run: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Documents {
    pub(super) fn serve() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let run = Arc::new(AtomicUsize::new(0));
        let router = Router::new().route("/{case}", axum::routing::get(answer)).with_state(Arc::clone(&run));
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
        Self { address, run, stop: Some(stop), thread: Some(thread) }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Goes over to the documents of this run, counted from 0.
    pub(super) fn set_run(&self, run: usize) {
        self.run.store(run, Ordering::SeqCst);
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

async fn answer(State(run): State<Arc<AtomicUsize>>, Path(name): Path<String>) -> impl IntoResponse {
    let case = cases().iter().find(|case| case.name == name).expect("only cases are asked for");
    let rows = case.runs.get(run.load(Ordering::SeqCst)).copied().unwrap_or("[]");
    ([(CONTENT_TYPE, "application/json")], format!(r#"{{"data":{rows}}}"#))
}
