//! One schema in every format.

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::destination::duckdb::DuckDb;
use crate::schema::DataType;
use crate::state::LoadId;

/// Members that are merged, with a list; visits that are appended; and something that never had a row.
fn example() -> Schema {
    let mut schema = Schema::new("club");
    let mut members = Table::root("members", "members", WriteDisposition::Merge);
    members.other.insert("x-merge-strategy".to_owned(), json!("upsert"));
    members.other.insert("description".to_owned(), json!("People who \"pay\"\nor don't"));
    members.add(Column::new("id", DataType::Text).not_null().with(Hint::PrimaryKey));
    let mut fee = Column::new("fee", DataType::Decimal);
    (fee.precision, fee.scale) = (Some(10), Some(2));
    fee.hints.insert("description".to_owned(), json!("Per month: \"gross\"\n'really'"));
    fee.hints.insert("x-team".to_owned(), json!({"name": "b"}));
    fee.hints.insert("sort".to_owned(), json!(false));
    members.add(fee);
    let mut joined = Column::new("joined_at", DataType::Timestamp);
    joined.timezone = Some(false);
    members.add(joined);
    let mut unseen = Column::new("unseen", DataType::Text);
    (unseen.data_type, unseen.nullable) = (None, None);
    members.add(unseen);
    members.add(Column::new("_dlt_load_id", DataType::Text).not_null());
    members.add(row_id());
    members.mark_seen();
    let mut tags = Table::child("members__tags", "members");
    tags.add(Column::new("value", DataType::Text));
    tags.add(Column::new("_dlt_root_id", DataType::Text).not_null().with(Hint::RootKey));
    tags.add(Column::new("_dlt_parent_id", DataType::Text).not_null().with(Hint::ParentKey));
    tags.add(Column::new("_dlt_list_idx", DataType::Bigint).not_null());
    tags.add(row_id());
    tags.mark_seen();
    let mut visits = Table::root("visits", "check_ins", WriteDisposition::Append);
    visits.other.insert("schema_contract".to_owned(), json!({"columns": "freeze"}));
    for key in ["door", "at"] {
        visits.add(Column::new(key, DataType::Bigint).not_null().with(Hint::PrimaryKey));
    }
    visits.add(row_id());
    visits.mark_seen();
    let empty = Table::root("empty", "empty", WriteDisposition::Replace);
    for table in [members, tags, visits, empty] {
        schema.tables.insert(table.name.clone(), table);
    }
    schema.bump();
    schema
}

fn row_id() -> Column {
    Column::new("_dlt_id", DataType::Text).not_null().with(Hint::Unique).with(Hint::RowKey)
}

fn origins() -> Vec<ColumnOrigin> {
    let origin = |table: &str, column: &str, path: &str| ColumnOrigin {
        table: table.to_owned(),
        column: column.to_owned(),
        source_path: path.to_owned(),
        load_id: LoadId::from_stored("1795315797.07"),
        first_seen: 1_795_315_797_000_000,
    };
    vec![
        origin("members", "id", "$.id"),
        origin("members", "fee", "$.membership.fee"),
        origin("members__tags", "value", "$.tags[*]"),
    ]
}

fn duckdb_type(table: &Table, column: &Column) -> Option<String> {
    let database = DuckDb::new("club.duckdb".into(), "club_data".to_owned(), Duration::ZERO, |_| {});
    database.sql_type(&table.name, column).ok()
}

/// The example as a function shows it.
fn rendered(render: fn(&View<'_>) -> String, is_shown: fn(&Table) -> bool) -> String {
    let (schema, origins) = (example(), origins());
    render(&View {
        destination: "duckdb:club.duckdb".to_owned(),
        sql_type: &duckdb_type,
        dataset: "club_data".to_owned(),
        tables: schema.tables.values().filter(|table| is_shown(table)).collect(),
        schema: &schema,
        origins: by_column(&origins),
    })
}

fn own(table: &Table) -> bool {
    !table.name.starts_with(INTERNAL)
}

#[test]
fn for_people() {
    insta::assert_snapshot!(rendered(text::render, own));
}

#[test]
fn without_origins_there_is_no_column_for_them() {
    let schema = example();
    let view = View {
        destination: "duckdb:club.duckdb".to_owned(),
        sql_type: &duckdb_type,
        dataset: "club_data".to_owned(),
        tables: vec![&schema.tables["visits"]],
        schema: &schema,
        origins: HashMap::new(),
    };
    insta::assert_snapshot!(text::render(&view));
}

#[test]
fn for_programs() {
    let document: Value = serde_json::from_str(&rendered(json::render, own)).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
}

#[test]
fn as_a_diagram() {
    insta::assert_snapshot!(rendered(mermaid::render, own));
}

#[test]
fn as_a_diagram_with_dlts_tables() {
    let text = rendered(mermaid::render, |_| true);
    assert!(text.contains("    \"members\" }o--|| \"_dlt_loads\" : \"_dlt_load\"\n"), "{text}");
}

#[test]
fn a_link_to_a_table_that_is_not_shown_is_left_out() {
    let text = rendered(mermaid::render, |table| table.name == "members__tags");
    assert!(!text.contains("||"), "{text}");
    let text = rendered(dbml::render, |table| table.name == "members__tags");
    assert!(!text.contains("Ref"), "{text}");
}

#[test]
fn as_dbml() {
    insta::assert_snapshot!(rendered(dbml::render, own));
}

#[test]
fn for_dbt() {
    insta::assert_snapshot!(rendered(dbt::render, own));
}

#[test]
fn keys_are_tested_where_loads_keep_them_unique() {
    let check = |disposition, strategy: Option<&str>, keys: &[&str], expected: bool| {
        let mut table = Table::root("t", "t", disposition);
        if let Some(strategy) = strategy {
            table.other.insert("x-merge-strategy".to_owned(), json!(strategy));
        }
        for key in keys {
            table.add(Column::new(*key, DataType::Text).with(Hint::PrimaryKey));
        }
        assert_eq!(
            dbt::is_unique(&table, &table.columns["a"]),
            expected,
            "{disposition:?} {strategy:?} {keys:?}"
        );
    };
    check(WriteDisposition::Merge, None, &["a"], true);
    check(WriteDisposition::Merge, Some("insert-only"), &["a"], true);
    check(WriteDisposition::Merge, Some("scd2"), &["a"], false);
    check(WriteDisposition::Merge, None, &["a", "b"], false);
    check(WriteDisposition::Append, None, &["a"], false);
    check(WriteDisposition::Replace, None, &["a"], false);
}

#[test]
fn as_dlts_document() {
    let text = rendered(document::render, |table| table.name == "members");
    insta::assert_snapshot!(text);
}
