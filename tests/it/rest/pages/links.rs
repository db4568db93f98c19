//! Addresses that an API gives, and how far they are trusted.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::super::api::{Api, Call, Reply};
use super::super::scene::Scene;
use super::{asked, at, ends, more, scene, slice};

const LINK: &str = "data_selector = \"data\"\npaginator = \"json_link\"";

#[test]
fn a_foreign_origin_is_not_followed() {
    let elsewhere = Api::start(|_| Reply::json(&json!({"data": []})));
    let target = format!("{}/rows?page=2", elsewhere.url());
    ends(
        move |_: &Call| Reply::json(&json!({"data": slice(0), "next": target})),
        LINK,
        1,
        &["`next` leads to another origin, http://127.0.0.1:"],
    );
    assert!(elsewhere.calls().is_empty());
    ends(
        |_: &Call| Reply::json(&json!(slice(0))).with("link", "<https://evil.test/rows>; rel=next"),
        "paginator = \"header_link\"",
        1,
        &["`Link` leads to another origin, https://evil.test"],
    );
}

#[test]
fn links_that_lead_back_are_noticed() {
    ends(
        |_: &Call| Reply::json(&json!({"data": slice(0), "next": "/rows"})),
        LINK,
        1,
        &["gave the cursor again that the page was asked with"],
    );
    let circle = |call: &Call| {
        let page = call.number_param("page").unwrap_or(1);
        Reply::json(
            &json!({"data": slice(page), "next": format!("/rows?page={}", if page == 3 { 2 } else { page + 1 })}),
        )
    };
    ends(circle, LINK, 1, &["the API leads in a circle"]);
    ends(
        |_: &Call| Reply::json(&json!({"data": slice(0), "next": 7})),
        LINK,
        1,
        &["`next` is 7, which is not the address of a page"],
    );
}

/// APIs repeat in their links what they were asked with, credentials included.
#[test]
fn a_key_in_a_link_is_kept_nowhere_and_sent_again() {
    let key = "{ type = \"api_key\", name = \"api_key\", api_key = \"KEY-1234567\", location = \"query\" }";
    let app = "{ type = \"api_key\", name = \"app\", api_key = \"APP-1234567\", location = \"param\" }";
    let signed = "{ type = \"hmac\", secret = \"S3CRET-hmac\", message = \"{method}\", params = { at = \"{timestamp}\", sign = \"{signature}\" } }";
    for (auth, names, traces) in [
        (key.to_owned(), &["api_key"][..], &["KEY-1234567"][..]),
        (format!("[{key}, {app}]"), &["api_key", "app"], &["KEY-1234567", "APP-1234567"]),
        (signed.to_owned(), &["at", "sign"], &["sign="]),
    ] {
        for kind in ["json_link", "header_link"] {
            follows_without_keys(&auth, names, traces, kind);
        }
    }
}

fn follows_without_keys(auth: &str, names: &'static [&str], traces: &[&str], kind: &str) {
    let api = Api::start(move |call| {
        for name in names {
            assert_eq!(
                call.params.iter().filter(|(key, _)| key == name).count(),
                1,
                "{name}: {}",
                call.query
            );
        }
        let page = call.number_param("page").unwrap_or(1);
        if page == 3 {
            return Reply::empty(503);
        }
        let others: Vec<_> = call.query.split('&').filter(|param| !param.starts_with("page=")).collect();
        let next = at(call, &format!("/rows?{}&page={}", others.join("&"), page + 1));
        let reply = Reply::json(&json!({"data": slice((page - 1) * 3), "next": next}));
        reply.with("link", &format!("<{next}>; rel=next"))
    });
    let config = format!(
        "[client]\nauth = {auth}\n[[resources]]\nname = \"rows\"\n[resources.endpoint]\n\
         data_selector = \"data\"\nparams = {{ lang = \"en\" }}\npaginator = \"{kind}\"\n"
    );
    let scene = Scene::new(&api, &config);
    let ran = scene.run(&[]);
    ran.expect_code(1);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    let files = files_below(&scene.workspace.work_dir());
    assert!(!files.is_empty());
    for trace in traces {
        assert!(!said.contains(trace), "{said}");
        for (path, bytes) in &files {
            let is_in = bytes.windows(trace.len()).any(|part| part == trace.as_bytes());
            assert!(!is_in, "{trace} in {}", path.display());
        }
    }
    // A page, the next, and the third as often as the client tries.
    let pages: Vec<_> = api.calls().iter().map(|call| call.param("page").unwrap_or("1").to_owned()).collect();
    assert_eq!(pages, ["1", "2", "3", "3", "3"], "{auth} {kind}");
    assert!(api.calls().iter().all(|call| call.param("lang") == Some("en")));
}

fn files_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            files.push((path, bytes));
        }
    }
    files
}

/// Breaks once at the last page; the next run must ask for that page alone.
fn goes_on_after_a_cut(
    answer: impl Fn(&Call, usize) -> Reply + Send + Sync + 'static,
    endpoint: &str,
    last: &str,
) {
    let broken = AtomicUsize::new(0);
    let api = Api::start(move |call| {
        let from = call.number_param("from").unwrap_or(0);
        // As often as the client tries.
        if from == 6 && broken.fetch_add(1, Ordering::SeqCst) < 3 {
            return Reply::empty(503);
        }
        answer(call, from)
    });
    let scene = scene(&api, endpoint);
    assert_eq!(scene.run(&[]).code, Some(1));
    let before = asked(&api).len();
    scene.run_well();
    assert_eq!(asked(&api)[before..], [last]);
    assert_eq!(scene.column("rows", "id"), [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn a_cut_run_goes_on_at_the_link_and_with_what_was_found_out() {
    let body = |call: &Call, from: usize| {
        let next = more(from).then(|| at(call, &format!("/rows?from={}", from + 3)));
        Reply::json(&json!({"data": slice(from), "next": next}))
    };
    goes_on_after_a_cut(body, &format!("{LINK}\nparams = {{ a = 1 }}"), "from=6&a=1");
    goes_on_after_a_cut(body, "", "from=6");
    let header = |call: &Call, from: usize| {
        let reply = Reply::json(&json!(slice(from)));
        let link = format!("<{}>; rel=\"next\"", at(call, &format!("/rows?from={}", from + 3)));
        if more(from) { reply.with("link", &link) } else { reply }
    };
    goes_on_after_a_cut(header, "paginator = \"auto\"", "from=6");
}
