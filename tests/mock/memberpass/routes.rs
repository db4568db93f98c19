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
use super::writes::{self, Written};
use super::{paging, reports};

/// The API and its data.
pub(crate) struct MemberPass {
    config: MockConfig,
    projects: Vec<Project>,
    team: Team,
    /// Numbers the `request_id` of errors.
    failures: u64,
    /// Answers that a repeated key gets again.
    written: Written,
}

impl MemberPass {
    pub(crate) fn new(config: MockConfig) -> Self {
        Self {
            projects: data::projects(config.seed, config.members, config.payment_gap),
            team: Team::new(config.seed),
            config,
            failures: 0,
            written: Written::default(),
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

    /// A write needs a key; one that was used before gets the answer of then.
    fn write(&mut self, call: &Call) -> Result<Value, Refusal> {
        let key = self.token(call)?.clone();
        let once = call.header("idempotency-key").filter(|once| !once.is_empty()).map(str::to_owned);
        let once = once.ok_or(writes::KEY_MISSING)?;
        if let Some(answer) = self.written.again(&once, call)? {
            return Ok(answer);
        }
        let answer = writes::write(&mut self.projects, &key, call, self.config.seed)?;
        self.written.keep(once, call, &answer);
        Ok(answer)
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
        let (from, to) = (call.param("from"), call.param("to"));
        let rows = match (from, to) {
            (Some(from), Some(to)) => between(rows, &from, &to),
            _ => between(rows, &period_start(call)?, LAST_DAY),
        };
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

/// Later than any day.
const LAST_DAY: &str = "9999-12-31";

/// The first day of the `period`, 30 days if none is given. The mock's present is its youngest row.
fn period_start(call: &Call) -> Result<String, Refusal> {
    let period = call.param("period").unwrap_or_else(|| "30d".to_owned());
    let days = match period.as_str() {
        "all" => return Ok(String::new()),
        "7d" => 7,
        "14d" => 14,
        "30d" => 30,
        "60d" => 60,
        "90d" => 90,
        "1y" => 365,
        _ => return Err(Refusal::invalid("period", "The selected period is invalid.")),
    };
    Ok(data::iso(data::NEWEST_MS - days * 86_400_000)[..10].to_owned())
}

/// Between two days (`YYYY-MM-DD`), both included.
fn between<'a>(mut rows: Vec<&'a Value>, from: &str, to: &str) -> Vec<&'a Value> {
    rows.retain(|row| {
        let day = row["occurred_at"].as_str().and_then(|at| at.get(..10)).unwrap_or_default();
        (from..=to).contains(&day)
    });
    rows
}

impl Api for MemberPass {
    fn answer(&mut self, call: &Call) -> Reply {
        let answer = if call.method == Method::GET { self.read(call) } else { self.write(call) };
        match answer {
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

    fn settle_payment(&mut self, id: &str, status: &str) {
        let payments = self.projects.iter_mut().flat_map(|project| &mut project.transactions);
        for payment in payments.filter(|payment| payment["id"] == id) {
            payment["status"] = status.into();
        }
    }

    fn add_activity(&mut self, count: usize) {
        let seed = self.config.seed;
        for _ in 0..count {
            self.projects[0].add_activity(seed);
        }
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
