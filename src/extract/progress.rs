//! What a package holds already: read from its journal when an extraction begins or goes on.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::http::Action;
use crate::package::{Outcome, Package, PackageError, PageRecord, Record};
use crate::page::JsonPath;
use crate::paginate::{CursorsSeen, Detected, Doubt, Next, PageCursor, PageMark, Tally};

/// What the journal of a package holds, per resource.
#[derive(Debug, Default)]
pub(super) struct Progress {
    resources: HashMap<String, ResourceProgress>,
}

/// How far one resource got.
#[derive(Debug, Default, Clone)]
pub struct ResourceProgress {
    /// Pages received.
    pub page_count: u64,
    /// Rows in them.
    pub row_count: u64,
    /// Rows that the API says there are, from the last page that told.
    pub total_rows: Option<u64>,
    /// Requests, repeated ones included. Those of a cut run count its pages only.
    pub request_count: u64,
    /// Requests of this run that were refused with status 429.
    pub throttled_count: u64,
    /// When its extraction began, Unix microseconds.
    pub started_at: i64,
    /// When it ended, Unix microseconds.
    pub finished_at: i64,
    /// Pages that were there before this run.
    pub resumed_pages: u64,
    /// Answers that an action made something of, by that and by status.
    pub settled: BTreeMap<(Action, u16), u64>,
    /// Answers that were the same as in the last load.
    pub unchanged_count: u64,
    /// How it ended, if it did.
    pub(super) outcome: Option<Outcome>,
    /// Paginations that were begun and have not ended, by number.
    pub(super) open: HashMap<u64, SeriesProgress>,
    /// Those that have.
    ended: Ended,
    /// Whether one of them was stopped at its cap.
    pub(super) is_capped: bool,
    /// Whether nothing tells that one of them is whole.
    pub(super) is_unproven: bool,
    /// Why one of them may not be whole; of several reasons, the one that says most.
    pub(super) doubt: Option<Doubt>,
}

/// A set of numbers that has most of those below some number: there may be one for each row of a parent.
#[derive(Debug, Default, Clone)]
struct Ended {
    /// All below this one are in it.
    below: u64,
    /// Those that are in it besides.
    beyond: BTreeSet<u64>,
}

/// How far one pagination got.
#[derive(Debug, Clone)]
pub(super) struct SeriesProgress {
    pub(super) next: Next,
    pub(super) page_count: u64,
    pub(super) tally: Tally,
    pub(super) seen: CursorsSeen,
    /// The paginator that the first page asked for.
    pub(super) detected: Option<Detected>,
    /// Where its first page has rows, if that had to be found out.
    pub(super) rows_at: Option<JsonPath>,
    /// What the next page is compared with; not known of pages that an earlier run read.
    pub(super) mark: Option<PageMark>,
}

impl Progress {
    pub(super) fn read(package: &Package) -> Result<Self, PackageError> {
        let mut progress = Self::default();
        for record in package.records()? {
            match record? {
                Record::Page(page, _) => {
                    let resource = progress.resources.entry(page.resource.clone()).or_default();
                    resource.resumed_pages += 1;
                    resource.request_count += 1;
                    resource.add(&page);
                }
                Record::End { resource, outcome, request_count, started_at, finished_at } => {
                    let resource = progress.resources.entry(resource).or_default();
                    resource.outcome = Some(outcome);
                    resource.request_count = request_count;
                    resource.started_at = started_at;
                    resource.finished_at = finished_at;
                }
                Record::Sealed => {}
            }
        }
        Ok(progress)
    }

    pub(super) fn resource(&self, name: &str) -> ResourceProgress {
        self.resources.get(name).cloned().unwrap_or_default()
    }
}

impl ResourceProgress {
    /// Counts a page.
    pub(super) fn add(&mut self, page: &PageRecord) {
        self.page_count += 1;
        self.row_count += page.row_count;
        self.total_rows = page.total_rows.or(self.total_rows);
        self.unchanged_count += u64::from(page.note.is_unchanged);
        if let Some(settled) = page.note.settled {
            *self.settled.entry(settled).or_default() += 1;
        }
        page.note.doubt.as_ref().into_iter().for_each(|doubt| self.doubt(doubt));
        match &page.next {
            Next::Page(_) => {
                let series = self.open.entry(page.series).or_insert_with(SeriesProgress::start);
                series.page_count += 1;
                series.tally.add(page.row_count);
                series.detected = page.detected.clone().or(series.detected.take());
                series.next = page.next.clone();
                series.seen.insert(&page.cursor);
                if let Some(rows_at) = &page.note.rows_at {
                    series.rows_at = rows_at.parse().ok();
                }
                return;
            }
            Next::Done => {}
            Next::Unproven => self.is_unproven = true,
            Next::Doubtful(doubt) => self.doubt(doubt),
            Next::Capped => self.is_capped = true,
        }
        self.open.remove(&page.series);
        self.ended.insert(page.series);
    }

    fn doubt(&mut self, doubt: &Doubt) {
        if self.doubt.as_ref().is_none_or(|known| doubt.weight() > known.weight()) {
            self.doubt = Some(doubt.clone());
        }
    }

    /// Whether every answer was that of the last load.
    pub(super) fn is_unchanged(&self) -> bool {
        self.page_count > 0 && self.unchanged_count == self.page_count
    }

    /// Whether nothing more is asked for in a pagination.
    pub(super) fn has_ended(&self, series: u64) -> bool {
        self.ended.contains(series)
    }

    /// The journal's record of the end.
    pub(super) fn end_record(&self, resource: &str, outcome: Outcome) -> Record {
        Record::End {
            resource: resource.to_owned(),
            outcome,
            request_count: self.request_count,
            started_at: self.started_at,
            finished_at: self.finished_at,
        }
    }
}

impl Ended {
    fn insert(&mut self, number: u64) {
        if number >= self.below {
            self.beyond.insert(number);
        }
        while self.beyond.remove(&self.below) {
            self.below += 1;
        }
    }

    fn contains(&self, number: u64) -> bool {
        number < self.below || self.beyond.contains(&number)
    }
}

impl SeriesProgress {
    pub(super) fn start() -> Self {
        Self {
            next: Next::Page(PageCursor::Start),
            page_count: 0,
            tally: Tally::default(),
            seen: CursorsSeen::default(),
            detected: None,
            rows_at: None,
            mark: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_is_a_set_whatever_the_order() {
        let mut ended = Ended::default();
        for number in [3, 0, 5, 1, 2, 1] {
            ended.insert(number);
        }
        assert_eq!((ended.below, ended.beyond.iter().collect::<Vec<_>>()), (4, vec![&5]));
        assert_eq!((0..8).filter(|number| ended.contains(*number)).collect::<Vec<_>>(), [0, 1, 2, 3, 5]);
    }
}
