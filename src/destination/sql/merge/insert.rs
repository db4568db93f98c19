//! dlt's `insert-only`: rows whose primary key is there do not come in.

use super::super::super::DestinationError;
use super::super::super::strategy::Merge;
use super::staged::Staged;
use super::{ChainLoad, push_count};
use crate::schema::Table;

/// Writes the rows of a chain that are not there yet.
pub(crate) fn run(
    load: &ChainLoad<'_>,
    merge: &Merge<'_>,
    counts: &mut Vec<(String, u64)>,
) -> Result<(), DestinationError> {
    let root = load.chain.root;
    let mut staged = Staged::of(load, root)?;
    load.database.before_changes()?;
    if let Some(hint) = &merge.hard_delete {
        staged.drop_deleted(hint)?;
    }
    staged.drop_duplicates(merge)?;
    let table = load.database.table(&root.name);
    let sql = format!(
        "{} WHERE NOT EXISTS (SELECT 1 FROM {table} AS old WHERE {})",
        staged.insert(),
        load.database.same_key("old", "new", root, &merge.primary_key)
    );
    let count = load.database.execute(&format_args!("insert rows into table `{}`", root.name), &sql, &[])?;
    push_count(counts, root, count);
    insert_children(load, &staged, counts)
}

/// Inserts the new rows below the root whose `_dlt_id` is not there yet, as dlt does. Ids of children follow from
/// their root row and their place, so a row that is the same as before has the same children.
///
/// dlt also inserts those whose parent did not come in, and which nothing leads to then; here they do not.
pub(crate) fn insert_children(
    load: &ChainLoad<'_>,
    roots: &Staged<'_>,
    counts: &mut Vec<(String, u64)>,
) -> Result<(), DestinationError> {
    for child in &load.chain.children {
        if load.chain.rows_of(&child.name).is_some() {
            let count = insert_new(load, roots, child)?;
            push_count(counts, child, count);
        }
    }
    Ok(())
}

fn insert_new(load: &ChainLoad<'_>, roots: &Staged<'_>, child: &Table) -> Result<u64, DestinationError> {
    let mut staged = Staged::of(load, child)?;
    if !roots.is_thinned {
        // Of thinned rows it is not always the first one that stays, and those that stay have ids of their own.
        staged.drop_equal_ids()?;
    }
    let table = load.database.table(&child.name);
    let parent = child.parent.as_deref().unwrap_or(&load.chain.root.name);
    let sql = format!(
        "{} WHERE {} \
         AND NOT EXISTS (SELECT 1 FROM {table} AS old WHERE old._dlt_id = new._dlt_id) \
         AND EXISTS (SELECT 1 FROM {} AS parent WHERE parent._dlt_id = new._dlt_parent_id)",
        staged.insert(),
        roots.came_with(),
        load.database.table(parent)
    );
    load.database.execute(&format_args!("insert rows into table `{}`", child.name), &sql, &[])
}
