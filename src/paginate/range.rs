//! Pages by number: page numbers, and offsets.

use super::error::shorten;
use super::{
    AfterEmptyPage, Doubt, Next, PageCursor, PaginateError, RangeEnd, Received, Step, Target, signal,
};
use crate::page::JsonPath;

/// The parts of a paginator by numbers that decide what follows a page.
pub(super) struct RangeRule<'a> {
    /// Number that totals count from.
    pub(super) base: u64,
    /// Number of the page that is read first.
    pub(super) first: u64,
    /// Rows asked for at a time, and how offsets move; `None` for page numbers.
    pub(super) offset: Option<OffsetRule<'a>>,
    pub(super) end: &'a RangeEnd,
}

/// What is true of offsets only.
pub(super) struct OffsetRule<'a> {
    pub(super) limit: u64,
    pub(super) step: Step,
    pub(super) limit_target: &'a Target,
}

/// A total, and where it was.
struct Total<'a> {
    place: &'a str,
    number: u64,
}

impl RangeRule<'_> {
    /// dlt's range rule, each step in its order, with these differences: a total or flag that is missing is an error
    /// only if nothing else can end the pagination; a flag that promises more is kept after an empty page, and noted
    /// after the last page; to end at the maximum while nothing says that this was all is a cap; and rows that may
    /// have been skipped, because pages were shorter than the step, are noted.
    pub(super) fn next(&self, asked: &PageCursor, received: &Received<'_>) -> Result<Next, PaginateError> {
        let number = self.number(asked)?;
        let more = self.more(received)?;
        if received.row_count == 0 && self.ends_empty(more) {
            return Ok(self.end_at_empty_page(number, received));
        }
        let total = self.total(received, more)?;
        let next = number.saturating_add(self.step(received, more)?);
        if more == Some(false) {
            return Ok(self.end(total.as_ref(), received));
        }
        if let Some(total) = &total
            && next >= total.number.saturating_add(self.base)
        {
            return Ok(match (&self.end.has_more_path, more) {
                (Some(path), Some(true)) => Next::Doubtful(Doubt::SaysMore { path: path.to_string() }),
                _ => self.end(Some(total), received),
            });
        }
        if self.end.maximum.is_some_and(|maximum| next >= maximum) {
            return Ok(Next::Capped);
        }
        self.check_limit(received)?;
        Ok(Next::Page(PageCursor::Number(next)))
    }

    fn ends_empty(&self, more: Option<bool>) -> bool {
        match self.end.after_empty_page {
            AfterEmptyPage::Stop => true,
            AfterEmptyPage::StopUnlessMore => more != Some(true),
            AfterEmptyPage::GoOn => false,
        }
    }

    /// dlt does not look at the total here; it can only add a doubt.
    fn end_at_empty_page(&self, number: u64, received: &Received<'_>) -> Next {
        let total = self.read_total(received).ok().flatten().filter(|_| self.is_total_configured());
        match total {
            // A list without rows often has one page.
            Some(Total { number: 0 | 1, .. }) if self.offset.is_none() => Next::Done,
            Some(total) if number < total.number.saturating_add(self.base) => {
                Next::Doubtful(Doubt::EmptyPage { path: total.place.to_owned(), total: total.number })
            }
            total => self.end(total.as_ref(), received),
        }
    }

    /// The end as the API tells it. With a fixed step, pages that were not full may have cost rows, unless all rows of
    /// the total came. The last page with rows may be short; if it is the only one, it may also be as long as the API
    /// allows, which nothing but its length can tell.
    fn end(&self, total: Option<&Total<'_>>, received: &Received<'_>) -> Next {
        let Some(OffsetRule { limit, step: Step::Limit, .. }) = &self.offset else { return Next::Done };
        let mut tally = received.before;
        tally.add(received.row_count);
        let is_doubtful = match total {
            Some(total) => tally.rows.saturating_add(self.first) < total.number,
            None => {
                let is_short = |rows: u64| rows < *limit;
                let ended_empty = tally.empty_run > 0;
                tally.smallest_before_last().is_some_and(is_short)
                    || (ended_empty
                        && tally.only().is_some_and(|rows| is_short(rows) && signal::is_full(rows)))
            }
        };
        if is_doubtful { Next::Doubtful(Doubt::ShortPages { limit: *limit }) } else { Next::Done }
    }

    fn step(&self, received: &Received<'_>, more: Option<bool>) -> Result<u64, PaginateError> {
        match &self.offset {
            None => Ok(1),
            Some(OffsetRule { step: Step::Limit, limit, .. }) => Ok(*limit),
            Some(OffsetRule { step: Step::Rows, .. }) if received.row_count > 0 => Ok(received.row_count),
            Some(OffsetRule { step: Step::Rows, .. }) if more == Some(false) => Ok(0),
            Some(_) => {
                let path = self
                    .end
                    .has_more_path
                    .as_ref()
                    .map_or_else(|| "nothing ends it".to_owned(), ToString::to_string);
                Err(PaginateError::EmptyWithMore { has_more_path: path })
            }
        }
    }

    /// An answer that repeats the limit it was asked with, but a lower one, proves that the next offset skips rows.
    fn check_limit(&self, received: &Received<'_>) -> Result<(), PaginateError> {
        let Some(OffsetRule { limit, step: Step::Limit, limit_target }) = &self.offset else { return Ok(()) };
        if received.row_count >= *limit {
            return Ok(());
        }
        let name = limit_target.field();
        let beside_total = self.end.total_path.as_ref().and_then(|total| total.path.parent());
        let beside_total = beside_total.map(|(above, _)| above.to_string());
        for above in beside_total.as_deref().into_iter().chain(["$", "meta", "pagination", "meta.pagination"])
        {
            let Ok(path) = format!("{above}['{name}']").parse::<JsonPath>() else { continue };
            if let Ok(Some(cap)) = signal::total(received.page, &path)
                && cap == received.row_count
            {
                return Err(PaginateError::LimitCapped {
                    path: path.to_string(),
                    cap: received.row_count,
                    limit: *limit,
                });
            }
        }
        Ok(())
    }

    fn more(&self, received: &Received<'_>) -> Result<Option<bool>, PaginateError> {
        let Some(path) = &self.end.has_more_path else { return Ok(None) };
        let more = signal::has_more_if_told(received.page, path)?;
        let ends_otherwise = self.end.after_empty_page != AfterEmptyPage::GoOn
            || self.end.maximum.is_some()
            || self.end.total_path.is_some()
            || self.end.total_header.is_some();
        match more {
            None if !ends_otherwise => Err(signal::missing(received.page, path)),
            more => Ok(more),
        }
    }

    fn is_total_configured(&self) -> bool {
        self.end.total_header.is_some()
            || self.end.total_path.as_ref().is_some_and(|total| total.is_configured)
    }

    fn total<'s>(
        &'s self,
        received: &Received<'_>,
        more: Option<bool>,
    ) -> Result<Option<Total<'s>>, PaginateError> {
        let total = match self.read_total(received) {
            Err(_) if !self.is_total_configured() => None,
            total => total?,
        };
        let ends_otherwise =
            self.end.after_empty_page != AfterEmptyPage::GoOn || self.end.maximum.is_some() || more.is_some();
        match (&self.end.total_header, &self.end.total_path) {
            _ if total.is_some() || ends_otherwise => Ok(total),
            (Some(header), _) => Err(PaginateError::MissingHeader { name: header.clone() }),
            (None, Some(missing)) => Err(signal::missing(received.page, &missing.path)),
            (None, None) => Ok(total),
        }
    }

    fn read_total<'s>(&'s self, received: &Received<'_>) -> Result<Option<Total<'s>>, PaginateError> {
        let (number, place) = match (&self.end.total_header, &self.end.total_path) {
            (Some(header), _) => (signal::total_in_header(received.headers, header)?, header.as_str()),
            (None, Some(total)) => (signal::total(received.page, &total.path)?, total.path.as_str()),
            (None, None) => return Ok(None),
        };
        Ok(number.map(|number| Total { place, number }))
    }

    fn number(&self, asked: &PageCursor) -> Result<u64, PaginateError> {
        match asked {
            PageCursor::Start => Ok(self.first),
            PageCursor::Number(number) => Ok(*number),
            PageCursor::Token(token) => {
                Err(PaginateError::ForeignCursor { found: shorten(&token.to_string()) })
            }
            PageCursor::Url(_) => Err(PaginateError::ForeignCursor { found: "an address".to_owned() }),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::received::tests::Answer;
    use super::super::target::tests::request;
    use super::super::{PaginatorKind, PaginatorPlan, TotalPath};
    use super::*;

    fn path(text: &str) -> Option<JsonPath> {
        (!text.is_empty()).then(|| text.parse().unwrap())
    }

    fn plan(base_page: u64, total: &str, maximum_page: Option<u64>, stop: bool, more: &str) -> PaginatorPlan {
        let end = RangeEnd {
            total_path: path(total).map(|path| TotalPath { path, is_configured: true }),
            total_header: None,
            maximum: maximum_page,
            after_empty_page: if stop { AfterEmptyPage::Stop } else { AfterEmptyPage::GoOn },
            has_more_path: path(more),
        };
        let target = Target::Param("page".to_owned());
        let kind = PaginatorKind::PageNumber { base_page, page: base_page, target, page_size: None, end };
        PaginatorPlan { kind, max_pages: u64::MAX, total_rows_path: None }
    }

    fn after(plan: &PaginatorPlan, number: u64, body: &str, row_count: u64) -> String {
        match Answer::new(body).rows(row_count).next(plan, &PageCursor::Number(number)) {
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
            "`total` is \"many\", which is not a number"
        );
    }

    #[test]
    fn the_flag_can_only_stop() {
        let with_flag = plan(1, "last", None, true, "more");
        assert_eq!(after(&with_flag, 1, r#"{"last": 9, "more": true}"#, 1), "2");
        assert_eq!(after(&with_flag, 1, r#"{"last": 9, "more": false}"#, 1), "Done");
        assert_eq!(
            after(&with_flag, 9, r#"{"last": 9, "more": true}"#, 1),
            "Doubtful(SaysMore { path: \"more\" })"
        );
        assert_eq!(after(&with_flag, 1, r#"{"last": 9}"#, 1), "2");
        assert_eq!(
            after(&plan(1, "", None, false, "more"), 1, r#"{"last": 9}"#, 1),
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

    /// `keys` of an offset with a limit of 3: `total`, `more`, `rows`, `go on`, `max N`.
    fn offset(keys: &[&str]) -> PaginatorPlan {
        let has = |key: &str| keys.contains(&key);
        let end = RangeEnd {
            total_path: path("total").map(|path| TotalPath { path, is_configured: has("total") }),
            total_header: None,
            maximum: keys.iter().find_map(|key| key.strip_prefix("max ")?.parse().ok()),
            after_empty_page: match (has("go on"), has("more")) {
                (true, _) => AfterEmptyPage::GoOn,
                (false, true) => AfterEmptyPage::StopUnlessMore,
                (false, false) => AfterEmptyPage::Stop,
            },
            has_more_path: has("more").then(|| "more".parse().unwrap()),
        };
        let kind = PaginatorKind::Offset {
            offset: 0,
            limit: 3,
            step: if has("rows") { Step::Rows } else { Step::Limit },
            target: Target::Param("offset".to_owned()),
            limit_target: Target::Param("page[limit]".to_owned()),
            end,
        };
        PaginatorPlan { kind, max_pages: u64::MAX, total_rows_path: None }
    }

    fn at(keys: &[&str], number: u64, before: &[u64], body: &str, row_count: u64) -> String {
        let mut answer = Answer { row_count, ..Answer::new(body) };
        before.iter().for_each(|rows| answer.before.add(*rows));
        match answer.next(&offset(keys), &PageCursor::Number(number)) {
            Ok(Next::Page(PageCursor::Number(number))) => number.to_string(),
            Ok(next) => format!("{next:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn offsets_follow_the_same_rule() {
        // Total, as in dlt: on the boundary it is the end.
        assert_eq!(at(&["total"], 0, &[], r#"{"total": 6}"#, 3), "3");
        assert_eq!(at(&["total"], 3, &[3], r#"{"total": 6}"#, 3), "Done");
        assert_eq!(at(&["total"], 3, &[3], r#"{"total": 7}"#, 3), "6");
        // dlt's default: of use if it is there, and no error if not.
        assert_eq!(at(&[], 3, &[3], r#"{"total": 6}"#, 3), "Done");
        assert_eq!(at(&[], 3, &[3], r#"{"total": {"value": 6}}"#, 3), "6");
        assert_eq!(at(&["total"], 3, &[3], r#"{"total": {}}"#, 3), "`total` is {}, which is not a number");
        assert_eq!(
            at(&["total", "go on"], 3, &[3], "{}", 3),
            "`total` is missing from the page, which has no fields"
        );
        // Empty pages.
        assert_eq!(at(&[], 6, &[3, 3], "{}", 0), "Done");
        assert_eq!(at(&["total"], 6, &[3, 3], r#"{"total": 6}"#, 0), "Done");
        assert_eq!(
            at(&["total"], 3, &[3], r#"{"total": 9}"#, 0),
            "Doubtful(EmptyPage { path: \"total\", total: 9 })"
        );
        assert_eq!(at(&["more"], 3, &[3], r#"{"more": true}"#, 0), "6");
        assert_eq!(at(&["more"], 3, &[3], r#"{"more": false}"#, 0), "Done");
        assert_eq!(at(&["total", "go on"], 3, &[3], r#"{"total": 9}"#, 0), "6");
        // The maximum: offsets 0 and 3, as in dlt, and a word if there is more.
        assert_eq!(at(&["max 5"], 0, &[], "{}", 3), "3");
        assert_eq!(at(&["max 5"], 3, &[3], "{}", 3), "Capped");
        assert_eq!(at(&["max 5"], 3, &[3], r#"{"total": 6}"#, 3), "Done");
        // By rows.
        assert_eq!(at(&["rows"], 3, &[3], "{}", 2), "5");
        assert_eq!(at(&["rows", "more"], 3, &[3], r#"{"more": false}"#, 0), "Done");
        let stuck = "the API says there is more (`more`) but gave no rows to go on from";
        assert_eq!(at(&["rows", "more"], 3, &[3], r#"{"more": true}"#, 0), stuck);
    }

    #[test]
    fn short_pages_before_the_last_are_doubted() {
        let doubt = "Doubtful(ShortPages { limit: 3 })";
        assert_eq!(at(&[], 6, &[2, 2], "{}", 0), doubt);
        assert_eq!(at(&["more"], 3, &[2], r#"{"more": false}"#, 3), doubt);
        assert_eq!(at(&["rows"], 6, &[2, 2], "{}", 0), "Done");
        assert_eq!(at(&[], 6, &[3, 3], "{}", 0), "Done");
        assert_eq!(at(&["total"], 3, &[3], r#"{"total": 5}"#, 2), "Done");
        // The last page with rows may be short. If there is no other, a usual number of rows is suspicious.
        assert_eq!(at(&[], 6, &[3, 2], "{}", 0), "Done");
        assert_eq!(at(&[], 3, &[2], "{}", 0), "Done");
        assert_eq!(at(&["total"], 3, &[2], r#"{"total": 6}"#, 3), doubt);
        // The total came all the same.
        assert_eq!(at(&["total"], 3, &[2], r#"{"total": 5}"#, 3), "Done");
    }

    #[test]
    fn a_lower_limit_in_the_answer_proves_that_rows_are_skipped() {
        let capped =
            "the API caps a page at 2 rows (`meta['limit']`), so that steps of 3 rows would skip some";
        assert_eq!(at(&[], 0, &[], r#"{"meta": {"limit": 2}}"#, 2), capped);
        assert_eq!(at(&["rows"], 0, &[], r#"{"meta": {"limit": 2}}"#, 2), "2");
        assert_eq!(at(&[], 0, &[], r#"{"meta": {"limit": 3}}"#, 2), "3");
        assert_eq!(at(&["total"], 0, &[], r#"{"limit": 2, "total": 2}"#, 2), "Done");
    }

    #[test]
    fn a_token_is_not_a_page_number() {
        let error =
            Answer::new("{}").rows(1).next(&plan(0, "", None, true, ""), &PageCursor::Token(json!("x")));
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
                match Answer::new(&body).rows(rows.len() as u64).page(pages).next(&plan, &cursor).unwrap() {
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
