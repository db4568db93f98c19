//! The order of pages. Paginations of a resource run side by side, and the journal has their pages as they came;
//! whoever reads them wants those of the first pagination, then those of the second, as if they had run one after
//! the other.
//!
//! Pages that came too early are not held in memory: their places are, and they are read back when it is their turn.

use std::collections::{BTreeMap, HashMap, VecDeque};

use bytes::Bytes;

use super::{JournalError, PageRecord, Place, Record, Records, RecordsAt};
use crate::paginate::Next;

/// Whose turn it is, per resource.
#[derive(Debug, Default)]
pub struct Turns {
    resources: HashMap<String, Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// The pagination whose pages are read.
    turn: u64,
    /// Pages of later ones.
    waiting: BTreeMap<u64, Waiting>,
    /// Pages that waited and whose turn has come.
    due: VecDeque<Place>,
}

/// What came of a pagination before its turn.
#[derive(Debug, Default)]
struct Waiting {
    pages: Vec<Place>,
    has_ended: bool,
}

impl Turns {
    /// Whether it is the turn of a page that came. If not, its place is kept. Pages that [`Turns::due`] still has
    /// come before it.
    pub fn admit(&mut self, page: &PageRecord, place: Place) -> bool {
        if !self.resources.contains_key(&page.resource) {
            self.resources.insert(page.resource.clone(), Queue::default());
        }
        self.resources.get_mut(&page.resource).is_none_or(|queue| queue.admit(page, place))
    }

    /// The next page of a resource that waited and whose turn has come.
    pub fn due(&mut self, resource: &str) -> Option<Place> {
        self.resources.get_mut(resource)?.due.pop_front()
    }

    /// Ends a resource: nothing more comes, so that all that waits is due.
    pub fn end(&mut self, resource: &str) {
        if let Some(queue) = self.resources.get_mut(resource) {
            let waiting = std::mem::take(&mut queue.waiting);
            queue.due.extend(waiting.into_values().flat_map(|waiting| waiting.pages));
        }
    }
}

impl Queue {
    fn admit(&mut self, page: &PageRecord, place: Place) -> bool {
        let is_last = !matches!(page.next, Next::Page(_));
        if page.series > self.turn {
            let waiting = self.waiting.entry(page.series).or_default();
            waiting.pages.push(place);
            waiting.has_ended |= is_last;
            return false;
        }
        let mut goes_on = is_last;
        while goes_on {
            self.turn += 1;
            let next = self.waiting.remove(&self.turn).unwrap_or_default();
            self.due.extend(next.pages);
            goes_on = next.has_ended;
        }
        true
    }
}

/// The records of a journal with pages in order; all others stay where they are.
#[derive(Debug)]
pub struct OrderedRecords {
    records: Records,
    at: RecordsAt,
    turns: Turns,
    /// The resource of the last record: what it made due comes next.
    last: Option<String>,
}

impl OrderedRecords {
    pub(super) fn new(records: Records, at: RecordsAt) -> Self {
        Self { records, at, turns: Turns::default(), last: None }
    }

    /// At the end: how far the journal was read, and whose turn it is then.
    pub fn into_turns(self) -> (u64, Turns) {
        (self.records.whole_bytes(), self.turns)
    }

    fn read(&mut self) -> Result<Option<Record>, JournalError> {
        loop {
            if let Some(resource) = &self.last {
                if let Some(place) = self.turns.due(resource) {
                    return self.at.read(place).map(Some);
                }
                self.last = None;
            }
            let Some(record) = self.records.next().transpose()? else { return Ok(None) };
            match &record {
                Record::Page(page, _) => {
                    if !self.turns.admit(page, self.records.last_place()) {
                        continue;
                    }
                    self.last = Some(page.resource.clone());
                }
                Record::End { resource, .. } => {
                    self.turns.end(resource);
                    self.last = Some(resource.clone());
                }
                Record::Sealed => {}
            }
            return Ok(Some(record));
        }
    }
}

impl Iterator for OrderedRecords {
    type Item = Result<Record, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// The pages of one resource in order, up to its end.
#[derive(Debug)]
pub struct OrderedPages {
    resource: String,
    /// Without rows: those of other resources are not looked at.
    headers: Option<Records>,
    at: RecordsAt,
    turns: Turns,
}

impl OrderedPages {
    pub(super) fn new(resource: &str, headers: Records, at: RecordsAt) -> Self {
        Self { resource: resource.to_owned(), headers: Some(headers), at, turns: Turns::default() }
    }

    /// The next page that is due.
    fn place(&mut self) -> Result<Option<Place>, JournalError> {
        loop {
            if let Some(place) = self.turns.due(&self.resource) {
                return Ok(Some(place));
            }
            let Some(headers) = &mut self.headers else { return Ok(None) };
            match headers.next().transpose()? {
                Some(Record::Page(page, _)) if page.resource == self.resource => {
                    if self.turns.admit(&page, headers.last_place()) {
                        return Ok(Some(headers.last_place()));
                    }
                }
                Some(Record::End { resource, .. }) if resource == self.resource => {
                    self.turns.end(&self.resource);
                    self.headers = None;
                }
                Some(_) => {}
                None => self.headers = None,
            }
        }
    }
}

impl Iterator for OrderedPages {
    type Item = Result<(PageRecord, Bytes), JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        let place = match self.place() {
            Ok(place) => place?,
            Err(error) => return Some(Err(error)),
        };
        match self.at.read(place) {
            Ok(Record::Page(page, rows)) => Some(Ok((page, rows))),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Journal, Outcome};
    use super::*;
    use crate::paginate::PageCursor;

    /// Page `number` of `count` of a pagination.
    fn page(series: u64, number: u64, count: u64) -> Record {
        let next = if number == count { Next::Done } else { Next::Page(PageCursor::Number(number + 1)) };
        let rows = Bytes::from(format!("[\"{series}.{number}\"]"));
        Record::Page(PageRecord::test(series, number, next), rows)
    }

    fn end() -> Record {
        Record::End {
            resource: "posts".to_owned(),
            outcome: Outcome::Complete,
            request_count: 0,
            started_at: 0,
            finished_at: 0,
        }
    }

    fn rows(record: &Record) -> Option<String> {
        match record {
            Record::Page(_, rows) => Some(String::from_utf8_lossy(rows).into_owned()),
            _ => None,
        }
    }

    /// Reads a journal of these records both ways; the two have to agree.
    fn ordered(records: &[Record]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut journal = Journal::open(&path).unwrap();
        for record in records {
            journal.append(record).unwrap();
        }
        let at = || RecordsAt::open(&path).unwrap();
        let read = OrderedRecords::new(Records::open(&path).unwrap(), at());
        let all: Vec<_> = read.filter_map(|record| rows(&record.unwrap())).collect();
        let headers = Records::open(&path).unwrap().without_rows();
        let pages = OrderedPages::new("posts", headers, at());
        let pages: Vec<_> =
            pages.map(|page| String::from_utf8_lossy(&page.unwrap().1).into_owned()).collect();
        assert_eq!(all, pages);
        all
    }

    proptest! {
        /// However paginations overtake each other, they are read one after the other.
        #[test]
        fn pages_come_in_the_order_of_the_paginations(
            counts in proptest::collection::vec(1u64..5, 1..12),
            seed: u64,
        ) {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut left: Vec<(u64, u64, u64)> =
                counts.iter().enumerate().map(|(series, count)| (series as u64, 1, *count)).collect();
            let mut records = Vec::new();
            while !left.is_empty() {
                let at = random.usize(..left.len());
                let (series, number, count) = &mut left[at];
                records.push(page(*series, *number, *count));
                *number += 1;
                if *number > *count {
                    left.remove(at);
                }
            }
            records.push(end());
            let expected: Vec<_> = counts.iter().enumerate().flat_map(|(series, count)| {
                (1..=*count).map(move |number| format!("[\"{series}.{number}\"]"))
            }).collect();
            prop_assert_eq!(ordered(&records), expected);
        }
    }

    #[test]
    fn what_waits_for_a_pagination_that_never_came_is_read_at_the_end() {
        let records = [page(3, 1, 1), page(0, 1, 1), page(2, 1, 1), end()];
        assert_eq!(ordered(&records), ["[\"0.1\"]", "[\"2.1\"]", "[\"3.1\"]"]);
        assert_eq!(ordered(&records[..3]), ["[\"0.1\"]"]);
    }
}
