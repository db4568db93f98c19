//! One package, one transaction.

use std::collections::BTreeMap;
use std::time::Instant;

use super::super::chain::Chain;
use super::super::evolution::{Changes, ExistingTables, TableColumns};
use super::super::strategy::Strategy;
use super::super::{DestinationError, LoadPackage, Receipt};
use super::database::{Database, TableLock};
use super::merge::ChainLoad;
use super::{ddl, ledger, origins, retype, runs};

/// Commits a package. On an error the transaction goes with the connection.
///
/// `written` is set before the commit: if the answer to that gets lost, the same load is tried again and finds itself.
pub(crate) fn load(
    database: &dyn Database,
    package: &LoadPackage<'_>,
    written: &mut Option<Receipt>,
) -> Result<Receipt, DestinationError> {
    let start = Instant::now();
    let mut receipt = Receipt {
        load_id: package.load_id.clone(),
        tables: Vec::new(),
        added_columns: Vec::new(),
        deleted: Vec::new(),
        repaired: Vec::new(),
        already_loaded: false,
        elapsed: start.elapsed(),
    };
    database.begin(package)?;
    if write(database, package, &mut receipt)? {
        *written = Some(receipt.clone());
        database.execute_batch(&format_args!("commit load `{}`", package.load_id), "COMMIT")?;
        #[cfg(test)]
        super::super::failpoint::pass();
    } else if let Some(written) = written.take() {
        receipt = written;
    } else {
        receipt.already_loaded = true;
    }
    receipt.elapsed = start.elapsed();
    Ok(receipt)
}

/// Everything between BEGIN and COMMIT. Returns `false` if the package was loaded before.
fn write(
    database: &dyn Database,
    package: &LoadPackage<'_>,
    receipt: &mut Receipt,
) -> Result<bool, DestinationError> {
    let schema = &package.rows.schema;
    let existing = database.existing_tables()?;
    let newest = if existing.contains_key(ledger::VERSIONS) {
        ledger::newest_hash(database, &schema.name)?
    } else {
        None
    };
    if existing.contains_key(ledger::LOADS) && ledger::is_loaded(database, &schema.name, package.load_id)? {
        return Ok(false);
    }
    if package.is_outdated {
        return Err(DestinationError::StateMoved { pipeline: package.pipeline.to_owned() });
    }
    let state_hash = ledger::state_hash(database, &existing, package.pipeline)?;
    if newest.as_ref().map(|(hash, _)| hash.as_str()) != package.base_schema_hash
        || state_hash.as_deref() != package.base_state_hash
    {
        return Err(DestinationError::SchemaMoved { source_name: schema.name.clone() });
    }
    let chains = Chain::all(package).map_err(|table| DestinationError::Statement {
        action: format!("load table `{table}`"),
        reason: "the schema of the package does not have it".to_owned(),
    })?;
    let existing = create_own_tables(database, package, existing)?;
    let changes = Changes::between(schema, package.deletes, &existing);
    database.lock_tables(&locks(package, &chains, &changes, &existing))?;
    retype::apply(database, schema, &package.rows.retyped, &existing)?;
    ddl::apply(database, &changes)?;
    origins::write(database, package, &changes.created)?;
    ddl::fill_root_ids(database, schema, &changes)?;
    receipt.added_columns = changes.added.iter().map(column_names).collect();
    let columns = database.existing_tables()?;
    for chain in &chains {
        ChainLoad { database, chain, existing: &existing, columns: &columns, load_id: package.load_id }
            .run(receipt)?;
    }
    ddl::make_unique(database, &changes)?;
    ledger::write(database, package, newest.as_ref())?;
    runs::write(database, package.load_id, package.pipeline, package.runs)?;
    Ok(true)
}

/// Creates the dataset, dlt's tables and ours. Returns all tables that are there then.
///
/// Where anything is to be made or changed, other loads that would do so wait, and what is there is looked at again.
fn create_own_tables(
    database: &dyn Database,
    package: &LoadPackage<'_>,
    existing: ExistingTables,
) -> Result<ExistingTables, DestinationError> {
    let changes = Changes::between(&package.rows.schema, package.deletes, &existing);
    if ledger::is_complete(database, &existing)
        && changes.is_empty()
        && package.rows.retyped.is_empty()
        && database.is_migrated(&existing)?
    {
        return Ok(existing);
    }
    database.lock_dataset()?;
    let existing = database.existing_tables()?;
    if existing.is_empty() {
        database.create_dataset()?;
    }
    ledger::create(database, &existing)?;
    database.migrate(&existing)?;
    database.existing_tables()
}

/// What other loads must not touch: tables whose columns change, and tables with rows that may go or change. All others
/// that get rows are among them: in the order of their names, so that no two loads wait for each other.
fn locks<'a>(
    package: &'a LoadPackage<'_>,
    chains: &[Chain<'a>],
    changes: &Changes<'a>,
    existing: &ExistingTables,
) -> Vec<(&'a str, TableLock)> {
    let mut locks = BTreeMap::new();
    for chain in chains {
        let only_grows = chain.strategy == Strategy::Append && chain.deletes.is_none();
        let lock = if only_grows { TableLock::Appends } else { TableLock::Rows };
        locks.extend(chain.tables().map(|table| (table.name.as_str(), lock)));
    }
    let retyped = package.rows.retyped.iter().map(|retype| retype.table.as_str());
    for table in changes.added.iter().map(|added| added.table.name.as_str()).chain(retyped) {
        locks.insert(table, TableLock::Columns);
    }
    locks.into_iter().filter(|(table, _)| existing.contains_key(&table.to_lowercase())).collect()
}

fn column_names(added: &TableColumns<'_>) -> (String, Vec<String>) {
    let names = added.columns.iter().map(|column| column.name.clone()).collect();
    (added.table.name.clone(), names)
}
