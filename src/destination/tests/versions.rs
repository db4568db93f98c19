//! Rows that keep their old versions.

use serde_json::{Value, json};

use super::strategies::{CHILDREN, GRANDCHILDREN, child, merged, root, with};
use super::{Engine, Fixture};
use crate::schema::{Column, DataType, WriteDisposition};

/// A fixture whose rows have versions. Validity is shown as the loads it begins and ends with.
fn versioned(engine: &dyn Engine) -> Fixture<'_> {
    let mut fixture = merged(engine, "scd2");
    let root = &mut fixture.schema.tables["t"];
    root.columns["id"].hints.clear();
    let columns = std::mem::take(&mut root.columns);
    for (name, hint) in [("_dlt_valid_from", "x-valid-from"), ("_dlt_valid_to", "x-valid-to")] {
        let mut column = Column::new(name, DataType::Timestamp);
        column.hints.insert(hint.to_owned(), json!(true));
        root.add(column);
    }
    root.columns.extend(columns);
    root.columns["_dlt_id"].hints.clear();
    fixture.hint("_dlt_id", "x-row-version", json!(true));
    for name in ["t__c", "t__c__d"] {
        fixture.schema.tables[name].columns.shift_remove("_dlt_root_id");
    }
    fixture
}

const VERSIONS: &str = "SELECT id, name, extract(epoch FROM _dlt_valid_from)::int, \
     extract(epoch FROM _dlt_valid_to)::int FROM t";

fn unrooted(mut child: Value) -> Value {
    child.as_object_mut().unwrap().shift_remove("_dlt_root_id");
    child
}

pub(crate) fn rows_that_change_or_go_are_retired(engine: &dyn Engine) {
    let mut fixture = versioned(engine);
    let child = |value, parent, index| unrooted(child(value, parent, index));
    fixture.load_json(
        "10.0",
        &json!({
            "t": [root(1, "a", "a1"), root(2, "b", "b1"), root(3, "c", "c1")],
            "t__c": [child("a", "a1", 0), child("b", "b1", 0)],
            "t__c__d": [child("d", "a1.0", 0)],
        }),
    );
    fixture.check(VERSIONS, &["1 a 10 -", "2 b 10 -", "3 c 10 -"]);
    let receipt = fixture.load_json(
        "20.0",
        &json!({
            "t": [root(1, "A", "a2"), root(2, "b", "b1")],
            "t__c": [child("A", "a2", 0), child("b", "b1", 0)],
            "t__c__d": [child("D", "a2.0", 0)],
        }),
    );
    assert_eq!(receipt.tables, [("t", 1), ("t__c", 1), ("t__c__d", 1)].map(|(name, n)| (name.to_owned(), n)));
    fixture.check(VERSIONS, &["1 A 20 -", "1 a 10 20", "2 b 10 -", "3 c 10 20"]);
    fixture.check(CHILDREN, &["A a2", "a a1", "b b1"]);
    fixture.check(GRANDCHILDREN, &["D a2.0", "d a1.0"]);
    // A version that comes back is valid again, with the children that it had.
    fixture.load_json(
        "30.0",
        &json!({
            "t": [root(1, "a", "a1"), root(2, "b", "b1")],
            "t__c": [child("a", "a1", 0), child("b", "b1", 0)],
        }),
    );
    fixture.check(VERSIONS, &["1 A 20 30", "1 a 10 20", "1 a 30 -", "2 b 10 -", "3 c 10 20"]);
    fixture.check(CHILDREN, &["A a2", "a a1", "b b1"]);
    // A load without rows retires none, as in dlt.
    fixture.load_json("40.0", &json!({}));
    fixture.check(VERSIONS, &["1 A 20 30", "1 a 10 20", "1 a 30 -", "2 b 10 -", "3 c 10 20"]);
}

pub(crate) fn rows_that_come_twice_are_versions_twice(engine: &dyn Engine) {
    let mut fixture = versioned(engine);
    for load in ["10.0", "20.0"] {
        fixture.load_json(load, &json!({"t": [root(1, "a", "a1"), root(1, "a", "a1"), root(1, "b", "b1")]}));
        fixture.check(VERSIONS, &["1 a 10 -", "1 a 10 -", "1 b 10 -"]);
    }
}

pub(crate) fn a_column_of_the_source_can_tell_versions_apart(engine: &dyn Engine) {
    let mut fixture = versioned(engine);
    fixture.hint("_dlt_id", "x-row-version", json!(false));
    fixture.hint("name", "x-row-version", json!(true));
    let child = |value, parent, index| unrooted(child(value, parent, index));
    fixture.load_json("10.0", &json!({
        "t": [root(1, "v1", "r1"), root(2, "w1", "r2")], "t__c": [child("a", "r1", 0), child("b", "r2", 0)],
    }));
    fixture.load_json("20.0", &json!({
        "t": [root(1, "v2", "r3"), root(2, "w1", "r4")], "t__c": [child("A", "r3", 0), child("B", "r4", 0)],
    }));
    fixture.check(VERSIONS, &["1 v1 10 20", "1 v2 20 -", "2 w1 10 -"]);
    // dlt would leave `B r4` without a parent.
    fixture.check(CHILDREN, &["A r3", "a r1", "b r2"]);
}

pub(crate) fn only_versions_of_the_groups_that_came_are_retired(engine: &dyn Engine) {
    let mut fixture = versioned(engine);
    fixture.hint("name", "merge_key", json!(true));
    fixture.hint("at", "merge_key", json!(true));
    let row = |id, name, at: Value, row_id| with(root(id, name, row_id), &json!({"at": at}));
    fixture.load_json(
        "10.0",
        &json!({"t": [
            row(1, "a", json!(12), "r1"), row(2, "a1", json!(2), "r2"), row(3, "b", json!(1), "r3"),
            row(4, "b", json!(null), "r4"), row(5, "b", json!(null), "r5"), row(6, "a", json!(12), "r6"),
        ]}),
    );
    fixture.load_json("20.0", &json!({"t": [row(1, "a", json!(12), "r7"), row(4, "b", json!(null), "r4")]}));
    // `a` and 12 are not `a1` and 2, which are one to dlt.
    fixture.check(
        VERSIONS,
        &["1 a 10 20", "1 a 20 -", "2 a1 10 -", "3 b 10 -", "4 b 10 -", "5 b 10 20", "6 a 10 20"],
    );
}

pub(crate) fn times_of_versions_can_be_given(engine: &dyn Engine) {
    let mut fixture = versioned(engine);
    fixture.hint("", "x-boundary-timestamp", json!("1970-01-01T01:01:00+01:00"));
    fixture.hint("_dlt_valid_to", "x-active-record-timestamp", json!("2000-01-01"));
    fixture.load_json("10.0", &json!({"t": [root(1, "a", "a1"), root(2, "b", "b1")]}));
    fixture.check(VERSIONS, &["1 a 60 946684800", "2 b 60 946684800"]);
    fixture.hint("", "x-boundary-timestamp", json!("1970-01-01T00:02:00.000Z"));
    fixture.load_json("20.0", &json!({"t": [root(1, "A", "a2"), root(2, "b", "b1")]}));
    fixture.check(VERSIONS, &["1 A 120 946684800", "1 a 60 120", "2 b 60 946684800"]);
}

pub(crate) fn tables_that_were_appended_to_can_get_versions(engine: &dyn Engine) {
    let mut fixture = Fixture::new(engine, WriteDisposition::Append);
    fixture.load_json("10.0", &json!({"t": [root(1, "a", "r1")]}));
    let schema = versioned(engine).schema;
    fixture.schema.tables = schema.tables;
    fixture.schema.tables["t"].columns["_dlt_id"].hints.insert("x-row-version".to_owned(), json!(true));
    fixture.load_json("20.0", &json!({"t": [root(1, "a", "a1")]}));
    fixture.check(VERSIONS, &["1 a 20 -", "1 a - 20"]);
}
