//! Who may see which credentials, and how they are sent.

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::error::HttpError;
use super::request::{Body, Request};
use crate::config::{Auth, ClientPlan, KeyLocation, Method, Secret};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// Headers and URL of one request, credentials included. Never shown to anybody.
#[derive(Clone)]
pub(super) struct Dressed {
    /// With the query.
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    /// A key that goes into the query.
    query_key: Option<(String, Secret)>,
}

impl Dressed {
    /// Adds what the plan gives to requests of the base URL's origin, then what the request brings itself.
    ///
    /// # Errors
    /// A header's name or value cannot be sent.
    pub(super) fn new(plan: &ClientPlan, request: &Request) -> Result<Self, HttpError> {
        let is_ours = request.url.origin() == plan.base_url.origin();
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, JSON);
        match request.body {
            Some(Body::Json(_)) => drop(headers.insert(CONTENT_TYPE, JSON)),
            Some(Body::Form(_)) => drop(headers.insert(CONTENT_TYPE, FORM)),
            Some(Body::Text(_)) | None => {}
        }
        if is_ours {
            add_headers(&mut headers, &plan.headers)?;
        }
        add_headers(&mut headers, &request.headers)?;
        let auth = request.auth.as_ref().or(if is_ours { plan.auth.as_ref() } else { None });
        let query_key = match auth {
            None => None,
            Some(Auth::Bearer { token }) => {
                let value = secret_value(AUTHORIZATION.as_str(), &format!("Bearer {}", token.expose()))?;
                headers.insert(AUTHORIZATION, value);
                None
            }
            Some(Auth::ApiKey { name, api_key, location: KeyLocation::Header }) => {
                add_headers(&mut headers, &[(name.clone(), api_key.clone())])?;
                None
            }
            Some(Auth::ApiKey { name, api_key, location: KeyLocation::Query }) => {
                Some((name.clone(), api_key.clone()))
            }
        };
        let mut url = request.url.clone();
        if !request.params.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.params);
        }
        let mut dressed = Self { url, headers, query_key };
        dressed.add_query_key();
        Ok(dressed)
    }

    /// Turns to another URL of the same origin, which may have lost the key on the way.
    pub(super) fn redirect(&mut self, url: Url) {
        self.url = url;
        self.add_query_key();
    }

    fn add_query_key(&mut self) {
        if let Some((name, key)) = &self.query_key
            && !self.url.query_pairs().any(|(param, _)| param == name.as_str())
        {
            self.url.query_pairs_mut().append_pair(name, key.expose());
        }
    }
}

/// Checks headers without sending them.
///
/// # Errors
/// A name or value cannot be sent.
pub(super) fn check_headers(plan: &ClientPlan) -> Result<(), HttpError> {
    let base = Request::new(Method::Get, plan.base_url.clone());
    Dressed::new(plan, &base).map(|_| ())
}

fn add_headers(headers: &mut HeaderMap, added: &[(String, Secret)]) -> Result<(), HttpError> {
    for (name, value) in added {
        let value = secret_value(name, value.expose())?;
        let name: HeaderName = name.parse().map_err(|_| HttpError::Header { name: name.clone() })?;
        headers.insert(name, value);
    }
    Ok(())
}

fn secret_value(name: &str, value: &str) -> Result<HeaderValue, HttpError> {
    let mut value = HeaderValue::from_str(value).map_err(|_| HttpError::Header { name: name.to_owned() })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::super::client::tests::{get, plan};
    use super::*;

    fn key(location: KeyLocation) -> Auth {
        Auth::ApiKey { name: "X-API-KEY".to_owned(), api_key: Secret::new("sk_1&2"), location }
    }

    fn dressed(auth: Option<Auth>, url: &str, request_auth: Option<Auth>) -> Dressed {
        let mut plan = plan("https://api.example.com/v1/");
        plan.headers = vec![("X-Team".to_owned(), Secret::new("blue"))];
        plan.auth = auth;
        let mut request = get(url);
        request.auth = request_auth;
        Dressed::new(&plan, &request).unwrap()
    }

    #[test]
    fn keys_go_where_the_config_says() {
        let bearer =
            dressed(Some(Auth::Bearer { token: Secret::new("t") }), "https://api.example.com/v1/a", None);
        assert_eq!(bearer.headers["authorization"], "Bearer t");
        assert_eq!(bearer.headers["accept"], "application/json");
        assert_eq!(bearer.headers["x-team"], "blue");
        let header = dressed(Some(key(KeyLocation::Header)), "https://api.example.com/v1/a", None);
        assert_eq!(header.headers["x-api-key"], "sk_1&2");
        assert_eq!(header.url.as_str(), "https://api.example.com/v1/a");
        let query = dressed(Some(key(KeyLocation::Query)), "https://api.example.com/v1/a", None);
        assert_eq!(query.url.as_str(), "https://api.example.com/v1/a?X-API-KEY=sk_1%262");
        assert!(!query.headers.contains_key("x-api-key"));
    }

    #[test]
    fn other_origins_get_neither_keys_nor_headers() {
        for url in ["https://evil.example/", "http://api.example.com/", "https://api.example.com:8443/"] {
            for location in [KeyLocation::Header, KeyLocation::Query] {
                let dressed = dressed(Some(key(location)), url, None);
                assert_eq!(dressed.url.as_str(), url);
                assert_eq!(dressed.headers.keys().collect::<Vec<_>>(), ["accept"]);
            }
        }
        let own = Some(Auth::Bearer { token: Secret::new("own") });
        let dressed = dressed(Some(key(KeyLocation::Header)), "https://other.example/", own);
        assert_eq!(dressed.headers["authorization"], "Bearer own");
        assert!(!dressed.headers.contains_key("x-api-key"));
    }

    #[test]
    fn a_redirect_keeps_the_key_in_the_query_once() {
        let mut dressed = dressed(Some(key(KeyLocation::Query)), "https://api.example.com/v1/a", None);
        dressed.redirect("https://api.example.com/v2/a?page=1".parse().unwrap());
        assert_eq!(dressed.url.as_str(), "https://api.example.com/v2/a?page=1&X-API-KEY=sk_1%262");
        let again = dressed.url.clone();
        dressed.redirect(again.clone());
        assert_eq!(dressed.url, again);
    }

    #[test]
    fn what_cannot_be_sent_is_named_but_not_shown() {
        let mut plan = plan("https://api.example.com/");
        plan.headers = vec![("X-Key".to_owned(), Secret::new("secret\n"))];
        let error = check_headers(&plan).unwrap_err();
        assert!(error.to_string().contains("`X-Key`") && !format!("{error:?}").contains("secret"));
        plan.headers = Vec::new();
        plan.auth = Some(Auth::Bearer { token: Secret::new("secret\n") });
        assert!(check_headers(&plan).is_err());
    }
}
