//! Whole paginations against an API in memory, whose rows may change on the way.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::received::tests::Answer;
use super::target::tests::request;
use super::{
    AfterEmptyPage, CursorSource, Next, PageCursor, PaginatorKind, PaginatorPlan, RangeEnd, Step, Tally,
    Target, TotalPath,
};
use crate::http::Request;

fn plan(kind: PaginatorKind) -> PaginatorPlan {
    PaginatorPlan { kind, max_pages: 10_000, total_rows_path: None }
}

fn param(name: &str) -> Target {
    Target::Param(name.to_owned())
}

/// The number of a parameter, in the URL or beside it.
fn number(request: &Request, name: &str) -> Option<u64> {
    let in_url = request.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let beside = request.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    beside.or(in_url).map(|text| text.parse().unwrap())
}

/// Goes through all pages: the rows that came, and how it ended. `serve` gives the rows of a request and the fields
/// beside them.
fn walk(plan: &PaginatorPlan, mut serve: impl FnMut(&Request) -> (Vec<u64>, Value)) -> (Vec<u64>, Next) {
    let (mut cursor, mut read, mut page_count) = (PageCursor::Start, Vec::new(), 0);
    let mut before = Tally::default();
    loop {
        let mut asked = request(&[], None);
        plan.apply(&cursor, &mut asked);
        let (rows, body) = serve(&asked);
        page_count += 1;
        let listed: Vec<Value> = rows.iter().map(|id| json!({ "id": id })).collect();
        let mut url = asked.url.clone();
        if !asked.params.is_empty() {
            url.query_pairs_mut().extend_pairs(&asked.params);
        }
        let answer = Answer {
            before,
            page_count,
            url,
            ..Answer::new(&body.to_string()).with_rows(&Value::from(listed).to_string())
        };
        before.add(rows.len() as u64);
        read.extend(rows);
        match answer.next(plan, &cursor).unwrap() {
            Next::Page(next) => cursor = next,
            next => return (read, next),
        }
    }
}

fn end(total: bool, more: bool) -> RangeEnd {
    RangeEnd {
        total_header: None,
        total_path: total.then(|| TotalPath { path: "total".parse().unwrap(), is_configured: true }),
        maximum: None,
        after_empty_page: if more { AfterEmptyPage::StopUnlessMore } else { AfterEmptyPage::Stop },
        has_more_path: more.then(|| "more".parse().unwrap()),
    }
}

/// What is at `from` and after, at most `size` rows.
fn page(rows: &[u64], from: u64, size: u64) -> Vec<u64> {
    rows.iter().copied().skip(usize::try_from(from).unwrap()).take(usize::try_from(size).unwrap()).collect()
}

fn last_row(flag: bool) -> PaginatorKind {
    PaginatorKind::Cursor {
        source: CursorSource::LastRow("id".parse().unwrap()),
        target: param("starting_after"),
        has_more_path: flag.then(|| "more".parse().unwrap()),
        stop_after_empty_page: !flag,
    }
}

proptest! {
    /// Rows that were there all the time come once; those that came or went on the way, at most once.
    #[test]
    fn keyset_cursors_hold_while_rows_come_and_go(
        first in proptest::collection::btree_set(1_u64..500, 0..80),
        changes in proptest::collection::vec((1_u64..500, any::<bool>()), 0..60),
        size in 1_u64..12, flag: bool, in_body: bool,
    ) {
        let plan = plan(if in_body {
            PaginatorKind::Cursor {
                source: CursorSource::Path("end".parse().unwrap()),
                target: param("starting_after"),
                has_more_path: flag.then(|| "more".parse().unwrap()),
                stop_after_empty_page: false,
            }
        } else {
            last_row(flag)
        });
        let (mut rows, mut kept) = (first.clone(), first.clone());
        let mut changes = changes.into_iter();
        let (read, next) = walk(&plan, |asked| {
            let after = number(asked, "starting_after").unwrap_or(0);
            let found: Vec<u64> = rows.range(after + 1..).copied().take(usize::try_from(size).unwrap()).collect();
            let more = found.last().is_some_and(|last| rows.range(last + 1..).next().is_some());
            let end = found.last().filter(|_| more);
            let body = json!({"more": more, "end": end});
            for (id, is_new) in changes.by_ref().take(3) {
                // A cursor whose own row is gone still has its place in the order.
                if is_new { rows.insert(id); } else { rows.remove(&id); kept.remove(&id); }
            }
            (found, body)
        });
        prop_assert_eq!(next, Next::Done);
        let once: std::collections::BTreeSet<u64> = read.iter().copied().collect();
        prop_assert_eq!(once.len(), read.len());
        prop_assert!(kept.is_subset(&once));
    }

    /// Numbers hold while rows are added at the end, whatever ends them.
    #[test]
    fn numbers_hold_while_rows_are_added_at_the_end(
        total in 0_u64..120, grows in 0_u64..5, size in 1_u64..20, kind in 0..4, signal in 0..3, base in 0_u64..3,
    ) {
        let (by_total, by_flag) = (signal == 0, signal == 1);
        let step = if kind == 0 { Step::Rows } else { Step::Limit };
        let end = end(by_total, by_flag);
        let plan = plan(match kind {
            0 | 1 => PaginatorKind::Offset {
                offset: 0, limit: size, step, target: param("at"), limit_target: param("limit"), end,
            },
            _ => PaginatorKind::PageNumber {
                base_page: base, page: base, target: param("at"), page_size: Some((param("limit"), size)), end,
            },
        });
        let mut rows: Vec<u64> = (1..=total).collect();
        let mut left = 12_u64;
        let (read, next) = walk(&plan, |asked| {
            let (at, limit) = (number(asked, "at").unwrap(), number(asked, "limit").unwrap());
            let from = if kind < 2 { at } else { (at - base) * limit };
            let count = rows.len() as u64;
            let found = page(&rows, from, limit);
            let pages = if kind < 2 { count } else { count.div_ceil(limit) };
            let body = json!({"total": pages, "more": from + limit < count});
            // Some arrive, but not for ever: who is faster than the reader is never read to the end.
            let new = grows.min(left).min(size.saturating_sub(1));
            left -= new;
            rows.extend(count + 1..=count + new);
            (found, body)
        });
        // A page that was the last and grew after it was read hides what it grew by: those rows are of the next run.
        prop_assert!(read.is_sorted_by(|one, next| one < next), "{:?}", read);
        prop_assert_eq!(&read[..rows.len().min(usize::try_from(total).unwrap())], &rows[..usize::try_from(total).unwrap()]);
        // Such a page is a short one before the last, and with offsets that is told; so is a list that is one short
        // page as long as servers like to cut them, where nothing counts.
        let may_be_cut = kind == 1 && signal == 2 && total < size;
        if (grows == 0 || step == Step::Rows || kind >= 2) && !may_be_cut {
            prop_assert_eq!(next, Next::Done);
        }
    }

    /// By rows, short pages lose nothing; by limit, what is lost is told.
    #[test]
    fn pages_shorter_than_the_limit_are_never_passed_over_in_silence(
        total in 0_u64..120, limit in 1_u64..20, cap in 1_u64..20, by_total: bool, by_rows: bool,
    ) {
        let step = if by_rows { Step::Rows } else { Step::Limit };
        let plan = plan(PaginatorKind::Offset {
            offset: 0, limit, step, target: param("at"), limit_target: param("limit"), end: end(by_total, false),
        });
        // One short page and an empty one are a list that is short, or a cap: nothing tells.
        prop_assume!(by_total || by_rows || cap >= limit || total > limit);
        let rows: Vec<u64> = (1..=total).collect();
        let (read, next) = walk(&plan, |asked| {
            let found = page(&rows, number(asked, "at").unwrap(), limit.min(cap));
            (found, json!({"total": total}))
        });
        match next {
            Next::Done => prop_assert_eq!(read.len() as u64, total),
            next => prop_assert!(!by_rows && matches!(next, Next::Doubtful(_)), "{:?}", next),
        }
    }

    /// Links lead through pages of any size, empty ones included.
    #[test]
    fn links_are_followed_through_empty_pages(sizes in proptest::collection::vec(0_u64..6, 1..40), keep: bool) {
        let kind = PaginatorKind::JsonLink {
            next_url_path: "links.next".parse().unwrap(), has_more_path: None, keep_params: keep,
        };
        let (read, next) = walk(&plan(kind), |asked| {
            let at = usize::try_from(number(asked, "page").unwrap_or(0)).unwrap();
            let before: u64 = sizes[..at].iter().sum();
            let link = (at + 1 < sizes.len()).then(|| format!("?page={}", at + 1));
            ((before + 1..=before + sizes[at]).collect(), json!({"links": {"next": link}}))
        });
        prop_assert_eq!(next, Next::Done);
        prop_assert_eq!(read, (1..=sizes.iter().sum::<u64>()).collect::<Vec<_>>());
    }
}
