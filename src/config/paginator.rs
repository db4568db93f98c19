//! Raw → plan: paginators.

use super::Method;
use super::problem::{Report, at_key};
use super::raw::{RawCursor, RawPageNumber, RawPaginator, RawPaginatorName, RawPaginatorSettings};
use crate::page::JsonPath;
use crate::paginate::{PaginatorKind, PaginatorPlan, Target};

/// Pages after which a pagination is stopped, if the file does not say. Far above any real list (a million pages of
/// 100 rows are 11 hours at 25/s), low enough that an API which repeats itself forever is noticed.
const MAX_PAGES: u64 = 1_000_000;

/// The paginator at `path`, for requests of that method.
pub(super) fn paginator(
    raw: &RawPaginator,
    path: &str,
    method: Method,
    report: &mut Report,
) -> Option<PaginatorPlan> {
    match raw {
        RawPaginator::Name(RawPaginatorName::SinglePage)
        | RawPaginator::Settings(RawPaginatorSettings::SinglePage {}) => Some(single_page()),
        RawPaginator::Name(RawPaginatorName::Cursor) => cursor(&RawCursor::default(), path, method, report),
        RawPaginator::Name(RawPaginatorName::PageNumber) => {
            page_number(&RawPageNumber::default(), path, method, report)
        }
        RawPaginator::Settings(RawPaginatorSettings::Cursor(raw)) => cursor(raw, path, method, report),
        RawPaginator::Settings(RawPaginatorSettings::PageNumber(raw)) => {
            page_number(raw, path, method, report)
        }
    }
}

/// One page is all.
pub(super) fn single_page() -> PaginatorPlan {
    PaginatorPlan { kind: PaginatorKind::SinglePage, max_pages: MAX_PAGES, total_rows_path: None }
}

fn cursor(raw: &RawCursor, path: &str, method: Method, report: &mut Report) -> Option<PaginatorPlan> {
    let cursor_path = raw.cursor_path.as_deref().unwrap_or("cursors.next");
    let cursor_path = json_path(cursor_path, &at_key(path, "cursor_path"), report);
    let param = (raw.cursor_param.as_deref(), "cursor_param");
    let body = (raw.cursor_body_path.as_deref(), "cursor_body_path");
    let target = target(param, body, "cursor", path, method, report);
    let has_more_path = optional_path(raw.has_more_path.as_deref(), path, "has_more_path", report);
    let total_rows_path = optional_path(raw.total_rows_path.as_deref(), path, "total_rows_path", report);
    let kind = PaginatorKind::Cursor {
        cursor_path: cursor_path?,
        target: target?,
        has_more_path: has_more_path?,
        stop_after_empty_page: raw.stop_after_empty_page.unwrap_or(false),
    };
    let max_pages = raw.max_pages.unwrap_or(MAX_PAGES);
    Some(PaginatorPlan { kind, max_pages, total_rows_path: total_rows_path? })
}

fn page_number(
    raw: &RawPageNumber,
    path: &str,
    method: Method,
    report: &mut Report,
) -> Option<PaginatorPlan> {
    let base_page = raw.base_page.unwrap_or(0);
    if raw.page.is_some_and(|page| page != base_page) {
        let hint = "give the number of the first page as base_page";
        report.add(
            &at_key(path, "page"),
            "another number than `base_page` is not in this version",
            Some(hint.to_owned()),
        );
    }
    let param = (raw.page_param.as_deref(), "page_param");
    let body = (raw.page_body_path.as_deref(), "page_body_path");
    let target = target(param, body, "page", path, method, report);
    let total_path = optional_path(raw.total_path.as_deref(), path, "total_path", report);
    let has_more_path = optional_path(raw.has_more_path.as_deref(), path, "has_more_path", report);
    let total_rows_path = optional_path(raw.total_rows_path.as_deref(), path, "total_rows_path", report);
    let stop_after_empty_page = raw.stop_after_empty_page.unwrap_or(true);
    let ends = [raw.total_path.is_some(), raw.maximum_page.is_some(), raw.has_more_path.is_some()];
    if !stop_after_empty_page && !ends.contains(&true) {
        let hint = "give total_path, maximum_page or has_more_path, or drop stop_after_empty_page = false";
        report.add(path, "nothing ends the reading of pages", Some(hint.to_owned()));
    }
    let kind = PaginatorKind::PageNumber {
        base_page,
        target: target?,
        total_path: total_path?,
        maximum_page: raw.maximum_page,
        stop_after_empty_page,
        has_more_path: has_more_path?,
    };
    let max_pages = raw.max_pages.unwrap_or(MAX_PAGES);
    Some(PaginatorPlan { kind, max_pages, total_rows_path: total_rows_path? })
}

/// Where the cursor or number goes: a parameter xor a place in the body, each given with its key.
fn target(
    (param, param_key): (Option<&str>, &str),
    (body, body_key): (Option<&str>, &str),
    default_param: &str,
    path: &str,
    method: Method,
    report: &mut Report,
) -> Option<Target> {
    let Some(body) = body else {
        let param = param.unwrap_or(default_param);
        if param.is_empty() {
            report.add(&at_key(path, param_key), "is empty", None);
        }
        return Some(Target::Param(param.to_owned()));
    };
    let place = at_key(path, body_key);
    if param.is_some() {
        report.add(&place, format!("excludes `{param_key}`; give one of the two"), None);
    }
    if method == Method::Get {
        report.add(&place, "needs a body", Some("set method = \"POST\" on the endpoint".to_owned()));
    }
    let parts: Vec<String> = body.trim_start_matches("$.").split('.').map(str::to_owned).collect();
    if parts.iter().any(|part| part.is_empty() || part.contains(['[', ']', '$', '*'])) {
        report.add_text(&place, body, "is not a path into the body; write field names joined by dots");
        return None;
    }
    Some(Target::Body(parts))
}

/// The path at a key. The outer `None` is a problem, the inner one a path that is not given.
fn optional_path(text: Option<&str>, path: &str, key: &str, report: &mut Report) -> Option<Option<JsonPath>> {
    match text {
        Some(text) => json_path(text, &at_key(path, key), report).map(Some),
        None => Some(None),
    }
}

/// A path into a response.
pub(super) fn json_path(text: &str, place: &str, report: &mut Report) -> Option<JsonPath> {
    match text.parse::<JsonPath>() {
        Ok(path) => Some(path),
        Err(error) => {
            let rule = format!(
                "is not a JSONPath ({}); write one like `data.records` or `$.data[*]`",
                error.reason()
            );
            report.add_text(place, text, rule);
            None
        }
    }
}
