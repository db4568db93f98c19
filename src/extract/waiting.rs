//! Which cursors wait, and what must not be appended meanwhile.
//!
//! A resource that reads what is new gives each row once to those below it. If one of these lacks rows, the cursor stays
//! where it is: the same rows come again in the next run, and with them all that is below. What takes its own place may
//! come any number of times; rows that are appended would be there twice.

use crate::config::{IncrementalPlan, Plan, ResourcePlan};
use crate::package::{Manifest, Outcome};
use crate::schema::WriteDisposition;

/// The resources of a run.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// What they are.
    pub plan: &'a Plan,
    /// Those that are read.
    pub resources: &'a [String],
    /// Those of them that are loaded.
    pub selected: &'a [String],
}

/// A resource whose rows are appended and come again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its name.
    pub resource: String,
    /// The resource whose cursor waits: itself, or one above it.
    pub cursor: String,
    /// What that waits for.
    pub lacking: String,
}

/// How each resource ended; `None` if it did not, or is not there.
type Ends<'a> = &'a dyn Fn(&str) -> Option<&'a Outcome>;

impl<'a> Scope<'a> {
    /// The resources of a package; `None` if it moves no cursor, be it whole or not.
    pub fn of(plan: &'a Plan, manifest: &'a Manifest) -> Option<Self> {
        let is_ordinary = manifest.backfill.is_none() && !manifest.is_look;
        is_ordinary.then_some(Self { plan, resources: &manifest.resources, selected: &manifest.selected })
    }

    /// What the cursor of a resource waits for: itself or one below it, if that has not all its rows, or is left out of
    /// this run though others load it.
    pub fn waits_for(self, resource: &ResourcePlan, ends: Ends<'_>) -> Option<&'a str> {
        self.lacking(resource, &|name| ends(name).is_some_and(Outcome::goes_on))
    }

    /// What must not be loaded, and what waits for that in turn.
    pub fn held_back(self, ends: Ends<'_>) -> Vec<Held> {
        let mut held: Vec<Held> = Vec::new();
        while let Some(next) = self.next_held(&held, ends) {
            held.push(next);
        }
        held
    }

    fn next_held(self, held: &[Held], ends: Ends<'_>) -> Option<Held> {
        let end = |name: &str| ends(name).filter(|_| !held.iter().any(|held| held.resource == name));
        let mut read = self.plan.resources.iter().filter(|other| self.resources.contains(&other.name));
        read.find_map(|cursor| {
            let lacking = self.lacking(cursor, &|name| end(name).is_some_and(Outcome::goes_on))?;
            let is_loaded = |other: &&ResourcePlan| end(&other.name).is_some_and(Outcome::is_loaded);
            let resource = self.appended(cursor).find(is_loaded)?.name.clone();
            Some(Held { resource, cursor: cursor.name.clone(), lacking: lacking.to_owned() })
        })
    }

    fn lacking(self, cursor: &ResourcePlan, has_rows: &dyn Fn(&str) -> bool) -> Option<&'a str> {
        if !moves(cursor) {
            return None;
        }
        let lacks = |other: &&ResourcePlan| {
            let is_left_out = other.selected && !self.selected.contains(&other.name);
            is_left_out || (self.resources.contains(&other.name) && !has_rows(&other.name))
        };
        let mut concerned = self.plan.resources.iter().filter(|other| self.is_within(other, cursor));
        concerned.find(lacks).map(|other| other.name.as_str())
    }

    /// What is appended of that which a cursor brings. What has a cursor of its own is told apart by that.
    fn appended(self, cursor: &ResourcePlan) -> impl Iterator<Item = &'a ResourcePlan> {
        self.plan.resources.iter().filter(move |resource| {
            let mut below = self.plan.lineage(resource).take_while(|other| other.name != cursor.name);
            self.is_within(resource, cursor)
                && self.selected.contains(&resource.name)
                && resource.hints.write_disposition() == WriteDisposition::Append
                && !below.any(moves)
        })
    }

    /// Whether a resource is another one, or below it.
    fn is_within(self, resource: &ResourcePlan, top: &ResourcePlan) -> bool {
        self.plan.lineage(resource).any(|other| other.name == top.name)
    }
}

fn moves(resource: &ResourcePlan) -> bool {
    resource.incremental.as_ref().is_some_and(IncrementalPlan::moves)
}
