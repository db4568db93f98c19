//! `forebay preview`: the first rows of a resource, and the tables they would become.

use std::collections::HashMap;
use std::fmt::Write;

use arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::{Map, Value, json};

use super::super::args::{Format, PreviewArgs};
use super::super::render::{self, counted, failure};
use super::super::schema::type_name;
use super::super::signal::Signals;
use super::super::{fail, load_plan, print_err, print_out, runtime};
use super::{Extent, Sample, sample};
use crate::destination::{DestinationError, QueryResult, quote};
use crate::error::Error;
use crate::report::{ResourceReport, Status};
use crate::schema::{Column, Table};

/// Longest value shown in text, in characters.
const WIDEST: usize = 36;

/// One table of the sample.
struct Previewed {
    table: Table,
    /// Path in the row that each column comes from.
    paths: HashMap<String, String>,
    row_count: u64,
    rows: QueryResult,
}

/// Shows one resource.
pub(in super::super) fn preview(args: &PreviewArgs) -> u8 {
    let plan = match load_plan(&args.config, &args.common) {
        Ok(plan) => plan,
        Err(error) => return fail(&Error::Config(error)),
    };
    // More rows than a page has are worth more pages; the end of the list is one, too.
    let extent = Extent { pages: 1, series: 1 };
    runtime(async |signals: Signals| {
        let sampled =
            sample(&plan, std::slice::from_ref(&args.resource), &extent, &args.common, &signals).await;
        let shown = sampled.and_then(|sample| match signals.exit_code() {
            Some(code) if sample.report.status == Status::Stopped => Ok(code),
            _ => shown(&sample, args),
        });
        match shown {
            Ok(code) => code,
            Err(error) => fail(&error),
        }
    })
}

fn shown(sample: &Sample, args: &PreviewArgs) -> Result<u8, Error> {
    let report = &sample.report;
    let resource = report.resources.iter().find(|resource| resource.resource == args.resource);
    for failed in report.resources.iter().filter(|resource| resource.outcome == "failed") {
        print_err(&failure("error", &failed.causes, failed.hint.as_deref()));
    }
    for warning in &report.warnings {
        print_err(&format!("warning: {warning}\n"));
    }
    let Some(resource) = resource.filter(|resource| resource.outcome != "failed") else { return Ok(1) };
    let tables = tables(sample, args.limit)
        .map_err(|source| Error::Query { destination: report.destination.clone(), source })?;
    match args.output.format {
        Format::Json => print_out(&format!("{}\n", as_json(resource, &tables))),
        Format::Text | Format::Csv => print_out(&as_text(resource, &tables)),
    }
    Ok(0)
}

/// The tables that got rows, parents before children.
fn tables(sample: &Sample, limit: usize) -> Result<Vec<Previewed>, DestinationError> {
    let destination = &sample.destination;
    let Some(load) = sample.report.loads.last() else { return Ok(Vec::new()) };
    let committed = destination.committed(&sample.report.pipeline, &sample.source)?;
    let origins = destination.column_origins()?;
    let Some(schema) = committed.schema else { return Ok(Vec::new()) };
    let previewed = load.tables.iter().filter_map(|(name, row_count)| {
        let table = schema.tables.get(name)?.clone();
        let of_table = origins.iter().filter(|origin| origin.table == *name);
        let paths = of_table.map(|origin| (origin.column.clone(), origin.source_path.clone())).collect();
        let sql = format!("SELECT * FROM {} ORDER BY rowid", quote(name));
        let rows = destination.query(&sql, Some(limit));
        Some(rows.map(|rows| Previewed { table, paths, row_count: *row_count, rows }))
    });
    previewed.collect()
}

impl Previewed {
    /// The columns that come from the API; dlt's own are left out.
    fn columns(&self) -> impl Iterator<Item = &Column> {
        self.table
            .columns
            .values()
            .filter(|column| !column.name.starts_with("_dlt_") && column.data_type.is_some())
    }

    /// The values of a column as the database shows them, `None` for NULL.
    fn values(&self, column: &str) -> Vec<Option<String>> {
        let options = FormatOptions::default();
        let values = self.rows.batches.iter().flat_map(|batch| {
            let array = batch.column_by_name(column)?;
            let formatter = ArrayFormatter::try_new(array.as_ref(), &options).ok()?;
            let text = |row| (!array.is_null(row)).then(|| formatter.value(row).to_string());
            Some((0..array.len()).map(text).collect::<Vec<_>>())
        });
        values.flatten().collect()
    }
}

fn as_text(resource: &ResourceReport, tables: &[Previewed]) -> String {
    let mut text = match resource.total_rows {
        Some(total) => format!("{}: {} of {total}\n", resource.resource, counted(resource.rows, "row")),
        None => format!("{}: {}\n", resource.resource, counted(resource.rows, "row")),
    };
    for previewed in tables {
        let kind = match &previewed.table.parent {
            Some(parent) => format!("child of {parent}"),
            None => "root table".to_owned(),
        };
        let _ = writeln!(text, "\n{}: {kind}, {}", previewed.table.name, counted(previewed.row_count, "row"));
        let lines = previewed.columns().map(|column| {
            let mut line = vec![
                column.name.clone(),
                type_name(column).unwrap_or_default(),
                previewed.paths.get(&column.name).cloned().unwrap_or_default(),
            ];
            line.extend(previewed.values(&column.name).into_iter().map(shortened));
            line
        });
        render::push_lines(&mut text, &lines.collect::<Vec<_>>());
    }
    text
}

fn shortened(value: Option<String>) -> String {
    let Some(value) = value else { return "NULL".to_owned() };
    let line: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match line.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn as_json(resource: &ResourceReport, tables: &[Previewed]) -> Value {
    let tables = tables.iter().map(|previewed| {
        let columns = previewed.columns().map(|column| {
            json!({
                "name": column.name,
                "data_type": column.data_type,
                "path": previewed.paths.get(&column.name),
                "values": previewed.values(&column.name),
            })
        });
        let fields = json!({
            "name": previewed.table.name,
            "parent": previewed.table.parent,
            "rows": previewed.row_count,
            "columns": columns.collect::<Vec<_>>(),
        });
        fields
    });
    let fields: Map<String, Value> = [
        ("resource".to_owned(), json!(resource.resource)),
        ("rows".to_owned(), json!(resource.rows)),
        ("total_rows".to_owned(), json!(resource.total_rows)),
        ("tables".to_owned(), tables.collect()),
    ]
    .into_iter()
    .collect();
    Value::Object(fields)
}
