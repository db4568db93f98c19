//! Finding out from the first answer how an API pages.
//!
//! The order is dlt's: `Link` header, an address under a name that begins with `next`, a number of pages, a token under
//! such a name. Then comes what dlt takes for a single page, and loads one page of without a word: cursors with other
//! names beside a flag, page numbers and offsets that the answer repeats, lists in the manner of Stripe. The guess is
//! checked by the second page, which must not have the first one's rows.

mod fact;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use url::Url;

use self::fact::{Fact, TOTALS, plain};
use super::{
    AfterEmptyPage, CursorSource, Doubt, PaginateError, PaginatorKind, RangeEnd, Received, Step, Target,
    TotalPath, header, signal,
};
use crate::page::{JsonPath, fields};

/// What was found out from a first page. Kept in packages: a run that was cut goes on with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detected {
    /// The rule.
    pub kind: PaginatorKind,
    /// Tells the rows of the first page from others.
    pub rows: u64,
    /// The same of their ids, if they have some: rows that hold the time of day are never the same twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<u64>,
}

impl Detected {
    /// # Errors
    /// The second page has the rows of the first.
    pub(super) fn verify(&self, received: &Received<'_>) -> Result<(), PaginateError> {
        let is_repeated = || {
            received.fingerprint() == self.rows
                || self.ids.is_some() && received.fingerprint_of_ids() == self.ids
        };
        match received.page_count == 2 && received.row_count > 0 && is_repeated() {
            true => Err(PaginateError::Misdetected { chosen: self.kind.to_string() }),
            false => Ok(()),
        }
    }
}

/// Cursors that APIs give beside a flag, without underscores in lower case, and the parameter that takes them.
const CURSORS: [(&str, &str); 4] =
    [("endcursor", "after"), ("aftercursor", "after"), ("after", "after"), ("cursor", "cursor")];

/// Names of a token under `next`, likewise. All others are sent as `cursor`, as in dlt.
const TOKENS: [(&str, &str); 8] = [
    ("nextstart", "start"),
    ("nextpagetoken", "page_token"),
    ("nextpagetoken", "pageToken"),
    ("nexttoken", "next_token"),
    ("nexttoken", "nextToken"),
    ("nextpage", "page"),
    ("nextpagenumber", "page"),
    ("nextoffset", "offset"),
];

/// Names of the number of the page that came, likewise.
const PAGES: [&str; 4] = ["page", "currentpage", "pagenumber", "pageno"];

/// The rule that the first answer asks for; with the reason to doubt if it is one page and that may not be all.
pub(super) fn detect(received: &Received<'_>) -> (PaginatorKind, Option<Doubt>) {
    let facts = Facts::of(received);
    let is_list = received.rows.get().starts_with('[');
    let kind = by_header(received)
        .or_else(|| facts.next_address())
        .or_else(|| is_list.then(|| facts.number_of_pages()).flatten())
        .or_else(|| is_list.then(|| facts.next_token()).flatten())
        .or_else(|| is_list.then(|| facts.beyond_dlt(received)).flatten());
    match kind {
        Some(kind) => (kind, None),
        None => (PaginatorKind::SinglePage, is_list.then(|| facts.doubt(received)).flatten()),
    }
}

fn by_header(received: &Received<'_>) -> Option<PaginatorKind> {
    header::link(received.headers, "next")?;
    Some(PaginatorKind::HeaderLink { links_next_key: "next".to_owned(), keep_params: false })
}

/// All scalar fields beside the rows, in document order.
struct Facts(Vec<Fact>);

impl Facts {
    fn of(received: &Received<'_>) -> Self {
        let mut facts = Vec::new();
        collect(received.page.root(), received.rows, &mut Vec::new(), &mut facts);
        Self(facts)
    }

    /// The first one under a name that begins with `next`, or in an object of such a name as its address. An empty one
    /// counts, as in dlt: it says that there is no next page.
    fn next(&self) -> Option<&Fact> {
        self.0.iter().find(|fact| fact.is_next() && !matches!(fact.value, Value::Null | Value::Bool(_)))
    }

    fn next_address(&self) -> Option<PaginatorKind> {
        let next = self.next()?;
        next.value.as_str().filter(|text| ["http", "/", "?"].iter().any(|start| text.starts_with(start)))?;
        let (next_url_path, has_more_path) = (next.path(), self.flag(next));
        Some(PaginatorKind::JsonLink { next_url_path, has_more_path, keep_params: true })
    }

    fn number_of_pages(&self) -> Option<PaginatorKind> {
        let names = ["total_pages", "pages", "totalpages"];
        let is_name = |fact: &&Fact| names.contains(&fact.name().to_lowercase().as_str());
        let total = self.0.iter().find(|fact| is_name(fact) && !fact.value.is_boolean())?;
        total.number()?;
        // dlt counts from 0; an answer that says which page it is knows better.
        let base_page = self.beside(total, &PAGES).and_then(Fact::number).unwrap_or(0);
        Some(page_number(base_page, Some(total.path()), self.flag(total)))
    }

    fn next_token(&self) -> Option<PaginatorKind> {
        let next = self.next()?;
        if !next.is_token() {
            return None;
        }
        let name = next.name();
        let is_snake = name.contains('_');
        let known =
            TOKENS.iter().find(|(known, param)| *known == plain(name) && param.contains('_') == is_snake);
        let known = known.or_else(|| TOKENS.iter().find(|(known, _)| *known == plain(name)));
        let is_after = name == "after" && next.keys.len() > 1;
        let param = if is_after { "after" } else { known.map_or("cursor", |(_, param)| param) };
        Some(cursor(CursorSource::Path(next.path()), param, self.flag(next)))
    }

    /// What dlt does not look for.
    fn beyond_dlt(&self, received: &Received<'_>) -> Option<PaginatorKind> {
        let flag = self.0.iter().find(|fact| fact.is_flag());
        if let Some(flag) = flag
            && flag.value == Value::Bool(true)
        {
            let by_cursor = CURSORS.iter().find_map(|(name, param)| {
                let found = self.beside(flag, &[name]).filter(|found| found.is_token())?;
                Some(cursor(CursorSource::Path(found.path()), param, Some(flag.path())))
            });
            if by_cursor.is_some() {
                return by_cursor;
            }
            if let Some(page) = self.beside(flag, &PAGES).and_then(Fact::number) {
                return Some(page_number(page, None, Some(flag.path())));
            }
            let is_list = self.0.iter().any(|fact| fact.name() == "object" && fact.value == "list");
            let id: Option<JsonPath> = "id".parse().ok();
            if let (true, Some(id), Some(row)) = (is_list, id, received.last_row())
                && id.find(row).is_some()
            {
                return Some(cursor(CursorSource::LastRow(id), "starting_after", Some(flag.path())));
            }
        }
        self.offset(received.row_count)
    }

    /// An answer that repeats offset and limit, and has a total beyond its rows.
    fn offset(&self, row_count: u64) -> Option<PaginatorKind> {
        let offset = self.0.iter().find(|fact| fact.name() == "offset")?;
        let limit = self.beside(offset, &["limit"])?.number().filter(|limit| *limit > 0)?;
        let total = self.beside(offset, &TOTALS)?;
        let start = offset.number()?;
        if total.number()? <= start + row_count {
            return None;
        }
        let total_path = Some(TotalPath { path: total.path(), is_configured: true });
        Some(PaginatorKind::Offset {
            offset: start,
            limit,
            step: Step::Limit,
            target: Target::Param("offset".to_owned()),
            limit_target: Target::Param("limit".to_owned()),
            end: RangeEnd {
                total_path,
                total_header: None,
                maximum: None,
                after_empty_page: AfterEmptyPage::Stop,
                has_more_path: None,
            },
        })
    }

    /// Why one page may not be all.
    fn doubt(&self, received: &Received<'_>) -> Option<Doubt> {
        let rows = received.row_count;
        if let Some(flag) = self.0.iter().find(|fact| fact.is_flag()) {
            return match flag.value {
                Value::Bool(true) => Some(Doubt::SaysMore { path: flag.path().to_string() }),
                _ => None,
            };
        }
        if let Some(flag) = self.0.iter().find(|fact| fact.is_end_flag()) {
            return match flag.value {
                Value::Bool(false) => Some(Doubt::SaysMore { path: flag.path().to_string() }),
                _ => None,
            };
        }
        let totals = self.0.iter().filter(|fact| fact.is_total() || fact.name() == "count");
        let mut totals = totals.filter_map(|fact| Some((fact, fact.number()?)));
        if let Some((fact, total)) = totals.find(|(_, total)| *total > rows) {
            return Some(Doubt::TotalAbove { path: fact.path().to_string(), total, rows });
        }
        // A `count` of as many may be that of the page.
        let says_end = received.headers.contains_key(reqwest::header::LINK)
            || self.0.iter().any(|fact| fact.is_next() || fact.is_total() && fact.number().is_some());
        if says_end {
            return None;
        }
        if let Some(lead) = self.0.iter().find(|fact| fact.is_lead()) {
            return Some(Doubt::Lead { path: lead.path().to_string() });
        }
        let is_full = signal::is_full(rows) || is_asked_for(received.url, rows);
        is_full.then_some(Doubt::FullPage { rows })
    }

    /// The flag that goes with a fact: beside it, in the object above, or at the root.
    fn flag(&self, fact: &Fact) -> Option<JsonPath> {
        let above = &fact.keys[..fact.keys.len() - 1];
        let places = [above, &above[..above.len().saturating_sub(1)], &[]];
        let flag = |place: &[String]| {
            self.0.iter().find(|flag| flag.is_flag() && flag.keys[..flag.keys.len() - 1] == *place)
        };
        // `meta.has_more` goes with `links.next`.
        let near = places.into_iter().find_map(flag);
        near.or_else(|| self.0.iter().find(|flag| flag.is_flag() && flag.keys.len() == 2)).map(Fact::path)
    }

    /// A fact of one of these names in the same object.
    fn beside(&self, fact: &Fact, names: &[&str]) -> Option<&Fact> {
        let above = &fact.keys[..fact.keys.len() - 1];
        self.0.iter().find(|other| {
            other.keys[..other.keys.len() - 1] == *above && names.contains(&plain(other.name()).as_str())
        })
    }
}

/// Whether the request asked for as many rows: `limit=25`, `page[size]=25`.
fn is_asked_for(url: &Url, rows: u64) -> bool {
    let is_size = |name: &str| {
        let name = name.to_lowercase();
        ["limit", "size", "per", "count", "max", "first", "top", "take"]
            .iter()
            .any(|part| name.contains(part))
    };
    rows > 0 && url.query_pairs().any(|(name, value)| value.parse() == Ok(rows) && is_size(&name))
}

fn collect(value: &RawValue, rows: &RawValue, keys: &mut Vec<String>, facts: &mut Vec<Fact>) {
    let Ok(fields) = fields(value) else { return };
    for (name, value) in fields.iter() {
        keys.push(name.to_string());
        match value.get().as_bytes().first() {
            Some(b'[') => {}
            // Rows under names of their own are data, and so is a single one.
            Some(b'{') if std::ptr::eq(value.get(), rows.get()) => {}
            Some(b'{') => collect(value, rows, keys, facts),
            _ => {
                if let Ok(value) = serde_json::from_str(value.get()) {
                    facts.push(Fact { keys: keys.clone(), value });
                }
            }
        }
        keys.pop();
    }
}

fn cursor(source: CursorSource, param: &str, has_more_path: Option<JsonPath>) -> PaginatorKind {
    let target = Target::Param(param.to_owned());
    PaginatorKind::Cursor { source, target, has_more_path, stop_after_empty_page: false }
}

fn page_number(
    base_page: u64,
    total_path: Option<JsonPath>,
    has_more_path: Option<JsonPath>,
) -> PaginatorKind {
    PaginatorKind::PageNumber {
        base_page,
        page: base_page,
        target: Target::Param("page".to_owned()),
        page_size: None,
        end: RangeEnd {
            total_path: total_path.map(|path| TotalPath { path, is_configured: true }),
            total_header: None,
            maximum: None,
            after_empty_page: if has_more_path.is_some() {
                AfterEmptyPage::StopUnlessMore
            } else {
                AfterEmptyPage::Stop
            },
            has_more_path,
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
