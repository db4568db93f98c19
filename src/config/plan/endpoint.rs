//! The request of a resource.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::Value;

use super::{Auth, RateLimit, ResponsesPlan};
use crate::config::Secret;
use crate::page::JsonPath;
use crate::paginate::PaginatorPlan;

/// HTTP method of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    Get,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `PATCH`.
    Patch,
    /// `DELETE`.
    Delete,
}

/// A body that is no JSON. Keys and values are templates.
#[derive(Clone, PartialEq)]
pub enum DataPlan {
    /// `application/x-www-form-urlencoded`: fields in order.
    Form(Vec<(String, String)>),
    /// Sent as it is.
    Text(String),
}

/// A request before the paginator and the parent have filled it in. Its `Debug` leaves out what a user may have put
/// a key into: path, body and the values of parameters.
#[derive(Clone)]
pub struct EndpointPlan {
    /// How it is sent.
    pub method: Method,
    /// Relative to the base URL, or absolute; without a query. A [`Template`](super::Template), as are `params`,
    /// `json` and `headers`: it may hold `{resources.x.field}`, and literal braces are doubled.
    pub path: String,
    /// Query parameters in order; names and values may hold placeholders.
    pub params: Vec<(String, String)>,
    /// JSON body; texts and keys in it may hold placeholders.
    pub json: Option<Value>,
    /// Body in place of `json`.
    pub data: Option<DataPlan>,
    /// Over the client's headers; names and values may hold placeholders.
    pub headers: Vec<(String, Secret)>,
    /// Over the client's credentials. Without it, credentials go to the base URL's origin only.
    pub auth: Option<Auth>,
    /// Limit for one attempt in place of the client's.
    pub timeout: Option<Duration>,
    /// Whether its requests change data.
    pub mutates: bool,
    /// The header that tells the API whether a request is a repetition.
    pub idempotency_key: Option<String>,
    /// Where the rows are in a page. `None`: found on the first page, as dlt finds it.
    pub data_selector: Option<JsonPath>,
    /// Rule for the next request.
    pub paginator: PaginatorPlan,
    /// What is made of answers.
    pub responses: ResponsesPlan,
    /// Limits of its requests, besides those of the client.
    pub rate_limits: Vec<RateLimit>,
    /// Units that a request costs.
    pub cost: NonZeroU32,
}

impl fmt::Debug for EndpointPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let params: Vec<&str> = self.params.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("EndpointPlan")
            .field("method", &self.method)
            .field("params", &params)
            .field("headers", &self.headers)
            .field("auth", &self.auth)
            .field("timeout", &self.timeout)
            .field("mutates", &self.mutates)
            .field("idempotency_key", &self.idempotency_key)
            .field("data_selector", &self.data_selector)
            .field("paginator", &self.paginator)
            .field("responses", &self.responses)
            .finish_non_exhaustive()
    }
}
