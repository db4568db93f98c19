//! Tables read back: as JSON rows, and as what is left of a whole dataset when random ids are taken out.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use duckdb::{AccessMode, Config, Connection};
use forebay::state::PipelineState;
use serde_json::{Map, Value};

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
        let first = |row: Map<String, Value>| row.values().next().unwrap().as_str().unwrap().to_owned();
        self.rows(sql).into_iter().map(first).collect()
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

    /// All data tables. Rows of child tables are told apart by their parents' content instead of by ids.
    pub(crate) fn content(&self) -> Content {
        let columns = "SELECT table_name || '.' || column_name || ' ' || data_type AS text \
             FROM information_schema.columns WHERE table_schema = current_schema() ORDER BY text";
        let mut names = self.column(
            "SELECT DISTINCT table_name FROM information_schema.columns \
             WHERE table_schema = current_schema() AND column_name = '_dlt_id' AND table_name NOT LIKE '\\_%' ESCAPE '\\'",
        );
        // `members` comes before `members__permissions`.
        names.sort();
        let mut keys: HashMap<String, String> = HashMap::new();
        let mut tables = BTreeMap::new();
        for name in names {
            let mut rows: Vec<String> = self
                .rows(&format!("SELECT * FROM \"{name}\""))
                .into_iter()
                .map(|row| without_ids(row, &mut keys))
                .collect();
            rows.sort_unstable();
            tables.insert(name, rows);
        }
        Content { columns: self.column(columns), tables }
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

/// A row as text, behind the text of its parent; `keys` has the texts by id.
fn without_ids(mut row: Map<String, Value>, keys: &mut HashMap<String, String>) -> String {
    let mut take = |name: &str| row.remove(name).and_then(|id| id.as_str().map(str::to_owned));
    let id = take("_dlt_id").unwrap();
    let root = take("_dlt_root_id");
    let parent =
        take("_dlt_parent_id").map(|parent| keys.get(&parent).expect("a row has its parent").clone());
    assert!(root.is_none_or(|root| keys.contains_key(&root)), "a row has its root");
    take("_dlt_load_id");
    let fields: BTreeMap<String, Value> = row.into_iter().collect();
    let text = format!("{}{}", parent.unwrap_or_default(), serde_json::to_string(&fields).unwrap());
    assert!(keys.insert(id, text.clone()).is_none(), "ids are unique");
    text
}
