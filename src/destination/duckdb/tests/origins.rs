//! Where columns come from.

use super::{Fixture, roots};
use crate::destination::Destination;
use crate::normalize::Origin;
use crate::schema::{Column, DataType, WriteDisposition};

const COMMENTS: &str = "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE comment IS NOT NULL \
     UNION ALL SELECT table_name, '*', comment FROM duckdb_tables() WHERE comment IS NOT NULL ORDER BY ALL";

fn load(fixture: &mut Fixture, id: &str, origins: &[(&str, &str, &str)]) {
    let origin = |(table, column, path): &(&str, &str, &str)| Origin {
        table: (*table).to_owned(),
        column: (*column).to_owned(),
        path: (*path).to_owned(),
    };
    fixture.next.origins = origins.iter().map(origin).collect();
    fixture.load(id, &[("t", roots(id, &[(1, "it's", "r1")]))]);
}

fn change(fixture: &Fixture, sql: &str) {
    duckdb::Connection::open(fixture.path()).unwrap().execute_batch(sql).unwrap();
}

fn known(fixture: &Fixture) -> Vec<String> {
    let origins = fixture.database().column_origins().unwrap();
    origins.iter().map(|it| format!("{} {} {} {}", it.table, it.column, it.source_path, it.load_id)).collect()
}

#[test]
fn columns_and_tables_say_it() {
    let mut fixture = Fixture::new(WriteDisposition::Merge);
    assert!(fixture.database().column_origins().unwrap().is_empty());
    load(
        &mut fixture,
        "1.1",
        &[("t", "id", "$.id"), ("t__c", "value", "$.tags[*]"), ("t__c__d", "value", "$.tags[*].it's.x[*].y")],
    );
    let comments = [
        "t * resource t",
        "t id $.id",
        "t__c * resource t, $.tags[*]",
        "t__c value $.tags[*]",
        "t__c__d * resource t, $.tags[*].it's.x[*]",
        "t__c__d value $.tags[*].it's.x[*].y",
    ];
    fixture.check(COMMENTS, &comments);
    fixture.schema.tables["t"].add(Column::new("more", DataType::Text));
    load(
        &mut fixture,
        "1.2",
        &[("t", "id", "$.id"), ("t", "more", "$.fields.more"), ("t", "name", "$.name")],
    );
    fixture.check(
        "SELECT comment FROM duckdb_columns() WHERE table_name = 't' AND column_name = 'more'",
        &["$.fields.more"],
    );
    assert_eq!(
        known(&fixture),
        [
            "t id $.id 1.1",
            "t more $.fields.more 1.2",
            "t name $.name 1.2",
            "t__c value $.tags[*] 1.1",
            "t__c__d value $.tags[*].it's.x[*].y 1.1",
        ]
    );
    let origins = fixture.database().column_origins().unwrap();
    assert!(origins[0].first_seen < origins[1].first_seen);
}

#[test]
fn they_are_written_once() {
    let mut fixture = Fixture::new(WriteDisposition::Merge);
    let origins = [("t", "id", "$.id"), ("t", "name", "$.name")];
    load(&mut fixture, "1.1", &origins);
    // What people write stays, even if it is nothing.
    change(&fixture, "COMMENT ON COLUMN ds.ds.t.id IS 'mine'; COMMENT ON TABLE ds.ds.t IS NULL");
    load(&mut fixture, "1.2", &origins);
    fixture.check(COMMENTS, &["t id mine", "t name $.name"]);
    // Of a field that has moved, both say where it is now.
    load(&mut fixture, "1.3", &[("t", "id", "$.ID"), ("t", "name", "$.Name")]);
    fixture.check(COMMENTS, &["t * resource t", "t id mine", "t name $.Name"]);
    assert_eq!(known(&fixture), ["t id $.ID 1.1", "t name $.Name 1.1"]);
}

#[test]
fn a_table_that_is_made_again_gets_its_comments_again() {
    let mut fixture = Fixture::new(WriteDisposition::Merge);
    let origins = [("t", "id", "$.id"), ("t__c", "value", "$.tags[*]")];
    load(&mut fixture, "1.1", &origins);
    change(&fixture, "DROP TABLE ds.ds.t__c");
    load(&mut fixture, "1.2", &origins);
    fixture.check(
        COMMENTS,
        &["t * resource t", "t id $.id", "t__c * resource t, $.tags[*]", "t__c value $.tags[*]"],
    );
}
