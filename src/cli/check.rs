//! `forebay check`.

use serde_json::{Value, json};

use super::args::{CheckArgs, Format};
use super::{fail, load_plan, print_out, render};
use crate::config::Plan;
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

fn names(plan: &Plan, selected: bool) -> Vec<&str> {
    let resources = plan.resources.iter().filter(|resource| resource.selected == selected);
    resources.map(|resource| resource.name.as_str()).collect()
}

fn summary(plan: &Plan) -> Value {
    json!({
        "config": plan.file,
        "ok": true,
        "pipeline": plan.pipeline,
        "destination": plan.destination.to_string(),
        "dataset": plan.dataset_identifier(),
        "selected": names(plan, true),
        "not_selected": names(plan, false),
    })
}

fn text(plan: &Plan) -> String {
    let mut text = format!(
        "{}: ok\n  pipeline {} into {}, dataset {}\n  runs {}\n",
        plan.file.display(),
        plan.pipeline,
        plan.destination,
        plan.dataset_identifier(),
        names(plan, true).join(", "),
    );
    let others = names(plan, false);
    if !others.is_empty() {
        text.push_str(&format!("  not selected: {}\n", others.join(", ")));
    }
    text
}
