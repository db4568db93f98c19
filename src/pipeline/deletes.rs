//! Rows that the API no longer has. Only a read that provably had all rows can tell them; a wrong guess here would
//! lose data, so whatever leaves a doubt refuses.

use std::collections::BTreeMap;

use super::rows::{self, ResourceRecord, Tables};
use super::start;
use crate::config::{Plan, ResourcePlan};
use crate::destination::{DeletedRows, Deletes};
use crate::error::Error;
use crate::extract;
use crate::http::Action;
use crate::package::{Outcome, Package, PackageError, Record};
use crate::paginate::{Next, PaginatorKind};
use crate::schema::normalize_path;

/// What an API says of a row of the parent that went while its children were read (RFC 9110, sections 15.5.5 and
/// 15.5.11).
const GONE: [u16; 2] = [404, 410];

/// What a load may do about rows that are gone.
#[derive(Debug, Default)]
pub(super) struct Decision {
    /// Root tables whose rows are all in the package.
    pub(super) deletes: Vec<Deletes>,
    /// Resources whose rows stay.
    pub(super) refused: Vec<Refused>,
}

/// A resource whose rows stay, though the API may no longer have them.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) resource: String,
    pub(super) doubt: Doubt,
}

/// Why rows stay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Doubt {
    #[error("its rows were not all read")]
    Short,
    #[error("the rows of its parent `{0}` were not all read")]
    Parent(String),
    #[error("{count} of its requests failed with status {status}, and `response_actions` ignore that")]
    Ignored { count: u64, status: u16 },
    #[error("{count} of its answers were those of the last run, which come without their rows")]
    Unchanged { count: u64 },
    #[error("{count} of its answers had no list of rows, and the config takes them for the end")]
    Unlisted { count: u64 },
    #[error("its rows were received under another config")]
    OtherPlan,
    #[error("its contract let rows go that the API has")]
    Discarded,
    #[error("nothing proves that no row slipped between pages: the API reports no number of rows")]
    Uncounted,
    #[error("the API's number of rows went from {first} to {last} while they were read")]
    Moved { first: u64, last: u64 },
    #[error("the API reports {total} rows but gave {rows}")]
    Miscounted { total: u64, rows: u64 },
    #[error("{row_count} of {rows_before} rows are gone from the API, which is more than `max_share` allows")]
    TooMany { row_count: u64, rows_before: u64 },
}

impl Doubt {
    /// What to do about it.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Short
            | Self::Parent(_)
            | Self::OtherPlan
            | Self::Moved { .. }
            | Self::Miscounted { .. } => "the next complete run decides anew; what came is loaded",
            Self::Ignored { .. } => {
                "if that status says that there are no rows, the action is `stop`; what came is loaded"
            }
            Self::Unchanged { .. } => "set `conditional = false`; what came is loaded",
            Self::Unlisted { .. } => {
                "leave out `optional`, or say in `response_actions` which answers `stop`; what came is loaded"
            }
            Self::Discarded => "let its table change with `evolve` in `schema_contract`; what came is loaded",
            Self::Uncounted => {
                "set the paginator's `total_rows_path` to where the API reports it, or `paginator = \"single_page\"` if \
                 one page is all"
            }
            Self::TooMany { .. } => {
                "if they are meant to be gone, run once with a larger `deletes.max_share`; what came is loaded"
            }
        }
    }
}

/// What the pages of a resource say about the number of its rows.
#[derive(Debug, Default, Clone, Copy)]
struct Totals {
    first: Option<u64>,
    last: Option<u64>,
    moved: bool,
    rows: u64,
    /// Ignored answers, and the status of one.
    ignored: Option<(u64, u16)>,
    unchanged: u64,
    unlisted: u64,
}

/// Decides for each resource of the package that has `deletes`.
pub(super) fn decide(
    plan: &Plan,
    package: &Package,
    tables: &Tables,
    max_identifier_length: usize,
) -> Result<Decision, Error> {
    let mut decision = Decision::default();
    let loaded = |resource: &&ResourcePlan| tables.ends.iter().any(|end| end.resource == resource.name);
    let tells = |resource: &&ResourcePlan| resource.deletes.is_some() && reads_all(plan, package, resource);
    let wanted = plan.resources.iter().filter(loaded).filter(tells);
    let wanted: Vec<_> = wanted.collect();
    if wanted.is_empty() {
        return Ok(decision);
    }
    let is_own = start::is_own_plan(plan, package);
    let reads = Reads { plan, is_own, totals: totals(plan, package)?, ends: rows::ends(package)? };
    for resource in wanted {
        let table = normalize_path(&resource.table, max_identifier_length);
        let discarded = tables.discarded.contains(&table).then_some(Doubt::Discarded);
        match (reads.doubt(resource).or(discarded), resource.deletes) {
            (None, Some(deletes)) => {
                decision.deletes.push(Deletes { table, mode: deletes.mode, max_share: deletes.max_share });
            }
            (Some(doubt), _) => decision.refused.push(Refused { resource: resource.name.clone(), doubt }),
            (None, None) => {}
        }
    }
    Ok(decision)
}

/// Whether a package reads all there is of a resource: others say nothing of rows that are gone, and need no excuse.
pub(super) fn reads_all(plan: &Plan, package: &Package, resource: &ResourcePlan) -> bool {
    let manifest = &package.manifest;
    let is_whole = |resource: &ResourcePlan| match &resource.incremental {
        // A start means that the package was made for an incremental read, before the config changed.
        None => !manifest.starts.contains_key(&resource.name),
        Some(_) => extract::begin(manifest, resource).is_full_scan,
    };
    manifest.backfill.is_none() && plan.lineage(resource).all(is_whole)
}

/// What a destination refused, as a doubt about the resource that fills the table.
pub(super) fn too_many(plan: &Plan, deleted: &DeletedRows, max_identifier_length: usize) -> Option<Refused> {
    let fills = |resource: &&ResourcePlan| {
        resource.deletes.is_some() && normalize_path(&resource.table, max_identifier_length) == deleted.table
    };
    let resource = plan.resources.iter().find(fills).filter(|_| deleted.refused)?;
    let doubt = Doubt::TooMany { row_count: deleted.row_count, rows_before: deleted.rows_before };
    Some(Refused { resource: resource.name.clone(), doubt })
}

/// How the resources of a package were read.
struct Reads<'a> {
    plan: &'a Plan,
    /// Whether the package was made for this plan.
    is_own: bool,
    totals: BTreeMap<String, Totals>,
    ends: BTreeMap<String, ResourceRecord>,
}

impl Reads<'_> {
    /// What keeps a read from proving that it had all rows, if anything does.
    fn doubt(&self, resource: &ResourcePlan) -> Option<Doubt> {
        let is_complete = self.ends.get(&resource.name).is_some_and(|end| end.outcome == Outcome::Complete);
        if !is_complete {
            return Some(Doubt::Short);
        }
        if !self.is_own {
            return Some(Doubt::OtherPlan);
        }
        if let Some(parent) = self.plan.ancestors(resource).next()
            && self.doubt(parent).is_some()
        {
            return Some(Doubt::Parent(parent.name.clone()));
        }
        let totals = self.totals.get(&resource.name).copied().unwrap_or_default();
        match (&resource.endpoint.paginator.kind, totals) {
            (_, Totals { ignored: Some((count, status)), .. }) => Some(Doubt::Ignored { count, status }),
            (_, Totals { unchanged: count @ 1.., .. }) => Some(Doubt::Unchanged { count }),
            // For a child that is how an API says that this row of the parent has none.
            (_, Totals { unlisted: count @ 1.., .. }) if resource.parent.is_none() => {
                Some(Doubt::Unlisted { count })
            }
            (_, Totals { first: Some(first), last: Some(last), moved: true, .. }) => {
                Some(Doubt::Moved { first, last })
            }
            // A row that goes while pages are read moves one of a later page to one that was read already.
            // Links lead through numbered pages as often as not.
            (
                PaginatorKind::PageNumber { .. }
                | PaginatorKind::Offset { .. }
                | PaginatorKind::JsonLink { .. }
                | PaginatorKind::HeaderLink { .. }
                | PaginatorKind::Auto,
                Totals { last: None, .. },
            ) => Some(Doubt::Uncounted),
            (_, Totals { last: Some(total), rows, .. }) if rows != total => {
                Some(Doubt::Miscounted { total, rows })
            }
            _ => None,
        }
    }
}

fn totals(plan: &Plan, package: &Package) -> Result<BTreeMap<String, Totals>, Error> {
    let mut totals = BTreeMap::<String, Totals>::new();
    for record in package.headers()? {
        if let Record::Page(page, _) = record.map_err(PackageError::from)? {
            let is_child = plan.resource(&page.resource).is_some_and(|resource| resource.parent.is_some());
            let note = page.note;
            let totals = totals.entry(page.resource).or_default();
            totals.rows += page.row_count;
            totals.unchanged += u64::from(note.is_unchanged);
            // An error page that is taken to be empty does not say that it is the last.
            let is_empty = matches!(note.settled, Some((Action::Empty, 200..400)));
            let is_last = !matches!(page.next, Next::Page(_));
            totals.unlisted += u64::from(note.is_without_list || (is_empty && is_last));
            if let Some((Action::Ignore, status)) = note.settled
                && !(is_child && GONE.contains(&status))
            {
                totals.ignored = Some((totals.ignored.map_or(0, |(count, _)| count) + 1, status));
            }
            if page.total_rows.is_some() {
                totals.moved |= totals.last.is_some() && totals.last != page.total_rows;
                totals.first = totals.first.or(page.total_rows);
                totals.last = page.total_rows;
            }
        }
    }
    Ok(totals)
}
