//! The reports under `/analytics`: sums over the transactions of a project.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::data::Project;

/// Money of the API: major units with two places, as text.
fn money(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn cents(row: &Value) -> u64 {
    let amount: f64 = row["amount"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0.0);
    (amount * 100.0).round() as u64
}

fn gross(rows: &[&Value]) -> u64 {
    rows.iter().map(|row| cents(row)).sum()
}

pub(super) fn dashboard(project: &Project, rows: &[&Value]) -> Value {
    json!({ "data": {
        "members": project.members.len(), "subscriptions": project.subscriptions.len(),
        "transactions": rows.len(), "gross": money(gross(rows)),
    } })
}

/// Totals, and a bucket per day.
pub(super) fn earnings(rows: &[&Value]) -> Value {
    let mut days: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for row in rows {
        days.entry(row["occurred_at"].as_str().and_then(|at| at.get(..10)).unwrap_or_default())
            .or_default()
            .push(row);
    }
    let net = |rows: &[&Value]| money(gross(rows) - 87 * rows.len() as u64);
    let series: Vec<Value> = days
        .iter()
        .map(|(day, rows)| json!({ "bucket": day, "gross": money(gross(rows)), "net": net(rows) }))
        .collect();
    let totals = json!({
        "gross": money(gross(rows)), "fees": money(87 * rows.len() as u64), "net": net(rows), "transactions": rows.len(),
    });
    json!({ "data": { "totals": totals, "timeseries": series } })
}

pub(super) fn subscribers(project: &Project) -> Value {
    let with = |status: &str| project.members.iter().filter(|member| member["status"] == status).count();
    json!({ "data": { "total": project.members.len(), "customers": with("customer"), "churned": with("churned") } })
}

/// One row per value of the dimension; none but plans are told apart here.
pub(super) fn breakdown(project: &Project, dimension: &str, rows: &[&Value]) -> Value {
    let data: Vec<Value> = match dimension {
        "plan" => performance(project, rows)
            .into_iter()
            .map(|row| json!({ "key": row["plan_id"], "label": row["plan_name"], "transactions": row["payments_in_window"], "gross": row["revenue_in_window"] }))
            .collect(),
        _ => vec![json!({ "key": dimension, "label": "all", "transactions": rows.len(), "gross": money(gross(rows)) })],
    };
    json!({ "data": data, "meta": { "dimension": dimension } })
}

/// One row per plan.
pub(super) fn performance(project: &Project, rows: &[&Value]) -> Vec<Value> {
    let row = |plan: &Value| {
        let of_plan: Vec<&Value> = project
            .subscriptions
            .iter()
            .filter(|subscription| subscription["plan_id"] == plan["id"])
            .collect();
        let paid =
            |row: &&&Value| of_plan.iter().any(|subscription| subscription["id"] == row["subscription_id"]);
        let paid: Vec<&Value> = rows.iter().filter(paid).copied().collect();
        let average = if paid.is_empty() { 0 } else { gross(&paid) / paid.len() as u64 };
        json!({
            "plan_id": plan["id"], "plan_name": plan["name"], "active_subscribers": of_plan.len(),
            "payments_in_window": paid.len(), "revenue_in_window": money(gross(&paid)), "avg_ticket": money(average),
        })
    };
    project.plans.iter().map(row).collect()
}
