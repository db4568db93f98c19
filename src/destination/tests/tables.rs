//! Tables that a load makes, and what they say of loads.

use super::{Engine, Fixture, batch, roots, text};
use crate::destination::DestinationError;
use crate::schema::WriteDisposition;
use crate::state::LoadId;

pub(crate) fn a_first_load_makes_the_tables_dlt_makes(engine: &dyn Engine) {
    let mut fixture = Fixture::new(engine, WriteDisposition::Merge);
    fixture.load("1.1", &[("t", roots("1.1", &[(1, "a", "r1")]))]);
    let unique = if engine.traits().has_unique { " unique" } else { "" };
    for (table, expected) in [
        (
            "t",
            &[
                "id bigint not null",
                "name text",
                "_dlt_load_id text not null",
                &format!("_dlt_id text{unique} not null"),
            ][..],
        ),
        (
            "_dlt_loads",
            &[
                "load_id text not null",
                "schema_name text",
                "status bigint not null",
                "inserted_at timestamp not null",
                "schema_version_hash text",
            ],
        ),
        (
            "_dlt_version",
            &[
                "version bigint not null",
                "engine_version bigint not null",
                "inserted_at timestamp not null",
                "schema_name text not null",
                "version_hash text not null",
                "schema text not null",
            ],
        ),
        (
            "_dlt_pipeline_state",
            &[
                "version bigint not null",
                "engine_version bigint not null",
                "pipeline_name text not null",
                "state text not null",
                "created_at timestamp not null",
                "version_hash text",
                "_dlt_load_id text not null",
                &format!("_dlt_id text{unique} not null"),
            ],
        ),
    ] {
        // dlt limits some texts, which not all engines do.
        let columns: Vec<_> =
            fixture.columns(table).iter().map(|column| column.replace("text(64)", "text")).collect();
        assert_eq!(columns, expected, "{table}");
    }
}

pub(crate) fn what_was_committed_is_read_back(engine: &dyn Engine) {
    let mut fixture = Fixture::new(engine, WriteDisposition::Merge);
    let nothing = fixture.committed();
    assert!(nothing.schema.is_none() && nothing.state.is_none() && nothing.last_load.is_none());
    fixture.load("1.1", &[("t", roots("1.1", &[(1, "a", "r1")]))]);
    fixture.load("1.2", &[]);
    let committed = fixture.committed();
    assert_eq!(committed.schema.as_ref(), Some(&fixture.schema));
    assert_eq!(committed.state.unwrap().resource("src", "t").unwrap()["load"], "1.2");
    assert_eq!(committed.last_load, Some(LoadId::from_stored("1.2")));
    let other = fixture.destination().committed("q", "other").unwrap();
    assert!(other.schema.is_none() && other.state.is_none());
    fixture.check("SELECT count(*) FROM _dlt_version", &["1"]);
    fixture.check("SELECT load_id, schema_name, status FROM _dlt_loads", &["1.1 src 0", "1.2 src 0"]);
    fixture.check("SELECT length(_dlt_id) FROM _dlt_pipeline_state LIMIT 1", &["14"]);
}

pub(crate) fn a_state_counts_only_with_its_load(engine: &dyn Engine) {
    let mut fixture = Fixture::new(engine, WriteDisposition::Append);
    fixture.load("1.1", &[]);
    fixture.load("1.2", &[]);
    fixture.place.execute("UPDATE _dlt_loads SET status = 1 WHERE load_id = '1.2'");
    let committed = fixture.committed();
    assert_eq!(committed.state.unwrap().resource("src", "t").unwrap()["load"], "1.1");
    assert_eq!(committed.last_load.unwrap().as_str(), "1.2");
}

pub(crate) fn the_same_load_twice_changes_nothing(engine: &dyn Engine) {
    let mut fixture = Fixture::new(engine, WriteDisposition::Append);
    let rows = [("t", roots("1.1", &[(1, "a", "r1")]))];
    assert!(!fixture.load("1.1", &rows).already_loaded);
    // Even though the package was made for an older schema.
    fixture.base = None;
    let again = fixture.load("1.1", &rows);
    assert!(again.already_loaded && again.tables.is_empty());
    fixture.check("SELECT count(*) FROM t", &["1"]);
    fixture.check("SELECT count(*) FROM _forebay_runs", &["1"]);
}

pub(crate) fn a_load_onto_another_schema_is_refused(engine: &dyn Engine) {
    let mut fixture = Fixture::new(engine, WriteDisposition::Append);
    fixture.load("1.1", &[("t", roots("1.1", &[(1, "a", "r1")]))]);
    for base in [None, Some("other".to_owned())] {
        fixture.base = base;
        let error = fixture.try_load("1.2", &[("t", roots("1.2", &[(2, "b", "r2")]))]).unwrap_err();
        assert!(matches!(error, DestinationError::SchemaMoved { .. }), "{error}");
    }
    fixture.check("SELECT id FROM t", &["1"]);
}

pub(crate) fn the_newest_schema_is_the_one_stored_last(engine: &dyn Engine) {
    let mut fixture = Fixture::new(engine, WriteDisposition::Append);
    fixture.load("1.1", &[]);
    fixture.schema.tables["t"].write_disposition = Some(WriteDisposition::Replace);
    fixture.load("1.2", &[]);
    // Back to the first content, and so to its hash.
    fixture.schema.tables["t"].write_disposition = Some(WriteDisposition::Append);
    fixture.load("1.3", &[]);
    let committed = fixture.committed().schema.unwrap();
    assert_eq!(committed.tables["t"].write_disposition, Some(WriteDisposition::Append));
    fixture.check("SELECT count(*), count(DISTINCT inserted_at) FROM _dlt_version", &["3 3"]);
}

pub(crate) fn runs_are_read_back_newest_first(engine: &dyn Engine) {
    let mut fixture = Fixture::new(engine, WriteDisposition::Append);
    assert!(fixture.destination().runs(5).unwrap().is_empty());
    fixture.load("1.1", &[]);
    fixture.load("1.2", &[]);
    let runs = fixture.destination().runs(5).unwrap();
    assert_eq!(runs.iter().map(|run| run.load_id.as_str()).collect::<Vec<_>>(), ["1.2", "1.1"]);
    let record = &runs[0].record;
    assert_eq!((record.row_count, record.page_count, record.request_count), (7, 2, 3));
    assert_eq!((record.started_at, record.finished_at), (1_795_000_000_000_001, 1_795_000_001_000_000));
    assert_eq!(fixture.destination().runs(1).unwrap().len(), 1);
    fixture.check("SELECT count(*) FROM _forebay_migrations", &["2"]);
}

pub(crate) fn a_null_where_none_may_be_fails_and_leaves_nothing(engine: &dyn Engine) {
    let mut fixture = Fixture::new(engine, WriteDisposition::Append);
    fixture.load("1.1", &[("t", roots("1.1", &[(1, "a", "r1")]))]);
    let rows = batch(&[("_dlt_load_id", text(["1.2"])), ("_dlt_id", text(["r2"]))]);
    let error = fixture.try_load("1.2", &[("t", rows)]).unwrap_err().to_string();
    assert!(error.starts_with("could not append rows to table `t`: "), "{error}");
    assert!(error.contains("id"), "{error}");
    fixture.check("SELECT count(*) FROM t", &["1"]);
    fixture.check("SELECT load_id FROM _dlt_loads", &["1.1"]);
}

pub(crate) fn datasets_in_one_place_do_not_meet(engine: &dyn Engine) {
    let mut one = Fixture::new(engine, WriteDisposition::Replace);
    let mut other = Fixture::at(engine, one.place.clone(), WriteDisposition::Replace);
    other.dataset = "other".to_owned();
    one.load("1.1", &[("t", roots("1.1", &[(1, "a", "r1")]))]);
    assert!(other.committed().last_load.is_none());
    other.load("1.2", &[("t", roots("1.2", &[(2, "b", "r1")]))]);
    one.load("1.3", &[("t", roots("1.3", &[(3, "c", "r1")]))]);
    one.check("SELECT id FROM t", &["3"]);
    one.check("SELECT id FROM other.t", &["2"]);
    assert_eq!(other.committed().last_load, Some(LoadId::from_stored("1.2")));
}
