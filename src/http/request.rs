//! What is asked and what came back, free of the HTTP library's types where callers need none.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use serde_json::Value;
use url::{Origin, Url};

use crate::config::{Auth, Method, Secret};

/// One request, complete but for credentials, which the client adds when it sends it.
#[derive(Debug, Clone)]
pub struct Request {
    /// `GET` or `POST`.
    pub method: Method,
    /// Absolute, without the query.
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
}

impl Request {
    /// A request for `url` that has nothing else yet.
    pub fn new(method: Method, url: Url) -> Self {
        let home = url.origin();
        Self { method, url, params: Vec::new(), body: None, headers: Vec::new(), auth: None, home }
    }

    /// The JSON body, made if there is none yet; what else was to be sent gives way to it.
    pub(crate) fn json_mut(&mut self) -> &mut Value {
        match self.body.get_or_insert(Body::Json(Value::Null)) {
            Body::Json(json) => json,
        }
    }
}

/// The body of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// `application/json`.
    Json(Value),
}

/// A response with a 2xx status, its body complete and decompressed.
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
    /// `Content-Type`, if sent.
    pub content_type: Option<String>,
    /// Attempts it took, the last one included.
    pub attempts: u32,
    /// Attempts of them that were refused with status 429.
    pub throttled: u32,
    /// From the first attempt's start to the last byte, pauses included.
    pub elapsed: Duration,
}
