//! Memberstack's pipeline on Postgres: its tables read back, and sessions that stand in its way.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};
use tokio::runtime::{Builder, Runtime};

use super::api::PATIENCE;
use super::cli::Workspace;
use crate::mock::Mock;
use crate::postgres::sql;

/// The rows of each data table, in an order of their own. Ids are random: rows of child tables are told apart by their
/// parents' content instead.
pub(crate) type Content = BTreeMap<String, Vec<String>>;

/// Asks for the server's process of a load that waits for a lock.
pub(crate) const WAITING: &str = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'forebay %' \
                                  AND datname = current_database() AND wait_event_type = 'Lock'";

/// What is in a load's way: a session that goes on until this value does.
pub(crate) struct Obstacle {
    _connection: PgConnection,
    _runtime: Runtime,
}

impl Obstacle {
    /// A session that has done this, and keeps the locks of it.
    pub(crate) fn new(url: &str, text: &str) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let connection = runtime.block_on(async {
            let mut connection = PgConnection::connect(url).await.unwrap();
            sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(&mut connection).await.unwrap();
            connection
        });
        Self { _connection: connection, _runtime: runtime }
    }
}

/// The shipped config of Memberstack, members only, into a database.
pub(crate) fn members(mock: &Mock, url: &str) -> Workspace {
    Workspace::members(mock)
        .with_set(&format!("pipeline.destination=\"{url}\""))
        .with_set("resources.members.endpoint.params.limit=10")
}

/// Asks again and again until there is an answer.
pub(crate) fn wait_for_answer(url: &str, query: &str) -> String {
    let start = Instant::now();
    loop {
        match sql(url, query) {
            Ok(answer) if !answer.is_empty() => return answer,
            other => assert!(start.elapsed() < PATIENCE, "{other:?} by {query}"),
        }
        // Only spares the processor: the answer is what counts.
        thread::sleep(Duration::from_millis(5));
    }
}

/// All data tables; that ids are unique is checked here.
pub(crate) fn content(url: &str) -> Content {
    let ask = |query: &str| sql(url, query).unwrap();
    let names =
        ask("SELECT table_name FROM information_schema.columns WHERE table_schema = 'memberstack_data' \
                     AND column_name = '_dlt_id' AND NOT starts_with(table_name, '_') ORDER BY 1");
    let names: Vec<_> = names.lines().collect();
    let rows = |name: &&str| {
        let ids = format!("SELECT count(*) - count(DISTINCT _dlt_id) FROM memberstack_data.{name}");
        assert_eq!(ask(&ids), "0", "ids of `{name}` are unique");
        let rows = ask(&format!("SELECT text FROM ({}) AS t ORDER BY text", identified(name, &names)));
        let rows: Vec<_> = rows.lines().map(str::to_owned).collect();
        assert!(rows.iter().all(|row| !row.is_empty()), "rows of `{name}` without a parent");
        ((*name).to_owned(), rows)
    };
    names.iter().map(rows).collect()
}

/// A query for the ids of a table's rows and the text of each, behind that of its parent.
fn identified(table: &str, tables: &[&str]) -> String {
    let text = "(to_jsonb(rows) - '{_dlt_id,_dlt_load_id,_dlt_root_id,_dlt_parent_id}'::text[])::text";
    let parents = tables.iter().filter(|parent| table.starts_with(&format!("{parent}__")));
    match parents.max_by_key(|parent| parent.len()) {
        None => format!("SELECT rows._dlt_id AS id, {text} AS text FROM memberstack_data.{table} AS rows"),
        Some(parent) => format!(
            "SELECT rows._dlt_id AS id, parents.text || {text} AS text FROM memberstack_data.{table} AS rows \
             LEFT JOIN ({}) AS parents ON parents.id = rows._dlt_parent_id",
            identified(parent, tables)
        ),
    }
}
