//! Servers that nobody here wrote, loaded whole: every row that they have is in the table, as they have it.
//!
//! They are packages of npm, pinned in `tests/npm`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::mock::sdk;
use crate::support::cli::Workspace;
use crate::support::db::Db;

const ROWS: usize = 1234;

/// A process that serves `people`. It ends when this is dropped.
struct Server(Child);

impl Server {
    /// Starts a script of `tests/npm`; with the address that it serves at. `None` where there is no npm.
    fn start(script: &str, people: &[Value], workspace: &Workspace) -> Option<(Self, String)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/npm");
        if !sdk::installed(&folder, "servers that others wrote").unwrap() {
            return None;
        }
        let data = workspace.path("data.json");
        fs::write(&data, json!({ "people": people }).to_string()).unwrap();
        let mut command = Command::new("node");
        command.arg(folder.join(script)).arg(data).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut server = Self(command.spawn().unwrap());
        let mut port = String::new();
        BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut port).unwrap();
        assert!(!port.is_empty(), "{script} ended before it served");
        Some((server, format!("http://127.0.0.1:{}", port.trim())))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its input is the end of the server; so it is when the test is killed.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Rows with text of all kinds, objects, lists, and values that are missing.
fn people() -> Vec<Value> {
    let person = |id: usize| {
        let mut person = json!({
            "id": id,
            "name": format!("Zoë {id} \"the {}\"", ["old", "🦀", "new\nline"][id % 3]),
            "score": id as f64 / 8.0,
            "address": { "city": "Łódź", "zip": format!("{id:05}") },
            "tags": &["a", "b", "c"][..id % 4],
            "manager": null,
        });
        if !id.is_multiple_of(5) {
            person["manager"] = json!(id / 5);
        }
        person
    };
    (1..=ROWS).map(person).collect()
}

/// The rows of a table as the server has them.
fn loaded(db: &Db, table: &str) -> Vec<Value> {
    let sql = format!(
        "SELECT id, name, score, {{'city': address__city, 'zip': address__zip}} AS address, \
         coalesce((SELECT list(value ORDER BY _dlt_list_idx) FROM \"{table}__tags\" WHERE _dlt_parent_id = p._dlt_id), []) \
         AS tags, manager FROM \"{table}\" AS p ORDER BY id"
    );
    db.rows(&sql).into_iter().map(Value::Object).collect()
}

/// Loads what a script serves twice with a config file; these tables hold all of it then.
fn check(script: &str, config: &str, merged: &str, appended: &[&str]) {
    let people = people();
    let workspace = Workspace::new(config);
    let Some((_server, url)) = Server::start(script, &people, &workspace) else { return };
    let workspace = workspace.with_env("BASE_URL", &url);
    let db = Db::new(workspace.path("people.duckdb"), "data");
    workspace.run_well(&[]);
    for table in appended.iter().chain([&merged]) {
        assert!(loaded(&db, table) == people, "{script}: other rows in `{table}`");
    }
    workspace.run_well(&["-r", merged]);
    assert!(loaded(&db, merged) == people, "{script}: other rows in `{merged}` after a second run");
}

#[test]
fn json_server_is_loaded_whole() {
    let config = include_str!("../npm/json-server.toml");
    check("json_server.mjs", config, "people", &["people_by_number", "people_by_chance"]);
}

#[test]
fn feathers_is_loaded_whole() {
    check("feathers.mjs", include_str!("../npm/feathers.toml"), "people", &["people_in_small_pages"]);
}
