//! Sessions with a real server.

mod conformance;
mod copy;
mod crash;
mod locks;
mod migrations;
mod others;
mod query;
mod refusals;
mod statements;
mod tls;

use std::time::Duration;

use super::super::DestinationError;
use super::super::sql::{Param, Row};
use super::connection::Session;
use super::options::Options;
use crate::config::{PostgresPlan, parse_postgres_url};
use crate::test_postgres::{self as harness, Server, server};

/// Longer than any test waits for a lock that it gets.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// A database of its own for one test, with a role that owns nothing. Both go with the test, the database first: it may
/// have what the role owns by then.
struct TestDatabase {
    database: harness::Database,
    role: harness::Role,
    role_url: String,
}

impl TestDatabase {
    /// `None` where there is no server, which the harness has said.
    fn new() -> Option<Self> {
        server().map(Self::on)
    }

    fn on(server: &Server) -> Self {
        let (database, role) = (server.create_database(), server.create_role());
        let role_url = server.url_as(&role.name, &role.password, database.name());
        Self { database, role, role_url }
    }

    /// The superuser's way in.
    fn plan(&self) -> PostgresPlan {
        parse_postgres_url(self.database.url()).unwrap()
    }

    /// The role's way in.
    fn role_plan(&self) -> PostgresPlan {
        parse_postgres_url(&self.role_url).unwrap()
    }

    fn session(&self) -> Session {
        connect(&self.plan()).unwrap()
    }

    fn role_session(&self) -> Session {
        connect(&self.role_plan()).unwrap()
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
