//! A Postgres server for tests: a throwaway cluster, or the server that `FOREBAY_TEST_POSTGRES_URL` names.
//!
//! Included by the unit tests and by the integration tests, so that both have the same.

#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each set of tests uses a part of this; an unexpected error should stop a test and show itself"
)]

mod certificates;
mod cluster;
mod sql;

use std::fmt::Display;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use url::Url;

pub(crate) use certificates::{CERTIFIED, Certificates};
use cluster::Cluster;
pub(crate) use sql::sql;

/// Who gets into a server of one's own. The superuser `postgres` always does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Every role, whatever its password.
    Trust,
    /// Roles with their password.
    Password,
    /// Roles with their password, and the role [`CERTIFIED`] with its certificate; nobody without TLS.
    Tls,
}

/// A server and its superuser.
pub(crate) struct Server {
    superuser: Url,
    cluster: Option<Cluster>,
    version: String,
}

/// An empty database, dropped with this value.
pub(crate) struct Database {
    name: String,
    url: String,
    superuser: Url,
}

/// A role that can log in and nothing else, dropped with this value. Declare it before databases in which it owns
/// something: those have to go first.
pub(crate) struct Role {
    pub(crate) name: String,
    pub(crate) password: String,
    superuser: Url,
}

/// The server that the tests of this process share, or `None` where `tests/tools/test.sh` found that there cannot be
/// one, and said so.
///
/// Anywhere else a missing server ends the test with what `tests/tools/postgres.sh` has to say about it.
pub(crate) fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let find = || {
        let server = match std::env::var("FOREBAY_TEST_POSTGRES_URL").ok().filter(|url| !url.is_empty()) {
            Some(url) => Server::new(Url::parse(&url).expect("FOREBAY_TEST_POSTGRES_URL is a URL"), None),
            None => Server::start_own(Access::Trust)?,
        };
        let origin = if server.cluster.is_some() { "throwaway cluster" } else { "FOREBAY_TEST_POSTGRES_URL" };
        say(format_args!("Postgres {} ({origin})", server.version));
        Some(server)
    };
    SERVER.get_or_init(find).as_ref()
}

/// The directory of `initdb` and `postgres`.
fn programs() -> Option<PathBuf> {
    static PROGRAMS: OnceLock<Option<PathBuf>> = OnceLock::new();
    let find = || {
        if std::env::var_os("FOREBAY_TEST_WITHOUT_POSTGRES").is_some() {
            say("NOT TESTED: what needs a Postgres of its own (no programs of Postgres)");
            return None;
        }
        let root = env!("CARGO_MANIFEST_DIR");
        let output = Command::new("tests/tools/postgres.sh").current_dir(root).output().unwrap();
        let talk = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "there is no Postgres, which these tests need (install it, or set FOREBAY_TEST_POSTGRES_BIN to the \
             directory of its programs, or FOREBAY_TEST_POSTGRES_URL to a superuser's URL):\n{talk}"
        );
        Some(String::from_utf8(output.stdout).unwrap().trim().into())
    };
    PROGRAMS.get_or_init(find).clone()
}

/// Not `eprintln!`, which is not shown of a test that passes.
fn say(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A name that nobody else has on the server.
fn unique_name() -> String {
    format!("forebay_test_{}_{:08x}", std::process::id(), fastrand::u32(..))
}

impl Server {
    /// Starts a cluster that no other test has, for one that kills it, or is about who gets in. It is gone with this
    /// value. `None` where it cannot be tested, which has been said then.
    pub(crate) fn start_own(access: Access) -> Option<Self> {
        let cluster = Cluster::start_new(programs()?, access)?;
        let superuser = format!("postgresql://postgres:postgres@127.0.0.1:{}/postgres", cluster.port());
        Some(Self::new(Url::parse(&superuser).unwrap(), Some(cluster)))
    }

    fn new(superuser: Url, cluster: Option<Cluster>) -> Self {
        let version = sql(superuser.as_str(), "SHOW server_version").unwrap();
        // Debian adds its own version in brackets.
        let version = version.split_whitespace().next().unwrap_or_default().to_owned();
        Self { superuser, cluster, version }
    }

    /// As `15.18`.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The superuser's URL of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        of_database(&self.superuser, database).into()
    }

    /// A role's URL of a database.
    pub(crate) fn url_as(&self, role: &str, password: &str, database: &str) -> String {
        let mut url = of_database(&self.superuser, database);
        url.set_username(role).unwrap();
        // It takes what has a `%` for encoded.
        url.set_password(Some(&password.replace('%', "%25"))).unwrap();
        url.into()
    }

    /// An empty database in UTF-8.
    pub(crate) fn create_database(&self) -> Database {
        self.create_database_from("template0 ENCODING 'UTF8'")
    }

    /// A copy of a database that nobody is connected to.
    pub(crate) fn copy_database(&self, original: &Database) -> Database {
        self.create_database_from(&original.name)
    }

    fn create_database_from(&self, template: &str) -> Database {
        let name = unique_name();
        self.sql(&format!("CREATE DATABASE {name} TEMPLATE {template}"));
        Database { url: self.url(&name), name, superuser: self.superuser.clone() }
    }

    /// A role that can log in; databases are no concern of it so far, but that all may connect to them.
    pub(crate) fn create_role(&self) -> Role {
        let (name, password) = (unique_name(), "p@ss:w/rd % 'quoted'".to_owned());
        self.create_login(&name, &password);
        Role { name, password, superuser: self.superuser.clone() }
    }

    /// A role with a name and a password of the caller's choice, for servers of one's own: it stays.
    pub(crate) fn create_login(&self, name: &str, password: &str) {
        self.sql(&format!(r#"CREATE ROLE "{name}" LOGIN PASSWORD '{}'"#, password.replace('\'', "''")));
    }

    /// What the superuser gets for SQL in the database `postgres`, which has to succeed.
    pub(crate) fn sql(&self, text: &str) -> String {
        sql(self.superuser.as_str(), text).unwrap_or_else(|error| panic!("{error}\nby: {text}"))
    }

    /// What TLS goes with; only servers of [`Access::Tls`] have it.
    pub(crate) fn certificates(&self) -> &Certificates {
        self.own().certificates().expect("this server has certificates")
    }

    /// Process id of the server.
    pub(crate) fn pid(&self) -> u32 {
        self.own().pid()
    }

    /// What the server has logged so far.
    pub(crate) fn log(&self) -> String {
        self.own().log()
    }

    /// `kill -9`, and waits until none of its processes is left.
    pub(crate) fn kill(&mut self) {
        self.cluster.as_mut().expect("only a server of one's own can be killed").kill();
    }

    /// Starts it again after [`Server::kill`], on the same port, with the data that it had committed.
    pub(crate) fn start(&mut self) {
        self.cluster.as_mut().expect("only a server of one's own can be started").start();
    }

    fn own(&self) -> &Cluster {
        self.cluster.as_ref().expect("this is about a server of one's own")
    }
}

impl Database {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The superuser's URL of it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What the superuser gets for SQL in it, which has to succeed.
    pub(crate) fn sql(&self, text: &str) -> String {
        sql(&self.url, text).unwrap_or_else(|error| panic!("{error}\nby: {text}"))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        drop_object(&self.superuser, &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        drop_object(&self.superuser, &format!("DROP ROLE {}", self.name));
    }
}

fn of_database(url: &Url, database: &str) -> Url {
    let mut url = url.clone();
    url.set_path(database);
    url
}

/// A test that was well is not made bad by this: a server of one's own may have been killed.
fn drop_object(superuser: &Url, statement: &str) {
    if let Err(error) = sql(superuser.as_str(), statement) {
        say(format_args!("{statement}: {error}"));
    }
}
