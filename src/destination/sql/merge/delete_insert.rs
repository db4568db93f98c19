//! dlt's `delete-insert`: rows with a key of a new row go, with all below them, and the new rows come in.

use super::super::super::DestinationError;
use super::super::super::strategy::Merge;
use super::staged::Staged;
use super::{ChainLoad, push_count};
use crate::schema::Table;

/// Writes the rows of a chain, and deletes what they take the place of.
pub(crate) fn run(
    load: &ChainLoad<'_>,
    merge: &Merge<'_>,
    counts: &mut Vec<(String, u64)>,
) -> Result<(), DestinationError> {
    let root = load.chain.root;
    let mut staged = Staged::of(load, root)?;
    load.database.before_changes()?;
    if load.existed(root) {
        delete_replaced(load, merge, &staged)?;
    }
    // After that: rows that will not stay take the place of others, too, as in dlt.
    if !merge.primary_key.is_empty() {
        staged.drop_duplicates(merge)?;
    }
    if let Some(hint) = &merge.hard_delete {
        staged.drop_deleted(hint)?;
    }
    let action = format_args!("insert rows into table `{}`", root.name);
    let count = load.database.execute(&action, &staged.insert(), &[])?;
    push_count(counts, root, count);
    for child in &load.chain.children {
        let count = append_below(load, &staged, child)?;
        push_count(counts, child, count);
    }
    Ok(())
}

/// Deletes rows that share a key with a new row, and everything below them. Either key is enough.
fn delete_replaced(
    load: &ChainLoad<'_>,
    merge: &Merge<'_>,
    staged: &Staged<'_>,
) -> Result<(), DestinationError> {
    let (database, root) = (load.database, load.chain.root);
    let keys = [&merge.primary_key, &merge.merge_key];
    // One semi-join per key: with OR in one condition, every row is compared with every other.
    let matches = keys.iter().filter(|key| !key.is_empty()).map(|key| {
        format!(
            "{} AS old WHERE EXISTS (SELECT 1 FROM {} AS new WHERE {})",
            database.table(&root.name),
            staged.name,
            database.same_key("old", "new", root, key)
        )
    });
    load.remove(&matches.collect::<Vec<_>>())
}

/// Appends the new rows of a child table that are below rows which stayed.
fn append_below(load: &ChainLoad<'_>, roots: &Staged<'_>, child: &Table) -> Result<u64, DestinationError> {
    if !roots.is_thinned || load.chain.rows_of(&child.name).is_none() {
        return load.append(child);
    }
    let staged = Staged::of(load, child)?;
    let sql = format!("{} WHERE {}", staged.insert(), roots.leads_to());
    load.database.execute(&format_args!("insert rows into table `{}`", child.name), &sql, &[])
}
