//! Rows of numbered pages that come a second time: the number is not what the API goes by, or rows moved meanwhile.

use std::collections::HashSet;
use std::hash::BuildHasher;

use foldhash::quality::FixedState;

use super::{Doubt, PaginateError, PaginatorKind, Received};
use crate::page;

/// What is remembered of the page before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageMark {
    /// Hashes of its rows; empty if they are all the same, as rows without ids may be on any page.
    rows: Vec<u64>,
    /// How many rows the API said there are.
    total: Option<u64>,
}

impl PageMark {
    /// The mark of an answer of a paginator of that kind; `None` where the API itself leads from page to page, which
    /// keeps to its rows.
    pub(super) fn of(kind: &PaginatorKind, received: &Received<'_>, total: Option<u64>) -> Option<Self> {
        if !matches!(kind, PaginatorKind::Offset { .. } | PaginatorKind::PageNumber { .. }) {
            return None;
        }
        let rows = page::rows(received.rows).unwrap_or_default();
        let mut rows: Vec<u64> =
            rows.into_iter().map(|row| FixedState::default().hash_one(row.get())).collect();
        if rows.len() > 1 && rows.iter().all(|row| *row == rows[0]) {
            rows.clear();
        }
        Some(Self { rows, total })
    }

    /// Compares a page, the one that `received` is of, with the one before. A row that is met again tells something only
    /// if each has an id of its own: else it may be another one.
    ///
    /// # Errors
    /// It has the same rows: the API does not go by the number, or gives its last page for all beyond.
    pub(super) fn after(
        &self,
        before: &Self,
        received: &Received<'_>,
    ) -> Result<Option<Doubt>, PaginateError> {
        let number = received.page_count;
        if !self.rows.is_empty() && self.rows == before.rows {
            return Err(PaginateError::SamePage { number });
        }
        let known: HashSet<&u64> = before.rows.iter().collect();
        // Ids are looked for where it matters only: that takes all rows apart.
        if self.rows.iter().any(|row| known.contains(row)) && received.ids().is_some() {
            return Ok(Some(Doubt::Moved { page: number }));
        }
        Ok(match (before.total, self.total) {
            (Some(before), Some(total)) if total < before => Some(Doubt::Fewer { before, total }),
            _ => None,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::received::tests::Answer;
    use super::super::{AfterEmptyPage, RangeEnd, Target};
    use super::*;

    fn after(
        (rows, total): (&str, Option<u64>),
        before: (&str, Option<u64>),
    ) -> Result<Option<Doubt>, PaginateError> {
        let answer = Answer::new("{}").with_rows(rows).page(5);
        answer.with(|received| mark(rows, total).after(&mark(before.0, before.1), received))
    }

    fn mark(rows: &str, total: Option<u64>) -> PageMark {
        let kind = PaginatorKind::PageNumber {
            base_page: 0,
            page: 0,
            target: Target::Param("page".to_owned()),
            page_size: None,
            end: RangeEnd {
                total_path: None,
                total_header: None,
                maximum: None,
                after_empty_page: AfterEmptyPage::Stop,
                has_more_path: None,
            },
        };
        Answer::new("{}").with_rows(rows).with(|received| PageMark::of(&kind, received, total)).unwrap()
    }

    #[test]
    fn rows_that_come_again_are_noticed() {
        let check = |before: &str, rows: &str, expected: Result<Option<Doubt>, PaginateError>| {
            assert_eq!(after((rows, None), (before, None)), expected, "{before} {rows}");
        };
        let same = || Err(PaginateError::SamePage { number: 5 });
        let two = r#"[{"id": 1, "n": 1}, {"id": 2, "n": 1}]"#;
        check(two, two, same());
        // An id may be part of a key.
        check(two, r#"[{"id": 1, "n": 2}, {"id": 2, "n": 2}]"#, Ok(None));
        check(two, r#"[{"id": 2, "n": 1}, {"id": 3, "n": 1}]"#, Ok(Some(Doubt::Moved { page: 5 })));
        check(two, r#"[{"id": 3, "n": 1}, {"id": 4, "n": 1}]"#, Ok(None));
        check("[]", "[]", Ok(None));
        // Rows without ids may be the same as others.
        check(r#"[{"n": 1}, {"n": 2}]"#, r#"[{"n": 2}, {"n": 3}]"#, Ok(None));
        check(r#"[{"n": 1}, {"n": 2}]"#, r#"[{"n": 1}, {"n": 2}]"#, same());
        check(r#"[{"n": 0}, {"n": 0}]"#, r#"[{"n": 0}, {"n": 0}]"#, Ok(None));
        check(r#"[{"n": 1}]"#, r#"[{"n": 1}]"#, same());
    }

    #[test]
    fn a_total_that_falls_is_noticed() {
        let after = |before: Option<u64>, total: Option<u64>| after(("[2]", total), ("[1]", before)).unwrap();
        assert_eq!(after(Some(7), Some(6)), Some(Doubt::Fewer { before: 7, total: 6 }));
        for (before, total) in [(Some(7), Some(7)), (Some(7), Some(8)), (None, Some(1)), (Some(1), None)] {
            assert_eq!(after(before, total), None);
        }
    }
}
