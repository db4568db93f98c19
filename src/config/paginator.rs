//! Raw → plan: paginators.

use reqwest::header::HeaderName;

use super::Method;
use super::problem::{Report, at_key};
use super::raw::{
    RawCommon, RawCursor, RawHeaderCursor, RawHeaderLink, RawJsonLink, RawLastRow, RawOffset, RawOffsetStep,
    RawPageNumber, RawPaginator, RawPaginatorName, RawPaginatorSettings, RawSinglePage,
};
use crate::page::JsonPath;
use crate::paginate::{
    AfterEmptyPage, CursorSource, PaginatorKind, PaginatorPlan, RangeEnd, Step, Target, TotalPath,
};

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

    fn offset(&mut self, raw: &RawOffset) -> Option<PaginatorPlan> {
        let given = (raw.offset_param.as_deref(), raw.offset_body_path.as_deref());
        let target = self.target(given, ("offset_param", "offset_body_path"), "offset");
        let given = (raw.limit_param.as_deref(), raw.limit_body_path.as_deref());
        let limit_target = self.target(given, ("limit_param", "limit_body_path"), "limit");
        if target.is_some() && target == limit_target {
            self.report.add(self.path, "sends offset and limit to the same place", None);
        }
        let total_header = self.total_header(raw.total_header.as_deref(), raw.total_path.as_deref());
        // dlt's default. It is of use where it is there, and no promise that it is.
        let total_path = match raw.total_path.as_deref() {
            Some("") => Some(None),
            Some(path) => {
                self.path("total_path", path).map(|path| Some(TotalPath { path, is_configured: true }))
            }
            None if raw.total_header.is_some() => Some(None),
            None => "total".parse().ok().map(|path| Some(TotalPath { path, is_configured: false })),
        };
        let has_more_path = self.optional(raw.has_more_path.as_deref(), "has_more_path");
        let offset = raw.offset.unwrap_or(0);
        self.check_maximum("maximum_offset", raw.maximum_offset, offset);
        let ends = [
            raw.total_header.is_some() || raw.total_path.as_deref().is_some_and(|path| !path.is_empty()),
            raw.maximum_offset.is_some(),
            raw.has_more_path.is_some(),
        ];
        let after_empty_page = self.after_empty_page(raw.stop_after_empty_page, ends, "maximum_offset");
        let step = match raw.step.unwrap_or_default() {
            RawOffsetStep::Limit => Step::Limit,
            RawOffsetStep::Rows => Step::Rows,
        };
        if matches!((step, raw.stop_after_empty_page), (Step::Rows, Some(false))) {
            let hint = "an empty page moves such an offset by nothing";
            let place = at_key(self.path, "stop_after_empty_page");
            self.report.add(&place, "cannot be false with `step = \"rows\"`", Some(hint.to_owned()));
        }
        let end = || {
            Some(RangeEnd {
                total_path: total_path?,
                total_header: total_header?,
                maximum: raw.maximum_offset,
                after_empty_page,
                has_more_path: has_more_path?,
            })
        };
        let kind = || {
            let (target, limit_target, limit) = (target?, limit_target?, raw.limit);
            Some(PaginatorKind::Offset { offset, limit, step, target, limit_target, end: end()? })
        };
        self.plan(kind(), raw.max_pages, raw.total_rows_path.as_deref())
    }

    fn page_number(&mut self, raw: &RawPageNumber) -> Option<PaginatorPlan> {
        let base_page = raw.base_page.unwrap_or(0);
        let page = raw.page.unwrap_or(base_page);
        if page < base_page {
            self.report.add(&at_key(self.path, "page"), "is before `base_page`, the first there is", None);
        }
        let given = (raw.page_param.as_deref(), raw.page_body_path.as_deref());
        let target = self.target(given, ("page_param", "page_body_path"), "page");
        let size_param = raw.page_size_param.as_deref();
        if size_param.is_some() && raw.page_size.is_none() {
            self.report.add(&at_key(self.path, "page_size_param"), "goes with `page_size`", None);
        }
        let size_target = self.target((size_param, None), ("page_size_param", ""), "page_size");
        let page_size = raw.page_size.zip(size_target).map(|(size, target)| (target, size));
        // Not dlt's `total`: where it is there, it is mostly a number of rows.
        let total_path = raw.total_path.as_deref().filter(|path| !path.is_empty());
        let total_header = self.total_header(raw.total_header.as_deref(), total_path);
        let ends = [
            total_path.or(raw.total_header.as_deref()).is_some(),
            raw.maximum_page.is_some(),
            raw.has_more_path.is_some(),
        ];
        let total_path = self.optional(total_path, "total_path");
        let has_more_path = self.optional(raw.has_more_path.as_deref(), "has_more_path");
        self.check_maximum("maximum_page", raw.maximum_page, page);
        let after_empty_page = self.after_empty_page(raw.stop_after_empty_page, ends, "maximum_page");
        let end = || {
            Some(RangeEnd {
                total_path: total_path?.map(|path| TotalPath { path, is_configured: true }),
                total_header: total_header?,
                maximum: raw.maximum_page,
                after_empty_page,
                has_more_path: has_more_path?,
            })
        };
        let kind =
            || Some(PaginatorKind::PageNumber { base_page, page, target: target?, page_size, end: end()? });
        self.plan(kind(), raw.max_pages, raw.total_rows_path.as_deref())
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

    /// What an empty page means. `ends` tells what else can end the reading: total, maximum, flag.
    fn after_empty_page(&mut self, stop: Option<bool>, ends: [bool; 3], maximum: &str) -> AfterEmptyPage {
        match stop {
            Some(true) => AfterEmptyPage::Stop,
            None if ends[2] => AfterEmptyPage::StopUnlessMore,
            None => AfterEmptyPage::Stop,
            Some(false) => {
                if !ends.contains(&true) {
                    let hint = format!(
                        "give total_path, {maximum} or has_more_path, or drop stop_after_empty_page = false"
                    );
                    self.report.add(self.path, "nothing ends the reading of pages", Some(hint));
                }
                AfterEmptyPage::GoOn
            }
        }
    }

    /// The header that tells a total. The outer `None` is a problem.
    #[expect(clippy::option_option, reason = "given or not, sound or not")]
    fn total_header(&mut self, name: Option<&str>, path: Option<&str>) -> Option<Option<String>> {
        let Some(name) = name else { return Some(None) };
        if path.is_some_and(|path| !path.is_empty()) {
            let place = at_key(self.path, "total_header");
            self.report.add(&place, "excludes `total_path`; give one of the two", None);
        }
        self.header("total_header", name).map(Some)
    }

    /// The name of a header at a key.
    fn header(&mut self, key: &str, name: &str) -> Option<String> {
        if name.parse::<HeaderName>().is_err() {
            self.report.add_text(&at_key(self.path, key), name, "is not the name of a header");
            return None;
        }
        Some(name.to_owned())
    }

    fn check_maximum(&mut self, key: &str, maximum: Option<u64>, first: u64) {
        if maximum.is_some_and(|maximum| maximum <= first) {
            let hint = "it is the first that is not read any more";
            let place = at_key(self.path, key);
            self.report.add(&place, "is not beyond the first page", Some(hint.to_owned()));
        }
    }

    /// Where a cursor or number goes: a parameter xor a place in the body.
    fn target(
        &mut self,
        (param, body): Given<'_>,
        (param_key, body_key): (&str, &str),
        default_param: &str,
    ) -> Option<Target> {
        target((param, param_key), (body, body_key), default_param, self.path, self.method, self.report)
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
