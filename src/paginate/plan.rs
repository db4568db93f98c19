//! The two questions of a pagination, answered by kind: what is asked for a cursor, and what follows an answer.

use std::borrow::Cow;

use serde_json::Value;

use super::range::{OffsetRule, RangeRule};
use super::{
    Advance, Detected, Doubt, Next, PageCursor, PageMark, PaginateError, PaginatorKind, PaginatorPlan,
    Received, auto, cursor, link, signal,
};
use crate::http::Request;

/// Pages without rows in a row after which a pagination is given up: an API that filters may well have some, one that
/// leads nowhere has no end.
const MAX_EMPTY_PAGES: u64 = 1000;

impl PaginatorPlan {
    /// The plan with what was found out in place of [`PaginatorKind::Auto`].
    pub fn with_detected<'a>(&'a self, detected: Option<&Detected>) -> Cow<'a, Self> {
        match (&self.kind, detected) {
            (PaginatorKind::Auto, Some(detected)) => {
                Cow::Owned(Self { kind: detected.kind.clone(), ..self.clone() })
            }
            _ => Cow::Borrowed(self),
        }
    }

    /// Writes `cursor` into `request`, in place of what was there under that name.
    pub fn apply(&self, cursor: &PageCursor, request: &mut Request) {
        match &self.kind {
            PaginatorKind::Auto | PaginatorKind::SinglePage | PaginatorKind::Latest { .. } => {}
            PaginatorKind::Cursor { target, .. } => {
                if let PageCursor::Token(value) = cursor {
                    target.write(value.clone(), request);
                }
            }
            PaginatorKind::Offset { offset, limit, target, limit_target, .. } => {
                target.write(number(cursor, *offset), request);
                limit_target.write(Value::from(*limit), request);
            }
            PaginatorKind::PageNumber { page, target, page_size, .. } => {
                target.write(number(cursor, *page), request);
                if let Some((target, size)) = page_size {
                    target.write(Value::from(*size), request);
                }
            }
            PaginatorKind::JsonLink { keep_params, .. } | PaginatorKind::HeaderLink { keep_params, .. } => {
                if let PageCursor::Url(address) = cursor {
                    link::apply(address, *keep_params, request);
                }
            }
        }
    }

    /// What follows an answer that was asked for with `cursor`.
    ///
    /// # Errors
    /// The answer does not say what the plan says it does, or contradicts itself: going on would repeat or skip rows.
    pub fn advance(&self, cursor: &PageCursor, received: &Received<'_>) -> Result<Advance, PaginateError> {
        if let Some(detected) = received.detected {
            detected.verify(received)?;
        }
        if self.kind == PaginatorKind::Auto {
            let (kind, doubt) = auto::detect(received);
            let plan = Self { kind, ..self.clone() };
            let next = match doubt {
                Some(doubt) => Next::Doubtful(doubt),
                None => plan.next(cursor, received)?,
            };
            let (rows, ids) = (received.fingerprint(), received.fingerprint_of_ids());
            let mark = PageMark::of(&plan.kind, received, plan.total_rows(received));
            let detected = Some(Detected { kind: plan.kind, rows, ids });
            return Ok(Advance { next, detected, mark, doubt: None });
        }
        let mark = PageMark::of(&self.kind, received, self.total_rows(received));
        let doubt = match (&mark, received.page_before) {
            (Some(mark), Some(before)) => mark.after(before, received)?,
            _ => None,
        };
        Ok(Advance { next: self.next(cursor, received)?, detected: None, mark, doubt })
    }

    fn next(&self, asked: &PageCursor, received: &Received<'_>) -> Result<Next, PaginateError> {
        let next = match &self.kind {
            PaginatorKind::Auto | PaginatorKind::SinglePage => Next::Done,
            PaginatorKind::Latest { most } if received.row_count >= *most => {
                Next::Doubtful(Doubt::FullWindow { rows: received.row_count })
            }
            PaginatorKind::Latest { .. } => Next::Done,
            PaginatorKind::Cursor { source, target, has_more_path, stop_after_empty_page } => {
                let has_more_path = has_more_path.as_ref();
                let stop_after_empty_page = *stop_after_empty_page;
                let rule = cursor::CursorRule { source, target, has_more_path, stop_after_empty_page };
                rule.next(asked, received)?
            }
            PaginatorKind::Offset { offset, limit, step, limit_target, end, .. } => {
                let rule = OffsetRule { limit: *limit, step: *step, limit_target };
                RangeRule { base: 0, first: *offset, offset: Some(rule), end }.next(asked, received)?
            }
            PaginatorKind::PageNumber { base_page, page, end, .. } => {
                RangeRule { base: *base_page, first: *page, offset: None, end }.next(asked, received)?
            }
            PaginatorKind::JsonLink { next_url_path, has_more_path, .. } => {
                link::after_body(asked, received, next_url_path, has_more_path.as_ref())?
            }
            PaginatorKind::HeaderLink { links_next_key, .. } => {
                link::after_header(asked, received, links_next_key)?
            }
        };
        match next {
            Next::Page(_) if received.page_count >= self.max_pages => Ok(Next::Capped),
            Next::Page(_) if received.row_count == 0 && received.before.empty_run + 1 >= MAX_EMPTY_PAGES => {
                Err(PaginateError::OnlyEmptyPages { count: MAX_EMPTY_PAGES })
            }
            next => Ok(next),
        }
    }

    /// The token that an answer gives for the page after it, whether or not there is one: what the next run of an
    /// API that is read by its own cursor starts from. `None` if it gives none, or if pages have no tokens.
    ///
    /// # Errors
    /// There is a value that cannot be a token.
    pub fn token(&self, received: &Received<'_>) -> Result<Option<PageCursor>, PaginateError> {
        match &self.kind {
            PaginatorKind::Cursor { source, target, .. } => cursor::token(received, source, target),
            _ => Ok(None),
        }
    }

    /// How many rows there are in all, if the API reports it: where the config says, else at the total of an offset.
    /// Rows before the offset that the config begins with do not count; how many there are before a page is not known.
    pub fn total_rows(&self, received: &Received<'_>) -> Option<u64> {
        let before = match &self.kind {
            PaginatorKind::Offset { offset, .. } => *offset,
            PaginatorKind::PageNumber { base_page, page, .. } if page > base_page => return None,
            _ => 0,
        };
        let total = match (&self.total_rows_path, &self.kind) {
            (Some(path), _) => signal::rows(received.page, path),
            (None, PaginatorKind::Offset { end, .. }) => match (&end.total_header, &end.total_path) {
                (Some(header), _) => signal::total_in_header(received.headers, header).ok()?,
                (None, Some(total)) => signal::rows(received.page, &total.path),
                (None, None) => None,
            },
            (None, _) => None,
        };
        Some(total?.saturating_sub(before))
    }

    /// Where an answer has what leads to the next page, for messages.
    pub fn next_place(&self) -> String {
        match &self.kind {
            PaginatorKind::Cursor { source, .. } => source.to_string(),
            PaginatorKind::JsonLink { next_url_path, .. } => next_url_path.to_string(),
            PaginatorKind::HeaderLink { .. } => "Link".to_owned(),
            _ => "next".to_owned(),
        }
    }

    /// What stops a pagination before its end, as it stands in the config: `max_pages = 100`.
    pub fn cap(&self) -> String {
        let maximum = match &self.kind {
            PaginatorKind::Offset { end, .. } => end.maximum.map(|maximum| ("maximum_offset", maximum)),
            PaginatorKind::PageNumber { end, .. } => end.maximum.map(|maximum| ("maximum_page", maximum)),
            _ => None,
        };
        let (key, value) = maximum.unwrap_or(("max_pages", self.max_pages));
        format!("{key} = {value}")
    }
}

fn number(cursor: &PageCursor, first: u64) -> Value {
    match cursor {
        PageCursor::Token(value) => value.clone(),
        PageCursor::Number(number) => Value::from(*number),
        PageCursor::Start | PageCursor::Url(_) => Value::from(first),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::super::received::tests::Answer;
    use super::super::{CursorSource, Target};
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
            let total = Answer::new(body).with(|received| single_page("meta.total").total_rows(received));
            assert_eq!(total, expected, "{body}");
        };
        check(r#"{"meta": {"total": 48211}}"#, Some(48211));
        check(r#"{"meta": {"total": "12"}}"#, Some(12));
        check(r#"{"meta": {"total": null}}"#, None);
        check(r#"{"meta": {"total": -1}}"#, None);
        check("{}", None);
    }

    #[test]
    fn a_single_page_is_all_whatever_it_says() {
        let answer = Answer::new(r#"{"has_more": true, "next": "x"}"#).rows(9);
        assert_eq!(answer.next(&single_page("total"), &PageCursor::Start).unwrap(), Next::Done);
    }

    #[test]
    fn a_full_page_of_the_latest_rows_may_not_be_all() {
        let latest = PaginatorPlan { kind: PaginatorKind::Latest { most: 200 }, ..single_page("total") };
        let next = |rows: u64| Answer::new("{}").rows(rows).next(&latest, &PageCursor::Start).unwrap();
        assert_eq!((next(0), next(199)), (Next::Done, Next::Done));
        assert_eq!(next(200), Next::Doubtful(Doubt::FullWindow { rows: 200 }));
    }

    fn by_token() -> PaginatorPlan {
        let kind = PaginatorKind::Cursor {
            source: CursorSource::Path("next".parse().unwrap()),
            target: Target::Param("cursor".to_owned()),
            has_more_path: None,
            stop_after_empty_page: false,
        };
        PaginatorPlan { kind, max_pages: 2, total_rows_path: None }
    }

    #[test]
    fn the_page_cap_counts_only_if_there_is_more() {
        let advance = |body: &str, page_count: u64| {
            Answer::new(body).rows(1).page(page_count).next(&by_token(), &PageCursor::Start).unwrap()
        };
        assert_eq!(advance(r#"{"next": "b"}"#, 1), Next::Page(PageCursor::Token("b".into())));
        assert_eq!(advance(r#"{"next": "b"}"#, 2), Next::Capped);
        assert_eq!(advance(r#"{"next": null}"#, 2), Next::Done);
    }

    #[test]
    fn empty_pages_are_followed_but_not_for_ever() {
        let after = |empty_before: u64| {
            let mut answer = Answer::new(r#"{"next": "b"}"#);
            answer.before.empty_run = empty_before;
            answer.next(&by_token(), &PageCursor::Start)
        };
        assert!(matches!(after(MAX_EMPTY_PAGES - 2), Ok(Next::Page(_))));
        assert!(matches!(after(MAX_EMPTY_PAGES - 1), Err(PaginateError::OnlyEmptyPages { .. })));
    }
}
