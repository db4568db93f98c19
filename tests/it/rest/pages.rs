//! How pages are gone through: APIs of all shapes in little, each with seven rows in pages of three.

mod auto;
mod links;
mod moved;
mod numbers;
mod rules;
mod shapes;
mod vendors;

use serde_json::{Value, json};

use super::api::{Api, Call, Reply};
use super::scene::Scene;
use crate::support::cli::Finished;

/// Rows that there are.
const TOTAL: usize = 7;

/// Rows of a page.
const SIZE: usize = 3;

/// At most `size` rows after the first `from`.
fn some(from: usize, size: usize) -> Vec<Value> {
    (from + 1..=TOTAL).take(size).map(|id| json!({ "id": id })).collect()
}

/// The rows of one page.
fn slice(from: usize) -> Vec<Value> {
    some(from, SIZE)
}

/// Whether there are rows after those of the page.
fn more(from: usize) -> bool {
    from + SIZE < TOTAL
}

/// The address of the API itself, with this path and query.
fn at(call: &Call, target: &str) -> String {
    format!("http://{}{target}", call.header("host").unwrap())
}

/// A config with one resource, `rows`, whose endpoint has these keys.
fn scene(api: &Api, endpoint: &str) -> Scene {
    Scene::new(api, &format!("[client]\n[[resources]]\nname = \"rows\"\n[resources.endpoint]\n{endpoint}\n"))
}

/// What was asked for: the query, decoded, and the body.
fn asked(api: &Api) -> Vec<String> {
    let query = |call: &Call| {
        let params: Vec<String> = call.params.iter().map(|(key, value)| format!("{key}={value}")).collect();
        params.join("&")
    };
    api.calls().iter().map(|call| [query(call), call.body.clone()].concat()).collect()
}

/// Loads all rows, each once, with exactly these requests.
fn check(answer: impl Fn(&Call) -> Reply + Send + Sync + 'static, endpoint: &str, requests: &[&str]) {
    let api = Api::start(answer);
    let scene = scene(&api, endpoint);
    scene.run_well();
    assert_eq!(asked(&api), requests, "{endpoint}");
    let ids: Vec<usize> = (1..=TOTAL).collect();
    assert_eq!(scene.column("rows", "id"), ids, "{endpoint}");
}

/// A run that does not end well, and what it said.
fn ends(answer: impl Fn(&Call) -> Reply + Send + Sync + 'static, endpoint: &str, code: i32, said: &[&str]) {
    let api = Api::start(answer);
    let Finished { code: ended, stderr, stdout } = scene(&api, endpoint).run(&[]);
    assert_eq!(ended, Some(code), "{stderr}{stdout}");
    for text in said {
        assert!(stderr.contains(text) || stdout.contains(text), "no `{text}` in: {stderr}{stdout}");
    }
}
