//! Where columns come from.

use super::{Engine, Fixture, roots};
use crate::normalize::Origin;
use crate::schema::{Column, DataType, WriteDisposition};

fn load(fixture: &mut Fixture<'_>, id: &str, origins: &[(&str, &str, &str)]) {
    let origin = |(table, column, path): &(&str, &str, &str)| Origin {
        table: (*table).to_owned(),
        column: (*column).to_owned(),
        path: (*path).to_owned(),
    };
    fixture.next.origins = origins.iter().map(origin).collect();
    fixture.load(id, &[("t", roots(id, &[(1, "it's", "r1")]))]);
}

fn known(fixture: &Fixture<'_>) -> Vec<String> {
    let origins = fixture.destination().column_origins().unwrap();
    origins.iter().map(|it| format!("{} {} {} {}", it.table, it.column, it.source_path, it.load_id)).collect()
}

pub(crate) fn columns_and_tables_say_it(engine: &dyn Engine) {
    let mut fixture = Fixture::new(engine, WriteDisposition::Merge);
    assert!(fixture.destination().column_origins().unwrap().is_empty());
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
    assert_eq!(fixture.comments(), comments);
    fixture.schema.tables["t"].add(Column::new("more", DataType::Text));
    load(
        &mut fixture,
        "1.2",
        &[("t", "id", "$.id"), ("t", "more", "$.fields.more"), ("t", "name", "$.name")],
    );
    assert!(fixture.comments().contains(&"t more $.fields.more".to_owned()));
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
    let origins = fixture.destination().column_origins().unwrap();
    assert!(origins[0].first_seen < origins[1].first_seen);
}

pub(crate) fn they_are_written_once(engine: &dyn Engine) {
    let mut fixture = Fixture::new(engine, WriteDisposition::Merge);
    let origins = [("t", "id", "$.id"), ("t", "name", "$.name")];
    load(&mut fixture, "1.1", &origins);
    // What people write stays, even if it is nothing.
    fixture.place.execute("COMMENT ON COLUMN t.id IS 'mine'; COMMENT ON TABLE t IS NULL");
    load(&mut fixture, "1.2", &origins);
    assert_eq!(fixture.comments(), ["t id mine", "t name $.name"]);
    // Of a field that has moved, both say where it is now.
    load(&mut fixture, "1.3", &[("t", "id", "$.ID"), ("t", "name", "$.Name")]);
    assert_eq!(fixture.comments(), ["t * resource t", "t id mine", "t name $.Name"]);
    assert_eq!(known(&fixture), ["t id $.ID 1.1", "t name $.Name 1.1"]);
}

pub(crate) fn a_table_that_is_made_again_gets_its_comments_again(engine: &dyn Engine) {
    let mut fixture = Fixture::new(engine, WriteDisposition::Merge);
    let origins = [("t", "id", "$.id"), ("t__c", "value", "$.tags[*]")];
    load(&mut fixture, "1.1", &origins);
    fixture.place.execute("DROP TABLE t__c");
    load(&mut fixture, "1.2", &origins);
    assert_eq!(
        fixture.comments(),
        ["t * resource t", "t id $.id", "t__c * resource t, $.tags[*]", "t__c value $.tags[*]"]
    );
}
