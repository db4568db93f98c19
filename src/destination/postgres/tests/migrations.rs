//! Tables of our own.

use std::thread;

use super::super::migrate::{MIGRATIONS_TABLE, create_dataset, migrate};
use super::*;

/// What the start of a load does.
fn set_up(session: &Session, dataset: &str) -> Result<(), DestinationError> {
    run(session, "BEGIN");
    create_dataset(session, dataset)?;
    migrate(session, dataset)?;
    run(session, "COMMIT");
    Ok(())
}

fn tables(session: &Session, dataset: &str) -> Vec<String> {
    let sql = "SELECT relname FROM pg_class WHERE relnamespace::regnamespace::text = quote_ident($1) \
               AND relkind = 'r' ORDER BY relname";
    rows(session, sql, &[Param::Text(dataset)]).iter().map(|row| row.text(0).unwrap()).collect()
}

const ALL: [&str; 3] = ["_forebay_columns", "_forebay_migrations", "_forebay_runs"];

#[test]
fn tables_are_made_once_with_the_load_or_not_at_all() {
    let Some(database) = TestDatabase::new() else { return };
    let session = database.session();
    let dataset = "Odd \"name\"";
    run(&session, "BEGIN");
    create_dataset(&session, dataset).unwrap();
    migrate(&session, dataset).unwrap();
    run(&session, "ROLLBACK");
    assert_eq!(texts(&session, "SELECT nspname FROM pg_namespace WHERE nspname ~ 'Odd'"), [""; 0]);
    for _ in 0..2 {
        set_up(&session, dataset).unwrap();
        assert_eq!(tables(&session, dataset), ALL);
    }
    run(
        &session,
        "INSERT INTO \"Odd \"\"name\"\"\"._forebay_columns VALUES ('t', 'b', '$', 'l', now()), ('t', 'a', '$', 'l', now())",
    );
    let order = "SELECT column_name FROM \"Odd \"\"name\"\"\"._forebay_columns ORDER BY position";
    assert_eq!(texts(&session, order), ["b", "a"]);
}

#[test]
fn two_that_start_at_once_both_succeed() {
    let Some(database) = TestDatabase::new() else { return };
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let session = database.session();
            thread::spawn(move || set_up(&session, "ds"))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap().unwrap();
    }
    let session = database.session();
    assert_eq!(tables(&session, "ds"), ALL);
    let applied = format!("SELECT description FROM ds.{MIGRATIONS_TABLE} ORDER BY version");
    assert_eq!(texts(&session, &applied), ["runs", "columns"]);
}

#[test]
fn migrations_of_a_newer_version_and_of_a_renamed_schema_do_not_matter() {
    let Some(database) = TestDatabase::new() else { return };
    let session = database.session();
    set_up(&session, "ds").unwrap();
    run(&session, "INSERT INTO ds._forebay_migrations VALUES (30000101000000, 'x', now(), true, '', 1)");
    set_up(&session, "ds").unwrap();
    // As an older version left it, under another name.
    run(
        &session,
        "ALTER SCHEMA ds RENAME TO renamed; DROP TABLE renamed._forebay_columns; \
         DELETE FROM renamed._forebay_migrations WHERE description = 'columns'",
    );
    set_up(&session, "renamed").unwrap();
    assert_eq!(tables(&session, "renamed"), ALL);
    assert_eq!(tables(&session, "ds"), [""; 0]);
}

#[test]
fn a_role_needs_no_more_than_what_is_missing() {
    let Some(database) = TestDatabase::new() else { return };
    let role = &database.role.name;
    let admin = database.session();
    let session = database.role_session();
    // No schema, and no right to make one.
    let error = set_up(&session, "ds").unwrap_err();
    assert!(error.hint().unwrap().contains("GRANT CREATE ON DATABASE"), "{error:?}");
    run(&session, "ROLLBACK");
    // A schema that somebody else made.
    run(&admin, &format!("CREATE SCHEMA ds; GRANT USAGE, CREATE ON SCHEMA ds TO {role}"));
    set_up(&session, "ds").unwrap();
    assert_eq!(tables(&session, "ds"), ALL);
    // All is there: the list is read.
    run(&admin, &format!("REVOKE CREATE ON SCHEMA ds FROM {role}"));
    set_up(&session, "ds").unwrap();
    // A schema of one's own in a database where one may make it.
    run(&admin, &format!("GRANT CREATE ON DATABASE {} TO {role}", database.database.name()));
    set_up(&session, "own").unwrap();
}
