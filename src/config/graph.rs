//! Parents and children: every parent exists, none is its own descendant, parents come first.

use super::problem::{Report, at_index, at_key, did_you_mean};
use super::{IncrementalPlan, ResourcePlan};
use crate::schema::WriteDisposition;

/// A resource before its place in the order is known.
pub(super) struct Draft {
    /// Its name.
    pub name: String,
    /// Resources that its placeholders name, each with the place of the first one.
    pub parents: Vec<(String, String)>,
    /// The rest of it, but for the parent. `None` if there were problems.
    pub plan: Option<ResourcePlan>,
}

/// Links and orders resources: parents before children, else as in the file.
pub(super) fn ordered(drafts: Vec<Draft>, report: &mut Report) -> Option<Vec<ResourcePlan>> {
    check_names(&drafts, report);
    let parents: Vec<Option<usize>> =
        (0..drafts.len()).map(|index| parent_of(index, &drafts, report)).collect();
    if has_cycle(&drafts, &parents, report) {
        return None;
    }
    let mut order: Vec<usize> = Vec::with_capacity(drafts.len());
    for start in 0..drafts.len() {
        let line: Vec<usize> = std::iter::successors(Some(start), |index| parents[*index]).collect();
        for index in line.into_iter().rev() {
            if !order.contains(&index) {
                order.push(index);
            }
        }
    }
    let names: Vec<String> = drafts.iter().map(|draft| draft.name.clone()).collect();
    let mut plans: Vec<Option<ResourcePlan>> = drafts.into_iter().map(|draft| draft.plan).collect();
    let mut linked: Vec<ResourcePlan> = Vec::with_capacity(order.len());
    for index in order {
        let mut plan = plans[index].take()?;
        plan.parent = parents[index].map(|parent| names[parent].clone());
        if let Some(scanned) = scanned_above(&plan, &linked) {
            let place = at_key(&at_index("resources", index), "write_disposition");
            let message = format!(
                "appends rows for each row of `{scanned}`, and all of those come again with `full_scan_every`"
            );
            let hint = "set write_disposition = \"merge\" and a primary_key";
            report.add(&place, message, Some(hint.to_owned()));
        }
        linked.push(plan);
    }
    unselect_below_changes(&mut linked);
    Some(linked)
}

/// The resource whose full scans would have the rows of another one appended again: it is above that, and nothing between
/// them tells what is new.
fn scanned_above<'a>(resource: &ResourcePlan, above: &'a [ResourcePlan]) -> Option<&'a str> {
    let moves = |plan: &ResourcePlan| plan.incremental.as_ref().is_some_and(IncrementalPlan::moves);
    if resource.hints.write_disposition() != WriteDisposition::Append || moves(resource) {
        return None;
    }
    let parent = |plan: &ResourcePlan| above.iter().find(|other| Some(&other.name) == plan.parent.as_ref());
    let nearest = std::iter::successors(parent(resource), |plan| parent(plan)).find(|plan| moves(plan))?;
    nearest.incremental.as_ref()?.full_scan_every().map(|_| nearest.name.as_str())
}

/// What would make a resource run that changes data is not selected, either.
fn unselect_below_changes(plans: &mut [ResourcePlan]) {
    let mut unselected: Vec<String> = Vec::new();
    for plan in plans {
        let is_below = plan.parent.as_ref().is_some_and(|parent| unselected.contains(parent));
        if is_below || plan.endpoint.mutates {
            plan.selected = false;
            unselected.push(plan.name.clone());
        }
    }
}

fn check_names(drafts: &[Draft], report: &mut Report) {
    if drafts.is_empty() {
        report.add("resources", "there are none", None);
    }
    for (index, draft) in drafts.iter().enumerate() {
        let place = format!("{}.name", at_index("resources", index));
        if draft.name.trim().is_empty() {
            report.add(&place, "is empty", None);
        } else if let Some(first) = drafts[..index].iter().position(|other| other.name == draft.name) {
            report.add(&place, format!("has the name of {}", at_index("resources", first)), None);
        }
    }
}

fn parent_of(index: usize, drafts: &[Draft], report: &mut Report) -> Option<usize> {
    let named = &drafts[index].parents;
    for (name, place) in named {
        if drafts.iter().all(|draft| draft.name != *name) {
            let shown = report.may_show(place);
            let names = drafts.iter().enumerate().filter(|(other, _)| {
                *other != index && report.may_show(&format!("{}.name", at_index("resources", *other)))
            });
            let hint = did_you_mean(name, names.map(|(_, draft)| draft.name.as_str())).filter(|_| shown);
            let name = if shown { format!("`{name}`") } else { "the one in the placeholder".to_owned() };
            report.add(place, format!("no resource is called {name}"), hint);
        }
    }
    if let [_, (_, place), ..] = named.as_slice() {
        report.add(place, "takes values from a second parent; a resource has one parent at most", None);
        return None;
    }
    let (name, _) = named.first()?;
    drafts.iter().position(|draft| draft.name == *name)
}

/// Reports each cycle once, at its first resource.
fn has_cycle(drafts: &[Draft], parents: &[Option<usize>], report: &mut Report) -> bool {
    let mut found = false;
    for start in 0..drafts.len() {
        let line: Vec<usize> =
            std::iter::successors(Some(start), |index| parents[*index]).take(drafts.len() + 1).collect();
        let Some(back) = line[1..].iter().position(|index| *index == start) else { continue };
        found = true;
        let cycle = &line[..=back];
        if cycle.iter().any(|index| *index < start) {
            continue;
        }
        let place = at_index("resources", start);
        let places: Vec<String> = cycle[1..].iter().map(|index| at_index("resources", *index)).collect();
        let over = if places.is_empty() { String::new() } else { format!(" over {}", places.join(", ")) };
        report.add(&place, format!("takes its values from itself{over}"), None);
    }
    found
}
