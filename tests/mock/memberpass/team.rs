//! What belongs to the team and to no project.

use serde_json::{Value, json};

use super::super::memberstack::Draw;
use super::data::{NEWEST_MS, iso, ulid};

/// Id of the team that all tokens belong to.
pub(super) const TEAM: &str = "tem_01JDEMOTEAM";

/// The lists of the team, newest first.
pub(super) struct Team {
    pub(super) members: Vec<Value>,
    pub(super) roles: Vec<Value>,
    pub(super) groups: Vec<Value>,
    pub(super) tokens: Vec<Value>,
    pub(super) webhook_endpoints: Vec<Value>,
    pub(super) webhook_events: Vec<Value>,
}

/// Rows enough for a second page of roles in either dialect.
const ROLES: usize = 28;

impl Team {
    pub(super) fn new(seed: u64) -> Self {
        let mut draw = Draw::new(seed ^ 0x7ea3, 0);
        let mut list = |count: usize, make: &dyn Fn(&mut Draw, usize) -> Value| -> Vec<Value> {
            (0..count).map(|nth| make(&mut draw, nth)).collect()
        };
        Self {
            members: list(4, &|draw, nth| {
                json!({
                    "id": ulid(draw, "usr"), "name": draw.pick(&["Kari", "Ánna", "Per"]),
                    "email": format!("{}@example.test", draw.token(6)), "owner": nth == 0, "joined_at": at(nth),
                })
            }),
            roles: list(ROLES, &|draw, nth| {
                json!({
                    "id": ulid(draw, "rol"), "name": format!("Role {}", nth + 1), "system": nth < 3,
                    "abilities": ["project:view-any", "project:view"], "created_at": at(nth),
                })
            }),
            groups: list(
                2,
                &|draw, nth| json!({ "id": ulid(draw, "grp"), "name": format!("Group {}", nth + 1), "created_at": at(nth) }),
            ),
            tokens: list(2, &|draw, nth| {
                json!({
                    "id": ulid(draw, "tok"), "name": format!("Token {}", nth + 1), "scopes": [format!("scope:team:{TEAM}")],
                    "last_used_at": (nth == 0).then(|| at(0)), "created_at": at(nth),
                })
            }),
            webhook_endpoints: list(2, &|draw, nth| {
                json!({
                    "id": ulid(draw, "whe"), "url": format!("https://example.test/hooks/{nth}"), "active": true,
                    "events": ["member.joined", "payment.succeeded"], "created_at": at(nth),
                })
            }),
            webhook_events: list(5, &|draw, nth| {
                json!({
                    "id": ulid(draw, "evt"), "type": if nth % 2 == 0 { "member.joined" } else { "payment.succeeded" },
                    "created_at": at(nth), "api_version": "2026-05-01", "project_id": null, "data": { "number": nth },
                })
            }),
        }
    }
}

/// The team as its own list and routes show it.
pub(super) fn team() -> Value {
    json!({ "id": TEAM, "name": "Demo team", "created_at": "2026-01-02T08:00:00Z" })
}

fn at(nth: usize) -> String {
    iso(NEWEST_MS - nth as i64 * 86_400_000)
}
