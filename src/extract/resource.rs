//! One resource: its paginations, one after the other, each page into the journal before the next is asked for.

use std::sync::{Arc, Mutex, PoisonError};

use super::answer::{self, Answer, Asked};
use super::error::ExtractError;
use super::parent::{AllSeries, Series};
use super::progress::ResourceProgress;
use super::request::first_request;
use super::rows::RowSelector;
use super::{Extraction, KeptPage, Refusal, ResourceEnd};
use crate::config::{Auth, IncrementalPlan, KeyLocation, ResourcePlan};
use crate::http::{HttpError, Request, Response};
use crate::package::{Journal, Outcome, PackageError, PageRecord, Record, Start};
use crate::paginate::{Doubt, Next, PageCursor, PaginateError, PaginatorKind};
use crate::report::{Event, now_micros};

/// How a pagination ended.
enum SeriesEnd {
    Done,
    Unproven,
    Doubtful(Doubt),
    Capped,
    Stopped,
}

/// Extracts what is still missing of a resource.
pub(super) async fn extract(
    extraction: &Extraction<'_>,
    resource: &ResourcePlan,
    done: ResourceProgress,
    journal: &Mutex<Journal>,
    earlier: &[ResourceEnd],
) -> ResourceEnd {
    let mut progress = done;
    if let Some(outcome) = progress.outcome.clone() {
        return ResourceEnd {
            resource: resource.name.clone(),
            progress,
            outcome: Some(outcome),
            error: None,
        };
    }
    if progress.started_at == 0 {
        progress.started_at = now_micros();
    }
    extraction.reporter.report(Event::ResourceStarted {
        resource: &resource.name,
        resumed_pages: progress.resumed_pages,
        resumed_rows: progress.row_count,
    });
    let mut run = ResourceRun { extraction, resource, journal, progress, told: Vec::new() };
    let ended = run.all_series(earlier).await;
    run.progress.finished_at = now_micros();
    let (outcome, error) = match ended {
        Ok(Ended::Complete) => (Some(Outcome::Complete), None),
        Ok(Ended::Unproven(error)) => (Some(Outcome::Unproven(error.to_string())), Some(error)),
        Ok(Ended::Partial(error)) => (Some(Outcome::Partial(error.to_string())), Some(error)),
        Ok(Ended::Stopped) => (None, None),
        Err(error) => (Some(Outcome::Failed(error.to_string())), Some(error)),
    };
    let end = ResourceEnd { resource: resource.name.clone(), progress: run.progress, outcome, error };
    extraction.reporter.report(Event::ResourceEnded { end: &end });
    end
}

/// How a resource ended that did not fail.
enum Ended {
    Complete,
    /// Its rows are loaded; nothing says that they are all.
    Unproven(ExtractError),
    /// Its rows are loaded, but there are more.
    Partial(ExtractError),
    /// A signal stopped it.
    Stopped,
}

struct ResourceRun<'a> {
    extraction: &'a Extraction<'a>,
    resource: &'a ResourcePlan,
    journal: &'a Mutex<Journal>,
    progress: ResourceProgress,
    /// Paginators that were found out and told of.
    told: Vec<PaginatorKind>,
}

impl ResourceRun<'_> {
    /// Goes through all paginations.
    async fn all_series(&mut self, earlier: &[ResourceEnd]) -> Result<Ended, ExtractError> {
        let (mut capped, mut proven) = (false, true);
        let mut doubt: Option<Doubt> = None;
        self.needs_parent(earlier)?;
        let mut all = AllSeries::of(self.extraction.package, self.resource)?;
        while let Some(series) = all.next()? {
            match self.paginate(&series).await? {
                SeriesEnd::Done => {}
                SeriesEnd::Unproven => proven = false,
                SeriesEnd::Doubtful(found) => {
                    if doubt.as_ref().is_none_or(|doubt| found.is_short() && !doubt.is_short()) {
                        doubt = Some(found);
                    }
                }
                SeriesEnd::Capped => capped = true,
                SeriesEnd::Stopped => return Ok(Ended::Stopped),
            }
        }
        let replaces = self.resource.hints.replaces_all();
        let (outcome, ended) = match self.missing(capped, doubt.as_ref(), replaces) {
            None if (proven && doubt.is_none()) || self.progress.total_rows.is_some() => {
                (Outcome::Complete, Ended::Complete)
            }
            None => {
                let place = || self.resource.endpoint.paginator.next_place();
                let unproven = match doubt {
                    Some(doubt) => ExtractError::Doubtful { doubt, replaces },
                    None => ExtractError::Unproven { place: place() },
                };
                (Outcome::Unproven(unproven.to_string()), Ended::Unproven(unproven))
            }
            // Part of the rows must not take the place of all of them.
            Some(missing) if replaces => return Err(missing),
            Some(missing) => (Outcome::Partial(missing.to_string()), Ended::Partial(missing)),
        };
        self.progress.finished_at = now_micros();
        self.append(&self.progress.end_record(&self.resource.name, outcome))?;
        Ok(ended)
    }

    /// Tells a complete read from a short one.
    fn missing(&self, capped: bool, doubt: Option<&Doubt>, replaces: bool) -> Option<ExtractError> {
        let cap = || self.resource.endpoint.paginator.cap();
        let rows = self.progress.row_count;
        match self.progress.total_rows {
            _ if capped => Some(ExtractError::Capped { cap: cap(), replaces }),
            Some(total) if rows < total => {
                let skips = matches!(doubt, Some(Doubt::ShortPages { .. }));
                Some(ExtractError::Short { total, rows, skips, replaces })
            }
            None => {
                let doubt = doubt.filter(|doubt| doubt.is_short())?.clone();
                Some(ExtractError::Doubtful { doubt, replaces })
            }
            _ => None,
        }
    }

    /// Whether this reads every row there is: only then the API's total says anything about it.
    fn is_full_read(&self) -> bool {
        let from_start = match (&self.resource.incremental, self.start()) {
            (Some(IncrementalPlan::CursorField { .. }), _) => false,
            (_, Some(start)) => start.cursor == PageCursor::Start,
            (_, None) => true,
        };
        from_start && self.resource.parent.is_none()
    }

    /// A child has nothing to go through if its parent failed, and only part of its rows if that was short.
    fn needs_parent(&self, earlier: &[ResourceEnd]) -> Result<(), ExtractError> {
        let Some(parent) = &self.resource.parent else { return Ok(()) };
        let outcome = earlier.iter().find(|end| &end.resource == parent).and_then(|end| end.outcome.as_ref());
        match outcome {
            Some(outcome) if outcome.is_whole() => Ok(()),
            Some(outcome) if outcome.is_loaded() && !self.resource.hints.replaces_all() => Ok(()),
            Some(outcome) if outcome.is_loaded() => Err(ExtractError::ShortParent { parent: parent.clone() }),
            _ => Err(ExtractError::Parent { parent: parent.clone() }),
        }
    }

    /// Reads one pagination from where it stands to its end.
    async fn paginate(&mut self, series: &Series) -> Result<SeriesEnd, ExtractError> {
        let first = first_request(self.extraction.plan, self.resource, self.start(), series)?;
        let mut rows = RowSelector::new(self.resource.endpoint.data_selector.as_ref());
        loop {
            let cursor = match self.next(series) {
                Next::Page(cursor) => cursor,
                Next::Done => return Ok(SeriesEnd::Done),
                Next::Unproven => return Ok(SeriesEnd::Unproven),
                Next::Doubtful(doubt) => return Ok(SeriesEnd::Doubtful(doubt)),
                Next::Capped => return Ok(SeriesEnd::Capped),
            };
            let mut request = first.clone();
            let detected = self.progress.series.get(&series.number).and_then(|done| done.detected.as_ref());
            self.resource.endpoint.paginator.with_detected(detected).apply(&cursor, &mut request);
            let response = tokio::select! {
                biased;
                end = self.interrupted() => return end,
                response = self.extraction.client.send(&request) => response,
            };
            let (attempts, throttled) = response
                .as_ref()
                .map_or_else(HttpError::attempts, |response| (response.attempts, response.throttled));
            self.progress.request_count += u64::from(attempts);
            self.progress.throttled_count += u64::from(throttled);
            let kept = self.page(series, cursor, &request, &response?, &mut rows)?;
            if let Some(follower) = &self.extraction.follower {
                tokio::select! {
                    biased;
                    end = self.interrupted() => return end,
                    // Nobody there to take it: it is in the journal all the same.
                    _ = follower.pages.send(kept) => {}
                }
            }
        }
    }

    /// Waits until there is a reason to ask for nothing more: a signal, or rows that cannot be loaded.
    async fn interrupted(&self) -> Result<SeriesEnd, ExtractError> {
        let mut stop = self.extraction.stop.clone();
        tokio::select! {
            biased;
            // An error means that nobody can ask to stop any more.
            Ok(_) = stop.wait_for(|stop| *stop) => Ok(SeriesEnd::Stopped),
            error = self.refused() => Err(error),
        }
    }

    /// Waits until the rows of this resource, or of one above it, are found to be of no use.
    async fn refused(&self) -> ExtractError {
        let Some(follower) = &self.extraction.follower else { return std::future::pending().await };
        let mut refused = follower.refused.clone();
        let found = refused
            .wait_for(|refused| !refused.is_empty() && self.lineage().any(|name| refused.contains_key(name)));
        match found.await {
            Ok(refused) => match refused.get(&self.resource.name) {
                Some(Refusal { error, hint }) => ExtractError::Refused {
                    pages: self.progress.page_count,
                    reason: Arc::clone(error),
                    hint: hint.clone(),
                },
                None => {
                    let parent = self.resource.parent.clone().unwrap_or_default();
                    ExtractError::Parent { parent }
                }
            },
            // Nobody can refuse anything any more.
            Err(_) => std::future::pending().await,
        }
    }

    /// The resource, its parent, and so on.
    fn lineage(&self) -> impl Iterator<Item = &str> {
        let resources = &self.extraction.plan.resources;
        let parent = |resource: &&ResourcePlan| {
            resources.iter().find(|other| Some(&other.name) == resource.parent.as_ref())
        };
        std::iter::successors(Some(self.resource), parent).map(|resource| resource.name.as_str())
    }

    /// What follows the last page of a pagination that the journal has.
    fn next(&self, series: &Series) -> Next {
        let done = self.progress.series.get(&series.number);
        done.map_or_else(
            || Next::Page(self.start().map_or(PageCursor::Start, |start| start.cursor.clone())),
            |done| done.next.clone(),
        )
    }

    /// Reads one answer and keeps it.
    fn page(
        &mut self,
        series: &Series,
        cursor: PageCursor,
        request: &Request,
        response: &Response,
        rows: &mut RowSelector<'_>,
    ) -> Result<KeptPage, ExtractError> {
        let done = self.progress.series.get(&series.number);
        let describe = || self.extraction.client.describe(request);
        let number = done.map_or(0, |done| done.page_count) + 1;
        let detected = done.and_then(|done| done.detected.as_ref());
        let secret_params = self.secret_params();
        let asked = Asked {
            request: &describe,
            cursor: &cursor,
            number,
            paginator: &self.resource.endpoint.paginator.with_detected(detected),
            detected,
            before: done.map_or_else(Default::default, |done| done.tally),
            secret_params: &secret_params,
        };
        let answer = answer::read(&asked, response, rows)?;
        if let (Next::Page(next), Some(done)) = (&answer.next, done)
            && done.seen.contains(next)
        {
            return Err(asked.cannot_go_on(PaginateError::circle(next)));
        }
        let Answer { rows: body, row_count, next, detected, token, total_rows, is_repaired } = answer;
        if let Some(detected) = &detected {
            self.tell_detected(&detected.kind);
        }
        let record = PageRecord {
            resource: self.resource.name.clone(),
            series: series.number,
            cursor,
            next,
            detected,
            token,
            row_count,
            total_rows: total_rows.filter(|_| self.is_full_read()),
            from_parent: series.from_parent.clone(),
        };
        self.progress.add(&record);
        self.append(&Record::Page(record.clone(), body.clone()))?;
        let event = Event::Page { resource: &self.resource.name, progress: &self.progress };
        self.extraction.reporter.report(event);
        if is_repaired {
            let event = Event::Repaired { resource: &self.resource.name, page: number };
            self.extraction.reporter.report(event);
        }
        Ok(KeptPage { number: self.progress.page_count, page: record, rows: body })
    }

    /// Says once what was found out.
    fn tell_detected(&mut self, kind: &PaginatorKind) {
        if self.told.contains(kind) {
            return;
        }
        let chosen = kind.to_string();
        tracing::info!(resource = %self.resource.name, %chosen, "found out how the API pages");
        self.extraction.reporter.report(Event::Detected { resource: &self.resource.name, chosen: &chosen });
        self.told.push(kind.clone());
    }

    /// Query parameters that carry credentials: an API may well repeat them in its links.
    fn secret_params(&self) -> Vec<&str> {
        let auth = self.resource.endpoint.auth.iter().chain(&self.extraction.plan.client.auth);
        auth.filter_map(|auth| match auth {
            Auth::ApiKey { name, location: KeyLocation::Query, .. } => Some(name.as_str()),
            _ => None,
        })
        .collect()
    }

    fn append(&self, record: &Record) -> Result<(), ExtractError> {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(journal.append(record).map_err(PackageError::from)?)
    }

    fn start(&self) -> Option<&Start> {
        self.extraction.package.manifest.starts.get(&self.resource.name)
    }
}
