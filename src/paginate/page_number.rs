//! Pages are numbered.

use super::error::shorten;
use super::{Next, PageCursor, PaginateError, signal};
use crate::page::{JsonPath, Page};

/// The parts of a page number paginator that decide what follows a page.
pub(super) struct PageNumberRule<'a> {
    pub(super) base_page: u64,
    pub(super) total_path: Option<&'a JsonPath>,
    pub(super) maximum_page: Option<u64>,
    pub(super) stop_after_empty_page: bool,
    pub(super) has_more_path: Option<&'a JsonPath>,
}

impl PageNumberRule<'_> {
    /// dlt's range rule, each step in its order, with two differences: a missing total is an error only if nothing
    /// else can end the pagination, and to end at `maximum_page` while nothing says that this was all is a cap.
    pub(super) fn next(
        &self,
        asked: &PageCursor,
        page: &Page<'_>,
        row_count: usize,
    ) -> Result<Next, PaginateError> {
        if self.stop_after_empty_page && row_count == 0 {
            return Ok(Next::Done);
        }
        let total = self.total(page)?;
        let next = self.number(asked)?.saturating_add(1);
        let more = self.more(page, total.is_some())?;
        let past_total = total.is_some_and(|total| next >= total.saturating_add(self.base_page));
        if past_total || more == Some(false) {
            return Ok(Next::Done);
        }
        if self.maximum_page.is_some_and(|maximum| next >= maximum) {
            return Ok(Next::Capped);
        }
        Ok(Next::Page(PageCursor::Number(next)))
    }

    /// A missing flag is an error only if nothing else can end the pagination.
    fn more(&self, page: &Page<'_>, has_total: bool) -> Result<Option<bool>, PaginateError> {
        let Some(path) = self.has_more_path else { return Ok(None) };
        let is_missing = page.value(path).is_none_or(|value| value.is_null());
        let ends_otherwise = has_total || self.stop_after_empty_page || self.maximum_page.is_some();
        if is_missing && ends_otherwise {
            return Ok(None);
        }
        signal::has_more(page, path).map(Some)
    }

    fn total(&self, page: &Page<'_>) -> Result<Option<u64>, PaginateError> {
        let Some(path) = self.total_path else { return Ok(None) };
        let total = signal::total(page, path)?.map(|total| u64::try_from(total).unwrap_or(0));
        let ends_otherwise =
            self.stop_after_empty_page || self.maximum_page.is_some() || self.has_more_path.is_some();
        if total.is_none() && !ends_otherwise {
            return Err(signal::missing(page, path));
        }
        Ok(total)
    }

    fn number(&self, asked: &PageCursor) -> Result<u64, PaginateError> {
        match asked {
            PageCursor::Start => Ok(self.base_page),
            PageCursor::Number(number) => Ok(*number),
            PageCursor::Token(token) => {
                Err(PaginateError::ForeignCursor { found: shorten(&token.to_string()) })
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::target::tests::request;
    use super::super::{PaginatorKind, PaginatorPlan, Target};
    use super::*;

    fn path(text: &str) -> Option<JsonPath> {
        (!text.is_empty()).then(|| text.parse().unwrap())
    }

    fn plan(base_page: u64, total: &str, maximum_page: Option<u64>, stop: bool, more: &str) -> PaginatorPlan {
        let kind = PaginatorKind::PageNumber {
            base_page,
            target: Target::Param("page".to_owned()),
            total_path: path(total),
            maximum_page,
            stop_after_empty_page: stop,
            has_more_path: path(more),
        };
        PaginatorPlan { kind, max_pages: u64::MAX, total_rows_path: None }
    }

    fn after(plan: &PaginatorPlan, number: u64, body: &str, row_count: usize) -> String {
        let page = Page::parse(body.as_bytes()).unwrap();
        match plan.advance(&PageCursor::Number(number), &page, row_count, 1) {
            Ok(Next::Page(PageCursor::Number(number))) => number.to_string(),
            Ok(next) => format!("{next:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn totals_count_pages_from_the_base() {
        let from_0 = plan(0, "total", None, true, "");
        assert_eq!(after(&from_0, 0, r#"{"total": 3}"#, 1), "1");
        assert_eq!(after(&from_0, 2, r#"{"total": 3}"#, 1), "Done");
        assert_eq!(after(&from_0, 0, r#"{"total": "3"}"#, 1), "1");
        assert_eq!(after(&from_0, 5, r#"{"total": 0}"#, 1), "Done");
        let from_1 = plan(1, "total", None, true, "");
        assert_eq!(after(&from_1, 2, r#"{"total": 3}"#, 1), "3");
        assert_eq!(after(&from_1, 3, r#"{"total": 3}"#, 1), "Done");
    }

    #[test]
    fn an_empty_page_ends_before_anything_is_read() {
        assert_eq!(after(&plan(0, "total", None, true, "more"), 4, "{}", 0), "Done");
        assert_eq!(after(&plan(0, "", Some(9), false, ""), 4, "{}", 0), "5");
    }

    #[test]
    fn a_missing_total_needs_another_end() {
        assert_eq!(after(&plan(0, "total", None, true, ""), 0, r#"{"data": [1]}"#, 1), "1");
        assert_eq!(
            after(&plan(0, "total", None, false, ""), 0, r#"{"data": [1]}"#, 1),
            "`total` is missing from the page, which has `data`"
        );
        assert_eq!(
            after(&plan(0, "total", None, true, ""), 0, r#"{"total": "many"}"#, 1),
            "`total` is \"many\", which is not a number of pages"
        );
    }

    #[test]
    fn the_flag_can_only_stop() {
        let with_flag = plan(1, "last", None, true, "more");
        assert_eq!(after(&with_flag, 1, r#"{"last": 9, "more": true}"#, 1), "2");
        assert_eq!(after(&with_flag, 1, r#"{"last": 9, "more": false}"#, 1), "Done");
        assert_eq!(after(&with_flag, 9, r#"{"last": 9, "more": true}"#, 1), "Done");
        assert_eq!(
            after(&with_flag, 1, r#"{"last": 9}"#, 1),
            "`more` is missing from the page, which has `last`"
        );
    }

    #[test]
    fn the_maximum_is_a_cap_unless_the_api_is_at_its_end() {
        let capped = plan(0, "", Some(2), true, "");
        assert_eq!(after(&capped, 0, "{}", 1), "1");
        assert_eq!(after(&capped, 1, "{}", 1), "Capped");
        assert_eq!(after(&plan(0, "total", Some(2), true, ""), 1, r#"{"total": 2}"#, 1), "Done");
        assert_eq!(after(&plan(0, "", Some(2), true, "more"), 1, r#"{"more": false}"#, 1), "Done");
    }

    #[test]
    fn a_token_is_not_a_page_number() {
        let page = Page::parse(b"{}").unwrap();
        let error = plan(0, "", None, true, "").advance(&PageCursor::Token(json!("x")), &page, 1, 1);
        assert!(matches!(error, Err(PaginateError::ForeignCursor { .. })));
    }

    proptest! {
        #[test]
        fn every_row_comes_exactly_once(
            total in 0_u64..200, page_size in 1_u64..30, base in 0_u64..2, signal in 0..3,
        ) {
            let plan = match signal {
                0 => plan(base, "pages", None, false, ""),
                1 => plan(base, "", None, false, "more"),
                _ => plan(base, "", None, true, ""),
            };
            let (mut cursor, mut read, mut pages) = (PageCursor::Start, Vec::<u64>::new(), 0);
            loop {
                let mut asked = request(&[], None);
                plan.apply(&cursor, &mut asked);
                let start = (asked.params[0].1.parse::<u64>().unwrap() - base) * page_size;
                let rows: Vec<u64> = (start..total.min(start + page_size)).collect();
                let body = json!({"pages": total.div_ceil(page_size), "more": start + page_size < total});
                pages += 1;
                read.extend(&rows);
                let body = body.to_string();
                let page = Page::parse(body.as_bytes()).unwrap();
                match plan.advance(&cursor, &page, rows.len(), pages).unwrap() {
                    Next::Page(next) => cursor = next,
                    next => {
                        prop_assert_eq!(next, Next::Done);
                        break;
                    }
                }
            }
            prop_assert_eq!(read, (0..total).collect::<Vec<_>>());
        }
    }
}
