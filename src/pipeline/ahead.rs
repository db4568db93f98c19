//! Normalizing while pages come in: the network waits, a core is free.
//!
//! An optimisation and nothing more. What it makes is used only if everything it stands on held to the end;
//! else the package is normalized from its journal, like one that an earlier run left.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::rows::{self, Rows, Tables};
use crate::config::Plan;
use crate::destination::Committed;
use crate::error::Error;
use crate::package::{Package, PageRecord};
use crate::schema::Schema;

/// Pages that may wait for the normalizer: enough to even out bursts, few enough to bound memory.
const WAITING_PAGES: usize = 8;

/// A normalizer at work on a thread of its own.
pub(super) struct Ahead {
    pub(super) pages: mpsc::Sender<(PageRecord, Bytes)>,
    base_hash: Option<String>,
    worker: JoinHandle<Result<Tables, Error>>,
}

/// Tables that were made ahead.
pub(super) struct Prepared {
    /// Hash of the schema they were made for.
    base_hash: Option<String>,
    tables: Tables,
}

impl Ahead {
    pub(super) fn start(plan: &Arc<Plan>, package: &Package, committed: &Committed, length: usize) -> Self {
        let (pages, mut received) = mpsc::channel::<(PageRecord, Bytes)>(WAITING_PAGES);
        let base_hash = committed.schema_hash();
        let schema = committed.schema.clone().unwrap_or_else(|| Schema::new(&plan.source));
        let (plan, package) = (Arc::clone(plan), package.clone());
        let worker = tokio::task::spawn_blocking(move || {
            let resources: BTreeSet<_> = package.manifest.selected.iter().cloned().collect();
            let mut rows = Rows::begin(&plan, &package, &resources, schema, length)?;
            while let Some((page, body)) = received.blocking_recv() {
                rows.page(&page, &body)?;
            }
            rows.finish(&rows::ends(&package)?)
        });
        Self { pages, base_hash, worker }
    }

    /// Waits for the last page. An error here is no error of the run: normalizing from the journal finds it
    /// again and says which resource it concerns.
    pub(super) async fn finish(self) -> Option<Prepared> {
        drop(self.pages);
        let tables = self.worker.await.ok()?.ok()?;
        Some(Prepared { base_hash: self.base_hash, tables })
    }
}

impl Prepared {
    /// The tables, if every selected resource is in them.
    pub(super) fn whole_tables(&self, package: &Package) -> Option<&Tables> {
        Some(&self.tables).filter(|tables| tables.are_all_of(package))
    }

    /// The tables, if they are whole and the schema is still the one they were made for.
    pub(super) fn tables_for(self, package: &Package, committed: &Committed) -> Option<Tables> {
        let is_whole = self.whole_tables(package).is_some();
        (is_whole && self.base_hash == committed.schema_hash()).then_some(self.tables)
    }
}
