//! The routes and the tokens.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::http::Method;
use serde_json::{Value, json};

use super::super::call::{Api, Call, Reply};
use super::super::config::{Key, MockConfig};
use super::super::faults::Victim;
use super::super::limiter::Verdict;
use super::data::{self, Project};
use super::refusal::{NOT_FOUND, Refusal, allow, required};
use super::team::{self, Team};
use super::{paging, reports};

/// The API and its data.
pub(crate) struct MemberPass {
    config: MockConfig,
    projects: Vec<Project>,
    team: Team,
    /// Numbers the `request_id` of errors.
    failures: u64,
}

impl MemberPass {
    pub(crate) fn new(config: MockConfig) -> Self {
        Self {
            projects: data::projects(config.seed, config.members),
            team: Team::new(config.seed),
            config,
            failures: 0,
        }
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
        if let Some((_, status)) =
            self.config.above_tier.iter().find(|(prefix, _)| path.join("/").starts_with(prefix.as_str()))
        {
            return Err(Refusal::new(
                *status,
                "TEAM_TIER_REQUIRED",
                "The team's plan does not include this.",
            ));
        }
        match *path {
            ["projects", ref rest @ ..] => self.read_projects(call, key, rest),
            ["analytics", ref rest @ ..] => self.read_analytics(call, key, rest),
            _ => self.read_team(call, key, path),
        }
    }

    fn page(&self, call: &Call, rows: &[&Value]) -> Value {
        paging::numbered(call, self.config.dialect, rows)
    }

    fn read_projects(&self, call: &Call, key: &Key, path: &[&str]) -> Result<Value, Refusal> {
        let (id, rest) = match *path {
            [] => {
                allow(key, "project:view-any")?;
                let rows: Vec<&Value> = self.visible(key).map(|project| &project.summary).collect();
                return Ok(self.page(call, &having(rows, "handle", call.param("handle").as_deref())));
            }
            [id, ref rest @ ..] => (id, rest),
        };
        let project = |ability: &str| {
            allow(key, ability)?;
            self.project(key, id)
        };
        match *rest {
            [] => Ok(json!({ "data": project("project:view")?.detail() })),
            ["plans"] => {
                let rows = project("project-subscription-plan:view-any")?.plans.iter().collect();
                Ok(self.page(call, &having(rows, "name", call.param("name").as_deref())))
            }
            ["plans", plan] => one(&project("project-subscription-plan:view")?.plans, plan),
            ["plans", plan, "access-codes"] => {
                let project = project("project-access-code:view-any")?;
                one(&project.plans, plan)?;
                let rows: Vec<&Value> = having(project.access_codes.iter().collect(), "plan_id", Some(plan));
                let status = call.param("status").unwrap_or_else(|| "all".to_owned());
                let mut page = self.page(call, &with_code_status(rows, &status));
                page["meta"]["status"] = status.into();
                Ok(page)
            }
            ["plans", plan, "access-codes", "preview"] => {
                one(&project("project-access-code:create")?.plans, plan)?;
                let quantity =
                    call.number::<u32>("quantity").filter(|quantity| (1..=1000).contains(quantity));
                let quantity =
                    quantity.ok_or_else(|| Refusal::invalid("quantity", "Must be from 1 to 1000."))?;
                Ok(json!({ "data": { "plan_id": plan, "quantity": quantity, "cost": "0.00" } }))
            }
            ["members"] => {
                let rows = project("project-user:view-any")?.members.iter().collect();
                let rows = having(rows, "status", call.param("status").as_deref());
                Ok(self.page(call, &having(rows, "chat_id", call.param("telegram_id").as_deref())))
            }
            ["members", member] => one(&project("project-user:view")?.members, member),
            ["resources"] => Ok(self.page(call, &all(&project("project-resource:view-any")?.resources))),
            ["resources", resource] => one(&project("project-resource:view")?.resources, resource),
            ["payment-methods"] => {
                Ok(self.page(call, &all(&project("project-payment-method:view-any")?.payment_methods)))
            }
            ["payment-methods", method] => {
                one(&project("project-payment-method:view")?.payment_methods, method)
            }
            ["bot"] => {
                let handle = project("project:view")?.summary["handle"].clone();
                Ok(json!({ "data": { "id": format!("bot_{id}"), "username": handle, "status": "linked" } }))
            }
            ["distribution", link] => {
                project("distribution:read")?;
                distribution(call, id, link)
            }
            _ => Err(NOT_FOUND),
        }
    }

    /// All reports are about one project, in a range of days.
    fn read_analytics(&self, call: &Call, key: &Key, path: &[&str]) -> Result<Value, Refusal> {
        let ability =
            if *path == ["transactions"] { "project-subscription:view-any" } else { "dashboard:read" };
        allow(key, ability)?;
        let id = call.param("project_id").ok_or_else(|| required("project_id"))?;
        let project = self.project(key, &id)?;
        let rows: Vec<&Value> = project.transactions.iter().collect();
        let rows = between(rows, call.param("from").as_deref(), call.param("to").as_deref());
        match *path {
            ["transactions"] => paging::keyset(call, &rows)
                .ok_or_else(|| Refusal::invalid("cursor", "The cursor is invalid.")),
            ["dashboard"] => Ok(reports::dashboard(project, &rows)),
            ["earnings"] => Ok(reports::earnings(&rows)),
            ["subscribers"] => Ok(reports::subscribers(project)),
            ["transactions", "breakdown"] => {
                let dimension = call.param("dimension").ok_or_else(|| required("dimension"))?;
                if !["plan", "payment_provider", "currency", "project"].contains(&dimension.as_str()) {
                    return Err(Refusal::invalid("dimension", "The selected dimension is invalid."));
                }
                Ok(reports::breakdown(project, &dimension, &rows))
            }
            ["plan-performance"] => Ok(json!({ "data": reports::performance(project, &rows) })),
            _ => Err(NOT_FOUND),
        }
    }

    fn read_team(&self, call: &Call, key: &Key, path: &[&str]) -> Result<Value, Refusal> {
        let team = &self.team;
        let allowed = |ability: &str| allow(key, ability);
        match *path {
            ["teams"] => allowed("team:view-any").map(|()| json!({ "data": [team::team()] })),
            ["teams", "current"] => allowed("team:view").map(|()| json!({ "data": team::team() })),
            ["teams", id] => allowed("team:view").and_then(|()| one(&[team::team()], id)),
            ["teams", id, ..] if id != team::TEAM => Err(NOT_FOUND),
            ["teams", _, "members"] => {
                allowed("team-member:view-any").map(|()| json!({ "data": team.members }))
            }
            ["teams", _, "members", user] => {
                allowed("team-member:view").and_then(|()| one(&team.members, user))
            }
            ["roles"] => allowed("role:view-any").map(|()| self.page(call, &all(&team.roles))),
            ["roles", id] => allowed("role:view").and_then(|()| one(&team.roles, id)),
            ["groups"] => allowed("group:view-any").map(|()| self.page(call, &all(&team.groups))),
            ["groups", id] => allowed("group:view").and_then(|()| one(&team.groups, id)),
            // Those of the token's owner; no ability is asked for.
            ["tokens"] => Ok(self.page(call, &all(&team.tokens))),
            ["tokens", id] => one(&team.tokens, id),
            ["webhook-endpoints"] => {
                allowed("webhook-endpoint:manage").map(|()| self.page(call, &all(&team.webhook_endpoints)))
            }
            ["webhook-events"] => {
                allowed("webhook-endpoint:manage")?;
                let kind = call.param("type").ok_or_else(|| required("type"))?;
                Ok(paging::latest(call, &having(all(&team.webhook_events), "type", Some(&kind))))
            }
            ["subscriptions"] => {
                allowed("project-subscription:view-any")?;
                let rows = self.visible(key).flat_map(|project| &project.subscriptions).collect();
                let rows = having(rows, "status", call.param("status").as_deref());
                Ok(self.page(call, &having(rows, "plan_id", call.param("plan_id").as_deref())))
            }
            ["subscriptions", id] => {
                allowed("project-subscription:view")?;
                self.visible(key).find_map(|project| one(&project.subscriptions, id).ok()).ok_or(NOT_FOUND)
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

fn all(rows: &[Value]) -> Vec<&Value> {
    rows.iter().collect()
}

/// One object by its id.
fn one(rows: &[Value], id: &str) -> Result<Value, Refusal> {
    rows.iter().find(|row| row["id"] == id).map(|row| json!({ "data": row })).ok_or(NOT_FOUND)
}

/// Where a project is sold; a deep link leads to exactly one thing.
fn distribution(call: &Call, project: &str, link: &str) -> Result<Value, Refusal> {
    let url = match link {
        "bot-link" => format!("https://t.me/bot?start={project}"),
        "portal-url" => format!("https://portal.example.test/{project}"),
        "deep-link" => {
            let given = ["access_code", "plan_id", "custom"].map(|name| call.param(name));
            match given.iter().flatten().collect::<Vec<_>>().as_slice() {
                [only] => format!("https://t.me/bot?start={project}_{only}"),
                _ => {
                    return Err(Refusal::invalid(
                        "plan_id",
                        "Give exactly one of access_code, plan_id, custom.",
                    ));
                }
            }
        }
        _ => return Err(NOT_FOUND),
    };
    Ok(json!({ "data": { "url": url } }))
}

fn with_code_status<'a>(mut rows: Vec<&'a Value>, status: &str) -> Vec<&'a Value> {
    rows.retain(|row| match status {
        "redeemed" => !row["redeemed_at"].is_null(),
        "unredeemed" => row["redeemed_at"].is_null(),
        "expired" => false,
        _ => true,
    });
    rows
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

    fn lists(&self) -> Vec<(&'static str, Vec<Value>)> {
        let of_projects = |rows: fn(&Project) -> &Vec<Value>| -> Vec<Value> {
            self.projects.iter().flat_map(|project| rows(project).clone()).collect()
        };
        vec![
            ("projects", self.projects.iter().map(|project| project.summary.clone()).collect()),
            ("project_details", self.projects.iter().map(Project::detail).collect()),
            ("plans", of_projects(|project| &project.plans)),
            ("members", of_projects(|project| &project.members)),
            ("subscriptions", of_projects(|project| &project.subscriptions)),
            ("transactions", of_projects(|project| &project.transactions)),
            ("activity", of_projects(|project| &project.activity)),
            ("access_codes", of_projects(|project| &project.access_codes)),
            ("resources", of_projects(|project| &project.resources)),
            ("payment_methods", of_projects(|project| &project.payment_methods)),
            ("current_team", vec![team::team()]),
            ("teams", vec![team::team()]),
            ("team_members", self.team.members.clone()),
            ("roles", self.team.roles.clone()),
            ("groups", self.team.groups.clone()),
            ("tokens", self.team.tokens.clone()),
            ("webhook_endpoints", self.team.webhook_endpoints.clone()),
        ]
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
