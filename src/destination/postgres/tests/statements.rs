//! Settings, statements and queries.

use super::super::super::sql::Cell;
use super::*;

#[test]
fn values_go_in_and_come_out() {
    let Some(database) = TestDatabase::new() else { return };
    let session = database.session();
    run(&session, "CREATE TABLE t (a text, b bigint, c timestamptz)");
    let insert = "INSERT INTO t VALUES ($1, $2, $3::timestamptz), ('x', NULL, now())";
    let values = [Param::Text("ä'\"$1"), Param::Int(i64::MIN), Param::Text("2026-01-01T00:00:00+02:00")];
    assert_eq!(session.execute(&"insert", insert, &values).unwrap(), 2);
    let sql = "SELECT a, b, c::text, b IS NULL, 7::int4, 8::int2, 9::oid, a::varchar, 'n'::name, NULL \
               FROM t WHERE b = $1";
    let found = rows(&session, sql, &values[1..2]);
    let [row] = found.as_slice() else { panic!("{found:?}") };
    let text = |text: &str| Cell::Text(text.to_owned());
    let expected = [
        text("ä'\"$1"),
        Cell::Int(i64::MIN),
        text("2025-12-31 22:00:00+00"),
        Cell::Int(0),
        Cell::Int(7),
        Cell::Int(8),
        Cell::Int(9),
        text("ä'\"$1"),
        text("n"),
        Cell::Null,
    ];
    assert_eq!(row.0, expected);
    // Plans are not kept: the table may be another one the next time.
    run(&session, "ALTER TABLE t DROP COLUMN c, ADD COLUMN d int");
    assert_eq!(rows(&session, "SELECT * FROM t", &[]).len(), 2);
    let error = session.rows(&"read table `t`", "SELECT now()", &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "could not read table `t`: column 0 has type TIMESTAMPTZ, which has to be cast to text"
    );
}

#[test]
fn limits_for_people_do_not_end_a_load() {
    let Some(database) = TestDatabase::new() else { return };
    let role = &database.role.name;
    for setting in ["statement_timeout = '1min'", "TimeZone = 'Asia/Tokyo'", "client_min_messages = 'debug5'"]
    {
        database.database.sql(&format!("ALTER ROLE {role} SET {setting}"));
    }
    let shown = |session: &Session, name: &str| texts(session, &format!("SHOW {name}")).remove(0);
    let session = database.role_session();
    for (name, value) in [
        ("statement_timeout", "0"),
        ("lock_timeout", "1min"),
        ("TimeZone", "UTC"),
        ("client_min_messages", "warning"),
        ("application_name", "forebay test"),
    ] {
        assert_eq!(shown(&session, name), value, "{name}");
    }
    // What the user wrote for this very connection holds.
    let plan = PostgresPlan {
        options: Some("-c lock_timeout=5s -c statement_timeout=7s".to_owned()),
        application_name: Some("mine".to_owned()),
        ..database.role_plan()
    };
    let session = connect(&plan).unwrap();
    for (name, value) in [("lock_timeout", "5s"), ("statement_timeout", "7s"), ("application_name", "mine")] {
        assert_eq!(shown(&session, name), value, "{name}");
    }
}

#[test]
fn a_session_may_be_dropped_anywhere() {
    let Some(database) = TestDatabase::new() else { return };
    let session = database.session();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async move { drop(session) });
    database.session().close();
}
