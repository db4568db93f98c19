//! `forebay schema`: what the tables are made of, in the words of several readers.

mod dbml;
mod dbt;
mod document;
mod json;
mod mermaid;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
mod text;
mod yaml;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::args::{SchemaArgs, SchemaFormat};
use super::progress::Progress;
use super::{fail, load_plan, open_destination, print_out};
use crate::config::{Plan, did_you_mean};
use crate::destination::{ColumnOrigin, Destination};
use crate::error::Error;
use crate::report::Reporter;
use crate::schema::{Column, Hint, Schema, Table, WriteDisposition};

/// What begins the names of dlt's own tables.
const INTERNAL: &str = "_dlt";

/// What is shown: tables of a schema, and what loads noted of their columns.
struct View<'a> {
    /// The destination as configured.
    destination: String,
    /// The database's type of a column of a table; `None` if it has none.
    sql_type: &'a dyn Fn(&Table, &Column) -> Option<String>,
    /// Name of the dataset in the database.
    dataset: String,
    schema: &'a Schema,
    /// Those that are shown, in the order of the schema.
    tables: Vec<&'a Table>,
    origins: HashMap<(&'a str, &'a str), &'a ColumnOrigin>,
}

/// Shows the schema of a dataset.
pub(super) fn schema(args: &SchemaArgs) -> u8 {
    let plan = match load_plan(&args.config, &args.common) {
        Ok(plan) => plan,
        Err(error) => return fail(&Error::Config(error)),
    };
    let reporter: Arc<dyn Reporter> = Arc::new(Progress::new(false));
    let destination = open_destination(&plan, &args.common, &reporter, Duration::ZERO);
    match shown(&plan, destination.as_ref(), args) {
        Ok(text) => {
            print_out(&text);
            0
        }
        Err(error) => fail(&error),
    }
}

fn shown(plan: &Plan, destination: &dyn Destination, args: &SchemaArgs) -> Result<String, Error> {
    let (schema, origins) = read(plan, destination)?;
    let view = View {
        destination: plan.destination.to_string(),
        sql_type: &|table, column| destination.sql_type(&table.name, column).ok(),
        dataset: plan.dataset_identifier(),
        tables: chosen(&schema, args)?,
        schema: &schema,
        origins: by_column(&origins),
    };
    Ok(match args.format {
        SchemaFormat::Json => json::render(&view),
        SchemaFormat::Yaml => document::render(&view),
        SchemaFormat::Mermaid => mermaid::render(&view),
        SchemaFormat::Dbml => dbml::render(&view),
        SchemaFormat::Dbt => dbt::render(&view),
        SchemaFormat::Text => text::render(&view),
    })
}

fn read(plan: &Plan, destination: &dyn Destination) -> Result<(Schema, Vec<ColumnOrigin>), Error> {
    let unreadable = |source| Error::Query { destination: plan.destination.to_string(), source };
    let committed = destination.committed(&plan.pipeline, &plan.source).map_err(unreadable)?;
    let schema = committed.schema.ok_or_else(|| Error::NoSchema {
        dataset: plan.dataset_identifier(),
        destination: plan.destination.to_string(),
        source_name: plan.source.clone(),
    })?;
    Ok((schema, destination.column_origins().map_err(unreadable)?))
}

/// The tables that were asked for; all of the source's own if none were named. dlt's document as a whole has dlt's
/// tables, too.
fn chosen<'a>(schema: &'a Schema, args: &SchemaArgs) -> Result<Vec<&'a Table>, Error> {
    for name in &args.tables {
        if !schema.tables.contains_key(name) {
            let hint = did_you_mean(name, schema.tables.keys().map(String::as_str));
            return Err(Error::UnknownTable { name: name.clone(), hint });
        }
    }
    let is_whole = args.all || args.format == SchemaFormat::Yaml;
    let is_chosen = |table: &&Table| match args.tables.as_slice() {
        [] => is_whole || !table.name.starts_with(INTERNAL),
        names => names.contains(&table.name),
    };
    Ok(schema.tables.values().filter(is_chosen).collect())
}

fn by_column(origins: &[ColumnOrigin]) -> HashMap<(&str, &str), &ColumnOrigin> {
    origins.iter().map(|origin| ((origin.table.as_str(), origin.column.as_str()), origin)).collect()
}

impl<'a> View<'a> {
    /// What is known of where a column comes from.
    fn origin(&self, table: &Table, column: &Column) -> Option<&'a ColumnOrigin> {
        self.origins.get(&(table.name.as_str(), column.name.as_str())).copied()
    }

    /// The tables that are in the database, for diagrams and models: one without a typed column is not.
    fn stored_tables(&self) -> impl Iterator<Item = &'a Table> {
        self.tables.iter().copied().filter(|table| stored_columns(table).next().is_some())
    }

    /// Links between the tables that are shown.
    fn links(&self) -> Vec<Link<'a>> {
        self.stored_tables()
            .flat_map(|table| links_of(self.schema, table))
            .filter(|link| self.shows(link.to))
            .collect()
    }

    fn shows(&self, name: &str) -> bool {
        self.stored_tables().any(|table| table.name == name)
    }
}

/// A column that refers to a column of another table.
struct Link<'a> {
    from: &'a str,
    column: &'a str,
    to: &'a str,
    to_column: &'static str,
    /// dlt's name of the relation.
    label: &'static str,
}

fn links_of<'a>(schema: &'a Schema, table: &'a Table) -> Vec<Link<'a>> {
    let link = |column: &'a str, to: &'a str, to_column, label| Link {
        from: &table.name,
        column,
        to,
        to_column,
        label,
    };
    let mut links = Vec::new();
    if let Some(parent) = &table.parent {
        let parent_id = table.columns_with(Hint::ParentKey).next();
        links.extend(parent_id.map(|column| link(column, parent, "_dlt_id", "_dlt_parent")));
        let root_id = table.columns_with(Hint::RootKey).next();
        let root = root_id.zip(schema.root_of(table));
        links.extend(root.map(|(column, root)| link(column, &root.name, "_dlt_id", "_dlt_root")));
    }
    if let Some(column) = table.columns.get("_dlt_load_id") {
        links.push(link(&column.name, "_dlt_loads", "load_id", "_dlt_load"));
    }
    links
}

/// The columns that are in the database: those with a type.
fn stored_columns(table: &Table) -> impl Iterator<Item = &Column> {
    table.columns.values().filter(|column| column.data_type.is_some())
}

/// How rows of a merged root table meet, as dlt calls it; dlt's default is not written in the schema.
fn merge_strategy(table: &Table) -> Option<&str> {
    let is_merged = table.write_disposition == Some(WriteDisposition::Merge);
    let written = table.other.get("x-merge-strategy").and_then(Value::as_str);
    is_merged.then(|| written.unwrap_or("delete-insert"))
}

/// What is said of a table or column by its hints.
fn description(hints: &Map<String, Value>) -> Option<&str> {
    hints.get("description").and_then(Value::as_str)
}

/// dlt's name of a data type, with precision and scale: `decimal(10,2)`. `None` for a column without a type.
pub(super) fn type_name(column: &Column) -> Option<String> {
    let name = serde_json::to_value(column.data_type?).ok()?;
    let name = name.as_str()?;
    Some(match (column.precision, column.scale) {
        (None, _) => name.to_owned(),
        (Some(precision), None) => format!("{name}({precision})"),
        (Some(precision), Some(scale)) => format!("{name}({precision},{scale})"),
    })
}
