//! A config file in a folder of its own, and what is in the database after a run.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::api::Api;
use crate::support::cli::{Finished, Workspace};
use crate::support::db::Db;

/// A pipeline that loads from an [`Api`] into a DuckDB file.
pub(crate) struct Scene {
    pub(crate) workspace: Workspace,
}

impl Scene {
    /// `config` is what follows `[pipeline]`; `client.base_url` is the API's unless it is given, and there is no quota
    /// and next to no pause before a second attempt.
    pub(crate) fn new(api: &Api, config: &str) -> Self {
        let text = format!(
            "[pipeline]\nname = \"rest\"\ndataset = \"data\"\ndestination = \"duckdb:rest.duckdb\"\n\n{config}"
        );
        let workspace = Workspace::new(&text)
            .with_set(&format!("client.base_url={}", api.url()))
            .with_set("client.rate_limits=[]")
            .with_set("client.retry={max_attempts=3, initial_delay=\"1ms\", max_delay=\"2ms\"}");
        Self { workspace }
    }

    /// A run that has to end with exit code 0; its report.
    pub(crate) fn run_well(&self) -> Value {
        self.workspace.run_well(&[])
    }

    pub(crate) fn run(&self, args: &[&str]) -> Finished {
        self.workspace.run(args)
    }

    pub(crate) fn db(&self) -> Db {
        Db::new(self.workspace.path("rest.duckdb"), "data")
    }

    /// Whether a file of the pipeline has this text, be it the database or one of the work folder.
    pub(crate) fn keeps(&self, text: &str) -> bool {
        bytes_below(&self.workspace.path(".")).windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// All values of a column, in the order of loading.
    pub(crate) fn column(&self, table: &str, column: &str) -> Vec<Value> {
        let rows = self.db().rows(&format!("SELECT \"{column}\" FROM data.\"{table}\" ORDER BY rowid"));
        rows.into_iter().map(|row| row[column].clone()).collect()
    }
}

fn bytes_below(folder: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        bytes.extend(if path.is_dir() { bytes_below(&path) } else { fs::read(&path).unwrap() });
    }
    bytes
}

/// `[{"id": 1}, …, {"id": count}]`.
pub(crate) fn rows(count: usize) -> Vec<Value> {
    (1..=count).map(|id| json!({ "id": id })).collect()
}
