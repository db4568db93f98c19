//! `endpoint`: the request.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{RawCredentials, RawIncremental, RawPaginator, RawScalar};

/// The request.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum RawEndpoint {
    /// Just the path.
    Path(String),
    /// With settings.
    Settings(Box<RawEndpointSettings>),
}

/// The request, with settings.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-later" = ["data", "response_actions"]))]
pub(in crate::config) struct RawEndpointSettings {
    /// Path below `base_url`, or an absolute URL. `{resources.<parent>.<field>}` makes it one request per row of the
    /// parent. Default: the resource's name.
    pub path: Option<String>,
    /// Default: `GET`.
    pub method: Option<RawMethod>,
    /// Query parameters.
    #[schemars(with = "Option<BTreeMap<String, RawParam>>")]
    pub params: Option<IndexMap<String, RawParam>>,
    /// JSON body of a `POST`.
    pub json: Option<Map<String, Value>>,
    /// Headers, over the client's.
    #[schemars(with = "Option<BTreeMap<String, RawScalar>>")]
    pub headers: Option<IndexMap<String, RawScalar>>,
    /// Credentials in place of the client's.
    pub auth: Option<RawCredentials>,
    /// Where a page has its rows, like `data` or `data.records`. Default: found on the first page.
    pub data_selector: Option<String>,
    /// How to get from one page to the next.
    pub paginator: Option<RawPaginator>,
    /// What the next run starts from. Default: it reads everything.
    pub incremental: Option<RawIncremental>,
}

/// HTTP method.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
pub(in crate::config) enum RawMethod {
    /// Reads.
    #[serde(rename = "GET")]
    Get,
    /// Sends a JSON body.
    #[serde(rename = "POST")]
    Post,
}

/// A query parameter.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("x-hint" = "for dlt's { type = \"resolve\" } write \"{resources.<parent>.<field>}\"; for { type = \"incremental\" } write endpoint.incremental with a start_param"))]
pub(in crate::config) enum RawParam {
    /// Sent once.
    One(RawScalar),
    /// Sent once per element.
    Several(Vec<RawScalar>),
}
