//! dlt's `upsert`: rows whose primary key is there take the values of the new row, others come in.

use super::super::super::DestinationError;
use super::super::super::strategy::Merge;
use super::super::database::{literal, quote};
use super::staged::Staged;
use super::{ChainLoad, push_count, removed, says_deleted};
use crate::schema::{Column, DELETED_AT, Table};

/// Writes the rows of a chain over those that are there.
pub(crate) fn run(
    load: &ChainLoad<'_>,
    merge: &Merge<'_>,
    counts: &mut Vec<(String, u64)>,
) -> Result<(), DestinationError> {
    let (database, root) = (load.database, load.chain.root);
    let mut staged = Staged::of(load, root)?;
    database.before_changes()?;
    staged.drop_duplicates(merge)?;
    if load.existed(root) {
        delete_children(load, merge, &staged)?;
    }
    let action = format_args!("insert rows into table `{}`", root.name);
    database.execute(&action, &insert_sql(load, merge, &staged), &[])?;
    if load.existed(root) {
        if let Some(hint) = &merge.hard_delete {
            let deleted = matched(load, merge, &staged, &says_deleted("new", hint));
            removed::collect(database, root, &[deleted])?;
            removed::delete(database, root)?;
        }
        let action = format_args!("update rows of table `{}`", root.name);
        database.execute(&action, &update_sql(load, merge, &staged), &[])?;
    }
    push_count(counts, root, count_new(load)?);
    if let Some(hint) = &merge.hard_delete {
        let says_deleted = says_deleted("new", hint);
        removed::collect(database, root, &[format!("{} AS new WHERE {says_deleted}", staged.name)])?;
    }
    for child in &load.chain.children {
        let mut count = insert_children(load, &staged, child)?;
        if merge.hard_delete.is_some() {
            count = count.saturating_sub(removed::delete_below(database, child)?);
        }
        push_count(counts, child, count);
    }
    Ok(())
}

/// Writes the new rows of a child table. Only where rows came twice they have to be told apart first.
fn insert_children(load: &ChainLoad<'_>, roots: &Staged<'_>, child: &Table) -> Result<u64, DestinationError> {
    if !roots.is_thinned || load.chain.rows_of(&child.name).is_none() {
        return load.append(child);
    }
    let staged = Staged::of(load, child)?;
    let sql = format!("{} WHERE {}", staged.insert(), roots.came_with());
    load.database.execute(&format_args!("insert rows into table `{}`", child.name), &sql, &[])
}

/// Deletes what is below rows that are about to be updated: dlt updates children by their `_dlt_id` and deletes the
/// others, which comes to the same. It goes by the ids that the rows have now, since a table that was merged in
/// another way before has other ids than the new rows.
fn delete_children(
    load: &ChainLoad<'_>,
    merge: &Merge<'_>,
    staged: &Staged<'_>,
) -> Result<(), DestinationError> {
    let (database, root) = (load.database, load.chain.root);
    if load.children_before().next().is_none() {
        return Ok(());
    }
    removed::collect(database, root, &[matched(load, merge, staged, "true")])?;
    load.children_before().try_for_each(|child| removed::delete_below(database, child).map(drop))
}

/// Rows of earlier loads that share the primary key with a new row for which `condition` holds.
fn matched(load: &ChainLoad<'_>, merge: &Merge<'_>, staged: &Staged<'_>, condition: &str) -> String {
    let root = load.chain.root;
    format!(
        "{} AS old WHERE {} AND EXISTS (SELECT 1 FROM {} AS new WHERE {condition} AND {})",
        load.database.table(&root.name),
        load.is_earlier(),
        staged.name,
        load.database.same_key("old", "new", root, &merge.primary_key)
    )
}

/// Writes new rows over those of earlier loads that share their primary key. Columns that the schema does not have keep their values, but
/// for the mark of rows that were gone.
fn update_sql(load: &ChainLoad<'_>, merge: &Merge<'_>, staged: &Staged<'_>) -> String {
    let root = load.chain.root;
    let is_written = |column: &&Column| column.data_type.is_some() && column.name != DELETED_AT;
    let mark = load.has_column(root, DELETED_AT).then_some(DELETED_AT);
    let names = root.columns.values().filter(is_written).map(|column| column.name.as_str()).chain(mark);
    let updates: Vec<_> = names.map(|name| format!("{0} = new.{0}", quote(name))).collect();
    format!(
        "UPDATE {} AS old SET {} FROM {} AS new WHERE {} AND {}",
        load.database.table(&root.name),
        updates.join(", "),
        staged.name,
        load.is_earlier(),
        load.database.same_key("old", "new", root, &merge.primary_key)
    )
}

/// Inserts new rows whose primary key is not there, those too that say that they are deleted, as dlt does.
fn insert_sql(load: &ChainLoad<'_>, merge: &Merge<'_>, staged: &Staged<'_>) -> String {
    let root = load.chain.root;
    format!(
        "{} WHERE NOT EXISTS (SELECT 1 FROM {} AS old WHERE {})",
        staged.insert(),
        load.database.table(&root.name),
        load.database.same_key("old", "new", root, &merge.primary_key)
    )
}

/// How many root rows were written.
fn count_new(load: &ChainLoad<'_>) -> Result<u64, DestinationError> {
    let root = load.chain.root;
    let sql = format!(
        "SELECT count(*) FROM {} WHERE _dlt_load_id = {}",
        load.database.table(&root.name),
        literal(load.load_id.as_str())
    );
    let action = format_args!("count rows of table `{}`", root.name);
    load.database.count(&action, &sql)
}
