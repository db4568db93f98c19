//! dlt's `delete-insert` without a staged table: DuckDB's rows keep the order in which they came, so that root rows are
//! written once and not twice.
//!
//! New root rows are appended first and known by their load id; what they take the place of is found by a join of the
//! table with itself and deleted, children first. New children come after that, so that a child is never taken for
//! an old one, even where the source brings ids of its own.

use super::super::DestinationError;
use super::super::sql::literal;
use super::super::sql::merge::{ChainLoad, is_duplicate, push_count, removed, says_deleted};
use super::super::strategy::Merge;

/// Writes the rows of a chain, and deletes what they take the place of.
pub(super) fn run(
    load: &ChainLoad<'_>,
    merge: &Merge<'_>,
    counts: &mut Vec<(String, u64)>,
) -> Result<(), DestinationError> {
    let root = load.chain.root;
    let root_count = load.append(root)?;
    load.database.before_changes()?;
    if load.existed(root) {
        delete_replaced(load, merge)?;
    }
    let dropped = drop_unwanted(load, merge)?;
    push_count(counts, root, root_count.saturating_sub(dropped));
    for child in &load.chain.children {
        let mut count = load.append(child)?;
        if dropped > 0 {
            count = count.saturating_sub(removed::delete_below(load.database, child)?);
        }
        push_count(counts, child, count);
    }
    Ok(())
}

/// Deletes rows of earlier loads that share a key with a row of this load, and everything below them. Either key is
/// enough, and rows that will not stay count too, as in dlt.
fn delete_replaced(load: &ChainLoad<'_>, merge: &Merge<'_>) -> Result<(), DestinationError> {
    let (database, root) = (load.database, load.chain.root);
    let table = database.table(&root.name);
    let load_id = literal(load.load_id.as_str());
    let keys = [&merge.primary_key, &merge.merge_key];
    // One semi-join per key: with OR in one condition, DuckDB compares every row with every other.
    let matches = keys.iter().filter(|key| !key.is_empty()).map(|key| {
        format!(
            "{table} AS old WHERE {} AND EXISTS (SELECT 1 FROM {table} AS new WHERE _dlt_load_id = {load_id} AND {})",
            load.is_earlier(),
            database.same_key("old", "new", root, key)
        )
    });
    load.remove(&matches.collect::<Vec<_>>())
}

/// Deletes rows of this load that do not stay: all but one of each primary key, and those that say that they are
/// deleted. Returns how many went; what is below them is for [`removed::delete_below`] once it is there.
fn drop_unwanted(load: &ChainLoad<'_>, merge: &Merge<'_>) -> Result<u64, DestinationError> {
    let (database, root) = (load.database, load.chain.root);
    let table = database.table(&root.name);
    let is_new = format!("_dlt_load_id = {}", literal(load.load_id.as_str()));
    let mut reasons = Vec::new();
    if !merge.primary_key.is_empty() {
        reasons.push(is_duplicate(load, (&table, "t"), &is_new, "rowid", merge));
    }
    // Only of the rows that stay does it matter, and of the others it does no harm.
    reasons.extend(merge.hard_delete.iter().map(|hint| says_deleted("t", hint)));
    if reasons.is_empty() {
        return Ok(0);
    }
    let unwanted = format!("{table} AS t WHERE {is_new} AND ({})", reasons.join(" OR "));
    removed::collect(database, root, &[unwanted])?;
    let count = removed::delete(database, root)?;
    if count > 0 {
        removed::spare_kept(database, root)?;
    }
    Ok(count)
}
