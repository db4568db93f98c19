//! Who may see which credentials, and how they are sent.

use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::super::error::HttpError;
use super::super::request::{Body, Request};
use super::hmac;
use super::token::Held;
use crate::config::{Auth, ClientPlan, HmacPlan, KeyLocation, Method, Secret};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// One request without its credentials, which may differ from attempt to attempt. Never shown to anybody.
#[derive(Clone)]
pub(in super::super) struct Bare {
    pub(in super::super) method: reqwest::Method,
    /// With the query.
    pub(in super::super) url: Url,
    pub(in super::super) headers: HeaderMap,
    pub(in super::super) body: Option<Bytes>,
    /// Who may be told to the URL's origin.
    pub(in super::super) auth: Option<Auth>,
}

impl Bare {
    /// Takes what the plan gives to requests of the base URL's origin, and what the request brings for its own.
    ///
    /// # Errors
    /// A header's name or value cannot be sent.
    pub(in super::super) fn new(plan: &ClientPlan, request: &Request) -> Result<Self, HttpError> {
        let origin = request.url.origin();
        let is_ours = origin == plan.base_url.origin();
        // A link of the API's may lead elsewhere.
        let is_its_own = origin == request.home;
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
        if is_its_own {
            add_headers(&mut headers, &request.headers)?;
        }
        let own = request.auth.as_ref().filter(|_| is_its_own);
        let auth = own.or(if is_ours { plan.auth.as_ref() } else { None }).cloned();
        let (url, body) = (request.url_with_params(), request.body.as_ref().map(Body::to_bytes));
        Ok(Self { method: method(request.method), url, headers, body, auth })
    }
}

/// HTTP's name of a method.
pub(in super::super) fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    }
}

/// One attempt: a request with its credentials, all but signatures, which are made when it is sent.
#[derive(Clone)]
pub(in super::super) struct Dressed {
    pub(in super::super) method: reqwest::Method,
    /// With the query.
    pub(in super::super) url: Url,
    pub(in super::super) headers: HeaderMap,
    pub(in super::super) body: Option<Bytes>,
    /// Keys that go into the query.
    query_keys: Vec<(String, Secret)>,
    signatures: Vec<Arc<HmacPlan>>,
}

impl Dressed {
    /// Adds the credentials; `tokens` are those of its [`Auth::Token`]s.
    ///
    /// # Errors
    /// A header's name or value cannot be sent.
    pub(in super::super) fn new(bare: &Bare, tokens: &[Held]) -> Result<Self, HttpError> {
        let mut dressed = Self {
            method: bare.method.clone(),
            url: bare.url.clone(),
            headers: bare.headers.clone(),
            body: bare.body.clone(),
            query_keys: Vec::new(),
            signatures: Vec::new(),
        };
        for auth in bare.auth.iter().flat_map(Auth::parts) {
            dressed.add(auth)?;
        }
        for held in tokens {
            dressed.bearer(held.value())?;
        }
        dressed.add_query_keys();
        Ok(dressed)
    }

    fn add(&mut self, auth: &Auth) -> Result<(), HttpError> {
        match auth {
            Auth::Bearer { token } => self.bearer(token)?,
            Auth::Basic { username, password } => {
                let value = format!("Basic {}", basic(username, password));
                self.headers.insert(AUTHORIZATION, secret_value(AUTHORIZATION.as_str(), &value)?);
            }
            Auth::ApiKey { name, api_key, location } => match location {
                KeyLocation::Header => {
                    add_headers(&mut self.headers, &[(name.clone(), api_key.clone())])?;
                }
                KeyLocation::Query => self.query_keys.push((name.clone(), api_key.clone())),
                KeyLocation::Cookie => self.cookie(name, api_key)?,
            },
            Auth::Hmac(plan) => self.signatures.push(Arc::clone(plan)),
            Auth::Token(_) | Auth::Several(_) => {}
        }
        Ok(())
    }

    fn bearer(&mut self, token: &Secret) -> Result<(), HttpError> {
        let value = secret_value(AUTHORIZATION.as_str(), &format!("Bearer {}", token.expose()))?;
        self.headers.insert(AUTHORIZATION, value);
        Ok(())
    }

    /// All cookies go into one header (RFC 6265, section 5.4).
    fn cookie(&mut self, name: &str, key: &Secret) -> Result<(), HttpError> {
        let others = self.headers.get(COOKIE).and_then(|value| value.to_str().ok());
        let others = others.map(|others| format!("{others}; ")).unwrap_or_default();
        let value = secret_value(COOKIE.as_str(), &format!("{others}{name}={}", key.expose()))?;
        self.headers.insert(COOKIE, value);
        Ok(())
    }

    /// URL and headers as they are sent at `now`, signed.
    ///
    /// # Errors
    /// A header's value cannot be sent.
    pub(in super::super) fn signed(&self, now: SystemTime) -> Result<(Url, HeaderMap), HttpError> {
        let (mut url, mut headers) = (self.url.clone(), self.headers.clone());
        let body = self.body.as_deref().unwrap_or_default();
        for plan in &self.signatures {
            let added = hmac::sign(plan, &self.method, &mut url, body, now);
            add_headers(&mut headers, &added)?;
        }
        Ok((url, headers))
    }

    /// Turns to another URL of the same origin, which may have lost the key on the way.
    pub(in super::super) fn redirect(&mut self, url: Url) {
        self.url = url;
        self.add_query_keys();
    }

    /// Asks without a body from now on, as browsers and every HTTP library do it after some redirects.
    pub(in super::super) fn drop_body(&mut self) {
        self.method = reqwest::Method::GET;
        self.body = None;
        self.headers.remove(CONTENT_TYPE);
    }

    fn add_query_keys(&mut self) {
        for (name, key) in &self.query_keys {
            if !self.url.query_pairs().any(|(param, _)| param == name.as_str()) {
                self.url.query_pairs_mut().append_pair(name, key.expose());
            }
        }
    }
}

/// The credentials of HTTP Basic (RFC 7617), in UTF-8.
pub(in super::super) fn basic(username: &Secret, password: &Secret) -> String {
    STANDARD.encode(format!("{}:{}", username.expose(), password.expose()))
}

/// Checks headers without sending them.
///
/// # Errors
/// A name or value cannot be sent.
pub(in super::super) fn check_headers(plan: &ClientPlan) -> Result<(), HttpError> {
    let base = Request::new(Method::Get, plan.base_url.clone());
    Dressed::new(&Bare::new(plan, &base)?, &[]).map(|_| ())
}

pub(super) fn add_headers(headers: &mut HeaderMap, added: &[(String, Secret)]) -> Result<(), HttpError> {
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
    use super::super::super::client::tests::{get, plan};
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
        Dressed::new(&Bare::new(&plan, &request).unwrap(), &[]).unwrap()
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
    fn what_a_request_brings_stays_with_its_own_origin() {
        let mut request = get("https://other.example/a");
        request.auth = Some(Auth::Bearer { token: Secret::new("own") });
        request.headers = vec![("X-Own".to_owned(), Secret::new("mine"))];
        request.url = "https://evil.example/a?page=2".parse().unwrap();
        let dressed = Dressed::new(&Bare::new(&plan("https://a.test/"), &request).unwrap(), &[]).unwrap();
        assert_eq!(dressed.headers.keys().collect::<Vec<_>>(), ["accept"]);
    }

    #[test]
    fn names_and_passwords_go_as_utf_8() {
        // RFC 7617, section 2.1.
        let auth = Auth::Basic { username: Secret::new("test"), password: Secret::new("123£") };
        let dressed = dressed(Some(auth), "https://api.example.com/", None);
        assert_eq!(dressed.headers["authorization"], "Basic dGVzdDoxMjPCow==");
    }

    #[test]
    fn several_are_all_applied_and_cookies_share_a_header() {
        let auth = Auth::Several(vec![
            key(KeyLocation::Header),
            Auth::Bearer { token: Secret::new("t") },
            key(KeyLocation::Cookie),
            Auth::ApiKey { name: "b".to_owned(), api_key: Secret::new("2"), location: KeyLocation::Cookie },
        ]);
        let dressed = dressed(Some(auth), "https://api.example.com/", None);
        assert_eq!(dressed.headers["x-api-key"], "sk_1&2");
        assert_eq!(dressed.headers["authorization"], "Bearer t");
        assert_eq!(dressed.headers["cookie"], "X-API-KEY=sk_1&2; b=2");
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
