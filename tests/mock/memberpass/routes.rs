//! The routes, the tokens and the error envelope.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::Method;
use serde_json::{Value, json};

use super::super::call::{Api, Call, Reply};
use super::super::config::{Key, MockConfig};
use super::super::faults::Victim;
use super::super::limiter::Verdict;
use super::data::{self, Project};
use super::paging;

/// The API and its data.
pub(crate) struct MemberPass {
    config: MockConfig,
    projects: Vec<Project>,
    /// Numbers the `request_id` of errors.
    failures: u64,
}

/// A refusal before it becomes an envelope.
struct Refusal {
    status: u16,
    code: &'static str,
    message: &'static str,
    /// One more key of the envelope.
    extra: Option<Box<(&'static str, Value)>>,
}

impl Refusal {
    const fn new(status: u16, code: &'static str, message: &'static str) -> Self {
        Self { status, code, message, extra: None }
    }

    fn invalid(field: &'static str, message: &'static str) -> Self {
        let fields = json!({ field: [message] });
        let refusal = Self::new(422, "VALIDATION_FAILED", "The given data was invalid.");
        Self { extra: Some(Box::new(("fields", fields))), ..refusal }
    }

    fn envelope(self, request: u64) -> Reply {
        let mut error = json!({
            "code": self.code,
            "message": self.message,
            "docs_url": format!("https://docs.memberpass.net/api/errors#{}", self.code.to_lowercase()),
            "remediation": "See docs_url.",
            "request_id": format!("req_{request:06}"),
        });
        if let Some(extra) = self.extra {
            error[extra.0] = extra.1;
        }
        Reply::json(self.status, &json!({ "error": error }))
    }
}

const NOT_FOUND: Refusal = Refusal::new(404, "RESOURCE_NOT_FOUND", "The resource was not found.");

impl MemberPass {
    pub(crate) fn new(config: MockConfig) -> Self {
        Self { projects: data::projects(config.seed, config.members), config, failures: 0 }
    }

    /// The token of the request. One for tests is of another environment, so it is refused even when configured.
    fn token(&self, call: &Call) -> Result<&Key, Refusal> {
        call.header("authorization")
            .and_then(|value| value.strip_prefix("Bearer "))
            .filter(|token| token.starts_with("mpt_live_"))
            .and_then(|token| self.config.keys.iter().find(|key| key.text == token))
            .ok_or(Refusal::new(401, "AUTHENTICATION_REQUIRED", "Unauthenticated."))
    }

    /// Every failure has a request id of its own.
    fn refuse(&mut self, refusal: Refusal) -> Reply {
        self.failures += 1;
        refusal.envelope(self.failures)
    }

    fn visible(&self, key: &Key) -> impl Iterator<Item = &Project> {
        self.projects.iter().filter(|project| key.project.as_deref().is_none_or(|only| only == project.id()))
    }

    /// Another team's project, and one outside the token's scope, are simply not there.
    fn project(&self, key: &Key, id: &str) -> Result<&Project, Refusal> {
        self.visible(key).find(|project| project.id() == id).ok_or(NOT_FOUND)
    }

    fn read(&self, call: &Call) -> Result<Value, Refusal> {
        let key = self.token(call)?;
        if call.method != Method::GET {
            return Err(Refusal::new(405, "METHOD_NOT_ALLOWED", "This mock only reads."));
        }
        let segments = call.segments();
        let path: Vec<&str> = segments.iter().map(String::as_str).collect();
        let Some((&"v1", path)) = path.split_first() else { return Err(NOT_FOUND) };
        let allowed = |ability: &str| allow(key, ability);
        let page = |rows: &[&Value]| paging::numbered(call, self.config.dialect, rows);
        match *path {
            ["teams", "current"] => allowed("team:view").map(|()| json!({ "data": data::team() })),
            ["projects"] => {
                allowed("project:view-any")?;
                let handle = call.param("handle");
                let rows: Vec<&Value> = self.visible(key).map(|project| &project.summary).collect();
                Ok(page(&having(rows, "handle", handle.as_deref())))
            }
            ["projects", id] => {
                allowed("project:view")?;
                Ok(json!({ "data": self.project(key, id)?.detail() }))
            }
            ["projects", id, "plans"] => {
                allowed("project-subscription-plan:view-any")?;
                let rows = self.project(key, id)?.plans.iter().collect();
                Ok(page(&having(rows, "name", call.param("name").as_deref())))
            }
            ["projects", id, "members"] => {
                allowed("project-user:view-any")?;
                let rows = self.project(key, id)?.members.iter().collect();
                let rows = having(rows, "status", call.param("status").as_deref());
                Ok(page(&having(rows, "chat_id", call.param("telegram_id").as_deref())))
            }
            ["subscriptions"] => {
                allowed("project-subscription:view-any")?;
                let rows = self.visible(key).flat_map(|project| &project.subscriptions).collect();
                let rows = having(rows, "status", call.param("status").as_deref());
                Ok(page(&having(rows, "plan_id", call.param("plan_id").as_deref())))
            }
            ["analytics", "transactions"] => {
                allowed("project-subscription:view-any")?;
                let id = call.param("project_id").ok_or_else(|| required("project_id"))?;
                let rows: Vec<&Value> = self.project(key, &id)?.transactions.iter().collect();
                let rows = between(rows, call.param("from").as_deref(), call.param("to").as_deref());
                paging::keyset(call, &rows)
                    .ok_or_else(|| Refusal::invalid("cursor", "The cursor is invalid."))
            }
            ["activity"] => {
                allowed("activity:read")?;
                let kind = call.param("subject_type").ok_or_else(|| required("subject_type"))?;
                let id = call.param("subject_id").ok_or_else(|| required("subject_id"))?;
                let rows = self.visible(key).flat_map(|project| &project.activity).collect();
                let rows = having(rows, "subject_type", Some(&kind));
                Ok(paging::latest(call, &having(rows, "subject_id", Some(&id))))
            }
            _ => Err(NOT_FOUND),
        }
    }
}

fn allow(key: &Key, ability: &str) -> Result<(), Refusal> {
    if key.abilities.as_ref().is_none_or(|abilities| abilities.iter().any(|held| held == ability)) {
        return Ok(());
    }
    let refusal = Refusal::new(403, "TOKEN_MISSING_ABILITY", "The token lacks an ability.");
    Err(Refusal { extra: Some(Box::new(("context", json!({ "required_ability": ability })))), ..refusal })
}

fn required(field: &'static str) -> Refusal {
    Refusal::invalid(field, "This field is required.")
}

fn having<'a>(mut rows: Vec<&'a Value>, key: &str, wanted: Option<&str>) -> Vec<&'a Value> {
    if let Some(wanted) = wanted {
        rows.retain(|row| row[key] == wanted);
    }
    rows
}

/// Both dates (`YYYY-MM-DD`, inclusive) or neither.
fn between<'a>(mut rows: Vec<&'a Value>, from: Option<&str>, to: Option<&str>) -> Vec<&'a Value> {
    if let (Some(from), Some(to)) = (from, to) {
        rows.retain(|row| {
            let day = row["occurred_at"].as_str().and_then(|at| at.get(..10)).unwrap_or_default();
            (from..=to).contains(&day)
        });
    }
    rows
}

impl Api for MemberPass {
    fn answer(&mut self, call: &Call) -> Reply {
        match self.read(call) {
            Ok(body) => Reply::json(200, &body),
            Err(refusal) => self.refuse(refusal),
        }
    }

    fn page_number(&self, call: &Call) -> Option<u64> {
        (call.method == Method::GET && call.path.ends_with("/members"))
            .then(|| paging::page_number(call) as u64)
    }

    fn rate_headers(&self, verdict: &Verdict) -> Vec<(&'static str, String)> {
        vec![
            ("x-ratelimit-limit", verdict.limit.to_string()),
            ("x-ratelimit-remaining", verdict.remaining.to_string()),
        ]
    }

    fn too_many(&mut self, verdict: &Verdict) -> Reply {
        let seconds = verdict.reset.as_millis().div_ceil(1000) as u64;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        self.refuse(Refusal::new(429, "RATE_LIMITED", "Too many requests."))
            .with_header("retry-after", seconds.to_string())
            .with_header("x-ratelimit-reset", (now + seconds).to_string())
    }

    fn server_error(&mut self) -> Reply {
        self.refuse(Refusal::new(500, "INTERNAL_ERROR", "Something went wrong."))
    }

    fn repeat_cursor(&self, call: &Call, page: &mut Value) {
        if page["meta"].get("next_cursor").is_some() {
            page["meta"]["next_cursor"] = call.param("cursor").map_or(Value::Null, Value::from);
        }
    }

    fn members(&self) -> Vec<Value> {
        self.projects.iter().flat_map(|project| project.members.iter().rev().cloned()).collect()
    }

    fn create_member(&mut self) {
        let seed = self.config.seed;
        if let Some(project) = self.projects.first_mut() {
            project.add_member(seed);
        }
    }

    fn delete_member(&mut self, id: &str) {
        for project in &mut self.projects {
            project.members.retain(|member| member["id"] != id);
        }
    }

    /// Page numbers know no cursor: `Cursor` and `Seen` are the newest member of the project, `Ahead` the oldest.
    fn victim(&self, call: &Call, victim: Victim) -> Option<String> {
        let segments = call.segments();
        let project =
            self.projects.iter().find(|project| segments.iter().any(|part| part == project.id()))?;
        let member = match victim {
            Victim::Cursor | Victim::Seen => project.members.first(),
            Victim::Ahead => project.members.last(),
        };
        member?["id"].as_str().map(str::to_owned)
    }
}
