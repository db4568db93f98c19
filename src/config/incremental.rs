//! Raw → plan: what the next run starts from.

use super::endpoint::Layers;
use super::problem::{Report, at_key};
use super::raw::{RawIncremental, RawOnMissing, RawScalar};
use super::{IncrementalPlan, OnCursorMissing, endpoint, paginator};
use crate::paginate::PaginatorKind;
use crate::schema::WriteDisposition;

/// What the next run starts from. The outer `None` is a problem.
pub(super) fn incremental(
    layers: &Layers<'_>,
    has_parent: bool,
    write_disposition: WriteDisposition,
    report: &mut Report,
) -> Option<Option<IncrementalPlan>> {
    let Some((raw, place)) = layers.pick("incremental", |settings| settings.incremental.as_ref()) else {
        return Some(None);
    };
    match (&raw.cursor_path, raw.page_cursor.unwrap_or(false)) {
        (Some(_), true) => {
            report.add(&place, "has both `cursor_path` and `page_cursor`; give one of the two", None);
            None
        }
        (Some(cursor_path), false) => cursor_field(raw, cursor_path, layers, &place, report).map(Some),
        (None, true) => {
            check_page_cursor(raw, layers, has_parent, write_disposition, &place, report);
            Some(Some(IncrementalPlan::PageCursor))
        }
        (None, false) => {
            report.add(&place, "needs `cursor_path` or `page_cursor = true`", None);
            None
        }
    }
}

fn cursor_field(
    raw: &RawIncremental,
    cursor_path: &str,
    layers: &Layers<'_>,
    place: &str,
    report: &mut Report,
) -> Option<IncrementalPlan> {
    if let Some(param) = &raw.start_param
        && layers.params().iter().any(|(name, ..)| name == param)
    {
        let hint = "drop it from params; where the first run starts is initial_value";
        report.add(&at_key(place, "start_param"), "is also in `params`", Some(hint.to_owned()));
    }
    Some(IncrementalPlan::CursorField {
        cursor_path: paginator::json_path(cursor_path, &at_key(place, "cursor_path"), report)?,
        initial_value: raw.initial_value.as_ref().map(RawScalar::to_json),
        start_param: raw.start_param.clone(),
        on_missing: match raw.on_cursor_value_missing {
            None | Some(RawOnMissing::Raise) => OnCursorMissing::Raise,
            Some(RawOnMissing::Include) => OnCursorMissing::Include,
            Some(RawOnMissing::Exclude) => OnCursorMissing::Exclude,
        },
    })
}

fn check_page_cursor(
    raw: &RawIncremental,
    layers: &Layers<'_>,
    has_parent: bool,
    write_disposition: WriteDisposition,
    place: &str,
    report: &mut Report,
) {
    let only_field =
        raw.initial_value.is_some() || raw.start_param.is_some() || raw.on_cursor_value_missing.is_some();
    let place = at_key(place, "page_cursor");
    if only_field {
        report.add(&place, "goes without `initial_value`, `start_param` and `on_cursor_value_missing`", None);
    }
    if has_parent {
        report.add(&place, "needs one reading; a resource with a parent has one per row of the parent", None);
    }
    if write_disposition == WriteDisposition::Replace {
        let hint = "set write_disposition to \"append\" or \"merge\"";
        report.add(&place, "reads new rows only, and `replace` would drop all others", Some(hint.to_owned()));
    }
    // Problems of the paginator itself are reported elsewhere.
    let mut unheard = Report::default();
    let paginator = endpoint::paginator(layers, false, layers.method(), &mut unheard);
    if paginator.is_some_and(|paginator| !matches!(paginator.kind, PaginatorKind::Cursor { .. })) {
        report.add(&place, "needs a paginator of type `cursor`, `header_cursor` or `last_row`", None);
    }
}
