//! `row_order`: when the API gives rows in order, the first one out of range tells that no more of use will come.

use std::cmp::Ordering;

use serde_json::value::RawValue;

use super::reading::{Place, Range};
use crate::config::{CursorField, RowOrder};
use crate::page;
use crate::schema::Point;

/// Follows the rows of one pagination.
///
/// An API whose rows do not come in the order that the config promises is not trusted any more: then everything is
/// read to the end.
#[derive(Debug)]
pub struct RowOrderWatch<'a> {
    field: &'a CursorField,
    order: RowOrder,
    range: &'a Range,
    last: Option<Point>,
    is_in_order: bool,
}

impl<'a> RowOrderWatch<'a> {
    /// `None` if the config says nothing of the order.
    pub fn new(field: &'a CursorField, range: &'a Range) -> Option<Self> {
        let order = field.row_order?;
        Some(Self { field, order, range, last: None, is_in_order: true })
    }

    /// Takes the rows of the next page, as JSON. Whether the pages after it have nothing of the range.
    ///
    /// Unlike dlt, a row at the start ends nothing unless it is out of the range: others of the same value may follow
    /// that were not there in the last run.
    pub fn is_past(&mut self, rows: &[u8]) -> bool {
        let mut past = false;
        // The text was checked when it was selected.
        let selected: &RawValue = serde_json::from_slice(rows).unwrap_or(RawValue::NULL);
        for row in page::rows(selected).unwrap_or_default() {
            let value =
                self.field.cursor_path.find(row).and_then(|value| serde_json::from_str(value.get()).ok());
            let Some(value) = value.filter(|value: &serde_json::Value| !value.is_null()).map(Point::new)
            else {
                continue;
            };
            past |= self.is_out(&value);
            self.is_in_order &= self.follows(&value);
            self.last = Some(value);
        }
        past && self.is_in_order
    }

    fn is_out(&self, value: &Point) -> bool {
        // Values that cannot be compared are reported where the row is taken in.
        let Ok(place) = self.range.place(value) else { return false };
        match self.order {
            RowOrder::Asc => place == Place::Beyond,
            RowOrder::Desc => place == Place::Before,
        }
    }

    fn follows(&self, value: &Point) -> bool {
        let Some(last) = &self.last else { return true };
        self.range.compare(value, last).is_ok_and(|order| !breaks(self.order, order))
    }
}

/// Whether a row that compares so with the one before it is out of order.
pub(super) fn breaks(promised: RowOrder, found: Ordering) -> bool {
    match promised {
        RowOrder::Asc => found == Ordering::Less,
        RowOrder::Desc => found == Ordering::Greater,
    }
}
