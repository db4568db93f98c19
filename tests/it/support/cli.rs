//! The real binary, in a directory and an environment of its own.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use forebay::config::{self, Overrides, Plan};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::db::{Content, Db};
use crate::mock::{Mock, MockConfig};

/// Memberstack's config as it is shipped.
pub(crate) const MEMBERSTACK: &str = include_str!("../../../config/memberstack.toml");

/// MemberPass's config as it is shipped.
pub(crate) const MEMBERPASS: &str = include_str!("../../../config/memberpass.toml");

/// A directory with a config file; the work directory and the database come to stand beside it.
pub(crate) struct Workspace {
    dir: TempDir,
    environment: Vec<(String, String)>,
    settings: Vec<String>,
}

/// How a run ended and what it said.
#[derive(Debug)]
pub(crate) struct Finished {
    /// The exit code; `None` after a signal that the program did not handle.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A run that goes on. Dropping it kills it.
pub(crate) struct Running(Child);

impl Workspace {
    /// Keeps `config` as `pipeline.toml`.
    pub(crate) fn new(config: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("pipeline.toml"), config).unwrap();
        Self { dir, environment: Vec::new(), settings: Vec::new() }
    }

    /// The shipped config of Memberstack against `mock`, members only, without a quota.
    pub(crate) fn members(mock: &Mock) -> Self {
        Self::new(MEMBERSTACK)
            .with_env("MEMBERSTACK_SECRET_KEY", "sk_sb_demo")
            .with_env("MEMBERSTACK_BASE_URL", &mock.url())
            .with_set("resources.data_tables.selected=false")
            .with_set("client.rate_limits=[]")
    }

    /// The tables of a run over this many members that nothing disturbs; made once for all tests.
    pub(crate) fn undisturbed(members: usize) -> Arc<Content> {
        static MADE: Mutex<BTreeMap<usize, Arc<Content>>> = Mutex::new(BTreeMap::new());
        let mut made = MADE.lock().unwrap();
        let run = || {
            let mock = Mock::start(MockConfig::unlimited(members));
            let workspace = Self::members(&mock);
            workspace.run_well(&[]);
            Arc::new(workspace.db().content())
        };
        Arc::clone(made.entry(members).or_insert_with(run))
    }

    /// Adds an environment variable to every run.
    pub(crate) fn with_env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds `--set` to every run, before the run's own: the last one for a key counts.
    pub(crate) fn with_set(mut self, setting: &str) -> Self {
        self.settings.push(setting.to_owned());
        self
    }

    /// A path below the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The directory of unfinished work.
    pub(crate) fn work_dir(&self) -> PathBuf {
        self.path(".forebay")
    }

    /// The database that Memberstack's config names, and its dataset.
    pub(crate) fn db(&self) -> Db {
        Db::new(self.path("memberstack.duckdb"), "memberstack_data")
    }

    /// `forebay COMMAND pipeline.toml ARGS…`, started elsewhere than in the directory, as cron does.
    pub(crate) fn command(&self, command: &str, args: &[&str]) -> Command {
        let mut process = Command::new(env!("CARGO_BIN_EXE_forebay"));
        process.arg(command).arg(self.path("pipeline.toml")).current_dir("/").env_clear();
        for library_path in ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"] {
            process.envs(std::env::var_os(library_path).map(|value| (library_path, value)));
        }
        // What runs share on one machine is shared by the runs of one test.
        process.env("FOREBAY_STATE_DIR", self.path("state"));
        process.envs(self.environment.iter().map(|(name, value)| (name, value)));
        for setting in &self.settings {
            process.args(["--set", setting]);
        }
        process.args(args);
        process
    }

    /// What the config file and the settings ask for.
    pub(crate) fn plan(&self) -> Plan {
        let overrides = Overrides { set: self.settings.clone(), ..Overrides::default() };
        let variable = |name: &str| {
            let found = self.environment.iter().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone())
        };
        config::load(&self.path("pipeline.toml"), &overrides, &variable).unwrap()
    }

    /// `forebay run` to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Finished {
        self.start(args).wait()
    }

    /// A run that has to end with exit code 0; its report.
    pub(crate) fn run_well(&self, args: &[&str]) -> Value {
        let finished = self.run(&[args, &["--format", "json"]].concat());
        finished.expect_code(0);
        finished.report()
    }

    /// Starts `forebay run`.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        let mut command = self.command("run", args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Running(command.spawn().unwrap())
    }
}

impl Finished {
    /// Panics with all that was said if the exit code is another.
    pub(crate) fn expect_code(&self, code: i32) {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
    }

    /// What `--format json` printed.
    pub(crate) fn report(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| {
            panic!("no report ({error})\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr)
        })
    }

    /// Panics if `text` is in neither of the outputs.
    pub(crate) fn expect_said(&self, text: &str) {
        let said = self.stdout.contains(text) || self.stderr.contains(text);
        assert!(said, "`{text}` is not in\nstdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
    }
}

impl Running {
    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Sends a signal. A run that has ended meanwhile does not get it.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    /// Reads stderr until it has this text; panics if it ends without.
    pub(crate) fn wait_for_line(&mut self, text: &str) {
        let mut seen = Vec::new();
        let stderr = self.0.stderr.as_mut().unwrap();
        let mut byte = [0];
        // Byte by byte: a buffer would keep lines from `wait`.
        while stderr.read(&mut byte).unwrap() == 1 {
            seen.push(byte[0]);
            if byte[0] == b'\n' && String::from_utf8_lossy(&seen).contains(text) {
                return;
            }
        }
        panic!("no `{text}` in\n{}", String::from_utf8_lossy(&seen));
    }

    /// `kill -9`, and waits until the process is gone.
    pub(crate) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Waits for the end.
    pub(crate) fn wait(mut self) -> Finished {
        // Both outputs are a few lines, less than a pipe holds: one can be read after the other.
        let mut text = [String::new(), String::new()];
        self.0.stdout.take().unwrap().read_to_string(&mut text[0]).unwrap();
        self.0.stderr.take().unwrap().read_to_string(&mut text[1]).unwrap();
        let [stdout, stderr] = text;
        Finished { code: self.0.wait().unwrap().code(), stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail for a process that is gone, which is well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Copies a directory with all that is below it.
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_dir(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
