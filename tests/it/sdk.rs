//! The mock is what forebay is tested with; the vendor's own client tests the mock, and both get the same members.

use std::process::Command;

use duckdb::{AccessMode, Config, Connection};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::mock::{LoggedRequest, Mock, MockConfig, sdk};

const KEY: &str = "sk_sb_demo";

#[test]
fn the_vendors_client_gets_what_forebay_loads() {
    let mock = Mock::start(MockConfig { members: 420, ..MockConfig::default() });
    let (expected, members) = (mock.member_ids(), mock.members());
    let Some(found) = sdk::page_through(&mock.url(), KEY).unwrap() else { return };
    assert_eq!(found["ids"], json!(expected));
    assert_eq!(found["members"], json!(members));
    let log = mock.requests();
    assert!(log.iter().all(|entry| entry.status.is_some_and(|status| status != 429)));
    let pages = |entry: &&LoggedRequest| entry.param("first").as_deref() == Some("100");
    assert_eq!(log.iter().filter(pages).count(), 5);

    assert_eq!(json!(loaded(&mock)), found["members"].as_array().unwrap().iter().map(row).collect::<Value>());
}

/// Some fields of a member, text, truth value, instant and the number of its plans, as forebay's tables have them.
fn row(member: &Value) -> Value {
    let plans = member["planConnections"].as_array().map_or(0, Vec::len);
    json!([member["id"], member["auth"]["email"], member["verified"], member["createdAt"], plans])
}

/// The same fields from the tables.
fn loaded(mock: &Mock) -> Vec<Value> {
    let directory = TempDir::new().unwrap();
    let database = directory.path().join("members.duckdb");
    let run = Command::new(env!("CARGO_BIN_EXE_forebay"))
        .args(["run", "--quiet", "-r", "members", "--set", &format!("client.base_url={}", mock.url())])
        .arg("--destination")
        .arg(format!("duckdb:{}", database.display()))
        .arg("--work-dir")
        .arg(directory.path())
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/config/memberstack.toml"))
        .env_clear()
        .envs(std::env::var_os("LD_LIBRARY_PATH").map(|path| ("LD_LIBRARY_PATH", path)))
        .env("MEMBERSTACK_SECRET_KEY", KEY)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));

    let config = Config::default().access_mode(AccessMode::ReadOnly).unwrap();
    let connection = Connection::open_with_flags(&database, config).unwrap();
    let sql = "SELECT id, auth__email, verified, epoch_ms(created_at), \
               (SELECT count(*) FROM memberstack_data.members__plan_connections WHERE _dlt_parent_id = m._dlt_id) \
               FROM memberstack_data.members m ORDER BY created_at";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| {
        let created = jiff::Timestamp::from_millisecond(row.get(3)?).unwrap();
        let (id, email): (String, String) = (row.get(0)?, row.get(1)?);
        let (verified, plans): (bool, u64) = (row.get(2)?, row.get(4)?);
        Ok(json!([id, email, verified, format!("{created:.3}"), plans]))
    });
    rows.unwrap().map(Result::unwrap).collect()
}
