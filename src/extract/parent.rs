//! A child resource has one pagination for each row of its parent.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::error::ExtractError;
use crate::config::{ResourcePlan, parent_fields};
use crate::package::{Package, PackageError, Record};
use crate::page::{self, JsonPath};

/// One pagination of a resource: the only one, or that of one row of the parent.
#[derive(Debug, Default)]
pub(super) struct Series {
    /// Its place, from 0.
    pub(super) number: u64,
    /// Fields of the parent's row that the request needs, by their path.
    pub(super) fields: Map<String, Value>,
    /// What each row gets from the parent's, named `_<parent>_<field>` as in dlt.
    pub(super) from_parent: Map<String, Value>,
}

/// The paginations of a child, in the order of the parent's rows, which the package has already.
pub(super) fn parent_series(
    package: &Package,
    resource: &ResourcePlan,
    parent: &str,
) -> Result<Vec<Series>, ExtractError> {
    let wanted = parent_fields(resource);
    let mut all = Vec::new();
    for record in package.records()? {
        let Record::Page(page, body) = record.map_err(PackageError::from)? else { continue };
        if page.resource != parent {
            continue;
        }
        // The bytes were checked when they came and have a checksum since.
        let selected: &RawValue = serde_json::from_slice(&body).unwrap_or(RawValue::NULL);
        for row in page::rows(selected).unwrap_or_default() {
            all.push(one(all.len() as u64, row, resource, parent, &wanted)?);
        }
    }
    Ok(all)
}

fn one(
    number: u64,
    row: &RawValue,
    resource: &ResourcePlan,
    parent: &str,
    wanted: &[String],
) -> Result<Series, ExtractError> {
    let find = |field: &str| {
        let value = field.parse::<JsonPath>().ok().and_then(|path| path.find(row));
        let value = value.and_then(|value| serde_json::from_str(value.get()).ok());
        value.ok_or_else(|| ExtractError::ParentField {
            parent: parent.to_owned(),
            row: number + 1,
            field: field.to_owned(),
        })
    };
    let mut series = Series { number, ..Series::default() };
    for field in wanted {
        series.fields.insert(field.clone(), find(field)?);
    }
    for field in &resource.include_from_parent {
        series.from_parent.insert(format!("_{parent}_{field}"), find(field)?);
    }
    Ok(series)
}
