//! Quota: at most N requests in any window of W, for every limit at once, however the server counts.
//!
//! Limits are in buckets ([`bucket`]), and a request passes all that are for it at once. Each limit keeps an exact
//! count of what was sent in its last window ([`window`]); short ones are paced evenly besides ([`pace`]); a server
//! that says there is less is heeded ([`allowance`]); and a pause that it asks for holds everybody.
//!
//! Who has the next turn is given it a little ahead ([`book`]), waits for its time, and sends. So the processes that
//! share a quota ([`store`], [`file`](mod@file)) come one behind the other, by telling each other the times of their
//! turns ([`record`]). Within a process, the highest priority goes first ([`queue`]).

mod allowance;
mod book;
mod bucket;
mod clock;
mod file;
mod pace;
mod queue;
mod record;
mod store;
mod window;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};

use self::book::{Book, Charges, Wait};
use self::bucket::Bucket;
pub(super) use self::bucket::Subject;
use self::clock::Micros;
use self::file::FileStore;
use self::queue::Queue;
use self::record::Record;
pub(super) use self::store::longest_window;
pub use self::store::{Holder, QuotaSharing, QuotaStore, Seen, StoreError, quota_horizon, quota_key};
use self::window::TOO_LATE;
use super::advice::Advice;
use super::error::HttpError;
use super::event::HttpEvent;
use crate::config::ClientPlan;

/// Waits shorter than this are not worth telling.
const TOLD_FROM: Duration = Duration::from_secs(1);

/// How long the others may keep the store, which each needs for milliseconds, until that is told.
const PATIENCE: Duration = Duration::from_secs(5);

/// Turns in a row that came too late until that is told.
const MANY_MISSED: u32 = 50;

/// Receives what the client tells.
pub(super) type Events = Arc<dyn Fn(HttpEvent) + Send + Sync>;

/// The quota of one origin and credential, shared by all that send to it.
pub(super) struct Quota {
    queue: Queue,
    book: Arc<Mutex<Book>>,
    /// Where other processes are met.
    store: Option<Arc<Mutex<Box<dyn QuotaStore>>>>,
    /// Says who keeps the store.
    holder: Holder,
    /// Requests that may be under way at once.
    places: Option<Arc<Semaphore>>,
    events: Events,
}

/// What a request needs of the quota.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    charges: Charges,
    priority: i32,
}

/// A request that was let through, until its answer is complete.
#[derive(Debug)]
pub(super) struct Turn {
    /// Its time, which names it.
    at: Micros,
    due: Instant,
    sent: Instant,
    /// What it may be later by the store's clock than by ours.
    uncertainty: Duration,
    charges: Charges,
    _place: Option<OwnedSemaphorePermit>,
}

impl Quota {
    /// The quota of a client.
    ///
    /// # Errors
    /// No directory of those in `sharing` can be written.
    pub(super) fn new(plan: &ClientPlan, sharing: QuotaSharing, events: Events) -> Result<Self, HttpError> {
        let reserve = plan.quota.reserve;
        let mut buckets = vec![Bucket::of_all(record::CLIENT, &plan.rate_limits, reserve)];
        buckets.extend(plan.quota.buckets.iter().map(|bucket| Bucket::of_some(bucket, reserve)));
        let book = Book::new(buckets, plan.retry.max_server_delay);
        let store: Option<Box<dyn QuotaStore>> = match sharing {
            // Who has nothing to keep to has nothing to tell.
            _ if !book.has_limits() => None,
            QuotaSharing::Alone => None,
            QuotaSharing::Files(dirs) => Some(Box::new(open_file(&dirs, plan)?)),
            QuotaSharing::Store(store) => Some(store),
        };
        let holder = store.as_ref().map_or_else(|| Box::new(String::new) as Holder, |store| store.holder());
        let places = plan.quota.max_concurrency;
        Ok(Self {
            queue: Queue::default(),
            book: Arc::new(Mutex::new(book)),
            store: store.map(|store| Arc::new(Mutex::new(store))),
            holder,
            places: places.map(|places| Arc::new(Semaphore::new(usize::try_from(places.get()).unwrap_or(1)))),
            events,
        })
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a request needs.
    pub(super) fn ask(&self, subject: &Subject<'_>, priority: i32) -> Ask {
        Ask { charges: self.book().charges(subject), priority }
    }

    /// Waits until a request may be sent, and counts it as sent. Dropping the future wastes one turn at most.
    ///
    /// # Errors
    /// The store that tells what others do stays away.
    pub(super) async fn acquire(&self, ask: &Ask) -> Result<Turn, HttpError> {
        let needs = ask.charges.iter().map(|(bucket, _)| *bucket).collect();
        let ticket = self.queue.enter(ask.priority, needs);
        let (mut place, mut missed) = (None, 0);
        loop {
            if !ticket.may_go() {
                // The first one may need it.
                place = None;
                ticket.changed().await;
                continue;
            }
            if let (None, Some(places)) = (&place, &self.places) {
                tokio::select! {
                    free = Arc::clone(places).acquire_owned() => place = free.ok(),
                    () = ticket.changed() => continue,
                }
            }
            match self.take(&ask.charges).await? {
                Ok(at) => {
                    let anchor = self.book().anchor;
                    let (due, uncertainty) = (anchor.instant(at), anchor.uncertainty);
                    // The timer goes by whole milliseconds: even for a moment that has come it would wait for the next.
                    if due > Instant::now() {
                        sleep_until(due).await;
                    }
                    let sent = Instant::now();
                    let is_held = {
                        let book = self.book();
                        book.is_held(book.now())
                    };
                    if !is_held && sent.saturating_duration_since(due) <= TOO_LATE {
                        let charges = ask.charges.clone();
                        return Ok(Turn { at, due, sent, uncertainty, charges, _place: place });
                    }
                    missed += 1;
                    if missed == MANY_MISSED {
                        tracing::warn!(
                            missed,
                            "turns are over when they are had: this machine, or the quota store, is too slow"
                        );
                    }
                }
                Err(wait) => {
                    // Meanwhile those who need other buckets go on.
                    ticket.is_held_by(wait.held_by);
                    place = None;
                    let (until, ask_at) = {
                        let anchor = self.book().anchor;
                        (anchor.instant(wait.until), anchor.instant(wait.ask_at))
                    };
                    let duration = until.saturating_duration_since(Instant::now());
                    if duration >= TOLD_FROM {
                        (self.events)(HttpEvent::Waiting { duration, reason: wait.reason });
                    }
                    let asked = sleep_until(ask_at);
                    tokio::pin!(asked);
                    // That somebody before it went is no reason to ask earlier.
                    while ticket.may_go() {
                        tokio::select! {
                            () = &mut asked => break,
                            () = ticket.changed() => {}
                        }
                    }
                }
            }
        }
    }

    /// Asks for the next turn, together with all others that use this quota.
    async fn take(&self, charges: &Charges) -> Result<Result<Micros, Wait>, HttpError> {
        let Some(store) = &self.store else {
            let mut book = self.book();
            let now = book.now();
            let taken = book.book(charges, now);
            book.told(usize::MAX);
            return Ok(taken);
        };
        if let Some(at) = self.book().leased(charges) {
            return Ok(Ok(at));
        }
        let (store, book, charges) = (Arc::clone(store), Arc::clone(&self.book), charges.clone());
        let exchange = move || {
            let (mut taken, mut told) = (None, 0);
            let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
            let done = store.exchange(&mut |seen| {
                let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
                book.meet(seen.now, seen.uncertainty);
                book.learn(seen.lines.iter().filter_map(|line| Record::parse(line)));
                let turn = book.book(&charges, seen.now);
                if turn.is_ok() {
                    book.lease(&charges, seen.now, seen.lease);
                }
                taken = Some(turn);
                told = book.news().len();
                book.news().iter().map(ToString::to_string).collect()
            });
            if done.is_ok() {
                let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
                book.told(told);
                book.decided();
            }
            done.map(|()| taken)
        };
        let mut exchange = tokio::task::spawn_blocking(exchange);
        let taken = match timeout(PATIENCE, &mut exchange).await {
            Ok(taken) => taken,
            Err(_) => {
                tracing::warn!("still waiting for {}", (self.holder)());
                exchange.await
            }
        };
        let taken = taken.map_err(|error| HttpError::QuotaStore { source: error.into() })?;
        let taken = taken.map_err(|source| HttpError::QuotaStore { source })?;
        taken.ok_or_else(|| HttpError::QuotaStore { source: "it did not let anybody decide".into() })
    }

    /// Notes that the headers of the answer are here.
    pub(super) fn answered(&self, turn: &Turn) {
        let late = turn.sent.saturating_duration_since(turn.due) + turn.uncertainty;
        self.book().answered(turn.at, turn.sent, late, &turn.charges);
    }

    /// Holds everybody for `duration` from now, or longer if they are held already.
    pub(super) fn pause(&self, duration: Duration) {
        self.book().hold(duration);
    }

    /// Heeds what an answer says of the quota, so that going on does not earn a 429.
    pub(super) fn heed(&self, turn: &Turn, advice: &Advice) {
        if let Some((bucket, limit)) = self.book().heed(turn.at, &turn.charges, advice) {
            tracing::warn!(
                bucket, configured = limit.requests.get(), per = ?limit.per, allowed = advice.limit,
                "the API allows less than `rate_limits` says; going on at its limit"
            );
        }
    }
}

/// Opens the file in the first directory where that can be done.
fn open_file(dirs: &[PathBuf], plan: &ClientPlan) -> Result<FileStore, HttpError> {
    let mut failed: Option<HttpError> = None;
    for dir in dirs {
        match FileStore::open(dir, &quota_key(plan), quota_horizon(plan)) {
            Ok(store) => {
                if let Some(HttpError::Ledger { dir: first, source }) = &failed {
                    tracing::warn!(
                        dir = %first.display(), error = %source, used = %dir.display(),
                        "could not share the quota with other pipelines of this machine"
                    );
                }
                return Ok(store);
            }
            Err(source) => failed = failed.or(Some(HttpError::Ledger { dir: dir.clone(), source })),
        }
    }
    let nowhere = || HttpError::Ledger { dir: PathBuf::new(), source: std::io::ErrorKind::NotFound.into() };
    Err(failed.unwrap_or_else(nowhere))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
