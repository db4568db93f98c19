//! What a load does to each root table and the tables below it.

use super::strategy::Strategy;
use super::{Deletes, LoadPackage};
use crate::normalize::TableRows;
use crate::schema::{Schema, Table};

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
    /// What happens to rows that the API no longer has.
    pub(crate) deletes: Option<&'a Deletes>,
    /// New rows, of the root and of descendants.
    rows: Vec<&'a TableRows>,
}

impl<'a> Chain<'a> {
    /// Chains that a load touches: those with rows, those of emptied root tables, and those whose root table has
    /// all rows of the API, even if these are none.
    ///
    /// # Errors
    /// The name of a table with rows that the schema does not have among those with seen data.
    pub(crate) fn all(package: &LoadPackage<'a>) -> Result<Vec<Self>, String> {
        let schema = &package.rows.schema;
        let roots = schema.tables.values().filter(|table| table.parent.is_none() && table.has_seen_data());
        let mut chains: Vec<_> = roots.map(|root| Self::of(schema, root)).collect();
        for rows in &package.rows.tables {
            let holds = |chain: &&mut Self| chain.tables().any(|table| table.name == rows.table);
            match chains.iter_mut().find(holds) {
                Some(chain) => chain.rows.push(rows),
                None => return Err(rows.table.clone()),
            }
        }
        for chain in &mut chains {
            chain.deletes = package.deletes.iter().find(|deletes| deletes.table == chain.root.name);
        }
        let is_emptied = |chain: &Self| package.emptied.contains(&chain.root.name);
        chains.retain(|chain| !chain.rows.is_empty() || chain.deletes.is_some() || is_emptied(chain));
        for chain in chains.iter_mut().filter(|chain| is_emptied(chain)) {
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
        Self { root, children, strategy: Strategy::of(root), deletes: None, rows: Vec::new() }
    }

    /// New rows of one table of the chain.
    pub(crate) fn rows_of(&self, table: &str) -> Option<&'a TableRows> {
        self.rows.iter().copied().find(|rows| rows.table == table)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::normalize::Normalized;
    use crate::schema::{DeleteMode, WriteDisposition};
    use crate::state::LoadId;

    /// Tables `t`, `t__c` and `t__c__d`, of which `rows_in` have rows.
    fn normalized(rows_in: &[&str]) -> Normalized {
        let mut schema = Schema::new("src");
        let root = Table::root("t", "t", WriteDisposition::Append);
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

    /// Hands the chains of a package to `look`.
    fn check(
        rows_in: &[&str],
        emptied: &[&str],
        deletes: &[&str],
        look: impl Fn(Result<Vec<Chain<'_>>, String>),
    ) {
        let names = |tables: &[&str]| tables.iter().map(|table| (*table).to_owned()).collect::<Vec<_>>();
        let deletes: Vec<_> = names(deletes)
            .into_iter()
            .map(|table| Deletes { table, mode: DeleteMode::Hard, max_share: 0.5 })
            .collect();
        look(Chain::all(&LoadPackage {
            load_id: &LoadId::from_stored("1.1"),
            pipeline: "p",
            rows: &normalized(rows_in),
            state: None,
            is_outdated: false,
            base_schema_hash: None,
            base_state_hash: None,
            emptied: &names(emptied),
            deletes: &deletes,
            runs: &[],
        }));
    }

    #[test]
    fn chains_hold_descendants_below_their_parents() {
        check(&["t__c", "t"], &[], &[], |chains| {
            let chains = chains.unwrap();
            assert_eq!(chains.len(), 1);
            let children: Vec<_> = chains[0].children.iter().map(|table| table.name.as_str()).collect();
            assert_eq!(children, ["t__c", "t__c__d"]);
            assert!(chains[0].rows_of("t").is_some());
            assert!(chains[0].rows_of("t__c__d").is_none());
        });
    }

    #[test]
    fn only_touched_chains_count() {
        check(&[], &["other"], &["other"], |chains| assert!(chains.unwrap().is_empty()));
        check(&[], &["t"], &[], |chains| assert_eq!(chains.unwrap()[0].strategy, Strategy::Replace));
        check(&[], &[], &["t"], |chains| {
            let chains = chains.unwrap();
            assert_eq!(chains[0].strategy, Strategy::Append);
            assert!(chains[0].deletes.is_some());
        });
    }

    #[test]
    fn rows_of_an_unknown_table_are_refused() {
        check(&["t", "stranger"], &[], &[], |chains| assert_eq!(chains.unwrap_err(), "stranger"));
    }
}
