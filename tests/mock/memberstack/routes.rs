//! The routes of the Admin REST API.

use axum::http::Method;
use serde_json::{Map, Value, json};

use super::super::call::{Api, Call, Reply};
use super::super::config::{MockConfig, RefusalBody};
use super::super::faults::Victim;
use super::super::limiter::Verdict;
use super::errors;
use super::generate::{self, Draw, PLANS};
use super::members::{Members, Row};
use super::{records, tables};

/// A token that `verify-token` accepts is this and a member's id.
const TOKEN_PREFIX: &str = "token-of-";
/// When such a token was issued, in Unix seconds, and how long it lasts.
const TOKEN_ISSUED: i64 = 1_761_847_331;
const TOKEN_LIFETIME: i64 = 1_209_600;

/// The API and its data.
pub(crate) struct Memberstack {
    config: MockConfig,
    members: Members,
    tables: Vec<tables::Table>,
}

impl Memberstack {
    pub(crate) fn new(config: MockConfig) -> Self {
        Self { members: Members::new(config.clone()), tables: tables::generate(config.seed), config }
    }

    /// The answer to a key that is not accepted; the key is read before anything else, the route included.
    fn refuse_key(&self, call: &Call) -> Option<Reply> {
        match call.header("x-api-key") {
            Some(key) if self.config.keys.iter().any(|known| known.text == key) => None,
            Some(key) if key.starts_with("sk_") && key.len() > 3 => Some(errors::invalid_key(401)),
            _ => Some(errors::invalid_key(400)),
        }
    }

    fn retrieve(&self, call: &Call, id_or_email: &str) -> Reply {
        // A member that does not exist is not an error here.
        let member = self.members.find(id_or_email).map_or(Value::Null, |row| {
            let mut member = full(row);
            if call.param("include").as_deref() == Some("teams") {
                member["teams"] = json!([]);
            }
            member
        });
        Reply::json(200, &json!({ "data": member }))
    }

    fn create(&mut self, body: &Value) -> Reply {
        let Some(email) = body["email"].as_str().filter(|email| email.contains('@')) else {
            return errors::error(400, "invalid-email", "The email address is invalid.");
        };
        if self.members.find(email).is_some() {
            return errors::generic(400, "This email address is already in use.");
        }
        let mut connections = Vec::new();
        for plan in body["plans"].as_array().into_iter().flatten() {
            match free_plan(&plan["planId"]) {
                Some(plan) => connections.push(connection(email, plan)),
                None => return errors::error(400, "plan-not-found", "The plan was not found."),
            }
        }
        let object = |key: &str| if body[key].is_object() { body[key].clone() } else { json!({}) };
        let member = json!({
            "id": null,
            "auth": { "email": email },
            "verified": false,
            "createdAt": null,
            "lastLogin": null,
            "customFields": object("customFields"),
            "metaData": object("metaData"),
            "loginRedirect": body["loginRedirect"],
            "profileImage": null,
            "stripeCustomerId": null,
            "permissions": [],
            "planConnections": connections,
        });
        let Value::Object(member) = member else { unreachable!("the literal above is an object") };
        let row = self.members.create(member, &object("json"));
        Reply::json(200, &json!({ "data": full(row) }))
    }

    fn update(&mut self, id: &str, body: &Value) -> Reply {
        let Some(row) = self.members.find(id).filter(|row| row.id == id) else { return errors::no_member() };
        let mut member = row.member();
        if let Some(email) = body.get("email") {
            if !email.as_str().is_some_and(|email| email.contains('@')) {
                return errors::error(400, "invalid-email", "The email address is invalid.");
            }
            member["auth"]["email"] = email.clone();
        }
        for key in ["loginRedirect", "verified", "profileImage"] {
            if let Some(value) = body.get(key) {
                member[key] = value.clone();
            }
        }
        merge(&mut member["customFields"], &body["customFields"], |_| true);
        merge(&mut member["metaData"], &body["metaData"], |value| !is_falsy(value));
        let json = body.get("json").cloned().unwrap_or_else(|| row.json());
        match self.members.update(id, &member, &json) {
            Some(row) => Reply::json(200, &json!({ "data": full(row) })),
            None => errors::no_member(),
        }
    }

    fn delete(&mut self, id: &str) -> Reply {
        if !self.members.delete(id) {
            return errors::no_member();
        }
        Reply::json(200, &json!({ "data": { "id": id } }))
    }

    /// Attaches or detaches a free plan; the answer is the text `OK`, not JSON.
    fn change_plan(&mut self, id: &str, body: &Value, attach: bool) -> Reply {
        let Some(row) = self.members.find(id).filter(|row| row.id == id) else { return errors::no_member() };
        let Some(plan) = free_plan(&body["planId"]) else {
            return errors::error(400, "plan-not-found", "The plan was not found.");
        };
        let (mut member, json) = (row.member(), row.json());
        let Some(connections) = member["planConnections"].as_array_mut() else { return errors::no_member() };
        let attached = connections.iter().position(|connection| connection["planId"] == plan.0);
        match (attach, attached) {
            (true, None) => connections.push(connection(id, plan)),
            (false, Some(position)) => drop(connections.remove(position)),
            (true, Some(_)) => {
                return errors::error(400, "already-have-plan", "The member already has this plan.");
            }
            (false, None) => return errors::error(400, "plan-not-found", "The plan was not found."),
        }
        self.members.update(id, &member, &json);
        Reply::text(200, "OK")
    }

    fn verify_token(&self, body: &Value) -> Reply {
        let id = body["token"].as_str().and_then(|token| token.strip_prefix(TOKEN_PREFIX));
        match id.filter(|id| self.members.find(id).is_some()) {
            None => errors::error(400, "INVALID_TOKEN", "Invalid token"),
            Some(id) => Reply::json(
                200,
                &json!({ "data": {
                    "id": id, "type": "member", "iat": TOKEN_ISSUED, "exp": TOKEN_ISSUED + TOKEN_LIFETIME,
                    "aud": "app_sb_example", "iss": "https://api.memberstack.com",
                } }),
            ),
        }
    }
}

impl Api for Memberstack {
    fn answer(&mut self, call: &Call) -> Reply {
        if let Some(refusal) = self.refuse_key(call) {
            return refusal;
        }
        let segments = call.segments();
        let path: Vec<&str> = segments.iter().map(String::as_str).collect();
        if call.method == Method::GET {
            // The vendor's client sends a body with GET; nobody reads it.
            return match path[..] {
                ["members"] => Reply::raw(200, self.members.page(call)),
                ["members", id] => self.retrieve(call, id),
                ["v2", "data-tables"] => tables::list(&self.tables),
                ["v2", "data-tables", key] => tables::retrieve(&self.tables, key),
                _ => errors::no_route(call),
            };
        }
        let Some(body) = call.json() else { return errors::invalid_json() };
        match (call.method.as_str(), &path[..]) {
            ("POST", ["members"]) => self.create(&body),
            ("POST", ["members", "verify-token"]) => self.verify_token(&body),
            ("POST", ["members", id, "add-plan"]) => self.change_plan(id, &body, true),
            ("POST", ["members", id, "remove-plan"]) => self.change_plan(id, &body, false),
            ("PATCH", ["members", id]) => self.update(id, &body),
            ("DELETE", ["members", id]) => self.delete(id),
            ("POST", ["v2", "data-tables", key, "records"]) => records::create(&mut self.tables, key, &body),
            ("PUT", ["v2", "data-tables", key, "records", id]) => {
                records::update(&mut self.tables, key, id, &body)
            }
            ("DELETE", ["v2", "data-tables", key, "records", id]) => {
                records::delete(&mut self.tables, key, id)
            }
            ("POST", ["v2", "data-tables", key, "records", "query"]) => {
                tables::query(&self.tables, key, &body)
            }
            _ => errors::no_route(call),
        }
    }

    fn page_number(&self, call: &Call) -> Option<u64> {
        (call.method == Method::GET && call.path == "/members").then(|| self.members.page_number(call))
    }

    fn rate_headers(&self, verdict: &Verdict) -> Vec<(&'static str, String)> {
        vec![
            ("ratelimit-limit", verdict.limit.to_string()),
            ("ratelimit-remaining", verdict.remaining.to_string()),
            ("ratelimit-reset", whole_seconds(verdict).to_string()),
        ]
    }

    fn too_many(&mut self, verdict: &Verdict) -> Reply {
        let text = "Too many requests, please try again later.";
        let reply = match self.config.refusal_body {
            RefusalBody::Text => Reply::text(429, text),
            RefusalBody::Json => errors::generic(429, text),
        };
        if self.config.retry_after {
            reply.with_header("retry-after", whole_seconds(verdict).to_string())
        } else {
            reply
        }
    }

    fn server_error(&mut self) -> Reply {
        errors::generic(500, "Something went wrong.")
    }

    fn repeat_cursor(&self, call: &Call, page: &mut Value) {
        page["endCursor"] = json!(call.number::<i64>("after").unwrap_or(0));
        page["hasNextPage"] = true.into();
    }

    fn members(&self) -> Vec<Value> {
        self.members.rows().iter().map(Row::member).collect()
    }

    fn create_member(&mut self) {
        self.members.create_generated();
    }

    fn delete_member(&mut self, id: &str) {
        self.members.delete(id);
    }

    fn victim(&self, call: &Call, victim: Victim) -> Option<String> {
        let id = match victim {
            Victim::Cursor => self.members.at_cursor(call),
            Victim::Seen => self.members.rows().first().map(|row| row.id.as_str()),
            Victim::Ahead => self.members.ahead(call),
        };
        id.map(str::to_owned)
    }
}

/// A member with its `json`, as every route but the list shows it.
fn full(row: &Row) -> Value {
    let mut member = row.member();
    member["json"] = row.json();
    member
}

fn free_plan(id: &Value) -> Option<(&'static str, &'static str, &'static str)> {
    PLANS.into_iter().find(|plan| plan.2 == "FREE" && *id == plan.0)
}

fn connection(owner: &str, plan: (&str, &str, &str)) -> Value {
    let seed = owner.bytes().fold(0, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    generate::plan_connection(&mut Draw::new(seed, plan.0.len()), plan, 0)
}

/// Lays the keys of `changes` over `target`; a key whose value is not kept is removed.
fn merge(target: &mut Value, changes: &Value, keep: impl Fn(&Value) -> bool) {
    let empty = Map::new();
    let Some(target) = target.as_object_mut() else { return };
    for (key, value) in changes.as_object().unwrap_or(&empty) {
        if keep(value) {
            target.insert(key.clone(), value.clone());
        } else {
            target.remove(key);
        }
    }
}

/// As JavaScript has it: `metaData` loses such values on update.
fn is_falsy(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(_) | Value::Object(_) => false,
    }
}

fn whole_seconds(verdict: &Verdict) -> u64 {
    verdict.reset.as_millis().div_ceil(1000) as u64
}
