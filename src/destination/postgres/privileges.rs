//! What a role may do, and what it lacks.

use super::super::DestinationError;
use super::super::sql::{Database, ledger, origins, runs};
use super::database::OpenDataset;
use super::migrate::MIGRATIONS_TABLE;

const SCHEMA: &str = "the role needs `GRANT USAGE, CREATE ON SCHEMA <dataset> TO <role>`";

const DATABASE: &str = "the role needs `GRANT CREATE ON DATABASE <database> TO <role>`, or a schema that somebody else made for it: \
     `CREATE SCHEMA <dataset> AUTHORIZATION <role>`";

const TEMPORARY: &str =
    "merges stage rows: the role needs `GRANT TEMPORARY ON DATABASE <database> TO <role>`";

const OWNER: &str = "the role has to own the tables that it changes, or be a member of the role that does: \
                     `ALTER TABLE <table> OWNER TO <role>`";

const TABLE: &str = "the role needs `GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA <dataset> TO <role>`";

/// What reading takes.
pub(super) const READ: &str = "the role needs `GRANT USAGE ON SCHEMA <dataset> TO <role>` and \
                               `GRANT SELECT ON ALL TABLES IN SCHEMA <dataset> TO <role>`";

/// What a role lacks, from the words of a server that speaks English.
pub(super) fn missing(message: &str) -> &'static str {
    let is_about = |what: &str| message.contains(what);
    if is_about("for schema") {
        SCHEMA
    } else if is_about("temporary") {
        TEMPORARY
    } else if is_about("for database") {
        DATABASE
    } else if is_about("must be owner") {
        OWNER
    } else if is_about("for table") || is_about("for sequence") {
        TABLE
    } else {
        "the role needs USAGE and CREATE on the schema of the dataset, and has to own its tables"
    }
}

impl OpenDataset {
    /// Looks whether the role may load here, as far as that can be told without writing: in one query, of privileges
    /// that each load needs. `has_merges`: some rows will be staged.
    pub(super) fn check_writable(&self, has_merges: bool) -> Result<(), DestinationError> {
        let dataset = &self.dataset;
        // dlt's, and ours: each load writes to them, and makes those that are missing.
        let own =
            [ledger::VERSIONS, ledger::LOADS, ledger::STATES, runs::RUNS, origins::COLUMNS, MIGRATIONS_TABLE];
        let own = format!("ARRAY['{}']", own.join("', '"));
        let found = self.first(
            &format_args!("look what the role may do in schema `{dataset}`"),
            &format!(
                "WITH dataset AS (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1), \
                 own AS (SELECT c.oid, c.relname::text AS name FROM pg_catalog.pg_class AS c \
                 JOIN dataset ON dataset.oid = c.relnamespace WHERE c.relname = ANY ({own})) \
                 SELECT current_user::text, current_database()::text, \
                 current_setting('transaction_read_only') = 'on', \
                 EXISTS (SELECT 1 FROM dataset), \
                 has_database_privilege(current_database(), 'CREATE'), \
                 EXISTS (SELECT 1 FROM dataset WHERE has_schema_privilege(oid, 'USAGE')), \
                 (SELECT count(*) FROM own) = cardinality({own}) \
                 OR EXISTS (SELECT 1 FROM dataset WHERE has_schema_privilege(oid, 'CREATE')), \
                 (SELECT min(name) FROM own WHERE NOT has_table_privilege(oid, 'INSERT')), \
                 has_database_privilege(current_database(), 'TEMPORARY')"
            ),
            &[dataset.into()],
        )?;
        let Some(row) = found else { return Ok(()) };
        let (role, database) = (row.text(0)?, row.text(1)?);
        let is = |index: usize| Ok::<_, DestinationError>(row.int(index)? == 1);
        if is(2)? {
            return Err(DestinationError::ReadOnly {
                action: format!("write to database `{database}`"),
                reason: "the server takes no changes".to_owned(),
            });
        }
        let denied = |action: String, reason: String, hint: &'static str| {
            Err(DestinationError::PermissionDenied { action, reason, hint })
        };
        let has_dataset = is(3)?;
        if !has_dataset && !is(4)? {
            let reason = format!("role `{role}` may not create schemas in database `{database}`");
            return denied(format!("create schema `{dataset}`"), reason, DATABASE);
        }
        if has_dataset && !is(5)? {
            return denied(format!("use schema `{dataset}`"), format!("role `{role}` may not"), SCHEMA);
        }
        if has_dataset && !is(6)? {
            let reason = format!("role `{role}` may not create tables there");
            return denied(format!("write to schema `{dataset}`"), reason, SCHEMA);
        }
        if let Some(table) = row.maybe_text(7)? {
            return denied(format!("write to table `{table}`"), format!("role `{role}` may not"), TABLE);
        }
        if has_merges && !is(8)? {
            let reason = format!("role `{role}` may not create temporary tables in database `{database}`");
            return denied("stage rows".to_owned(), reason, TEMPORARY);
        }
        Ok(())
    }
}
