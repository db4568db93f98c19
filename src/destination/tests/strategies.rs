//! What becomes of rows, strategy by strategy. Ids of rows are given: a hash of the key or of the row where the
//! normalizer makes one.

use serde_json::{Value, json};

use super::{Engine, Fixture};
use crate::schema::{Column, DELETED_AT, DataType, WriteDisposition};

const ROOTS: &str = "SELECT id, name, _dlt_load_id FROM t ";
pub(crate) const CHILDREN: &str = "SELECT value, _dlt_parent_id FROM t__c ";
pub(crate) const GRANDCHILDREN: &str = "SELECT value, _dlt_parent_id FROM t__c__d ";

/// A fixture with columns `gone` and `at`, which is merged by `strategy`.
pub(crate) fn merged<'e>(engine: &'e dyn Engine, strategy: &str) -> Fixture<'e> {
    let mut fixture = Fixture::new(engine, WriteDisposition::Merge);
    fixture.schema.tables["t"].add(Column::new("gone", DataType::Bool));
    fixture.schema.tables["t"].add(Column::new("at", DataType::Bigint));
    fixture.hint("", "x-merge-strategy", json!(strategy));
    fixture
}

pub(crate) fn root(id: i64, name: &str, row_id: &str) -> Value {
    json!({"id": id, "name": name, "_dlt_id": row_id})
}

pub(crate) fn child(value: &str, parent: &str, index: i64) -> Value {
    let id = format!("{parent}.{index}");
    json!({"value": value, "_dlt_root_id": parent.split('.').next(), "_dlt_parent_id": parent,
        "_dlt_list_idx": index, "_dlt_id": id})
}

/// The row with more fields.
pub(crate) fn with(mut row: Value, more: &Value) -> Value {
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    row
}

pub(crate) fn the_first_by_the_sort_column_stays(engine: &dyn Engine) {
    let check = |order: &str, expected: &[&str]| {
        let mut fixture = merged(engine, "delete-insert");
        fixture.hint("at", "dedup_sort", json!(order));
        let receipt = fixture.load_json(
            "1.1",
            &json!({
                "t": [
                    with(root(1, "low", "r1"), &json!({"at": 1})),
                    with(root(1, "high", "r2"), &json!({"at": 2})),
                    with(root(2, "null", "r3"), &json!({"at": null})),
                    with(root(2, "some", "r4"), &json!({"at": 5})),
                    with(root(3, "first", "r5"), &json!({"at": 7})),
                    with(root(3, "last", "r6"), &json!({"at": 7})),
                ],
                "t__c": [child("low", "r1", 0), child("high", "r2", 0)],
            }),
        );
        assert_eq!(receipt.tables, [("t".to_owned(), 3), ("t__c".to_owned(), 1)]);
        fixture.check("SELECT id, name FROM t", expected);
        fixture.check("SELECT '1 ' || value FROM t__c", &expected[..1]);
    };
    check("desc", &["1 high", "2 some", "3 last"]);
    check("asc", &["1 low", "2 some", "3 last"]);
}

pub(crate) fn rows_that_say_so_are_deleted(engine: &dyn Engine) {
    let mut fixture = merged(engine, "delete-insert");
    fixture.hint("gone", "hard_delete", json!(true));
    let receipt = fixture.load_json(
        "1.1",
        &json!({
            "t": [
                with(root(1, "a", "r1"), &json!({"gone": false})),
                with(root(2, "b", "r2"), &json!({"gone": true})),
                root(3, "c", "r3"),
                root(4, "d", "r4"),
            ],
            "t__c": [child("a", "r1", 0), child("b", "r2", 0), child("c", "r3", 0)],
        }),
    );
    assert_eq!(receipt.tables, [("t".to_owned(), 3), ("t__c".to_owned(), 2)]);
    fixture.check(ROOTS, &["1 a 1.1", "3 c 1.1", "4 d 1.1"]);
    fixture.check(CHILDREN, &["a r1", "c r3"]);
    fixture.load_json(
        "1.2",
        &json!({
            "t": [
                with(root(1, "A", "r5"), &json!({"gone": true})),
                with(root(3, "gone first", "r6"), &json!({"gone": true})),
                root(3, "C", "r7"),
                root(4, "gone last", "r8"),
                with(root(4, "D", "r9"), &json!({"gone": true})),
            ],
            "t__c": [child("A", "r5", 0), child("x", "r6", 0), child("C", "r7", 0), child("x", "r8", 0)],
        }),
    );
    fixture.check(ROOTS, &["3 C 1.2"]);
    fixture.check(CHILDREN, &["C r7"]);
}

pub(crate) fn any_value_says_so_in_a_column_of_another_type(engine: &dyn Engine) {
    let mut fixture = merged(engine, "delete-insert");
    fixture.hint("at", "hard_delete", json!(true));
    fixture
        .load_json("1.1", &json!({"t": [root(1, "a", "r1"), with(root(2, "b", "r2"), &json!({"at": 0}))]}));
    fixture.check(ROOTS, &["1 a 1.1"]);
    fixture.load_json("1.2", &json!({"t": [with(root(1, "A", "r3"), &json!({"at": 9}))]}));
    fixture.check(ROOTS, &[]);
}

pub(crate) fn a_deleted_row_takes_its_merge_group_along(engine: &dyn Engine) {
    let mut fixture = merged(engine, "delete-insert");
    fixture.schema.tables["t"].columns["id"].hints.clear();
    fixture.hint("name", "merge_key", json!(true));
    fixture.hint("gone", "hard_delete", json!(true));
    fixture.load_json("1.1", &json!({
        "t": [root(1, "mon", "r1"), root(2, "mon", "r2"), root(3, "tue", "r3")], "t__c": [child("x", "r1", 0)],
    }));
    fixture.load_json("1.2", &json!({"t": [with(root(9, "mon", "r4"), &json!({"gone": true}))]}));
    fixture.check(ROOTS, &["3 tue 1.1"]);
    fixture.check(CHILDREN, &[]);
}

pub(crate) fn without_keys_rows_that_say_so_are_not_added(engine: &dyn Engine) {
    let mut fixture = merged(engine, "delete-insert");
    fixture.schema.tables["t"].columns["id"].hints.clear();
    fixture.hint("gone", "hard_delete", json!(true));
    for load in ["1.1", "1.2"] {
        let [kept, gone] = ["kept", "gone"].map(|name| format!("{name} {}", &load[2..]));
        fixture.load_json(
            load,
            &json!({
                "t": [root(1, "a", &kept), with(root(2, "b", &gone), &json!({"gone": true}))],
                "t__c": [child("a", &kept, 0), child("b", &gone, 0)],
            }),
        );
    }
    fixture.check(ROOTS, &["1 a 1.1", "1 a 1.2"]);
    fixture.check("SELECT value FROM t__c", &["a", "a"]);
}

pub(crate) fn upserted_rows_keep_their_id_and_get_their_children_anew(engine: &dyn Engine) {
    let mut fixture = merged(engine, "upsert");
    fixture.load_json(
        "1.1",
        &json!({
            "t": [root(1, "a", "k1"), root(2, "b", "k2")],
            "t__c": [child("a0", "k1", 0), child("b0", "k2", 0), child("b1", "k2", 1)],
            "t__c__d": [child("d", "k2.1", 0), child("e", "k1.0", 0)],
        }),
    );
    let receipt = fixture.load_json(
        "1.2",
        &json!({
            "t": [root(2, "B", "k2"), root(3, "C", "k3")],
            "t__c": [child("B0", "k2", 0), child("C0", "k3", 0)],
        }),
    );
    assert_eq!(receipt.tables, [("t".to_owned(), 2), ("t__c".to_owned(), 2)]);
    fixture
        .check("SELECT id, name, _dlt_load_id, _dlt_id FROM t", &["1 a 1.1 k1", "2 B 1.2 k2", "3 C 1.2 k3"]);
    fixture.check(CHILDREN, &["B0 k2", "C0 k3", "a0 k1"]);
    fixture.check(GRANDCHILDREN, &["e k1.0"]);
}

pub(crate) fn upserts_go_by_all_columns_of_the_key_and_nulls_are_equal(engine: &dyn Engine) {
    let mut fixture = merged(engine, "upsert");
    fixture.schema.tables["t"].columns["id"].nullable = Some(true);
    fixture.hint("name", "primary_key", json!(true));
    let rows = |at: i64| {
        json!({"t": [
            {"id": 1, "name": "a", "at": at, "_dlt_id": "k1"},
            {"id": 1, "at": at, "_dlt_id": "k2"},
            {"name": "a", "at": at, "_dlt_id": "k3"},
        ]})
    };
    fixture.load_json("1.1", &rows(1));
    fixture.load_json("1.2", &rows(2));
    fixture.check("SELECT id, name, \"at\" FROM t ", &["1 a 2", "1 - 2", "- a 2"]);
}

pub(crate) fn the_last_of_equal_keys_comes_with_its_children_alone(engine: &dyn Engine) {
    for strategy in ["upsert", "insert-only"] {
        let turn = |row, number: i64| with(row, &json!({"_forebay_turn_": number}));
        let rows = json!({
            "t": [turn(root(1, "old", "k1"), 1), turn(root(2, "x", "k2"), 2), turn(root(1, "new", "k1"), 3)],
            "t__c": [
                turn(child("old0", "k1", 0), 1), turn(child("old1", "k1", 1), 1), turn(child("x", "k2", 0), 2),
                turn(child("new0", "k1", 0), 3),
            ],
            "t__c__d": [turn(child("old", "k1.1", 0), 1), turn(child("new", "k1.0", 0), 3)],
        });
        let mut fixture = merged(engine, strategy);
        let receipt = fixture.load_json("1.1", &rows);
        assert_eq!(
            receipt.tables,
            [("t", 2), ("t__c", 2), ("t__c__d", 1)].map(|(name, n)| (name.to_owned(), n))
        );
        fixture.check(ROOTS, &["1 new 1.1", "2 x 1.1"]);
        fixture.load_json("1.2", &rows);
        let load = if strategy == "upsert" { "1.2" } else { "1.1" };
        fixture.check(ROOTS, &[&format!("1 new {load}"), &format!("2 x {load}")]);
        fixture.check(CHILDREN, &["new0 k1", "x k2"]);
        fixture.check(GRANDCHILDREN, &["new k1.0"]);
        assert!(fixture.stored_columns().iter().all(|column| !column.name.contains("turn")));
        // Where none comes twice, the turn does not matter.
        fixture.load_json(
            "1.3",
            &json!({"t": [turn(root(3, "y", "k3"), 1)], "t__c": [turn(child("y", "k3", 0), 1)]}),
        );
        fixture.check(CHILDREN, &["new0 k1", "x k2", "y k3"]);
    }
}

pub(crate) fn a_source_may_have_the_column_of_marks(engine: &dyn Engine) {
    let mut fixture = merged(engine, "upsert");
    fixture.schema.tables["t"].add(Column::new(DELETED_AT, DataType::Text));
    let rows = json!({"t": [with(root(1, "a", "k1"), &json!({"_forebay_deleted_at": "theirs"}))]});
    for load in ["1.1", "1.2"] {
        fixture.load_json(load, &rows);
        fixture.check("SELECT _forebay_deleted_at, _dlt_load_id FROM t", &[&format!("theirs {load}")]);
    }
}

pub(crate) fn upserts_delete_rows_that_say_so(engine: &dyn Engine) {
    let mut fixture = merged(engine, "upsert");
    fixture.hint("gone", "hard_delete", json!(true));
    fixture.load_json(
        "1.1",
        &json!({
            "t": [with(root(1, "a", "k1"), &json!({"gone": false})), root(2, "b", "k2"), root(3, "c", "k3")],
            "t__c": [child("a", "k1", 0), child("b", "k2", 0), child("c", "k3", 0)],
        }),
    );
    // Like in dlt, one that was never there comes in, without children.
    let receipt = fixture.load_json(
        "1.2",
        &json!({
            "t": [
                with(root(1, "A", "k1"), &json!({"gone": true})),
                with(root(2, "B", "k2"), &json!({"gone": false})),
                with(root(4, "D", "k4"), &json!({"gone": true})),
            ],
            "t__c": [child("A", "k1", 0), child("B", "k2", 0), child("D", "k4", 0)],
        }),
    );
    assert_eq!(receipt.tables, [("t".to_owned(), 2), ("t__c".to_owned(), 1)]);
    fixture.check(ROOTS, &["2 B 1.2", "3 c 1.1", "4 D 1.2"]);
    fixture.check(CHILDREN, &["B k2", "c k3"]);
}

pub(crate) fn tables_that_were_replaced_by_key_can_be_upserted(engine: &dyn Engine) {
    let mut fixture = merged(engine, "delete-insert");
    fixture.load_json(
        "1.1",
        &json!({
            "t": [root(1, "a", "r1"), root(2, "b", "r2")], "t__c": [child("a", "r1", 0), child("b", "r2", 0)],
        }),
    );
    fixture.hint("", "x-merge-strategy", json!("upsert"));
    fixture.load_json("1.2", &json!({"t": [root(2, "B", "k2")], "t__c": [child("B", "k2", 0)]}));
    fixture.check(ROOTS, &["1 a 1.1", "2 B 1.2"]);
    fixture.check(CHILDREN, &["B k2", "a r1"]);
}

pub(crate) fn inserted_rows_stay_as_they_came(engine: &dyn Engine) {
    let mut fixture = merged(engine, "insert-only");
    fixture.load_json("1.1", &json!({
        "t": [root(1, "a", "k1"), root(2, "b", "k2")], "t__c": [child("a0", "k1", 0), child("a1", "k1", 1)],
        "t__c__d": [child("d", "k1.0", 0)],
    }));
    let receipt = fixture.load_json(
        "1.2",
        &json!({
            "t": [root(1, "A", "k1"), root(3, "C", "k3")],
            "t__c": [child("A0", "k1", 0), child("A1", "k1", 1), child("A2", "k1", 2), child("C0", "k3", 0)],
            "t__c__d": [child("D", "k1.0", 0), child("E", "k3.0", 0)],
        }),
    );
    // As in dlt, a list that has become longer gets its new elements.
    assert_eq!(receipt.tables, [("t", 1), ("t__c", 2), ("t__c__d", 1)].map(|(name, n)| (name.to_owned(), n)));
    fixture.check(ROOTS, &["1 a 1.1", "2 b 1.1", "3 C 1.2"]);
    fixture.check(CHILDREN, &["A2 k1", "C0 k3", "a0 k1", "a1 k1"]);
    fixture.check(GRANDCHILDREN, &["E k3.0", "d k1.0"]);
}

pub(crate) fn rows_that_say_they_are_deleted_are_not_inserted(engine: &dyn Engine) {
    let mut fixture = merged(engine, "insert-only");
    fixture.hint("gone", "hard_delete", json!(true));
    fixture.load_json(
        "1.1",
        &json!({
            "t": [root(1, "a", "k1"), with(root(2, "b", "k2"), &json!({"gone": true}))],
            "t__c": [child("a", "k1", 0), child("b", "k2", 0)],
        }),
    );
    fixture.load_json("1.2", &json!({"t": [with(root(1, "A", "k1"), &json!({"gone": true}))]}));
    fixture.check(ROOTS, &["1 a 1.1"]);
    fixture.check(CHILDREN, &["a k1"]);
    // Nor what came with them, if a row of the same key comes in.
    let turn = |row, number: i64| with(row, &json!({"_forebay_turn_": number}));
    let gone = with(root(3, "c", "k3"), &json!({"gone": true}));
    fixture.load_json(
        "1.3",
        &json!({
            "t": [turn(gone, 1), turn(root(3, "C", "k3"), 2)],
            "t__c": [turn(child("c", "k3", 0), 1), turn(child("C", "k3", 0), 2)],
        }),
    );
    fixture.check(ROOTS, &["1 a 1.1", "3 C 1.3"]);
    fixture.check(CHILDREN, &["C k3", "a k1"]);
}
