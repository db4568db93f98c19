//! Sessions with a real server.

mod conformance;
mod copy;
mod crash;
mod locks;
mod migrations;
mod refusals;
mod statements;
mod tls;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::super::DestinationError;
use super::super::sql::{Param, Row};
use super::connection::Session;
use super::options::Options;
use crate::config::{PostgresPlan, Secret, parse_postgres_url};

/// Longer than any test waits for a lock that it gets.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// The server that tests use: a superuser's URL.
fn server() -> PostgresPlan {
    let url = std::env::var("FOREBAY_TEST_POSTGRES_URL").expect(
        "FOREBAY_TEST_POSTGRES_URL is the URL of a server whose superuser may make databases and roles",
    );
    parse_postgres_url(&url).unwrap()
}

/// A database of its own for one test, with a role that owns nothing. Both go with the test.
struct TestDatabase {
    name: String,
    admin: Session,
}

impl TestDatabase {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("forebay_test_{}_{count}", std::process::id());
        let admin = connect(&server()).unwrap();
        let role = format!("CREATE ROLE {name} LOGIN PASSWORD 'role''s own'");
        for sql in [format!("CREATE DATABASE {name}"), role] {
            admin.execute_batch(&"set up a test", &sql).unwrap();
        }
        Self { name, admin }
    }

    /// The superuser's way in.
    fn plan(&self) -> PostgresPlan {
        PostgresPlan { database: Some(self.name.clone()), ..server() }
    }

    /// The role's way in.
    fn role_plan(&self) -> PostgresPlan {
        PostgresPlan {
            user: Some(self.name.clone()),
            password: Some(Secret::new("role's own")),
            ..self.plan()
        }
    }

    fn session(&self) -> Session {
        connect(&self.plan()).unwrap()
    }

    fn role_session(&self) -> Session {
        connect(&self.role_plan()).unwrap()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let drop_database = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        for sql in [drop_database, format!("DROP ROLE IF EXISTS {}", self.name)] {
            if let Err(error) = self.admin.execute_batch(&"clean up after a test", &sql) {
                println!("{error}");
            }
        }
    }
}

fn connect(plan: &PostgresPlan) -> Result<Session, DestinationError> {
    connect_as(plan, "forebay test", LOCK_TIMEOUT)
}

fn connect_as(plan: &PostgresPlan, name: &str, lock_timeout: Duration) -> Result<Session, DestinationError> {
    let options = Options::resolve(plan, name, &|_| None)?;
    Session::connect(&options, Duration::ZERO, lock_timeout)
}

/// Runs statements that work.
fn run(session: &Session, sql: &str) {
    session.execute_batch(&"run a test's statement", sql).unwrap();
}

/// The texts of the first column of a query.
fn texts(session: &Session, sql: &str) -> Vec<String> {
    rows(session, sql, &[]).iter().map(|row| row.text(0).unwrap()).collect()
}

fn rows(session: &Session, sql: &str, params: &[Param<'_>]) -> Vec<Row> {
    session.rows(&"run a test's query", sql, params).unwrap()
}
