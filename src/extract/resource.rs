//! One resource: its paginations, some of them at a time, each page into the journal before the next is asked for.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::Map;

use super::answer::{self, Answer, Asked, NOT_MODIFIED};
use super::conditional::Condition;
use super::error::ExtractError;
use super::parent::{AllSeries, Series};
use super::progress::ResourceProgress;
use super::request::{add_idempotency_key, first_request};
use super::rows::RowSelector;
use super::verdict::Ended;
use super::window;
use super::{Extraction, KeptPage, Refusal, ResourceEnd};
use crate::config::{Auth, ResourcePlan};
use crate::http::{HttpError, Request, Response, is_secret_param};
use crate::package::{AnswerNote, Journal, Outcome, PackageError, PageRecord, Place, Record, Start};
use crate::paginate::{Next, PageCursor, PaginateError, PaginatorKind, SecretParam};
use crate::report::{Event, now_micros};
use crate::state::{Reading, RowOrderWatch};

/// How a pagination ended.
enum SeriesEnd {
    /// The journal says how.
    Done,
    /// A signal stopped it.
    Stopped,
}

/// One pagination, while it is read.
struct Pagination<'a> {
    series: Series,
    /// The request of its first page.
    first: Request,
    rows: RowSelector<'a>,
    /// Looks out for the end of the range, where rows come in order.
    order: Option<RowOrderWatch<'a>>,
}

/// What a page is asked for with.
struct PageRequest {
    /// As it is kept.
    cursor: PageCursor,
    /// As it is asked for: with the secrets that an address repeats.
    asked: PageCursor,
    request: Request,
    condition: Option<Condition>,
}

/// Extracts what is still missing of a resource.
pub(super) async fn extract(
    extraction: &Extraction<'_>,
    resource: &ResourcePlan,
    done: ResourceProgress,
    journal: &Mutex<Journal>,
    parent: Option<Outcome>,
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
    let progress = Mutex::new(progress);
    let mut run =
        ResourceRun { extraction, resource, journal, progress, reading: None, told: Mutex::default() };
    let ended = match window::reading(&extraction.package.manifest, resource) {
        Ok(reading) => {
            run.reading = reading;
            run.all_series(parent.as_ref()).await
        }
        Err(error) => Err(error.into()),
    };
    run.tell_unprotected();
    let mut progress = run.progress.into_inner().unwrap_or_else(PoisonError::into_inner);
    progress.finished_at = now_micros();
    let told = |error: &ExtractError| extraction.client.redact(&error.to_string());
    let (outcome, error) = match ended {
        Ok(Ended::Complete) => (Some(Outcome::Complete), None),
        Ok(Ended::Unchanged) => (Some(Outcome::Unchanged), None),
        Ok(Ended::Unproven(error)) => (Some(Outcome::Unproven(told(&error))), Some(error)),
        Ok(Ended::Partial(error)) => (Some(Outcome::Partial(told(&error))), Some(error)),
        Ok(Ended::Cut(error)) => (Some(Outcome::Cut(told(&error))), Some(error)),
        Ok(Ended::Stopped) => (None, None),
        Err(error) => (Some(Outcome::Failed(told(&error))), Some(error)),
    };
    let end = ResourceEnd { resource: resource.name.clone(), progress, outcome, error };
    extraction.reporter.report(Event::ResourceEnded { end: &end });
    end
}

pub(super) struct ResourceRun<'a> {
    pub(super) extraction: &'a Extraction<'a>,
    pub(super) resource: &'a ResourcePlan,
    journal: &'a Mutex<Journal>,
    /// Shared by the paginations that run side by side.
    progress: Mutex<ResourceProgress>,
    /// The ranges that are read of a resource with a cursor field.
    pub(super) reading: Option<Reading>,
    /// Paginators that were found out and told of.
    told: Mutex<Vec<PaginatorKind>>,
}

impl ResourceRun<'_> {
    /// Goes through all paginations, as many at a time as the plan allows. They begin in order; pages are kept as
    /// they come, and whoever reads them restores the order.
    async fn all_series(&self, parent: Option<&Outcome>) -> Result<Ended, ExtractError> {
        let parent_is_short = match (&self.resource.parent, parent) {
            // It was stopped: this goes on when it does.
            (Some(_), None) => return Ok(Ended::Stopped),
            _ => self.needs_parent(parent)?,
        };
        let Extraction { plan, package, .. } = self.extraction;
        let window_count = self.reading.as_ref().map_or(1, Reading::window_count);
        let mut all =
            AllSeries::of(plan, package, self.resource, window_count, self.extraction.max_series.is_some())?;
        let mut running = FuturesUnordered::new();
        loop {
            while running.len() < self.resource.max_in_flight.get() {
                let Some(series) = self.next_series(&mut all)? else { break };
                running.push(Box::pin(self.paginate(series)));
            }
            match running.next().await {
                None => break,
                Some(Ok(SeriesEnd::Done)) => {}
                Some(Ok(SeriesEnd::Stopped)) => return Ok(Ended::Stopped),
                Some(Err(error)) => return Err(error),
            }
        }
        let mut progress = self.progress();
        let (outcome, ended) = self.verdict(&progress, parent_is_short)?;
        progress.finished_at = now_micros();
        self.append(&progress.end_record(&self.resource.name, outcome))?;
        Ok(ended)
    }

    /// The next pagination that has not ended; `None` after the last.
    fn next_series(&self, all: &mut AllSeries<'_>) -> Result<Option<Series>, ExtractError> {
        loop {
            match all.next()? {
                Some(series) if self.is_enough(&series) => return Ok(None),
                Some(series) if self.progress().has_ended(series.number) => {}
                next => return Ok(next),
            }
        }
    }

    /// Whether a look has seen enough before this pagination: so many rows of the parent, or a window with rows.
    fn is_enough(&self, series: &Series) -> bool {
        match (self.extraction.max_series, &self.resource.parent) {
            (None, _) => false,
            (Some(most), Some(_)) => series.number >= most,
            (Some(_), None) => self.progress().row_count > 0,
        }
    }

    fn progress(&self) -> MutexGuard<'_, ResourceProgress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells of fields that were to be protected and never came.
    fn tell_unprotected(&self) {
        let progress = self.progress();
        if progress.page_count > progress.resumed_pages && progress.row_count > 0 {
            for field in self.resource.processor.unmet() {
                let event = Event::Unprotected { resource: &self.resource.name, field };
                self.extraction.reporter.report(event);
            }
        }
    }

    /// Reads one pagination from where it stands to its end.
    async fn paginate(&self, series: Series) -> Result<SeriesEnd, ExtractError> {
        let mut pagination = self.pagination(series)?;
        while let Some(cursor) = self.next(&pagination.series) {
            let page = self.page_request(&pagination, cursor);
            let response = tokio::select! {
                biased;
                end = self.interrupted() => return end,
                response = self.extraction.client.send(&page.request) => response,
            };
            self.count(&response);
            let kept = self.page(&mut pagination, page, &response?)?;
            if let Some(follower) = &self.extraction.follower {
                tokio::select! {
                    biased;
                    end = self.interrupted() => return end,
                    // Nobody there to take it: it is in the journal all the same.
                    _ = follower.pages.send(kept) => {}
                }
            }
        }
        Ok(SeriesEnd::Done)
    }

    /// A pagination where it stands.
    fn pagination(&self, series: Series) -> Result<Pagination<'_>, ExtractError> {
        let range = self.reading.as_ref().map(|reading| reading.range(series.number));
        let field = self.resource.cursor_field();
        let rows_at = self.progress().open.get(&series.number).and_then(|open| open.rows_at.clone());
        Ok(Pagination {
            first: first_request(self.extraction, self.resource, &series, range)?,
            rows: RowSelector::new(&self.resource.endpoint, rows_at),
            order: field.zip(range).and_then(|(field, range)| RowOrderWatch::new(field, range)),
            series,
        })
    }

    /// Makes the first request of a pagination that of another page.
    fn page_request(&self, pagination: &Pagination<'_>, cursor: PageCursor) -> PageRequest {
        let Self { extraction, resource, .. } = self;
        let Pagination { series, first, .. } = pagination;
        let progress = self.progress();
        let open = progress.open.get(&series.number);
        let mut request = first.clone();
        let detected = open.and_then(|open| open.detected.as_ref());
        let asked = cursor.with_secrets(&extraction.plan.client.secrets);
        resource.endpoint.paginator.with_detected(detected).apply(&asked, &mut request);
        add_idempotency_key(extraction, resource, series, &cursor, &mut request);
        let condition = match open {
            None => Condition::of(extraction, resource, series, &request),
            Some(_) => None,
        };
        request.validators = condition.as_ref().and_then(|condition| condition.known.clone());
        PageRequest { cursor, asked, request, condition }
    }

    fn count(&self, response: &Result<Response, HttpError>) {
        let (attempts, throttled) = response
            .as_ref()
            .map_or_else(HttpError::attempts, |response| (response.attempts, response.throttled));
        let mut progress = self.progress();
        progress.request_count += u64::from(attempts);
        progress.throttled_count += u64::from(throttled);
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
        let error = |refused: &BTreeMap<String, Refusal>| {
            self.extraction.refusal(refused, self.resource, self.progress().page_count)
        };
        let found = refused.wait_for(|refused| !refused.is_empty() && error(refused).is_some()).await;
        match found.ok().and_then(|refused| error(&refused)) {
            Some(error) => error,
            // Nobody can refuse anything any more.
            None => std::future::pending().await,
        }
    }

    /// What is to be asked for next in a pagination; `None` if it has ended.
    fn next(&self, series: &Series) -> Option<PageCursor> {
        let progress = self.progress();
        if progress.has_ended(series.number) {
            return None;
        }
        match progress.open.get(&series.number).map(|open| &open.next) {
            Some(Next::Page(cursor)) => Some(cursor.clone()),
            _ => Some(self.start().map_or(PageCursor::Start, |start| start.cursor.clone())),
        }
    }

    /// Reads one answer and keeps it.
    fn page(
        &self,
        pagination: &mut Pagination<'_>,
        page_request: PageRequest,
        response: &Response,
    ) -> Result<KeptPage, ExtractError> {
        let PageRequest { cursor, asked, request, condition } = page_request;
        let Pagination { series, rows, order, .. } = pagination;
        let mut progress = self.progress();
        let done = progress.open.get(&series.number);
        let number = done.map_or(0, |done| done.page_count) + 1;
        let detected = done.and_then(|done| done.detected.as_ref());
        let secrets = &self.extraction.plan.client.secrets;
        let client = &self.extraction.client;
        let asked = Asked {
            request: &|| client.describe(&request),
            complaint: &|| client.complaint(&request, response),
            cursor: &asked,
            number,
            max_bytes: self.extraction.plan.client.max_body_bytes,
            from_parent: &series.from_parent,
            paginator: &self.resource.endpoint.paginator.with_detected(detected),
            detected,
            before: done.map_or_else(Default::default, |done| done.tally),
            page_before: done.and_then(|done| done.mark.as_ref()),
            secret_params: &self.secret_params(&request),
        };
        let was_detected = rows.detected().is_some();
        let mut answer = answer::read(self.resource, &asked, response, rows)?;
        // As in dlt, the pages of a child are read to their end; but what has reached older rows lacks none in between.
        let ends = self.resource.parent.is_none() || matches!(answer.next, Next::Doubtful(_));
        if order.as_mut().is_some_and(|order| order.is_past(&answer.rows)) && ends {
            answer.next = Next::Done;
        }
        if let Next::Page(next) = &mut answer.next {
            *next = next.without_secrets(secrets);
        }
        if let (Next::Page(next), Some(done)) = (&answer.next, done)
            && done.seen.contains(next)
        {
            return Err(asked.cannot_go_on(PaginateError::circle(next)));
        }
        let Answer { rows: body, row_count, next, detected, token, total_rows, .. } = answer;
        if let Some(detected) = &detected {
            self.tell_detected(&detected.kind);
        }
        let note = AnswerNote {
            rows_at: rows.detected().filter(|_| !was_detected).map(ToString::to_string),
            settled: response.action.map(|action| (action, response.status)),
            is_unchanged: response.status == NOT_MODIFIED,
            is_without_list: answer.is_without_list,
            doubt: answer.doubt,
            validators: condition.and_then(|condition| condition.met(response, &next)),
        };
        let record = PageRecord {
            resource: self.resource.name.clone(),
            series: series.number,
            cursor,
            next,
            detected,
            token,
            row_count,
            total_rows: total_rows.filter(|_| self.is_full_read()),
            // Processed rows have them already.
            from_parent: if self.resource.processor.is_active() {
                Map::new()
            } else {
                series.from_parent.clone()
            },
            note,
        };
        progress.add(&record);
        if let Some(open) = progress.open.get_mut(&series.number) {
            open.mark = answer.mark;
        }
        let place = self.append(&Record::Page(record.clone(), body.clone()))?;
        let event = Event::Page { resource: &self.resource.name, progress: &progress };
        self.extraction.reporter.report(event);
        if answer.is_repaired {
            let event = Event::Repaired { resource: &self.resource.name, page: number };
            self.extraction.reporter.report(event);
        }
        Ok(KeptPage { place, page: record, rows: body })
    }

    /// Says once what was found out.
    fn tell_detected(&self, kind: &PaginatorKind) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.contains(kind) {
            return;
        }
        let chosen = kind.to_string();
        tracing::info!(resource = %self.resource.name, %chosen, "found out how the API pages");
        self.extraction.reporter.report(Event::Detected { resource: &self.resource.name, chosen: &chosen });
        told.push(kind.clone());
    }

    /// Query parameters that carry credentials: an API may well repeat them in its links.
    fn secret_params<'b>(&'b self, request: &'b Request) -> Vec<SecretParam<'b>> {
        let auth = self.resource.endpoint.auth.iter().chain(&self.extraction.plan.client.auth);
        let of_auth = auth.flat_map(Auth::params).map(|name| SecretParam { name, value: None });
        let own = request.params.iter().filter(|(name, _)| is_secret_param(name));
        of_auth.chain(own.map(|(name, value)| SecretParam { name, value: Some(value) })).collect()
    }

    fn append(&self, record: &Record) -> Result<Place, ExtractError> {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(journal.append(record).map_err(PackageError::from)?)
    }

    pub(super) fn start(&self) -> Option<&Start> {
        self.extraction.package.manifest.starts.get(&self.resource.name)
    }
}
