//! Rows that the API no longer has: a package with all of its rows does not have them.

use super::super::super::strategy::Strategy;
use super::super::super::{DeletedRows, Deletes, DestinationError};
use super::super::database::literal;
use super::super::ledger::{instant, now_micros};
use super::ChainLoad;
use crate::schema::{DELETED_AT, DeleteMode};

/// How many rows the table has that are not marked as gone. `None` if nothing is to happen to rows that are.
pub(crate) fn count_before(load: &ChainLoad<'_>) -> Result<Option<u64>, DestinationError> {
    let is_keyed = matches!(load.chain.strategy, Strategy::DeleteInsert(_) | Strategy::Upsert(_));
    if load.chain.deletes.is_none() || !is_keyed {
        return Ok(None);
    }
    count(load, "true").map(Some)
}

/// Marks or removes rows that are not among those of this load, unless they are too many.
pub(crate) fn run(load: &ChainLoad<'_>, rows_before: u64) -> Result<DeletedRows, DestinationError> {
    let table = load.chain.root.name.clone();
    let Some(deletes) = load.chain.deletes else {
        return Ok(DeletedRows { table, row_count: 0, rows_before, refused: false });
    };
    let row_count = count(load, &load.is_earlier())?;
    let refused = is_too_much(row_count, rows_before, deletes);
    if !refused {
        load.database.before_changes()?;
        match deletes.mode {
            DeleteMode::Soft if row_count > 0 => mark(load)?,
            DeleteMode::Soft => (),
            DeleteMode::Hard => remove(load)?,
        }
    }
    Ok(DeletedRows { table, row_count, rows_before, refused })
}

#[expect(clippy::cast_precision_loss, reason = "a share of more than 2^53 rows need not be exact")]
fn is_too_much(row_count: u64, rows_before: u64, deletes: &Deletes) -> bool {
    row_count as f64 > deletes.max_share * rows_before as f64
}

/// Rows for which `condition` holds and which are not marked.
fn count(load: &ChainLoad<'_>, condition: &str) -> Result<u64, DestinationError> {
    let root = load.chain.root;
    let unmarked =
        if load.has_column(root, DELETED_AT) { format!("{DELETED_AT} IS NULL") } else { "true".to_owned() };
    let sql = format!(
        "SELECT count(*) FROM {} AS old WHERE {unmarked} AND {condition}",
        load.database.table(&root.name)
    );
    let action = format_args!("count rows of table `{}`", root.name);
    load.database.count(&action, &sql)
}

fn mark(load: &ChainLoad<'_>) -> Result<(), DestinationError> {
    let root = load.chain.root;
    let sql = format!(
        "UPDATE {} AS old SET {DELETED_AT} = {}::TIMESTAMPTZ WHERE {DELETED_AT} IS NULL AND {}",
        load.database.table(&root.name),
        literal(&instant(now_micros())),
        load.is_earlier()
    );
    load.database.execute(&format_args!("mark rows of table `{}` as deleted", root.name), &sql, &[]).map(drop)
}

/// Removes them with all below them, those too that an earlier load marked.
fn remove(load: &ChainLoad<'_>) -> Result<(), DestinationError> {
    let table = load.database.table(&load.chain.root.name);
    load.remove(&[format!("{table} AS old WHERE {}", load.is_earlier())])
}
