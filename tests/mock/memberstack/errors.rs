//! The error bodies of the Memberstack API.

use serde_json::json;

use super::super::call::{Call, Reply};

/// `{"code", "message"}` with this status.
pub(super) fn error(status: u16, code: &str, message: &str) -> Reply {
    Reply::json(status, &json!({ "code": code, "message": message }))
}

/// Most failures carry this constant code; status and message say the rest.
pub(super) fn generic(status: u16, message: &str) -> Reply {
    error(status, "generic-message", message)
}

/// 400 for a key that is missing or malformed, 401 for one that is unknown; the body is the same.
pub(super) fn invalid_key(status: u16) -> Reply {
    error(status, "validation/invalid-secret-key", "The provided secret key is invalid.")
}

pub(super) fn invalid_json() -> Reply {
    error(400, "validation/invalid-json", "The request body is not valid JSON.")
}

/// Changing or deleting an unknown member is a 400; reading one is not an error at all.
pub(super) fn no_member() -> Reply {
    generic(400, "There is no member with this identifier.")
}

/// The answer of the web framework itself to an unknown route: text, not JSON.
pub(super) fn no_route(call: &Call) -> Reply {
    Reply::text(404, format!("Cannot {} {}", call.method, call.path))
}
