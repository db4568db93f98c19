//! Looks at an API before anything is loaded: `preview` and `check --online`.

use std::fs;

use serde_json::Value;

use crate::mock::MockConfig;
use crate::scene::{Scene, assert_said};

fn files(scene: &Scene) -> Vec<String> {
    let entries = fs::read_dir(scene.dir.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_preview_shows_rows_and_tables_and_writes_nothing() {
    let scene = Scene::new(25);
    let ran = scene.command("preview").args(["-r", "members"]).args(["--limit", "2"]).ran().with_code(0);
    assert_said!(ran);
    // One page, whatever there is.
    assert_eq!(scene.mock.requests().len(), 1);
    assert_eq!(files(&scene), ["memberstack.toml"]);
}

#[test]
fn a_preview_of_a_child_asks_for_one_row_of_its_parent() {
    let scene = Scene::new(25);
    let ran = scene.command("preview").args(["-r", "member"]).args(["--format", "json"]).ran().with_code(0);
    let shown: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&shown["resource"], &shown["rows"]), (&"member".into(), &1.into()));
    assert_eq!(shown["tables"][0]["name"], "member");
    assert_eq!(shown["tables"][0]["columns"][0]["values"].as_array().unwrap().len(), 1);
    assert_eq!(scene.mock.requests().len(), 2);
}

#[test]
fn a_preview_of_what_is_not_there_says_so() {
    let scene = Scene::new(25);
    assert_said!(scene.command("preview").args(["-r", "membres"]).ran().failed(2));
    assert!(scene.mock.requests().is_empty());
}

#[test]
fn a_check_online_asks_for_two_pages_and_writes_nothing() {
    let scene = Scene::new(25);
    assert_said!(scene.command("check").arg("--online").ran().with_code(0));
    assert_eq!(scene.mock.requests().iter().filter(|request| request.path == "/members").count(), 2);
    assert_eq!(files(&scene), ["memberstack.toml"]);
}

#[test]
fn a_check_online_tells_a_wrong_key() {
    let scene = Scene::with(MockConfig::unlimited(25));
    let mut forebay = scene.command("check");
    assert_said!(forebay.arg("--online").set("client.auth.api_key=sk_sb_wrong").ran().failed(1));
}
