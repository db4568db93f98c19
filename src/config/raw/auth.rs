//! `auth`: credentials.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::RawScalar;

/// Credentials: one kind, or a list of kinds that are all applied.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum RawCredentials {
    /// One kind.
    One(Box<RawAuth>),
    /// Several kinds; all of them are applied to each request.
    Several(Vec<RawAuth>),
}

/// Credentials. Without a `type`: `bearer`.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[schemars(
    transform = bearer_by_default,
    extend(
        "x-later" = ["session"],
        "x-instead" = { "session": "leave it out: tokens are asked for under the client's `timeout` and `retry`" },
        "x-hint" = "write a table, like { type = \"bearer\", token = \"${API_TOKEN}\" }"
    )
)]
pub(in crate::config) enum RawAuth {
    /// `Authorization: Bearer <token>`.
    Bearer {
        /// The token; best `${A_VARIABLE}`.
        token: String,
    },
    /// A key in a header, query parameter or cookie.
    ApiKey {
        /// Name of the header, parameter or cookie. Default: `Authorization`.
        name: Option<String>,
        /// The key; best `${A_VARIABLE}`.
        api_key: String,
        /// Where the key goes. Default: `header`.
        location: Option<RawLocation>,
    },
    /// `Authorization: Basic …` (RFC 7617, in UTF-8).
    HttpBasic {
        /// User name.
        username: String,
        /// Password; may be empty. Best `${A_VARIABLE}`.
        password: String,
    },
    /// An access token that the client gets for itself (RFC 6749, section 4.4).
    Oauth2ClientCredentials(RawClientCredentials),
    /// An access token that is got with a refresh token (RFC 6749, section 6).
    Oauth2RefreshToken(RawRefreshToken),
    /// An access token that is got with a signed assertion (RFC 7523), or the assertion itself.
    Jwt(RawJwt),
    /// The same as `jwt`.
    OauthJwt(RawJwt),
    /// A signature of each request.
    Hmac(RawHmac),
}

/// Where an API key goes.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RawLocation {
    /// A request header.
    Header,
    /// A query parameter.
    Query,
    /// The same as `query`.
    Param,
    /// A cookie.
    Cookie,
}

/// How a client proves itself to the token endpoint.
#[derive(Deserialize, JsonSchema, Clone, Copy, Default)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RawClientAuth {
    /// As `client_id` and `client_secret` in the form.
    #[default]
    Body,
    /// As `Authorization: Basic …`.
    Basic,
}

/// Declares the keys of credentials that an endpoint exchanges for an access token. (serde cannot combine `flatten`
/// with `deny_unknown_fields`.)
macro_rules! token_keys {
    ($(#[$meta:meta])* struct $name:ident { $($(#[$key_meta:meta])* $key:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub(in crate::config) struct $name {
            /// Address of the token endpoint.
            pub access_token_url: String,
            /// The client's id.
            pub client_id: String,
            $($(#[$key_meta])* pub $key: $type,)*
            /// How the client proves itself to the token endpoint. Default: `body`.
            pub client_auth: Option<RawClientAuth>,
            /// Further fields of the form, like `scope`.
            #[schemars(with = "Option<BTreeMap<String, RawScalar>>")]
            pub access_token_request_data: Option<IndexMap<String, RawScalar>>,
            /// Seconds a token lasts if the endpoint does not say. Default: 3600.
            #[schemars(range(min = 1))]
            pub default_token_expiration: Option<u32>,
            /// A token to begin with.
            pub access_token: Option<String>,
        }
    };
}

token_keys! {
    /// An access token that the client gets for itself.
    struct RawClientCredentials {
        /// The client's secret; best `${A_VARIABLE}`.
        client_secret: String,
    }
}

token_keys! {
    /// An access token that is got with a refresh token.
    struct RawRefreshToken {
        /// The client's secret, if it has one.
        client_secret: Option<String>,
        /// The refresh token; best `${A_VARIABLE}`. A newer one that the endpoint gives is kept in the work folder.
        refresh_token: String,
    }
}

/// A signed assertion.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawJwt {
    /// The issuer of the assertion, `iss`.
    pub client_id: String,
    /// The key in PEM form; best `${file:key.pem}`.
    pub private_key: String,
    /// What the key is encrypted with, if it is; best `${A_VARIABLE}`.
    pub private_key_passphrase: Option<String>,
    /// Signature. Default: `RS256`.
    pub algorithm: Option<RawJwtAlgorithm>,
    /// Id of the key, `kid`, if the endpoint knows several.
    pub key_id: Option<String>,
    /// Address of the token endpoint. Without it, the assertion itself is sent as bearer token.
    pub auth_endpoint: Option<String>,
    /// `scope`: text, or a list.
    pub scopes: Option<RawScopes>,
    /// `aud`. Default: `auth_endpoint`.
    pub audience: Option<String>,
    /// `sub`. Default: `client_id`.
    pub subject: Option<String>,
    /// Further claims, over those that are made from the other keys.
    pub claims: Option<Map<String, Value>>,
    /// How long an assertion lasts. Default: `1h`; `10m` without an `auth_endpoint`.
    pub lifetime: Option<String>,
    /// Further fields of the form of the token request.
    #[schemars(with = "Option<BTreeMap<String, RawScalar>>")]
    pub access_token_request_data: Option<IndexMap<String, RawScalar>>,
    /// Headers of the token request.
    #[schemars(with = "Option<BTreeMap<String, RawScalar>>")]
    pub headers: Option<IndexMap<String, RawScalar>>,
    /// Seconds a token lasts if the endpoint does not say. Default: 3600.
    #[schemars(range(min = 1))]
    pub default_token_expiration: Option<u32>,
}

/// Signature of an assertion.
#[derive(Deserialize, JsonSchema, Clone, Copy, Default)]
pub(in crate::config) enum RawJwtAlgorithm {
    /// RSA PKCS #1 v1.5 with SHA-256.
    #[default]
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
}

/// Scopes.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum RawScopes {
    /// As sent.
    Text(String),
    /// Joined by spaces.
    List(Vec<String>),
}

/// A signature of each request. `message`, `headers` and `params` are templates; see the chapter on credentials in
/// the reference.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawHmac {
    /// The shared secret; best `${A_VARIABLE}`.
    pub secret: String,
    /// How `secret` is written. Default: `text`.
    pub secret_encoding: Option<RawSecretEncoding>,
    /// Hash. Default: `sha256`.
    pub algorithm: Option<RawHmacAlgorithm>,
    /// What is signed, like `{timestamp}\n{method}\n{path}\n{body}`.
    pub message: String,
    /// How the signature is written. Default: `hex`.
    pub encoding: Option<RawEncoding>,
    /// Headers that are added, like `{ X-Signature = "{signature}", X-Timestamp = "{timestamp}" }`.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub headers: Option<IndexMap<String, String>>,
    /// Query parameters that are added; those without `{signature}` before the query is signed.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub params: Option<IndexMap<String, String>>,
}

/// Hash of a signature.
#[derive(Deserialize, JsonSchema, Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum RawHmacAlgorithm {
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// SHA-1, for old APIs.
    Sha1,
}

/// How a secret is written.
#[derive(Deserialize, JsonSchema, Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum RawSecretEncoding {
    /// Its bytes are those of the text.
    #[default]
    Text,
    /// Hexadecimal digits.
    Hex,
    /// Base64.
    Base64,
}

/// How bytes are written.
#[derive(Deserialize, JsonSchema, Clone, Copy, Default)]
#[serde(rename_all = "lowercase")]
pub(in crate::config) enum RawEncoding {
    /// Lower-case hexadecimal digits.
    #[default]
    Hex,
    /// Base64, with padding.
    Base64,
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
