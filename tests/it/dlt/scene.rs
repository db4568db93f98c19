//! A directory with a config that forebay and dlt both run, each in a clean environment, and the databases that they
//! load into.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{fmt, fs};

use serde_json::Value;
use tempfile::TempDir;

use crate::postgres::{self, Database, Server};

/// The Python that has dlt, or `None` where `tests/tools/test.sh` found that there cannot be one, and said so.
///
/// Anywhere else a missing Python ends the test with what `tests/tools/venv.sh` has to say about it.
fn python() -> Option<&'static Path> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    PYTHON.get_or_init(find_python).as_deref()
}

fn find_python() -> Option<PathBuf> {
    if let Some(python) = std::env::var_os("FOREBAY_TEST_PYTHON") {
        return Some(python.into());
    }
    if std::env::var_os("FOREBAY_TEST_WITHOUT_PYTHON").is_some() {
        // Not `eprintln!`, which is not shown of a test that passes.
        let _ = writeln!(std::io::stderr(), "NOT TESTED: that dlt and forebay agree (no Python with dlt)");
        return None;
    }
    let output =
        Command::new("tests/tools/venv.sh").current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    let talk = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "there is no Python with dlt, which these tests need:\n{talk}");
    Some(String::from_utf8(output.stdout).unwrap().trim().into())
}

/// What scenes of a test have in common: the Python that has dlt, and the engine that both programs load into.
#[derive(Clone, Copy)]
pub(super) struct Stage {
    python: &'static Path,
    engine: Engine,
}

/// A kind of database.
#[derive(Clone, Copy)]
enum Engine {
    DuckDb,
    Postgres(&'static Server),
}

impl Stage {
    /// `None` where there is no Python, which has been said then.
    pub(super) fn on_duckdb() -> Option<Self> {
        Some(Self { python: python()?, engine: Engine::DuckDb })
    }

    /// `None` where there is no Python or no server, which has been said then.
    pub(super) fn on_postgres() -> Option<Self> {
        Some(Self { python: python()?, engine: Engine::Postgres(postgres::server()?) })
    }

    /// dlt's name of the engine.
    pub(super) fn engine(self) -> &'static str {
        match self.engine {
            Engine::DuckDb => "duckdb",
            Engine::Postgres(_) => "postgres",
        }
    }
}

pub(super) struct Scene {
    stage: Stage,
    directory: TempDir,
    /// Databases of a server, by the scene's names for them.
    databases: RefCell<BTreeMap<String, Database>>,
}

impl Scene {
    pub(super) fn new(stage: Stage) -> Self {
        Self { stage, directory: TempDir::new().unwrap(), databases: RefCell::default() }
    }

    /// A scene with its one config.
    pub(super) fn of(stage: Stage, config: &Value) -> Self {
        let scene = Self::new(stage);
        scene.configure(config);
        scene
    }

    /// Writes the config of the runs to come for both: as TOML for forebay, as JSON for the scripts.
    pub(super) fn configure(&self, config: &Value) {
        fs::write(self.path("forebay.toml"), toml::to_string(config).unwrap()).unwrap();
        fs::write(self.path("config.json"), config.to_string()).unwrap();
    }

    /// A file or directory of the scene.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Where a database of the scene is, in the words of the scripts: a file, or a URL. It is made at first use.
    pub(super) fn place(&self, database: &str) -> String {
        match self.stage.engine {
            Engine::DuckDb => format!("{database}.duckdb"),
            Engine::Postgres(server) => {
                let mut databases = self.databases.borrow_mut();
                let create = || server.create_database();
                databases.entry(database.to_owned()).or_insert_with(create).url().to_owned()
            }
        }
    }

    /// Makes a copy of a database.
    pub(super) fn copy(&self, original: &str, copy: &str) {
        match self.stage.engine {
            Engine::DuckDb => {
                fs::copy(self.path(&self.place(original)), self.path(&self.place(copy))).unwrap();
            }
            Engine::Postgres(server) => {
                let mut databases = self.databases.borrow_mut();
                let made = server.copy_database(&databases[original]);
                databases.insert(copy.to_owned(), made);
            }
        }
    }

    /// The same in forebay's words.
    fn destination(&self, database: &str) -> String {
        let place = self.place(database);
        match self.stage.engine {
            Engine::DuckDb => format!("duckdb:{place}"),
            Engine::Postgres(_) => place,
        }
    }

    /// `forebay run` into a database; what it says at the end.
    pub(super) fn forebay(&self, database: &str) -> Result<String, Failure> {
        let mut command = self.command(env!("CARGO_BIN_EXE_forebay"));
        command.args(["run", "--quiet", "--destination", &self.destination(database), "forebay.toml"]);
        output(&mut command)
    }

    /// What `forebay schema` prints of a database.
    pub(super) fn schema(&self, database: &str, format: &str) -> String {
        let mut command = self.command(env!("CARGO_BIN_EXE_forebay"));
        let destination = self.destination(database);
        command.args(["schema", "--format", format, "--destination", &destination, "forebay.toml"]);
        output(&mut command).unwrap_or_else(|failure| panic!("{failure:?}"))
    }

    /// Runs a script of `tests/dlt` on a database and reads the JSON that it prints. `home` is where dlt keeps its
    /// pipelines: under a new name it starts from nothing.
    pub(super) fn script(
        &self,
        script: &str,
        home: &str,
        database: &str,
        arguments: &[&str],
    ) -> Result<Value, Failure> {
        let mut command = self.python(script, home);
        let printed = output(command.args(["config.json", &self.place(database)]).args(arguments))?;
        Ok(serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{script}: {error}: {printed}")))
    }

    /// All differences of what the databases hold, as an error; the first one is dlt's.
    pub(super) fn compare(&self, dataset: &str, dlts: &str, forebays: &str) -> Result<(), Failure> {
        let mut command = self.python("compare.py", "unused");
        output(command.args([dataset, &self.place(dlts), &self.place(forebays)])).map(drop)
    }

    /// dlt's own command line.
    pub(super) fn dlt(&self, home: &str, database: &str, arguments: &[&str]) -> Result<String, Failure> {
        let mut command = self.command(self.stage.python.with_file_name("dlt"));
        let place = self.place(database);
        match self.stage.engine {
            Engine::DuckDb => command.env(
                "DESTINATION__DUCKDB__CREDENTIALS",
                format!("duckdb:///{}", self.path(&place).display()),
            ),
            Engine::Postgres(_) => command.env("DESTINATION__POSTGRES__CREDENTIALS", place),
        };
        command.env("DLT_DATA_DIR", self.path(home));
        output(command.arg("--yes").args(arguments))
    }

    /// A script of `tests/dlt`.
    pub(super) fn python(&self, script: &str, home: &str) -> Command {
        let mut command = self.command(self.stage.python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dlt").join(script));
        command.env("DLT_DATA_DIR", self.path(home));
        command
    }

    /// A command in the scene that sees nothing of the developer's settings.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.directory).env_clear();
        let kept = ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];
        command.envs(kept.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.env("HOME", self.directory.path()).env("RUNTIME__DLTHUB_TELEMETRY", "false");
        command.env("RUNTIME__LOG_LEVEL", "ERROR");
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUTF8", "1");
        command
    }
}

/// What a command had to say that found differences or did not come to its end. Printed as it stands, not as one line
/// with escapes.
pub(super) struct Failure(pub(super) String);

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a command printed; if it failed, everything it had to say.
pub(super) fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} could not be started: {error}"));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(printed);
    }
    let talk = String::from_utf8_lossy(&output.stderr);
    let program = command.get_program().display();
    Err(Failure(format!("{program} ended with {}\n{printed}{talk}", output.status)))
}
