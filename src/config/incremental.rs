//! Raw → plan: what the next run starts from.

use std::cmp::Ordering;
use std::time::Duration;

use serde_json::Value;

use super::hints;
use super::layers::Layers;
use super::problem::{Report, at_key};
use super::raw::{RawIncremental, RawLastValue, RawOnMissing, RawRangeEdge, RawRowOrder, RawScalar};
use super::{
    CursorField, IncrementalPlan, IncrementalValue, LastValue, OnCursorMissing, RangeEdge, RowOrder,
    endpoint, paginator, units,
};
use crate::jq::Filter;
use crate::paginate::PaginatorKind;
use crate::schema::{Disposition, MergeStrategy, Point, TableHints, TimeForm, WriteDisposition};
use crate::state::Step;

/// What the next run starts from. The outer `None` is a problem.
pub(super) fn incremental(
    layers: &Layers<'_>,
    has_parent: bool,
    hints: &TableHints,
    report: &mut Report,
) -> Option<Option<IncrementalPlan>> {
    let asks = Asks::of(layers);
    let own = layers.pick("incremental", |settings| settings.incremental.as_ref());
    let mut params = layers.incremental_params().into_iter();
    let of_param = params.next().map(|(name, raw, place)| (raw.with_start_param(name), place));
    if let Some((.., place)) = params.next() {
        report.add(&place, "is a second parameter of type `incremental`; there is one at most", None);
    }
    let (raw, place) = match (own, &of_param) {
        (Some(_), Some((_, place))) => {
            let hint = "leave it out, and give `incremental` a `start_param`".to_owned();
            report.add(
                place,
                "is of type `incremental`, and the endpoint has `incremental` already",
                Some(hint),
            );
            return None;
        }
        (Some(own), None) => own,
        (None, Some((raw, place))) => (raw, place.clone()),
        (None, None) => {
            asks.report_stray(report);
            return Some(None);
        }
    };
    let full_scan_every = full_scan_every(raw, &place, hints, report);
    match (&raw.cursor_path, raw.page_cursor.unwrap_or(false)) {
        (Some(_), true) => {
            report.add(&place, "has both `cursor_path` and `page_cursor`; give one of the two", None);
            None
        }
        (Some(cursor_path), false) => {
            let field = cursor_field(raw, cursor_path, full_scan_every, layers, &asks, &place, report)?;
            check_field(&field, &asks, &place, report);
            Some(Some(IncrementalPlan::CursorField(Box::new(field))))
        }
        (None, true) => {
            asks.report_stray(report);
            check_page_cursor(raw, layers, has_parent, hints.write_disposition(), &place, report);
            Some(Some(IncrementalPlan::PageCursor { full_scan_every }))
        }
        (None, false) => {
            let is_param = raw.start_param.is_some() && of_param.is_some();
            let or_page = if is_param { "" } else { " or `page_cursor = true`" };
            report.add(&place, format!("needs `cursor_path`{or_page}"), None);
            None
        }
    }
}

/// What the request's texts ask for of the incremental values, each with the place of the first.
struct Asks {
    values: Vec<(IncrementalValue, String)>,
}

impl Asks {
    fn of(layers: &Layers<'_>) -> Self {
        Self { values: layers.incremental_values() }
    }

    fn place(&self, wanted: &[IncrementalValue]) -> Option<&str> {
        let found = self.values.iter().find(|(value, _)| wanted.contains(value));
        found.map(|(_, place)| place.as_str())
    }

    fn start(&self) -> Option<&str> {
        self.place(&[IncrementalValue::StartValue, IncrementalValue::LastValue])
    }

    fn end(&self) -> Option<&str> {
        self.place(&[IncrementalValue::EndValue])
    }

    /// Placeholders without anything to stand for.
    fn report_stray(&self, report: &mut Report) {
        for (_, place) in &self.values {
            let hint = "give the endpoint an `incremental` with a `cursor_path`".to_owned();
            report.add(place, "has a placeholder for an incremental value, and there is none", Some(hint));
        }
    }
}

fn cursor_field(
    raw: &RawIncremental,
    cursor_path: &str,
    full_scan_every: Option<Duration>,
    layers: &Layers<'_>,
    asks: &Asks,
    place: &str,
    report: &mut Report,
) -> Option<CursorField> {
    for (key, param) in [("start_param", &raw.start_param), ("end_param", &raw.end_param)] {
        if let Some(param) = param
            && layers.params().iter().any(|(name, ..)| name == param)
        {
            let hint = "drop it from params; where the first run starts is initial_value";
            report.add(&at_key(place, key), "is also in `params`", Some(hint.to_owned()));
        }
    }
    let convert = convert(raw, place, report);
    let window = raw.window.as_ref().and_then(|text| {
        let step = text.parse::<Step>();
        if step.is_err() {
            report.add_text(&at_key(place, "window"), text, crate::state::STEP_RULE);
        }
        step.ok()
    });
    let edge = |raw: Option<RawRangeEdge>, default| match raw {
        Some(RawRangeEdge::Open) => RangeEdge::Open,
        Some(RawRangeEdge::Closed) => RangeEdge::Closed,
        None => default,
    };
    Some(CursorField {
        cursor_path: paginator::json_path(cursor_path, &at_key(place, "cursor_path"), report)?,
        initial_value: raw.initial_value.as_ref().map(RawScalar::to_json),
        end_value: raw.end_value.as_ref().map(RawScalar::to_json),
        start_param: raw.start_param.clone(),
        end_param: raw.end_param.clone(),
        sends_start_in_text: asks.start().is_some(),
        sends_end_in_text: asks.end().is_some(),
        sends_initial_in_text: asks.place(&[IncrementalValue::InitialValue]).is_some(),
        convert,
        last_value_func: match raw.last_value_func {
            None | Some(RawLastValue::Max) => LastValue::Max,
            Some(RawLastValue::Min) => LastValue::Min,
        },
        boundary_key: raw.primary_key.as_ref().map(hints::key_names),
        row_order: raw.row_order.map(|order| match order {
            RawRowOrder::Asc => RowOrder::Asc,
            RawRowOrder::Desc => RowOrder::Desc,
        }),
        lag: raw.lag,
        on_missing: match raw.on_cursor_value_missing {
            None | Some(RawOnMissing::Raise) => OnCursorMissing::Raise,
            Some(RawOnMissing::Include) => OnCursorMissing::Include,
            Some(RawOnMissing::Exclude) => OnCursorMissing::Exclude,
        },
        range_start: edge(raw.range_start, RangeEdge::Closed),
        range_end: edge(raw.range_end, RangeEdge::Open),
        window,
        full_scan_every,
    })
}

/// The expression, whichever of its two names it has.
fn convert(raw: &RawIncremental, place: &str, report: &mut Report) -> Option<Filter> {
    let (key, text) = match (&raw.convert, &raw.transform) {
        (Some(_), Some(_)) => {
            report.add(
                &at_key(place, "transform"),
                "is the older name of `convert`; give one of the two",
                None,
            );
            return None;
        }
        (Some(text), None) => ("convert", text),
        (None, text) => ("transform", text.as_ref()?),
    };
    let place = at_key(place, key);
    match Filter::parse(text) {
        Ok(filter) => Some(filter),
        Err(error) => {
            let shown = report.may_show(&place);
            report.add(&place, if shown { error.to_string() } else { error.without_text() }, None);
            None
        }
    }
}

/// Checks what the keys say to each other.
fn check_field(field: &CursorField, asks: &Asks, place: &str, report: &mut Report) {
    if let Some(end) = &field.end_value {
        let place = at_key(place, "end_value");
        match &field.initial_value {
            None => {
                report.add(&place, "needs `initial_value`: a range has a start and an end", None);
            }
            Some(initial) => {
                let order = Point::new(initial.clone()).compare(&Point::new(end.clone()));
                let forwards = match field.last_value_func {
                    LastValue::Max => Ordering::Less,
                    LastValue::Min => Ordering::Greater,
                };
                match order {
                    None => report.add(&place, "cannot be compared with `initial_value`", None),
                    Some(order) if order != forwards && order != Ordering::Equal => {
                        report.add(&place, "comes before `initial_value`", None);
                    }
                    Some(_) => {}
                }
            }
        }
        if field.full_scan_every.is_some() {
            report.add(&place, "goes without `full_scan_every`: each run reads the same range", None);
        }
    }
    let is_time =
        |value: &Option<Value>| value.as_ref().and_then(Value::as_str).and_then(TimeForm::read).is_some();
    let no_first = "needs `initial_value`: the first run has no other value to send".to_owned();
    if let (Some(place), None) = (asks.start(), &field.initial_value) {
        let hint = "or send it by `start_param`, which the first run leaves out".to_owned();
        report.add(place, format!("has a placeholder that {no_first}"), Some(hint));
    }
    if let (Some(place), None) = (asks.place(&[IncrementalValue::InitialValue]), &field.initial_value) {
        report.add(place, "has a placeholder that needs `initial_value`", None);
    }
    if let (Some(place), None) = (asks.end(), &field.end_value)
        && !is_time(&field.initial_value)
    {
        let message = "has a placeholder that needs `end_value`, or an `initial_value` that is a time and ends with \
                       the present";
        report.add(place, message, None);
    }
    if field.window.is_some() {
        check_window(field, is_time(&field.initial_value), &at_key(place, "window"), report);
    }
    if let Some(deletes_from) = asks.start().filter(|_| field.full_scan_every.is_some()) {
        let hint = "send the start by `start_param`: a run that reads everything leaves it out".to_owned();
        report.add(
            deletes_from,
            "has a placeholder for the start, and `full_scan_every` needs requests without one",
            Some(hint),
        );
    }
}

fn check_window(field: &CursorField, is_time: bool, place: &str, report: &mut Report) {
    if !(field.sends_start() && field.sends_end()) {
        let hint = "give both `start_param` and `end_param`, or `{incremental.start_value}` and \
                    `{incremental.end_value}` in the request";
        report.add(place, "needs requests that say where to start and where to end", Some(hint.to_owned()));
    }
    if !is_time {
        let hint = "set it to a time, like \"2024-01-01T00:00:00Z\", in the form that the API takes";
        report.add(place, "needs an `initial_value` that is a time", Some(hint.to_owned()));
    }
    for (is_set, key) in [
        (field.end_value.is_some(), "end_value"),
        (field.last_value_func == LastValue::Min, "last_value_func = \"min\""),
        (field.full_scan_every.is_some(), "full_scan_every"),
    ] {
        if is_set {
            report.add(place, format!("goes without `{key}`"), None);
        }
    }
    if matches!(field.window, Some(Step::Count(_))) {
        report.add(place, "needs a unit (min, h, d, w, mo, y), like `30d`", None);
    }
}

fn full_scan_every(
    raw: &RawIncremental,
    place: &str,
    hints: &TableHints,
    report: &mut Report,
) -> Option<Duration> {
    let text = raw.full_scan_every.as_ref()?;
    let place = at_key(place, "full_scan_every");
    let every = units::duration(text);
    if every.is_none() {
        report.add_text(&place, text, units::DURATION_RULE);
    }
    let merges = matches!(
        &hints.disposition,
        Some(Disposition::Merge {
            strategy: None | Some(MergeStrategy::DeleteInsert | MergeStrategy::Upsert),
            ..
        })
    );
    if !merges || !hints::has_primary_key(hints) {
        let hint = "set write_disposition = \"merge\" and a primary_key".to_owned();
        report.add(&place, "needs rows that take their own place when they come again", Some(hint));
    }
    every
}

fn check_page_cursor(
    raw: &RawIncremental,
    layers: &Layers<'_>,
    has_parent: bool,
    write_disposition: WriteDisposition,
    place: &str,
    report: &mut Report,
) {
    let RawIncremental {
        page_cursor: _,
        cursor_path: _,
        full_scan_every: _,
        initial_value,
        end_value,
        start_param,
        end_param,
        convert,
        transform,
        last_value_func,
        primary_key,
        row_order,
        lag,
        on_cursor_value_missing,
        range_start,
        range_end,
        window,
    } = raw;
    let of_field = [
        (initial_value.is_some(), "initial_value"),
        (end_value.is_some(), "end_value"),
        (start_param.is_some(), "start_param"),
        (end_param.is_some(), "end_param"),
        (convert.is_some(), "convert"),
        (transform.is_some(), "transform"),
        (last_value_func.is_some(), "last_value_func"),
        (primary_key.is_some(), "primary_key"),
        (row_order.is_some(), "row_order"),
        (lag.is_some(), "lag"),
        (on_cursor_value_missing.is_some(), "on_cursor_value_missing"),
        (range_start.is_some(), "range_start"),
        (range_end.is_some(), "range_end"),
        (window.is_some(), "window"),
    ];
    let place = at_key(place, "page_cursor");
    for (_, key) in of_field.into_iter().filter(|(is_set, _)| *is_set) {
        report.add(&place, format!("goes without `{key}`, which is for a `cursor_path`"), None);
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
