//! What is asked and what came back, free of the HTTP library's types where callers need none.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use url::Url;

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
    /// JSON body.
    pub json: Option<Value>,
    /// Over the client's headers.
    pub headers: Vec<(String, Secret)>,
    /// Replaces the client's credentials.
    pub auth: Option<Auth>,
}

/// A response with a 2xx status, its body complete and decompressed.
#[derive(Debug, Clone)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
    /// `Content-Type`, if sent.
    pub content_type: Option<String>,
    /// Attempts it took, the last one included.
    pub attempts: u32,
    /// Attempts that the server refused with 429.
    pub throttled: u32,
    /// From the first attempt's start to the last byte, pauses included.
    pub elapsed: Duration,
}
