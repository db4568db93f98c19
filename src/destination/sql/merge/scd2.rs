//! dlt's `scd2`: rows that are no longer among the new ones are retired, with the time; others are inserted.

use super::super::super::DestinationError;
use super::super::super::strategy::Versions;
use super::super::database::{literal, quote};
use super::super::ledger::instant;
use super::staged::Staged;
use super::{ChainLoad, insert, push_count};

/// Writes new versions of rows, and retires old ones.
pub(crate) fn run<'a>(
    load: &'a ChainLoad<'a>,
    versions: &'a Versions<'a>,
    counts: &mut Vec<(String, u64)>,
) -> Result<(), DestinationError> {
    let (database, root) = (load.database, load.chain.root);
    if load.chain.rows_of(&root.name).is_none() {
        return Ok(());
    }
    let staged = Staged::of(load, root)?;
    database.before_changes()?;
    let sql = Sql::of(load, versions, &staged);
    if load.existed(root) {
        database.execute(&format_args!("retire rows of table `{}`", root.name), &sql.retire(), &[])?;
    }
    let count =
        database.execute(&format_args!("insert rows into table `{}`", root.name), &sql.insert(), &[])?;
    push_count(counts, root, count);
    insert::insert_children(load, &staged, counts)
}

/// The statements, with their parts.
struct Sql<'a> {
    load: &'a ChainLoad<'a>,
    versions: &'a Versions<'a>,
    table: String,
    staged: &'a Staged<'a>,
    /// Begin of new versions and end of old ones.
    boundary: String,
    /// End of versions that are valid now.
    active: String,
}

impl<'a> Sql<'a> {
    fn of(load: &'a ChainLoad<'a>, versions: &'a Versions<'a>, staged: &'a Staged<'a>) -> Self {
        // The id of a load is its time, so a load that is tried again gives the same versions.
        let now =
            || instant(load.load_id.micros().map_or(0, |micros| i64::try_from(micros).unwrap_or(i64::MAX)));
        let boundary = versions.boundary_timestamp.map_or_else(now, str::to_owned);
        Self {
            load,
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
        self.same_key(&[self.versions.row_version])
    }

    fn same_key(&self, key: &[&str]) -> String {
        self.load.database.same_key("old", "new", self.load.chain.root, key)
    }

    /// Ends versions that are valid and not among the new rows, within the groups of these if there are groups.
    fn retire(&self) -> String {
        let groups = if self.versions.merge_key.is_empty() {
            String::new()
        } else {
            let same_group = self.same_key(&self.versions.merge_key);
            format!(" AND EXISTS (SELECT 1 FROM {} AS new WHERE {same_group})", self.staged.name)
        };
        format!(
            "UPDATE {} AS old SET {} = {} WHERE {} AND NOT EXISTS (SELECT 1 FROM {} AS new WHERE {}){groups}",
            self.table,
            quote(self.versions.valid_to),
            self.boundary,
            self.is_active(),
            self.staged.name,
            self.same_version()
        )
    }

    /// Inserts rows of which there is no valid version. Rows that come twice are inserted twice, as in dlt.
    fn insert(&self) -> String {
        let (valid_from, valid_to) = (quote(self.versions.valid_from), quote(self.versions.valid_to));
        let insert = self.staged.insert_with(|column| {
            if column == valid_from {
                Some(self.boundary.clone())
            } else if column == valid_to {
                Some(self.active.clone())
            } else {
                None
            }
        });
        format!(
            "{insert} WHERE NOT EXISTS (SELECT 1 FROM {} AS old WHERE {} AND {})",
            self.table,
            self.is_active(),
            self.same_version()
        )
    }
}

fn timestamp(text: &str) -> String {
    format!("{}::TIMESTAMPTZ", literal(text))
}
