//! Token requests: what is sent to a token endpoint, and what its answer means (RFC 6749, sections 4.4, 5 and 6; RFC
//! 7523, section 2.1).

use std::fs::File;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Value;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::dress::{Bare, add_headers, basic};
use super::{jwt, vault};
use crate::config::{ClientAuth, Grant, OAuthClient, Secret, TokenPlan};
use crate::http::error::{HttpError, TokenError};

/// A token and how long it lasts, if the endpoint says so.
pub(in super::super) struct Granted {
    pub(in super::super) token: Secret,
    pub(in super::super) lifetime: Option<Duration>,
}

/// What it takes to get a token.
pub(in super::super) enum TokenRequest {
    /// A request, and the secrets that it holds beyond those of the config.
    Send { bare: Box<Bare>, learned: Vec<Secret> },
    /// Nothing more: it is made here.
    Made(Granted),
}

/// Makes the request for a token. `dir` knows newer refresh tokens than the config.
pub(in super::super) fn token_request(
    plan: &TokenPlan,
    dir: Option<&std::path::Path>,
    now: SystemTime,
) -> Result<TokenRequest, TokenError> {
    let (url, client, mut form, learned) = match &plan.grant {
        Grant::ClientCredentials { url, client } => {
            (url, Some(client), vec![("grant_type", "client_credentials".to_owned())], Vec::new())
        }
        Grant::RefreshToken { url, client, refresh_token } => {
            let kept = dir.and_then(|dir| vault::read(dir, url, &client.id, refresh_token));
            let current = kept.as_ref().unwrap_or(refresh_token).expose().to_owned();
            let form = vec![("grant_type", "refresh_token".to_owned()), ("refresh_token", current)];
            (url, Some(client), form, kept.into_iter().collect())
        }
        Grant::JwtBearer { url, assertion } => {
            let assertion = jwt::sign(assertion, now).ok_or(TokenError::Signature)?;
            let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer".to_owned();
            let form = vec![("grant_type", grant), ("assertion", assertion.expose().to_owned())];
            (url, None, form, vec![assertion])
        }
        Grant::SelfSigned(assertion) => {
            let token = jwt::sign(assertion, now).ok_or(TokenError::Signature)?;
            let lifetime = assertion.lifetime - jwt::age(assertion);
            return Ok(TokenRequest::Made(Granted { token, lifetime: Some(lifetime) }));
        }
    };
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    if let Some(client) = client {
        prove(client, &mut headers, &mut form)?;
    }
    add_headers(&mut headers, &plan.headers)?;
    let bare = bare(url, headers, &form, &plan.data);
    Ok(TokenRequest::Send { bare: Box::new(bare), learned })
}

/// Waits until no other process asks with this refresh token, until the file is dropped: a server that gives a new one
/// each time takes the second use of one for theft. Who comes later finds the newer one.
pub(in super::super) async fn turn(plan: &TokenPlan, dir: Option<&std::path::Path>) -> Option<File> {
    let (Grant::RefreshToken { url, client, refresh_token }, Some(dir)) = (&plan.grant, dir) else {
        return None;
    };
    let (dir, path) = (dir.to_owned(), vault::path(dir, url, &client.id, refresh_token));
    let locked = tokio::task::spawn_blocking(move || vault::lock(&dir, &path)).await.ok()?;
    locked
        .inspect_err(|error| tracing::warn!(%error, "cannot keep other processes from the refresh token"))
        .ok()
}

/// Adds who asks, and the proof of it.
fn prove(
    client: &OAuthClient,
    headers: &mut HeaderMap,
    form: &mut Vec<(&'static str, String)>,
) -> Result<(), HttpError> {
    match (client.auth, &client.secret) {
        (ClientAuth::Basic, Some(secret)) => {
            let value = format!("Basic {}", client_basic(client, secret));
            add_headers(headers, &[(AUTHORIZATION.to_string(), Secret::new(value))])?;
        }
        (_, secret) => {
            form.push(("client_id", client.id.clone()));
            form.extend(secret.iter().map(|secret| ("client_secret", secret.expose().to_owned())));
        }
    }
    Ok(())
}

/// Both parts are escaped before they are joined (RFC 6749, section 2.3.1).
pub(in super::super) fn client_basic(client: &OAuthClient, secret: &Secret) -> String {
    let escape = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    basic(&Secret::new(escape(&client.id)), &Secret::new(escape(secret.expose())))
}

/// What the config adds comes last; a field of the same name is replaced, as in dlt.
fn bare(url: &Url, headers: HeaderMap, form: &[(&'static str, String)], data: &[(String, Secret)]) -> Bare {
    let own = form.iter().filter(|(name, _)| data.iter().all(|(added, _)| added != name));
    let body = Serializer::new(String::new())
        .extend_pairs(own.map(|(name, value)| (*name, value.as_str())))
        .extend_pairs(data.iter().map(|(name, value)| (name.as_str(), value.expose())))
        .finish();
    Bare {
        method: reqwest::Method::POST,
        url: url.clone(),
        headers,
        body: Some(Bytes::from(body)),
        auth: None,
    }
}

/// Reads the endpoint's answer, and keeps the next refresh token if there is one. `request` names what was asked.
///
/// # Errors
/// The answer has no token in it.
pub(in super::super) fn read_answer(
    plan: &TokenPlan,
    dir: Option<&std::path::Path>,
    body: &[u8],
    request: &str,
) -> Result<(Granted, Vec<Secret>), TokenError> {
    let no_token = |detail| TokenError::Answer { request: request.to_owned(), detail, said: None };
    // Some servers put a byte order mark before it.
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let answer: Value = serde_json::from_slice(body).map_err(|_| no_token("it is not JSON"))?;
    let text = |name: &str| answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let token = Secret::new(text("access_token").ok_or(no_token("it has no `access_token`"))?);
    if !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(no_token("its `access_token` has characters that no header can carry"));
    }
    let mut learned = vec![token.clone()];
    if let (Grant::RefreshToken { url, client, refresh_token }, Some(next)) =
        (&plan.grant, text("refresh_token"))
    {
        let next = Secret::new(next);
        learned.push(next.clone());
        keep(dir, url, &client.id, refresh_token, &next);
    }
    let lifetime = answer.get("expires_in").and_then(seconds).map(Duration::from_secs);
    Ok((Granted { token, lifetime }, learned))
}

/// Some endpoints write the number as a text, some as a float.
fn seconds(value: &Value) -> Option<u64> {
    let text = value.as_str().map(|text| text.trim().parse::<f64>().ok());
    let seconds = text.unwrap_or_else(|| value.as_f64())?;
    // Saturates: a negative number is a token that has ended.
    seconds.is_finite().then_some(seconds as u64)
}

fn keep(dir: Option<&std::path::Path>, url: &Url, client: &str, given: &Secret, next: &Secret) {
    let Some(dir) = dir else { return };
    if vault::read(dir, url, client, given).as_ref().unwrap_or(given) == next {
        return;
    }
    if let Err(error) = vault::keep(dir, url, client, given, next) {
        tracing::error!(
            dir = %dir.display(), %error,
            "could not keep the refresh token that replaces the last one; the next run needs a new one in the config"
        );
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Auth, test_auth};

    fn plan(toml: &str) -> std::sync::Arc<TokenPlan> {
        match test_auth(&format!("access_token_url = 'https://a.test/token?x=1'\n{toml}")) {
            Auth::Token(plan) => plan,
            other => panic!("{other:?}"),
        }
    }

    fn sent(plan: &TokenPlan, dir: Option<&Path>) -> (String, HeaderMap) {
        match token_request(plan, dir, SystemTime::UNIX_EPOCH).unwrap() {
            TokenRequest::Send { bare, .. } => {
                assert_eq!((bare.method.as_str(), bare.url.as_str()), ("POST", "https://a.test/token?x=1"));
                (String::from_utf8(bare.body.unwrap().to_vec()).unwrap(), bare.headers)
            }
            TokenRequest::Made(_) => panic!("nothing is sent"),
        }
    }

    #[test]
    fn clients_prove_themselves_in_the_form_or_by_basic() {
        let client = "type = 'oauth2_client_credentials'\nclient_id = 'a:b'\nclient_secret = 's/ é'";
        let (form, headers) =
            sent(&plan(&format!("{client}\naccess_token_request_data = {{ scope = 'x y', n = 1 }}")), None);
        assert_eq!(
            form,
            "grant_type=client_credentials&client_id=a%3Ab&client_secret=s%2F+%C3%A9&scope=x+y&n=1"
        );
        assert!(!headers.contains_key(AUTHORIZATION));
        let (form, headers) = sent(&plan(&format!("{client}\nclient_auth = 'basic'")), None);
        assert_eq!(form, "grant_type=client_credentials");
        // base64 of `a%3Ab:s%2F+%C3%A9`
        assert_eq!(headers[AUTHORIZATION], "Basic YSUzQWI6cyUyRislQzMlQTk=");
        let replaced = "access_token_request_data = { grant_type = 'account_credentials' }";
        let (form, _) = sent(&plan(&format!("{client}\n{replaced}")), None);
        assert!(form.ends_with("&grant_type=account_credentials") && !form.contains("client_credentials"));
    }

    #[test]
    fn answers_are_read_as_endpoints_write_them() {
        let plan = plan("type = 'oauth2_client_credentials'\nclient_id = 'c'\nclient_secret = 's'");
        let read = |body: &str| {
            read_answer(&plan, None, body.as_bytes(), "POST https://a.test/token")
                .map(|(granted, _)| {
                    (granted.token.expose().to_owned(), granted.lifetime.map(|l| l.as_secs()))
                })
                .map_err(|error| error.to_string())
        };
        let token = |lifetime| Ok(("t".to_owned(), lifetime));
        assert_eq!(
            read(r#"{"access_token": "t", "token_type": "Bearer", "expires_in": 300}"#),
            token(Some(300))
        );
        assert_eq!(read(r#"{"access_token": "t", "expires_in": "300"}"#), token(Some(300)));
        assert_eq!(read("\u{feff}{\"access_token\": \"t\"}"), token(None));
        assert_eq!(read(r#"{"access_token": "t", "expires_in": 299.9}"#), token(Some(299)));
        assert_eq!(read(r#"{"access_token": "t", "expires_in": -5}"#), token(Some(0)));
        assert_eq!(read(r#"{"access_token": "t", "expires_in": null}"#), token(None));
        for (body, detail) in [
            ("<html>", "it is not JSON"),
            (r#"{"token": "t"}"#, "it has no `access_token`"),
            (r#"{"access_token": ""}"#, "it has no `access_token`"),
            (r#"{"access_token": "a b"}"#, "its `access_token` has characters that no header can carry"),
        ] {
            let message = format!("the answer to POST https://a.test/token is of no use: {detail}");
            assert_eq!(read(body), Err(message));
        }
    }

    #[test]
    fn a_newer_refresh_token_is_kept_for_this_run_and_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Some(dir.path());
        let given = "type = 'oauth2_refresh_token'\nclient_id = 'c'\nrefresh_token = 'one'";
        let plan_of = plan(given);
        assert_eq!(sent(&plan_of, dir).0, "grant_type=refresh_token&refresh_token=one&client_id=c");
        let body = br#"{"access_token": "t", "refresh_token": "two"}"#;
        let (_, learned) = read_answer(&plan_of, dir, body, "").unwrap();
        assert_eq!(learned, [Secret::new("t"), Secret::new("two")]);
        assert!(sent(&plan(given), dir).0.contains("refresh_token=two"));
        // A new one in the config wins over what grew from the old one.
        let other = given.replace("'one'", "'three'");
        assert!(sent(&plan(&other), dir).0.contains("refresh_token=three"));
    }
}
