//! What is asked and what came back, free of the HTTP library's types where callers need none.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{
    ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use serde_json::Value;
use url::{Origin, Url, form_urlencoded};

use super::actions::{Action, ResponseAction};
use crate::config::{Auth, Method, Secret};

/// One request, complete but for credentials, which the client adds when it sends it.
#[derive(Debug, Clone)]
pub struct Request {
    /// How it is sent.
    pub method: Method,
    /// Absolute. An address that the API gave has a query of its own, which `params` follow.
    pub url: Url,
    /// Query parameters in order.
    pub params: Vec<(String, String)>,
    /// What is sent along.
    pub body: Option<Body>,
    /// Over the client's headers.
    pub headers: Vec<(String, Secret)>,
    /// Replaces the client's credentials.
    pub auth: Option<Auth>,
    /// The one origin that sees `headers` and `auth`, wherever a link of the API's may take `url`.
    pub home: Origin,
    /// Replaces the client's limit for one attempt.
    pub timeout: Option<Duration>,
    /// Whether it may be sent again when nothing tells whether the API has done what it asks for.
    pub is_repeatable: bool,
    /// What answers mean, where their status alone does not say.
    pub actions: Arc<[ResponseAction]>,
    /// What is known of the answer: it comes only if it is another one now, else a 304 does.
    pub validators: Option<Validators>,
    /// What it is to the quota.
    pub claim: Claim,
}

/// By what a server tells whether an answer is still the same (RFC 9110, section 8.8): as it gave them.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Validators {
    /// `ETag`; sent back as `If-None-Match`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// `Last-Modified`; sent back as `If-Modified-Since`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

/// Longest validator that is kept, in bytes: they are kept in the state, many of them.
const MAX_VALIDATOR: usize = 256;

impl Validators {
    /// Those of an answer; `None` if it has none.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name| {
            let value = headers.get(name)?.to_str().ok()?;
            (!value.is_empty() && value.len() <= MAX_VALIDATOR).then(|| value.to_owned())
        };
        let found = Self { etag: text(ETAG), last_modified: text(LAST_MODIFIED) };
        (found.etag.is_some() || found.last_modified.is_some()).then_some(found)
    }

    /// The conditions they become, by header.
    pub(super) fn conditions(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        let conditions = [(IF_NONE_MATCH, &self.etag), (IF_MODIFIED_SINCE, &self.last_modified)];
        conditions.into_iter().filter_map(|(name, value)| Some((name, value.as_ref()?.parse().ok()?)))
    }
}

/// Takes query parameters out of a URL. One that has none of them stays as it is written.
pub(crate) fn drop_params(url: &mut Url, is_dropped: impl Fn(&str, &str) -> bool) {
    if !url.query_pairs().any(|(name, value)| is_dropped(&name, &value)) {
        return;
    }
    let kept: Vec<(String, String)> =
        url.query_pairs().into_owned().filter(|(name, value)| !is_dropped(name, value)).collect();
    url.set_query(None);
    if !kept.is_empty() {
        url.query_pairs_mut().extend_pairs(kept);
    }
}

/// What a request is to the quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The resource it is for, whose endpoint may have limits of its own.
    pub resource: Option<String>,
    /// Units it costs.
    pub cost: u32,
    /// Higher goes first when requests wait.
    pub priority: i32,
}

impl Default for Claim {
    fn default() -> Self {
        Self { resource: None, cost: 1, priority: 0 }
    }
}

impl Request {
    /// A request for `url` that has nothing else yet.
    pub fn new(method: Method, url: Url) -> Self {
        let home = url.origin();
        Self {
            method,
            url,
            params: Vec::new(),
            body: None,
            headers: Vec::new(),
            auth: None,
            home,
            actions: Arc::new([]),
            validators: None,
            timeout: None,
            is_repeatable: true,
            claim: Claim::default(),
        }
    }

    /// The URL with its query.
    pub(super) fn url_with_params(&self) -> Url {
        let mut url = self.url.clone();
        if !self.params.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.params);
        }
        url
    }

    /// The JSON body, made if there is none yet; what else was to be sent gives way to it.
    pub(crate) fn json_mut(&mut self) -> &mut Value {
        if !matches!(self.body, Some(Body::Json(_))) {
            self.body = Some(Body::Json(Value::Null));
        }
        match &mut self.body {
            Some(Body::Json(json)) => json,
            _ => unreachable!("it was just made"),
        }
    }
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// `application/json`.
    Json(Value),
    /// `application/x-www-form-urlencoded`.
    Form(Vec<(String, String)>),
    /// As it is, and without a content type of its own, as Python's `requests` sends it.
    Text(String),
}

impl Body {
    /// As it goes over the wire.
    pub(super) fn to_bytes(&self) -> Bytes {
        Bytes::from(match self {
            Self::Json(json) => json.to_string(),
            Self::Form(fields) => {
                form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
            }
            Self::Text(text) => text.clone(),
        })
    }
}

/// A response whose request did what was asked of it: with a 2xx status, with a 304 to a request with validators, or
/// with any status that an action says something of. The body is decompressed, and complete for a 2xx status.
#[derive(Debug, Clone)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
    /// Where it came from: the request's URL with its query, or what redirects led to. May hold a key.
    pub url: Url,
    /// Its headers.
    pub headers: HeaderMap,
    /// What is to be made of it: never [`Action::Retry`] or [`Action::Fail`], which the client sees to.
    pub action: Option<Action>,
    /// `Content-Type`, if sent.
    pub content_type: Option<String>,
    /// Attempts it took, the last one included.
    pub attempts: u32,
    /// Attempts of them that were refused with status 429.
    pub throttled: u32,
    /// From the first attempt's start to the last byte, pauses included.
    pub elapsed: Duration,
}
