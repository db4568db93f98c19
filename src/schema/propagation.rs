//! Which child tables carry the id of their root row, `_dlt_root_id`: dlt keeps it under `normalizers` in its document.

use serde_json::{Value, json};

use super::{Hint, MergeStrategy, Schema, Table};

/// What names of dlt's own tables and columns begin with.
const OWN_PREFIX: &str = "_dlt";

impl Schema {
    /// Settles anew which root tables hand their ids down, as dlt does at the start of a run: those that need it by
    /// what is known, or all of them with `root_key`. What an earlier run settled does not count.
    pub(crate) fn reset_root_ids(&mut self, root_key: bool) {
        if let Some(json) = self.normalizers["json"].as_object_mut() {
            json.shift_remove("config");
            if root_key {
                json.insert("config".to_owned(), json!({ "root_key_propagation": true }));
            }
        }
        self.add_root_ids();
    }

    /// Adds the root tables that need to hand their ids down by now.
    pub(crate) fn add_root_ids(&mut self) {
        let roots = self.tables.values().filter(|table| table.parent.is_none());
        let needing = roots.filter(|root| !self.propagates_root_id(&root.name) && self.needs_root_id(root));
        let names: Vec<_> = needing.map(|root| root.name.clone()).collect();
        for name in names {
            self.propagate_root_id(&name);
        }
    }

    /// Whether child tables of `root` carry `_dlt_root_id`.
    pub fn propagates_root_id(&self, root: &str) -> bool {
        self.normalizers["json"]["config"]["propagation"]["tables"][root].get("_dlt_id").is_some()
    }

    /// Has child tables of `root` carry the id of their root row, which merging them needs.
    pub(crate) fn propagate_root_id(&mut self, root: &str) {
        let mut node = &mut self.normalizers["json"];
        for key in ["config", "propagation", "tables"] {
            if !node[key].is_object() {
                node[key] = json!({});
            }
            node = &mut node[key];
        }
        node[root] = json!({ "_dlt_id": "_dlt_root_id" });
    }

    fn needs_root_id(&self, root: &Table) -> bool {
        if root.name.starts_with(OWN_PREFIX) {
            return false;
        }
        let asked_for = self.normalizers["json"]["config"]["root_key_propagation"] == Value::Bool(true);
        let is_merged_by_root = matches!(
            root.merge_strategy(),
            Some(MergeStrategy::DeleteInsert | MergeStrategy::Upsert | MergeStrategy::InsertOnly)
        );
        asked_for || is_merged_by_root || self.has_root_ids(root)
    }

    /// Whether the table or one below it has the column already.
    fn has_root_ids(&self, table: &Table) -> bool {
        table.columns_with(Hint::RootKey).next().is_some()
            || self
                .tables
                .values()
                .any(|below| below.parent.as_ref() == Some(&table.name) && self.has_root_ids(below))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::schema::{Column, DataType, WriteDisposition};

    fn schema(disposition: WriteDisposition, strategy: Option<&str>) -> Schema {
        let mut schema = Schema::new("s");
        let mut root = Table::root("t", "t", disposition);
        root.other.extend(strategy.map(|name| ("x-merge-strategy".to_owned(), name.into())));
        for table in [root, Table::child("t__a", "t"), Table::child("t__a__b", "t__a")] {
            schema.tables.insert(table.name.clone(), table);
        }
        schema
    }

    fn check(mut schema: Schema, root_key: bool, expected: &Value) {
        schema.reset_root_ids(root_key);
        assert_eq!(schema.normalizers["json"]["config"], *expected);
    }

    #[test]
    fn ids_are_handed_down_where_a_merge_needs_them() {
        use WriteDisposition::{Append, Merge, Replace};
        let propagation = json!({ "tables": { "t": { "_dlt_id": "_dlt_root_id" } } });
        let yes = json!({ "propagation": propagation });
        check(schema(Append, None), false, &Value::Null);
        check(schema(Replace, Some("upsert")), false, &Value::Null);
        check(schema(Merge, None), false, &yes);
        check(schema(Merge, Some("upsert")), false, &yes);
        check(schema(Merge, Some("insert-only")), false, &yes);
        check(schema(Merge, Some("scd2")), false, &Value::Null);
        let everywhere = json!({ "root_key_propagation": true, "propagation": propagation });
        check(schema(Append, None), true, &everywhere);
        let mut once_merged = schema(Append, None);
        let column = Column::new("_dlt_root_id", DataType::Text).with(Hint::RootKey);
        once_merged.tables["t__a__b"].add(column);
        check(once_merged, false, &yes);
        let mut merged_before = schema(Merge, None);
        merged_before.add_root_ids();
        merged_before.tables["t"].write_disposition = Some(Append);
        check(merged_before, false, &Value::Null);
    }
}
