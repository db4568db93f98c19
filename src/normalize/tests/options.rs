//! What goes beyond dlt's rules: wider types, columns of nulls, empty tables. And where columns come from.

use super::*;
use crate::schema::{Column, TypeConflict};

const WIDEN: SchemaOptions = SchemaOptions {
    on_type_conflict: TypeConflict::Widen,
    null_columns: false,
    empty_tables: false,
    root_key: false,
};

fn with(
    options: SchemaOptions,
    schema: &Schema,
    root: &RootTable,
    retyped: &[Retype],
    rows: &[&str],
) -> Result<(Normalized, Vec<String>), NormalizeError> {
    let dir = tempfile::tempdir().unwrap();
    let job = job(schema.clone(), vec![root.clone()], dir.path());
    let mut normalizer = Normalizer::new(NormalizeJob { options, retyped: retyped.to_vec(), ..job });
    for row in rows {
        normalizer.row(0, raw(row), &[])?;
    }
    let warnings = normalizer.warnings().iter().map(ToString::to_string).collect::<Vec<_>>();
    let normalized = normalizer.finish()?;
    let mut lines = normalized.tables.iter().flat_map(read).collect::<Vec<_>>();
    lines.extend(warnings);
    Ok((normalized, lines))
}

/// Again and again until all types are wide enough, as the pipeline does it.
fn widen(schema: &Schema, root: &RootTable, rows: &[&str]) -> (Normalized, Vec<String>) {
    let mut retyped = Vec::new();
    for _ in 0..4 {
        match with(WIDEN, schema, root, &retyped, rows) {
            Ok(done) => return done,
            Err(NormalizeError::Retype { retypes }) => {
                retypes.into_iter().for_each(|retype| replace_retype(&mut retyped, retype));
            }
            Err(other) => panic!("{other}"),
        }
    }
    panic!("types get wider without end");
}

fn data_type(normalized: &Normalized, column: &str) -> DataType {
    normalized.schema.tables["t"].columns[column].data_type.unwrap()
}

#[test]
fn columns_get_types_that_hold_all_values() {
    use DataType::{Double, Text, Wei};
    let check = |values: &[&str], to: DataType, expected: &[&str]| {
        let rows: Vec<_> = values.iter().map(|value| format!(r#"{{"id": 1, "n": {value}}}"#)).collect();
        let rows: Vec<_> = rows.iter().map(String::as_str).collect();
        let (normalized, lines) = widen(&Schema::new("s"), &root("t"), &rows);
        let expected: Vec<_> = expected.iter().map(|value| format!("t: id=1 n={value}")).collect();
        assert_eq!(lines[..values.len()], expected);
        assert_eq!(lines.len(), values.len() + 1, "{lines:?}");
        assert_eq!(
            (data_type(&normalized, "n"), columns(&normalized, "t").as_str()),
            (to, "id n _dlt_load_id _dlt_id")
        );
        assert!(normalized.retyped.is_empty());
    };
    check(&["1", "1.5", "\"2\""], Double, &["1.0", "1.5", "2.0"]);
    check(&["1", "12345678901234567890"], Wei, &["1", "12345678901234567890"]);
    check(&["9007199254740993", "1.5"], Text, &["9007199254740993", "1.5"]);
    check(&["1.5", "9007199254740993"], Text, &["1.5", "9007199254740993"]);
    check(&["1", "1.5", "12345678901234567890"], Text, &["1", "1.5", "12345678901234567890"]);
    check(&["1", "\"007\"", "\"x\""], Text, &["1", "007", "x"]);
    check(&["true", "\"maybe\""], Text, &["True", "maybe"]);
    check(&["\"2024-01-15T10:00:00Z\"", "\"soon\""], Text, &["2024-01-15T10:00:00Z", "soon"]);
}

#[test]
fn a_widened_column_is_told_once() {
    let (_, lines) = widen(&Schema::new("s"), &root("t"), &[r#"{"n": 1}"#, r#"{"n": 1.5}"#, r#"{"n": 2.5}"#]);
    assert_eq!(lines[3..], ["column `n` of table `t` is double instead of bigint, to hold all values"]);
}

#[test]
fn columns_of_the_database_are_retyped_keys_too() {
    let keyed = merged("t", &["id"]);
    let before = normalize_onto(Schema::new("s"), keyed.clone(), &[r#"{"id": 1, "n": 1}"#]).0.schema;
    let rows = [r#"{"id": "a", "n": true, "l": [{"x": 1}, {"x": "y"}]}"#];
    let (normalized, lines) = widen(&before, &keyed, &rows);
    let retype = |table: &str, column: &str| Retype {
        table: table.to_owned(),
        column: column.to_owned(),
        data_type: DataType::Text,
    };
    assert_eq!(normalized.retyped, [retype("t", "id"), retype("t", "n")]);
    assert_eq!(columns(&normalized, "t"), "id n _dlt_load_id _dlt_id");
    assert!(normalized.schema.tables["t"].columns["id"].has(crate::schema::Hint::PrimaryKey));
    assert_eq!(lines[..2], ["t: id=a n=True", "t__l: x=1 _dlt_list_idx=0"]);

    // What the database cannot change goes to a variant.
    let pinned = Retype { data_type: DataType::Bigint, ..retype("t", "n") };
    let asked = [retype("t", "id"), retype("t__l", "x"), pinned];
    let (normalized, lines) = with(WIDEN, &before, &keyed, &asked, &rows).unwrap();
    assert_eq!(normalized.retyped, [retype("t", "id")]);
    assert_eq!(lines[0], "t: id=a n__v_bool=true");
}

#[test]
fn a_variant_column_that_is_there_stays_in_use() {
    let rows = [r#"{"n": 1}"#, r#"{"n": "x"}"#];
    let before = normalize_onto(Schema::new("s"), root("t"), &rows).0.schema;
    let (normalized, lines) = widen(&before, &root("t"), &[r#"{"n": "y"}"#, r#"{"n": 1.5}"#]);
    assert_eq!(lines[..2], ["t: n__v_text=y", "t: n=1.5"]);
    assert_eq!(data_type(&normalized, "n"), DataType::Double);
}

#[test]
fn columns_of_nulls_wait_for_their_type() {
    let options = SchemaOptions { null_columns: true, ..SchemaOptions::default() };
    let go = |schema: &Schema, rows: &[&str]| with(options, schema, &root("t"), &[], rows).unwrap();
    let rows = [r#"{"id": 1, "n": null, "w": null, "o": {"p": null}, "l": [{"x": null}]}"#, r#"{"w": "a"}"#];
    let (first, lines) = go(&Schema::new("s"), &rows);
    assert_eq!(lines, ["t: id=1", "t: w=a", "t__l: _dlt_list_idx=0"]);
    assert_eq!(columns(&first, "t"), "id _dlt_load_id _dlt_id w n o__p");
    assert_eq!(columns(&first, "t__l"), "_dlt_parent_id _dlt_list_idx _dlt_id x");
    let column = |normalized: &Normalized, name: &str| {
        serde_json::to_value(&normalized.schema.tables["t"].columns[name]).unwrap()
    };
    let null = json!({"name": "n", "data_type": "text", "nullable": true, "x-null-only": true});
    assert_eq!(column(&first, "n"), null);

    let (same, _) = go(&first.schema, &rows);
    assert_eq!(same.schema, first.schema);
    let (second, lines) = go(&first.schema, &[r#"{"n": null}"#, r#"{"n": 7, "later": 1, "o": {"p": "x"}}"#]);
    assert_eq!(lines, ["t:", "t: n=7 later=1 o__p=x"]);
    assert_eq!(columns(&second, "t"), "id _dlt_load_id _dlt_id w n o__p later");
    assert_eq!(column(&second, "n"), json!({"name": "n", "data_type": "bigint", "nullable": true}));
    assert_eq!(column(&second, "o__p"), json!({"name": "o__p", "data_type": "text", "nullable": true}));
    let retyped = Retype { table: "t".to_owned(), column: "n".to_owned(), data_type: DataType::Bigint };
    assert_eq!(second.retyped, [retyped]);
    // Without the option a column that was made under it still waits.
    let (second, _) = normalize_onto(first.schema, root("t"), &[r#"{"n": 7}"#]);
    assert_eq!(data_type(&second, "n"), DataType::Bigint);
}

#[test]
fn empty_tables_are_made_once() {
    let options = SchemaOptions { empty_tables: true, ..SchemaOptions::default() };
    let mut keyed = merged("t", &["id"]);
    keyed.cursor_field = Some("at".to_owned());
    let go = |schema: &Schema, rows: &[&str]| with(options, schema, &keyed, &[], rows).unwrap();
    let (first, lines) = go(&Schema::new("s"), &[]);
    assert!(lines.is_empty() && first.tables.is_empty());
    assert!(first.schema.tables["t"].has_seen_data());
    assert_eq!(columns(&first, "t"), "id at _dlt_load_id _dlt_id");
    assert_eq!(go(&first.schema, &[]).0.schema, first.schema);

    let (second, lines) = go(&first.schema, &[r#"{"id": 1, "l": [], "o": {"m": []}, "k": [{"j": []}]}"#]);
    assert_eq!(lines, ["t: id=1", "t__k: _dlt_list_idx=0"]);
    let child = "_dlt_root_id _dlt_parent_id _dlt_list_idx _dlt_id";
    for table in ["t__l", "t__o__m", "t__k__j"] {
        assert_eq!(columns(&second, table), child);
        assert!(second.schema.tables[table].has_seen_data());
    }
    let (third, lines) = go(&second.schema, &[r#"{"id": 2, "l": [{"x": 1}]}"#]);
    assert_eq!(lines, ["t: id=2", "t__l: x=1 _dlt_list_idx=0"]);
    assert_eq!(columns(&third, "t__l"), format!("{child} x"));

    // A list that fills a root table, and what hangs from it: rows bring no system column that is not there.
    let hints = TableHints { primary_key: vec!["x".to_owned()], ..TableHints::default() };
    keyed.hints.nested = vec![(vec!["l".to_owned()], hints)];
    let go = |schema: &Schema, rows: &[&str]| with(options, schema, &keyed, &[], rows).unwrap().0;
    let empty = go(&Schema::new("s"), &[r#"{"id": 1, "l": []}"#]);
    assert_eq!(columns(&empty, "t__l"), "x _dlt_root_id _dlt_load_id _dlt_id");
    let full = go(&empty.schema, &[r#"{"id": 1, "l": [{"x": 1}]}"#]);
    assert_eq!(columns(&full, "t__l"), "_dlt_root_id _dlt_load_id _dlt_id x");
}

#[test]
fn a_column_has_one_origin() {
    let rows = [r#"{"a": 1, "a__v_text": "y"}"#, r#"{"a": "x"}"#];
    let (normalized, _) = normalize_onto(Schema::new("s"), root("t"), &rows);
    let lines: Vec<_> = normalized.origins.iter().map(|it| format!("{} {}", it.column, it.path)).collect();
    assert_eq!(lines, ["a $.a", "a__v_text $.a__v_text"]);
}

#[test]
fn columns_know_where_they_come_from() {
    let dir = tempfile::tempdir().unwrap();
    let mut hinted = root("t");
    hinted.parent = Some("members".to_owned());
    hinted.hints.columns = vec![Column::new("neverSeen", DataType::Text)];
    let mut normalizer = normalizer(Schema::new("s"), hinted, dir.path());
    let rows = [
        r#"{"id": 1, "_dlt_id": "x", "customFields": {"newsletter": true, "a b": 1}, "none": null}"#,
        r#"{"planConnections": [{"planId": "p", "value": 1}, 7], "matrix": [[1], [{"Deep": 2}]], "id": "x"}"#,
    ];
    for row in rows {
        normalizer.row(0, raw(row), &[("_members_id", raw("5"))]).unwrap();
    }
    normalizer.row(0, raw("\"alone\""), &[]).unwrap();
    let normalized = normalizer.finish().unwrap();
    let lines: Vec<_> = normalized
        .origins
        .iter()
        .map(|Origin { table, column, path }| format!("{table}.{column} {path}"))
        .collect();
    assert_eq!(
        lines,
        [
            "t.id $.id",
            "t.id__v_text $.id",
            "t._members_id parent:members.id",
            "t.custom_fields__newsletter $.customFields.newsletter",
            "t.custom_fields__a_b $.customFields['a b']",
            "t.value $",
            "t__plan_connections.plan_id $.planConnections[*].planId",
            "t__plan_connections.value $.planConnections[*].value",
            "t__matrix__list.value $.matrix[*][*]",
            "t__matrix__list.deep $.matrix[*][*].Deep",
        ]
    );
}
