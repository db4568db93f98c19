//! Rows in, tables out: read back from the files, with ids left out.

use std::fs::File;
use std::path::Path;

use arrow::array::{ArrayRef, TimestampMicrosecondArray};
use arrow::ipc::reader::StreamReader;
use arrow::util::display::array_value_to_string;
use serde_json::json;

use super::*;
use crate::schema::{Capabilities, DataType, Disposition, History, TableHints};

mod contract;
mod hints;
mod options;

fn root(table: &str) -> RootTable {
    RootTable {
        resource: table.to_owned(),
        table: table.to_owned(),
        hints: TableHints::default(),
        cursor_field: None,
        parent: None,
        deletes: None,
    }
}

fn merged(table: &str, primary_key: &[&str]) -> RootTable {
    let mut root = root(table);
    root.hints.disposition = Some(Disposition::Merge { strategy: None, history: History::default() });
    root.hints.primary_key = primary_key.iter().map(|key| (*key).to_owned()).collect();
    root
}

fn job(schema: Schema, roots: Vec<RootTable>, dir: &Path) -> NormalizeJob {
    NormalizeJob {
        schema,
        roots,
        load_id: LoadId::from_stored("1.5"),
        spill_dir: dir.to_owned(),
        capabilities: Capabilities::ROOMY,
        options: SchemaOptions::default(),
        retyped: Vec::new(),
    }
}

fn normalizer(schema: Schema, root: RootTable, dir: &Path) -> Normalizer {
    Normalizer::new(job(schema, vec![root], dir))
}

fn raw(text: &str) -> &RawValue {
    serde_json::from_str(text).unwrap()
}

fn normalize_onto(schema: Schema, root: RootTable, rows: &[&str]) -> (Normalized, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let mut normalizer = normalizer(schema, root, dir.path());
    for row in rows {
        normalizer.row(0, raw(row), &[]).unwrap();
    }
    let warnings = normalizer.warnings().iter().map(ToString::to_string).collect::<Vec<_>>();
    let normalized = normalizer.finish().unwrap();
    let mut lines = normalized.tables.iter().flat_map(read).collect::<Vec<_>>();
    lines.extend(warnings);
    (normalized, lines)
}

/// One line per row: `t: a=1 b=x`, without nulls and without what differs between runs.
fn read(rows: &TableRows) -> Vec<String> {
    let mut lines = Vec::new();
    for file in &rows.files {
        for batch in StreamReader::try_new(File::open(file).unwrap(), None).unwrap() {
            let batch = batch.unwrap();
            for row in 0..batch.num_rows() {
                let mut line = format!("{}:", rows.table);
                for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
                    if column.is_valid(row) && !field.name().ends_with("_id") {
                        line += &format!(" {}={}", field.name(), text(column, row));
                    }
                }
                lines.push(line);
            }
        }
    }
    assert_eq!(lines.len() as u64, rows.row_count);
    lines
}

/// Timestamps as microseconds: Arrow cannot print them without a table of zones.
fn text(column: &ArrayRef, row: usize) -> String {
    match column.as_any().downcast_ref::<TimestampMicrosecondArray>() {
        Some(instants) => instants.value(row).to_string(),
        None => array_value_to_string(column, row).unwrap(),
    }
}

fn check(rows: &[&str], expected: &[&str]) {
    let (_, lines) = normalize_onto(Schema::new("s"), root("t"), rows);
    assert_eq!(lines, expected);
}

fn columns(normalized: &Normalized, table: &str) -> String {
    normalized.schema.tables[table].columns.keys().map(String::as_str).collect::<Vec<_>>().join(" ")
}

#[test]
fn objects_become_columns_and_lists_tables() {
    check(
        &[
            r#"{"id": 1, "auth": {"email": "a@b", "deep": {"x": 1.5}}, "tags": ["p", null, 3], "empty": [], "none": {}}"#,
        ],
        &[
            "t: id=1 auth__email=a@b auth__deep__x=1.5",
            "t__tags: value=p _dlt_list_idx=0",
            "t__tags: _dlt_list_idx=1",
            "t__tags: value=3 _dlt_list_idx=2",
        ],
    );
    check(
        &[r#"{"m": [[1, [2]], [3]], "o": {"l": [{"k": [{"z": 1}]}]}}"#],
        &[
            "t:",
            "t__m: _dlt_list_idx=0",
            "t__m: _dlt_list_idx=1",
            "t__o__l: _dlt_list_idx=0",
            "t__m__list: value=1 _dlt_list_idx=0",
            "t__m__list: _dlt_list_idx=1",
            "t__m__list: value=3 _dlt_list_idx=0",
            "t__m__list__list: value=2 _dlt_list_idx=0",
            "t__o__l__k: z=1 _dlt_list_idx=0",
        ],
    );
    check(&["7", "{}"], &["t: value=7", "t:"]);
}

#[test]
fn columns_come_in_dlts_order() {
    let rows = [
        r#"{"z": 1, "id": "a", "a": {"q": 1, "w": {"e": 1}}, "b": {"k": 1}, "null": null, "tail": 1}"#,
        r#"{"id": "b", "new": 1, "z": "text"}"#,
    ];
    let (normalized, _) = normalize_onto(Schema::new("s"), root("t"), &rows);
    let expected = "z id tail b__k a__q a__w__e _dlt_load_id _dlt_id new z__v_text";
    assert_eq!(columns(&normalized, "t"), expected);
    let (normalized, _) = normalize_onto(Schema::new("s"), root("t"), &[r#"{"l": [{"x": 1}]}"#]);
    assert_eq!(columns(&normalized, "t__l"), "x _dlt_parent_id _dlt_list_idx _dlt_id");
}

#[test]
fn values_that_do_not_fit_go_to_variants() {
    check(
        &[
            r#"{"n": 1}"#,
            r#"{"n": "12"}"#,
            r#"{"n": "x"}"#,
            r#"{"n": 1.5}"#,
            r#"{"n": true}"#,
            r#"{"n": "y"}"#,
        ],
        &[
            "t: n=1",
            "t: n=12",
            "t: n__v_text=x",
            "t: n__v_double=1.5",
            "t: n__v_bool=true",
            "t: n__v_text=y",
            "2 values of column `n` of table `t` did not fit its type and went to column `n__v_text`",
            "1 value of column `n` of table `t` did not fit its type and went to column `n__v_double`",
            "1 value of column `n` of table `t` did not fit its type and went to column `n__v_bool`",
        ],
    );
    check(
        &[r#"{"n": 1}"#, r#"{"n": 12345678901234567890}"#],
        &[
            "t: n=1",
            "t: n__v_wei=12345678901234567890",
            "1 value of column `n` of table `t` did not fit its type and went to column `n__v_wei`",
        ],
    );
}

#[test]
fn a_misfit_of_a_variant_is_a_variant_again() {
    check(
        &[r#"{"n": 1}"#, r#"{"n": "2024-01-15T10:00:00Z"}"#, r#"{"n": "x"}"#, r#"{"n": "y"}"#],
        &[
            "t: n=1",
            "t: n__v_text=1705312800000000",
            "t: n__v_text__v_text=x",
            "t: n__v_text__v_text=y",
            "1 value of column `n` of table `t` did not fit its type and went to column `n__v_text`",
            "2 values of column `n__v_text` of table `t` did not fit its type and went to column `n__v_text__v_text`",
        ],
    );
}

#[test]
fn the_later_of_two_fields_of_a_name_wins_and_the_other_is_kept() {
    let kept = |column: &str| {
        format!(
            "1 value went to column `{column}` of table `t`: two fields of a row have the same name but for that"
        )
    };
    let rows = [
        r#"{"fooBar": 1, "foo_bar": 2, "FooBar": "x", "a__b": 4, "a": {"b": 3}}"#,
        r#"{"FooBar": 7, "fooBar": 7, "foo_bar": null, "a__b": null, "a": {"b": 5}}"#,
    ];
    let (normalized, lines) = normalize_onto(Schema::new("s"), root("t"), &rows);
    let warnings = ["foo_bar__2", "foo_bar__3", "a__b__2"].map(kept);
    let rows = ["t: foo_bar=x foo_bar__2=1 foo_bar__3=2 a__b=3 a__b__2=4", "t: foo_bar__2=7 a__b=5"];
    assert_eq!(lines[..2], rows);
    assert_eq!(lines[2], warnings[0].replace("1 value", "2 values"));
    assert_eq!(lines[3..], warnings[1..]);
    let expected = "foo_bar foo_bar__2 foo_bar__3 a__b a__b__2 _dlt_load_id _dlt_id";
    assert_eq!(columns(&normalized, "t"), expected);
}

#[test]
fn the_last_of_two_values_of_one_key_counts() {
    let lost =
        "1 value was lost: two fields of a row become column `a` of table `t`, and the later one counts";
    check(&[r#"{"a": 1, "a": 2}"#, r#"{"a": 3, "a": 3}"#], &["t: a=2", "t: a=3", lost]);
}

#[test]
fn a_field_with_the_name_of_a_variant_loses_nothing() {
    let (_, lines) = normalize_onto(
        Schema::new("s"),
        root("t"),
        &[r#"{"n": 1}"#, r#"{"n__v_text": "b", "n": "a"}"#, r#"{"n": "a"}"#],
    );
    assert_eq!(lines[..3], ["t: n=1", "t: n__v_text=b n__v_text__2=a", "t: n__v_text=a"]);
}

#[test]
fn the_later_of_two_lists_of_a_name_wins_and_the_other_is_kept() {
    check(
        &[r#"{"tags": [1, 2], "Tags": [3]}"#, r#"{"tags": [], "Tags": [4]}"#],
        &[
            "t:",
            "t:",
            "t__tags: value=3 _dlt_list_idx=0",
            "t__tags: value=4 _dlt_list_idx=0",
            "t__tags__2: value=1 _dlt_list_idx=0",
            "t__tags__2: value=2 _dlt_list_idx=1",
            "1 list went to table `t__tags__2`: two fields of a row have the same name but for that",
        ],
    );
}

#[test]
fn nesting_ends_where_the_resource_says() {
    let nested = |levels, row| {
        let mut root = root("t");
        root.hints.max_table_nesting = Some(levels);
        normalize_onto(Schema::new("s"), root, &[row]).1
    };
    let row = r#"{"a": {"b": {"c": 1}}, "l": [{"m": [1, 2]}]}"#;
    assert_eq!(nested(0, row), [r#"t: a={"b":{"c":1}} l=[{"m":[1,2]}]"#]);
    assert_eq!(nested(1, row), [r#"t: a__b={"c":1}"#, "t__l: m=[1,2] _dlt_list_idx=0"]);
}

#[test]
fn keys_are_hinted_and_cannot_be_null() {
    let root = || RootTable { cursor_field: Some("updatedAt".to_owned()), ..merged("t", &["userId"]) };
    let row = r#"{"x": 1, "userId": "a", "l": [{"y": 1}]}"#;
    let (normalized, _) = normalize_onto(Schema::new("s"), root(), &[row]);
    let table = &normalized.schema.tables["t"];
    assert_eq!(
        serde_json::to_value(&table.columns["user_id"]).unwrap(),
        json!({"name": "user_id", "data_type": "text", "nullable": false, "primary_key": true})
    );
    assert_eq!(
        serde_json::to_value(&table.columns["updated_at"]).unwrap(),
        json!({"name": "updated_at", "incremental": true})
    );
    assert!(table.has_seen_data() && normalized.schema.propagates_root_id("t"));
    assert_eq!(columns(&normalized, "t__l"), "y _dlt_root_id _dlt_parent_id _dlt_list_idx _dlt_id");

    let error = |rows: &[&str]| {
        let dir = tempfile::tempdir().unwrap();
        let mut normalizer = normalizer(Schema::new("s"), root(), dir.path());
        let failed = rows.iter().find_map(|row| normalizer.row(0, raw(row), &[]).err());
        failed.or_else(|| normalizer.finish().err()).unwrap().to_string()
    };
    let no_value = "row 2 of table `t` has no value for column `user_id`, which cannot be null";
    assert_eq!(error(&[row, r#"{"userId": null}"#]), no_value);
    assert_eq!(error(&[row, "{}"]), no_value);
    assert_eq!(
        error(&[r#"{"x": 1}"#]),
        "row 1 of table `t` has no value for column `user_id`, which cannot be null"
    );
}

#[test]
fn a_known_schema_keeps_its_types() {
    let rows = [r#"{"when": "2024-01-15T10:00:00Z", "n": 1, "l": [{"x": 1}]}"#];
    let (first, _) = normalize_onto(Schema::new("s"), root("t"), &rows);
    let before = first.schema.clone();
    let rows = [r#"{"n": "7", "when": "2024-01-16", "l": [{"x": "8"}], "later": true}"#];
    let (second, lines) = normalize_onto(first.schema, root("t"), &rows);
    assert_eq!(lines, ["t: n=7 when=1705363200000000 later=true", "t__l: x=8 _dlt_list_idx=0"]);
    assert_eq!(columns(&second, "t"), columns_of(&before) + " later");
    assert_eq!(second.schema.tables["t"].columns["when"].data_type, Some(DataType::Timestamp));
}

fn columns_of(schema: &Schema) -> String {
    schema.tables["t"].columns.keys().map(String::as_str).collect::<Vec<_>>().join(" ")
}

#[test]
fn ids_link_children_to_their_rows() {
    let dir = tempfile::tempdir().unwrap();
    let root = merged("t", &[]);
    let mut normalizer = normalizer(Schema::new("s"), root, dir.path());
    let extra = raw("[5]");
    normalizer
        .row(0, raw(r#"{"_dlt_id": "PARENT", "_dlt_load_id": "x", "l": [{"m": [1]}]}"#), &[("_p_x", extra)])
        .unwrap();
    let normalized = normalizer.finish().unwrap();
    let value = |table: usize, column: &str| {
        let file = File::open(&normalized.tables[table].files[0]).unwrap();
        let batch = StreamReader::try_new(file, None).unwrap().next().unwrap().unwrap();
        array_value_to_string(batch.column_by_name(column).unwrap(), 0).unwrap()
    };
    let names: Vec<_> = normalized.tables.iter().map(|table| table.table.as_str()).collect();
    assert_eq!(names, ["t", "t__l", "t___p_x", "t__l__m"]);
    assert_eq!((value(0, "_dlt_id").as_str(), value(0, "_dlt_load_id").as_str()), ("PARENT", "1.5"));
    assert_eq!(
        (value(1, "_dlt_id").as_str(), value(1, "_dlt_parent_id").as_str()),
        ("y975BYAV+oPQBQ", "PARENT")
    );
    assert_eq!(
        (value(3, "_dlt_parent_id").as_str(), value(3, "_dlt_root_id").as_str()),
        ("y975BYAV+oPQBQ", "PARENT")
    );
}

#[test]
fn two_resources_may_fill_one_table() {
    let dir = tempfile::tempdir().unwrap();
    let mut keyed = RootTable { resource: "other".to_owned(), ..root("T") };
    keyed.hints.primary_key = vec!["k".to_owned()];
    let roots = vec![root("t"), keyed];
    let mut normalizer = Normalizer::new(job(Schema::new("s"), roots, dir.path()));
    normalizer.row(0, raw(r#"{"k": 1, "l": [2]}"#), &[]).unwrap();
    normalizer.row(1, raw(r#"{"k": 3}"#), &[]).unwrap();
    let normalized = normalizer.finish().unwrap();
    let lines: Vec<_> = normalized.tables.iter().flat_map(read).collect();
    assert_eq!(lines, ["t: k=1", "t: k=3", "t__l: value=2 _dlt_list_idx=0"]);
    assert!(!normalized.schema.tables["t"].columns["k"].is_nullable());
}

#[test]
fn a_resource_without_rows_is_listed_but_not_seen() {
    let mut keyed = root("t");
    keyed.hints.primary_key = vec!["id".to_owned()];
    let (normalized, lines) = normalize_onto(Schema::new("s"), keyed, &[]);
    assert_eq!(lines, Vec::<String>::new());
    assert_eq!(columns(&normalized, "t"), "id");
    assert!(!normalized.schema.tables["t"].has_seen_data());
}

#[test]
fn odd_text_is_kept() {
    check(
        &[r#"{"a": "x\u0000y", "b": "\ud800", "": 1, "__": 2, "caf\u00e9": 3}"#],
        &[
            "t: a=x\0y b=\u{fffd} _empty=2 _empty__2=1 caf=3",
            "1 value went to column `_empty__2` of table `t`: two fields of a row have the same name but for that",
        ]
        .map(|line| line.replace("caf=", "cafx="))
        .each_ref()
        .map(String::as_str),
    );
}

#[test]
fn batches_are_written_as_they_fill() {
    let dir = tempfile::tempdir().unwrap();
    let mut normalizer = normalizer(Schema::new("s"), root("t"), dir.path());
    let wide = format!(r#"{{"a": "{}"}}"#, "x".repeat(3 << 20));
    for _ in 0..7 {
        normalizer.row(0, raw(&wide), &[]).unwrap();
    }
    normalizer.row(0, raw(r#"{"b": 1}"#), &[]).unwrap();
    let normalized = normalizer.finish().unwrap();
    assert_eq!(normalized.tables[0].row_count, 8);
    let names: Vec<_> =
        normalized.tables[0].files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["0000.0.arrow", "0000.1.arrow", "0000.2.arrow"]);
    assert_eq!(normalized.tables.iter().flat_map(read).count(), 8);
}

#[test]
fn a_full_disk_is_an_error_with_the_file() {
    let mut normalizer = normalizer(Schema::new("s"), root("t"), Path::new("/nonexistent"));
    normalizer.row(0, raw("{}"), &[]).unwrap();
    let error = normalizer.finish().unwrap_err().to_string();
    assert_eq!(error, "could not write rows of table `t` to `/nonexistent/0000.0.arrow`");
}

#[test]
fn rows_with_ids_of_their_key_carry_a_turn_with_all_below() {
    let rows = [r#"{"id": 1, "l": [{"m": [7]}]}"#, r#"{"id": 2}"#, r#"{"id": 1, "l": [{"m": [8, 9]}, {}]}"#];
    let mut root = merged("t", &["id"]);
    let (_, lines) = normalize_onto(Schema::new("s"), root.clone(), &rows);
    assert!(lines.iter().all(|line| !line.contains(TURN)), "{lines:?}");
    let strategy = Some(crate::schema::MergeStrategy::Upsert);
    root.hints.disposition = Some(Disposition::Merge { strategy, history: History::default() });
    let (normalized, lines) = normalize_onto(Schema::new("s"), root, &rows);
    assert_eq!(
        lines,
        [
            "t: id=1 _forebay_turn_=1",
            "t: id=2 _forebay_turn_=2",
            "t: id=1 _forebay_turn_=3",
            "t__l: _dlt_list_idx=0 _forebay_turn_=1",
            "t__l: _dlt_list_idx=0 _forebay_turn_=3",
            "t__l: _dlt_list_idx=1 _forebay_turn_=3",
            "t__l__m: value=7 _dlt_list_idx=0 _forebay_turn_=1",
            "t__l__m: value=8 _dlt_list_idx=0 _forebay_turn_=3",
            "t__l__m: value=9 _dlt_list_idx=1 _forebay_turn_=3",
        ]
    );
    assert!(normalized.schema.tables.values().all(|table| !table.columns.contains_key(TURN)));
}
