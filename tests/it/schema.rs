//! `forebay schema`: what it prints of a dataset that was loaded, and what it says where there is nothing to show.

use serde_json::Value;

use crate::scene::{Ran, Scene, assert_said};

/// The command with these arguments on a dataset of members.
fn schema<const N: usize>(scene: &Scene, args: [&str; N]) -> Ran {
    scene.command("schema").args(args).ran()
}

#[test]
fn tables_are_told_with_their_columns() {
    let scene = Scene::loaded();
    let ran = schema(&scene, []).with_code(0);
    assert_eq!(ran.stderr, "", "{ran}");
    let mut paragraphs = ran.stdout.split("\n\n");
    let head = paragraphs.next().unwrap();
    assert_eq!(
        head,
        "source memberstack, schema version 1, dataset memberstack_data of duckdb:memberstack.duckdb"
    );
    let titles: Vec<_> = paragraphs.map(|table| table.lines().next().unwrap()).collect();
    assert_eq!(
        titles,
        [
            "members: merge (delete-insert), resource members",
            "members__permissions: child of members",
            "members__plan_connections: child of members",
        ]
    );
    let id = ran.stdout.lines().find(|line| line.starts_with("  id ")).unwrap();
    assert!(id.split_whitespace().take(5).eq(["id", "text", "not", "null", "primary_key"]), "{id}");
}

#[test]
fn one_table_is_shown_if_it_is_asked_for() {
    let scene = Scene::loaded();
    let names = |ran: &Ran| -> Vec<String> {
        let document: Value = serde_json::from_str(&ran.stdout).unwrap();
        let tables = document["tables"].as_array().unwrap().iter();
        tables.map(|table| table["name"].as_str().unwrap().to_owned()).collect()
    };
    let json = ["--format", "json"];
    let one = schema(&scene, ["--format", "json", "--table", "members"]).with_code(0);
    assert_eq!(names(&one), ["members"]);
    let two = schema(&scene, ["--format", "json", "-t", "_dlt_loads", "-t", "members"]).with_code(0);
    assert_eq!(names(&two), ["_dlt_loads", "members"]);
    let own = names(&schema(&scene, json).with_code(0));
    let all = names(&schema(&scene, ["--format", "json", "--all"]).with_code(0));
    assert!(own.iter().all(|name| !name.starts_with("_dlt")), "{own:?}");
    assert_eq!(all.len(), own.len() + 3, "{all:?}");
}

#[test]
fn diagrams_and_models_begin_as_they_should() {
    let scene = Scene::loaded();
    for (format, lead) in [
        ("yaml", "version: 1\nversion_hash: "),
        ("mermaid", "erDiagram\n    \"members\" {\n        text id PK\n"),
        ("dbml", "Table \"memberstack_data\".\"members\" {\n  \"id\" text [pk, not null"),
        ("dbt", "version: 2\nsources:\n- name: memberstack_data\n"),
    ] {
        let ran = schema(&scene, ["--format", format]).with_code(0);
        assert!(ran.stdout.starts_with(lead), "{format}:\n{ran}");
        assert!(ran.stdout.ends_with('\n') && !ran.stdout.ends_with("\n\n"), "{format}:\n{ran}");
    }
}

#[test]
fn a_dataset_that_was_never_loaded_is_told() {
    let scene = Scene::new(1);
    assert_said!(schema(&scene, []).failed(1));
    let scene = Scene::loaded();
    assert_said!(schema(&scene, ["--format", "json", "--dataset", "other"]).failed(1));
    assert!(!scene.path(".forebay").exists(), "schema wrote something");
}

#[test]
fn a_table_that_is_not_there_is_told_with_one_that_is() {
    let scene = Scene::loaded();
    assert_said!(schema(&scene, ["--table", "member"]).failed(2));
}
