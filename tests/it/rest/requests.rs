//! What is sent.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use super::api::{Api, Call, Reply};
use super::scene::{Scene, rows};
use crate::support::cli::Workspace;

#[test]
fn a_resource_is_asked_for_by_its_name() {
    let api = Api::start(|_| Reply::json(&json!({ "data": rows(3) })));
    let scene = Scene::new(
        &api,
        r#"
        [client]
        paginator = "single_page"
        [[resources]]
        name = "members"
        endpoint = { params = { limit = 3 } }
        "#,
    );
    scene.run_well();
    assert_eq!(api.targets(), ["/members?limit=3"]);
    assert_eq!(scene.column("members", "id"), [1, 2, 3]);
}

/// dlt's `join_url`: one slash between, an empty path is the base, an absolute one stands alone.
#[test]
fn paths_are_joined_to_the_base_as_in_dlt() {
    let api = Api::start(|_| Reply::json(&json!(rows(1))));
    let check = |base: &str, path: &str, expected: &str| {
        let config = format!(
            "[client]\npaginator = \"single_page\"\n[[resources]]\nname = \"m\"\nendpoint = \"{path}\"\n"
        );
        let scene = Scene::new(&api, &config);
        scene.workspace.run_well(&["--set", &format!("client.base_url={base}")]);
        assert_eq!(api.targets().pop().unwrap(), expected, "{base} {path}");
    };
    let url = api.url();
    check(&format!("{url}/v1"), "members", "/v1/members");
    check(&format!("{url}/v1/"), "/members", "/v1/members");
    check(&format!("{url}/v1/"), "members/", "/v1/members/");
    check(&format!("{url}/v1"), "", "/v1");
    check("https://elsewhere.invalid/v1", &format!("{url}/v2/members"), "/v2/members");
}

/// Shallow but for `params` and `json`; headers over the client's, auth and the rest in place of it.
#[test]
fn defaults_and_the_client_are_merged_into_a_request_as_in_dlt() {
    let api = Api::start(|_| Reply::json(&json!(rows(1))));
    let scene = Scene::new(
        &api,
        r#"
        [client]
        paginator = "single_page"
        headers = { X-Client = "c", X-Both = "client" }
        auth = { token = "client-token" }
        [resource_defaults.endpoint]
        method = "post"
        params = { a = "default", b = "default" }
        json = { a = { deep = 1 }, b = 2 }
        headers = { X-Default = "d", X-Both = "default" }
        [[resources]]
        name = "own"
        [resources.endpoint]
        params = { b = "own", c = ["1", "2"] }
        json = { a = { other = 3 }, c = 4 }
        headers = { X-Both = "own" }
        auth = { token = "own-token" }
        [[resources]]
        name = "inherits"
        "#,
    );
    scene.run_well();
    let calls = api.calls();
    let call = |path: &str| calls.iter().find(|call| call.path == path).unwrap().clone();
    let (own, inherits) = (call("/own"), call("/inherits"));
    assert_eq!((own.method.as_str(), own.query.as_str()), ("POST", "a=default&b=own&c=1&c=2"));
    assert_eq!(own.json(), json!({"a": {"other": 3}, "b": 2, "c": 4}));
    let headers = |call: &Call| {
        ["x-client", "x-both", "x-default", "authorization"]
            .map(|name| call.header(name).unwrap_or("-").to_owned())
    };
    assert_eq!(headers(&own), ["c", "own", "-", "Bearer own-token"]);
    assert_eq!(inherits.query, "a=default&b=default");
    assert_eq!(inherits.json(), json!({"a": {"deep": 1}, "b": 2}));
    assert_eq!(headers(&inherits), ["c", "default", "d", "Bearer client-token"]);
}

#[test]
fn bodies_are_sent_as_requests_sends_them() {
    let api = Api::start(|_| Reply::json(&json!(rows(1))));
    let check = |endpoint: &str, expected: (&str, &str, Option<&str>)| {
        let config = format!(
            "[client]\npaginator = \"single_page\"\n[[resources]]\nname = \"m\"\nendpoint = {{ path = \"m\", {endpoint} }}\n"
        );
        Scene::new(&api, &config).run_well();
        let call = api.calls().pop().unwrap();
        let sent = (call.method.as_str(), call.body.as_str(), call.header("content-type"));
        assert_eq!(sent, expected, "{endpoint}");
    };
    let form = Some("application/x-www-form-urlencoded");
    check(
        "method = \"POST\", data = { a = \"x y\", b = [1, true], c = 1.0 }",
        ("POST", "a=x+y&b=1&b=true&c=1.0", form),
    );
    check("method = \"POST\", data = \"<a/>\"", ("POST", "<a/>", None));
    check(
        "method = \"Post\", data = \"{{}}\", headers = { content-type = \"text/x\" }",
        ("POST", "{}", Some("text/x")),
    );
    check("method = \"GET\", json = { a = 1 }", ("GET", "{\"a\":1}", Some("application/json")));
    check("json = {}", ("GET", "{}", Some("application/json")));
}

const CHANGES: &str = r#"
[client]
paginator = "single_page"

[[resources]]
name = "members"

[[resources]]
name = "add_plan"
endpoint = { path = "members/{resources.members.id}/add-plan", method = "POST", mutates = true, json = { plan = "p" } }

[[resources]]
name = "log"
endpoint = "log/{resources.add_plan.done}"
"#;

fn members_or_changes(call: &Call) -> Reply {
    match call.path.rsplit('/').next() {
        Some("members") => Reply::json(&json!(rows(3))),
        Some("add-plan") => Reply::json(&json!([{ "done": call.path }])),
        _ => Reply::json(&json!([{ "id": 1 }])),
    }
}

#[test]
fn what_changes_data_runs_only_if_it_is_named() {
    let api = Api::start(members_or_changes);
    let scene = Scene::new(&api, CHANGES);
    scene.run_well();
    assert_eq!(api.targets(), ["/members"]);

    let check = scene.workspace.command("check", &[]).output().unwrap();
    let said = String::from_utf8(check.stdout).unwrap();
    assert!(said.contains("runs members\n") && said.contains("not selected: log\n"), "{said}");
    assert!(said.contains("changes data, runs only if named with --resource: add_plan\n"), "{said}");

    let child_alone = scene.run(&["--resource", "log"]);
    child_alone.expect_code(2);
    child_alone
        .expect_said("resource `log` takes values from `add_plan`, which changes data and was not named");
    child_alone.expect_said("--resource add_plan");
    let preview = scene.workspace.command("preview", &["--resource", "add_plan"]).output().unwrap();
    assert_eq!(preview.status.code(), Some(2));
    assert!(String::from_utf8(preview.stderr).unwrap().contains("resource `add_plan` changes data"));
    assert_eq!(api.calls().len(), 1, "nothing of all this was sent");

    scene.workspace.run_well(&["--resource", "add_plan", "--resource", "log"]);
    let changes: Vec<_> =
        api.calls().into_iter().filter(|call| call.method == "POST").map(|call| call.path).collect();
    assert_eq!(
        changes,
        ["/members/1/add-plan", "/members/2/add-plan", "/members/3/add-plan"],
        "one after the other"
    );
    assert_eq!((scene.db().count("add_plan"), scene.db().count("log")), (3, 3));
}

#[test]
fn every_method_is_sent() {
    let api = Api::start(|_| Reply::json(&json!(rows(1))));
    for method in ["put", "PATCH", "Delete"] {
        let config = format!(
            "[client]\npaginator = \"single_page\"\n[[resources]]\nname = \"m\"\nendpoint = {{ path = \"m\", method = \"{method}\", mutates = true }}\n"
        );
        let scene = Scene::new(&api, &config);
        scene.workspace.run_well(&["--resource", "m"]);
        let call = api.calls().pop().unwrap();
        assert_eq!(call.method, method.to_uppercase());
        assert!(call.header("idempotency-key").is_some(), "{method}");
    }
}

/// Else a deletion would turn into a look, and nobody would know.
#[test]
fn a_change_that_is_redirected_stays_a_change() {
    let check = |method: &str, status: u16, expected: &str| {
        let api = Api::start(move |call| match call.path.as_str() {
            "/old" => Reply::empty(status).with("location", "/new"),
            _ => Reply::json(&json!(rows(1))),
        });
        let config = format!(
            "[client]\npaginator = \"single_page\"\n[[resources]]\nname = \"m\"\nendpoint = {{ path = \"old\", method = \"{method}\", mutates = true, json = {{ a = 1 }} }}\n"
        );
        Scene::new(&api, &config).workspace.run_well(&["--resource", "m"]);
        let call = api.calls().pop().unwrap();
        assert_eq!(format!("{} {} {}", call.method, call.path, call.body), expected, "{method} {status}");
    };
    check("DELETE", 301, "DELETE /new {\"a\":1}");
    check("PUT", 302, "PUT /new {\"a\":1}");
    check("PATCH", 308, "PATCH /new {\"a\":1}");
    check("PUT", 303, "GET /new ");
    check("POST", 302, "GET /new ");
    check("POST", 307, "POST /new {\"a\":1}");
}

fn keys(calls: &[Call]) -> Vec<String> {
    let changes = calls.iter().filter(|call| call.method == "POST");
    changes.map(|call| call.header("idempotency-key").unwrap().to_owned()).collect()
}

/// The key is one for all attempts at a request, and another one for each row of the parent and each run.
#[test]
fn a_repeated_request_has_the_same_key() {
    let api = Api::start(|call| {
        let reply = members_or_changes(call);
        if call.method == "POST" && call.number % 2 == 1 { reply.status(503) } else { reply }
    });
    let scene = Scene::new(&api, CHANGES);
    scene.workspace.run_well(&["--resource", "add_plan"]);
    let first = keys(&api.calls());
    assert_eq!(first.len(), 6, "each was tried twice");
    for (row, attempts) in first.chunks(2).enumerate() {
        assert_eq!(attempts[0], attempts[1], "row {row}");
        assert!(attempts[0].len() == 36 && attempts[0].as_bytes()[14] == b'4', "{}", attempts[0]);
    }
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 3);
    let before = api.calls().len();
    scene.workspace.run_well(&["--resource", "add_plan"]);
    let second = keys(&api.calls()[before..]);
    assert!(second.iter().all(|key| !first.contains(key)), "another run makes other changes");
}

#[test]
fn a_request_that_is_taken_up_again_has_the_same_key() {
    let is_cut = Arc::new(AtomicBool::new(true));
    let held = Arc::clone(&is_cut);
    let api = Api::start(move |call| {
        let reply = members_or_changes(call);
        let is_held = call.path.contains("/2/") && held.load(Ordering::Relaxed);
        if is_held { reply.when(|_| false) } else { reply }
    });
    let scene = Scene::new(&api, CHANGES);
    let run = scene.workspace.start(&["--resource", "add_plan"]);
    api.wait_until(|calls| calls.iter().any(|call| call.path.contains("/2/")));
    run.kill();
    is_cut.store(false, Ordering::Relaxed);

    let unnamed = scene.run(&[]);
    unnamed.expect_code(1);
    unnamed.expect_said("`add_plan` was changing data when it was cut");
    assert_eq!(api.calls().len(), 3, "a run that does not name the change leaves it alone");

    // What others load meanwhile gives the package a later id.
    let elsewhere = scene.workspace.path("elsewhere");
    scene.workspace.run_well(&["--work-dir", elsewhere.to_str().unwrap()]);
    scene.workspace.run_well(&["--resource", "add_plan"]);
    let calls: Vec<_> = api.calls().into_iter().filter(|call| call.method == "POST").collect();
    let paths: Vec<_> = calls.iter().map(|call| call.path.as_str()).collect();
    assert_eq!(
        paths,
        ["/members/1/add-plan", "/members/2/add-plan", "/members/2/add-plan", "/members/3/add-plan"]
    );
    let keys = keys(&calls);
    assert_eq!(keys[1], keys[2], "the API knows it again");
    assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), 3);
}

#[test]
fn pages_of_one_search_have_keys_of_their_own_if_asked_for() {
    let api = Api::start(|call| match call.json()["after"].as_u64() {
        None => Reply::json(&json!({"rows": rows(1), "next": 1})),
        Some(_) => Reply::json(&json!({"rows": rows(2), "next": null})),
    });
    let endpoint = "path = \"search\", method = \"POST\", data_selector = \"rows\", paginator = { type = \"cursor\", cursor_path = \"next\", cursor_body_path = \"after\" }";
    let sent = |more: &str| {
        let before = api.calls().len();
        let config = format!("[client]\n[[resources]]\nname = \"m\"\nendpoint = {{ {endpoint}{more} }}\n");
        Scene::new(&api, &config).run_well();
        api.calls()[before..].to_vec()
    };
    for call in sent("") {
        assert!(call.header("idempotency-key").is_none(), "a search needs none");
    }
    let keys: BTreeSet<_> = sent(", idempotency_key = \"X-Request-Key\"")
        .iter()
        .map(|call| call.header("x-request-key").unwrap().to_owned())
        .collect();
    assert_eq!(keys.len(), 2);
}

/// Without a key nothing tells whether a change was made: it is sent once, unless the API turned it away.
#[test]
fn a_change_without_a_key_is_not_repeated() {
    let check = |status: u16, attempts: usize| {
        let api = Api::start(move |call| {
            let posts = usize::from(call.method == "POST");
            if posts == 1 && call.number == 0 { Reply::empty(status) } else { Reply::json(&json!(rows(1))) }
        });
        let scene = Scene::new(
            &api,
            r#"
            [client]
            paginator = "single_page"
            [[resources]]
            name = "m"
            endpoint = { path = "m", method = "POST", mutates = true, idempotency_key = false }
            "#,
        );
        scene.run(&["--resource", "m"]).expect_code(i32::from(attempts == 1));
        assert_eq!(api.calls().len(), attempts, "{status}");
        assert!(api.calls()[0].header("idempotency-key").is_none());
    };
    check(503, 1);
    check(429, 2);
}

#[test]
fn an_endpoint_may_have_a_time_out_of_its_own() {
    let api = Api::start(|call| {
        let reply = Reply::json(&json!(rows(1)));
        if call.path == "/slow" { reply.when(|_| false) } else { reply }
    });
    let scene = Scene::new(
        &api,
        r#"
        [client]
        paginator = "single_page"
        retry = { max_attempts = 1 }
        [[resources]]
        name = "slow"
        endpoint = { path = "slow", timeout = "200ms" }
        [[resources]]
        name = "other"
        "#,
    );
    let finished = scene.run(&[]);
    finished.expect_code(3);
    finished.expect_said("no complete answer within 0.2 s");
    assert_eq!(scene.db().count("other"), 1);
}

/// Unknown keys, settings of paginators that exclude each other, parents that are not there, …: what is said of each is
/// compared where the config is read; here it is about the API, which hears nothing of them.
#[test]
fn a_config_with_a_mistake_sends_nothing() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config/invalid");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let configs: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect();
    assert!(configs.len() > 15, "{configs:?}");
    let api = Api::start(|_| Reply::json(&json!([])));
    for config in configs {
        let text = fs::read_to_string(&config).unwrap();
        let workspace = Workspace::new(&text).with_set(&format!("client.base_url={}", api.url()));
        for command in ["run", "preview", "check"] {
            let online: &[&str] = if command == "check" { &["--online"] } else { &[] };
            let ended = workspace.command(command, online).output().unwrap();
            assert_eq!(ended.status.code(), Some(2), "{command} {}", config.display());
        }
        assert_eq!(api.targets(), [] as [&str; 0], "{}", config.display());
    }
}
