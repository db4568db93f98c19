//! One package, one transaction.

use std::time::Instant;

use super::super::chain::Chain;
use super::super::evolution::{Changes, ExistingTables, TableColumns};
use super::super::{DestinationError, LoadPackage, Receipt};
use super::connection::Database;
use super::merge::ChainLoad;
use super::{ddl, ledger, migrate, origins, retype};

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
        #[cfg(test)]
        super::failpoint::pass();
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
    let chains = Chain::all(package).map_err(|table| DestinationError::Statement {
        action: format!("load table `{table}`"),
        reason: "the schema of the package does not have it".to_owned(),
    })?;
    if schema.tables.values().map(|table| table.columns.len()).sum::<usize>() > COLUMNS_IN_LIMIT {
        database.lift_memory_limit()?;
    }
    let existing = create_own_tables(database)?;
    let changes = Changes::between(schema, package.deletes, &existing);
    retype::apply(database, schema, &package.rows.retyped, &existing)?;
    ddl::apply(database, &changes)?;
    origins::write(database, package, &changes.created)?;
    ddl::fill_root_ids(database, schema, &changes)?;
    receipt.added_columns = changes.added.iter().map(column_names).collect();
    let columns = ddl::existing_tables(database)?;
    for chain in &chains {
        ChainLoad { database, chain, existing: &existing, columns: &columns, load_id: package.load_id }
            .run(receipt)?;
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

fn column_names(added: &TableColumns<'_>) -> (String, Vec<String>) {
    let names = added.columns.iter().map(|column| column.name.clone()).collect();
    (added.table.name.clone(), names)
}
