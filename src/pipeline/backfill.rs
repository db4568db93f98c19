//! A run for a range (`--from`, `--to`): which resources have one.

use super::RunOptions;
use crate::config::{CursorField, LastValue, Plan, ResourcePlan};
use crate::error::Error;
use crate::schema::WriteDisposition;
use crate::state::{Backfill, Begin, Reading};

/// The resources of a run for a range, and those that are selected and have none.
pub(super) struct Selection {
    pub(super) resources: Vec<String>,
    pub(super) left_out: Vec<String>,
}

/// Why a resource cannot be read by range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Obstacle {
    #[error("has no `incremental` with a `cursor_path`")]
    NoCursor,
    #[error("takes values from a parent that has a range of its own")]
    Parent,
    #[error("is `replace`, and a range must not take the place of all rows")]
    Replaces,
    #[error("has `last_value_func = \"min\"`, and a range is read upwards")]
    Downwards,
    #[error(
        "does not tell the API where to start and where to end: give `start_param` and `end_param`, or placeholders"
    )]
    NotSent,
}

/// Chooses among the selected resources those that can be read by range. What was named on the command line has to be.
///
/// # Errors
/// None can, or one that was named cannot; or the range does not go with a cursor.
pub(super) fn choose(plan: &Plan, options: &RunOptions, selected: Vec<String>) -> Result<Selection, Error> {
    let Some(backfill) = &options.backfill else {
        return Ok(Selection { resources: selected, left_out: Vec::new() });
    };
    let mut reasons = Vec::new();
    let mut selection = Selection { resources: Vec::new(), left_out: Vec::new() };
    for resource in plan.resources.iter().filter(|resource| selected.contains(&resource.name)) {
        match ranged(plan, resource) {
            Ok((owner, field)) => {
                check_range(owner, field, backfill)?;
                selection.resources.push(resource.name.clone());
            }
            Err(obstacle) => {
                reasons.push(format!("`{}` {obstacle}", resource.name));
                selection.left_out.push(resource.name.clone());
            }
        }
    }
    let is_named = !options.resources.is_empty();
    if selection.resources.is_empty() || (is_named && !reasons.is_empty()) {
        return Err(Error::NoRange { reasons: reasons.join("; ") });
    }
    Ok(selection)
}

/// The resource that is cut to the range, and its cursor: the resource itself, or the parent above it all.
fn ranged<'a>(
    plan: &'a Plan,
    resource: &'a ResourcePlan,
) -> Result<(&'a ResourcePlan, &'a CursorField), Obstacle> {
    if resource.hints.write_disposition() == WriteDisposition::Replace {
        return Err(Obstacle::Replaces);
    }
    let parent = resource.parent.as_ref().and_then(|name| plan.resource(name));
    match (parent, resource.cursor_field()) {
        (Some(parent), None) if resource.incremental.is_none() => {
            // What a parent that is not loaded does with its rows is of no matter here, but its rows come from a range.
            ranged(plan, parent)
        }
        // Its own range is meant; rows of the parent that are in no range would then be left out for another reason.
        (Some(_), Some(_)) if plan.ancestors(resource).any(|it| it.cursor_field().is_some()) => {
            Err(Obstacle::Parent)
        }
        (_, None) => Err(Obstacle::NoCursor),
        (_, Some(field)) if field.last_value_func == LastValue::Min => Err(Obstacle::Downwards),
        (_, Some(field)) if !(field.sends_start() && field.sends_end()) => Err(Obstacle::NotSent),
        (_, Some(field)) => Ok((resource, field)),
    }
}

fn check_range(resource: &ResourcePlan, field: &CursorField, backfill: &Backfill) -> Result<(), Error> {
    let begin = Begin { backfill: Some(backfill), now: crate::report::now_micros(), ..Begin::default() };
    match Reading::of(field, &begin) {
        Ok(_) => Ok(()),
        Err(source) => Err(Error::Range { resource: resource.name.clone(), source }),
    }
}
