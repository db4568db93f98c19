//! What a load does to each root table and the tables below it.

use crate::normalize::{Normalized, TableRows};
use crate::schema::{Hint, Schema, Table, WriteDisposition};

/// Column of child tables that holds the `_dlt_id` of their root row.
pub(crate) const ROOT_ID: &str = "_dlt_root_id";

/// One root table, its descendants, and what to do with the rows that are there.
#[derive(Debug)]
pub(crate) struct Chain<'a> {
    /// The root table.
    pub(crate) root: &'a Table,
    /// Every descendant with seen data, parents before children, whether it gets rows or not.
    pub(crate) children: Vec<&'a Table>,
    /// What happens to rows that are there.
    pub(crate) strategy: Strategy<'a>,
    /// New rows, of the root and of descendants.
    rows: Vec<&'a TableRows>,
}

/// What happens to rows that are there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Strategy<'a> {
    /// They stay.
    Append,
    /// All of them go.
    Replace,
    /// Those that share a key with a new row go: dlt's `delete-insert`. At least one key is not empty.
    DeleteInsert {
        /// Columns that identify a row together.
        primary_key: Vec<&'a str>,
        /// Columns that identify a group of rows together.
        merge_key: Vec<&'a str>,
    },
}

impl<'a> Chain<'a> {
    /// Chains that a load touches: those with rows, and those of `emptied` root tables.
    ///
    /// # Errors
    /// The name of a table with rows that the schema does not have among those with seen data.
    pub(crate) fn all(package: &'a Normalized, emptied: &[String]) -> Result<Vec<Self>, String> {
        let schema = &package.schema;
        let roots = schema.tables.values().filter(|table| table.parent.is_none() && table.has_seen_data());
        let mut chains: Vec<_> = roots.map(|root| Self::of(schema, root)).collect();
        for rows in &package.tables {
            let holds = |chain: &&mut Self| chain.tables().any(|table| table.name == rows.table);
            match chains.iter_mut().find(holds) {
                Some(chain) => chain.rows.push(rows),
                None => return Err(rows.table.clone()),
            }
        }
        chains.retain(|chain| !chain.rows.is_empty() || emptied.contains(&chain.root.name));
        for chain in chains.iter_mut().filter(|chain| emptied.contains(&chain.root.name)) {
            chain.strategy = Strategy::Replace;
        }
        Ok(chains)
    }

    /// The root table and all below it, parents before children.
    pub(crate) fn tables(&self) -> impl Iterator<Item = &'a Table> {
        std::iter::once(self.root).chain(self.children.iter().copied())
    }

    fn of(schema: &'a Schema, root: &'a Table) -> Self {
        let mut children = Vec::new();
        let mut parents = vec![root];
        while let Some(parent) = parents.pop() {
            let below = schema.tables.values().filter(|table| table.parent.as_ref() == Some(&parent.name));
            parents.extend(below.clone());
            children.extend(below.filter(|table| table.has_seen_data()));
        }
        Self { root, children, strategy: Strategy::of(root), rows: Vec::new() }
    }

    /// New rows of one table of the chain.
    pub(crate) fn rows_of(&self, table: &str) -> Option<&'a TableRows> {
        self.rows.iter().copied().find(|rows| rows.table == table)
    }
}

impl<'a> Strategy<'a> {
    fn of(root: &'a Table) -> Self {
        match root.write_disposition {
            Some(WriteDisposition::Replace) => Self::Replace,
            Some(WriteDisposition::Merge) => {
                let primary_key: Vec<_> = root.columns_with(Hint::PrimaryKey).collect();
                let merge_key: Vec<_> = root.columns_with(Hint::MergeKey).collect();
                if primary_key.is_empty() && merge_key.is_empty() {
                    // As dlt does.
                    Self::Append
                } else {
                    Self::DeleteInsert { primary_key, merge_key }
                }
            }
            Some(WriteDisposition::Append | WriteDisposition::Skip) | None => Self::Append,
        }
    }
}

/// The root above a table, or the table itself. `None` if a parent is missing or the parents go in a circle.
pub(crate) fn root_of<'a>(schema: &'a Schema, table: &'a Table) -> Option<&'a Table> {
    let mut table = table;
    for _ in 0..=schema.tables.len() {
        match &table.parent {
            None => return Some(table),
            Some(parent) => table = schema.tables.get(parent)?,
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::schema::{Column, DataType};

    fn package(disposition: WriteDisposition, hints: &[Hint], rows_in: &[&str]) -> Normalized {
        let mut schema = Schema::new("src");
        let mut root = Table::root("t", "t", disposition);
        let column =
            hints.iter().fold(Column::new("id", DataType::Bigint), |column, hint| column.with(*hint));
        root.add(column);
        // Children first: the order of the schema must not matter.
        for mut table in [Table::child("t__c__d", "t__c"), Table::child("t__c", "t"), root] {
            table.mark_seen();
            schema.tables.insert(table.name.clone(), table);
        }
        let rows = |table: &&str| TableRows { table: (*table).to_owned(), row_count: 1, files: Vec::new() };
        Normalized {
            schema,
            tables: rows_in.iter().map(rows).collect(),
            retyped: Vec::new(),
            origins: Vec::new(),
        }
    }

    #[test]
    fn chains_hold_descendants_below_their_parents() {
        let package = package(WriteDisposition::Append, &[], &["t__c", "t"]);
        let chains = Chain::all(&package, &[]).unwrap();
        assert_eq!(chains.len(), 1);
        let children: Vec<_> = chains[0].children.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(children, ["t__c", "t__c__d"]);
        assert!(chains[0].rows_of("t").is_some());
        assert!(chains[0].rows_of("t__c__d").is_none());
    }

    #[test]
    fn only_touched_chains_count() {
        let package = package(WriteDisposition::Merge, &[Hint::PrimaryKey], &[]);
        assert!(Chain::all(&package, &["other".to_owned()]).unwrap().is_empty());
        let chains = Chain::all(&package, &["t".to_owned()]).unwrap();
        assert_eq!(chains[0].strategy, Strategy::Replace);
    }

    #[test]
    fn rows_of_an_unknown_table_are_refused() {
        let package = package(WriteDisposition::Append, &[], &["t", "stranger"]);
        assert_eq!(Chain::all(&package, &[]).unwrap_err(), "stranger");
    }

    #[test]
    fn keys_decide_how_rows_are_merged() {
        let check = |disposition, hints: &[Hint], expected: Strategy<'_>| {
            let package = package(disposition, hints, &["t"]);
            assert_eq!(Chain::all(&package, &[]).unwrap()[0].strategy, expected);
        };
        let keyed = |primary_key: &[&'static str], merge_key: &[&'static str]| Strategy::DeleteInsert {
            primary_key: primary_key.to_vec(),
            merge_key: merge_key.to_vec(),
        };
        check(WriteDisposition::Append, &[Hint::PrimaryKey], Strategy::Append);
        check(WriteDisposition::Replace, &[Hint::PrimaryKey], Strategy::Replace);
        check(WriteDisposition::Merge, &[], Strategy::Append);
        check(WriteDisposition::Merge, &[Hint::PrimaryKey], keyed(&["id"], &[]));
        check(WriteDisposition::Merge, &[Hint::MergeKey], keyed(&[], &["id"]));
        check(WriteDisposition::Merge, &[Hint::PrimaryKey, Hint::MergeKey], keyed(&["id"], &["id"]));
    }
}
