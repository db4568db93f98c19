//! `forebay check --online`: the key, the first page and the way to the second.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::args::Common;
use super::super::render::{counted, failure};
use super::super::signal::Signals;
use super::{Extent, sample};
use crate::config::{Plan, ResourcePlan};
use crate::error::Error;
use crate::report::{ResourceReport, Status};

/// Two pages show that the paginator's rule leads on; one row of each parent shows that placeholders are filled in.
const EXTENT: Extent = Extent { pages: 2, series: 1 };

/// What the API answered.
pub(in super::super) struct Online {
    resources: Vec<ResourceReport>,
    /// Resources of which there are more lists than those that were looked at, and which these are.
    parts: BTreeMap<String, &'static str>,
    warnings: Vec<String>,
    /// The exit code of the signal that stopped it.
    stopped: Option<u8>,
}

/// Asks for up to two pages of each selected resource.
pub(in super::super) async fn online(
    plan: &Plan,
    common: &Common,
    signals: &Signals,
) -> Result<Online, Error> {
    let report = sample(plan, &[], &EXTENT, common, signals).await?.report;
    let stopped = signals.exit_code().filter(|_| report.status == Status::Stopped);
    let parts = plan.resources.iter().filter_map(|resource| Some((resource.name.clone(), part(resource)?)));
    Ok(Online { resources: report.resources, parts: parts.collect(), warnings: report.warnings, stopped })
}

/// What a look sees of a resource with several lists.
fn part(resource: &ResourcePlan) -> Option<&'static str> {
    match &resource.parent {
        Some(_) => Some("of one row of its parent"),
        None => resource.cursor_field()?.window.map(|_| "of its newest windows"),
    }
}

impl Online {
    /// 0 if all that was asked for came.
    pub(in super::super) fn exit_code(&self) -> u8 {
        let failed = self.resources.iter().filter(|resource| is_failed(resource)).count();
        match (self.stopped, failed) {
            (Some(code), _) => code,
            (None, 0) => 0,
            (None, failed) if failed == self.resources.len() => 1,
            (None, _) => 3,
        }
    }

    /// A line per resource.
    pub(in super::super) fn text(&self) -> String {
        let mut text = String::new();
        let width = self.resources.iter().map(|resource| resource.resource.len()).max().unwrap_or(0);
        for resource in &self.resources {
            text.push_str(&format!("  {:width$}   {}\n", resource.resource, self.found(resource)));
        }
        text
    }

    fn found(&self, resource: &ResourceReport) -> String {
        if is_failed(resource) {
            return "failed".to_owned();
        }
        let rows = match resource.total_rows {
            Some(total) => format!("{} of {total}", counted(resource.rows, "row")),
            None => counted(resource.rows, "row"),
        };
        let more = match resource.outcome.as_str() {
            "unproven" => "that may be all: the API does not say",
            outcome => match self.parts.get(&resource.resource) {
                Some(part) => part,
                None if outcome == "complete" => "that is all",
                None => "there is more",
            },
        };
        format!("{rows} on {}, {more}", counted(resource.pages, "page"))
    }

    /// What is wrong, and what to look at.
    pub(in super::super) fn problems(&self) -> String {
        let failed = self.resources.iter().filter(|resource| is_failed(resource));
        let failures = failed.map(|resource| failure("error", &resource.causes, resource.hint.as_deref()));
        let warnings = self.warnings.iter().map(|warning| format!("warning: {warning}\n"));
        warnings.chain(failures).collect()
    }

    pub(in super::super) fn json(&self) -> Value {
        let resources = self.resources.iter().map(|resource| {
            let mut answer = json!({
                "resource": resource.resource,
                "ok": !is_failed(resource),
                "rows": resource.rows,
                "pages": resource.pages,
                "total_rows": resource.total_rows,
            });
            if is_failed(resource) {
                answer["causes"] = json!(resource.causes);
                answer["hint"] = json!(resource.hint);
            }
            answer
        });
        json!({ "resources": resources.collect::<Vec<_>>(), "warnings": self.warnings })
    }
}

fn is_failed(resource: &ResourceReport) -> bool {
    resource.outcome == "failed"
}
