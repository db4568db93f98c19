//! Raw → plan: what happens to rows that the API no longer has.

use super::graph::Draft;
use super::hints::has_primary_key;
use super::problem::{Report, at_index};
use super::raw_hints::{RawDeleteMode, RawDeletes};
use super::{DeletesPlan, ResourcePlan};
use crate::paginate::{PaginatorKind, PaginatorPlan};
use crate::schema::{DeleteMode, Disposition, MergeStrategy, TableHints, normalize_path};

/// Largest part of a table's rows that one run may mark or remove unless the file says otherwise.
const MAX_SHARE: f64 = 0.2;

/// What a resource's rows are missed by.
pub(super) struct Owner<'a> {
    /// Place of the resource.
    pub path: &'a str,
    /// How its rows are written, and by what they are told apart.
    pub hints: &'a TableHints,
    /// Whether all rows are read, by some runs at least.
    pub reads_all: bool,
    /// Whether there is a list for each row of a parent.
    pub is_child: bool,
    /// How its pages follow each other; `None` if there were problems.
    pub paginator: Option<&'a PaginatorPlan>,
    /// Whether an answer that is the same comes without its rows.
    pub is_conditional: bool,
}

/// The plan, if rows are not to be kept. `place` is that of `deletes`.
pub(super) fn deletes(
    raw: &RawDeletes,
    place: &str,
    owner: &Owner<'_>,
    report: &mut Report,
) -> Option<DeletesPlan> {
    let (mode, max_share) = match raw {
        RawDeletes::Mode(mode) => (*mode, MAX_SHARE),
        RawDeletes::Settings(settings) => (settings.mode, settings.max_share.unwrap_or(MAX_SHARE)),
    };
    let mode = match mode {
        RawDeleteMode::Keep => return None,
        RawDeleteMode::Soft => DeleteMode::Soft,
        RawDeleteMode::Hard => DeleteMode::Hard,
    };
    if !(max_share > 0.0 && max_share <= 1.0) {
        report.add(&format!("{place}.max_share"), "must be above 0 and at most 1", None);
    }
    if let Some(reason) = obstacle(owner) {
        let hint = "leave it out, or set deletes = \"keep\" where the defaults say otherwise";
        report.add(owner.path, format!("`deletes` {reason}"), Some(hint.to_owned()));
    }
    Some(DeletesPlan { mode, max_share })
}

/// Why rows of this resource cannot be missed.
fn obstacle(owner: &Owner<'_>) -> Option<&'static str> {
    let strategy = match &owner.hints.disposition {
        None | Some(Disposition::Append) => {
            return Some(
                "needs write_disposition `merge`: with `append` a row that comes again is another row",
            );
        }
        Some(Disposition::Replace) => {
            return Some("is not needed with `replace`, which keeps no row that the API no longer has");
        }
        Some(Disposition::Merge { strategy, .. }) => *strategy,
    };
    match strategy {
        Some(MergeStrategy::Scd2) => {
            return Some("is not needed with `scd2`, which retires rows that the API no longer has");
        }
        Some(MergeStrategy::InsertOnly) => {
            return Some("does not go with `insert-only`, which never changes a row");
        }
        None | Some(MergeStrategy::DeleteInsert | MergeStrategy::Upsert) => {}
    }
    if !has_primary_key(owner.hints) {
        return Some("needs a primary_key, by which a row is missed");
    }
    if !owner.reads_all {
        return Some(
            "needs endpoint.incremental.full_scan_every: a run that reads what is new cannot tell what is gone",
        );
    }
    if owner.is_child && owner.is_conditional {
        return Some(
            "does not go with endpoint.conditional of a child: of lists that are the same no rows come",
        );
    }
    let paginator =
        owner.paginator.filter(|paginator| matches!(paginator.kind, PaginatorKind::PageNumber { .. }))?;
    if owner.is_child {
        return Some("does not go with numbered pages for each row of a parent: rows may slip between them");
    }
    paginator.total_rows_path.is_none().then_some(
        "needs the paginator's total_rows_path: rows may slip between numbered pages, and only their number tells",
    )
}

/// Reports what keeps rows from being missed and lies with other resources.
pub(super) fn check_others(drafts: &[Draft], report: &mut Report) {
    check_tables(drafts, report);
    check_parents(drafts, report);
}

/// Children of an incremental parent are those of its new rows.
fn check_parents(drafts: &[Draft], report: &mut Report) {
    let parent = |draft: &&Draft| {
        let (name, _) = draft.parents.first()?;
        drafts.iter().find(|other| other.name == *name)
    };
    for (index, draft) in drafts.iter().enumerate() {
        if draft.plan.as_ref().is_none_or(|plan| plan.deletes.is_none()) {
            continue;
        }
        // A circle is reported elsewhere.
        let mut above = std::iter::successors(parent(&draft), parent).take(drafts.len());
        let never_whole = |other: &&Draft| {
            let incremental = other.plan.as_ref().and_then(|plan| plan.incremental.as_ref());
            incremental.is_some_and(|incremental| incremental.full_scan_every().is_none())
        };
        if let Some(other) = above.find(never_whole) {
            let message = format!(
                "`deletes` needs all rows of its parents, and runs read only new ones of `{}` (see `full_scan_every`)",
                other.name
            );
            report.add(&at_index("resources", index), message, None);
        }
    }
}

/// Rows of several resources in one table: those of one look gone to the other.
fn check_tables(drafts: &[Draft], report: &mut Report) {
    let table = |plan: &ResourcePlan| normalize_path(&plan.table, usize::MAX);
    for (index, draft) in drafts.iter().enumerate() {
        let Some(plan) = draft.plan.as_ref().filter(|plan| plan.deletes.is_some()) else { continue };
        let mut others = drafts.iter().enumerate().filter(|(other, _)| *other != index);
        let shared =
            others.find(|(_, other)| other.plan.as_ref().is_some_and(|other| table(other) == table(plan)));
        if let Some((other, _)) = shared {
            let message =
                format!("`deletes` needs a table of its own; {} fills it, too", at_index("resources", other));
            report.add(&at_index("resources", index), message, None);
        }
    }
}
