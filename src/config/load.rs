//! From a file to a plan: the order of the steps.

use std::fs;
use std::io;
use std::path::{Path, PathBuf, absolute};

use serde_json::Value;

use super::interpolate::{Sources, interpolate};
use super::overrides::{apply, keep_dates, resource_name, to_json};
use super::problem::{ConfigError, Report, SyntaxError};
use super::raw::RawConfig;
use super::{Plan, build, check, json_schema};

/// What the command line changes in a config file. No `Debug`, since a setting may be a key.
#[derive(Clone, Default)]
pub struct Overrides {
    /// `KEY=VALUE` settings, in order: `client.base_url=http://127.0.0.1:8080`, `resources.members.selected=false`.
    /// `${…}` in them is filled in.
    pub set: Vec<String>,
    /// In place of `pipeline.destination`, taken as it is. A relative file is beside the config file.
    pub destination: Option<String>,
    /// In place of `pipeline.dataset`, taken as it is.
    pub dataset: Option<String>,
    /// In place of `pipeline.work_dir`. A relative one is beside the config file.
    pub work_dir: Option<PathBuf>,
}

/// Reads and checks a config file. `environment` gives variables; a `.env` beside the file gives those it does not.
///
/// # Errors
/// The file cannot be read, is not TOML, or has problems: all of them at once, secrets left out.
pub fn load(
    file: &Path,
    overrides: &Overrides,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Plan, ConfigError> {
    let unreadable = |source: io::Error| ConfigError::Unreadable { file: file.to_owned(), source };
    let text = fs::read_to_string(file).map_err(unreadable)?;
    let folder = absolute(file).map_err(unreadable)?.parent().map(Path::to_owned).unwrap_or_default();
    let table: toml::Table = toml::from_str(&text)
        .map_err(|error| ConfigError::Syntax { file: file.to_owned(), source: SyntaxError::new(&error) })?;

    let mut report = Report::default();
    let mut document = to_json(toml::Value::Table(table));
    keep_dates(&mut document, &text);
    overrides.set.iter().for_each(|setting| apply(&mut document, setting, &mut report));
    let sources = Sources::new(environment, &folder, &mut report);
    interpolate(&mut document, "", &sources, &mut report);
    replace_pipeline_keys(&mut document, overrides);
    check::check(&json_schema(), &mut document, &mut report);

    let names = resource_names(&document);
    let plan = match serde_json::from_value::<RawConfig>(document) {
        Ok(raw) => build::plan(raw, file, &folder, overrides.work_dir.as_deref(), &mut report),
        // serde's message may quote a value. With a checked form it is never needed.
        Err(_) if report.is_empty() => {
            report.add("", "does not have the form of a config file", None);
            None
        }
        Err(_) => None,
    };
    match plan.filter(|_| report.is_empty()) {
        Some(plan) => Ok(plan),
        None => {
            let problems = report.into_problems(|index| names.get(index).cloned());
            Err(ConfigError::Invalid { file: file.to_owned(), problems })
        }
    }
}

fn replace_pipeline_keys(document: &mut Value, overrides: &Overrides) {
    let Some(pipeline) = document.get_mut("pipeline").and_then(Value::as_object_mut) else { return };
    for (key, value) in [("destination", &overrides.destination), ("dataset", &overrides.dataset)] {
        if let Some(value) = value {
            pipeline.insert(key.to_owned(), Value::String(value.clone()));
        }
    }
}

fn resource_names(document: &Value) -> Vec<String> {
    let resources = document.get("resources").and_then(Value::as_array);
    let name = |resource: &Value| resource_name(resource).unwrap_or_default().to_owned();
    resources.into_iter().flatten().map(name).collect()
}
