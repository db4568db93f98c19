//! Eight processes that load eight pipelines into one dataset, while somebody reads and changes its tables: no error
//! reaches a user, each row is there once, and nobody ever sees half of a load.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::postgres::{Access, Database, Server, sql};
use crate::script::Script;
use crate::support::cli::Workspace;

const PIPELINES: usize = 8;

/// Loads of each pipeline where nobody asked for minutes.
const LOADS: usize = 5;

/// Rows that every answer has, under the same keys each time but for tables that are appended to.
const ROWS: usize = 20;

/// After so many loads a new field turns up.
const LOADS_PER_FIELD: usize = 3;

/// Pause of those who look at the tables: they are not what is to be kept busy.
const LOOK_PAUSE: Duration = Duration::from_millis(200);

/// How rows meet those that are there.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Append,
    Replace,
    DeleteInsert,
    Upsert,
    InsertOnly,
    Scd2,
}

const KINDS: [Kind; 6] =
    [Kind::Append, Kind::Replace, Kind::DeleteInsert, Kind::Upsert, Kind::InsertOnly, Kind::Scd2];

impl Kind {
    fn write_disposition(self) -> Value {
        let merge = |strategy: &str| json!({ "disposition": "merge", "strategy": strategy });
        match self {
            Self::Append => json!("append"),
            Self::Replace => json!("replace"),
            Self::DeleteInsert => merge("delete-insert"),
            Self::Upsert => merge("upsert"),
            Self::InsertOnly => merge("insert-only"),
            Self::Scd2 => merge("scd2"),
        }
    }

    /// The keys of the rows that a load brings: those of each time, and one that is new.
    fn keys(self, load: usize) -> Vec<usize> {
        match self {
            Self::Append => (0..ROWS).map(|row| load * 1000 + row).collect(),
            Self::Replace | Self::Scd2 => (0..ROWS).collect(),
            Self::DeleteInsert | Self::Upsert | Self::InsertOnly => (0..ROWS).chain([load * 1000]).collect(),
        }
    }

    /// What holds of `rows`, a pipeline's rows of a table, after `loads` loads. `load` is the one that a row came with.
    fn invariant(self) -> String {
        let newest =
            "min(load) FILTER (WHERE key < 1000) = loads AND max(load) FILTER (WHERE key < 1000) = loads";
        match self {
            Self::Append => format!("count(*) = {ROWS} * loads AND count(DISTINCT key) = count(*)"),
            Self::Replace => format!("count(*) = {ROWS} AND {newest}"),
            Self::DeleteInsert | Self::Upsert => {
                format!("count(*) = {ROWS} + loads AND count(DISTINCT key) = count(*) AND {newest}")
            }
            Self::InsertOnly => format!(
                "count(*) = {ROWS} + loads AND count(DISTINCT key) = count(*) \
                 AND max(load) FILTER (WHERE key < 1000) = 1"
            ),
            Self::Scd2 => format!(
                "count(*) = {ROWS} * loads AND count(DISTINCT (key, load)) = count(*) \
                 AND count(*) FILTER (WHERE is_current) = {ROWS} AND min(load) FILTER (WHERE is_current) = loads"
            ),
        }
    }
}

/// A table and the pipelines that load into it, each its own rows.
struct Table {
    name: String,
    kind: Kind,
    pipelines: Vec<usize>,
}

/// Two tables for all pipelines, one for each pair of them, and two of each pipeline's own.
fn tables() -> Vec<Table> {
    let of_all =
        |name: &str| Table { name: name.to_owned(), kind: Kind::Append, pipelines: (0..PIPELINES).collect() };
    let mut tables = vec![of_all("journal"), of_all("archive")];
    for (pair, kind) in
        [Kind::DeleteInsert, Kind::Upsert, Kind::DeleteInsert, Kind::InsertOnly].into_iter().enumerate()
    {
        tables.push(Table { name: format!("pair_{pair}"), kind, pipelines: vec![2 * pair, 2 * pair + 1] });
    }
    for pipeline in 0..PIPELINES {
        for (nth, step) in [("a", 0), ("z", 1 + pipeline / KINDS.len())] {
            let kind = KINDS[(pipeline + step) % KINDS.len()];
            tables.push(Table { name: format!("{nth}_{pipeline}"), kind, pipelines: vec![pipeline] });
        }
    }
    tables
}

impl Table {
    /// What this table gets of a pipeline with a load.
    fn rows(&self, pipeline: usize, load: usize) -> Value {
        let row = |key: usize| {
            let mut row = json!({
                "id": format!("{pipeline}-{key}"),
                "owner": pipeline,
                "key": key,
                "load": load,
                "tags": [{ "tag": "one" }, { "tag": "two" }],
            });
            row[format!("field_{}", load / LOADS_PER_FIELD)] = json!(load);
            row
        };
        self.kind.keys(load).into_iter().map(row).collect()
    }

    /// Queries that find what must never be seen, each looking at one moment.
    fn checks(&self) -> Vec<String> {
        let name = &self.name;
        let is_current = if self.kind == Kind::Scd2 { "_dlt_valid_to IS NULL" } else { "true" };
        let invariant = self.kind.invariant();
        let rows = self.pipelines.iter().map(|pipeline| {
            format!(
                "SELECT loads, count(*) AS rows, min(load), max(load) FROM \
                 (SELECT count(*) AS loads FROM soak._dlt_loads WHERE schema_name = 'soak_{pipeline}') AS l, \
                 (SELECT *, {is_current} AS is_current FROM soak.{name} WHERE owner = {pipeline}) AS t \
                 GROUP BY loads HAVING NOT ({invariant})"
            )
        });
        let children = format!(
            "SELECT rows, tags FROM (SELECT count(*) AS rows FROM soak.{name}) AS r, \
             (SELECT count(*) AS tags, count(DISTINCT t._dlt_id) AS ids FROM soak.{name} AS r \
             JOIN soak.{name}__tags AS t ON t._dlt_parent_id = r._dlt_id) AS t, \
             (SELECT count(*) AS all_tags FROM soak.{name}__tags) AS a \
             WHERE tags <> 2 * rows OR ids <> tags OR all_tags <> tags"
        );
        let mut checks: Vec<_> = rows.chain([children]).collect();
        if self.kind == Kind::Append {
            checks.push(format!(
                "SELECT * FROM (SELECT _dlt_load_id AS load_id, count(*) AS there FROM soak.{name} GROUP BY 1) AS t \
                 FULL JOIN (SELECT load_id, sum(row_count) AS told FROM soak._forebay_runs \
                 WHERE resource = '{name}' GROUP BY 1) AS r USING (load_id) WHERE there IS DISTINCT FROM told"
            ));
        }
        checks
    }
}

/// The pipelines' API, each at a path of its own, and how many loads each of them has begun.
struct Api {
    script: Script,
    loads: Arc<[AtomicUsize; PIPELINES]>,
}

impl Api {
    fn start() -> Self {
        let loads: Arc<[AtomicUsize; PIPELINES]> = Arc::default();
        let (tables, current) = (tables(), Arc::clone(&loads));
        let script = Script::start(move |target| {
            let mut parts = target.split('/').skip(1);
            let pipeline: usize = parts.next().unwrap().parse().unwrap();
            let table = parts.next().unwrap();
            let table = tables.iter().find(|known| known.name == table).unwrap();
            table.rows(pipeline, current[pipeline].load(Ordering::SeqCst)).to_string()
        });
        Self { script, loads }
    }

    fn workspace(&self, pipeline: usize, destination: &str) -> Workspace {
        let own: Vec<_> = tables().into_iter().filter(|table| table.pipelines.contains(&pipeline)).collect();
        let mut resources: Vec<_> = own
            .iter()
            .map(|table| {
                json!({
                    "name": table.name,
                    "primary_key": "id",
                    "write_disposition": table.kind.write_disposition(),
                    "endpoint": {
                        "path": format!("{pipeline}/{}", table.name),
                        "data_selector": "$",
                        "paginator": "single_page",
                    },
                })
            })
            .collect();
        // Whoever shares a table comes to it from the other side.
        if pipeline % 2 == 1 {
            resources.reverse();
        }
        let name = format!("soak_{pipeline}");
        let config = json!({
            "pipeline": { "name": name, "dataset": "soak", "source": name, "destination": destination },
            "client": { "base_url": self.script.url(), "rate_limits": [] },
            "resources": resources,
        });
        Workspace::new(&toml::to_string(&config).unwrap())
    }
}

/// What was seen of the loads from outside.
#[derive(Debug, Default)]
struct Seen {
    looks: usize,
    longest_look: Duration,
    changes: usize,
    failures: Vec<String>,
}

/// Looks at all tables again and again, until told to stop, and once after that.
fn read(database: &Database, is_over: &AtomicBool, seen: &Mutex<Seen>) {
    let checks: Vec<_> = tables().iter().flat_map(Table::checks).collect();
    loop {
        let is_last = is_over.load(Ordering::SeqCst);
        for check in &checks {
            let start = Instant::now();
            let found = sql(database.url(), check);
            let mut seen = seen.lock().unwrap();
            seen.looks += 1;
            seen.longest_look = seen.longest_look.max(start.elapsed());
            match found {
                Ok(rows) if rows.is_empty() => {}
                found => seen.failures.push(format!("{found:?} by {check}")),
            }
        }
        if is_last {
            return;
        }
        thread::sleep(LOOK_PAUSE);
    }
}

/// Does what users do to tables of theirs.
fn change(database: &Database, is_over: &AtomicBool, seen: &Mutex<Seen>) {
    let names: Vec<_> = tables().into_iter().map(|table| table.name).collect();
    for (nth, name) in names.iter().cycle().enumerate() {
        if is_over.load(Ordering::SeqCst) {
            return;
        }
        let statement = match nth % 3 {
            0 => format!("VACUUM soak.{name}"),
            1 => format!("ANALYZE soak.{name}__tags"),
            _ => format!("ALTER TABLE soak.{name} ADD COLUMN IF NOT EXISTS users_own int"),
        };
        let done = sql(database.url(), &statement);
        let mut seen = seen.lock().unwrap();
        seen.changes += 1;
        seen.failures.extend(done.err().map(|error| format!("{error} by {statement}")));
        drop(seen);
        thread::sleep(LOOK_PAUSE);
    }
}

/// One load, which has to bring all there is, without a word of trouble.
fn load(workspace: &Workspace) -> ControlFlow<String> {
    let finished = workspace.run(&["--quiet", "--format", "json"]);
    if finished.code != Some(0) || !finished.stderr.is_empty() {
        return ControlFlow::Break(format!("{finished:?}"));
    }
    let report = finished.report();
    let is_well = report["status"] == "complete"
        && report["warnings"].as_array().is_none_or(Vec::is_empty)
        && report["loads"].as_array().is_some_and(|loads| loads.len() == 1);
    if is_well { ControlFlow::Continue(()) } else { ControlFlow::Break(report.to_string()) }
}

/// `FOREBAY_TEST_MINUTES` minutes of it, or a few loads.
#[test]
fn many_pipelines_load_into_one_dataset() {
    let Some(server) = Server::start_own(Access::Trust) else { return };
    let database = server.create_database();
    let minutes = std::env::var("FOREBAY_TEST_MINUTES").ok().map(|text| text.parse::<f64>().unwrap());
    let end = minutes.map(|minutes| Instant::now() + Duration::from_secs_f64(60.0 * minutes));
    let api = Api::start();
    let workspaces: Vec<_> = (0..PIPELINES).map(|pipeline| api.workspace(pipeline, database.url())).collect();
    let (is_over, seen) = (AtomicBool::new(false), Mutex::new(Seen::default()));
    let begin_load = |pipeline: usize| api.loads[pipeline].fetch_add(1, Ordering::SeqCst);
    let load_until = |pipeline: usize, is_enough: &dyn Fn(usize) -> bool| {
        loop {
            let loads = begin_load(pipeline) + 1;
            if let ControlFlow::Break(failure) = load(&workspaces[pipeline]) {
                seen.lock().unwrap().failures.push(format!("load {loads} of pipeline {pipeline}: {failure}"));
                return;
            }
            if is_enough(loads) {
                return;
            }
        }
    };
    let all_load_until = |is_enough: &(dyn Fn(usize) -> bool + Sync)| {
        thread::scope(|scope| {
            for pipeline in 0..PIPELINES {
                scope.spawn(move || load_until(pipeline, is_enough));
            }
        });
    };
    // All at once make the dataset; from then on its tables can be looked at.
    all_load_until(&|_| true);
    thread::scope(|scope| {
        scope.spawn(|| read(&database, &is_over, &seen));
        scope.spawn(|| change(&database, &is_over, &seen));
        all_load_until(&|loads| end.map_or(loads >= LOADS, |end| Instant::now() >= end));
        is_over.store(true, Ordering::SeqCst);
    });

    let loads: Vec<_> = api.loads.iter().map(|loads| loads.load(Ordering::SeqCst)).collect();
    let seen = seen.into_inner().unwrap();
    let log = server.log();
    let logged = |text: &str| log.matches(text).count();
    eprintln!(
        "loads {loads:?}, {} looks (longest {:?}), {} changes by users; the server's log: {} deadlocks, {} failed \
         serializations, {} errors",
        seen.looks,
        seen.longest_look,
        seen.changes,
        logged("deadlock detected"),
        logged("could not serialize"),
        logged("ERROR:"),
    );
    assert!(seen.failures.is_empty(), "{}\n{log}", seen.failures.join("\n"));
    let committed = database.sql("SELECT count(*) FROM soak._dlt_loads WHERE status = 0");
    assert_eq!(committed, loads.iter().sum::<usize>().to_string());
    for table in tables() {
        let ids = format!("SELECT count(*) - count(DISTINCT _dlt_id) FROM soak.{}", table.name);
        assert_eq!(database.sql(&ids), "0", "ids of `{}`", table.name);
    }
}
