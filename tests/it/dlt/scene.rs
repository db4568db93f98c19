//! A directory with a config that forebay and dlt both run, each in a clean environment.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{fmt, fs};

use serde_json::Value;
use tempfile::TempDir;

/// The Python that has dlt, or `None` where `tests/tools/test.sh` found that there cannot be one, and said so.
///
/// Anywhere else a missing Python ends the test with what `tests/tools/venv.sh` has to say about it.
pub(super) fn python() -> Option<&'static Path> {
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

pub(super) struct Scene {
    python: &'static Path,
    directory: TempDir,
}

impl Scene {
    pub(super) fn new(python: &'static Path) -> Self {
        Self { python, directory: TempDir::new().unwrap() }
    }

    /// A scene with its one config.
    pub(super) fn of(python: &'static Path, config: &Value) -> Self {
        let scene = Self::new(python);
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

    /// `forebay run` into a database; what it says at the end.
    pub(super) fn forebay(&self, database: &str) -> Result<String, Failure> {
        let mut command = self.command(env!("CARGO_BIN_EXE_forebay"));
        command.args(["run", "--quiet", "--destination", &format!("duckdb:{database}"), "forebay.toml"]);
        output(&mut command)
    }

    /// What `forebay schema` prints of a database.
    pub(super) fn schema(&self, database: &str, format: &str) -> String {
        let mut command = self.command(env!("CARGO_BIN_EXE_forebay"));
        command.args([
            "schema",
            "--format",
            format,
            "--destination",
            &format!("duckdb:{database}"),
            "forebay.toml",
        ]);
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
        let printed = output(command.args(["config.json", database]).args(arguments))?;
        Ok(serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{script}: {error}: {printed}")))
    }

    /// All differences of what the files hold, as an error; the first one is dlt's.
    pub(super) fn compare(&self, dataset: &str, dlts: &str, forebays: &str) -> Result<(), Failure> {
        let mut command = self.python("compare.py", "unused");
        output(command.args([dataset, dlts, forebays])).map(drop)
    }

    /// dlt's own command line.
    pub(super) fn dlt(&self, home: &str, database: &str, arguments: &[&str]) -> Result<String, Failure> {
        let mut command = self.command(self.python.with_file_name("dlt"));
        let credentials = format!("duckdb:///{}", self.path(database).display());
        command.env("DLT_DATA_DIR", self.path(home)).env("DESTINATION__DUCKDB__CREDENTIALS", credentials);
        output(command.arg("--yes").args(arguments))
    }

    fn python(&self, script: &str, home: &str) -> Command {
        let mut command = self.command(self.python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dlt").join(script));
        command.env("DLT_DATA_DIR", self.path(home));
        command
    }

    /// A command in the scene that sees nothing of the developer's settings.
    fn command(&self, program: impl AsRef<OsStr>) -> Command {
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
fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} could not be started: {error}"));
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(printed);
    }
    let talk = String::from_utf8_lossy(&output.stderr);
    let program = command.get_program().display();
    Err(Failure(format!("{program} ended with {}\n{printed}{talk}", output.status)))
}
