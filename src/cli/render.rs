//! Errors and reports as text: short lines for a person who reads cron mail days later.

use std::fmt::Write;

use crate::error::{Error, chain};
use crate::report::{LoadReport, PendingWork, ResourceReport, RunReport, Status};

/// An error with what caused it, each level once, and a hint on a line of its own.
pub(super) fn error(error: &Error) -> String {
    if let Error::Config(config) = error {
        return format!("{}\n", config.report());
    }
    failure(&chain(error), error.hint().as_deref())
}

fn failure(causes: &[String], hint: Option<&str>) -> String {
    let mut text = String::new();
    for (level, cause) in causes.iter().enumerate() {
        let lead = if level == 0 { "error" } else { "  caused by" };
        let _ = writeln!(text, "{lead}: {cause}");
    }
    if let Some(hint) = hint {
        let _ = writeln!(text, "hint: {hint}");
    }
    text
}

/// What stderr gets besides the closing lines: what went wrong and what to look at.
pub(super) fn problems(report: &RunReport) -> String {
    let mut text = String::new();
    for warning in &report.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    for resource in &report.resources {
        if resource.causes.is_empty() {
            continue;
        }
        if resource.outcome == "partial" {
            let _ = writeln!(
                text,
                "warning: resource `{}` is partial: {}",
                resource.resource,
                resource.causes.join(": ")
            );
            continue;
        }
        let mut causes = vec![format!("could not extract resource `{}`", resource.resource)];
        causes.extend(resource.causes.iter().cloned());
        text.push_str(&failure(&causes, resource.hint.as_deref()));
    }
    text
}

/// The closing lines: one per resource, one per load, one for how it ended if that is not well.
pub(super) fn closing(report: &RunReport, rate_limit: Option<&str>) -> String {
    let mut text = String::new();
    for pending in &report.pending {
        let _ = writeln!(text, "{}", pending_line(pending));
    }
    let width = report.resources.iter().map(|resource| resource.resource.len()).max().unwrap_or(0);
    for resource in &report.resources {
        let _ = writeln!(text, "{}", resource_line(resource, width, rate_limit));
    }
    for load in &report.loads {
        let _ = writeln!(text, "{}", load_line(load, report));
    }
    text.push_str(&verdict(report));
    text
}

fn pending_line(pending: &PendingWork) -> String {
    match pending {
        PendingWork::Resumed { load_id, pages } => {
            format!("went on with the unfinished extraction {load_id}: {pages} pages were there already")
        }
        PendingWork::Loaded { load_id } => {
            format!("loaded package {load_id}, which an earlier run had received")
        }
        PendingWork::AlreadyLoaded { load_id } => {
            format!("removed package {load_id}, which an earlier run had loaded")
        }
        PendingWork::Dropped { load_id, reason } => {
            format!("dropped the unfinished extraction {load_id}: {reason}")
        }
    }
}

fn resource_line(resource: &ResourceReport, width: usize, rate_limit: Option<&str>) -> String {
    let rows = match resource.total_rows {
        Some(total) => format!("{}/{total} rows", resource.rows),
        None => format!("{} rows", resource.rows),
    };
    let mut fields = vec![
        format!("{:width$}", resource.resource),
        format!("{:8}", resource.outcome),
        rows,
        format!("{} requests ({} × 429)", resource.requests, resource.too_many_requests),
        format!("{:.1} s", resource.seconds),
    ];
    let fresh_pages = resource.pages.saturating_sub(resource.resumed_pages);
    if fresh_pages > 1 && resource.seconds > 0.0 {
        // Between the first request and the last there is one interval less than there are requests.
        let rate = (fresh_pages - 1) as f64 / resource.seconds;
        fields.push(match rate_limit {
            Some(limit) => format!("{rate:.1} req/s of {limit}"),
            None => format!("{rate:.1} req/s"),
        });
    }
    if resource.added_columns > 0 {
        fields.push(format!("+{} columns", resource.added_columns));
    }
    fields.join("   ")
}

fn load_line(load: &LoadReport, report: &RunReport) -> String {
    format!(
        "loaded {} rows into {}, dataset {}, load {}, in {:.1} s",
        load.rows, report.destination, report.dataset, load.load_id, load.seconds
    )
}

fn verdict(report: &RunReport) -> String {
    let count =
        |outcome: &str| report.resources.iter().filter(|resource| resource.outcome == outcome).count();
    let total = report.resources.len();
    let code = report.exit_code();
    match report.status {
        Status::Complete if report.loads.is_empty() => "nothing new: nothing was written\n".to_owned(),
        Status::Complete => String::new(),
        Status::Partial => {
            format!("partial: {} of {total} resources complete (exit code {code})\n", count("complete"))
        }
        Status::Failed => format!("failed: nothing of this run was committed (exit code {code})\n"),
        Status::Stopped => {
            "stopped: what was received is kept; the same command goes on from there\n".to_owned()
        }
    }
}
