//! Keys that an API wants in its addresses, parameters and bodies are in the requests and nowhere else.

use std::fs;
use std::process::Output;

use serde_json::{Value, json};

use super::api::{Api, Call, Reply};
use super::scene::{Scene, rows};

/// With what URLs and JSON escape.
const KEY: &str = "1234:S3CRET/a\"b c+d";

/// In each form of it, also where it is cut.
const TRACE: &str = "S3CRET";

/// Everything a run of this scene leaves and says, at the log's most talkative.
fn ran(scene: &Scene, command: &str, args: &[&str]) -> Output {
    let output = scene.workspace.command(command, args).env("FOREBAY_LOG", "trace").output().unwrap();
    for bytes in [&output.stdout, &output.stderr] {
        let text = String::from_utf8_lossy(bytes);
        assert!(!text.contains(TRACE), "{text}");
    }
    assert!(!scene.keeps(TRACE), "a file has the key");
    output
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// An API that repeats in its links and errors what it was asked, and breaks at the third page.
fn talkative() -> Api {
    Api::start(|call: &Call| {
        let page = call.number_param("page").unwrap_or(1);
        let asked = json!([call.path, call.query, call.body, call.params]).to_string();
        if page == 3 {
            return Reply::json(&json!({ "message": format!("no such thing: {asked}") })).status(503);
        }
        let query: Vec<_> = call.query.split('&').filter(|pair| !pair.starts_with("page=")).collect();
        let query = format!("{}&page={}", query.join("&"), page + 1);
        let next = format!("{}?{}", call.path, query.trim_start_matches('&'));
        Reply::json(&json!({ "next": next, "data": [{ "id": page }] }))
    })
}

fn scene(api: &Api, resource: &str) -> Scene {
    let mut scene = Scene::new(api, &format!("[[resources]]\nname = \"m\"\n{resource}"));
    // With a quota, so that there is a file of it.
    scene.workspace = scene.workspace.with_set("client.rate_limits=[\"1000/s\"]");
    scene.workspace = scene.workspace.with_env("BOT_TOKEN", KEY).with_env("WHO", KEY);
    scene
}

#[test]
fn a_key_in_an_address_a_parameter_or_a_body_is_nowhere_but_in_the_requests() {
    let link = "paginator = { type = \"json_link\", next_url_path = \"next\" }";
    let kept = tempfile::NamedTempFile::new().unwrap();
    fs::write(kept.path(), KEY).unwrap();
    let file = kept.path().display();
    for endpoint in [
        format!("path = \"bot${{BOT_TOKEN}}/get\", {link}"),
        format!("path = \"get/${{file:{file}}}\", {link}"),
        format!("path = \"get\", params = {{ who = \"${{BOT_TOKEN}}\" }}, {link}"),
        format!("path = \"get\", headers = {{ X-Who = \"${{BOT_TOKEN}}\" }}, {link}"),
        format!("path = \"get\", method = \"POST\", json = {{ a = {{ who = \"${{BOT_TOKEN}}\" }} }}, {link}"),
        format!("path = \"get\", method = \"POST\", data = {{ who = \"${{file:{file}}}\" }}, {link}"),
        // How it pages is found out, and what is secret by the parameter's name.
        "path = \"get\", params = { apiKey = \"${WHO}\" }".to_owned(),
    ] {
        let api = talkative();
        let config = format!("endpoint = {{ {endpoint} }}");
        let scene = scene(&api, &config);
        let first = ran(&scene, "run", &["--format", "json"]);
        assert_eq!(first.status.code(), Some(1), "{endpoint}\n{}", said(&first));
        assert!(said(&first).contains("no such thing"), "{}", said(&first));
        // It goes on with what it kept of the address.
        let second = ran(&scene, "run", &[]);
        assert!(said(&second).contains("page=3"), "{endpoint}\n{}", said(&second));
        let calls = api.calls();
        let pages: Vec<_> = calls.iter().map(|call| call.number_param("page").unwrap_or(1)).collect();
        assert_eq!(pages, [1, 2, 3, 3, 3, 3, 3, 3], "{endpoint}");
        for call in &calls[1..] {
            let same = |call: &Call| {
                let params: Vec<_> = call.params.iter().filter(|(name, _)| name != "page").cloned().collect();
                (call.path.clone(), params, call.header("x-who").map(str::to_owned), call.body.clone())
            };
            assert_eq!(same(call), same(&calls[0]), "{endpoint}");
        }
        ran(&scene, "check", &["--online"]);
        ran(&scene, "preview", &["-r", "m"]);
        ran(&scene, "status", &[]);
    }
}

#[test]
fn a_key_in_the_base_url_is_nowhere_but_in_the_requests() {
    let api = talkative();
    let scene = scene(&api, "endpoint = { paginator = \"json_link\" }");
    let base_url = format!("client.base_url={}/bot${{BOT_TOKEN}}", api.url());
    let scene = Scene { workspace: scene.workspace.with_set(&base_url) };
    let output = ran(&scene, "run", &[]);
    assert!(said(&output).contains("/bot***/m?page=3 failed"), "{}", said(&output));
    assert_eq!(api.calls()[2].path, "/bot1234:S3CRET/a%22b%20c+d/m");
    for wrong in ["client.base_url=ftp://a.test/${BOT_TOKEN}", "resources.m.endpoint.path=//${BOT_TOKEN}?"] {
        let scene = Scene { workspace: Scene::new(&api, "[[resources]]\nname = \"m\"\n").workspace };
        let scene = Scene { workspace: scene.workspace.with_env("BOT_TOKEN", KEY).with_set(wrong) };
        assert_eq!(ran(&scene, "check", &["--format", "json"]).status.code(), Some(2));
    }
}

#[test]
fn what_is_no_secret_is_shown_as_it_is() {
    let api = Api::start(|_| Reply::json(&json!({ "message": "no customers in eu-central-1" })).status(400));
    let config = "[[resources]]\nname = \"customers\"\nendpoint = { path = \"${REGION}/customers\", params = { page_token = \"${PAGE_KEY}\" } }\n";
    let scene = Scene::new(&api, config);
    let workspace = scene.workspace.with_env("REGION", "eu-central-1").with_env("PAGE_KEY", "custom");
    let finished = workspace.run(&[]);
    finished.expect_said("/eu-central-1/customers?page_token=custom failed");
    finished.expect_said("no customers in eu-central-1");
}

#[test]
fn a_key_with_braces_in_a_form_is_no_placeholder() {
    let api = Api::start(|_| Reply::json(&Value::from(rows(1))));
    let config = "[[resources]]\nname = \"m\"\nendpoint = { method = \"POST\", data = { key = \"${FORM_KEY}\" }, paginator = \"single_page\" }\n";
    let scene = Scene::new(&api, config);
    let scene = Scene { workspace: scene.workspace.with_env("FORM_KEY", "a{b}c{resources.x.y}") };
    scene.run_well();
    assert_eq!(api.calls()[0].body, "key=a%7Bb%7Dc%7Bresources.x.y%7D");
}
