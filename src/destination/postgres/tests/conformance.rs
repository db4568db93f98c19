//! What every destination has to do, on Postgres.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Column, Connection, Row, TypeInfo, ValueRef};

use crate::config::parse_postgres_url;
use crate::destination::postgres::Postgres;
use crate::destination::tests::crash::ADDRESS;
use crate::destination::tests::{Engine, Load, Place, Traits, conformance, conformance_of_many_writers};
use crate::destination::{Destination, failpoint};
use crate::test_postgres::{self, Database, Server};

conformance!(engine);
conformance_of_many_writers!(engine);

/// Longer than any load waits for another one.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) fn engine() -> Option<PostgresServer> {
    // A process that another test runs has a database already.
    if std::env::var_os(ADDRESS).is_some() {
        return Some(PostgresServer(None));
    }
    Some(PostgresServer(Some(test_postgres::server()?)))
}

/// A database of its own for each place, on the server that all tests share.
pub(super) struct PostgresServer(Option<&'static Server>);

static TRAITS: Traits = Traits {
    module: module_path!(),
    types: &[
        ("character varying", "text"),
        ("double precision", "double"),
        ("boolean", "bool"),
        ("bytea", "binary"),
        ("jsonb", "json"),
        ("numeric", "decimal"),
        ("time without time zone", "time"),
        ("timestamp with time zone", "timestamp"),
        ("timestamp without time zone", "naive timestamp"),
    ],
    has_unique: true,
    nul: "",
    columns: "SELECT relname, coalesce(attname, ''), format_type(atttypid, atttypmod), NOT attnotnull, \
              EXISTS (SELECT FROM pg_index WHERE indrelid = c.oid AND indisunique AND indkey::text = attnum::text), \
              CASE WHEN attnum IS NULL THEN obj_description(c.oid, 'pg_class') \
              ELSE col_description(c.oid, attnum) END \
              FROM (SELECT oid, relname FROM pg_class \
              WHERE relkind IN ('r', 'p') AND relnamespace = to_regnamespace('ds')) AS c \
              CROSS JOIN LATERAL (SELECT attnum, attname, atttypid, atttypmod, attnotnull FROM pg_attribute \
              WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped \
              UNION ALL SELECT NULL, NULL, NULL, NULL, NULL) AS a ORDER BY relname, coalesce(attnum, 0)",
};

impl Engine for PostgresServer {
    fn traits(&self) -> &'static Traits {
        &TRAITS
    }

    fn create(&self) -> Arc<dyn Place> {
        let database = self.0.expect("the process has its place").create_database();
        Arc::new(PostgresDatabase {
            url: database.url().to_owned(),
            cut: Cut { how: How::Terminate, step: 1 },
            server: None,
            _database: Some(database),
        })
    }

    fn find(&self, address: &str) -> Arc<dyn Place> {
        let cut = Cut { how: How::Terminate, step: 1 };
        Arc::new(PostgresDatabase { url: address.to_owned(), cut, server: None, _database: None })
    }
}

/// A server of one's own, which does not survive.
pub(super) struct MortalServer {
    pub(super) server: Arc<Mutex<Server>>,
    pub(super) cut: Cut,
}

impl Engine for MortalServer {
    fn traits(&self) -> &'static Traits {
        &TRAITS
    }

    fn create(&self) -> Arc<dyn Place> {
        let database = self.server.lock().unwrap().create_database();
        Arc::new(PostgresDatabase {
            url: database.url().to_owned(),
            cut: self.cut,
            server: Some(Arc::clone(&self.server)),
            _database: Some(database),
        })
    }

    fn find(&self, _: &str) -> Arc<dyn Place> {
        unreachable!("no process loads here")
    }
}

/// How loads are cut, and at which places: each `step`th, from the first one on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    pub(super) how: How,
    pub(super) step: usize,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum How {
    /// The server ends the session.
    Terminate,
    /// The process of the session is killed; the server ends all others, and recovers.
    KillSession,
    /// The server is killed, and started again.
    KillServer,
}

struct PostgresDatabase {
    url: String,
    cut: Cut,
    server: Option<Arc<Mutex<Server>>>,
    _database: Option<Database>,
}

/// All other sessions of this database.
const OTHERS: &str = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";

impl PostgresDatabase {
    /// What cuts a load, called in the middle of it.
    fn cutter(&self) -> impl FnMut() + 'static {
        let (how, url, server) = (self.cut.how, self.url.clone(), self.server.clone());
        let sql = move |text: &str| test_postgres::sql(&url, text).unwrap();
        move || match how {
            How::Terminate => {
                // Rolled back is what they did once they are gone.
                sql(&format!(
                    "DO $$ BEGIN PERFORM pg_terminate_backend(pid) {OTHERS}; \
                     WHILE EXISTS (SELECT {OTHERS}) LOOP PERFORM pg_stat_clear_snapshot(); END LOOP; END $$"
                ));
            }
            How::KillSession => {
                let server = server.as_ref().unwrap().lock().unwrap();
                let starts = count_starts(&server);
                // One that is closed may still be listed.
                let newest = "application_name LIKE 'forebay%' ORDER BY backend_start DESC LIMIT 1";
                let pid = sql(&format!("SELECT pid {OTHERS} AND {newest}"));
                kill_process(Pid::from_raw(pid.parse().unwrap()).unwrap(), Signal::KILL).unwrap();
                while count_starts(&server) == starts {
                    std::thread::yield_now();
                }
            }
            How::KillServer => {
                let mut server = server.as_ref().unwrap().lock().unwrap();
                server.kill();
                server.start();
            }
        }
    }
}

/// How often a server has begun to take connections.
fn count_starts(server: &Server) -> usize {
    server.log().matches("database system is ready to accept connections").count()
}

impl Place for PostgresDatabase {
    fn address(&self) -> String {
        self.url.clone()
    }

    fn destination(&self, dataset: &str) -> Box<dyn Destination> {
        let url = parse_postgres_url(&self.url).unwrap();
        Box::new(Postgres::new(url, dataset.to_owned(), "p", LOCK_TIMEOUT))
    }

    fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        run(&self.url, sql)
    }

    fn execute(&self, sql: &str) {
        run(&self.url, sql);
    }

    /// The same load is cut at one place after the other.
    fn cut(&self, load: &mut Load<'_>, left: &mut dyn FnMut(&dyn Place)) {
        for at in (1..).step_by(self.cut.step) {
            let mut passed = 0;
            let mut cut = self.cutter();
            let was_cut = Rc::new(Cell::new(false));
            let done = Rc::clone(&was_cut);
            failpoint::watch(move || {
                passed += 1;
                if passed == at {
                    done.set(true);
                    cut();
                    // Otherwise the load would be tried again.
                    resume_unwind(Box::new("cut"));
                }
            });
            let loaded = catch_unwind(AssertUnwindSafe(&mut *load));
            failpoint::unwatch();
            if was_cut.get() {
                left(self);
                continue;
            }
            // There are no more places; the commit was cut off, or not even that.
            if !loaded.unwrap_or_else(|panic| resume_unwind(panic)).unwrap().already_loaded {
                left(self);
            }
            return;
        }
    }
}

/// Runs SQL in a session of its own.
fn run(url: &str, sql: &str) -> Vec<Vec<Option<String>>> {
    let fetch = async {
        let mut connection = PgConnection::connect(url).await?;
        let setting = "SET search_path = ds; SET timezone = 'UTC'; SET extra_float_digits = 1";
        sqlx::raw_sql(setting).execute(&mut connection).await?;
        let rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_all(&mut connection).await?;
        connection.close().await?;
        Ok::<_, sqlx::Error>(rows)
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rows = runtime.block_on(fetch).unwrap_or_else(|error| panic!("{error}\nby: {sql}"));
    let cell = |row: &sqlx::postgres::PgRow, index: usize| {
        let value = row.try_get_raw(index).unwrap();
        // Such a query has text for an answer.
        (!value.is_null()).then(|| show(row.column(index).type_info().name(), value.as_str().unwrap()))
    };
    rows.iter().map(|row| (0..row.len()).map(|index| cell(row, index)).collect()).collect()
}

/// A value as Arrow writes it.
fn show(type_name: &str, text: &str) -> String {
    match type_name {
        "BOOL" => (text == "t").to_string(),
        "FLOAT8" => format!("{:?}", text.parse::<f64>().unwrap()),
        "BYTEA" => text.trim_start_matches("\\x").to_owned(),
        "TIMESTAMP" => text.replacen(' ', "T", 1),
        "TIMESTAMPTZ" => text.replacen(' ', "T", 1).replacen("+00", "Z", 1),
        _ => text.to_owned(),
    }
}
