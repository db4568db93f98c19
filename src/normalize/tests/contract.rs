//! Contracts. What dlt 1.31 makes of the same rows was tried for each case in which it gets through.

use super::*;
use crate::schema::ContractMode::{self, DiscardRow, DiscardValue, Evolve, Freeze};
use crate::schema::{Contract, ContractEntity, MergeStrategy};

fn only(entity: ContractEntity, mode: ContractMode) -> Contract {
    let for_entity = |other| (entity == other).then_some(mode);
    Contract::Each {
        tables: for_entity(ContractEntity::Tables),
        columns: for_entity(ContractEntity::Columns),
        data_type: for_entity(ContractEntity::DataType),
    }
}

fn bound(contract: Contract) -> RootTable {
    let mut root = root("t");
    root.hints.contract = Some(contract);
    root
}

/// Rows of a second package; the first one was not bound.
fn check(entity: ContractEntity, mode: ContractMode, rows: &[&str], expected: &[&str]) -> Normalized {
    let first = [r#"{"id": 1, "v": 1, "l": [{"x": 1}]}"#];
    let (before, _) = normalize_onto(Schema::new("s"), root("t"), &first);
    let (normalized, lines) = normalize_onto(before.schema, bound(only(entity, mode)), rows);
    assert_eq!(lines, expected, "{entity:?} {mode:?}");
    normalized
}

fn error(contract: Contract, schema: Schema, rows: &[&str]) -> NormalizeError {
    let dir = tempfile::tempdir().unwrap();
    let mut normalizer = normalizer(schema, bound(contract), dir.path());
    rows.iter().find_map(|row| normalizer.row(0, raw(row), &[]).err()).unwrap()
}

#[test]
fn new_columns_are_let_go() {
    let rows = [
        r#"{"id": 2, "c": "a text of more than twenty characters", "l": [{"x": 2}]}"#,
        r#"{"id": 3, "o": {"p": 1}, "l": [{"y": 1, "x": 3}], "c": null}"#,
        r#"{"id": 4, "c": 7, "m": [{"k": 1}, {"j": 2}]}"#,
    ];
    let normalized = check(
        ContractEntity::Columns,
        DiscardValue,
        &rows,
        &[
            "t: id=2",
            "t: id=3",
            "t: id=4",
            "t__l: x=2 _dlt_list_idx=0",
            "t__l: x=3 _dlt_list_idx=0",
            "t__m: k=1 _dlt_list_idx=0",
            "t__m: _dlt_list_idx=1",
            "2 values were dropped by contract: column `c` of table `t` would be new (row 1: `$.c` is \"a text of more than …\")",
            "1 value was dropped by contract: column `o__p` of table `t` would be new (row 2: `$.o.p` is 1)",
            "1 value was dropped by contract: column `y` of table `t__l` would be new (row 2: `$.l[*].y` is 1)",
            "1 value was dropped by contract: column `j` of table `t__m` would be new (row 2: `$.m[*].j` is 2)",
        ],
    );
    assert_eq!(columns(&normalized, "t"), "id v _dlt_load_id _dlt_id");
    let rows = [
        r#"{"id": 2, "c": 7, "l": [{"x": 2, "z": [1]}]}"#,
        r#"{"id": 3, "l": [{"y": 1, "z": [1]}, {"x": 3}], "d": null}"#,
        r#"{"id": 4, "c": true}"#,
        r#"{"id": 5, "c": null}"#,
    ];
    check(
        ContractEntity::Columns,
        DiscardRow,
        &rows,
        &[
            "t: id=3",
            "t__l: _dlt_list_idx=1 x=3",
            "3 rows were dropped by contract: column `c` of table `t` would be new (row 1: `$.c` is 7)",
            "1 row was dropped by contract: column `y` of table `t__l` would be new (row 1: `$.l[*].y` is 1)",
        ],
    );
}

#[test]
fn values_of_other_types_are_let_go() {
    let rows = [
        r#"{"id": 2, "v": "8"}"#,
        r#"{"id": 3, "v": "x", "n": 1, "l": [{"x": 1}]}"#,
        r#"{"id": 4, "v": "y"}"#,
    ];
    let normalized = check(
        ContractEntity::DataType,
        DiscardValue,
        &rows,
        &[
            "t: id=2 v=8",
            "t: id=3 n=1",
            "t: id=4",
            "t__l: x=1 _dlt_list_idx=0",
            "2 values were dropped by contract: column `v` of table `t` has another type (row 2: `$.v` is \"x\")",
        ],
    );
    assert_eq!(columns(&normalized, "t"), "id v _dlt_load_id _dlt_id n");
    let normalized = check(
        ContractEntity::DataType,
        DiscardRow,
        &rows,
        &[
            "t: id=2 v=8",
            "2 rows were dropped by contract: column `v` of table `t` has another type (row 2: `$.v` is \"x\")",
        ],
    );
    // dlt adds what else a row brings before it drops the row.
    assert_eq!(columns(&normalized, "t"), "id v _dlt_load_id _dlt_id n");
}

#[test]
fn a_variant_column_that_is_there_may_be_used() {
    let (before, _) = normalize_onto(Schema::new("s"), root("t"), &[r#"{"v": 1}"#, r#"{"v": "x"}"#]);
    let contract = only(ContractEntity::DataType, Freeze);
    let (_, lines) = normalize_onto(before.schema, bound(contract), &[r#"{"v": "y"}"#]);
    assert_eq!(lines[0], "t: v__v_text=y");

    let rows = [r#"{"v": 1}"#, r#"{"v": "2024-01-15T10:00:00Z"}"#];
    let (before, _) = normalize_onto(Schema::new("s"), root("t"), &rows);
    let error = error(contract, before.schema, &[r#"{"v": "no instant"}"#]);
    let expected = "row 1 of table `t` does not fit the type of column `v` (`$.v` is \"no instant\"), \
                    but its contract freezes `data_type`";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn new_tables_are_let_go() {
    let rows = [r#"{"id": 2, "c": 1, "m": [{"k": [1]}, 5], "l": [{"x": 2}]}"#, r#"{"id": 3, "m": [6]}"#];
    for mode in [DiscardValue, DiscardRow] {
        let normalized = check(
            ContractEntity::Tables,
            mode,
            &rows,
            &[
                "t: id=2 c=1",
                "t: id=3",
                "t__l: x=2 _dlt_list_idx=0",
                "3 rows were dropped by contract: table `t__m` would be new (rows at `$.m[*]`)",
            ],
        );
        assert!(!normalized.schema.tables.contains_key("t__m"));
    }
    let contract = only(ContractEntity::Tables, DiscardRow);
    let (normalized, lines) = normalize_onto(Schema::new("s"), bound(contract), &rows);
    assert_eq!(lines, ["2 rows were dropped by contract: table `t` would be new (rows at `$`)"]);
    assert!(!normalized.schema.tables.contains_key("t"));
}

#[test]
fn a_new_table_may_have_columns() {
    let rows = [r#"{"id": 1, "l": [{"x": 1}, {"y": 1}]}"#, r#"{"id": 2, "c": 1}"#];
    let lines = |mode| {
        let contract = only(ContractEntity::Columns, mode);
        normalize_onto(Schema::new("s"), bound(contract), &rows).1
    };
    let (root, first) = (["t: id=1", "t: id=2 c=1"], "t__l: x=1 _dlt_list_idx=0");
    // dlt fails at the second row of the child table.
    assert_eq!(lines(Freeze), [&root[..], &[first, "t__l: _dlt_list_idx=1 y=1"]].concat());
    let dropped =
        "1 value was dropped by contract: column `y` of table `t__l` would be new (row 2: `$.l[*].y` is 1)";
    assert_eq!(lines(DiscardValue), [&root[..], &[first, "t__l: _dlt_list_idx=1", dropped]].concat());
}

#[test]
fn child_tables_may_have_their_own() {
    let mut root = bound(only(ContractEntity::Columns, Freeze));
    let nested =
        TableHints { contract: Some(only(ContractEntity::Columns, DiscardValue)), ..TableHints::default() };
    root.hints.nested = vec![(vec!["planLinks".to_owned()], nested)];
    let rows = [r#"{"id": 1, "planLinks": [{"a": 1}, {"b": 1}]}"#];
    let (before, lines) = normalize_onto(Schema::new("s"), root.clone(), &rows);
    let list = "t__plan_links";
    assert_eq!(lines[1..], [format!("{list}: a=1 _dlt_list_idx=0"), format!("{list}: _dlt_list_idx=1 b=1")]);
    let contract = |table: &str| before.schema.tables[table].other["schema_contract"].clone();
    assert_eq!(contract("t"), json!({"columns": "freeze"}));
    assert_eq!(contract(list), json!({"columns": "discard_value"}));

    let rows = [r#"{"id": 2, "planLinks": [{"a": 2, "c": 1}]}"#];
    let (after, lines) = normalize_onto(before.schema, root.clone(), &rows);
    assert_eq!(lines[..2], ["t: id=2".to_owned(), format!("{list}: a=2 _dlt_list_idx=0")]);

    root.hints.contract = None;
    root.hints.nested = Vec::new();
    let (lifted, lines) = normalize_onto(after.schema, root, &rows);
    assert_eq!(lines, ["t: id=2".to_owned(), format!("{list}: a=2 c=1 _dlt_list_idx=0")]);
    assert!(!lifted.schema.tables["t"].other.contains_key("schema_contract"));
}

#[test]
fn what_is_frozen_ends_the_resource() {
    let (before, _) = normalize_onto(Schema::new("s"), root("t"), &[r#"{"id": 1, "v": 1, "a": null}"#]);
    let check = |entity, row: &str, expected: &str| {
        let rows = [r#"{"id": 1, "v": "2", "_dlt_x": 1, "b": null}"#, row];
        let error = error(only(entity, Freeze), before.schema.clone(), &rows);
        assert_eq!(error.to_string(), expected);
        assert!(error.hint().is_some_and(|hint| hint.contains("`evolve`")));
    };
    check(
        ContractEntity::Columns,
        r#"{"id": 2, "a": "new"}"#,
        "row 2 of table `t` would add column `a` (`$.a` is \"new\"), but its contract freezes `columns`",
    );
    check(
        ContractEntity::DataType,
        r#"{"id": 2, "v": 1.5}"#,
        "row 2 of table `t` does not fit the type of column `v` (`$.v` is 1.5), but its contract freezes `data_type`",
    );
    check(
        ContractEntity::Tables,
        r#"{"id": 2, "l": [1]}"#,
        "rows at `$.l[*]` would add table `t__l`, but its contract freezes `tables`",
    );
    let error = error(Contract::All(Freeze), Schema::new("s"), &[r#"{"id": 1}"#]);
    assert_eq!(error.to_string(), "rows at `$` would add table `t`, but its contract freezes `tables`");
}

#[test]
fn values_that_are_kept_apart_do_not_break_a_contract() {
    let first = [r#"{"fooBar": 1}"#];
    for mode in [Freeze, DiscardRow, DiscardValue] {
        let contract = Contract::Each { tables: Some(Evolve), columns: Some(mode), data_type: Some(mode) };
        let (_, lines) = normalize_onto(
            normalize_onto(Schema::new("s"), bound(contract), &first).0.schema,
            bound(contract),
            &[r#"{"fooBar": 1, "foo_bar": 2}"#],
        );
        let lost = "1 value was lost: two fields of a row become column `foo_bar` of table `t`, and the later one counts";
        assert_eq!(lines, ["t: foo_bar=2", lost]);
    }
}

#[test]
fn a_table_with_versions_is_loaded_without_rows_if_all_are_let_go() {
    let check = |strategy, rows: &[&str], expected: &[(&str, u64)]| {
        let root = |contract| {
            let mut root = bound(contract);
            root.hints.disposition =
                Some(Disposition::Merge { strategy: Some(strategy), history: History::default() });
            root
        };
        let (before, _) = normalize_onto(Schema::new("s"), root(Contract::All(Evolve)), &[r#"{"id": 1}"#]);
        let contract = only(ContractEntity::Columns, DiscardRow);
        let (normalized, _) = normalize_onto(before.schema, root(contract), rows);
        let loaded = normalized.tables.iter().map(|rows| (rows.table.as_str(), rows.row_count));
        assert_eq!(loaded.collect::<Vec<_>>(), expected, "{strategy:?} {rows:?}");
    };
    check(MergeStrategy::Scd2, &[r#"{"x": 1}"#], &[("t", 0)]);
    check(MergeStrategy::Scd2, &[r#"{"x": 1}"#, r#"{"id": 2}"#], &[("t", 1)]);
    check(MergeStrategy::Scd2, &[], &[]);
    check(MergeStrategy::DeleteInsert, &[r#"{"x": 1}"#], &[]);
}
