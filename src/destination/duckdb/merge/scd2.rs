//! dlt's `scd2`: rows that are no longer among the new ones are retired, with the time; others are inserted.

use super::super::super::DestinationError;
use super::super::super::strategy::Versions;
use super::super::connection::{literal, quote};
use super::super::ledger::instant;
use super::staged::Staged;
use super::{ChainLoad, insert, push_count, same_key};

/// Writes new versions of rows, and retires old ones.
pub(super) fn run(
    load: &ChainLoad<'_>,
    versions: &Versions<'_>,
    counts: &mut Vec<(String, u64)>,
) -> Result<(), DestinationError> {
    let (database, root) = (load.database, load.chain.root);
    if load.chain.rows_of(&root.name).is_none() {
        return Ok(());
    }
    let staged = Staged::of(load, root)?;
    database.lift_memory_limit()?;
    let sql = Sql::of(load, versions, &staged.name);
    if load.existed(root) {
        database.execute(format_args!("retire rows of table `{}`", root.name), &sql.retire(), [])?;
    }
    let count =
        database.execute(format_args!("insert rows into table `{}`", root.name), &sql.insert(), [])?;
    push_count(counts, root, count);
    insert::insert_children(load, &staged, counts)
}

/// The statements, with their parts.
struct Sql<'a> {
    versions: &'a Versions<'a>,
    table: String,
    staged: &'a str,
    /// Begin of new versions and end of old ones.
    boundary: String,
    /// End of versions that are valid now.
    active: String,
}

impl<'a> Sql<'a> {
    fn of(load: &ChainLoad<'_>, versions: &'a Versions<'a>, staged: &'a str) -> Self {
        // The id of a load is its time, so a load that is tried again gives the same versions.
        let now =
            || instant(load.load_id.micros().map_or(0, |micros| i64::try_from(micros).unwrap_or(i64::MAX)));
        let boundary = versions.boundary_timestamp.map_or_else(now, str::to_owned);
        Self {
            versions,
            table: load.database.table(&load.chain.root.name),
            staged,
            boundary: timestamp(&boundary),
            active: versions.active_record_timestamp.map_or("NULL".to_owned(), timestamp),
        }
    }

    /// The condition that a version is valid now.
    fn is_active(&self) -> String {
        format!("old.{} IS NOT DISTINCT FROM {}", quote(self.versions.valid_to), self.active)
    }

    fn same_version(&self) -> String {
        same_key("old", "new", &[self.versions.row_version])
    }

    /// Ends versions that are valid and not among the new rows, within the groups of these if there are groups.
    fn retire(&self) -> String {
        let groups = if self.versions.merge_key.is_empty() {
            String::new()
        } else {
            let same_group = same_key("old", "new", &self.versions.merge_key);
            format!(" AND EXISTS (SELECT 1 FROM {} AS new WHERE {same_group})", self.staged)
        };
        format!(
            "UPDATE {} AS old SET {} = {} WHERE {} AND NOT EXISTS (SELECT 1 FROM {} AS new WHERE {}){groups}",
            self.table,
            quote(self.versions.valid_to),
            self.boundary,
            self.is_active(),
            self.staged,
            self.same_version()
        )
    }

    /// Inserts rows of which there is no valid version. Rows that come twice are inserted twice, as in dlt.
    fn insert(&self) -> String {
        format!(
            "INSERT INTO {} SELECT {} REPLACE ({} AS {}, {} AS {}) FROM {} AS new \
             WHERE NOT EXISTS (SELECT 1 FROM {} AS old WHERE {} AND {})",
            self.table,
            Staged::columns(),
            self.boundary,
            quote(self.versions.valid_from),
            self.active,
            quote(self.versions.valid_to),
            self.staged,
            self.table,
            self.is_active(),
            self.same_version()
        )
    }
}

fn timestamp(text: &str) -> String {
    format!("{}::TIMESTAMPTZ", literal(text))
}
