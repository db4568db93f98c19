//! What hints do to the schema, to rows and to their ids. Expected documents and ids are dlt's.

use super::*;
use crate::schema::{Column, DELETED_AT, MergeStrategy};

/// Column hints, as dlt takes them.
fn hinted(columns: serde_json::Value) -> RootTable {
    let mut root = root("t");
    root.hints.columns = column_hints(columns);
    root
}

fn column_hints(columns: serde_json::Value) -> Vec<Column> {
    serde_json::from_value(columns).unwrap()
}

fn strategy(strategy: MergeStrategy, primary_key: &[&str]) -> RootTable {
    let mut root = merged("t", primary_key);
    root.hints.disposition =
        Some(Disposition::Merge { strategy: Some(strategy), history: History::default() });
    root
}

fn nested(path: &[&str], hints: TableHints) -> (Vec<String>, TableHints) {
    (path.iter().map(|key| (*key).to_owned()).collect(), hints)
}

fn document(normalized: &Normalized, table: &str) -> serde_json::Value {
    serde_json::to_value(&normalized.schema.tables[table]).unwrap()
}

fn column(normalized: &Normalized, table: &str, column: &str) -> serde_json::Value {
    serde_json::to_value(&normalized.schema.tables[table].columns[column]).unwrap()
}

/// Values of one column of a table, in the order of the rows.
fn values(normalized: &Normalized, table: &str, column: &str) -> Vec<String> {
    let rows = normalized.tables.iter().find(|rows| rows.table == table).unwrap();
    let batches =
        rows.files.iter().flat_map(|file| StreamReader::try_new(File::open(file).unwrap(), None).unwrap());
    let batches = batches.map(Result::unwrap);
    let cells = batches.flat_map(|batch| {
        let cells = batch.column_by_name(column).unwrap().clone();
        (0..batch.num_rows()).map(move |row| array_value_to_string(&cells, row).unwrap()).collect::<Vec<_>>()
    });
    cells.collect()
}

/// As [`normalize_onto`], but the files stay as long as the directory.
fn normalized(schema: Schema, root: &RootTable, rows: &[&str], dir: &Path) -> Normalized {
    let mut normalizer = normalizer(schema, root.clone(), dir);
    for row in rows {
        normalizer.row(0, raw(row), &[]).unwrap();
    }
    normalizer.finish().unwrap()
}

fn ids(root: &RootTable, rows: &[&str]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    values(&normalized(Schema::new("s"), root, rows, dir.path()), "t", "_dlt_id")
}

#[test]
fn columns_with_a_type_come_first_and_others_when_they_get_one() {
    let root = hinted(json!([
        { "name": "b", "data_type": "bigint" },
        { "name": "noType", "nullable": false, "description": "d" },
        { "name": "never", "data_type": "date" },
    ]));
    let (normalized, _) = normalize_onto(Schema::new("s"), root, &[r#"{"a": 1, "noType": 2, "b": 3}"#]);
    assert_eq!(columns(&normalized, "t"), "b never a no_type _dlt_load_id _dlt_id");
    assert_eq!(column(&normalized, "t", "b"), json!({ "name": "b", "data_type": "bigint" }));
    assert_eq!(
        column(&normalized, "t", "no_type"),
        json!({ "name": "no_type", "data_type": "bigint", "nullable": false, "description": "d" })
    );
}

#[test]
fn hints_of_one_name_are_one_column() {
    let root = hinted(json!([
        { "name": "fooBar", "data_type": "text", "nullable": true, "unique": true },
        { "name": "foo_bar", "nullable": false, "unique": false, "precision": 9 },
        { "name": "FooBar", "nullable": true },
    ]));
    let (normalized, _) = normalize_onto(Schema::new("s"), root, &[r#"{"fooBar": 1}"#]);
    assert_eq!(
        column(&normalized, "t", "foo_bar"),
        json!({ "name": "foo_bar", "data_type": "text", "nullable": false, "unique": true, "precision": 9 })
    );
}

#[test]
fn json_is_kept_whole_where_a_hint_says_so() {
    let root = hinted(json!([
        { "name": "l", "data_type": "json" },
        { "name": "a__b", "data_type": "json" },
    ]));
    let row = r#"{"l": [{"q": 1}], "a": {"b": [1, {"c": 2}], "e": [5]}}"#;
    let (_, lines) = normalize_onto(Schema::new("s"), root, &[row]);
    assert_eq!(lines, [r#"t: l=[{"q":1}] a__b=[1,{"c":2}]"#, "t__a__e: value=5 _dlt_list_idx=0"]);
}

#[test]
fn a_value_beyond_its_precision_goes_to_a_variant() {
    let root = hinted(json!([
        { "name": "small", "data_type": "bigint", "precision": 8 },
        { "name": "money", "data_type": "decimal", "precision": 5, "scale": 1 },
        { "name": "wide", "data_type": "bigint", "precision": 128 },
    ]));
    let rows = [
        r#"{"small": 127, "money": "9999.94", "wide": 18446744073709551615}"#,
        r#"{"small": 128, "money": 9999.95, "wide": -1}"#,
    ];
    let (_, lines) = normalize_onto(Schema::new("s"), root, &rows);
    assert_eq!(
        lines[..2],
        [
            "t: small=127 money=9999.9 wide=18446744073709551615",
            "t: wide=-1 small__v_bigint=128 money__v_double=9999.95",
        ]
    );
}

#[test]
fn keys_of_a_table_replace_those_of_columns_and_of_before() {
    let mut root = hinted(json!([
        { "name": "k", "data_type": "text", "primary_key": true },
        { "name": "id", "nullable": true },
    ]));
    root.hints.primary_key = vec!["id".to_owned(), "other".to_owned()];
    let (first, _) = normalize_onto(Schema::new("s"), root, &[r#"{"id": 1, "other": 2, "k": "x"}"#]);
    assert_eq!(column(&first, "t", "k"), json!({ "name": "k", "data_type": "text" }));
    let id = json!({ "name": "id", "data_type": "bigint", "nullable": true, "primary_key": true });
    assert_eq!(column(&first, "t", "id"), id);
    let other = json!({ "name": "other", "data_type": "bigint", "nullable": false, "primary_key": true });
    assert_eq!(column(&first, "t", "other"), other);

    let (second, _) = normalize_onto(first.schema, merged("t", &["k"]), &[r#"{"k": "y", "other": 3}"#]);
    assert_eq!(
        column(&second, "t", "k"),
        json!({ "name": "k", "data_type": "text", "nullable": false, "primary_key": true })
    );
    assert_eq!(
        column(&second, "t", "other"),
        json!({ "name": "other", "data_type": "bigint", "nullable": false })
    );
}

#[test]
fn a_column_in_the_database_keeps_its_type() {
    let (first, _) = normalize_onto(Schema::new("s"), root("t"), &[r#"{"v": 1}"#]);
    let hint = || hinted(json!([{ "name": "v", "data_type": "text", "description": "new" }]));
    let (second, lines) = normalize_onto(first.schema, hint(), &[r#"{"v": "7"}"#, r#"{"v": "abc"}"#]);
    assert_eq!(
        lines,
        [
            "t: v=7",
            "t: v__v_text=abc",
            "column `v` of table `t` keeps its type: the hint says another one, but the column is in the database already",
            "1 value of column `v` of table `t` did not fit its type and went to column `v__v_text`",
        ]
    );
    assert_eq!(
        column(&second, "t", "v"),
        json!({ "name": "v", "data_type": "bigint", "nullable": true, "description": "new" })
    );
    let (unseen, _) = normalize_onto(Schema::new("s"), hint(), &[]);
    let integers = hinted(json!([{ "name": "v", "data_type": "bigint" }]));
    let (retyped, lines) = normalize_onto(unseen.schema, integers, &[r#"{"v": "7"}"#]);
    assert_eq!(lines, ["t: v=7"]);
    assert_eq!(retyped.schema.tables["t"].columns["v"].data_type, Some(DataType::Bigint));
}

#[test]
fn a_column_that_cannot_be_null_is_checked_in_each_row() {
    let check = |columns: serde_json::Value, rows: &[&str], row: u32| {
        let dir = tempfile::tempdir().unwrap();
        let mut normalizer = normalizer(Schema::new("s"), hinted(columns), dir.path());
        let error = rows.iter().find_map(|row| normalizer.row(0, raw(row), &[]).err()).unwrap();
        let expected = format!("row {row} of table `t` has no value for column `n`, which cannot be null");
        assert_eq!(error.to_string(), expected);
    };
    check(json!([{ "name": "n", "data_type": "bigint", "nullable": false }]), &[r#"{"n": 1}"#, "{}"], 2);
    check(json!([{ "name": "n", "nullable": false }]), &[r#"{"n": null}"#, r#"{"n": 1}"#], 1);
}

#[test]
fn history_is_kept_in_columns_of_its_own() {
    let mut root = strategy(MergeStrategy::Scd2, &["id"]);
    let (normalized, lines) = normalize_onto(Schema::new("s"), root.clone(), &[r#"{"id": 1, "l": [2]}"#]);
    assert_eq!(lines, ["t: id=1", "t__l: value=2 _dlt_list_idx=0"]);
    assert_eq!(
        document(&normalized, "t"),
        json!({
            "name": "t", "write_disposition": "merge", "resource": "t", "x-merge-strategy": "scd2",
            "x-normalizer": { "seen-data": true },
            "columns": {
                "_dlt_valid_from": {
                    "name": "_dlt_valid_from", "data_type": "timestamp", "nullable": true, "x-valid-from": true
                },
                "_dlt_valid_to": {
                    "name": "_dlt_valid_to", "data_type": "timestamp", "nullable": true, "x-valid-to": true,
                    "x-active-record-timestamp": null
                },
                "id": { "name": "id", "data_type": "bigint", "nullable": false, "primary_key": true },
                "_dlt_load_id": { "name": "_dlt_load_id", "data_type": "text", "nullable": false },
                "_dlt_id": {
                    "name": "_dlt_id", "data_type": "text", "nullable": false, "unique": false, "row_key": false,
                    "x-row-version": true
                }
            }
        })
    );
    assert_eq!(columns(&normalized, "t__l"), "value _dlt_parent_id _dlt_list_idx _dlt_id");

    let history = History {
        validity_columns: Some(["validFrom".to_owned(), "until".to_owned()]),
        active_record_timestamp: Some("9999-12-31".to_owned()),
        boundary_timestamp: Some("2024-01-01T00:00:00Z".to_owned()),
        row_version_column: Some("rowHash".to_owned()),
    };
    root.hints.disposition = Some(Disposition::Merge { strategy: Some(MergeStrategy::Scd2), history });
    let (normalized, _) = normalize_onto(Schema::new("s"), root, &[r#"{"id": 1, "rowHash": "h"}"#]);
    assert_eq!(columns(&normalized, "t"), "valid_from until id row_hash _dlt_load_id _dlt_id");
    assert_eq!(normalized.schema.tables["t"].other["x-boundary-timestamp"], "2024-01-01T00:00:00Z");
    assert_eq!(column(&normalized, "t", "until")["x-active-record-timestamp"], "9999-12-31");
    assert_eq!(column(&normalized, "t", "_dlt_id")["row_key"], true);
}

#[test]
fn what_a_merge_left_in_the_schema_stays() {
    let (first, _) = normalize_onto(Schema::new("s"), strategy(MergeStrategy::Scd2, &[]), &[r#"{"id": 2}"#]);
    let dir = tempfile::tempdir().unwrap();
    // A merge that names no strategy goes on with that of before.
    let second = normalized(first.schema, &merged("t", &[]), &[r#"{"id": 2}"#], dir.path());
    assert_eq!(values(&second, "t", "_dlt_id"), ["M6/KlLzJ2FeV/w"]);
    let (third, _) = normalize_onto(second.schema, root("t"), &[r#"{"id": 2}"#]);
    let table = &third.schema.tables["t"];
    assert_eq!(table.other["x-merge-strategy"], "scd2");
    assert_eq!(table.merge_strategy(), None);
}

#[test]
fn ids_are_hashes_of_keys() {
    let keyed = strategy(MergeStrategy::Upsert, &["k", "id"]);
    assert_eq!(
        ids(&keyed, &[r#"{"id": 1, "k": "a"}"#, r#"{"k": "a", "x": 2, "id": 1}"#]),
        ["K3/B9mnWg8bo6A"; 2]
    );
    let rows = [r#"{"id": 1.0, "k": "b"}"#, r#"{"id": 1e16, "k": "2024-01-01T00:00:00Z"}"#];
    assert_eq!(ids(&keyed, &rows), ["BC42LBZcHETb1g", "4d6W9CCewjtkEQ"]);
    let mut nullable = strategy(MergeStrategy::InsertOnly, &[]);
    nullable.hints.columns = column_hints(json!([{ "name": "id", "primary_key": true }]));
    assert_eq!(ids(&nullable, &[r#"{"id": 1}"#, r#"{"id": null}"#]), ["z5jIxXIbUnmbKw", "ljdFSlj0Tv4BqQ"]);
}

#[test]
fn ids_are_hashes_of_rows() {
    let root = strategy(MergeStrategy::Scd2, &[]);
    let odd = r#"{"_dlt_q":5, "l":[{"x":1}], "id":1, "s":"\u00e9\"\\\n\u0001/", "a":1.0}"#;
    let rows = [odd, "7", r#""x""#, r#"{"_dlt_id": "own", "q": 1}"#, r#"{"_dlt_id": "", "q": 2}"#];
    assert_eq!(
        ids(&root, &rows),
        ["F2wbLzFctF9FKw", "VZzWEWZ6jXuf+A", "q0WzrGHd8vR/8w", "own", "ZyAHqfiHQwoypQ"]
    );
}

#[test]
fn root_ids_go_where_merges_or_the_config_ask_for_them() {
    let check = |root: RootTable, root_key, expected: &str| {
        let dir = tempfile::tempdir().unwrap();
        let options = SchemaOptions { root_key, ..SchemaOptions::default() };
        let job = job(Schema::new("s"), vec![root], dir.path());
        let mut normalizer = Normalizer::new(NormalizeJob { options, ..job });
        normalizer.row(0, raw(r#"{"id": 1, "l": [1]}"#), &[]).unwrap();
        assert_eq!(columns(&normalizer.finish().unwrap(), "t__l"), expected);
    };
    let with = "value _dlt_root_id _dlt_parent_id _dlt_list_idx _dlt_id";
    let without = "value _dlt_parent_id _dlt_list_idx _dlt_id";
    check(root("t"), false, without);
    check(root("t"), true, with);
    check(merged("t", &["id"]), false, with);
    check(strategy(MergeStrategy::Upsert, &["id"]), false, with);
    check(strategy(MergeStrategy::Scd2, &[]), false, without);
}

#[test]
fn hints_reach_child_tables() {
    let mut root = root("t");
    let typed = json!([{ "name": "v", "data_type": "text" }, { "name": "m", "data_type": "json" }]);
    let hints = TableHints { columns: column_hints(typed), ..TableHints::default() };
    root.hints.nested = vec![nested(&["l"], hints.clone()), nested(&["deep", "down"], hints)];
    let (normalized, lines) =
        normalize_onto(Schema::new("s"), root, &[r#"{"id": 1, "l": [{"v": 1, "m": [1]}]}"#]);
    assert_eq!(lines, ["t: id=1", "t__l: v=1 m=[1] _dlt_list_idx=0"]);
    assert_eq!(columns(&normalized, "t__l"), "v m _dlt_parent_id _dlt_list_idx _dlt_id");
    // Without rows they are in the schema alone, with the tables between.
    assert_eq!(document(&normalized, "t__deep"), json!({ "name": "t__deep", "parent": "t", "columns": {} }));
    assert_eq!(document(&normalized, "t__deep__down")["parent"], "t__deep");
    assert!(!normalized.schema.tables["t__deep__down"].has_seen_data());
}

#[test]
fn a_list_with_a_key_is_a_root_table() {
    let mut root = merged("t", &["id"]);
    let keyed = TableHints { primary_key: vec!["k".to_owned()], ..TableHints::default() };
    root.hints.nested = vec![nested(&["l"], keyed.clone())];
    let dir = tempfile::tempdir().unwrap();
    let row = r#"{"id": 1, "_dlt_id": "A", "l": [{"k": 1, "_dlt_id": "B", "m": [1]}, {"k": 2, "_dlt_id": "C", "m": [2]}]}"#;
    let first = normalized(Schema::new("s"), &root, &[row], dir.path());
    assert_eq!(columns(&first, "t__l"), "k _dlt_id _dlt_root_id _dlt_load_id");
    let mut table = document(&first, "t__l");
    table.as_object_mut().unwrap().shift_remove("columns");
    let expected = json!({
        "name": "t__l", "write_disposition": "append", "resource": "t", "x-normalizer": { "seen-data": true }
    });
    assert_eq!(table, expected);
    assert_eq!(values(&first, "t__l", "_dlt_root_id"), ["A", "A"]);
    // Rows of the list hand down their own ids once they have a column for the root's.
    assert_eq!(values(&first, "t__l__m", "_dlt_root_id"), ["A", "C"]);
    assert!(first.schema.propagates_root_id("t__l"));

    let (plain, _) = normalize_onto(Schema::new("s"), merged("t", &["id"]), &[row]);
    let (second, lines) = normalize_onto(plain.schema, root, &[r#"{"id": 2, "l": [{"k": 3}]}"#]);
    assert_eq!(second.schema.tables["t__l"].parent.as_deref(), Some("t"));
    assert_eq!(
        lines.last().unwrap(),
        "table `t__l` stays a child table: keys in its hints would make it a root table, but it is in the database already"
    );
}

#[test]
fn nesting_ends_where_an_earlier_run_was_told() {
    let mut limited = root("t");
    limited.hints.max_table_nesting = Some(1);
    let (first, _) = normalize_onto(Schema::new("s"), limited, &[r#"{"id": 1}"#]);
    let (_, lines) = normalize_onto(first.schema, root("t"), &[r#"{"a": {"b": {"c": 1}}}"#]);
    assert_eq!(lines, [r#"t: a__b={"c":1}"#]);
}

#[test]
fn rows_that_may_be_marked_have_a_column_for_it() {
    let marked = RootTable { deletes: Some(crate::schema::DeleteMode::Soft), ..merged("t", &["id"]) };
    let (normalized, lines) = normalize_onto(Schema::new("s"), marked.clone(), &[r#"{"id": 1}"#]);
    assert_eq!(lines, ["t: id=1"]);
    assert_eq!(columns(&normalized, "t"), format!("id _dlt_load_id _dlt_id {DELETED_AT}"));
    let (unseen, _) = normalize_onto(Schema::new("s"), marked, &[]);
    assert_eq!(columns(&unseen, "t"), "id");
}
