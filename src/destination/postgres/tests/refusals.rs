//! What is said when the server, or nobody, says no.

use std::net::TcpListener;
use std::thread;

use super::*;
use crate::config::Secret;
use crate::test_postgres::Access;

/// The error of a statement.
fn refused(session: &Session, sql: &str) -> DestinationError {
    session.execute_batch(&"do it", sql).unwrap_err()
}

#[test]
fn who_is_not_let_in_is_told_why() {
    let Some(server) = Server::start_own(Access::Password) else { return };
    let database = TestDatabase::on(&server);
    let name = &database.role.name;
    let label = Options::resolve(&database.plan(), "x", &|_| None).unwrap().peer.server;
    let plan = database.role_plan();
    let with_password =
        |password: &str| PostgresPlan { password: Some(Secret::new(password)), ..plan.clone() };
    for (plan, expected, hint) in [
        (with_password("s3cr3t"), format!("{label} refused the password of user `{name}`"), "PGPASSWORD"),
        (
            PostgresPlan { password: None, ..plan.clone() },
            format!("{label} refused the password of user `{name}`: none was found"),
            "~/.pgpass",
        ),
        (
            PostgresPlan { database: Some("no_such".to_owned()), ..plan.clone() },
            format!("{label} has no database `no_such`"),
            "CREATE DATABASE",
        ),
    ] {
        let error = connect(&plan).err().unwrap();
        assert_eq!(error.to_string(), expected);
        assert!(error.hint().unwrap().contains(hint) && !error.is_transient(), "{error:?}");
        assert!(!format!("{error:?}").contains("s3cr3t"));
    }
    server.sql(&format!("ALTER ROLE {name} NOLOGIN"));
    let error = connect(&plan).err().unwrap();
    assert!(matches!(error, DestinationError::LoginRefused { .. }), "{error:?}");
}

#[test]
fn a_server_that_does_not_answer_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let plan = PostgresPlan {
        host: Some("127.0.0.1".to_owned()),
        port: Some(port),
        connect_timeout: Some(Duration::from_millis(50)),
        ..PostgresPlan::default()
    };
    // The system takes the connection, and nobody says a word.
    let error = connect(&plan).err().unwrap();
    assert_eq!(error.to_string(), format!("could not connect to 127.0.0.1:{port}: no answer within 0 s"));
    drop(listener);
    let error = connect(&plan).err().unwrap();
    assert!(error.to_string().starts_with(&format!("could not connect to 127.0.0.1:{port}: ")), "{error}");
    let plan = PostgresPlan { host: Some("/no/such".to_owned()), port: Some(1), ..PostgresPlan::default() };
    let error = connect(&plan).err().unwrap();
    assert!(error.to_string().starts_with("could not connect to /no/such/.s.PGSQL.1: "), "{error}");
}

#[test]
fn a_role_is_told_what_it_lacks() {
    let Some(database) = TestDatabase::new() else { return };
    run(
        &database.session(),
        "CREATE SCHEMA s; CREATE TABLE s.t (a int); REVOKE CREATE ON SCHEMA public FROM public",
    );
    let session = database.role_session();
    let check = |sql: &str, hint: &str| {
        let error = refused(&session, sql);
        assert!(matches!(error, DestinationError::PermissionDenied { .. }), "{error:?}");
        assert!(error.hint().unwrap().contains(hint), "{sql}: {error:?}");
    };
    check("CREATE SCHEMA x", "GRANT CREATE ON DATABASE");
    check("CREATE TABLE s.x (a int)", "GRANT USAGE, CREATE ON SCHEMA");
    run(&database.session(), &format!("GRANT USAGE ON SCHEMA s TO {}", database.role.name));
    check("INSERT INTO s.t VALUES (1)", "GRANT SELECT, INSERT");
    check("ALTER TABLE s.t ADD COLUMN b int", "has to own the tables");
}

#[test]
fn servers_words_have_lines_of_their_own() {
    let Some(database) = TestDatabase::new() else { return };
    let session = database.session();
    run(&session, "CREATE TABLE t (a text PRIMARY KEY); INSERT INTO t VALUES ('x')");
    let error = refused(&session, "INSERT INTO t VALUES ('x')");
    assert_eq!(
        error.to_string(),
        "could not do it: duplicate key value violates unique constraint \"t_pkey\"\n\
         DETAIL: Key (a)=(x) already exists."
    );
    let error = refused(&session, "SELECT b FROM t");
    assert_eq!(error.to_string(), "could not do it: column \"b\" does not exist");
    let error = refused(&session, "BEGIN READ ONLY; DELETE FROM t");
    assert!(matches!(error, DestinationError::ReadOnly { .. }), "{error:?}");
}

#[test]
fn a_lock_that_somebody_forgot_is_told() {
    let Some(database) = TestDatabase::new() else { return };
    let forgetful = database.session();
    run(&forgetful, "CREATE TABLE t (a int)");
    run(&forgetful, "BEGIN; SELECT * FROM t");
    let session = connect_as(&database.plan(), "x", Duration::from_millis(20)).unwrap();
    let error = session.execute_batch(&"change table `t`", "ALTER TABLE t ADD COLUMN b int").unwrap_err();
    assert_eq!(
        error.to_string(),
        "could not change table `t`: another session kept a lock on it for longer than 0 s"
    );
    assert!(error.hint().unwrap().contains("pg_terminate_backend"));
}

#[test]
fn a_lost_connection_and_a_deadlock_may_be_tried_again() {
    let Some(database) = TestDatabase::new() else { return };
    let (one, two) = (database.session(), database.session());
    run(&one, "CREATE TABLE t (a int PRIMARY KEY, b int); INSERT INTO t VALUES (1, 1), (2, 2)");
    for (session, row) in [(&one, 1), (&two, 2)] {
        run(session, "SET deadlock_timeout = '10ms'; BEGIN");
        run(session, &format!("UPDATE t SET b = 3 WHERE a = {row}"));
    }
    let other = thread::spawn(move || {
        let result = one.execute_batch(&"do it", "UPDATE t SET b = 4 WHERE a = 2");
        (one, result)
    });
    let mine = two.execute_batch(&"do it", "UPDATE t SET b = 4 WHERE a = 1");
    if mine.is_err() {
        run(&two, "ROLLBACK");
    }
    let (one, theirs) = other.join().unwrap();
    let error = match (mine, theirs) {
        (Err(error), Ok(())) | (Ok(()), Err(error)) => error,
        both => panic!("{both:?}"),
    };
    assert!(matches!(error, DestinationError::Conflict { .. }) && error.is_transient(), "{error:?}");

    run(&one, "ROLLBACK");
    let process = texts(&one, "SELECT pg_backend_pid()::text").remove(0);
    run(&database.session(), &format!("SELECT pg_terminate_backend({process})"));
    let error = refused(&one, "SELECT 1");
    assert!(matches!(error, DestinationError::ConnectionLost { .. }) && error.is_transient(), "{error:?}");
    // And stays lost.
    assert!(matches!(refused(&one, "SELECT 1"), DestinationError::ConnectionLost { .. }));
}
