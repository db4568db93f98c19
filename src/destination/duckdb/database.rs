//! What loads in SQL need of DuckDB.

use std::fmt::Display;

use duckdb::types::{ToSqlOutput, Value, ValueRef};
use duckdb::{ToSql, params_from_iter};
use indexmap::IndexSet;

use super::super::evolution::ExistingTables;
use super::super::sql::merge::ChainLoad;
use super::super::sql::retype::Conversion;
use super::super::sql::{Cell, Database, Dialect, Param, Row, Target, quote};
use super::super::strategy::Merge;
use super::super::{DestinationError, LoadPackage};
use super::connection::{DatabaseFile, failed};
use super::{column_type, delete_insert, migrate, retype, rows};
use crate::normalize::TableRows;
use crate::schema::{Column, Table};

static DIALECT: Dialect = Dialect {
    row_id: &["rowid"],
    arrival: "rowid",
    stages_arrival: false,
    micros: |instant| format!("epoch_us({instant})"),
    has_unique: false,
    system_tables: [
        (
            "_dlt_version",
            "version BIGINT NOT NULL, engine_version BIGINT NOT NULL, \
             inserted_at TIMESTAMP WITH TIME ZONE NOT NULL, schema_name VARCHAR NOT NULL, \
             version_hash VARCHAR NOT NULL, schema VARCHAR NOT NULL",
        ),
        (
            "_dlt_loads",
            "load_id VARCHAR NOT NULL, schema_name VARCHAR, status BIGINT NOT NULL, \
             inserted_at TIMESTAMP WITH TIME ZONE NOT NULL, schema_version_hash VARCHAR",
        ),
        (
            "_dlt_pipeline_state",
            "version BIGINT NOT NULL, engine_version BIGINT NOT NULL, pipeline_name VARCHAR NOT NULL, \
             state VARCHAR NOT NULL, created_at TIMESTAMP WITH TIME ZONE NOT NULL, version_hash VARCHAR, \
             _dlt_load_id VARCHAR NOT NULL, _dlt_id VARCHAR NOT NULL",
        ),
    ],
};

impl Database for DatabaseFile {
    fn dialect(&self) -> &'static Dialect {
        &DIALECT
    }

    fn execute(
        &self,
        action: &dyn Display,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<u64, DestinationError> {
        #[cfg(test)]
        super::super::failpoint::pass();
        let count = self
            .connection()
            .execute(sql, params_from_iter(params))
            .map_err(|error| failed(action, &error))?;
        Ok(u64::try_from(count).unwrap_or(u64::MAX))
    }

    fn execute_batch(&self, action: &dyn Display, sql: &str) -> Result<(), DestinationError> {
        #[cfg(test)]
        super::super::failpoint::pass();
        self.connection().execute_batch(sql).map_err(|error| failed(action, &error))
    }

    fn rows(
        &self,
        action: &dyn Display,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, DestinationError> {
        let read = |row: &duckdb::Row<'_>| {
            let count = row.as_ref().column_count();
            (0..count).map(|index| Ok(cell(row.get_ref(index)?))).collect::<duckdb::Result<_>>().map(Row)
        };
        self.connection()
            .prepare(sql)
            .and_then(|mut statement| statement.query_map(params_from_iter(params), read)?.collect())
            .map_err(|error| failed(action, &error))
    }

    fn append(
        &self,
        rows: &TableRows,
        columns: &IndexSet<String>,
        target: Target<'_>,
    ) -> Result<u64, DestinationError> {
        rows::append(self, rows, columns, target)
    }

    /// With the catalog: `ds.t` is ambiguous in a file named `ds.duckdb`.
    fn dataset(&self) -> String {
        format!("{}.{}", quote(self.catalog()), quote(self.dataset_name()))
    }

    fn temporary(&self, name: &str) -> String {
        format!("temp.main.{}", quote(name))
    }

    fn create_temporary(
        &self,
        action: &dyn Display,
        name: &str,
        select: &str,
    ) -> Result<(), DestinationError> {
        self.execute_batch(action, &format!("CREATE OR REPLACE TEMP TABLE {} AS {select}", quote(name)))
    }

    fn existing_tables(&self) -> Result<ExistingTables, DestinationError> {
        let names = self.rows(
            &format_args!("list the tables of dataset `{}`", self.dataset_name()),
            "SELECT lower(table_name), lower(column_name) FROM duckdb_columns() \
             WHERE database_name = $1 AND lower(schema_name) = lower($2) ORDER BY table_name, column_index",
            &self.names(),
        )?;
        let mut tables = ExistingTables::new();
        for row in names {
            tables.entry(row.text(0)?).or_default().insert(row.text(1)?);
        }
        Ok(tables)
    }

    fn current_type(&self, table: &str, column: &str) -> Result<String, DestinationError> {
        let [catalog, dataset] = self.names();
        let row = self.first(
            &format_args!("read the type of column `{column}` of table `{table}`"),
            "SELECT data_type FROM duckdb_columns() WHERE database_name = $1 AND lower(schema_name) = lower($2) \
             AND lower(table_name) = lower($3) AND lower(column_name) = lower($4)",
            &[catalog, dataset, table.into(), column.into()],
        )?;
        row.map_or_else(|| Ok(String::new()), |row| row.text(0))
    }

    fn comments(&self) -> Result<Vec<(String, String, String)>, DestinationError> {
        let rows = self.rows(
            &format_args!("read the comments of dataset `{}`", self.dataset_name()),
            "SELECT lower(table_name), lower(column_name), comment FROM duckdb_columns() \
             WHERE comment IS NOT NULL AND database_name = $1 AND lower(schema_name) = lower($2) \
             UNION ALL SELECT lower(table_name), '', comment FROM duckdb_tables() \
             WHERE comment IS NOT NULL AND database_name = $1 AND lower(schema_name) = lower($2)",
            &self.names(),
        )?;
        rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?, row.text(2)?))).collect()
    }

    fn sql_type(&self, table: &str, column: &Column) -> Result<String, DestinationError> {
        column_type::sql_type(table, column)
    }

    fn conversion(&self, column: &str, from: &str, to: &str) -> Conversion {
        retype::conversion(column, from, to)
    }

    fn same_key(&self, left: &str, right: &str, _table: &Table, key: &[&str]) -> String {
        let columns = key
            .iter()
            .map(|column| format!("{left}.{0} IS NOT DISTINCT FROM {right}.{0}", quote(column)))
            .collect::<Vec<_>>();
        columns.join(" AND ")
    }

    fn create_dataset(&self) -> Result<(), DestinationError> {
        let sql = format!("CREATE SCHEMA IF NOT EXISTS {}", self.dataset());
        self.execute_batch(&format_args!("create dataset `{}`", self.dataset_name()), &sql)
    }

    fn migrate(&self, existing: &ExistingTables) -> Result<(), DestinationError> {
        migrate::migrate(self, existing)
    }

    fn is_migrated(&self, existing: &ExistingTables) -> Result<bool, DestinationError> {
        Ok(migrate::missing(self, existing)?.is_empty())
    }

    fn begin(&self, _package: &LoadPackage<'_>) -> Result<(), DestinationError> {
        self.execute_batch(&"begin a transaction", "BEGIN TRANSACTION")
    }

    fn before_changes(&self) -> Result<(), DestinationError> {
        self.lift_memory_limit()
    }

    fn delete_insert(
        &self,
        load: &ChainLoad<'_>,
        merge: &Merge<'_>,
        counts: &mut Vec<(String, u64)>,
    ) -> Result<(), DestinationError> {
        delete_insert::run(load, merge, counts)
    }
}

impl DatabaseFile {
    /// Lets SQL name the tables of the dataset without it, if there is a dataset.
    pub(super) fn use_dataset(&self) {
        let _ = self.connection().execute_batch(&format!("USE {}", self.dataset()));
    }

    /// Catalog and dataset, as DuckDB's functions name them.
    fn names(&self) -> [Param<'_>; 2] {
        [self.catalog().into(), self.dataset_name().into()]
    }
}

impl ToSql for Param<'_> {
    fn to_sql(&self) -> duckdb::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Int(value) => ToSqlOutput::Owned(Value::BigInt(*value)),
        })
    }
}

/// A value of an answer. Others than these are not asked for; they are shown as DuckDB's binding shows them.
fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null => Cell::Null,
        ValueRef::Text(text) => Cell::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::TinyInt(value) => Cell::Int(value.into()),
        ValueRef::SmallInt(value) => Cell::Int(value.into()),
        ValueRef::Int(value) => Cell::Int(value.into()),
        ValueRef::BigInt(value) => Cell::Int(value),
        ValueRef::UInt(value) => Cell::Int(value.into()),
        other => Cell::Text(format!("{other:?}")),
    }
}
