//! Errors and reports as text: short lines for a person who reads cron mail days later.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};

use crate::error::{Error, chain};
use crate::report::{LoadReport, PendingWork, ResourceReport, RunReport, Status};

/// An error with what caused it, each level once, and a hint on a line of its own.
pub(super) fn error(error: &Error) -> String {
    if let Error::Config(config) = error {
        return format!("{}\n", config.report());
    }
    failure("error", &chain(error), error.hint().as_deref())
}

/// The same for programs.
pub(super) fn refusal(config: &Path, error: &Error) -> Value {
    let problems = match error {
        Error::Config(error) => error.problems(),
        _ => &[],
    };
    let problems = problems.iter().map(|problem| {
        json!({
            "path": problem.path,
            "resource": problem.resource,
            "message": problem.message,
            "hint": problem.hint,
        })
    });
    json!({
        "config": config,
        "ok": false,
        "status": "failed",
        "causes": chain(error),
        "hint": error.hint(),
        "problems": problems.collect::<Vec<_>>(),
    })
}

pub(super) fn failure(lead: &str, causes: &[String], hint: Option<&str>) -> String {
    let mut text = String::new();
    for (level, cause) in causes.iter().enumerate() {
        let lead = if level == 0 { lead } else { "  caused by" };
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
    if let Some(holder) = &report.held_by {
        let _ = writeln!(text, "skipped: another run ({holder}) holds pipeline `{}`", report.pipeline);
    }
    for warning in &report.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    for resource in &report.resources {
        if resource.causes.is_empty() {
            continue;
        }
        let lead = if resource.outcome == "failed" { "error" } else { "warning" };
        text.push_str(&failure(lead, &resource.causes, resource.hint.as_deref()));
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
        for (table, count) in load.deleted.iter().filter(|(_, count)| *count > 0) {
            let rows = counted(*count, "row");
            let _ = writeln!(text, "gone from the API: {rows} of table {table}");
        }
    }
    text.push_str(&verdict(report));
    text
}

fn pending_line(pending: &PendingWork) -> String {
    match pending {
        PendingWork::Resumed { load_id, pages } => {
            let pages = counted(*pages, "page");
            format!("went on with the unfinished extraction {load_id} of an earlier run, which had {pages}")
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
        None => counted(resource.rows, "row"),
    };
    let mut fields = vec![
        format!("{:width$}", resource.resource),
        format!("{:8}", if resource.outcome == "unchanged" { "unchanged (304)" } else { &resource.outcome }),
        rows,
        format!("{} ({} × 429)", counted(resource.requests, "request"), resource.too_many_requests),
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
        fields.push(format!("+{}", counted(resource.added_columns as u64, "column")));
    }
    fields.join("   ")
}

fn load_line(load: &LoadReport, report: &RunReport) -> String {
    format!(
        "loaded {} into {}, dataset {}, load {}, in {:.1} s",
        counted(load.rows, "row"),
        report.destination,
        report.dataset,
        load.load_id,
        load.seconds
    )
}

fn verdict(report: &RunReport) -> String {
    let count =
        |outcome: &str| report.resources.iter().filter(|resource| resource.outcome == outcome).count();
    let total = report.resources.len();
    let code = report.exit_code();
    match report.status {
        Status::Complete if report.loads.is_empty() => "nothing new: nothing was written\n".to_owned(),
        Status::Complete | Status::Skipped => String::new(),
        Status::Partial => {
            format!(
                "partial: {} of {total} resources complete (exit code {code})\n",
                count("complete") + count("unchanged")
            )
        }
        Status::Failed if report.is_resumable => {
            let pages: u64 = report.resources.iter().map(|resource| resource.pages).sum();
            let kept = if pages == 1 { "the page that came is" } else { "the pages that came are" };
            format!(
                "failed: nothing of this run was committed; {kept} kept, the next run goes on there (exit code {code})\n"
            )
        }
        Status::Failed => format!("failed: nothing of this run was committed (exit code {code})\n"),
        Status::Stopped if report.resources.is_empty() => {
            "stopped before the API was asked for anything\n".to_owned()
        }
        Status::Stopped => {
            "stopped: what was received is kept; the same command goes on from there\n".to_owned()
        }
    }
}

/// Lines of entries below each other, each as wide as the longest; what no line has is left out.
pub(super) fn push_lines(text: &mut String, lines: &[Vec<String>]) {
    let count = lines.iter().map(Vec::len).max().unwrap_or(0);
    let length = |line: &Vec<String>, index: usize| line.get(index).map_or(0, |entry| entry.chars().count());
    let widths: Vec<usize> =
        (0..count).map(|index| lines.iter().map(|line| length(line, index)).max().unwrap_or(0)).collect();
    for line in lines {
        let mut padded = String::new();
        for (entry, width) in line.iter().zip(&widths).filter(|(_, width)| **width > 0) {
            let _ = write!(padded, "  {entry:width$}");
        }
        let _ = writeln!(text, "{}", padded.trim_end());
    }
}

/// `1 request`, `2 requests`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
