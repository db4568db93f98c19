//! `auth`: credentials.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Credentials. Without a `type`: `bearer`.
#[derive(Deserialize, JsonSchema, Clone)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[schemars(
    transform = bearer_by_default,
    extend("x-later" = ["http_basic", "oauth2_client_credentials"], "x-hint" = "write a table, like { type = \"bearer\", token = \"${API_TOKEN}\" }")
)]
pub(in crate::config) enum RawAuth {
    /// `Authorization: Bearer <token>`.
    Bearer {
        /// The token; best `${A_VARIABLE}`.
        token: String,
    },
    /// A key in a header or query parameter.
    ApiKey {
        /// Name of the header or parameter. Default: `Authorization`.
        name: Option<String>,
        /// The key; best `${A_VARIABLE}`.
        api_key: String,
        /// Where the key goes. Default: `header`.
        location: Option<RawLocation>,
    },
}

/// Where an API key goes.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-later" = ["cookie"]))]
pub(in crate::config) enum RawLocation {
    /// A request header.
    Header,
    /// A query parameter.
    Query,
    /// The same as `query`.
    Param,
}

/// Lets the tag of the `bearer` branch be left out, as dlt does.
fn bearer_by_default(schema: &mut schemars::Schema) {
    let branches = schema.get_mut("oneOf").and_then(Value::as_array_mut);
    for branch in branches.into_iter().flatten() {
        if branch.pointer("/properties/type/const").and_then(Value::as_str) == Some("bearer")
            && let Some(required) = branch.get_mut("required").and_then(Value::as_array_mut)
        {
            required.retain(|key| key != "type");
        }
    }
}
