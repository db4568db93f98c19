//! A token in each page leads to the next.

use serde_json::value::RawValue;
use serde_json::{Number, Value};

use super::error::shorten;
use super::{CursorSource, Next, PageCursor, PaginateError, Received, Target, link, signal};
use crate::page::{self, JsonPath, is_truthy};

/// The parts of a cursor paginator that decide what follows a page.
pub(super) struct CursorRule<'a> {
    pub(super) source: &'a CursorSource,
    pub(super) target: &'a Target,
    pub(super) has_more_path: Option<&'a JsonPath>,
    pub(super) stop_after_empty_page: bool,
}

impl CursorRule<'_> {
    /// Order as in dlt: empty page, flag, token. In dlt the flag can only stop; here it must also be kept when it
    /// promises more, or a broken token would end a load short of rows without a word.
    pub(super) fn next(&self, asked: &PageCursor, received: &Received<'_>) -> Result<Next, PaginateError> {
        if self.stop_after_empty_page && received.row_count == 0 {
            return Ok(Next::Done);
        }
        if let Some(path) = self.has_more_path
            && !signal::has_more(received.page, path)?
        {
            return Ok(Next::Done);
        }
        match (token(received, self.source, self.target)?, self.has_more_path) {
            (Some(next), _) if next == *asked => Err(PaginateError::Repeated {
                path: self.source.to_string(),
                found: found(received, self.source),
            }),
            (Some(next), _) => Ok(Next::Page(next)),
            (None, None) => Ok(self.without_token(asked, received)),
            (None, Some(path)) if self.is_last_row() && received.row_count == 0 => {
                Err(PaginateError::EmptyWithMore { has_more_path: path.to_string() })
            }
            (None, Some(has_more_path)) => Err(PaginateError::MoreWithoutCursor {
                has_more_path: has_more_path.to_string(),
                cursor_path: self.source.to_string(),
                found: found(received, self.source),
            }),
        }
    }

    fn is_last_row(&self) -> bool {
        matches!(self.source, CursorSource::LastRow(_))
    }

    /// Many APIs leave the token out at the end. On the first page that also looks like a wrong path, which would make
    /// every run stop there without a word.
    fn without_token(&self, asked: &PageCursor, received: &Received<'_>) -> Next {
        match self.source {
            CursorSource::Header(name) => link::without_header(asked, received, name),
            source => {
                let is_suspicious = *asked == PageCursor::Start || self.is_last_row();
                let is_suspicious = is_suspicious && received.row_count > 0;
                match is_suspicious && raw(received, source).is_none() && !is_denied(received, source) {
                    true => Next::Unproven,
                    false => Next::Done,
                }
            }
        }
    }
}

/// Whether the answer says that there is no token by a null above it.
fn is_denied(received: &Received<'_>, source: &CursorSource) -> bool {
    matches!(source, CursorSource::Path(path) if received.is_below_null(path))
}

/// The value in the answer.
fn raw<'a>(received: &Received<'a>, source: &CursorSource) -> Option<&'a RawValue> {
    match source {
        CursorSource::Path(path) => received.page.get(path),
        CursorSource::LastRow(path) => path.find(received.last_row()?),
        CursorSource::Header(_) => None,
    }
}

fn found(received: &Received<'_>, source: &CursorSource) -> String {
    let text = match source {
        CursorSource::Header(name) => {
            received.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()))
        }
        source => raw(received, source).map(|raw| raw.get().into()),
    };
    text.map_or_else(|| "missing".to_owned(), |text| shorten(&text))
}

/// The token in an answer; a value that is not [`is_truthy`] is none.
pub(super) fn token(
    received: &Received<'_>,
    source: &CursorSource,
    target: &Target,
) -> Result<Option<PageCursor>, PaginateError> {
    let not_a_cursor =
        || PaginateError::NotACursor { path: source.to_string(), found: found(received, source) };
    if let CursorSource::Header(name) = source {
        let Some(value) = received.headers.get(name) else { return Ok(None) };
        let text = std::str::from_utf8(value.as_bytes()).map_err(|_| not_a_cursor())?.trim();
        return Ok((!text.is_empty()).then(|| PageCursor::Token(Value::from(text))));
    }
    let Some(raw) = raw(received, source) else { return Ok(None) };
    let value: Value = serde_json::from_str(raw.get()).map_err(|_| not_a_cursor())?;
    // A row may well have the number 0; a token has not.
    let may_be_zero = value.is_number() && matches!(source, CursorSource::LastRow(_));
    if !is_truthy(&value) && !may_be_zero {
        return Ok(None);
    }
    let token = match value {
        Value::String(_) => value,
        Value::Number(_) if is_exact(raw) => value,
        // Beyond 64 bits, or written like `1e5`: a parameter can carry the digits as they came, a body cannot.
        Value::Number(_) if matches!(target, Target::Param(_)) => Value::String(raw.get().to_owned()),
        // The sort values of a row, or its key. Of numbers in it the digits must stay.
        Value::Array(_) | Value::Object(_) if matches!(target, Target::Body(_)) && is_exact(raw) => value,
        _ => return Err(not_a_cursor()),
    };
    Ok(Some(PageCursor::Token(token)))
}

/// Whether what is written again has the same digits.
fn is_exact(raw: &RawValue) -> bool {
    match raw.get().as_bytes().first() {
        Some(b'[') => page::rows(raw).is_ok_and(|elements| elements.into_iter().all(is_exact)),
        Some(b'{') => page::fields(raw).is_ok_and(|fields| fields.iter().all(|(_, value)| is_exact(value))),
        Some(b'-' | b'0'..=b'9') => {
            serde_json::from_str::<Number>(raw.get()).is_ok_and(|number| number.to_string() == raw.get())
        }
        _ => true,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::received::tests::Answer;
    use super::super::target::tests::request;
    use super::super::{PaginatorKind, PaginatorPlan};
    use super::*;

    fn plan(target: Target, has_more: bool, stop_after_empty_page: bool) -> PaginatorPlan {
        let kind = PaginatorKind::Cursor {
            source: CursorSource::Path("end".parse().unwrap()),
            target,
            has_more_path: has_more.then(|| "more".parse().unwrap()),
            stop_after_empty_page,
        };
        PaginatorPlan { kind, max_pages: u64::MAX, total_rows_path: None }
    }

    fn after() -> Target {
        Target::Param("after".to_owned())
    }

    fn check(has_more: bool, body: &str, expected: &str) {
        let asked = PageCursor::Token(json!("asked"));
        let plan = plan(after(), has_more, false);
        let shown = match Answer::new(body).rows(1).next(&plan, &asked) {
            Ok(Next::Page(PageCursor::Token(token))) => format!("next {token}"),
            Ok(next) => format!("{next:?}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{body}");
    }

    #[test]
    fn without_a_flag_the_token_decides() {
        check(false, r#"{"end": "b"}"#, "next \"b\"");
        check(false, r#"{"end": "0"}"#, "next \"0\"");
        check(false, r#"{"end": 2458433}"#, "next 2458433");
        check(false, r#"{"end": -1}"#, "next -1");
        check(false, r#"{"end": 123456789012345678901234567890}"#, "next \"123456789012345678901234567890\"");
        check(false, r#"{"end": 1e5}"#, "next \"1e5\"");
        for end in ["null", "\"\"", "0", "0.0", "-0", "false", "[]", "{}"] {
            check(false, &format!("{{\"end\": {end}}}"), "Done");
        }
        check(false, "{}", "Done");
        check(false, r#"{"end": true}"#, "`end` is true, which cannot be sent back as a cursor");
        check(false, r#"{"end": {"a": 1}}"#, "`end` is {\"a\": 1}, which cannot be sent back as a cursor");
        check(
            false,
            r#"{"end": "asked"}"#,
            "the API gave the cursor again that the page was asked with (`end` is \"asked\")",
        );
    }

    #[test]
    fn with_a_flag_the_flag_decides() {
        check(true, r#"{"end": "b", "more": true}"#, "next \"b\"");
        check(true, r#"{"end": "b", "more": "yes"}"#, "next \"b\"");
        check(true, r#"{"end": "b", "more": false}"#, "Done");
        check(true, r#"{"end": "asked", "more": false}"#, "Done");
        check(true, r#"{"more": false}"#, "Done");
        let gave_none = |found: &str| {
            format!("the API says there is more (`more`) but gave no cursor (`end` is {found})")
        };
        check(true, r#"{"end": 0, "more": true}"#, &gave_none("0"));
        check(true, r#"{"end": null, "more": true}"#, &gave_none("null"));
        check(true, r#"{"more": true}"#, &gave_none("missing"));
        check(true, r#"{"end": "b"}"#, "`more` is missing from the page, which has `end`");
    }

    #[test]
    fn a_first_page_without_a_token_proves_nothing() {
        let next = |body: &str, row_count: u64, has_more: bool| {
            let plan = plan(after(), has_more, false);
            Answer::new(body).rows(row_count).next(&plan, &PageCursor::Start).unwrap()
        };
        assert_eq!(next("{}", 1, false), Next::Unproven);
        assert_eq!(next("{}", 0, false), Next::Done);
        assert_eq!(next(r#"{"end": null}"#, 1, false), Next::Done);
        assert_eq!(next(r#"{"more": false}"#, 1, true), Next::Done);
    }

    #[test]
    fn a_null_where_the_token_would_be_below_is_an_end() {
        let kind = PaginatorKind::Cursor {
            source: CursorSource::Path("page.next.after".parse().unwrap()),
            target: after(),
            has_more_path: None,
            stop_after_empty_page: false,
        };
        let plan = PaginatorPlan { kind, max_pages: u64::MAX, total_rows_path: None };
        let next = |body: &str| Answer::new(body).rows(1).next(&plan, &PageCursor::Start).unwrap();
        assert_eq!(next(r#"{"page": {"next": null}}"#), Next::Done);
        assert_eq!(next(r#"{"page": null}"#), Next::Done);
        assert_eq!(next(r#"{"page": {}}"#), Next::Unproven);
        assert_eq!(next("{}"), Next::Unproven);
    }

    #[test]
    fn an_empty_page_ends_only_if_asked_to() {
        let next = |stop: bool, row_count: u64| {
            let answer = Answer::new(r#"{"end": "b"}"#).rows(row_count);
            answer.next(&plan(after(), false, stop), &PageCursor::Start).unwrap()
        };
        assert_eq!(next(true, 0), Next::Done);
        assert_eq!(next(true, 1), Next::Page(PageCursor::Token(json!("b"))));
        assert_eq!(next(false, 0), Next::Page(PageCursor::Token(json!("b"))));
    }

    #[test]
    fn a_body_cannot_carry_a_number_that_json_would_change() {
        let body = Target::Body(vec!["after".to_owned()]);
        let answer = Answer::new(r#"{"end": 123456789012345678901234567890}"#).rows(1);
        assert!(matches!(
            answer.next(&plan(body, false, false), &PageCursor::Start),
            Err(PaginateError::NotACursor { .. })
        ));
    }

    #[test]
    fn a_body_carries_lists_and_objects() {
        let next = |end: &str| {
            let body = Target::Body(vec!["after".to_owned()]);
            let answer = Answer::new(&format!("{{\"end\": {end}}}")).rows(1);
            answer.next(&plan(body, false, false), &PageCursor::Start)
        };
        for end in [r#"[1700000000000, "b"]"#, r#"{"id": {"S": "7"}, "n": [1.5, -2, null]}"#] {
            let token = serde_json::from_str(end).unwrap();
            assert_eq!(next(end), Ok(Next::Page(PageCursor::Token(token))));
        }
        assert!(matches!(next("[123456789012345678901234567890]"), Err(PaginateError::NotACursor { .. })));
        assert_eq!(next("[]"), Ok(Next::Done));
    }

    #[test]
    fn the_last_page_still_gives_its_token() {
        let answer = Answer::new(r#"{"end": 7, "more": false}"#);
        assert_eq!(
            answer.with(|received| plan(after(), true, false).token(received)).unwrap(),
            Some(PageCursor::Token(json!(7)))
        );
    }

    #[test]
    fn the_last_row_and_headers_have_cursors_too() {
        let by = |source: CursorSource, flag: &str| PaginatorPlan {
            kind: PaginatorKind::Cursor {
                source,
                target: after(),
                has_more_path: (!flag.is_empty()).then(|| flag.parse().unwrap()),
                stop_after_empty_page: flag.is_empty(),
            },
            max_pages: u64::MAX,
            total_rows_path: None,
        };
        let check = |plan: &PaginatorPlan, answer: &Answer, expected: &str| {
            let shown = match answer.next(plan, &PageCursor::Start) {
                Ok(Next::Page(PageCursor::Token(token))) => token.to_string(),
                Ok(next) => format!("{next:?}"),
                Err(error) => error.to_string(),
            };
            assert_eq!(shown, expected, "{answer:?}");
        };
        let last = by(CursorSource::LastRow("id".parse().unwrap()), "has_more");
        let rows = r#"[{"id": "a"}, {"id": "b"}]"#;
        check(&last, &Answer::new(r#"{"has_more": true}"#).with_rows(rows), "\"b\"");
        check(&last, &Answer::new(r#"{"has_more": true}"#).with_rows(r#"[{"id": 0}]"#), "0");
        check(&last, &Answer::new(r#"{"has_more": false}"#).with_rows(rows), "Done");
        check(&last, &Answer::new(r#"{"has_more": false}"#), "Done");
        let nothing = "the API says there is more (`has_more`) but gave no rows to go on from";
        check(&last, &Answer::new(r#"{"has_more": true}"#), nothing);
        let no_field =
            "the API says there is more (`has_more`) but gave no cursor (`id of the last row` is missing)";
        check(&last, &Answer::new(r#"{"has_more": true}"#).with_rows("[{}]"), no_field);
        check(
            &last,
            &Answer::new("{}").with_rows(rows),
            "`has_more` is missing from the page, which has no fields",
        );
        let no_flag = by(CursorSource::LastRow("id".parse().unwrap()), "");
        check(&no_flag, &Answer::new("{}").with_rows(rows), "\"b\"");
        check(&no_flag, &Answer::new("{}"), "Done");
        check(&no_flag, &Answer::new("{}").with_rows("[{}]"), "Unproven");
        let header = by(CursorSource::Header("X-Next".to_owned()), "");
        check(&header, &Answer::new("[]").rows(1).header("x-next", "t"), "\"t\"");
        check(&header, &Answer::new("[]").rows(1).header("x-next", ""), "Done");
        check(&header, &Answer::new("[]").rows(1).header("x-next", "é"), "\"é\"");
        let mut latin = Answer::new("[]").rows(1);
        latin.headers.append("x-next", reqwest::header::HeaderValue::from_bytes(b"\xe9").unwrap());
        check(&header, &latin, "`X-Next` is \u{fffd}, which cannot be sent back as a cursor");
        check(&header, &Answer::new("[]").rows(1), "Done");
        check(&header, &Answer::new("[]").rows(50), "Doubtful(FullPage { rows: 50 })");
    }

    /// Rows above a number, as an API with a keyset cursor gives them.
    fn answer(total: usize, page_size: usize, after: usize) -> (Vec<usize>, String) {
        let rows: Vec<usize> = (after + 1..=total).take(page_size).collect();
        let end = rows.last().copied().unwrap_or(after);
        let body = json!({"data": rows, "end": end, "more": end < total});
        (rows, body.to_string())
    }

    proptest! {
        #[test]
        fn every_row_comes_exactly_once(total in 0_usize..200, page_size in 1_usize..30, in_body: bool) {
            let target = if in_body { Target::Body(vec!["q".to_owned(), "after".to_owned()]) } else { after() };
            let plan = plan(target, true, false);
            let (mut cursor, mut read, mut pages) = (PageCursor::Start, Vec::<usize>::new(), 0);
            loop {
                let mut asked = request(&[("limit", "5")], None);
                plan.apply(&cursor, &mut asked);
                let sent = match in_body {
                    true => asked.json_mut()["q"]["after"].as_u64().unwrap_or(0),
                    false => asked.params.get(1).map_or(0, |(_, text)| text.parse().unwrap()),
                };
                let (rows, body) = answer(total, page_size, usize::try_from(sent).unwrap());
                pages += 1;
                read.extend(&rows);
                match Answer::new(&body).rows(rows.len() as u64).page(pages).next(&plan, &cursor).unwrap() {
                    Next::Page(next) => cursor = next,
                    next => {
                        prop_assert_eq!(next, Next::Done);
                        break;
                    }
                }
            }
            prop_assert_eq!(read, (1..=total).collect::<Vec<_>>());
            prop_assert_eq!(pages, u64::try_from(total.div_ceil(page_size).max(1)).unwrap());
        }
    }
}
