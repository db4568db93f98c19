//! Tables read back: as JSON rows, and as what is left of a whole dataset when random ids are taken out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use duckdb::{AccessMode, Config, Connection};
use forebay::state::PipelineState;
use serde_json::{Map, Value};

/// The columns of the dataset that is in use.
const COLUMNS: &str = "FROM information_schema.columns WHERE table_schema = current_schema()";

/// A dataset in a DuckDB file. Each question opens the file anew, so that runs can write between them.
pub(crate) struct Db {
    path: PathBuf,
    dataset: String,
}

/// A dataset without ids: its columns with their types, and the rows of each table in an order of their own.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) columns: Vec<String>,
    pub(crate) tables: BTreeMap<String, Vec<String>>,
}

impl Db {
    pub(crate) fn new(path: PathBuf, dataset: &str) -> Self {
        Self { path, dataset: dataset.to_owned() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Holds the file open for reading: others can read, nobody can write.
    pub(crate) fn open(&self) -> Connection {
        let config = Config::default().access_mode(AccessMode::ReadOnly).unwrap();
        let connection = Connection::open_with_flags(&self.path, config).unwrap();
        connection.execute_batch(&format!("SET TimeZone = 'UTC'; USE \"{}\"", self.dataset)).unwrap();
        connection
    }

    /// The rows of a query, as objects.
    pub(crate) fn rows(&self, sql: &str) -> Vec<Map<String, Value>> {
        let connection = self.open();
        let sql = format!("SELECT to_json(answer)::VARCHAR FROM ({sql}) AS answer");
        let mut statement = connection.prepare(&sql).unwrap();
        let texts = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        texts.map(|text| serde_json::from_str(&text.unwrap()).unwrap()).collect()
    }

    /// The only value of a query.
    pub(crate) fn value(&self, sql: &str) -> Value {
        let rows = self.rows(sql);
        assert!(rows.len() == 1 && rows[0].len() == 1, "`{sql}` gave {rows:?}");
        rows[0].values().next().unwrap().clone()
    }

    /// The first column of a query, as texts.
    pub(crate) fn column(&self, sql: &str) -> Vec<String> {
        let connection = self.open();
        let mut statement = connection.prepare(sql).unwrap();
        let texts = statement.query_map([], |row| row.get(0)).unwrap();
        texts.map(Result::unwrap).collect()
    }

    /// The columns of a table in their order, each with its type.
    pub(crate) fn columns(&self, table: &str) -> Vec<String> {
        self.column(&format!(
            "SELECT column_name || ' ' || data_type {COLUMNS} AND table_name = '{table}' ORDER BY ordinal_position"
        ))
    }

    /// How many rows a table has.
    pub(crate) fn count(&self, table: &str) -> u64 {
        self.value(&format!("SELECT count(*) FROM {table}")).as_u64().unwrap()
    }

    /// Commits so far; 0 if there is no database.
    pub(crate) fn load_count(&self) -> u64 {
        if self.path.exists() { self.count("_dlt_loads") } else { 0 }
    }

    /// The newest state, as dlt reads it.
    pub(crate) fn state(&self) -> Value {
        let newest = "SELECT state FROM _dlt_pipeline_state ORDER BY version DESC LIMIT 1";
        let text = self.value(newest);
        let state = PipelineState::decode(text.as_str().unwrap(), "memberstack_pipeline").unwrap();
        let fields = state.resource("memberstack", "members").cloned();
        fields.map_or(Value::Null, Value::Object)
    }

    /// All data tables. Rows of child tables are told apart by their parents' content instead of by ids; that each
    /// has its parent and its root, and that ids are unique, is checked here.
    pub(crate) fn content(&self) -> Content {
        let columns = self.column(&format!(
            "SELECT table_name || '.' || column_name || ' ' || data_type AS text {COLUMNS} ORDER BY text"
        ));
        let names = self.column(&format!(
            "SELECT table_name {COLUMNS} AND column_name = '_dlt_id' AND NOT starts_with(table_name, '_')"
        ));
        let tables = names.iter().map(|name| {
            let ids = format!("SELECT count(*) - count(DISTINCT _dlt_id) FROM {name}");
            assert_eq!(self.value(&ids), 0, "ids of `{name}` are unique");
            // Only rows that a merge may replace know their root.
            if let Some((root, _)) = name.split_once("__")
                && columns.contains(&format!("{name}._dlt_root_id VARCHAR"))
            {
                let orphans = format!("{name} WHERE _dlt_root_id NOT IN (SELECT _dlt_id FROM {root})");
                assert_eq!(self.count(&orphans), 0, "rows of `{name}` without a root");
            }
            let rows =
                self.column(&format!("SELECT text FROM ({}) ORDER BY text", self.identified(name, &names)));
            (name.clone(), rows)
        });
        let tables = tables.collect();
        Content { columns, tables }
    }

    /// A query for the ids of a table's rows and the text of each, behind that of its parent.
    fn identified(&self, table: &str, tables: &[String]) -> String {
        let names = self.column(&format!(
            "SELECT column_name {COLUMNS} AND table_name = '{table}' \
             AND NOT regexp_full_match(column_name, '_dlt(_parent|_root|_load|)_id') ORDER BY column_name"
        ));
        let fields: Vec<_> = names.iter().map(|name| format!("'{name}', rows.{name}")).collect();
        let text = format!("json_object({})::VARCHAR", fields.join(", "));
        let parents = tables.iter().filter(|parent| table.starts_with(&format!("{parent}__")));
        match parents.max_by_key(|parent| parent.len()) {
            None => format!("SELECT rows._dlt_id AS id, {text} AS text FROM {table} AS rows"),
            Some(parent) => format!(
                "SELECT rows._dlt_id AS id, parents.text || {text} AS text FROM {table} AS rows \
                 LEFT JOIN ({}) AS parents ON parents.id = rows._dlt_parent_id",
                self.identified(parent, tables)
            ),
        }
    }
}

impl Content {
    /// Panics with the first difference.
    pub(crate) fn expect(&self, expected: &Self) {
        assert_eq!(self.columns, expected.columns);
        self.expect_rows(expected);
    }

    /// As [`Content::expect`], whatever columns there are.
    pub(crate) fn expect_rows(&self, expected: &Self) {
        assert!(self.tables.keys().eq(expected.tables.keys()), "tables {:?}", self.tables.keys());
        for (name, rows) in &expected.tables {
            let found = &self.tables[name];
            let differing = found.iter().zip(rows).find(|(found, expected)| found != expected);
            assert_eq!(differing, None, "a row of `{name}`");
            assert_eq!(found.len(), rows.len(), "rows of `{name}`");
        }
    }
}
