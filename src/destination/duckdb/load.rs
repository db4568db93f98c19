//! One package, one transaction.

use std::time::Instant;

use super::super::chain::{Chain, Strategy};
use super::super::evolution::{AddedColumns, Changes, ExistingTables};
use super::super::{DestinationError, LoadPackage, Receipt};
use super::connection::Database;
use super::{ddl, ledger, merge, migrate, rows};
use crate::schema::Table;
use crate::state::LoadId;

/// Columns of a dataset that fit the memory limit: until the commit a block or two of 256 KiB stay in memory of each
/// one that is added or gets rows, however few these are.
const COLUMNS_IN_LIMIT: usize = 128;

/// Commits a package. On an error the transaction goes with the connection.
pub(super) fn load(database: &Database, package: &LoadPackage<'_>) -> Result<Receipt, DestinationError> {
    let start = Instant::now();
    let mut receipt = Receipt {
        load_id: package.load_id.clone(),
        tables: Vec::new(),
        added_columns: Vec::new(),
        deleted: Vec::new(),
        already_loaded: false,
        elapsed: start.elapsed(),
    };
    database.execute_batch("begin a transaction", "BEGIN TRANSACTION")?;
    if write(database, package, &mut receipt)? {
        database.execute_batch(format_args!("commit load `{}`", package.load_id), "COMMIT")?;
    } else {
        receipt.already_loaded = true;
    }
    receipt.elapsed = start.elapsed();
    Ok(receipt)
}

/// Everything between BEGIN and COMMIT. Returns `false` if the package was loaded before.
fn write(
    database: &Database,
    package: &LoadPackage<'_>,
    receipt: &mut Receipt,
) -> Result<bool, DestinationError> {
    let schema = &package.rows.schema;
    let existing = ddl::existing_tables(database)?;
    let newest = if existing.contains_key(ledger::VERSIONS) {
        ledger::newest_hash(database, &schema.name)?
    } else {
        None
    };
    if existing.contains_key(ledger::LOADS) && ledger::is_loaded(database, &schema.name, package.load_id)? {
        return Ok(false);
    }
    if newest.as_ref().map(|(hash, _)| hash.as_str()) != package.base_schema_hash {
        return Err(DestinationError::SchemaMoved { source_name: schema.name.clone() });
    }
    let chains = Chain::all(package.rows, package.emptied).map_err(|table| DestinationError::Statement {
        action: format!("load table `{table}`"),
        reason: "the schema of the package does not have it".to_owned(),
    })?;
    let existing = create_own_tables(database)?;
    let changes = Changes::between(schema, &existing);
    ddl::apply(database, schema, &changes)?;
    receipt.added_columns = changes.added.iter().map(column_names).collect();
    let columns = ddl::existing_tables(database)?;
    if columns.values().map(|columns| columns.len()).sum::<usize>() > COLUMNS_IN_LIMIT {
        database.lift_memory_limit()?;
    }
    for chain in &chains {
        ChainLoad { database, chain, existing: &existing, columns: &columns, load_id: package.load_id }
            .run(&mut receipt.tables)?;
    }
    ledger::write(database, package, newest.as_ref())?;
    migrate::write_runs(database, package.load_id, package.pipeline, package.runs)?;
    Ok(true)
}

/// Creates the dataset, dlt's tables and ours. Returns all tables that are there then.
fn create_own_tables(database: &Database) -> Result<ExistingTables, DestinationError> {
    ddl::create_dataset(database)?;
    ledger::create(database)?;
    migrate::migrate(database)?;
    ddl::existing_tables(database)
}

fn column_names(added: &AddedColumns<'_>) -> (String, Vec<String>) {
    let names = added.columns.iter().map(|column| column.name.clone()).collect();
    (added.table.name.clone(), names)
}

/// The rows of one root table and of those below it.
struct ChainLoad<'a> {
    database: &'a Database,
    chain: &'a Chain<'a>,
    /// Tables from before this load: new ones have nothing to remove.
    existing: &'a ExistingTables,
    /// Tables as they are now.
    columns: &'a ExistingTables,
    load_id: &'a LoadId,
}

impl ChainLoad<'_> {
    fn run(&self, counts: &mut Vec<(String, u64)>) -> Result<(), DestinationError> {
        match &self.chain.strategy {
            Strategy::Append => self.append_all(counts),
            Strategy::Replace => {
                self.database.lift_memory_limit()?;
                for table in self.chain.tables().filter(|table| self.existed(table)) {
                    merge::clear(self.database, &table.name)?;
                }
                self.append_all(counts)
            }
            Strategy::DeleteInsert { primary_key, merge_key } => {
                self.delete_insert(primary_key, merge_key, counts)
            }
        }
    }

    fn delete_insert(
        &self,
        primary_key: &[&str],
        merge_key: &[&str],
        counts: &mut Vec<(String, u64)>,
    ) -> Result<(), DestinationError> {
        let (database, root) = (self.database, self.chain.root);
        let mut root_count = self.append(root)?;
        database.lift_memory_limit()?;
        if self.existed(root) {
            let children: Vec<_> =
                self.chain.children.iter().copied().filter(|it| self.existed(it)).collect();
            merge::delete_replaced(database, root, &children, [primary_key, merge_key], self.load_id)?;
        }
        let mut duplicates = 0;
        if !primary_key.is_empty() {
            duplicates = merge::delete_duplicates(database, root, primary_key, self.load_id)?;
            root_count = root_count.saturating_sub(duplicates);
        }
        push_count(counts, root, root_count);
        for child in &self.chain.children {
            let mut count = self.append(child)?;
            if duplicates > 0 {
                count = count.saturating_sub(merge::delete_below(database, child)?);
            }
            push_count(counts, child, count);
        }
        Ok(())
    }

    fn append_all(&self, counts: &mut Vec<(String, u64)>) -> Result<(), DestinationError> {
        self.chain.tables().try_for_each(|table| {
            let count = self.append(table)?;
            push_count(counts, table, count);
            Ok(())
        })
    }

    fn append(&self, table: &Table) -> Result<u64, DestinationError> {
        match (self.chain.rows_of(&table.name), self.columns.get(&table.name.to_lowercase())) {
            (Some(rows), Some(columns)) => rows::append(self.database, rows, columns),
            _ => Ok(0),
        }
    }

    fn existed(&self, table: &Table) -> bool {
        self.existing.contains_key(&table.name.to_lowercase())
    }
}

fn push_count(counts: &mut Vec<(String, u64)>, table: &Table, count: u64) {
    if count > 0 {
        counts.push((table.name.clone(), count));
    }
}
