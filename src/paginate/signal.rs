//! Flags and totals as dlt reads them.

use reqwest::header::HeaderMap;
use serde_json::Value;

use super::PaginateError;
use super::error::shorten;
use crate::page::{JsonPath, Page};

const YES: [&str; 5] = ["yes", "true", "t", "y", "1"];
const NO: [&str; 5] = ["no", "false", "f", "n", "0"];

/// Page sizes that APIs have by default or at most.
const USUAL_SIZES: [u64; 18] =
    [10, 15, 20, 25, 30, 40, 50, 60, 75, 100, 120, 150, 200, 250, 300, 400, 500, 750];

/// The flag at `path`: a boolean, one of the texts dlt takes for one, in any case, or 1 and 0.
pub(super) fn has_more(page: &Page<'_>, path: &JsonPath) -> Result<bool, PaginateError> {
    match page.value(path) {
        None | Some(Value::Null) => Err(missing(page, path)),
        Some(Value::Bool(flag)) => Ok(flag),
        Some(Value::String(text)) if YES.iter().any(|yes| text.eq_ignore_ascii_case(yes)) => Ok(true),
        Some(Value::String(text)) if NO.iter().any(|no| text.eq_ignore_ascii_case(no)) => Ok(false),
        // As databases without a type for it have it. dlt takes it in quotes only.
        Some(Value::Number(number)) if number.as_u64().is_some_and(|number| number < 2) => {
            Ok(number.as_u64() == Some(1))
        }
        Some(other) => {
            Err(PaginateError::NotAFlag { path: path.to_string(), found: shorten(&other.to_string()) })
        }
    }
}

/// The flag at `path`, if it is there.
pub(super) fn has_more_if_told(page: &Page<'_>, path: &JsonPath) -> Result<Option<bool>, PaginateError> {
    match page.value(path) {
        None | Some(Value::Null) => Ok(None),
        Some(_) => has_more(page, path).map(Some),
    }
}

/// Whether a page has as many rows as pages usually have.
pub(super) fn is_full(row_count: u64) -> bool {
    USUAL_SIZES.contains(&row_count) || (row_count >= 1000 && row_count.is_multiple_of(500))
}

/// The number of pages or rows at `path`, if there is one: a number (cut to a whole one, as Python's `int` does) or its text.
pub(super) fn total(page: &Page<'_>, path: &JsonPath) -> Result<Option<u64>, PaginateError> {
    let value = match page.value(path) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value,
    };
    let total = match &value {
        #[expect(clippy::cast_possible_truncation, reason = "a float is cut, and saturates")]
        Value::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|float| float as i64)),
        Value::String(text) => text.trim().parse::<i64>().ok(),
        _ => None,
    };
    let not_a_total =
        || PaginateError::NotATotal { path: path.to_string(), found: shorten(&value.to_string()) };
    // Below zero: the API does not know.
    total.map(|total| u64::try_from(total).ok()).ok_or_else(not_a_total)
}

/// The number of rows at `path`, if it is one.
pub(super) fn rows(page: &Page<'_>, path: &JsonPath) -> Option<u64> {
    match page.value(path)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The number of pages or rows in a header, if it is there.
pub(super) fn total_in_header(headers: &HeaderMap, name: &str) -> Result<Option<u64>, PaginateError> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = String::from_utf8_lossy(value.as_bytes());
    let total = text
        .trim()
        .parse::<i64>()
        .map_err(|_| PaginateError::NotATotal { path: name.to_owned(), found: shorten(&text) })?;
    Ok(u64::try_from(total).ok())
}

/// The error for a value that had to be there.
pub(super) fn missing(page: &Page<'_>, path: &JsonPath) -> PaginateError {
    let keys = page.keys();
    let keys = match keys.as_slice() {
        [] => "no fields".to_owned(),
        keys => format!("`{}`", keys.iter().take(12).cloned().collect::<Vec<_>>().join("`, `")),
    };
    PaginateError::Missing { path: path.to_string(), keys }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_as_dlt_reads_them() {
        let flag = |value: &str| {
            let body = format!("{{\"more\": {value}}}");
            has_more(&Page::parse(body.as_bytes()).unwrap(), &"more".parse().unwrap()).ok()
        };
        for value in ["true", "\"yes\"", "\"TRUE\"", "\"t\"", "\"Y\"", "\"1\"", "1"] {
            assert_eq!(flag(value), Some(true), "{value}");
        }
        for value in ["false", "\"no\"", "\"False\"", "\"f\"", "\"n\"", "\"0\"", "0"] {
            assert_eq!(flag(value), Some(false), "{value}");
        }
        for value in ["null", "2", "1.5", "-1", "\"\"", "\"maybe\"", "[]", "{}"] {
            assert_eq!(flag(value), None, "{value}");
        }
    }

    #[test]
    fn a_missing_flag_is_named_with_what_is_there() {
        let page = Page::parse(br#"{"data": [], "meta": {}}"#).unwrap();
        let error = has_more(&page, &"meta.more".parse().unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "`meta.more` is missing from the page, which has `data`, `meta`");
    }

    #[test]
    fn totals_are_numbers_or_their_text() {
        let read = |value: &str| {
            let body = format!("{{\"pages\": {value}}}");
            total(&Page::parse(body.as_bytes()).unwrap(), &"pages".parse().unwrap()).ok()
        };
        assert_eq!(read("3"), Some(Some(3)));
        assert_eq!(read("3.9"), Some(Some(3)));
        assert_eq!(read("\" 3 \""), Some(Some(3)));
        assert_eq!(read("0"), Some(Some(0)));
        assert_eq!(read("null"), Some(None));
        assert_eq!(read("-1"), Some(None));
        assert_eq!(read("\"-1\""), Some(None));
        assert_eq!(read("\"many\""), None);
        assert_eq!(read("[3]"), None);
    }
}
