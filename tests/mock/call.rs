//! A request and its reply as plain values, and the trait that the two APIs implement between them.

use axum::body::Bytes;
use axum::http::{HeaderMap, Method};
use serde_json::Value;

use super::faults::Victim;
use super::limiter::Verdict;

/// One request, read whole.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// Still percent-encoded.
    pub(crate) path: String,
    /// Without the question mark.
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    /// The parts of the path between slashes, decoded.
    pub(crate) fn segments(&self) -> Vec<String> {
        self.path.split('/').filter(|part| !part.is_empty()).map(percent_decode).collect()
    }

    /// The first query parameter with this name. Empty pairs, as in `?&after=1`, are skipped.
    pub(crate) fn param(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// A query parameter as a number; anything else counts as not given.
    pub(crate) fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.param(name)?.parse().ok()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON; an empty one is an empty object.
    pub(crate) fn json(&self) -> Option<Value> {
        if self.body.is_empty() {
            return Some(Value::Object(serde_json::Map::new()));
        }
        serde_json::from_slice(&self.body).ok()
    }
}

fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let escape = (bytes[index] == b'%').then(|| text.get(index + 1..index + 3)).flatten();
        match escape.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                index += 3;
            }
            None => {
                decoded.push(bytes[index]);
                index += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// An answer before it meets the network.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl Reply {
    /// A JSON document that is already text.
    pub(crate) fn raw(status: u16, body: impl Into<Bytes>) -> Self {
        let content_type = "application/json; charset=utf-8";
        Self { status, content_type, headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::raw(status, body.to_string())
    }

    pub(crate) fn text(status: u16, body: impl Into<String>) -> Self {
        Self { content_type: "text/html; charset=utf-8", ..Self::raw(status, body.into()) }
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// An API: its data, its routes and its manners, without sockets, clock and counting.
pub(crate) trait Api: Send {
    /// The answer to a request that is within the quota.
    fn answer(&mut self, call: &Call) -> Reply;

    /// The number of the page, from 1, that the request asks for; `None` when it asks for no list of members.
    fn page_number(&self, call: &Call) -> Option<u64>;

    /// The headers about the quota that every answer carries.
    fn rate_headers(&self, verdict: &Verdict) -> Vec<(&'static str, String)>;

    /// The answer over the quota.
    fn too_many(&mut self, verdict: &Verdict) -> Reply;

    /// The answer when the API itself fails.
    fn server_error(&mut self) -> Reply;

    /// The page as it is when it names again the cursor it was asked with.
    fn repeat_cursor(&self, call: &Call, page: &mut Value);

    /// All members as the list shows them, oldest first.
    fn members(&self) -> Vec<Value>;

    /// The lists of the API by what its config calls them, for comparisons; an API without that has none.
    fn lists(&self) -> Vec<(&'static str, Vec<Value>)> {
        Vec::new()
    }

    /// Gives a payment another state; an unknown id changes nothing.
    fn settle_payment(&mut self, _id: &str, _status: &str) {}

    /// Lets this much more happen in the first project.
    fn add_activity(&mut self, _count: usize) {}

    fn create_member(&mut self);

    fn delete_member(&mut self, id: &str);

    /// The id of the member that `victim` means for this request.
    fn victim(&self, call: &Call, victim: Victim) -> Option<String>;
}
