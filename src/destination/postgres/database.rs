//! What loads in SQL need of Postgres.

use std::cell::RefCell;
use std::fmt::Display;

use indexmap::IndexSet;

use super::super::evolution::ExistingTables;
use super::super::sql::retype::Conversion;
use super::super::sql::{Database, Dialect, Param, Row, TableLock, Target, quote};
use super::super::{DestinationError, LoadPackage, Repaired};
use super::connection::Session;
use super::{column_type, lock, migrate, retype, rows};
use crate::normalize::TableRows;
use crate::schema::{Column, Table};

/// Column of staged tables that numbers rows in the order in which they came: the server does not keep it.
pub(super) const ARRIVAL: &str = "_forebay_row";

static DIALECT: Dialect = Dialect {
    row_id: &["tableoid", "ctid"],
    arrival: ARRIVAL,
    stages_arrival: true,
    // Before version 14 the seconds are a double, which is off by less than half a microsecond.
    micros: |instant| format!("round(extract(epoch FROM {instant}) * 1000000)::bigint"),
    has_unique: true,
    system_tables: [
        (
            "_dlt_version",
            "version bigint NOT NULL, engine_version bigint NOT NULL, \
             inserted_at timestamp with time zone NOT NULL, schema_name varchar NOT NULL, \
             version_hash varchar NOT NULL, schema varchar NOT NULL",
        ),
        (
            "_dlt_loads",
            "load_id varchar(64) NOT NULL, schema_name varchar, status bigint NOT NULL, \
             inserted_at timestamp with time zone NOT NULL, schema_version_hash varchar",
        ),
        (
            "_dlt_pipeline_state",
            "version bigint NOT NULL, engine_version bigint NOT NULL, pipeline_name varchar NOT NULL, \
             state varchar NOT NULL, created_at timestamp with time zone NOT NULL, version_hash varchar, \
             _dlt_load_id varchar(64) NOT NULL, _dlt_id varchar UNIQUE NOT NULL",
        ),
    ],
};

/// A session with one dataset in it, which is a schema of the server.
pub(super) struct OpenDataset {
    pub(super) session: Session,
    pub(super) dataset: String,
    /// Values that the server could not store as they came.
    pub(super) repaired: RefCell<Vec<Repaired>>,
}

impl Database for OpenDataset {
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
        self.session.execute(action, sql, params)
    }

    fn execute_batch(&self, action: &dyn Display, sql: &str) -> Result<(), DestinationError> {
        #[cfg(test)]
        super::super::failpoint::pass();
        self.session.execute_batch(action, sql)
    }

    fn rows(
        &self,
        action: &dyn Display,
        sql: &str,
        params: &[Param<'_>],
    ) -> Result<Vec<Row>, DestinationError> {
        self.session.rows(action, sql, params)
    }

    fn append(
        &self,
        rows: &TableRows,
        columns: &IndexSet<String>,
        target: Target<'_>,
    ) -> Result<u64, DestinationError> {
        #[cfg(test)]
        super::super::failpoint::pass();
        rows::append(self, rows, columns, target)
    }

    fn dataset(&self) -> String {
        quote(&self.dataset)
    }

    fn temporary(&self, name: &str) -> String {
        format!("pg_temp.{}", quote(name))
    }

    fn create_temporary(
        &self,
        action: &dyn Display,
        name: &str,
        select: &str,
    ) -> Result<(), DestinationError> {
        let name = quote(name);
        let sql = format!(
            "DROP TABLE IF EXISTS pg_temp.{name}; CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS {select}"
        );
        self.execute_batch(action, &sql)
    }

    /// The server keeps no statistics of temporary tables by itself, and without them may join every row with every
    /// other. Those of other columns take longer than the join.
    fn filled_temporary(&self, name: &str, columns: &[&str]) -> Result<(), DestinationError> {
        let columns: Vec<_> = columns.iter().map(|column| quote(column)).collect();
        let sql = format!("ANALYZE {} ({})", self.temporary(name), columns.join(", "));
        self.execute_batch(&"look at the new rows", &sql)
    }

    /// Generated columns are left out: they take no values. Names are in the case that they have.
    fn existing_tables(&self) -> Result<ExistingTables, DestinationError> {
        let names = self.rows(
            &format_args!("list the tables of dataset `{}`", self.dataset),
            "SELECT c.relname::text, a.attname::text FROM pg_catalog.pg_namespace AS n \
             JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid \
             JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid \
             WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'f', 'v', 'm') AND a.attnum > 0 \
             AND NOT a.attisdropped AND a.attgenerated = '' AND a.attidentity <> 'a' \
             ORDER BY c.relname, a.attnum",
            &[(&self.dataset).into()],
        )?;
        let mut tables = ExistingTables::new();
        for row in names {
            tables.entry(row.text(0)?).or_default().insert(row.text(1)?);
        }
        Ok(tables)
    }

    fn current_type(&self, table: &str, column: &str) -> Result<String, DestinationError> {
        let row = self.first(
            &format_args!("read the type of column `{column}` of table `{table}`"),
            "SELECT format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute \
             WHERE attrelid = $1::regclass AND attname = $2",
            &[(&self.table(table)).into(), column.into()],
        )?;
        row.map_or_else(|| Ok(String::new()), |row| row.text(0))
    }

    fn comments(&self) -> Result<Vec<(String, String, String)>, DestinationError> {
        let rows = self.rows(
            &format_args!("read the comments of dataset `{}`", self.dataset),
            "SELECT lower(c.relname), coalesce(lower(a.attname), ''), d.description \
             FROM pg_catalog.pg_namespace AS n JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid \
             JOIN pg_catalog.pg_description AS d ON d.objoid = c.oid AND d.classoid = 'pg_class'::regclass \
             LEFT JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = d.objsubid \
             AND d.objsubid > 0 WHERE n.nspname = $1",
            &[(&self.dataset).into()],
        )?;
        rows.iter().map(|row| Ok((row.text(0)?, row.text(1)?, row.text(2)?))).collect()
    }

    fn may_comment(&self, table: &str) -> Result<bool, DestinationError> {
        let row = self.first(
            &format_args!("look who owns table `{table}`"),
            "SELECT pg_has_role(relowner, 'USAGE')::int::bigint FROM pg_catalog.pg_class WHERE oid = $1::regclass",
            &[(&self.table(table)).into()],
        )?;
        row.map_or(Ok(false), |row| Ok(row.int(0)? > 0))
    }

    fn sql_type(&self, table: &str, column: &Column) -> Result<String, DestinationError> {
        column_type::sql_type(table, column)
    }

    fn conversion(&self, column: &str, from: &str, to: &str) -> Conversion {
        retype::conversion(column, from, to)
    }

    /// The server has no join for `IS NOT DISTINCT FROM` but that of every row with every other. `=` does for keys that
    /// are never null; others are compared as records, for which nulls are equal.
    fn same_key(&self, left: &str, right: &str, table: &Table, key: &[&str]) -> String {
        let may_be_null = |name: &&str| table.columns.get(*name).is_none_or(Column::is_nullable);
        let of = |row: &str| {
            let columns: Vec<_> = key.iter().map(|column| format!("{row}.{}", quote(column))).collect();
            columns.join(", ")
        };
        if key.iter().any(may_be_null) {
            return format!("CAST(ROW({}) AS record) = CAST(ROW({}) AS record)", of(left), of(right));
        }
        format!("({}) = ({})", of(left), of(right))
    }

    fn create_dataset(&self) -> Result<(), DestinationError> {
        migrate::create_dataset(&self.session, &self.dataset)
    }

    fn migrate(&self, _existing: &ExistingTables) -> Result<(), DestinationError> {
        migrate::migrate(&self.session, &self.dataset)
    }

    fn is_migrated(&self, _existing: &ExistingTables) -> Result<bool, DestinationError> {
        migrate::is_current(&self.session, &self.dataset)
    }

    /// Loads of one source come one after the other: each of them looks at the schema that is there first. What others
    /// committed before it got a lock, it has to see, whatever isolation somebody made the default.
    fn begin(&self, package: &LoadPackage<'_>) -> Result<(), DestinationError> {
        // Statements of a load join whole tables, of which the server may know little. Where it takes thousands of rows for
        // one, it compares each row with each other, for hours.
        let sql = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL enable_nestloop = off";
        self.execute_batch(&"begin a transaction", sql)?;
        lock::lock_source(&self.session, &self.dataset, &package.rows.schema.name)
    }

    fn lock_dataset(&self) -> Result<(), DestinationError> {
        lock::lock_dataset(&self.session, &self.dataset)
    }

    /// One statement for neighbours that are locked alike, in the order that is given: what is locked later in a
    /// transaction than in another one makes the two wait for each other.
    fn lock_tables(&self, tables: &[(&str, TableLock)]) -> Result<(), DestinationError> {
        for alike in tables.chunk_by(|one, next| one.1 == next.1) {
            let names: Vec<_> = alike.iter().map(|(table, _)| self.table(table)).collect();
            let mode = match alike[0].1 {
                TableLock::Appends => "ROW EXCLUSIVE",
                // Readers go on.
                TableLock::Rows => "SHARE ROW EXCLUSIVE",
                TableLock::Columns => "ACCESS EXCLUSIVE",
            };
            let action = format_args!("lock table `{}`", alike[0].0);
            self.execute_batch(&action, &format!("LOCK TABLE {} IN {mode} MODE", names.join(", ")))?;
        }
        Ok(())
    }
}
