//! Answers that are no JSON document.

use serde_json::{Value, json};

use super::super::api::{Api, Reply};
use super::{one, outcome, resource};

const LINES: &str = "{\"id\": 1, \"exact\": 12345678901234567890}\r\n\n{\"id\": 2}\n";

#[test]
fn each_line_is_a_row_if_the_content_type_or_the_config_says_so() {
    for (content_type, endpoint) in [
        ("application/x-ndjson", ""),
        ("application/jsonl; charset=utf-8", ""),
        ("application/json", "response_format = \"ndjson\""),
        // What says where rows are in a document says nothing of lines.
        ("application/x-ndjson", "data_selector = \"data\""),
    ] {
        let (_api, scene) = one(Reply::text(content_type, LINES), endpoint);
        scene.run_well();
        assert_eq!(scene.column("t", "id"), [1, 2], "{content_type} {endpoint}");
        let exact = scene.db().rows("SELECT exact::VARCHAR AS exact FROM data.t ORDER BY id LIMIT 1");
        assert_eq!(
            exact[0]["exact"].as_str().unwrap().trim_end_matches(".000000000"),
            "12345678901234567890"
        );
    }
}

#[test]
fn a_bad_line_is_an_error_with_its_number() {
    let (_api, scene) = one(Reply::text("application/x-ndjson", "{}\n{\n"), "");
    let finished = scene.run(&[]);
    finished.expect_code(1);
    finished.expect_said("did not answer with a JSON document per line");
    finished.expect_said("line 2 is no JSON");
}

#[test]
fn csv_has_its_names_in_the_first_line_or_in_the_config() {
    for (content_type, body, endpoint) in [
        ("text/csv", "id,name\n1,a\n2,\n", ""),
        ("text/plain", "id;name\n1;a\n2;\n", "response_format = { type = \"csv\", delimiter = \";\" }"),
        ("text/plain", "id,name\r\n1,a\r\n2,\r\n", "response_format = \"csv\""),
        (
            "text/csv",
            "1\ta\n2\t\n",
            "response_format = { type = \"csv\", delimiter = \"\\t\", header = [\"id\", \"name\"] }",
        ),
    ] {
        let (_api, scene) = one(Reply::text(content_type, body), endpoint);
        scene.run_well();
        // Values are texts, and an empty one is none.
        assert_eq!(scene.column("t", "id"), ["1", "2"], "{endpoint}");
        assert_eq!(scene.column("t", "name"), [json!("a"), Value::Null], "{endpoint}");
    }
}

#[test]
fn types_of_csv_columns_come_from_the_config() {
    let api = Api::start(|_| Reply::text("text/csv", "id,day\n7,2024-02-29\n"));
    let scene = super::Scene::new(
        &api,
        "[client]\npaginator = \"single_page\"\n[[resources]]\nname = \"t\"\n\
         columns = { id = { data_type = \"bigint\" }, day = { data_type = \"date\" } }",
    );
    scene.run_well();
    assert_eq!(scene.column("t", "id"), [7]);
    let types = scene.db().rows("SELECT typeof(day) AS type FROM data.t");
    assert_eq!(types[0]["type"], "DATE");
}

#[test]
fn a_line_of_another_length_is_an_error_with_its_number() {
    let (_api, scene) = one(Reply::text("text/csv", "a,b\n1,2\n3\n"), "");
    let finished = scene.run(&[]);
    finished.expect_code(1);
    finished.expect_said("line 3 has 1 values, and there are 2 columns");
}

#[test]
fn pages_of_lines_go_on_until_one_is_empty() {
    let api = Api::start(|call| match call.number_param("page") {
        Some(0) => Reply::text("application/x-ndjson", "{\"id\": 1}\n{\"id\": 2}"),
        Some(1) => Reply::text("application/x-ndjson", "{\"id\": 3}"),
        _ => Reply::text("application/x-ndjson", ""),
    });
    let scene = resource(&api, "paginator = { type = \"page_number\" }");
    assert_eq!(outcome(&scene.run_well()), "complete");
    assert_eq!(scene.column("t", "id"), [1, 2, 3]);
}

#[test]
fn the_format_is_asked_for() {
    for (endpoint, accepted) in [
        ("response_format = \"csv\"", "text/csv, */*;q=0.1"),
        ("", "application/json"),
        ("response_format = \"csv\"\nheaders = { accept = \"text/plain\" }", "text/plain"),
    ] {
        let (api, scene) = one(Reply::text("text/csv", "id\n1\n"), endpoint);
        scene.run_well();
        assert_eq!(api.calls()[0].header("accept"), Some(accepted), "{endpoint}");
    }
}

/// What a missing quote swallows, and an error that ends a list, would else be lost without a word.
#[test]
fn lines_that_are_cut_or_end_with_an_error_are_not_loaded() {
    for (content_type, body, said) in [
        ("text/csv", "id,name\n1,\"a\n2,b\n", "line 2 has no second one"),
        ("text/csv", "id,name\n1,\"a\n2,\"b\"\n", "line 2 goes on after the second one"),
        ("application/x-ndjson", "{\"id\": 1}\n{\"id\": 2", "line 2 is no JSON"),
        ("application/x-ndjson", "{\"id\": 1}\n{\"error\": \"timeout\"}\n", "has an error in place of a row"),
    ] {
        let (_api, scene) = one(Reply::text(content_type, body), "");
        let finished = scene.run(&[]);
        finished.expect_code(1);
        finished.expect_said(said);
    }
}
