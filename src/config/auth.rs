//! Raw → plan: credentials. Nothing of them is ever quoted.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use sha3::{Digest, Sha3_256};
use url::Url;

use super::client::{check_header_name, check_header_value, headers};
use super::private_key;
use super::problem::{Report, at_index, at_key};
use super::raw::{
    RawAuth, RawClientAuth, RawCredentials, RawEncoding, RawHmac, RawHmacAlgorithm, RawJwt, RawJwtAlgorithm,
    RawLocation, RawScalar, RawScopes, RawSecretEncoding,
};
use super::signing::{SignField, SignTemplate, SigningKey};
use super::units::{self, DURATION_RULE};
use super::{
    Assertion, Auth, ClientAuth, Encoding, Grant, HmacAlgorithm, HmacPlan, KeyLocation, OAuthClient, Secret,
    SecretBytes, TokenPlan,
};

/// dlt's `default_token_expiration`, in seconds.
const TOKEN_EXPIRATION: u32 = 3600;

/// How long dlt's assertions last.
const ASSERTION_LIFETIME: Duration = Duration::from_secs(3600);

/// APIs that take assertions as tokens want them short; ten minutes pass everywhere.
const SELF_SIGNED_LIFETIME: Duration = Duration::from_secs(600);

/// Credentials at `path`; nothing if they are wrong and reported.
pub(super) fn auth(raw: &RawCredentials, path: &str, report: &mut Report) -> Option<Auth> {
    match raw {
        RawCredentials::One(raw) => one(raw, path, report),
        RawCredentials::Several(raws) => {
            let parts: Vec<_> = raws
                .iter()
                .enumerate()
                .map(|(index, raw)| one(raw, &at_index(path, index), report))
                .collect();
            let parts = parts.into_iter().collect::<Option<Vec<_>>>()?;
            check_headers_apart(&parts, path, report);
            Some(Auth::Several(parts))
        }
    }
}

/// Of two values for one header only the last would be sent.
fn check_headers_apart(parts: &[Auth], path: &str, report: &mut Report) {
    let mut seen: Vec<String> = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let names: Vec<String> = match part {
            Auth::Bearer { .. } | Auth::Basic { .. } | Auth::Token(_) => vec!["authorization".to_owned()],
            Auth::ApiKey { name, location: KeyLocation::Header, .. } => vec![name.to_ascii_lowercase()],
            Auth::Hmac(plan) => plan.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect(),
            Auth::ApiKey { .. } | Auth::Several(_) => Vec::new(),
        };
        for name in names {
            if seen.contains(&name) {
                let message = "sets a header that another one of the list sets too";
                report.add(&at_index(path, index), message, None);
            }
            seen.push(name);
        }
    }
}

fn one(raw: &RawAuth, path: &str, report: &mut Report) -> Option<Auth> {
    let mut check = Check { path, report };
    match raw {
        RawAuth::Bearer { token } => {
            check.given("token", token);
            check.header_value("token", token);
            Some(Auth::Bearer { token: Secret::new(token) })
        }
        RawAuth::ApiKey { name, api_key, location } => {
            Some(check.api_key(name.as_deref(), api_key, *location))
        }
        RawAuth::HttpBasic { username, password } => {
            if username.contains(':') {
                check.add("username", "holds a colon, which no user name of HTTP Basic can have");
            }
            Some(Auth::Basic { username: Secret::new(username), password: Secret::new(password) })
        }
        RawAuth::Oauth2ClientCredentials(raw) => {
            let client = check.client(&raw.client_id, Some(&raw.client_secret), raw.client_auth);
            let url = check.url("access_token_url", &raw.access_token_url);
            let data = raw.access_token_request_data.as_ref();
            let grant = Grant::ClientCredentials { url: url?, client };
            Some(check.token(grant, data, raw.default_token_expiration, raw.access_token.as_deref()))
        }
        RawAuth::Oauth2RefreshToken(raw) => {
            let client = check.client(&raw.client_id, raw.client_secret.as_deref(), raw.client_auth);
            let url = check.url("access_token_url", &raw.access_token_url);
            check.given("refresh_token", &raw.refresh_token);
            let refresh_token = Secret::new(&raw.refresh_token);
            let data = raw.access_token_request_data.as_ref();
            let grant = Grant::RefreshToken { url: url?, client, refresh_token };
            Some(check.token(grant, data, raw.default_token_expiration, raw.access_token.as_deref()))
        }
        RawAuth::Jwt(raw) | RawAuth::OauthJwt(raw) => check.jwt(raw),
        RawAuth::Hmac(raw) => check.hmac(raw),
    }
}

/// Checks the keys of one table.
struct Check<'a> {
    path: &'a str,
    report: &'a mut Report,
}

impl Check<'_> {
    fn at(&self, key: &str) -> String {
        at_key(self.path, key)
    }

    fn add(&mut self, key: &str, message: &str) {
        self.report.add(&self.at(key), message, None);
    }

    fn given(&mut self, key: &str, value: &str) {
        if value.is_empty() {
            self.add(key, "is empty");
        }
    }

    fn header_value(&mut self, key: &str, value: &str) {
        check_header_value(value, &self.at(key), self.report);
    }

    fn api_key(&mut self, name: Option<&str>, api_key: &str, location: Option<RawLocation>) -> Auth {
        let location = match location {
            None | Some(RawLocation::Header) => KeyLocation::Header,
            Some(RawLocation::Query | RawLocation::Param) => KeyLocation::Query,
            Some(RawLocation::Cookie) => KeyLocation::Cookie,
        };
        let name = name.unwrap_or("Authorization").to_owned();
        self.given("api_key", api_key);
        self.given("name", &name);
        match location {
            KeyLocation::Header => {
                check_header_name(&name, &self.at("name"), self.report);
                self.header_value("api_key", api_key);
            }
            KeyLocation::Cookie => {
                check_header_name(&name, &self.at("name"), self.report);
                // RFC 6265, section 4.1.1.
                let allowed = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
                if !api_key.bytes().all(allowed) {
                    self.add("api_key", "has a character that no cookie can carry");
                }
            }
            KeyLocation::Query => {}
        }
        Auth::ApiKey { name, api_key: Secret::new(api_key), location }
    }

    fn client(&mut self, id: &str, secret: Option<&str>, auth: Option<RawClientAuth>) -> OAuthClient {
        self.given("client_id", id);
        if let Some(secret) = secret {
            self.given("client_secret", secret);
        }
        let auth = match auth.unwrap_or_default() {
            RawClientAuth::Body => ClientAuth::Body,
            RawClientAuth::Basic => ClientAuth::Basic,
        };
        if auth == ClientAuth::Basic && secret.is_none() {
            self.add("client_auth", "`basic` needs a `client_secret`");
        }
        OAuthClient { id: id.to_owned(), secret: secret.map(Secret::new), auth }
    }

    fn url(&mut self, key: &str, text: &str) -> Option<Url> {
        let url = Url::parse(text).ok().filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
        });
        if url.is_none() {
            let hint = "write it with scheme and host, like `https://auth.example.com/oauth/token`";
            let message = "is not an http or https URL without credentials";
            self.report.add(&self.at(key), message, Some(hint.to_owned()));
        }
        url
    }

    fn token(
        &mut self,
        grant: Grant,
        data: Option<&IndexMap<String, RawScalar>>,
        expiration: Option<u32>,
        access_token: Option<&str>,
    ) -> Auth {
        if let Some(token) = access_token {
            self.given("access_token", token);
            self.header_value("access_token", token);
        }
        let data = form(data);
        Auth::Token(Arc::new(TokenPlan {
            id: identity(&grant, &data, access_token.unwrap_or_default()),
            grant,
            data,
            headers: Vec::new(),
            default_expiration: Duration::from_secs(expiration.unwrap_or(TOKEN_EXPIRATION).into()),
            access_token: access_token.map(Secret::new),
        }))
    }

    fn jwt(&mut self, raw: &RawJwt) -> Option<Auth> {
        self.given("client_id", &raw.client_id);
        let passphrase = raw.private_key_passphrase.as_deref();
        let key = private_key::read(&raw.private_key, passphrase).and_then(|key| {
            match raw.algorithm.unwrap_or_default() {
                RawJwtAlgorithm::Rs256 => SigningKey::rs256(&key),
                RawJwtAlgorithm::Es256 => SigningKey::es256(&key),
            }
        });
        if let Err(problem) = &key {
            let hint = problem.hint().map(str::to_owned);
            self.report.add(&self.at(problem.place()), problem.to_string(), hint);
        }
        let url = raw.auth_endpoint.as_ref().map(|url| self.url("auth_endpoint", url));
        let usual = if url.is_some() { ASSERTION_LIFETIME } else { SELF_SIGNED_LIFETIME };
        let lifetime = self.lifetime(raw.lifetime.as_deref(), usual);
        let headers = headers(raw.headers.as_ref(), &self.at("headers"), self.report);
        let assertion =
            Assertion { key: key.ok()?, key_id: raw.key_id.clone(), claims: claims(raw), lifetime };
        let expiration = raw.default_token_expiration.unwrap_or(TOKEN_EXPIRATION);
        let (grant, default_expiration) = match url {
            Some(url) => {
                let grant = Grant::JwtBearer { url: url?, assertion };
                (grant, Duration::from_secs(expiration.into()))
            }
            None => (Grant::SelfSigned(assertion), lifetime),
        };
        let data = form(raw.access_token_request_data.as_ref());
        let id = identity(&grant, &data, &raw.private_key);
        let plan = TokenPlan { id, grant, data, headers, default_expiration, access_token: None };
        Some(Auth::Token(Arc::new(plan)))
    }

    fn lifetime(&mut self, text: Option<&str>, usual: Duration) -> Duration {
        let Some(text) = text else { return usual };
        units::duration(text).filter(|lifetime| !lifetime.is_zero()).unwrap_or_else(|| {
            self.report.add_text(&self.at("lifetime"), text, DURATION_RULE);
            usual
        })
    }

    fn hmac(&mut self, raw: &RawHmac) -> Option<Auth> {
        self.given("secret", &raw.secret);
        let key = self.hmac_key(raw);
        let message = self.template("message", &raw.message);
        if message.as_ref().is_some_and(|message| message.has(SignField::Signature)) {
            self.add("message", "has `{signature}`, which is made from it");
        }
        let headers = self.templates("headers", raw.headers.as_ref());
        let params = self.templates("params", raw.params.as_ref());
        for (name, _) in &headers {
            check_header_name(name, &at_key(&self.at("headers"), name), self.report);
        }
        if !headers.iter().chain(&params).any(|(_, template)| template.has(SignField::Signature)) {
            let hint = "write headers = { X-Signature = \"{signature}\" }".to_owned();
            self.report.add(self.path, "sends `{signature}` nowhere", Some(hint));
        }
        Some(Auth::Hmac(Arc::new(HmacPlan {
            algorithm: match raw.algorithm.unwrap_or_default() {
                RawHmacAlgorithm::Sha1 => HmacAlgorithm::Sha1,
                RawHmacAlgorithm::Sha256 => HmacAlgorithm::Sha256,
                RawHmacAlgorithm::Sha384 => HmacAlgorithm::Sha384,
                RawHmacAlgorithm::Sha512 => HmacAlgorithm::Sha512,
            },
            secret: Secret::new(&raw.secret),
            key: SecretBytes(key?),
            message: message?,
            encoding: match raw.encoding.unwrap_or_default() {
                RawEncoding::Hex => Encoding::Hex,
                RawEncoding::Base64 => Encoding::Base64,
            },
            headers,
            params,
        })))
    }

    fn hmac_key(&mut self, raw: &RawHmac) -> Option<Vec<u8>> {
        let (key, message) = match raw.secret_encoding.unwrap_or_default() {
            RawSecretEncoding::Text => return Some(raw.secret.as_bytes().to_vec()),
            RawSecretEncoding::Base64 => (STANDARD.decode(&raw.secret).ok(), "is not base64"),
            RawSecretEncoding::Hex => (unhex(&raw.secret), "is not an even number of hexadecimal digits"),
        };
        if key.is_none() {
            self.add("secret", message);
        }
        key
    }

    fn template(&mut self, key: &str, text: &str) -> Option<SignTemplate> {
        let template = SignTemplate::parse(text);
        if template.is_none() {
            let hint = format!("known are {}", SignField::names());
            self.report.add(&self.at(key), "has a `{…}` that names nothing", Some(hint));
        }
        template
    }

    fn templates(
        &mut self,
        key: &str,
        raw: Option<&IndexMap<String, String>>,
    ) -> Vec<(String, SignTemplate)> {
        let templates = raw
            .into_iter()
            .flatten()
            .filter_map(|(name, text)| Some((name.clone(), self.template(&at_key(key, name), text)?)));
        templates.collect()
    }
}

/// Fields of a form.
fn form(raw: Option<&IndexMap<String, RawScalar>>) -> Vec<(String, Secret)> {
    raw.into_iter().flatten().map(|(name, value)| (name.clone(), Secret::new(value.to_text()))).collect()
}

/// Hash of a credential.
fn identity(grant: &Grant, data: &[(String, Secret)], secret: &str) -> String {
    let client = |client: &OAuthClient| {
        json!([client.id, client.secret.as_ref().map(Secret::expose), format!("{:?}", client.auth)])
    };
    let assertion = |assertion: &Assertion| json!([assertion.claims, assertion.key_id]);
    let grant = match grant {
        Grant::ClientCredentials { url, client: by } => json!(["client", url.as_str(), client(by)]),
        Grant::RefreshToken { url, client: by, refresh_token } => {
            json!(["refresh", url.as_str(), client(by), refresh_token.expose()])
        }
        Grant::JwtBearer { url, assertion: by } => json!(["jwt", url.as_str(), assertion(by)]),
        Grant::SelfSigned(by) => json!(["self", assertion(by)]),
    };
    let data: Vec<_> = data.iter().map(|(name, value)| (name, value.expose())).collect();
    URL_SAFE_NO_PAD.encode(Sha3_256::digest(json!([grant, data, secret]).to_string()))
}

/// dlt's claims, and what the file adds.
fn claims(raw: &RawJwt) -> Map<String, Value> {
    let mut claims = Map::new();
    claims.insert("iss".to_owned(), raw.client_id.as_str().into());
    claims.insert("sub".to_owned(), raw.subject.as_ref().unwrap_or(&raw.client_id).as_str().into());
    if let Some(audience) = raw.audience.as_ref().or(raw.auth_endpoint.as_ref()) {
        claims.insert("aud".to_owned(), audience.as_str().into());
    }
    if let Some(scopes) = &raw.scopes {
        let scopes = match scopes {
            RawScopes::Text(text) => text.clone(),
            RawScopes::List(list) => list.join(" "),
        };
        claims.insert("scope".to_owned(), scopes.into());
    }
    claims.extend(raw.claims.iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
    claims
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|char| char.to_digit(16)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).ok()).collect()
}

/// Credentials out of the keys of one table.
#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) fn test_auth(toml: &str) -> Auth {
    let raw: RawAuth = toml::from_str(toml).unwrap();
    let mut report = Report::default();
    let auth = one(&raw, "client.auth", &mut report);
    assert!(report.is_empty(), "{:?}", report.into_problems(|_| None));
    auth.unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_in_the_debug_output() {
        let key = include_str!("../../tests/fixtures/keys/rfc7515-a2.pem");
        let url = "access_token_url = 'https://a.test/MARKER'\nclient_id = 'MARKER'";
        for toml in [
            "type = 'http_basic'\nusername = 'MARKER'\npassword = 'MARKER'".to_owned(),
            format!(
                "type = 'oauth2_client_credentials'\n{url}\nclient_secret = 'MARKER'\naccess_token = 'MARKER'\naccess_token_request_data = {{ a = 'MARKER' }}"
            ),
            format!("type = 'oauth2_refresh_token'\n{url}\nrefresh_token = 'MARKER'"),
            format!(
                "type = 'jwt'\nclient_id = 'MARKER'\nprivate_key = '''{key}'''\nclaims = {{ a = 'MARKER' }}\nheaders = {{ a = 'MARKER' }}"
            ),
            "type = 'hmac'\nsecret = 'MARKER'\nmessage = 'MARKER'\nheaders = { a = 'MARKER{signature}' }"
                .to_owned(),
        ] {
            let shown = format!("{:?}", test_auth(&toml));
            assert!(!shown.contains("MARKER") && !shown.contains("77, 65, 82"), "{shown}");
        }
    }
}
