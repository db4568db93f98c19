//! The command line: arguments in, text or JSON out. The only part of the program that prints.

mod args;
mod check;
mod progress;
mod query;
mod render;
mod run;
mod sample;
mod schema;
mod signal;
mod status;

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;

use crate::config::{self, ConfigError, DestinationPlan, Overrides, Plan};
use crate::destination::Destination;
use crate::destination::duckdb::DuckDb;
use crate::destination::postgres::Postgres;
use crate::error::Error;
use crate::report::{Event, Reporter};
pub use args::Format;
use args::{Cli, Command, Common};
use signal::Signals;

/// Runs the command that the arguments name and returns the process's exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for and go to stdout; the rest is a usage error.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    if let Err(error) = cli.command.check_format() {
        let _ = error.print();
        return ExitCode::from(2);
    }
    start_log();
    let code = match &cli.command {
        Command::Run(args) => run::run(args),
        Command::Check(args) => check::check(args),
        Command::Preview(args) => sample::preview::preview(args),
        Command::Status(args) => status::status(args),
        Command::Query(args) => query::query(args),
        Command::Schema(args) => schema::schema(args),
    };
    ExitCode::from(code)
}

/// Diagnostics for developers go to stderr; `FOREBAY_LOG=debug` shows more of them.
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("FOREBAY_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).without_time();
    // Colours are for terminals: cron mail shows them as garbage. A second call, in a test of this function's
    // callers, changes nothing.
    let _ = log.with_ansi(io::stderr().is_terminal()).try_init();
}

/// Runs what talks to an API; signals ask it to stop. Returns the exit code.
fn runtime(work: impl AsyncFnOnce(Signals) -> u8) -> u8 {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            print_err(&format!("error: could not start the runtime: {error}\n"));
            return 1;
        }
    };
    let code = runtime.block_on(async {
        match Signals::listen() {
            Ok(signals) => work(signals).await,
            Err(error) => {
                print_err(&format!("error: could not listen for signals: {error}\n"));
                1
            }
        }
    });
    // A signal may have left a thread that still looks for a lock: nobody waits for what it finds.
    runtime.shutdown_background();
    code
}

/// Reads a config file with what the command line overrides.
fn load_plan(file: &Path, common: &Common) -> Result<Plan, ConfigError> {
    let overrides = Overrides {
        set: common.set.clone(),
        destination: common.destination.clone(),
        dataset: common.dataset.clone(),
        work_dir: common.work_dir.clone(),
    };
    config::load(file, &overrides, &|name| std::env::var(name).ok())
}

/// The plan's destination. A server that does not answer is waited for as long as `patience`.
fn open_destination(
    plan: &Plan,
    common: &Common,
    reporter: &Arc<dyn Reporter>,
    patience: Duration,
) -> Arc<dyn Destination + Sync> {
    let lock_timeout = Duration::from_secs(common.lock_timeout);
    let dataset = plan.dataset_identifier();
    match &plan.destination {
        DestinationPlan::DuckDb { path, .. } => {
            let reporter = Arc::clone(reporter);
            let on_wait = move |holder: &str| reporter.report(Event::DestinationBusy { holder });
            Arc::new(DuckDb::new(path.clone(), dataset, lock_timeout, on_wait))
        }
        DestinationPlan::Postgres(url) => {
            let postgres = Postgres::new(url.as_ref().clone(), dataset, &plan.pipeline, lock_timeout);
            Arc::new(postgres.with_patience(patience))
        }
    }
}

/// Unix microseconds as a UTC time to the second.
fn time(micros: i64) -> String {
    jiff::Timestamp::from_second(micros / 1_000_000)
        .map_or_else(|_| micros.to_string(), |time| time.to_string())
}

/// Writes a text to stdout. A reader that has gone away (`| head`) is no error.
fn print_out(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes a text to stderr.
fn print_err(text: &str) {
    let mut err = io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// Prints an error and returns its exit code.
fn fail(error: &Error) -> u8 {
    print_err(&render::error(error));
    error.exit_code()
}
