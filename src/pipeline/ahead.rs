//! Normalizing while pages come in: the network waits, a core is free.
//!
//! What it makes is used only if everything it stands on held to the end; else the package is normalized from its
//! journal, like one that an earlier run left. What it finds wrong with the rows of a resource ends that resource
//! at once: quota is not spent on rows that cannot be loaded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::rows::{self, Rows, Tables};
use crate::config::Plan;
use crate::destination::Committed;
use crate::error::{Error, RowError};
use crate::extract::{Follower, KeptPage, Refusal};
use crate::normalize::{NormalizeError, Retype};
use crate::package::{Outcome, Package, PackageError, PageRecord, Record, RecordsAt, Turns};
use crate::schema::{Capabilities, Schema};

/// Pages that may wait for the normalizer: enough to even out bursts, few enough to bound memory.
const WAITING_PAGES: usize = 8;

/// A normalizer at work on a thread of its own.
pub(super) struct Ahead {
    /// For the extraction.
    pub(super) follower: Follower,
    base_hash: Option<String>,
    is_cancelled: Arc<AtomicBool>,
    worker: JoinHandle<Result<Option<Tables>, Error>>,
}

/// What was found out ahead.
pub(super) struct Prepared {
    /// Hash of the schema that it holds for.
    base_hash: Option<String>,
    made: Made,
}

/// What the rows became.
#[expect(clippy::large_enum_variant, reason = "there is one of it")]
enum Made {
    /// All of them are in tables.
    Tables(Tables),
    /// They are to be normalized once more, with other types.
    Retypes(Vec<Retype>),
}

impl Ahead {
    /// Begins with the pages that the journal has, and goes on with those that come.
    pub(super) fn start(
        plan: &Arc<Plan>,
        package: &Package,
        committed: &Committed,
        capabilities: &'static Capabilities,
    ) -> Self {
        let (pages, received) = mpsc::channel(WAITING_PAGES);
        let (refusals, refused) = watch::channel(BTreeMap::new());
        let is_cancelled = Arc::new(AtomicBool::new(false));
        let work = Work {
            schema: committed.schema.clone().unwrap_or_else(|| Schema::new(&plan.source)),
            capabilities,
            resources: rows::followed(plan, package).cloned().collect(),
            refusals,
            is_cancelled: Arc::clone(&is_cancelled),
        };
        let (plan, package) = (Arc::clone(plan), package.clone());
        let worker = tokio::task::spawn_blocking(move || work.run(&plan, &package, received));
        let base_hash = committed.schema_hash();
        Self { follower: Follower { pages, refused }, base_hash, is_cancelled, worker }
    }

    /// Waits for the last page. An error here is no error of the run: normalizing from the journal finds it
    /// again and says which resource it concerns.
    pub(super) async fn finish(self) -> Option<Prepared> {
        drop(self.follower);
        let made = match self.worker.await.ok()? {
            Ok(tables) => Made::Tables(tables?),
            Err(Error::Tables { source: NormalizeError::Retype { retypes }, .. }) => Made::Retypes(retypes),
            Err(_) => return None,
        };
        Some(Prepared { base_hash: self.base_hash, made })
    }

    /// Ends without the tables.
    pub(super) async fn cancel(self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
        self.finish().await;
    }
}

impl Prepared {
    /// The tables of all that is loaded of the package.
    pub(super) fn tables(&self) -> Option<&Tables> {
        match &self.made {
            Made::Tables(tables) => Some(tables),
            Made::Retypes(_) => None,
        }
    }

    /// The tables, if the schema is still the one they were made for.
    pub(super) fn tables_for(self, committed: &Committed) -> Option<Tables> {
        match self.made {
            Made::Tables(tables) if self.base_hash == committed.schema_hash() => Some(tables),
            Made::Tables(_) | Made::Retypes(_) => None,
        }
    }

    /// Columns that are to get other types.
    pub(super) fn retypes(&self) -> &[Retype] {
        match &self.made {
            Made::Tables(_) => &[],
            Made::Retypes(retypes) => retypes,
        }
    }
}

/// The worker.
///
/// It reads the journal first and what is handed over after that; both are in the order of the paginations, as the
/// journal is read later. Extraction never waits for a page to be read from the journal, and never holds it while it
/// hands a page over, so the two cannot block each other. A page of the journal that is handed over, too, is known
/// by its place.
struct Work {
    schema: Schema,
    capabilities: &'static Capabilities,
    /// Resources that are not refused.
    resources: BTreeSet<String>,
    refusals: watch::Sender<BTreeMap<String, Refusal>>,
    is_cancelled: Arc<AtomicBool>,
}

/// Tables in the making.
struct Making<'a> {
    rows: Rows<'a>,
    /// How far the journal was read: what comes after it, is handed over.
    read_bytes: u64,
    turns: Turns,
    /// For pages whose turn comes after they were handed over.
    records: RecordsAt,
}

impl Work {
    /// Returns `None` if the tables lack a resource that is loaded.
    fn run(
        mut self,
        plan: &Plan,
        package: &Package,
        mut pages: mpsc::Receiver<KeptPage>,
    ) -> Result<Option<Tables>, Error> {
        let mut making = self.replay(plan, package)?;
        while let Some(kept) = pages.blocking_recv() {
            if !kept.place.is_within(making.read_bytes) && !self.take_kept(&mut making, &kept)? {
                making = self.replay(plan, package)?;
            }
        }
        if self.is_cancelled() {
            return Ok(None);
        }
        let ends = rows::ends(package)?;
        let is_loaded = |name: &&String| ends.get(*name).is_some_and(|end| end.outcome.is_loaded());
        let loaded: BTreeSet<_> = rows::followed(plan, package).filter(is_loaded).collect();
        // A resource that is unchanged has no rows, and is left alone.
        let is_changed = |name: &&String| ends.get(*name).is_none_or(|end| end.outcome != Outcome::Unchanged);
        if loaded != self.resources.iter().filter(is_changed).collect() {
            return Ok(None);
        }
        for resource in loaded {
            making.turns.end(resource);
            if !self.take_due(&mut making, resource)? {
                return Ok(None);
            }
        }
        making.rows.finish(&ends).map(Some)
    }

    /// Takes in what the journal has of resources that are not refused.
    fn replay<'a>(&mut self, plan: &'a Plan, package: &'a Package) -> Result<Making<'a>, Error> {
        loop {
            let mut rows = Rows::begin(
                plan,
                package,
                &self.resources,
                self.schema.clone(),
                self.capabilities,
                Vec::new(),
            )?;
            if let Some((read_bytes, turns)) = self.replay_into(&mut rows, package)? {
                return Ok(Making { rows, read_bytes, turns, records: package.records_at()? });
            }
        }
    }

    /// Returns `None` if a resource was refused, else how far the journal was read and whose turn it is then.
    fn replay_into(&mut self, rows: &mut Rows<'_>, package: &Package) -> Result<Option<(u64, Turns)>, Error> {
        let mut records = package.ordered_records()?;
        for record in records.by_ref() {
            if self.is_cancelled() {
                break;
            }
            if let Record::Page(page, body) = record.map_err(PackageError::from)?
                && !self.take(rows, &page, &body)?
            {
                return Ok(None);
            }
        }
        Ok(Some(records.into_turns()))
    }

    /// Takes in a page that was handed over, or keeps its place if pages before it are still to come; then those
    /// that waited for it. Returns `false` if its resource is refused.
    fn take_kept(&mut self, making: &mut Making<'_>, kept: &KeptPage) -> Result<bool, Error> {
        let resource = &kept.page.resource;
        if !self.resources.contains(resource) || !making.turns.admit(&kept.page, kept.place) {
            return Ok(true);
        }
        Ok(self.take(&mut making.rows, &kept.page, &kept.rows)? && self.take_due(making, resource)?)
    }

    /// Takes in the pages of a resource whose turn has come. Returns `false` if it is refused.
    fn take_due(&mut self, making: &mut Making<'_>, resource: &str) -> Result<bool, Error> {
        while let Some(place) = making.turns.due(resource) {
            // There may be many, and a signal does not wait for them.
            if self.is_cancelled() {
                break;
            }
            if let Record::Page(page, body) = making.records.read(place).map_err(PackageError::from)?
                && !self.take(&mut making.rows, &page, &body)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes in a page. Returns `false` if its resource is refused for it: `rows` are of no use then.
    fn take(&mut self, rows: &mut Rows<'_>, page: &PageRecord, body: &[u8]) -> Result<bool, Error> {
        match rows.page(page, body) {
            Ok(()) => Ok(true),
            Err(Error::Normalize { resource, source, .. }) => {
                self.refuse(resource, source);
                Ok(false)
            }
            Err(other) => Err(other),
        }
    }

    fn refuse(&mut self, resource: String, error: RowError) {
        self.resources.remove(&resource);
        let refusal = Refusal { hint: error.hint().map(str::to_owned), error: Arc::new(error) };
        self.refusals.send_modify(|refusals| {
            refusals.insert(resource, refusal);
        });
    }

    fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }
}
