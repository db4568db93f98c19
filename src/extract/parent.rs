//! A child resource has one pagination for each row of its parent, which the package has already.

use std::collections::VecDeque;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::error::ExtractError;
use crate::config::{Placeholder, ResourcePlan};
use crate::package::{OrderedPages, Package, PackageError};
use crate::page::{self, JsonPath};

/// One pagination of a resource: the only one, or that of one row of the parent.
#[derive(Debug, Default)]
pub(super) struct Series {
    /// Its place, from 0.
    pub(super) number: u64,
    /// The parent's row.
    row: Option<Box<RawValue>>,
    /// What each row gets from the parent's, named `_<parent>_<field>` as in dlt.
    pub(super) from_parent: Map<String, Value>,
}

impl Series {
    /// The value of a placeholder.
    pub(super) fn lookup(&self, placeholder: &Placeholder) -> Option<Value> {
        match placeholder {
            Placeholder::Resource { field, .. } => find(self.row.as_deref()?, field),
            Placeholder::Incremental(_) | Placeholder::Param(_) => None,
        }
    }
}

fn find(row: &RawValue, path: &JsonPath) -> Option<Value> {
    serde_json::from_str(path.find(row)?.get()).ok()
}

/// The paginations of a resource, in the order of the parent's rows; one page of these is in memory at a time.
pub(super) enum AllSeries<'a> {
    /// A resource without a parent has one.
    One(Option<Series>),
    /// A child has one for each row.
    OfParent {
        resource: &'a ResourcePlan,
        parent: &'a str,
        pages: OrderedPages,
        rows: VecDeque<Box<RawValue>>,
        next_number: u64,
    },
}

impl<'a> AllSeries<'a> {
    pub(super) fn of(package: &Package, resource: &'a ResourcePlan) -> Result<Self, PackageError> {
        Ok(match &resource.parent {
            None => Self::One(Some(Series::default())),
            Some(parent) => Self::OfParent {
                resource,
                parent,
                pages: package.pages_of(parent)?,
                rows: VecDeque::new(),
                next_number: 0,
            },
        })
    }

    /// The next pagination, or `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<Series>, ExtractError> {
        let (resource, parent, pages, rows, next_number) = match self {
            Self::One(series) => return Ok(series.take()),
            Self::OfParent { resource, parent, pages, rows, next_number } => {
                (resource, parent, pages, rows, next_number)
            }
        };
        while rows.is_empty() {
            let Some(page) = pages.next() else { return Ok(None) };
            let (_, body) = page.map_err(PackageError::from)?;
            // The bytes were checked when they came and have a checksum since.
            let selected: &RawValue = serde_json::from_slice(&body).unwrap_or(RawValue::NULL);
            rows.extend(page::rows(selected).unwrap_or_default().into_iter().map(ToOwned::to_owned));
        }
        let row = rows.pop_front();
        let number = *next_number;
        *next_number += 1;
        let mut from_parent = Map::new();
        for field in &resource.include_from_parent {
            let path = field.parse::<JsonPath>().ok();
            let value = path.zip(row.as_deref()).and_then(|(path, row)| find(row, &path));
            let value = value.ok_or_else(|| ExtractError::ParentField {
                parent: (*parent).to_owned(),
                row: number + 1,
                field: field.clone(),
            })?;
            from_parent.insert(format!("_{parent}_{field}"), value);
        }
        Ok(Some(Series { number, row, from_parent }))
    }
}
