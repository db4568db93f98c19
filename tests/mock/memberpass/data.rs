//! What the team of the mock owns, from a seed.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::memberstack::{Draw, iso_ms};
use super::team::TEAM;

/// 2026-05-18T10:05:00Z in milliseconds, when the youngest row was made.
pub(super) const NEWEST_MS: i64 = 1_779_098_700_000;
const PLANS_PER_PROJECT: usize = 3;
const RESOURCES_PER_PROJECT: usize = 4;
/// More than a page of the default size in either dialect.
const CODES_PER_PLAN: usize = 30;

/// A project with everything below it; every list is newest first, as the API sends it.
pub(super) struct Project {
    /// As `/projects` shows it; `/projects/{id}` adds fields.
    pub(super) summary: Value,
    pub(super) plans: Vec<Value>,
    pub(super) members: Vec<Value>,
    pub(super) subscriptions: Vec<Value>,
    pub(super) transactions: Vec<Value>,
    pub(super) activity: Vec<Value>,
    /// Those of all plans.
    pub(super) access_codes: Vec<Value>,
    pub(super) resources: Vec<Value>,
    pub(super) payment_methods: Vec<Value>,
}

impl Project {
    pub(super) fn id(&self) -> &str {
        self.summary["id"].as_str().unwrap_or_default()
    }

    pub(super) fn detail(&self) -> Value {
        let mut detail = self.summary.clone();
        detail["banner_url"] = Value::Null;
        detail["photo_url"] = Value::Null;
        detail["team_id"] = TEAM.into();
        detail["updated_at"] = iso(NEWEST_MS).into();
        detail["counts"] = json!({
            "plans": self.plans.len(), "resources": self.resources.len(), "subscribers": self.members.len(),
            "payment_methods": self.payment_methods.len(),
        });
        detail
    }

    /// Adds something that happened, as the newest: one thing a minute.
    pub(super) fn add_activity(&mut self, seed: u64) {
        let number = self.activity.len();
        let mut draw = Draw::new(seed ^ 0xac7, number);
        if let Some(member) = self.members.first() {
            let row = activity(&mut draw, self.id(), member, NEWEST_MS + number as i64 * 60_000);
            self.activity.insert(0, row);
        }
    }

    /// Adds a member in front, as the newest.
    pub(super) fn add_member(&mut self, seed: u64) {
        let number = self.members.len();
        self.members.insert(0, member(&mut Draw::new(seed ^ 0xadd, number), self.id(), NEWEST_MS + 1000));
    }
}

/// Three projects that share the members as evenly as possible; two members come, and pay, after each gap.
pub(super) fn projects(seed: u64, members: usize, gap: Duration) -> Vec<Project> {
    let names =
        [("Nordic Signals", "nordic-signals"), ("Café Crypto", "cafe-crypto"), ("Løperne", "loperne")];
    (0..names.len())
        .map(|nth| {
            let count = members / names.len() + usize::from(nth < members % names.len());
            project(seed, nth, names[nth], count, gap)
        })
        .collect()
}

fn project(
    seed: u64,
    nth: usize,
    (name, handle): (&str, &str),
    member_count: usize,
    gap: Duration,
) -> Project {
    let gap = gap.as_millis() as i64;
    let mut draw = Draw::new(seed ^ 0x9a55, nth);
    let id = ulid(&mut draw, "prj");
    let description = if nth == 0 { Value::Null } else { json!(format!("All about {name}")) };
    let summary = json!({
        "id": id, "name": name, "handle": handle, "type": "telegram", "description": description, "active": true,
        "created_at": iso(NEWEST_MS - 20_000_000_000 - nth as i64 * 86_400_000),
    });
    let plans: Vec<Value> = (0..PLANS_PER_PROJECT).map(|nth| plan(&mut draw, &id, nth)).collect();
    let mut project = Project {
        summary,
        plans,
        members: Vec::new(),
        subscriptions: Vec::new(),
        transactions: Vec::new(),
        activity: Vec::new(),
        access_codes: Vec::new(),
        resources: Vec::new(),
        payment_methods: Vec::new(),
    };
    for number in 0..member_count {
        // Two rows at a time, so that equal instants occur in a list.
        let at = NEWEST_MS - (number as i64 / 2) * gap;
        let member = member(&mut draw, &id, at);
        let subscription = subscription(&mut draw, &project.plans, &member, at);
        project.transactions.push(transaction(&mut draw, &subscription, at));
        project.activity.push(activity(&mut draw, &id, &member, at));
        project.subscriptions.push(subscription);
        project.members.push(member);
    }
    // Drawn last, so that what is above stays what it was.
    for nth in 0..RESOURCES_PER_PROJECT {
        project.resources.push(resource(&mut draw, &id, nth));
    }
    for provider in ["stripe", "telegram_stars"] {
        project.payment_methods.push(payment_method(&mut draw, &id, provider));
    }
    for plan in &project.plans {
        for nth in 0..CODES_PER_PLAN {
            let member = project.members.get(nth);
            project.access_codes.push(access_code(&mut draw, plan, member, nth));
        }
    }
    project
}

fn resource(draw: &mut Draw, project: &str, nth: usize) -> Value {
    json!({
        "id": ulid(draw, "res"), "project_id": project, "title": format!("Room {}", nth + 1),
        "type": draw.pick(&["channel", "group"]), "target": format!("-100{}", draw.below(1_000_000_000)),
        "linked": draw.percent(80), "created_at": iso(NEWEST_MS - nth as i64 * 3_600_000),
    })
}

fn payment_method(draw: &mut Draw, project: &str, provider: &str) -> Value {
    json!({
        "id": ulid(draw, "pmt"), "project_id": project, "provider": provider, "active": true,
        "created_at": iso(NEWEST_MS - 1_000_000_000),
    })
}

/// Every second one is taken. The ids have the prefix of subscriptions, as in the documentation.
pub(super) fn access_code(draw: &mut Draw, plan: &Value, member: Option<&Value>, nth: usize) -> Value {
    let at = NEWEST_MS - nth as i64 * 60_000;
    let by = member.filter(|_| nth % 2 == 1).map_or(Value::Null, |member| member["id"].clone());
    let redeemed_at = if by.is_null() { Value::Null } else { json!(iso(at)) };
    let code = draw.token(8).to_uppercase();
    json!({
        "id": ulid(draw, "sub"), "plan_id": plan["id"], "code_masked": format!("{}****{}", &code[..4], &code[4..]),
        "redeemed_at": redeemed_at, "expires_at": iso(at + 2_592_000_000), "redeemed_by": by,
        "created_at": iso(at - 86_400_000),
    })
}

fn plan(draw: &mut Draw, project: &str, nth: usize) -> Value {
    let price = ["29.00", "9.50", "199.00"][nth % 3];
    json!({
        "id": ulid(draw, "pln"), "project_id": project, "name": format!("Plan {}", nth + 1), "description": null,
        "price": price, "currency": "USD", "billing_cycle": "months", "billing_cycle_count": 1 + nth,
        "trial_days": 7 * nth, "trial_cardless": false, "recurring": nth != 2, "active": true,
        "created_at": iso(NEWEST_MS - nth as i64 * 86_400_000),
    })
}

fn member(draw: &mut Draw, project: &str, at: i64) -> Value {
    // People who come over Telegram have no address.
    let email = if draw.percent(70) { json!(format!("{}@example.test", draw.token(8))) } else { Value::Null };
    json!({
        "id": ulid(draw, "usr"), "project_id": project, "name": draw.pick(&["Ola N.", "Zoë", "明", "José G."]),
        "email": email, "email_verified": draw.percent(50),
        "chat_id": (100_000_000 + draw.below(900_000_000)).to_string(),
        "status": draw.pick(&["lead", "trialing", "customer", "churned", "banned"]), "joined_at": iso(at),
    })
}

fn subscription(draw: &mut Draw, plans: &[Value], member: &Value, at: i64) -> Value {
    let plan = &plans[draw.below(plans.len() as u64) as usize];
    let trial = if draw.percent(30) { json!(iso(at + 604_800_000)) } else { Value::Null };
    json!({
        "id": ulid(draw, "sub"), "plan_id": plan["id"], "subscriber_id": member["id"],
        "status": draw.pick(&["active", "trialing", "past_due", "canceled"]),
        "trial_ends_at": trial, "ends_at": iso(at + 2_592_000_000), "access_code": null,
    })
}

fn transaction(draw: &mut Draw, subscription: &Value, at: i64) -> Value {
    json!({
        "id": ulid(draw, "pay"), "subscription_id": subscription["id"], "method_id": "pmt_01JDEMO",
        "currency_id": "cur_01JUSD", "status": draw.pick(&["successful", "successful", "pending", "refunded"]),
        "amount": "29.00", "transaction_fee": 87, "calculated_fee": "0.87",
        "external_payment_id": format!("pi_{}", draw.token(10)),
        "external_event_id": format!("evt_{}", draw.token(10)),
        "billing_reason": "subscription_cycle", "occurred_at": iso(at),
    })
}

fn activity(draw: &mut Draw, project: &str, member: &Value, at: i64) -> Value {
    json!({
        "id": ulid(draw, "act"), "log_name": "default", "description": "member joined", "event": "created",
        "subject_type": "project", "subject_id": project, "causer_type": "member", "causer_id": member["id"],
        "properties": { "source": draw.pick(&["bot", "portal"]) }, "actor_kind": "system", "created_at": iso(at),
    })
}

pub(super) fn ulid(draw: &mut Draw, prefix: &str) -> String {
    format!("{prefix}_01J{}", draw.token(20).to_uppercase())
}

/// Instants of this API have no fraction.
pub(super) fn iso(milliseconds: i64) -> String {
    iso_ms(milliseconds).replace(".000Z", "Z")
}
