//! The error envelope, and who gets it.

use serde_json::{Value, json};

use super::super::call::Reply;
use super::super::config::Key;

/// A refusal before it becomes an envelope.
pub(super) struct Refusal {
    status: u16,
    code: &'static str,
    message: &'static str,
    /// One more key of the envelope.
    extra: Option<Box<(&'static str, Value)>>,
}

impl Refusal {
    pub(super) const fn new(status: u16, code: &'static str, message: &'static str) -> Self {
        Self { status, code, message, extra: None }
    }

    pub(super) fn invalid(field: &'static str, message: &'static str) -> Self {
        let fields = json!({ field: [message] });
        let refusal = Self::new(422, "VALIDATION_FAILED", "The given data was invalid.");
        Self { extra: Some(Box::new(("fields", fields))), ..refusal }
    }

    /// What the API advises to do.
    fn remediation(&self) -> &'static str {
        match self.code {
            "AUTHENTICATION_REQUIRED" => "Send a token of this environment that is not revoked.",
            "TOKEN_MISSING_ABILITY" => "Make a token with the ability.",
            "RESOURCE_NOT_FOUND" => "Check the id, and the team of the token.",
            "VALIDATION_FAILED" => "Correct the fields.",
            "TEAM_TIER_REQUIRED" => "Upgrade the team.",
            "RATE_LIMITED" => "Wait for Retry-After seconds, then retry.",
            _ => "See docs_url.",
        }
    }

    pub(super) fn envelope(self, request: u64) -> Reply {
        let mut error = json!({
            "code": self.code,
            "message": self.message,
            "docs_url": format!("https://docs.memberpass.net/api/errors#{}", self.code.to_lowercase()),
            "remediation": self.remediation(),
            "request_id": format!("req_{request:06}"),
        });
        if let Some(extra) = self.extra {
            error[extra.0] = extra.1;
        }
        Reply::json(self.status, &json!({ "error": error }))
    }
}

pub(super) const NOT_FOUND: Refusal = Refusal::new(404, "RESOURCE_NOT_FOUND", "The resource was not found.");

/// Whether a token may do something.
pub(super) fn allow(key: &Key, ability: &str) -> Result<(), Refusal> {
    if key.abilities.as_ref().is_none_or(|abilities| abilities.iter().any(|held| held == ability)) {
        return Ok(());
    }
    let refusal = Refusal::new(403, "TOKEN_MISSING_ABILITY", "The token lacks an ability.");
    Err(Refusal { extra: Some(Box::new(("context", json!({ "required_ability": ability })))), ..refusal })
}

/// A parameter that the endpoint cannot do without.
pub(super) fn required(field: &'static str) -> Refusal {
    Refusal::invalid(field, "This field is required.")
}
