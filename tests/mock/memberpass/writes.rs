//! Some of the routes that write, and the keys by which a repeated request is known.

use std::collections::HashMap;

use axum::http::Method;
use serde_json::{Value, json};

use super::super::call::Call;
use super::super::config::Key;
use super::super::memberstack::Draw;
use super::data::{self, Project};
use super::refusal::{NOT_FOUND, Refusal, allow};

/// What the documentation asks for; the names of its codes are not known.
pub(super) const KEY_MISSING: Refusal =
    Refusal::new(400, "IDEMPOTENCY_KEY_REQUIRED", "The request needs an Idempotency-Key.");
const KEY_REUSED: Refusal =
    Refusal::new(422, "IDEMPOTENCY_KEY_REUSED", "The key was used for another request.");

/// The successful answers, by key; those of 24 hours are all that a mock lives to see.
#[derive(Default)]
pub(super) struct Written(HashMap<String, (String, Value)>);

impl Written {
    /// The answer that was given to this key.
    pub(super) fn again(&self, key: &str, call: &Call) -> Result<Option<Value>, Refusal> {
        match self.0.get(key) {
            None => Ok(None),
            Some((request, answer)) if *request == request_of(call) => Ok(Some(answer.clone())),
            Some(_) => Err(KEY_REUSED),
        }
    }

    pub(super) fn keep(&mut self, key: String, call: &Call, answer: &Value) {
        self.0.insert(key, (request_of(call), answer.clone()));
    }
}

fn request_of(call: &Call) -> String {
    format!("{} {}\n{}", call.method, call.path, String::from_utf8_lossy(&call.body))
}

/// Does what the request asks for. That a token sees one project only counts here, too.
pub(super) fn write(projects: &mut [Project], key: &Key, call: &Call, seed: u64) -> Result<Value, Refusal> {
    let segments = call.segments();
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    let body = call.json().ok_or(Refusal::invalid("body", "The body is no JSON."))?;
    let mut visible =
        projects.iter_mut().filter(|project| key.project.as_deref().is_none_or(|only| only == project.id()));
    match (&call.method, path.as_slice()) {
        (&Method::POST, ["v1", "subscriptions", id, "cancel"]) => {
            allow(key, "project-subscription:update")?;
            let subscription = visible.find_map(|project| find(&mut project.subscriptions, id));
            change(subscription, "canceled")
        }
        (&Method::POST, ["v1", "projects", project, rest @ ..]) => {
            let project = visible.find(|found| found.id() == *project).ok_or(NOT_FOUND)?;
            match rest {
                ["members", member, action @ ("ban" | "kick" | "unban")] => {
                    allow(key, "project-user:update")?;
                    let status = match *action {
                        "ban" => "banned",
                        "kick" => "churned",
                        _ => "customer",
                    };
                    change(find(&mut project.members, member), status)
                }
                ["plans", plan, "access-codes", "bulk-generate"] => {
                    allow(key, "project-access-code:create")?;
                    let plan = project.plans.iter().find(|found| found["id"] == *plan).ok_or(NOT_FOUND)?;
                    let quantity = body["quantity"].as_u64().filter(|quantity| (1..=1000).contains(quantity));
                    let quantity =
                        quantity.ok_or_else(|| Refusal::invalid("quantity", "Must be from 1 to 1000."))?;
                    let batch = format!("btc_{}", project.access_codes.len());
                    let mut draw = Draw::new(seed ^ 0xc0de, project.access_codes.len());
                    let codes =
                        (0..quantity as usize).map(|nth| data::access_code(&mut draw, plan, None, nth));
                    let codes: Vec<Value> = codes.collect();
                    project.access_codes.extend(codes);
                    Ok(json!({ "data": { "batch_id": batch, "quantity": quantity } }))
                }
                _ => Err(NOT_FOUND),
            }
        }
        _ => Err(NOT_FOUND),
    }
}

fn find<'a>(rows: &'a mut [Value], id: &str) -> Option<&'a mut Value> {
    rows.iter_mut().find(|row| row["id"] == id)
}

fn change(row: Option<&mut Value>, status: &str) -> Result<Value, Refusal> {
    let row = row.ok_or(NOT_FOUND)?;
    row["status"] = status.into();
    Ok(json!({ "data": row }))
}
