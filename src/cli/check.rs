//! `forebay check`.

use serde_json::{Value, json};

use super::args::{CheckArgs, Format};
use super::{fail, load_plan, print_out, render};
use crate::config::{Plan, ResourcePlan};
use crate::error::Error;

/// Checks each file; all are checked even if one is wrong.
pub(super) fn check(args: &CheckArgs) -> u8 {
    let mut code = 0;
    let mut answers = Vec::new();
    for config in &args.configs {
        match load_plan(config, &args.common) {
            Ok(plan) if args.output.format == Format::Json => answers.push(summary(&plan)),
            Ok(plan) => print_out(&text(&plan)),
            Err(error) => {
                let error = Error::Config(error);
                if args.output.format == Format::Json {
                    answers.push(render::refusal(config, &error));
                }
                code = fail(&error);
            }
        }
    }
    if args.output.format == Format::Json {
        print_out(&format!("{}\n", Value::Array(answers)));
    }
    code
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
