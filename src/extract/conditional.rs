//! Requests whose answer is sent only if it is another one than in the last run (RFC 9110, section 13).
//!
//! What a server says of one page is held to be true of a whole pagination only where that was one page, and where
//! the page itself says that there is no other: the validators of such a page are kept with the rows they stand for.

use serde_json::{Map, Value, json};
use sha3::{Digest, Sha3_256};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Extraction;
use super::parent::Series;
use crate::config::{ResourcePlan, Secret};
use crate::http::{Request, Response, Validators, carries_credentials};
use crate::paginate::Next;

/// Bytes of a request's digest that are kept: enough that no two requests of one resource share them.
const DIGEST_BYTES: usize = 12;

/// The first request of a pagination, as the state knows it.
pub(super) struct Condition {
    /// What it is known by.
    key: String,
    /// What the last load knew of its answer.
    pub(super) known: Option<Validators>,
}

impl Condition {
    /// `None` if the resource is read without conditions.
    pub(super) fn of(
        extraction: &Extraction<'_>,
        resource: &ResourcePlan,
        series: &Series,
        request: &Request,
    ) -> Option<Self> {
        if !resource.endpoint.responses.conditional {
            return None;
        }
        let client = &extraction.plan.client.headers;
        let headers: Vec<_> = client.iter().chain(&request.headers).collect();
        let key = key(&extraction.client.describe(request), &headers, &series.from_parent);
        let known = extraction.package.manifest.validators.get(&resource.name).and_then(|all| all.get(&key));
        Some(Self { known: known.cloned(), key })
    }

    /// What the next run may ask with, if this answer was the whole pagination.
    pub(super) fn met(self, response: &Response, next: &Next) -> Option<(String, Validators)> {
        if *next != Next::Done || response.action.is_some() {
            return None;
        }
        let validators = match Validators::of(&response.headers) {
            // A 304 need not repeat them.
            None if response.status == super::answer::NOT_MODIFIED => self.known?,
            validators => validators?,
        };
        Some((self.key, validators))
    }
}

/// A digest of what is asked, without secrets: it is kept in the database.
fn key(shown: &str, headers: &[&(String, Secret)], from_parent: &Map<String, Value>) -> String {
    let chosen = headers.iter().map(|(name, value)| {
        let name = name.to_ascii_lowercase();
        let value = (!carries_credentials(&name)).then(|| value.expose());
        (name, value)
    });
    let asked = json!([shown, chosen.collect::<Vec<_>>(), from_parent]);
    URL_SAFE_NO_PAD.encode(&Sha3_256::digest(asked.to_string())[..DIGEST_BYTES])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use bytes::Bytes;
    use reqwest::header::HeaderMap;

    use super::*;
    use crate::http::Action;
    use crate::paginate::PageCursor;

    fn header(name: &str, value: &str) -> (String, Secret) {
        (name.to_owned(), Secret::new(value))
    }

    #[test]
    fn a_request_is_known_by_what_is_asked_and_not_by_who_asks() {
        let none = Map::new();
        let of = |shown, name, value| key(shown, &[&header(name, value)], &none);
        let first = of("GET https://a.test/x", "Accept", "text/csv");
        assert_eq!(first, of("GET https://a.test/x", "accept", "text/csv"));
        assert_ne!(first, of("GET https://a.test/y", "Accept", "text/csv"));
        assert_ne!(first, of("GET https://a.test/x", "Accept", "application/json"));
        assert_eq!(of("GET x", "X-Key", "one"), of("GET x", "X-Key", "two"));
        assert_ne!(of("GET x", "X-Tenant", "one"), of("GET x", "X-Tenant", "two"));
        let parent = Map::from_iter([("_p_id".to_owned(), json!(1))]);
        assert_ne!(first, key("GET https://a.test/x", &[&header("Accept", "text/csv")], &parent));
    }

    #[test]
    fn only_a_pagination_of_one_page_is_known() {
        let old = Validators { etag: Some("\"1\"".to_owned()), last_modified: None };
        let met = |status: u16, etag: Option<&str>, action: Option<Action>, next: Next| {
            let headers = etag.map(|etag| (reqwest::header::ETAG, etag.parse().unwrap()));
            let response = Response {
                status,
                body: Bytes::new(),
                url: "https://a.test".parse().unwrap(),
                headers: HeaderMap::from_iter(headers),
                action,
                content_type: None,
                attempts: 1,
                throttled: 0,
                elapsed: std::time::Duration::ZERO,
            };
            let condition = Condition { key: "k".to_owned(), known: Some(old.clone()) };
            condition.met(&response, &next).and_then(|(_, validators)| validators.etag)
        };
        assert_eq!(met(200, Some("\"2\""), None, Next::Done).as_deref(), Some("\"2\""));
        assert_eq!(met(200, None, None, Next::Done), None);
        assert_eq!(met(304, None, None, Next::Done).as_deref(), Some("\"1\""));
        assert_eq!(met(304, Some("\"2\""), None, Next::Done).as_deref(), Some("\"2\""));
        assert_eq!(met(200, Some("\"2\""), None, Next::Page(PageCursor::Number(2))), None);
        assert_eq!(met(200, Some("\"2\""), None, Next::Unproven), None);
        assert_eq!(met(200, Some("\"2\""), Some(Action::Stop), Next::Done), None);
    }
}
