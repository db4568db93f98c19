//! `forebay run`.

use std::path::Path;
use std::sync::Arc;

use super::args::{Format, RunArgs};
use super::progress::Progress;
use super::signal::Signals;
use super::{fail, load_plan, open_destination, print_err, print_out, render, runtime};
use crate::config::{Plan, RateLimit};
use crate::destination::postgres::CONNECT_PATIENCE;
use crate::error::Error;
use crate::pipeline::{self, Run, RunOptions};
use crate::report::{Reporter, RunReport, Status};
use crate::state::Backfill;

/// Runs the pipelines one after the other. The exit code is that of the worst of them.
pub(super) fn run(args: &RunArgs) -> u8 {
    runtime(async |signals| {
        let mut codes = Vec::new();
        for config in &args.configs {
            let code = run_one(config, args, &signals).await;
            codes.push(code);
            // A signal that came too late to stop the last run changes nothing.
            if let Some(signal) = signals.exit_code()
                && (code == signal || codes.len() < args.configs.len())
            {
                return signal;
            }
        }
        worst(&codes)
    })
}

/// The code of several runs: that of the only kind of failure, else "partial".
fn worst(codes: &[u8]) -> u8 {
    let mut failures: Vec<u8> = codes.iter().copied().filter(|code| *code != 0).collect();
    failures.dedup();
    match failures.as_slice() {
        [] => 0,
        [code] if codes.iter().all(|other| other == code) => *code,
        _ => 3,
    }
}

async fn run_one(config: &Path, args: &RunArgs, signals: &Signals) -> u8 {
    let plan = match load_plan(config, &args.common) {
        Ok(plan) => Arc::new(plan),
        Err(error) => return refuse(config, &Error::Config(error), args),
    };
    let progress = Arc::new(Progress::new(args.quiet));
    let reporter: Arc<dyn Reporter> = Arc::clone(&progress) as Arc<dyn Reporter>;
    let options = RunOptions {
        resources: args.resources.clone(),
        full_refresh: args.full_refresh,
        restart: args.restart,
        backfill: args.from.clone().map(|from| Backfill { from, to: args.to.clone(), window: args.window }),
        if_locked: args.if_locked,
        max_series: None,
    };
    let run = Run {
        plan: &plan,
        options: &options,
        destination: open_destination(&plan, &args.common, &reporter, CONNECT_PATIENCE),
        reporter,
        stop: signals.stop.clone(),
    };
    let result = pipeline::run(&run).await;
    progress.finish();
    match result {
        Ok(report) => finish(&plan, &report, args, signals),
        Err(error) => refuse(config, &error, args),
    }
}

/// Prints why there is no report.
fn refuse(config: &Path, error: &Error, args: &RunArgs) -> u8 {
    if args.output.format == Format::Json {
        print_out(&format!("{}\n", render::refusal(config, error)));
    }
    if args.configs.len() > 1 && !matches!(error, Error::Config(_)) {
        print_err(&format!("{}:\n", config.display()));
    }
    fail(error)
}

fn finish(plan: &Plan, report: &RunReport, args: &RunArgs, signals: &Signals) -> u8 {
    let problems = render::problems(report);
    if args.configs.len() > 1 && !problems.is_empty() {
        print_err(&format!("{}:\n", plan.file.display()));
    }
    print_err(&problems);
    match args.output.format {
        Format::Json => match serde_json::to_string(report) {
            Ok(json) => print_out(&format!("{json}\n")),
            Err(error) => print_err(&format!("error: could not print the report: {error}\n")),
        },
        Format::Text | Format::Csv => {
            if args.configs.len() > 1 {
                print_out(&format!("{}:\n", plan.file.display()));
            }
            print_out(&render::closing(report, shortest(plan).as_deref()));
        }
    }
    match (report.status, signals.exit_code()) {
        (Status::Stopped, Some(code)) => code,
        _ => report.exit_code(),
    }
}

/// The quota with the shortest window, per second, for the closing line; `None` if that is next to nothing.
fn shortest(plan: &Plan) -> Option<String> {
    let limit: &RateLimit = plan.client.rate_limits.iter().min_by_key(|limit| limit.per)?;
    let per_second = f64::from(limit.requests.get()) / limit.per.as_secs_f64();
    let shown = (per_second * 10.0).round() / 10.0;
    (shown > 0.0).then(|| shown.to_string())
}
