//! Raw → plan: names, destination, and the assembly of the parts.

use std::path::{Path, PathBuf};

use super::problem::Report;
use super::raw::{RawConfig, RawPipeline};
use super::raw_hints::{RawSchema, RawTypeConflict};
use super::{DestinationPlan, Plan, client, graph, postgres, process, quota, resource};
use crate::schema::{SchemaOptions, TypeConflict, normalize_identifier};

/// Folder for unfinished runs, beside the config file.
const WORK_DIR: &str = ".forebay";

/// dlt's limit for names of sources.
const MAX_SOURCE_LENGTH: usize = 64;

/// Longest pipeline name: a folder name with room for what is appended to it.
const MAX_PIPELINE_LENGTH: usize = 200;

/// Checks the sense of a config whose form is right. `None` if a part could not be built; `report` says why, and
/// may hold problems even if there is a plan.
pub(super) fn plan(
    raw: RawConfig,
    file: &Path,
    folder: &Path,
    work_dir: Option<&Path>,
    report: &mut Report,
) -> Option<Plan> {
    let RawConfig { pipeline, client, schema, resource_defaults, resources } = raw;
    check_names(&pipeline, report);
    let RawPipeline { name, dataset, source, destination, hash_key, work_dir: written_work_dir } = pipeline;
    let hash_key = process::hash_key(hash_key.as_ref(), report);
    let destination = destination.unwrap_or_else(|| format!("duckdb:{name}.duckdb"));
    let destination = self::destination(&destination, folder, report);
    let dataset = dataset.unwrap_or_else(|| format!("{name}_dataset"));
    if let Some(DestinationPlan::Postgres(_)) = destination {
        check_postgres_dataset(&dataset, report);
    }
    let work_dir = work_dir.map(Path::to_owned).or(written_work_dir.map(PathBuf::from));
    let work_dir = folder.join(work_dir.unwrap_or_else(|| WORK_DIR.into()));
    let (client, client_paginator) = client::client(client, report);
    let shared = resource::Shared { paginator: client_paginator.as_ref(), hash_key: hash_key.as_ref() };
    let resources = resource::resources(resources, resource_defaults, &shared, report);
    let resources = graph::ordered(resources, report);
    let mut client = client?;
    let resources = resources?;
    quota::complete(&mut client, &resources, report);
    Some(Plan {
        file: file.to_owned(),
        dataset,
        source: source.unwrap_or_else(|| name.clone()),
        pipeline: name,
        destination: destination?,
        credentials_dir: work_dir.join("credentials"),
        quota_dir: work_dir.join("quota"),
        work_dir,
        client,
        schema: schema.as_ref().map(schema_options).unwrap_or_default(),
        resources,
    })
}

fn schema_options(raw: &RawSchema) -> SchemaOptions {
    SchemaOptions {
        on_type_conflict: match raw.on_type_conflict {
            None | Some(RawTypeConflict::Variant) => TypeConflict::Variant,
            Some(RawTypeConflict::Widen) => TypeConflict::Widen,
        },
        null_columns: raw.null_columns.unwrap_or_default(),
        empty_tables: raw.empty_tables.unwrap_or_default(),
        root_key: raw.root_key.unwrap_or_default(),
    }
}

fn check_names(pipeline: &RawPipeline, report: &mut Report) {
    let name = &pipeline.name;
    let forbidden = |char: char| char.is_control() || r#"/\<>:"|?*"#.contains(char);
    let fits = !name.is_empty() && name.len() <= MAX_PIPELINE_LENGTH;
    if !fits || name.contains(forbidden) || name.starts_with('.') || name.trim() != name {
        report.add_text("pipeline.name", name, "cannot be the name of a folder");
    }
    let (source, place) = match &pipeline.source {
        Some(source) => (source, "pipeline.source"),
        None => (name, "pipeline.name"),
    };
    if !is_identifier(source) || source.chars().count() > MAX_SOURCE_LENGTH {
        report.add_text(
            place,
            source,
            "cannot be the name of a source: letters, digits and `_`, no digit first, 64 at most \
             (set `pipeline.source` if the pipeline is to be called otherwise)",
        );
    }
    if let Some(dataset) = &pipeline.dataset
        && !dataset.contains(char::is_alphanumeric)
    {
        report.add_text("pipeline.dataset", dataset, "cannot be the name of a dataset");
    }
    if pipeline.work_dir.as_deref() == Some("") {
        report.add("pipeline.work_dir", "is empty", None);
    }
}

/// Postgres keeps names that begin with `pg_` for itself; dlt fails on them when it loads.
fn check_postgres_dataset(dataset: &str, report: &mut Report) {
    if normalize_identifier(dataset).starts_with("pg_") {
        report.add_text(
            "pipeline.dataset",
            dataset,
            "cannot be a dataset in Postgres, which keeps `pg_…` for itself",
        );
    }
}

/// dlt wants names of sources to be Python identifiers.
fn is_identifier(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|char| char.is_alphabetic() || char == '_')
        && chars.all(|char| char.is_alphanumeric() || char == '_')
}

fn destination(url: &str, folder: &Path, report: &mut Report) -> Option<DestinationPlan> {
    let place = "pipeline.destination";
    let hint = || {
        Some(
            "write duckdb:file.duckdb, duckdb:///absolute/file.duckdb or postgres://user@host/database"
                .to_owned(),
        )
    };
    // A destination URL may hold a password: none is quoted.
    let Some((scheme, rest)) = url.split_once(':') else {
        report.add(place, "is not a destination", hint());
        return None;
    };
    match scheme {
        "duckdb" => {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            if path.is_empty() || path.ends_with('/') {
                report.add(place, "names no database file", hint());
                return None;
            }
            if rest.starts_with("//") && !path.starts_with('/') {
                report.add(
                    place,
                    "has two slashes: a relative file has none, an absolute one has three",
                    hint(),
                );
                return None;
            }
            if path == ":memory:" {
                report.add(place, "is gone when the run ends: a database in memory keeps nothing", hint());
                return None;
            }
            Some(DestinationPlan::DuckDb { path: folder.join(path), label: url.to_owned() })
        }
        "postgres" | "postgresql" => match postgres::parse(url) {
            Ok(plan) => Some(DestinationPlan::Postgres(Box::new(plan))),
            Err(problem) => {
                report.add(place, problem.message, problem.hint);
                None
            }
        },
        _ => {
            report.add(place, "is a kind of destination that is not known", hint());
            None
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_beside_the_config_or_absolute() {
        for (url, expected) in [
            ("duckdb:a.duckdb", Some("/etc/forebay/a.duckdb")),
            ("duckdb:data/a.duckdb", Some("/etc/forebay/data/a.duckdb")),
            ("duckdb:/var/a.duckdb", Some("/var/a.duckdb")),
            ("duckdb:///var/a.duckdb", Some("/var/a.duckdb")),
            ("duckdb:", None),
            ("duckdb://a.duckdb", None),
            ("duckdb::memory:", None),
            ("duckdb:data/", None),
            ("postgres:user:secret@host", None),
            ("bigquery:x", None),
            ("a.duckdb", None),
        ] {
            let mut report = Report::default();
            let plan = destination(url, Path::new("/etc/forebay"), &mut report);
            let expected_plan =
                expected.map(|path| DestinationPlan::DuckDb { path: path.into(), label: url.to_owned() });
            assert_eq!(plan, expected_plan, "{url}");
            assert_eq!(report.is_empty(), expected.is_some(), "{url}");
            assert!(
                report.into_problems(|_| None).iter().all(|problem| !problem.to_string().contains("secret"))
            );
        }
    }

    #[test]
    fn names_that_postgres_keeps_for_itself_are_no_datasets() {
        for (dataset, is_fine) in
            [("pg_members", false), ("PgMembers", false), ("pgmembers", true), ("_pg_", true)]
        {
            let mut report = Report::default();
            check_postgres_dataset(dataset, &mut report);
            assert_eq!(report.is_empty(), is_fine, "{dataset}");
        }
    }

    #[test]
    fn identifiers() {
        for text in ["a", "_a1", "é"] {
            assert!(is_identifier(text), "{text}");
        }
        for text in ["", "1a", "a-b", "a b", "a."] {
            assert!(!is_identifier(text), "{text}");
        }
    }
}
