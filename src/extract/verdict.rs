//! What a resource that was read to its end has of its rows: all, a part, or nobody knows.

use super::error::{AfterCap, ExtractError};
use super::progress::ResourceProgress;
use super::resource::ResourceRun;
use super::window;
use crate::config::IncrementalPlan;
use crate::http::{Action, is_transient_status};
use crate::package::Outcome;
use crate::paginate::{Doubt, PageCursor};
use crate::schema::WriteDisposition;

/// The status that says that there is nothing.
const NO_CONTENT: u16 = 204;

/// How a resource ended that did not fail.
pub(super) enum Ended {
    Complete,
    /// All answers were those of the last load.
    Unchanged,
    /// Its rows are loaded; nothing says that they are all.
    Unproven(ExtractError),
    /// Its rows are loaded, but there are more.
    Partial(ExtractError),
    /// So they are, and the next run goes on where it was cut.
    Cut(ExtractError),
    /// A signal stopped it.
    Stopped,
}

impl ResourceRun<'_> {
    /// How it ended once all paginations have, for the journal and for people.
    ///
    /// # Errors
    /// It is short, and a part of its rows is worse than none.
    pub(super) fn verdict(
        &self,
        progress: &ResourceProgress,
        parent_is_short: Option<ExtractError>,
    ) -> Result<(Outcome, Ended), ExtractError> {
        let replaces = self.replaces();
        let is_doubtful = progress.is_unproven || progress.doubt.is_some();
        // A number of rows settles most doubts, but not which rows they are.
        let is_moved = progress.doubt.as_ref().is_some_and(Doubt::is_of_moved_rows);
        let proven = !is_doubtful || (progress.total_rows.is_some() && !is_moved);
        let missing = self.missing(progress, replaces).or(parent_is_short);
        Ok(match missing {
            None if progress.is_unchanged() => (Outcome::Unchanged, Ended::Unchanged),
            None if proven => (Outcome::Complete, Ended::Complete),
            None => {
                let unproven = match progress.doubt.clone() {
                    Some(doubt) => ExtractError::Doubtful { doubt, replaces },
                    None => ExtractError::Unproven { place: self.resource.endpoint.paginator.next_place() },
                };
                (Outcome::Unproven(unproven.to_string()), Ended::Unproven(unproven))
            }
            // Part of the rows must not take the place of all of them.
            Some(missing) if replaces => return Err(missing),
            Some(missing) if self.goes_on_after(&missing) => {
                (Outcome::Cut(missing.to_string()), Ended::Cut(missing))
            }
            // Nor be added to them twice.
            Some(missing) if self.repeats() => return Err(ExtractError::Repeats(Box::new(missing))),
            Some(missing) => (Outcome::Partial(missing.to_string()), Ended::Partial(missing)),
        })
    }

    /// Whether its rows take the place of all that are there.
    fn replaces(&self) -> bool {
        self.resource.hints.replaces_all() && self.extraction.max_series.is_none()
    }

    /// Tells a complete read from a short one.
    fn missing(&self, progress: &ResourceProgress, replaces: bool) -> Option<ExtractError> {
        let rows = progress.row_count;
        if let Some((status, count)) = self.ignored_in_doubt(progress) {
            return Some(ExtractError::Ignored { count, status, replaces });
        }
        match (progress.total_rows, &progress.doubt) {
            _ if progress.is_capped => {
                let cap = self.resource.endpoint.paginator.cap();
                let next = if replaces { AfterCap::Replaces } else { self.after_cap() };
                Some(ExtractError::Capped { cap, next })
            }
            (Some(total), doubt) if rows < total => {
                let skips = matches!(doubt, Some(Doubt::ShortPages { .. }));
                Some(ExtractError::Short { total, rows, skips, replaces })
            }
            (None, Some(doubt)) if doubt.is_short() => {
                Some(ExtractError::Doubtful { doubt: doubt.clone(), replaces })
            }
            _ => None,
        }
    }

    /// Ignored errors that leave it open which rows there are: those that another try may not meet, and any if rows that
    /// do not come are taken for gone. `ignore` puts up with an error; that it means "no rows" is said by `stop`, or by
    /// the status itself.
    fn ignored_in_doubt(&self, progress: &ResourceProgress) -> Option<(u16, u64)> {
        let takes_for_gone = self.replaces() || self.resource.deletes.is_some();
        let is_all = self.resource.parent.is_none();
        let mut settled = progress.settled.iter();
        let in_doubt =
            |status| is_transient_status(status) || (is_all && takes_for_gone && status != NO_CONTENT);
        let ((_, status), count) =
            settled.find(|((action, status), _)| *action == Action::Ignore && in_doubt(*status))?;
        Some((*status, *count))
    }

    /// Whether this reads every row there is: only then the API's total says anything about it.
    pub(super) fn is_full_read(&self) -> bool {
        let from_start = match (&self.resource.incremental, self.start()) {
            (Some(IncrementalPlan::CursorField(_)), _) => {
                window::begin(&self.extraction.package.manifest, self.resource).is_full_scan
            }
            (_, Some(start)) => start.cursor == PageCursor::Start,
            (_, None) => true,
        };
        from_start && self.resource.parent.is_none()
    }

    /// What becomes of rows up to a cap, if they are loaded.
    fn after_cap(&self) -> AfterCap {
        match &self.resource.incremental {
            Some(IncrementalPlan::PageCursor { .. }) => AfterCap::GoesOn,
            Some(IncrementalPlan::CursorField(_)) if self.resource.parent.is_none() => match &self.reading {
                Some(reading) if reading.may_be_cut() => AfterCap::GoesOn,
                Some(reading) if !reading.is_stateless() => AfterCap::StartsAgain,
                _ => AfterCap::Loaded,
            },
            _ => AfterCap::Loaded,
        }
    }

    /// Whether the next run goes on where this one fell short: a page cursor is that of the last page, and rows in the
    /// order of a cursor field are all there up to a cap.
    fn goes_on_after(&self, missing: &ExtractError) -> bool {
        let has_page_cursor = matches!(self.resource.incremental, Some(IncrementalPlan::PageCursor { .. }));
        has_page_cursor || matches!(missing, ExtractError::Capped { next: AfterCap::GoesOn, .. })
    }

    /// Whether a reading that is short comes again: rows are appended, and the cursor stays where it was.
    fn repeats(&self) -> bool {
        let is_kept = self.extraction.max_series.is_none();
        let moves = self.reading.as_ref().is_some_and(|reading| !reading.is_stateless());
        is_kept && moves && self.resource.hints.write_disposition() == WriteDisposition::Append
    }

    /// A child has nothing to go through if its parent failed, and only part of its rows if that was short: why then
    /// it is short, too.
    pub(super) fn needs_parent(
        &self,
        outcome: Option<&Outcome>,
    ) -> Result<Option<ExtractError>, ExtractError> {
        let Some(parent) = &self.resource.parent else { return Ok(None) };
        let replaces = self.replaces();
        let short = || ExtractError::ShortParent { parent: parent.clone(), replaces };
        match outcome {
            Some(outcome) if outcome.is_whole() => Ok(None),
            // Its other rows come in the next run.
            Some(Outcome::Cut(_)) if !replaces && self.resource.incremental.is_none() => Ok(None),
            Some(outcome) if outcome.is_loaded() && replaces => Err(short()),
            Some(outcome) if outcome.is_loaded() => Ok(Some(short())),
            _ => Err(ExtractError::Parent { parent: parent.clone() }),
        }
    }
}
