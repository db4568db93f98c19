//! Raw → plan: paginators that count rows or pages.

use super::super::problem::at_key;
use super::super::raw::{RawOffset, RawOffsetStep, RawPageNumber};
use super::Place;
use crate::paginate::{AfterEmptyPage, PaginatorKind, PaginatorPlan, RangeEnd, Step, TotalPath};

impl Place<'_> {
    pub(super) fn offset(&mut self, raw: &RawOffset) -> Option<PaginatorPlan> {
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

    pub(super) fn page_number(&mut self, raw: &RawPageNumber) -> Option<PaginatorPlan> {
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

    fn check_maximum(&mut self, key: &str, maximum: Option<u64>, first: u64) {
        if maximum.is_some_and(|maximum| maximum <= first) {
            let hint = "it is the first that is not read any more";
            let place = at_key(self.path, key);
            self.report.add(&place, "is not beyond the first page", Some(hint.to_owned()));
        }
    }
}
