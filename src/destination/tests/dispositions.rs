//! What becomes of rows, by disposition, and of tables that people have changed.

use super::{Engine, Fixture, batch, children, int, rootless, roots, text};
use crate::schema::{Column, DataType, Hint, WriteDisposition};

const ROOTS: &str = "SELECT id, name, _dlt_load_id FROM t";
const CHILDREN: &str = "SELECT value, _dlt_root_id FROM t__c";
const GRANDCHILDREN: &str = "SELECT value, _dlt_root_id FROM t__c__d";

fn first_load(fixture: &mut Fixture<'_>) {
    fixture.load(
        "1.1",
        &[
            ("t", roots("1.1", &[(1, "a", "r1"), (2, "b", "r2")])),
            ("t__c", children(&[("c1", "r1", "r1", "c1"), ("c2", "r2", "r2", "c2")])),
            ("t__c__d", children(&[("d1", "r1", "c1", "d1"), ("d2", "r2", "c2", "d2")])),
        ],
    );
}

pub(crate) fn appended_rows_are_added(engine: &dyn Engine) {
    let mut fixture = Fixture::new(engine, WriteDisposition::Append);
    fixture.load("1.1", &[("t", roots("1.1", &[(1, "a", "r1")])), ("t__c", rootless(&[("c1", "r1", "c1")]))]);
    let receipt = fixture.load("1.2", &[("t", roots("1.2", &[(1, "b", "r2")]))]);
    assert_eq!(receipt.tables, [("t".to_owned(), 1)]);
    fixture.check(ROOTS, &["1 a 1.1", "1 b 1.2"]);
    fixture.check("SELECT value FROM t__c", &["c1"]);
}

pub(crate) fn replaced_tables_hold_the_new_rows_only(engine: &dyn Engine) {
    let mut fixture = Fixture::new(engine, WriteDisposition::Replace);
    fixture.load("1.1", &[("t", roots("1.1", &[(1, "a", "r1")])), ("t__c", rootless(&[("c1", "r1", "c1")]))]);
    fixture.load("1.2", &[("t", roots("1.2", &[(2, "b", "r2"), (2, "b", "r3")]))]);
    fixture.check(ROOTS, &["2 b 1.2", "2 b 1.2"]);
    fixture.check("SELECT value FROM t__c", &[]);
    fixture.next.emptied = vec!["t".to_owned()];
    fixture.load("1.3", &[]);
    fixture.check(ROOTS, &[]);
}

pub(crate) fn replacing_and_adding_a_column_go_together(engine: &dyn Engine) {
    let mut fixture = Fixture::new(engine, WriteDisposition::Replace);
    fixture.load("1.1", &[("t", roots("1.1", &[(1, "a", "r1")]))]);
    fixture.schema.tables["t"].add(Column::new("more", DataType::Double));
    let receipt = fixture.load("1.2", &[("t", roots("1.2", &[(2, "b", "r2")]))]);
    assert_eq!(receipt.added_columns, [("t".to_owned(), vec!["more".to_owned()])]);
    fixture.check("SELECT id, more FROM t", &["2 -"]);
}

pub(crate) fn merged_rows_take_the_place_of_their_key_with_all_below(engine: &dyn Engine) {
    let mut fixture = Fixture::new(engine, WriteDisposition::Merge);
    first_load(&mut fixture);
    fixture.load(
        "1.2",
        &[
            ("t", roots("1.2", &[(2, "B", "r3"), (3, "C", "r4")])),
            ("t__c", children(&[("c3", "r3", "r3", "c3")])),
        ],
    );
    fixture.check(ROOTS, &["1 a 1.1", "2 B 1.2", "3 C 1.2"]);
    fixture.check(CHILDREN, &["c1 r1", "c3 r3"]);
    fixture.check(GRANDCHILDREN, &["d1 r1"]);
}

pub(crate) fn the_last_of_equal_keys_in_a_load_stays(engine: &dyn Engine) {
    let mut fixture = Fixture::new(engine, WriteDisposition::Merge);
    let receipt = fixture.load(
        "1.1",
        &[
            ("t", roots("1.1", &[(1, "z", "r1"), (2, "b", "r2"), (1, "a", "r3")])),
            ("t__c", children(&[("c1", "r1", "r1", "c1"), ("c3", "r3", "r3", "c3")])),
            ("t__c__d", children(&[("d1", "r1", "c1", "d1"), ("d3", "r3", "c3", "d3")])),
        ],
    );
    assert_eq!(receipt.tables, [("t", 2), ("t__c", 1), ("t__c__d", 1)].map(|(name, n)| (name.to_owned(), n)));
    fixture.check(ROOTS, &["1 a 1.1", "2 b 1.1"]);
    fixture.check(CHILDREN, &["c3 r3"]);
    fixture.check(GRANDCHILDREN, &["d3 r3"]);
    fixture.load("1.2", &[("t", roots("1.2", &[(1, "x", "r5"), (1, "y", "r6")]))]);
    fixture.check(ROOTS, &["1 y 1.2", "2 b 1.1"]);
    fixture.check(CHILDREN, &[]);
}

pub(crate) fn ids_that_come_from_the_source_may_repeat(engine: &dyn Engine) {
    let mut fixture = Fixture::new(engine, WriteDisposition::Merge);
    for load in ["1.1", "1.2"] {
        fixture.load(
            load,
            &[("t", roots(load, &[(1, "a", "same")])), ("t__c", children(&[("c", "same", "same", "c")]))],
        );
    }
    fixture.check(ROOTS, &["1 a 1.2"]);
    fixture.check(CHILDREN, &["c same"]);
    // Within a load, too.
    fixture.load(
        "1.3",
        &[
            ("t", roots("1.3", &[(1, "a", "same"), (2, "b", "r2"), (1, "A", "same"), (2, "B", "r3")])),
            ("t__c", children(&[("c", "same", "same", "c"), ("b", "r2", "r2", "b"), ("B", "r3", "r3", "B")])),
        ],
    );
    fixture.check(ROOTS, &["1 A 1.3", "2 B 1.3"]);
    fixture.check(CHILDREN, &["B r3", "c same"]);
}

fn keyed<'e>(engine: &'e dyn Engine, hints: &[(&str, Hint)]) -> Fixture<'e> {
    let mut fixture = Fixture::new(engine, WriteDisposition::Merge);
    let root = &mut fixture.schema.tables["t"];
    root.columns["id"].hints.clear();
    root.columns["id"].nullable = Some(true);
    for (column, hint) in hints {
        root.columns[*column].set(*hint);
    }
    fixture
}

pub(crate) fn all_columns_of_a_key_count_and_nulls_are_equal(engine: &dyn Engine) {
    let mut fixture = keyed(engine, &[("id", Hint::PrimaryKey), ("name", Hint::PrimaryKey)]);
    let rows = [(1, "a", "r1"), (1, "b", "r2"), (1, "-", "r3")];
    fixture.load("1.1", &[("t", roots("1.1", &rows))]);
    fixture.load("1.2", &[("t", roots("1.2", &[(1, "b", "r4"), (1, "-", "r5"), (2, "a", "r6")]))]);
    fixture.check(ROOTS, &["1 a 1.1", "1 b 1.2", "1 - 1.2", "2 a 1.2"]);
}

pub(crate) fn a_merge_key_replaces_its_group(engine: &dyn Engine) {
    let mut fixture = keyed(engine, &[("name", Hint::MergeKey)]);
    fixture.load("1.1", &[("t", roots("1.1", &[(1, "mon", "r1"), (2, "mon", "r2"), (3, "tue", "r3")]))]);
    fixture.load("1.2", &[("t", roots("1.2", &[(8, "mon", "r4"), (8, "mon", "r5")]))]);
    fixture.check(ROOTS, &["3 tue 1.1", "8 mon 1.2", "8 mon 1.2"]);
}

pub(crate) fn either_key_is_enough(engine: &dyn Engine) {
    let mut fixture = keyed(engine, &[("id", Hint::PrimaryKey), ("name", Hint::MergeKey)]);
    fixture.load("1.1", &[("t", roots("1.1", &[(1, "mon", "r1"), (2, "tue", "r2"), (3, "wed", "r3")]))]);
    fixture.load("1.2", &[("t", roots("1.2", &[(2, "mon", "r4")]))]);
    fixture.check(ROOTS, &["2 mon 1.2", "3 wed 1.1"]);
}

pub(crate) fn without_keys_rows_are_appended(engine: &dyn Engine) {
    let mut fixture = keyed(engine, &[]);
    fixture.load("1.1", &[("t", roots("1.1", &[(1, "a", "r1")]))]);
    fixture.load("1.2", &[("t", roots("1.2", &[(1, "a", "r2")]))]);
    fixture.check(ROOTS, &["1 a 1.1", "1 a 1.2"]);
}

pub(crate) fn tables_that_were_appended_to_can_be_merged(engine: &dyn Engine) {
    let mut fixture = Fixture::new(engine, WriteDisposition::Append);
    fixture.load(
        "1.1",
        &[
            ("t", roots("1.1", &[(1, "a", "r1"), (2, "b", "r2")])),
            ("t__c", rootless(&[("c1", "r1", "c1"), ("c2", "r2", "c2")])),
            ("t__c__d", rootless(&[("d1", "c1", "d1"), ("d2", "c2", "d2")])),
        ],
    );
    // The normalizer tells only of tables with new rows: `t__c__d` is not among them.
    fixture.schema.tables["t"].write_disposition = Some(WriteDisposition::Merge);
    fixture.schema.propagate_root_id("t");
    let root_id = Column::new("_dlt_root_id", DataType::Text).not_null().with(Hint::RootKey);
    fixture.schema.tables["t__c"].add(root_id);
    let receipt = fixture.load(
        "1.2",
        &[("t", roots("1.2", &[(2, "B", "r3")])), ("t__c", children(&[("c3", "r3", "r3", "c3")]))],
    );
    assert_eq!(receipt.added_columns.len(), 2);
    fixture.check(ROOTS, &["1 a 1.1", "2 B 1.2"]);
    fixture.check(CHILDREN, &["c1 r1", "c3 r3"]);
    fixture.check(GRANDCHILDREN, &["d1 r1"]);
}

pub(crate) fn a_column_that_no_schema_knows_is_null_in_new_rows(engine: &dyn Engine) {
    let mut fixture = Fixture::new(engine, WriteDisposition::Merge);
    first_load(&mut fixture);
    fixture.place.execute("ALTER TABLE t ADD COLUMN note VARCHAR; UPDATE t SET note = 'kept'");
    fixture.load("1.2", &[("t", roots("1.2", &[(2, "B", "r3")]))]);
    fixture.check("SELECT id, note FROM t", &["1 kept", "2 -"]);
}

pub(crate) fn a_table_dropped_by_hand_is_created_again(engine: &dyn Engine) {
    let mut fixture = Fixture::new(engine, WriteDisposition::Merge);
    first_load(&mut fixture);
    fixture.place.execute("DROP TABLE t__c");
    fixture.load("1.2", &[("t", roots("1.2", &[(2, "B", "r3")]))]);
    fixture.check(CHILDREN, &[]);
    fixture.check(GRANDCHILDREN, &["d1 r1"]);
}

pub(crate) fn columns_a_file_lacks_are_null_and_files_keep_their_order(engine: &dyn Engine) {
    let mut fixture = Fixture::new(engine, WriteDisposition::Merge);
    let part = batch(&[("_dlt_id", text(["r1"])), ("_dlt_load_id", text(["1.1"])), ("id", int([1]))]);
    fixture.load("1.1", &[("t", part)]);
    fixture.check(ROOTS, &["1 - 1.1"]);
}

pub(crate) fn a_value_without_a_column_fails_the_load(engine: &dyn Engine) {
    let mut fixture = Fixture::new(engine, WriteDisposition::Append);
    let odd = batch(&[
        ("id", int([1])),
        ("_dlt_load_id", text(["1.1"])),
        ("_dlt_id", text(["r"])),
        ("stranger", text(["x"])),
    ]);
    let error = fixture.try_load("1.1", &[("t", odd)]).unwrap_err().to_string();
    assert!(error.contains("column `stranger`"), "{error}");
    assert!(fixture.committed().schema.is_none());
}
