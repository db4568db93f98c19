//! What a run asks for and keeps of a resource with a cursor field: one range of values, or several, one after the
//! other.
//!
//! The extraction and the normalizer both make it from the package's manifest, so that what is asked for and what is
//! kept agree, be it in one run or in two.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::IncrementalError;
use super::lag::lagged;
use super::step::Step;
use crate::config::{CursorField, IncrementalValue, LastValue, RangeEdge, RowOrder};
use crate::schema::{Point, TimeForm, parse_instant_setting};

/// A range that a run was asked for on the command line, as it was written there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backfill {
    /// The first value.
    pub from: String,
    /// The first value that is not read any more; without one, times end with the present.
    pub to: Option<String>,
    /// The largest range that is asked for at once.
    pub window: Option<Step>,
}

/// What a reading goes by beside the config.
#[derive(Debug, Clone, Copy, Default)]
pub struct Begin<'a> {
    /// The resource's state when the package was made.
    pub state: Option<&'a Map<String, Value>>,
    /// Everything is read, whatever the state says.
    pub is_full_scan: bool,
    /// A range is read, whatever the state says.
    pub backfill: Option<&'a Backfill>,
    /// When the package was made, Unix microseconds.
    pub now: i64,
}

/// The ranges of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// At least one.
    ranges: Vec<Range>,
    /// Whether the next run starts as if this one had not been.
    is_stateless: bool,
    /// Whether rows come so that those up to any of them leave out none before it.
    may_be_cut: bool,
}

/// Values from one to another.
#[derive(Debug, Clone, PartialEq)]
pub struct Range {
    path: String,
    func: LastValue,
    start: Option<Point>,
    start_edge: RangeEdge,
    end: Option<Point>,
    end_edge: RangeEdge,
    /// What the API is told; a window's end may be told where rows beyond it are kept.
    sent: Sent,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Sent {
    start: Option<Value>,
    end: Option<Value>,
    initial: Option<Value>,
    /// The end for a text that has to say one, when there is none.
    end_in_text: Option<Value>,
}

/// Where a value lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Before,
    AtStart,
    Within,
    Beyond,
}

impl Reading {
    /// The ranges that a package is for.
    ///
    /// # Errors
    /// The lag or the windows do not go with the cursor's values.
    pub fn of(field: &CursorField, begin: &Begin<'_>) -> Result<Self, IncrementalError> {
        if let Some(backfill) = begin.backfill {
            return Self::of_backfill(field, backfill, begin.now);
        }
        let is_stateless = field.end_value.is_some();
        let present = |start: Option<&Value>| {
            let (form, _) = start.and_then(Value::as_str).and_then(TimeForm::read)?;
            Some(Value::from(form.write(begin.now)))
        };
        if begin.is_full_scan {
            let sent = Sent { end_in_text: present(field.initial_value.as_ref()), ..Sent::default() };
            let ranges = vec![Range::new(field, sent)];
            return Ok(Self { ranges, is_stateless, may_be_cut: false });
        }
        let newest = stored(field, begin.state).and_then(|stored| stored.get("last_value"));
        let newest = newest.filter(|value| !value.is_null() && !is_stateless);
        let start = match newest {
            Some(newest) => Some(start_after(field, newest)?),
            None => field.initial_value.clone(),
        };
        let ranges = match field.window {
            Some(step) => windows(field, start.as_ref(), step, begin.now)?,
            None => {
                let end_in_text = present(start.as_ref());
                let sent = Sent { start, end: field.end_value.clone(), end_in_text, ..Sent::default() };
                let mut range = Range::new(field, sent);
                range.start = range.sent.start.clone().map(Point::new);
                range.end = range.sent.end.clone().map(Point::new);
                vec![range]
            }
        };
        // Others of the newest value may be beyond the cut.
        let is_in_order = field.row_order == Some(RowOrder::Asc) && field.range_start == RangeEdge::Closed;
        let may_be_cut = is_in_order && field.window.is_none() && !is_stateless;
        Ok(Self { ranges, is_stateless, may_be_cut })
    }

    fn of_backfill(field: &CursorField, backfill: &Backfill, now: i64) -> Result<Self, IncrementalError> {
        let axis = Axis::of(field, &backfill.from);
        let from = axis.read(&backfill.from, field)?;
        let to = backfill.to.as_ref().map(|to| axis.read(to, field)).transpose()?;
        let until = match (to, axis) {
            (Some(to), _) => to,
            (None, Axis::Time(form)) => form.ceil(now),
            (None, Axis::Number) => {
                return Err(IncrementalError::NoEnd { path: field.cursor_path.to_string() });
            }
        };
        if until <= from {
            let to = backfill.to.clone().unwrap_or_else(|| axis.write(until).to_string());
            return Err(IncrementalError::Empty { from: backfill.from.clone(), to });
        }
        let mut boundaries = match backfill.window.or(field.window) {
            Some(step) => axis.cut(step, from, until, field)?,
            None => vec![from, until],
        };
        if let (Some(last), Some(to)) = (boundaries.last_mut(), to) {
            *last = to;
        }
        axis.check(&boundaries, backfill, field)?;
        let mut ranges = axis.ranges(field, &boundaries);
        if let (Some(last), Some(_)) = (ranges.last_mut(), to) {
            last.end = last.sent.end.clone().map(Point::new);
            last.end_edge = field.range_end;
        }
        Ok(Self { ranges, is_stateless: true, may_be_cut: false })
    }

    /// The range of a pagination. Those of a child go through all ranges for each row of the parent.
    pub fn range(&self, series: u64) -> &Range {
        let index = usize::try_from(series % self.window_count()).unwrap_or(0);
        &self.ranges[index]
    }

    /// How many windows there are; 1 without any.
    pub fn window_count(&self) -> u64 {
        self.ranges.len() as u64
    }

    /// Whether the next run starts as if this one had not been.
    pub fn is_stateless(&self) -> bool {
        self.is_stateless
    }

    /// Whether a run goes on where the last one was cut.
    pub fn may_be_cut(&self) -> bool {
        self.may_be_cut
    }
}

impl Range {
    /// From everything to everything.
    fn new(field: &CursorField, sent: Sent) -> Self {
        Self {
            path: field.cursor_path.to_string(),
            func: field.last_value_func,
            start: None,
            start_edge: field.range_start,
            end: None,
            end_edge: field.range_end,
            sent: Sent { initial: field.initial_value.clone(), ..sent },
        }
    }

    /// What a parameter says of the start, before any conversion.
    pub fn start_to_send(&self) -> Option<&Value> {
        self.sent.start.as_ref()
    }

    /// What a parameter says of the end, before any conversion.
    pub fn end_to_send(&self) -> Option<&Value> {
        self.sent.end.as_ref()
    }

    /// What stands for a placeholder, before any conversion. A text without it is no request, so where the values are
    /// times there is always an end: the present.
    pub fn placeholder(&self, value: IncrementalValue) -> Option<&Value> {
        match value {
            IncrementalValue::StartValue | IncrementalValue::LastValue => self.sent.start.as_ref(),
            IncrementalValue::InitialValue => self.sent.initial.as_ref(),
            IncrementalValue::EndValue => self.sent.end.as_ref().or(self.sent.end_in_text.as_ref()),
        }
    }

    /// Where a value lies; as in dlt, rows at the start are in unless it is open, those at the end are not unless it
    /// is closed.
    pub(super) fn place(&self, value: &Point) -> Result<Place, IncrementalError> {
        if let Some(end) = &self.end {
            match (self.compare(value, end)?, self.end_edge) {
                (Ordering::Greater, _) | (Ordering::Equal, RangeEdge::Open) => return Ok(Place::Beyond),
                _ => {}
            }
        }
        let Some(start) = &self.start else { return Ok(Place::Within) };
        Ok(match (self.compare(value, start)?, self.start_edge) {
            (Ordering::Less, _) | (Ordering::Equal, RangeEdge::Open) => Place::Before,
            (Ordering::Equal, RangeEdge::Closed) => Place::AtStart,
            (Ordering::Greater, _) => Place::Within,
        })
    }

    /// Which of two values is further on the cursor's way: that of `min` leads down.
    pub(super) fn compare(&self, a: &Point, b: &Point) -> Result<Ordering, IncrementalError> {
        further(self.func, a, b).ok_or_else(|| IncrementalError::Incomparable { path: self.path.clone() })
    }
}

/// What the state holds for a cursor.
pub(super) fn stored<'a>(
    field: &CursorField,
    state: Option<&'a Map<String, Value>>,
) -> Option<&'a Map<String, Value>> {
    state?.get("incremental")?.get(field.cursor_path.as_str())?.as_object()
}

fn further(func: LastValue, a: &Point, b: &Point) -> Option<Ordering> {
    let order = a.compare(b)?;
    Some(if func == LastValue::Min { order.reverse() } else { order })
}

/// The newest value, less the lag, but never before the first start.
fn start_after(field: &CursorField, newest: &Value) -> Result<Value, IncrementalError> {
    let Some(lag) = field.lag.filter(|lag| *lag != 0.0) else { return Ok(newest.clone()) };
    let path = || field.cursor_path.to_string();
    let initial = field.initial_value.as_ref();
    let start = lagged(lag, newest, initial, field.last_value_func)
        .ok_or_else(|| IncrementalError::Lag { path: path() })?;
    let Some(initial) = initial else { return Ok(start) };
    let order = further(field.last_value_func, &Point::new(start.clone()), &Point::new(initial.clone()));
    match order.ok_or_else(|| IncrementalError::Incomparable { path: path() })? {
        Ordering::Greater => Ok(start),
        Ordering::Less | Ordering::Equal => Ok(initial.clone()),
    }
}

/// The windows of a run that goes on from its state. The last one reaches beyond the present, and rows beyond it are
/// kept: the next run starts from the newest.
fn windows(
    field: &CursorField,
    start: Option<&Value>,
    step: Step,
    now: i64,
) -> Result<Vec<Range>, IncrementalError> {
    let form = start.and_then(Value::as_str).and_then(TimeForm::read);
    let (Some(start), Some((form, from))) = (start, form) else {
        return Err(IncrementalError::NoWindows { path: field.cursor_path.to_string() });
    };
    let axis = Axis::Time(form);
    let boundaries = axis.cut(step, from, now, field)?;
    axis.check_windows(&boundaries[1..], step, field)?;
    let mut ranges = axis.ranges(field, &boundaries);
    // The start is told as the API wrote it, which may be finer than microseconds.
    ranges[0].start = Some(Point::new(start.clone()));
    ranges[0].sent.start = Some(start.clone());
    Ok(ranges)
}

/// What the values of a cursor are, as far as ranges of it go.
#[derive(Debug, Clone, Copy)]
enum Axis {
    Time(TimeForm),
    Number,
}

impl Axis {
    /// By the first start, which is written as the API wants it; else by the range itself.
    fn of(field: &CursorField, from: &str) -> Self {
        let initial = match &field.initial_value {
            Some(Value::Number(_)) => Some(Self::Number),
            Some(Value::String(text)) => TimeForm::read(text).map(|(form, _)| Self::Time(form)),
            _ => None,
        };
        initial.unwrap_or_else(|| match TimeForm::read(from) {
            Some((form, _)) => Self::Time(form),
            None if from.parse::<i64>().is_ok() => Self::Number,
            None => Self::Time(TimeForm::UTC),
        })
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Time(_) => "time",
            Self::Number => "whole number",
        }
    }

    fn read(self, text: &str, field: &CursorField) -> Result<i64, IncrementalError> {
        let value = match self {
            Self::Time(_) => parse_instant_setting(text),
            Self::Number => text.parse().ok(),
        };
        value.ok_or_else(|| IncrementalError::NotOfCursor {
            text: text.to_owned(),
            kind: self.kind(),
            path: field.cursor_path.to_string(),
        })
    }

    fn write(self, value: i64) -> Value {
        match self {
            Self::Time(form) => form.write(value).into(),
            Self::Number => value.into(),
        }
    }

    fn can_say(self, value: i64) -> bool {
        match self {
            Self::Time(form) => form.can_say(value),
            Self::Number => true,
        }
    }

    fn cut(self, step: Step, from: i64, to: i64, field: &CursorField) -> Result<Vec<i64>, IncrementalError> {
        let path = || field.cursor_path.to_string();
        if matches!(step, Step::Count(_)) != matches!(self, Self::Number) {
            return Err(IncrementalError::Step { step, kind: self.kind(), path: path() });
        }
        step.cut(from, to).ok_or(IncrementalError::TooMany { step })
    }

    /// Reports the first end that cannot be said in the form of the values.
    fn check(
        self,
        boundaries: &[i64],
        backfill: &Backfill,
        field: &CursorField,
    ) -> Result<(), IncrementalError> {
        let ends = [Some(&backfill.from), backfill.to.as_ref()];
        for (value, text) in [boundaries.first(), boundaries.last()].into_iter().zip(ends) {
            if let (Some(value), Some(text)) = (value, text) {
                self.check_one(*value, || format!("`{text}`"), field)?;
            }
        }
        match backfill.window.or(field.window) {
            Some(step) => self.check_windows(boundaries, step, field),
            None => Ok(()),
        }
    }

    fn check_windows(
        self,
        boundaries: &[i64],
        step: Step,
        field: &CursorField,
    ) -> Result<(), IncrementalError> {
        let what = || format!("windows of `{step}`");
        boundaries.iter().try_for_each(|boundary| self.check_one(*boundary, what, field))
    }

    fn check_one(
        self,
        value: i64,
        what: impl Fn() -> String,
        field: &CursorField,
    ) -> Result<(), IncrementalError> {
        if self.can_say(value) {
            return Ok(());
        }
        let example = self.write(value).as_str().unwrap_or_default().to_owned();
        Err(IncrementalError::TooFine { what: what(), example, path: field.cursor_path.to_string() })
    }

    /// A range between each two boundaries. Each row is in one of them only: the start is in, the end is not, and the
    /// last one has no end.
    fn ranges(self, field: &CursorField, boundaries: &[i64]) -> Vec<Range> {
        let pairs: Vec<_> = boundaries.windows(2).collect();
        let range = |(index, pair): (usize, &&[i64])| {
            let [start, end] = [pair[0], pair[1]].map(|boundary| self.write(boundary));
            let sent = Sent { start: Some(start.clone()), end: Some(end.clone()), ..Sent::default() };
            let is_last = index + 1 == pairs.len();
            Range {
                start: Some(Point::new(start)),
                start_edge: if index == 0 { field.range_start } else { RangeEdge::Closed },
                end: (!is_last).then(|| Point::new(end)),
                end_edge: RangeEdge::Open,
                ..Range::new(field, sent)
            }
        };
        pairs.iter().enumerate().map(range).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
