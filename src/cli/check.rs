//! `forebay check`.

use std::path::Path;

use serde_json::{Value, json};

use super::args::{CheckArgs, Format};
use super::sample::online::online;
use super::signal::Signals;
use super::{fail, load_plan, print_err, print_out, render, runtime};
use crate::config::{Plan, ResourcePlan};
use crate::error::Error;

/// Checks each file; all are checked even if one is wrong.
pub(super) fn check(args: &CheckArgs) -> u8 {
    runtime(async |signals| {
        let mut codes = Vec::new();
        let mut answers = Vec::new();
        for config in &args.configs {
            let (code, answer) = match check_one(config, args, &signals).await {
                Ok(checked) => checked,
                Err(error) => (fail(&error), render::refusal(config, &error)),
            };
            codes.push(code);
            answers.push(answer);
        }
        if args.output.format == Format::Json {
            print_out(&format!("{}\n", Value::Array(answers)));
        }
        codes.into_iter().max().unwrap_or(0)
    })
}

/// The exit code, and the answer for programs.
async fn check_one(config: &Path, args: &CheckArgs, signals: &Signals) -> Result<(u8, Value), Error> {
    let plan = load_plan(config, &args.common).map_err(Error::Config)?;
    let is_text = args.output.format != Format::Json;
    if is_text {
        print_out(&text(&plan));
    }
    let mut answer = summary(&plan);
    if !args.online {
        return Ok((0, answer));
    }
    let online = online(&plan, &args.common, signals).await?;
    if is_text {
        print_out(&online.text());
        print_err(&online.problems());
    }
    answer["ok"] = json!(online.exit_code() == 0);
    answer["online"] = online.json();
    Ok((online.exit_code(), answer))
}

/// The names of resources that run, that run if they are selected, or that only run if they are named since they
/// change data.
struct Names<'a> {
    selected: Vec<&'a str>,
    others: Vec<&'a str>,
    mutating: Vec<&'a str>,
}

fn names(plan: &Plan) -> Names<'_> {
    let mut names = Names { selected: Vec::new(), others: Vec::new(), mutating: Vec::new() };
    for resource in &plan.resources {
        let list = match resource {
            ResourcePlan { endpoint, .. } if endpoint.mutates => &mut names.mutating,
            ResourcePlan { selected: true, .. } => &mut names.selected,
            ResourcePlan { .. } => &mut names.others,
        };
        list.push(&resource.name);
    }
    names
}

fn summary(plan: &Plan) -> Value {
    let names = names(plan);
    json!({
        "config": plan.file,
        "ok": true,
        "pipeline": plan.pipeline,
        "destination": plan.destination.to_string(),
        "dataset": plan.dataset_identifier(),
        "selected": names.selected,
        "not_selected": names.others,
        "changes_data": names.mutating,
    })
}

fn text(plan: &Plan) -> String {
    let names = names(plan);
    let mut text = format!(
        "{}: ok\n  pipeline {} into {}, dataset {}\n  runs {}\n",
        plan.file.display(),
        plan.pipeline,
        plan.destination,
        plan.dataset_identifier(),
        if names.selected.is_empty() { "nothing".to_owned() } else { names.selected.join(", ") },
    );
    if !names.others.is_empty() {
        text.push_str(&format!("  not selected: {}\n", names.others.join(", ")));
    }
    if !names.mutating.is_empty() {
        let names = names.mutating.join(", ");
        text.push_str(&format!("  changes data, runs only if named with --resource: {names}\n"));
    }
    text
}
