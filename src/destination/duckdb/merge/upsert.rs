//! dlt's `upsert`: rows whose primary key is there take the values of the new row, others come in.

use super::super::super::DestinationError;
use super::super::super::strategy::Merge;
use super::super::connection::{literal, quote};
use super::staged::Staged;
use super::{ChainLoad, push_count, removed, same_key, says_deleted};
use crate::schema::{Column, DELETED_AT, Table};

/// Writes the rows of a chain over those that are there.
pub(super) fn run(
    load: &ChainLoad<'_>,
    merge: &Merge<'_>,
    counts: &mut Vec<(String, u64)>,
) -> Result<(), DestinationError> {
    let (database, root) = (load.database, load.chain.root);
    let mut staged = Staged::of(load, root)?;
    database.lift_memory_limit()?;
    staged.drop_duplicates(merge)?;
    delete_children(load, merge, &staged)?;
    database.execute(
        format_args!("merge rows into table `{}`", root.name),
        &merge_sql(load, merge, &staged),
        [],
    )?;
    push_count(counts, root, count_new(load)?);
    if let Some(hint) = &merge.hard_delete {
        let says_deleted = says_deleted("new", hint);
        let select = format!("SELECT rowid, _dlt_id FROM {} AS new WHERE {says_deleted}", staged.name);
        removed::collect(database, root, &select)?;
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
    let sql = format!(
        "INSERT INTO {} SELECT {} FROM {} AS new WHERE {}",
        load.database.table(&child.name),
        Staged::columns(),
        staged.name,
        roots.came_with()
    );
    load.database.execute(format_args!("insert rows into table `{}`", child.name), &sql, [])
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
    let select = format!(
        "SELECT rowid, _dlt_id FROM {} AS old WHERE EXISTS (SELECT 1 FROM {} AS new WHERE {})",
        database.table(&root.name),
        staged.name,
        same_key("old", "new", &merge.primary_key)
    );
    removed::collect(database, root, &select)?;
    load.children_before().try_for_each(|child| removed::delete_below(database, child).map(drop))
}

/// One statement for the root rows. As in dlt, a row that says that it is deleted and was never there comes in.
fn merge_sql(load: &ChainLoad<'_>, merge: &Merge<'_>, staged: &Staged<'_>) -> String {
    let root = load.chain.root;
    // Columns that the schema does not have keep their values, but for the mark of rows that were gone.
    let is_written = |column: &&Column| column.data_type.is_some() && column.name != DELETED_AT;
    let mark = load.has_column(root, DELETED_AT).then_some(DELETED_AT);
    let names = root.columns.values().filter(is_written).map(|column| column.name.as_str()).chain(mark);
    let columns: Vec<_> = names.map(quote).collect();
    let updates: Vec<_> = columns.iter().map(|column| format!("{column} = new.{column}")).collect();
    let deletes = merge
        .hard_delete
        .as_ref()
        .map_or(String::new(), |hint| format!("WHEN MATCHED AND {} THEN DELETE ", says_deleted("new", hint)));
    format!(
        "MERGE INTO {} AS old USING {} AS new ON {} {deletes}WHEN MATCHED THEN UPDATE SET {} \
         WHEN NOT MATCHED THEN INSERT ({}) VALUES ({})",
        load.database.table(&root.name),
        staged.name,
        same_key("old", "new", &merge.primary_key),
        updates.join(", "),
        columns.join(", "),
        columns.iter().map(|column| format!("new.{column}")).collect::<Vec<_>>().join(", "),
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
    Ok(load.database.first(action, &sql, [], |row| row.get(0))?.unwrap_or_default())
}
