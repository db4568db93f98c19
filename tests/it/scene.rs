//! A folder with a pipeline in it, an API to load from, and the program as a user runs it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use duckdb::{AccessMode, Config, Connection};
use serde_json::Value;
use tempfile::TempDir;

use crate::mock::{Mock, MockConfig};

/// The key that the mock accepts.
pub(crate) const KEY: &str = "sk_sb_demo";

/// Settings that make a run quick: no pacing, three attempts without real pauses, pages of ten.
pub(crate) const QUICK: [&str; 5] = [
    "client.rate_limits=[]",
    "client.retry.max_attempts=3",
    "client.retry.initial_delay=1ms",
    "client.retry.max_delay=2ms",
    "resources.members.endpoint.params.limit=10",
];

/// The shipped Memberstack config in a folder of its own, and a mock of the API.
pub(crate) struct Scene {
    pub(crate) dir: TempDir,
    pub(crate) mock: Mock,
}

impl Scene {
    /// A mock with this many members, nothing loaded yet.
    pub(crate) fn new(members: usize) -> Self {
        Self::with(MockConfig::unlimited(members))
    }

    pub(crate) fn with(config: MockConfig) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::copy("config/memberstack.toml", dir.path().join("memberstack.toml")).unwrap();
        Self { dir, mock: Mock::start(config) }
    }

    /// 25 members on three pages, loaded.
    pub(crate) fn loaded() -> Self {
        let scene = Self::new(25);
        fs::write(scene.path("memberstack.duckdb"), &loaded().0).unwrap();
        scene
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The program with the key set and the mock as its API; `args` come after the command.
    pub(crate) fn command(&self, command: &str) -> Forebay {
        let mut forebay = Forebay::new(self.dir.path());
        forebay.arg(command).arg("memberstack.toml").env("MEMBERSTACK_SECRET_KEY", KEY);
        forebay.set(&format!("client.base_url={}", self.mock.url()));
        for setting in QUICK {
            forebay.set(setting);
        }
        forebay
    }

    /// `forebay run -r members`: one resource, so that its fate is that of the run.
    pub(crate) fn run_members(&self) -> Forebay {
        let mut forebay = self.command("run");
        forebay.args(["-r", "members"]);
        forebay
    }

    /// A run with which nothing is wrong.
    pub(crate) fn run_well(&self) -> Ran {
        self.mock.set_faults(Vec::new());
        let ran = self.run_members().ran();
        assert_eq!(ran.code, 0, "{ran}");
        ran
    }

    /// Every table of the dataset as it is, to be compared with the same some time later.
    pub(crate) fn tables(&self) -> Tables {
        tables(&self.path("memberstack.duckdb"), false)
    }

    /// A run with which nothing is wrong ends well, and leaves what a run into a new database would.
    pub(crate) fn recovers(&self) {
        self.run_well();
        let recovered = tables(&self.path("memberstack.duckdb"), true);
        if self.mock.members() == loaded().2 {
            assert_eq!(recovered, loaded().1);
            return;
        }
        let mut forebay = self.run_members();
        let ran = forebay.args(["--destination", "duckdb:clean.duckdb", "--work-dir", "clean"]).ran();
        assert_eq!(ran.code, 0, "{ran}");
        assert_eq!(recovered, tables(&self.path("clean.duckdb"), true));
    }
}

/// The database file after a first run with 25 members, what is in it, and the members. Made once for all tests.
fn loaded() -> &'static (Vec<u8>, Tables, Vec<Value>) {
    static LOADED: OnceLock<(Vec<u8>, Tables, Vec<Value>)> = OnceLock::new();
    LOADED.get_or_init(|| {
        let scene = Scene::new(25);
        scene.run_well();
        let file = scene.path("memberstack.duckdb");
        (fs::read(&file).unwrap(), tables(&file, true), scene.mock.members())
    })
}

/// One invocation of the program. Nothing of the developer's environment reaches it.
pub(crate) struct Forebay {
    pub(crate) command: Command,
    dir: PathBuf,
}

impl Forebay {
    pub(crate) fn new(dir: &Path) -> Self {
        Self::through(dir, &[])
    }

    /// The program started by another one, whose words come first.
    pub(crate) fn through(dir: &Path, wrapper: &[&str]) -> Self {
        let mut words = wrapper.iter().copied().chain([env!("CARGO_BIN_EXE_forebay")]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).current_dir(dir).stdin(Stdio::null()).env_clear();
        for name in ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        Self { command, dir: dir.to_owned() }
    }

    /// The same invocation, started by another program.
    pub(crate) fn within(&self, wrapper: &[&str]) -> Self {
        let mut other = Self::through(&self.dir, wrapper);
        other.command.args(self.command.get_args());
        for (name, value) in self.command.get_envs() {
            other.command.envs(value.map(|value| (name, value)));
        }
        other
    }

    pub(crate) fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<const N: usize>(&mut self, args: [&str; N]) -> &mut Self {
        self.command.args(args);
        self
    }

    pub(crate) fn set(&mut self, setting: &str) -> &mut Self {
        self.args(["--set", setting])
    }

    pub(crate) fn env(&mut self, name: &str, value: &str) -> &mut Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn ran(&mut self) -> Ran {
        let output = self.command.output().unwrap();
        Ran::new(&output, &self.dir)
    }
}

/// What a run said and how it ended; printed as a snapshot, without what differs from run to run.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    dir: PathBuf,
}

impl Ran {
    fn new(output: &Output, dir: &Path) -> Self {
        let bars = output.stderr.iter().any(|byte| [b'\r', b'\x1b'].contains(byte));
        assert!(!bars, "bars, and no terminal: {}", String::from_utf8_lossy(&output.stderr));
        Self {
            // Killed by a signal: as a shell would tell.
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout.clone()).unwrap(),
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
            dir: dir.to_owned(),
        }
    }

    /// Ended with this code.
    pub(crate) fn with_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Ended with this code, and told on stderr what to do, on a line of its own.
    pub(crate) fn failed(self, code: i32) -> Self {
        let hinted = self.stderr.lines().any(|line| line.trim_start().starts_with("hint: "));
        assert!(hinted, "no hint\n{self}");
        self.with_code(code)
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dir = self.dir.display().to_string();
        let text = |text: &str| text.replace(&dir, "[DIR]");
        writeln!(f, "exit code {}\n--- stdout", self.code)?;
        write!(f, "{}", text(&self.stdout))?;
        writeln!(f, "--- stderr")?;
        write!(f, "{}", text(&self.stderr))
    }
}

/// Compares with the stored snapshot, ports, times and ids replaced.
macro_rules! assert_said {
    ($ran:expr) => {{
        let mut settings = insta::Settings::clone_current();
        for (pattern, replacement) in $crate::scene::FILTERS {
            settings.add_filter(pattern, *replacement);
        }
        settings.set_prepend_module_to_snapshot(true);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!($ran.to_string()));
    }};
}
pub(crate) use assert_said;

/// What differs from run to run.
pub(crate) const FILTERS: &[(&str, &str)] = &[
    (r"127\.0\.0\.1:\d+", "127.0.0.1:[PORT]"),
    (r"\b\d{10}\.\d{1,7}\b", "[LOAD ID]"),
    (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[TIME]"),
    (r"\b\d+\.\d req/s", "[RATE] req/s"),
    (r"(\b(?:in|begun) |   )\d+(\.\d)? s\b", "$1[SECONDS] s"),
    (r#""seconds":\d+\.\d+(e-\d+)?"#, r#""seconds":"[SECONDS]""#),
    (r"/\S+ \(PID \d+\)", "[PROGRAM] (PID [PID])"),
    (r"process \d+", "process [PID]"),
    // What a resolver says depends on the machine.
    (r"(could not find host `[^`]*`): .*", "$1: [RESOLVER]"),
];

/// The rows of each table, sorted.
pub(crate) type Tables = BTreeMap<String, Vec<String>>;

/// Reads the tables of a dataset: all there is, or what does not differ between two loads of the same data.
pub(crate) fn tables(file: &Path, only_data: bool) -> Tables {
    let config = Config::default().access_mode(AccessMode::ReadOnly).unwrap();
    let connection = Connection::open_with_flags(file, config).unwrap();
    let sql = "SELECT table_name, column_name FROM information_schema.columns \
               WHERE table_schema = 'memberstack_data' ORDER BY 1, 2";
    let mut statement = connection.prepare(sql).unwrap();
    let names = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let mut columns: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in names {
        let (table, column): (String, String) = name.unwrap();
        let ours = ["_dlt_", "_forebay_"].iter().any(|prefix| table.starts_with(prefix));
        let random = ["_dlt_id", "_dlt_parent_id", "_dlt_root_id", "_dlt_load_id"].contains(&column.as_str());
        if !only_data || !(ours || random) {
            columns.entry(table).or_default().push(format!("\"{column}\""));
        }
    }
    let rows = |(table, columns): (String, Vec<String>)| {
        let sql = format!(
            "SELECT row({})::VARCHAR FROM memberstack_data.\"{table}\" ORDER BY 1",
            columns.join(", ")
        );
        let mut statement = connection.prepare(&sql).unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        (table, rows)
    };
    columns.into_iter().map(rows).collect()
}

/// How many rows a table has, 0 if it is not there.
pub(crate) fn count(tables: &Tables, table: &str) -> usize {
    tables.get(table).map_or(0, Vec::len)
}
