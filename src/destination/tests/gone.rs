//! Rows that the API no longer has.

use serde_json::{Value, json};

use super::{Engine, Fixture};
use crate::destination::{DeletedRows, Deletes};
use crate::schema::{Column, DELETED_AT, DataType, DeleteMode, WriteDisposition};

const MARKS: &str = "SELECT id, name, _forebay_deleted_at IS NOT NULL FROM t";
const CHILDREN: &str = "SELECT value FROM t__c";

/// Rows 1 to 4 with a child each, merged by `strategy`.
fn loaded<'e>(engine: &'e dyn Engine, strategy: &str) -> Fixture<'e> {
    let mut fixture = Fixture::new(engine, WriteDisposition::Merge);
    fixture.schema.tables["t"].add(Column::new("flag", DataType::Bool));
    fixture.hint("", "x-merge-strategy", json!(strategy));
    fixture.load_json("1.1", &rows(&[1, 2, 3, 4]));
    fixture
}

fn rows(ids: &[i64]) -> Value {
    let root = |id: &i64| json!({"id": id, "name": "x", "_dlt_id": format!("k{id}")});
    let child = |id: &i64| {
        json!({"value": format!("c{id}"), "_dlt_root_id": format!("k{id}"), "_dlt_parent_id": format!("k{id}"),
            "_dlt_list_idx": 0, "_dlt_id": format!("c{id}")})
    };
    match ids {
        [] => json!({}),
        ids => json!({
            "t": ids.iter().map(root).collect::<Vec<_>>(), "t__c": ids.iter().map(child).collect::<Vec<_>>(),
        }),
    }
}

fn read(
    fixture: &mut Fixture<'_>,
    load: &str,
    mode: DeleteMode,
    max_share: f64,
    rows: &Value,
) -> DeletedRows {
    fixture.next.deletes = vec![Deletes { table: "t".to_owned(), mode, max_share }];
    let mut receipt = fixture.load_json(load, rows);
    assert_eq!(receipt.deleted.len(), 1);
    receipt.deleted.remove(0)
}

fn gone(row_count: u64, rows_before: u64) -> DeletedRows {
    DeletedRows { table: "t".to_owned(), row_count, rows_before, refused: false }
}

pub(crate) fn they_are_marked_until_they_come_back(engine: &dyn Engine) {
    for strategy in ["delete-insert", "upsert"] {
        let mut fixture = loaded(engine, strategy);
        let soft = DeleteMode::Soft;
        assert_eq!(read(&mut fixture, "1.2", soft, 0.5, &rows(&[1, 2, 5])), gone(2, 4), "{strategy}");
        fixture.check(MARKS, &["1 x false", "2 x false", "3 x true", "4 x true", "5 x false"]);
        fixture.check(CHILDREN, &["c1", "c2", "c3", "c4", "c5"]);
        let marked = fixture.rows("SELECT _forebay_deleted_at FROM t WHERE id = 4");
        // Row 3 is back; 4 is gone since before.
        assert_eq!(read(&mut fixture, "1.3", soft, 0.5, &rows(&[1, 3, 5])), gone(1, 3), "{strategy}");
        fixture.check(MARKS, &["1 x false", "2 x true", "3 x false", "4 x true", "5 x false"]);
        assert_eq!(fixture.rows("SELECT _forebay_deleted_at FROM t WHERE id = 4"), marked);
        // Without the option rows that come back are unmarked all the same.
        fixture.load_json("1.4", &rows(&[4]));
        fixture.check(MARKS, &["1 x false", "2 x true", "3 x false", "4 x false", "5 x false"]);
    }
}

pub(crate) fn the_schema_may_list_the_mark(engine: &dyn Engine) {
    let mut fixture = loaded(engine, "upsert");
    fixture.schema.tables["t"].add(Column::new(DELETED_AT, DataType::Timestamp));
    assert_eq!(read(&mut fixture, "1.2", DeleteMode::Soft, 0.5, &rows(&[1, 2, 3])), gone(1, 4));
    assert_eq!(read(&mut fixture, "1.3", DeleteMode::Soft, 0.5, &rows(&[1, 2, 4])), gone(1, 3));
    fixture.check(MARKS, &["1 x false", "2 x false", "3 x true", "4 x false"]);
}

pub(crate) fn they_are_removed_with_all_below_them(engine: &dyn Engine) {
    for strategy in ["delete-insert", "upsert"] {
        let mut fixture = loaded(engine, strategy);
        let hard = DeleteMode::Hard;
        assert_eq!(read(&mut fixture, "1.2", hard, 0.5, &rows(&[1, 2, 5])), gone(2, 4), "{strategy}");
        fixture.check("SELECT id FROM t", &["1", "2", "5"]);
        fixture.check(CHILDREN, &["c1", "c2", "c5"]);
        assert_eq!(read(&mut fixture, "1.3", hard, 0.5, &rows(&[1, 2, 5])), gone(0, 3), "{strategy}");
        fixture.check("SELECT id FROM t", &["1", "2", "5"]);
    }
}

pub(crate) fn too_many_are_left_alone(engine: &dyn Engine) {
    let check = |mode, max_share, kept: &[i64], refused: bool, left: &str| {
        let mut fixture = loaded(engine, "delete-insert");
        let row_count = 4 - kept.len() as u64;
        let expected = DeletedRows { refused, ..gone(row_count, 4) };
        assert_eq!(read(&mut fixture, "1.2", mode, max_share, &rows(kept)), expected);
        let unmarked = if mode == DeleteMode::Soft { "WHERE _forebay_deleted_at IS NULL" } else { "" };
        fixture.check(&format!("SELECT count(*) FROM t {unmarked}"), &[left]);
    };
    for mode in [DeleteMode::Soft, DeleteMode::Hard] {
        check(mode, 0.5, &[1], true, "4");
        check(mode, 0.75, &[1], false, "1");
        check(mode, 0.0, &[1, 2, 3], true, "4");
        check(mode, 0.0, &[1, 2, 3, 4], false, "4");
        // The API has none at all.
        check(mode, 0.9, &[], true, "4");
        check(mode, 1.0, &[], false, "0");
    }
}

pub(crate) fn rows_that_were_marked_are_removed_once_that_is_asked_for(engine: &dyn Engine) {
    let mut fixture = loaded(engine, "upsert");
    read(&mut fixture, "1.2", DeleteMode::Soft, 0.5, &rows(&[1, 2, 3]));
    assert_eq!(read(&mut fixture, "1.3", DeleteMode::Hard, 0.5, &rows(&[1, 2])), gone(1, 3));
    fixture.check(MARKS, &["1 x false", "2 x false"]);
    fixture.check(CHILDREN, &["c1", "c2"]);
}

pub(crate) fn a_first_load_has_nothing_to_miss(engine: &dyn Engine) {
    let mut fixture = Fixture::new(engine, WriteDisposition::Merge);
    assert_eq!(read(&mut fixture, "1.1", DeleteMode::Soft, 0.0, &rows(&[1, 2])), gone(0, 0));
    fixture.check(MARKS, &["1 x false", "2 x false"]);
}

pub(crate) fn rows_that_say_they_are_deleted_are_not_missed(engine: &dyn Engine) {
    let mut fixture = loaded(engine, "delete-insert");
    fixture.hint("flag", "hard_delete", json!(true));
    let mut rows = rows(&[1, 2, 3, 4]);
    rows["t"][3]["flag"] = json!(true);
    assert_eq!(read(&mut fixture, "1.2", DeleteMode::Soft, 0.0, &rows), gone(0, 4));
    fixture.check(MARKS, &["1 x false", "2 x false", "3 x false"]);
}
