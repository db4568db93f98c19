//! Raw → plan: paginators.

mod range;

use reqwest::header::HeaderName;

use super::Method;
use super::problem::{Report, at_key};
use super::raw::{
    RawCommon, RawCursor, RawHeaderCursor, RawHeaderLink, RawJsonLink, RawLastRow, RawPageNumber,
    RawPaginator, RawPaginatorName, RawPaginatorSettings, RawSinglePage,
};
use crate::page::JsonPath;
use crate::paginate::{CursorSource, PaginatorKind, PaginatorPlan, Target};

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
    let mut place = Place { path, method, report };
    match raw {
        RawPaginator::Name(name) => match name {
            RawPaginatorName::Auto => Some(auto()),
            RawPaginatorName::SinglePage => Some(single_page()),
            RawPaginatorName::Cursor => place.cursor(&RawCursor::default()),
            RawPaginatorName::HeaderCursor => place.header_cursor(&RawHeaderCursor::default()),
            RawPaginatorName::LastRow => place.last_row(&RawLastRow::default()),
            RawPaginatorName::PageNumber => place.page_number(&RawPageNumber::default()),
            RawPaginatorName::JsonLink | RawPaginatorName::JsonResponse => {
                place.json_link(&RawJsonLink::default())
            }
            RawPaginatorName::HeaderLink => place.header_link(&RawHeaderLink::default()),
        },
        RawPaginator::Settings(settings) => match settings.as_ref() {
            RawPaginatorSettings::Auto(raw) => place.plain(PaginatorKind::Auto, raw),
            RawPaginatorSettings::SinglePage(raw) => place.one_page(raw),
            RawPaginatorSettings::Cursor(raw) => place.cursor(raw),
            RawPaginatorSettings::HeaderCursor(raw) => place.header_cursor(raw),
            RawPaginatorSettings::LastRow(raw) => place.last_row(raw),
            RawPaginatorSettings::Offset(raw) => place.offset(raw),
            RawPaginatorSettings::PageNumber(raw) => place.page_number(raw),
            RawPaginatorSettings::JsonLink(raw) | RawPaginatorSettings::JsonResponse(raw) => {
                place.json_link(raw)
            }
            RawPaginatorSettings::HeaderLink(raw) => place.header_link(raw),
        },
    }
}

/// One page is all.
pub(super) fn single_page() -> PaginatorPlan {
    PaginatorPlan { kind: PaginatorKind::SinglePage, max_pages: MAX_PAGES, total_rows_path: None }
}

/// Found out from the first answer.
pub(super) fn auto() -> PaginatorPlan {
    PaginatorPlan { kind: PaginatorKind::Auto, max_pages: MAX_PAGES, total_rows_path: None }
}

/// Where a paginator stands in the file.
struct Place<'a> {
    path: &'a str,
    method: Method,
    report: &'a mut Report,
}

/// A query parameter xor a place in the body, each as it is given.
type Given<'a> = (Option<&'a str>, Option<&'a str>);

impl Place<'_> {
    fn plan(
        &mut self,
        kind: Option<PaginatorKind>,
        max_pages: Option<u64>,
        total_rows_path: Option<&str>,
    ) -> Option<PaginatorPlan> {
        let total_rows_path = self.optional(total_rows_path, "total_rows_path")?;
        Some(PaginatorPlan { kind: kind?, max_pages: max_pages.unwrap_or(MAX_PAGES), total_rows_path })
    }

    fn plain(&mut self, kind: PaginatorKind, raw: &RawCommon) -> Option<PaginatorPlan> {
        self.plan(Some(kind), raw.max_pages, raw.total_rows_path.as_deref())
    }

    fn one_page(&mut self, raw: &RawSinglePage) -> Option<PaginatorPlan> {
        if raw.full_page == Some(0) {
            self.report.add(&at_key(self.path, "full_page"), "must be at least 1", None);
        }
        let kind = raw.full_page.map_or(PaginatorKind::SinglePage, |most| PaginatorKind::Latest { most });
        self.plan(Some(kind), raw.max_pages, raw.total_rows_path.as_deref())
    }

    fn cursor(&mut self, raw: &RawCursor) -> Option<PaginatorPlan> {
        let source = self.path("cursor_path", raw.cursor_path.as_deref().unwrap_or("cursors.next"));
        let given = (raw.cursor_param.as_deref(), raw.cursor_body_path.as_deref());
        let has_more_path = raw.has_more_path.as_deref();
        let stop = raw.stop_after_empty_page.unwrap_or(false);
        let kind = self.by_cursor(source.map(CursorSource::Path), given, "cursor", has_more_path, stop);
        self.plan(kind, raw.max_pages, raw.total_rows_path.as_deref())
    }

    fn header_cursor(&mut self, raw: &RawHeaderCursor) -> Option<PaginatorPlan> {
        let name = raw.cursor_key.as_deref().unwrap_or("next");
        let source = self.header("cursor_key", name).map(CursorSource::Header);
        let given = (raw.cursor_param.as_deref(), raw.cursor_body_path.as_deref());
        let has_more_path = raw.has_more_path.as_deref();
        let stop = raw.stop_after_empty_page.unwrap_or(false);
        let kind = self.by_cursor(source, given, "cursor", has_more_path, stop);
        self.plan(kind, raw.max_pages, raw.total_rows_path.as_deref())
    }

    fn last_row(&mut self, raw: &RawLastRow) -> Option<PaginatorPlan> {
        let source = self.path("cursor_field", raw.cursor_field.as_deref().unwrap_or("id"));
        let given = (raw.cursor_param.as_deref(), raw.cursor_body_path.as_deref());
        let has_more_path =
            Some(raw.has_more_path.as_deref().unwrap_or("has_more")).filter(|path| !path.is_empty());
        // Without a flag, a page that has no last row can only be the end.
        let stop = has_more_path.is_none();
        let source = source.map(CursorSource::LastRow);
        let kind = self.by_cursor(source, given, "starting_after", has_more_path, stop);
        self.plan(kind, raw.max_pages, raw.total_rows_path.as_deref())
    }

    fn by_cursor(
        &mut self,
        source: Option<CursorSource>,
        given: Given<'_>,
        default_param: &str,
        has_more_path: Option<&str>,
        stop_after_empty_page: bool,
    ) -> Option<PaginatorKind> {
        let target = self.target(given, ("cursor_param", "cursor_body_path"), default_param);
        let has_more_path = self.optional(has_more_path, "has_more_path");
        Some(PaginatorKind::Cursor {
            source: source?,
            target: target?,
            has_more_path: has_more_path?,
            stop_after_empty_page,
        })
    }

    fn json_link(&mut self, raw: &RawJsonLink) -> Option<PaginatorPlan> {
        let next_url_path = self.path("next_url_path", raw.next_url_path.as_deref().unwrap_or("next"));
        let has_more_path = self.optional(raw.has_more_path.as_deref(), "has_more_path");
        let keep_params = raw.keep_params.unwrap_or(true);
        let kind = || {
            Some(PaginatorKind::JsonLink {
                next_url_path: next_url_path?,
                has_more_path: has_more_path?,
                keep_params,
            })
        };
        self.plan(kind(), raw.max_pages, raw.total_rows_path.as_deref())
    }

    fn header_link(&mut self, raw: &RawHeaderLink) -> Option<PaginatorPlan> {
        let links_next_key = raw.links_next_key.as_deref().unwrap_or("next").to_owned();
        if links_next_key.is_empty() {
            self.report.add(&at_key(self.path, "links_next_key"), "is empty", None);
        }
        let keep_params = raw.keep_params.unwrap_or(false);
        let kind = PaginatorKind::HeaderLink { links_next_key, keep_params };
        self.plan(Some(kind), raw.max_pages, raw.total_rows_path.as_deref())
    }

    /// The name of a header at a key.
    fn header(&mut self, key: &str, name: &str) -> Option<String> {
        if name.parse::<HeaderName>().is_err() {
            self.report.add_text(&at_key(self.path, key), name, "is not the name of a header");
            return None;
        }
        Some(name.to_owned())
    }

    /// Where a cursor or number goes: a parameter xor a place in the body.
    fn target(
        &mut self,
        (param, body): Given<'_>,
        (param_key, body_key): (&str, &str),
        default_param: &str,
    ) -> Option<Target> {
        let Some(body) = body else {
            let param = param.unwrap_or(default_param);
            if param.is_empty() {
                self.report.add(&at_key(self.path, param_key), "is empty", None);
            }
            return Some(Target::Param(param.to_owned()));
        };
        let place = at_key(self.path, body_key);
        if param.is_some() {
            self.report.add(&place, format!("excludes `{param_key}`; give one of the two"), None);
        }
        if self.method == Method::Get {
            let hint = "set method = \"POST\" on the endpoint";
            self.report.add(&place, "needs a body", Some(hint.to_owned()));
        }
        let parts: Vec<String> = body.trim_start_matches("$.").split('.').map(str::to_owned).collect();
        if parts.iter().any(|part| part.is_empty() || part.contains(['[', ']', '$', '*'])) {
            let rule = "is not a path into the body; write field names joined by dots";
            self.report.add_text(&place, body, rule);
            return None;
        }
        Some(Target::Body(parts))
    }

    fn path(&mut self, key: &str, text: &str) -> Option<JsonPath> {
        json_path(text, &at_key(self.path, key), self.report)
    }

    /// The path at a key. The outer `None` is a problem, the inner one a path that is not given.
    fn optional(&mut self, text: Option<&str>, key: &str) -> Option<Option<JsonPath>> {
        match text {
            Some(text) => self.path(key, text).map(Some),
            None => Some(None),
        }
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
