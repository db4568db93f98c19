//! The two questions of a pagination, answered by kind: what is asked for a cursor, and what follows a page.

use serde_json::Value;

use super::{Next, PageCursor, PaginateError, PaginatorKind, PaginatorPlan, cursor, page_number};
use crate::http::Request;
use crate::page::Page;

impl PaginatorPlan {
    /// Writes `cursor` into `request`, in place of what was there under that name.
    pub fn apply(&self, cursor: &PageCursor, request: &mut Request) {
        let (target, value) = match (&self.kind, cursor) {
            (PaginatorKind::SinglePage, _) | (PaginatorKind::Cursor { .. }, PageCursor::Start) => return,
            (PaginatorKind::PageNumber { target, base_page, .. }, PageCursor::Start) => {
                (target, Value::from(*base_page))
            }
            (
                PaginatorKind::Cursor { target, .. } | PaginatorKind::PageNumber { target, .. },
                PageCursor::Token(value),
            ) => (target, value.clone()),
            (
                PaginatorKind::Cursor { target, .. } | PaginatorKind::PageNumber { target, .. },
                PageCursor::Number(number),
            ) => (target, Value::from(*number)),
        };
        target.write(value, request);
    }

    /// What follows `page`, which was asked for with `cursor` and had `row_count` rows. `page_count` is the number
    /// of pages read in this pagination, this one included.
    ///
    /// # Errors
    /// The page does not say what the plan says it does, or contradicts itself: going on would repeat or skip rows.
    pub fn advance(
        &self,
        cursor: &PageCursor,
        page: &Page<'_>,
        row_count: usize,
        page_count: u64,
    ) -> Result<Next, PaginateError> {
        let next = match &self.kind {
            PaginatorKind::SinglePage => Next::Done,
            PaginatorKind::Cursor { cursor_path, target, has_more_path, stop_after_empty_page } => {
                let rule = cursor::CursorRule {
                    cursor_path,
                    target,
                    has_more_path: has_more_path.as_ref(),
                    stop_after_empty_page: *stop_after_empty_page,
                };
                rule.next(cursor, page, row_count)?
            }
            PaginatorKind::PageNumber {
                base_page,
                total_path,
                maximum_page,
                stop_after_empty_page,
                has_more_path,
                ..
            } => {
                let rule = page_number::PageNumberRule {
                    base_page: *base_page,
                    total_path: total_path.as_ref(),
                    maximum_page: *maximum_page,
                    stop_after_empty_page: *stop_after_empty_page,
                    has_more_path: has_more_path.as_ref(),
                };
                rule.next(cursor, page, row_count)?
            }
        };
        match next {
            Next::Page(_) if page_count >= self.max_pages => Ok(Next::Capped),
            next => Ok(next),
        }
    }

    /// The token that `page` gives for the page after it, whether or not there is one: what the next run of an
    /// API that is read by its own cursor starts from. `None` if the page gives none, or if pages have no tokens.
    ///
    /// # Errors
    /// There is a value that cannot be a token.
    pub fn token(&self, page: &Page<'_>) -> Result<Option<PageCursor>, PaginateError> {
        match &self.kind {
            PaginatorKind::Cursor { cursor_path, target, .. } => cursor::token(page, cursor_path, target),
            PaginatorKind::PageNumber { .. } | PaginatorKind::SinglePage => Ok(None),
        }
    }

    /// How many rows there are in all, if the API reports it.
    pub fn total_rows(&self, page: &Page<'_>) -> Option<u64> {
        match page.value(self.total_rows_path.as_ref()?)? {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::super::Target;
    use super::*;

    fn single_page(total_rows_path: &str) -> PaginatorPlan {
        PaginatorPlan {
            kind: PaginatorKind::SinglePage,
            max_pages: 1,
            total_rows_path: Some(total_rows_path.parse().unwrap()),
        }
    }

    #[test]
    fn totals_are_read_as_numbers_and_texts() {
        let check = |body: &str, expected: Option<u64>| {
            let page = Page::parse(body.as_bytes()).unwrap();
            assert_eq!(single_page("meta.total").total_rows(&page), expected, "{body}");
        };
        check(r#"{"meta": {"total": 48211}}"#, Some(48211));
        check(r#"{"meta": {"total": "12"}}"#, Some(12));
        check(r#"{"meta": {"total": null}}"#, None);
        check(r#"{"meta": {"total": -1}}"#, None);
        check("{}", None);
    }

    #[test]
    fn a_single_page_is_all_whatever_it_says() {
        let page = Page::parse(br#"{"has_more": true, "next": "x"}"#).unwrap();
        let next = single_page("total").advance(&PageCursor::Start, &page, 9, 1).unwrap();
        assert_eq!(next, Next::Done);
    }

    #[test]
    fn the_page_cap_counts_only_if_there_is_more() {
        let mut plan = single_page("total");
        plan.max_pages = 2;
        plan.kind = PaginatorKind::Cursor {
            cursor_path: "next".parse().unwrap(),
            target: Target::Param("cursor".to_owned()),
            has_more_path: None,
            stop_after_empty_page: false,
        };
        let advance = |body: &str, page_count: u64| {
            let page = Page::parse(body.as_bytes()).unwrap();
            plan.advance(&PageCursor::Start, &page, 1, page_count).unwrap()
        };
        assert_eq!(advance(r#"{"next": "b"}"#, 1), Next::Page(PageCursor::Token("b".into())));
        assert_eq!(advance(r#"{"next": "b"}"#, 2), Next::Capped);
        assert_eq!(advance(r#"{"next": null}"#, 2), Next::Done);
    }
}
