//! What is made of an answer.

mod actions;
mod conditional;
mod formats;
mod retries;
mod selection;

use serde_json::Value;

use super::api::{Api, Reply};
use super::scene::Scene;

/// One resource `t` with these keys of `endpoint`, and one answer to whatever is asked.
fn one(reply: Reply, endpoint: &str) -> (Api, Scene) {
    let api = Api::start(move |_| reply.clone());
    let scene = resource(&api, endpoint);
    (api, scene)
}

/// One resource `t` with these keys of `endpoint`, single-paged unless they say otherwise.
fn resource(api: &Api, endpoint: &str) -> Scene {
    Scene::new(
        api,
        &format!(
            "[client]\npaginator = \"single_page\"\n[[resources]]\nname = \"t\"\n[resources.endpoint]\n{endpoint}"
        ),
    )
}

/// The first resource of a report.
fn outcome(report: &Value) -> &str {
    report["resources"][0]["outcome"].as_str().unwrap()
}

fn warnings(report: &Value) -> Vec<&str> {
    report["warnings"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect()
}
