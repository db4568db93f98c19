//! Addresses that an API gives, and how far they are trusted.

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

#[test]
fn a_key_in_a_link_is_kept_nowhere_and_sent_again() {
    let api = Api::start(|call| {
        let page = call.number_param("page").unwrap_or(1);
        assert_eq!(call.param("api_key"), Some("KEY123"));
        if page == 3 {
            return Reply::empty(503);
        }
        let next = at(call, &format!("/rows?api_key=KEY123&page={}", page + 1));
        Reply::json(&json!({"data": slice((page - 1) * 3), "next": next}))
    });
    let config = format!(
        "[client]\nauth = {{ type = \"api_key\", name = \"api_key\", api_key = \"KEY123\", location = \"query\" }}\n\
         [[resources]]\nname = \"rows\"\n[resources.endpoint]\n{LINK}\n"
    );
    let scene = Scene::new(&api, &config);
    let ran = scene.run(&[]);
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("KEY123"));
    let mut folders = vec![scene.workspace.work_dir()];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => {
                    let bytes = std::fs::read(entry.path()).unwrap();
                    seen += 1;
                    assert!(!bytes.windows(6).any(|part| part == b"KEY123"), "{}", entry.path().display());
                }
            }
        }
    }
    assert!(seen > 0);
    assert_eq!(asked(&api)[..2], ["api_key=KEY123", "page=2&api_key=KEY123"]);
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
