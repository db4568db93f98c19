//! Keys go to the API and nowhere else, whatever happens.

use std::fs;
use std::path::Path;

use crate::faults::FOREVER;
use crate::mock::{Fault, FaultKind, Key, MockConfig};
use crate::postgres::{Access, Server};
use crate::scene::{Ran, Scene, count};
use crate::script::Script;

/// A key with all that gets escaped on its way, in URLs, in JSON, in debug output, around a word that never is.
const MARKER: &str = "sk_MARKER/9f+\"x y";

/// The part of it that gives any form of it away.
const TRACE: &str = "MARKER";

fn assert_no_secret(ran: &Ran, dir: &Path) {
    for (place, text) in [("stdout", &ran.stdout), ("stderr", &ran.stderr)] {
        assert!(!text.contains(TRACE), "the key is in {place}\n{ran}");
    }
    let mut folders = vec![dir.to_owned()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let bytes = fs::read(&path).unwrap();
            let found = bytes.windows(TRACE.len()).any(|window| window == TRACE.as_bytes());
            assert!(!found, "the key is in {}", path.display());
        }
    }
    assert!(files > 1, "nothing was looked at");
}

#[test]
fn a_key_is_nowhere_but_in_the_requests() {
    let key = Key::full(MARKER);
    let scene = Scene::with(MockConfig { keys: vec![key], ..MockConfig::unlimited(25) });
    let run = || {
        let mut forebay = scene.run_members();
        forebay.env("MEMBERSTACK_SECRET_KEY", MARKER).env("FOREBAY_LOG", "trace");
        forebay
    };
    let ran = run().ran().with_code(0);
    assert_eq!(count(&scene.tables(), "members"), 25);
    assert_no_secret(&ran, scene.dir.path());
    for kind in
        [FaultKind::BadGateway, FaultKind::Html, FaultKind::NoData, FaultKind::Reset, FaultKind::CutBody]
    {
        scene.mock.set_faults(vec![Fault::at_page(2, kind).times(FOREVER)]);
        assert_no_secret(&run().ran().with_code(1), scene.dir.path());
    }
}

#[test]
fn a_key_in_the_query_is_nowhere_but_in_the_requests() {
    let scene = Scene::new(0);
    // An API that repeats what it was asked, as some do.
    let api = Script::start(|target| {
        if target.contains("after=1") {
            return format!(r#"{{"asked": "{target}"}}"#);
        }
        let more = !target.contains("limit=2");
        format!(r#"{{"endCursor": 1, "hasNextPage": {more}, "data": [{{"id": "mem_1"}}]}}"#)
    });
    let run = |limit: u32| {
        let mut forebay = scene.run_members();
        forebay.set(&format!("client.base_url={}", api.url()));
        forebay.set(r#"client.auth={type="api_key", name="who", location="query", api_key="${MEMBERSTACK_SECRET_KEY}"}"#);
        forebay.set(&format!("resources.members.endpoint.params.limit={limit}"));
        forebay.env("MEMBERSTACK_SECRET_KEY", MARKER).env("FOREBAY_LOG", "trace");
        forebay.ran()
    };
    let ran = run(2).with_code(0);
    assert!(api.requests().last().unwrap().contains("who=sk_MARKER%2F9f%2B%22x+y"), "{:?}", api.requests());
    assert_no_secret(&ran, scene.dir.path());
    assert_no_secret(&run(3).with_code(1), scene.dir.path());
}

#[test]
fn keys_that_links_repeat_are_nowhere_but_in_the_requests() {
    let in_params = r#"resources.members.endpoint.params.api_key="${MEMBERSTACK_SECRET_KEY}""#;
    let signed = r#"client.auth={type="hmac", secret="s3cret", message="{query}", params={ who="${MEMBERSTACK_SECRET_KEY}", sig="{signature}" }}"#;
    for (setting, param) in [(in_params, "api_key"), (signed, "who")] {
        let scene = Scene::new(0);
        // The second page is of no use, so that the files of the run stay.
        let api = Script::start(|target| match target.contains("page=2") {
            true => "{}".to_owned(),
            false => format!(r#"{{"next": "{target}&page=2", "data": [{{"id": "mem_1"}}]}}"#),
        });
        let mut forebay = scene.run_members();
        forebay.set(&format!("client.base_url={}", api.url())).set(setting);
        forebay.set(r#"resources.members.endpoint.paginator={type="json_link", keep_params=false}"#);
        forebay.env("MEMBERSTACK_SECRET_KEY", MARKER).env("FOREBAY_LOG", "trace");
        let ran = forebay.ran().with_code(1);
        let second = api.requests().last().unwrap().clone();
        assert!(second.contains("page=2"), "{second}");
        assert_eq!(second.matches(&format!("{param}=sk_MARKER%2F9f%2B%22x+y")).count(), 1, "{second}");
        assert_no_secret(&ran, scene.dir.path());
    }
}

#[test]
fn a_password_of_postgres_is_nowhere_but_in_the_log_in() {
    let Some(server) = Server::start_own(Access::Password) else { return };
    let scene = Scene::new(25);
    server.create_login("loader", MARKER);
    server.sql("CREATE DATABASE shop OWNER loader");
    let run = |command: &str, url: &str, format: &str| {
        let mut forebay = scene.command(command);
        forebay.args(["--destination", url, "--format", format]).env("FOREBAY_LOG", "trace");
        if command == "query" {
            forebay.arg("SELECT * FROM members");
        }
        forebay
    };
    let url = server.url_as("loader", MARKER, "shop");
    assert_no_secret(&run("run", &url, "text").ran().with_code(0), scene.dir.path());
    for command in ["run", "status", "query", "schema"] {
        for format in ["text", "json"] {
            assert_no_secret(&run(command, &url, format).ran().with_code(0), scene.dir.path());
        }
    }
    let (login, place) = url.rsplit_once('@').unwrap();
    let parameter = format!("{}@{place}?password={}", "postgres://loader", login.rsplit_once(':').unwrap().1);
    assert_no_secret(&run("status", &parameter, "text").ran().with_code(0), scene.dir.path());
    let bare = server.url_as("loader", "", "shop");
    let ran = run("status", &bare, "text").env("PGPASSWORD", MARKER).ran().with_code(0);
    assert_no_secret(&ran, scene.dir.path());
    // Refused, misread and misspelt.
    for (url, code) in [
        (url.replace("MARKER", "MARKERMARKER"), 1),
        (url.replace("/shop", "/stop"), 1),
        (format!("{url}?sslmode=require"), 1),
        (format!("{url}?passwort=MARKER"), 2),
        (format!("{url}?sslmode=MARKER"), 2),
        (url.replace("loader:", "loader:1/"), 2),
        (url.replace("loader:", "loader:1#"), 2),
        (url.replace("postgres", "postgras"), 2),
    ] {
        for (command, format) in [("run", "text"), ("run", "json"), ("status", "text")] {
            assert_no_secret(&run(command, &url, format).ran().with_code(code), scene.dir.path());
        }
    }
}

#[test]
fn help_shows_no_settings_of_the_environment() {
    let scene = Scene::new(0);
    for command in ["run", "check", "status", "query"] {
        let mut forebay = scene.command(command);
        forebay.env("FOREBAY_SET", MARKER).env("FOREBAY_DESTINATION", MARKER);
        let ran = forebay.arg("--help").ran().with_code(0);
        assert!(ran.stdout.contains("FOREBAY_SET") && !ran.stdout.contains(TRACE), "{ran}");
    }
}
