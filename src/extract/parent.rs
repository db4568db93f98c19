//! A child resource has one pagination for each row of its parent, which the package has already.

use std::collections::VecDeque;
use std::ops::Range;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::error::ExtractError;
use super::window;
use crate::config::{Placeholder, Plan, ResourcePlan};
use crate::package::{OrderedPages, Package, PackageError};
use crate::page::{self, JsonPath};
use crate::process;
use crate::state::Incremental;

/// Windows that a look tries until one has rows.
const WINDOWS_LOOKED_AT: u64 = 12;

/// One pagination of a resource: the only one, or that of one row of the parent; of each of them, that of one window.
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

/// The cursor of a parent, as the normalizer follows it.
fn incremental_of(plan: &Plan, package: &Package, parent: &str) -> Result<Option<Incremental>, ExtractError> {
    let Some(parent) = plan.resource(parent) else { return Ok(None) };
    let Some(field) = parent.cursor_field() else { return Ok(None) };
    Ok(Some(Incremental::new(field, &parent.hints, &window::begin(&package.manifest, parent))?))
}

fn with_inherited(row: &RawValue, inherited: Option<&str>) -> Box<RawValue> {
    let whole = process::with_parent(row.get(), inherited);
    whole.and_then(|row| RawValue::from_string(row).ok()).unwrap_or_else(|| row.to_owned())
}

/// The paginations of a resource, in the order of the parent's rows; one page of these is in memory at a time.
#[expect(clippy::large_enum_variant, reason = "there is one of it per resource")]
pub(super) enum AllSeries<'a> {
    /// A resource without a parent has one, or one for each window; these are the numbers of those to come.
    Alone(Range<u64>),
    /// The same for a mere look: the newest window first, since the first ones of a long range may well be empty.
    NewestFirst(Range<u64>),
    /// A child has one for each row, or one for each window of each row.
    OfParent {
        resource: &'a ResourcePlan,
        parent: &'a str,
        pages: OrderedPages,
        rows: VecDeque<Box<RawValue>>,
        next_number: u64,
        window_count: u64,
        /// Leaves out the parent's rows that are not new, as in dlt.
        incremental: Option<Box<Incremental>>,
    },
}

impl<'a> AllSeries<'a> {
    /// `window_count` is 1 if no range is cut.
    pub(super) fn of(
        plan: &Plan,
        package: &Package,
        resource: &'a ResourcePlan,
        window_count: u64,
        is_look: bool,
    ) -> Result<Self, ExtractError> {
        Ok(match &resource.parent {
            None if is_look => {
                Self::NewestFirst(window_count.saturating_sub(WINDOWS_LOOKED_AT)..window_count)
            }
            None => Self::Alone(0..window_count),
            Some(parent) => Self::OfParent {
                resource,
                parent,
                pages: package.pages_of(parent)?,
                rows: VecDeque::new(),
                next_number: 0,
                window_count,
                incremental: incremental_of(plan, package, parent)?.map(Box::new),
            },
        })
    }

    /// The next pagination, or `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<Series>, ExtractError> {
        let (resource, parent, pages, rows, next_number, window_count, incremental) = match self {
            Self::Alone(numbers) => {
                return Ok(numbers.next().map(|number| Series { number, ..Series::default() }));
            }
            Self::NewestFirst(numbers) => {
                return Ok(numbers.next_back().map(|number| Series { number, ..Series::default() }));
            }
            Self::OfParent { resource, parent, pages, rows, next_number, window_count, incremental } => {
                (resource, parent, pages, rows, next_number, *window_count, incremental)
            }
        };
        while rows.is_empty() {
            let Some(page) = pages.next() else { return Ok(None) };
            let (page, body) = page.map_err(PackageError::from)?;
            // The bytes were checked when they came and have a checksum since.
            let selected: &RawValue = serde_json::from_slice(&body).unwrap_or(RawValue::NULL);
            let mut found = page::rows(selected).unwrap_or_default();
            if let Some(incremental) = incremental {
                // A row that cannot be placed fails the parent; what becomes of this resource then is its matter.
                found.retain(|row| incremental.admit(row, page.series).unwrap_or(true));
            }
            // As in dlt, what a row got from its own parent is a field of it.
            let inherited = process::parent_fields(&page.from_parent);
            rows.extend(found.into_iter().map(|row| with_inherited(row, inherited.as_deref())));
        }
        let number = *next_number;
        *next_number += 1;
        let is_last_window = *next_number % window_count == 0;
        let row = if is_last_window { rows.pop_front() } else { rows.front().cloned() };
        let mut from_parent = Map::new();
        for field in &resource.include_from_parent {
            let path = field.parse::<JsonPath>().ok();
            let value = path.zip(row.as_deref()).and_then(|(path, row)| find(row, &path));
            let value = value.ok_or_else(|| ExtractError::ParentField {
                parent: (*parent).to_owned(),
                row: number / window_count + 1,
                field: field.clone(),
            })?;
            from_parent.insert(format!("_{parent}_{field}"), value);
        }
        Ok(Some(Series { number, row, from_parent }))
    }
}
