//! Keeps secrets out of whatever a person may read: URLs, messages of servers, errors.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock};

use url::Url;

use super::auth::{basic, client_basic};
use super::request::Request;
use crate::config::{
    Auth, ClientPlan, Grant, HmacPlan, KeyLocation, SHORTEST_SECRET, Secret, SignField, SignPart, TokenPlan,
    mask,
};

/// Query parameters whose values are never shown; dlt's list.
const SECRET_PARAMS: [&str; 11] = [
    "api_key",
    "token",
    "key",
    "access_token",
    "apikey",
    "api-key",
    "access-token",
    "secret",
    "password",
    "pwd",
    "client_secret",
];

/// Whether the value of a query parameter of this name is never shown, whatever it is.
pub(crate) fn is_secret_param(name: &str) -> bool {
    SECRET_PARAMS.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

/// Headers whose values are no secrets, though they come as such: they may well occur in a message.
const PLAIN_HEADERS: [&str; 5] = ["accept", "accept-language", "content-type", "user-agent", "prefer"];

/// Words in the names of headers that carry credentials.
const CREDENTIAL_WORDS: [&str; 8] =
    ["auth", "cookie", "key", "password", "secret", "session", "signature", "token"];

/// Whether a header says who asks, by its name in lower case; the others may say what for.
pub fn carries_credentials(name: &str) -> bool {
    CREDENTIAL_WORDS.iter().any(|word| name.contains(word))
}

/// Texts that are kept of what was got on the way; the oldest ones go first, when they are long of no worth.
const MOST_LEARNED: usize = 100;

/// Knows the secrets of a client, or of one request.
#[derive(Clone, Default)]
pub(super) struct Redactor {
    /// Lower-case names beyond [`SECRET_PARAMS`].
    params: Vec<String>,
    secrets: Vec<String>,
    /// What was got on the way: tokens. Clones share them.
    learned: Arc<RwLock<VecDeque<String>>>,
}

impl Redactor {
    /// For what all requests of a client share.
    pub(super) fn new(plan: &ClientPlan) -> Self {
        let mut redactor = Self::default();
        plan.secrets.values().for_each(|secret| redactor.add(secret));
        redactor.add_headers(&plan.headers);
        redactor.add_auth(plan.auth.as_ref());
        if let Some(password) = plan.base_url.password() {
            redactor.add(password);
        }
        redactor
    }

    /// The same, and what `request` brings of its own.
    pub(super) fn with(&self, request: &Request) -> Self {
        let mut redactor = self.clone();
        redactor.add_headers(&request.headers);
        redactor.add_auth(request.auth.as_ref());
        for (name, value) in &request.params {
            if redactor.is_secret_param(name) && value.len() >= SHORTEST_SECRET {
                redactor.add(value);
            }
        }
        redactor
    }

    /// The same, and what `auth` holds.
    pub(super) fn with_auth(&self, auth: &Auth) -> Self {
        let mut redactor = self.clone();
        redactor.add_auth(Some(auth));
        redactor
    }

    fn add_headers(&mut self, headers: &[(String, Secret)]) {
        for (name, value) in headers {
            let is_plain = PLAIN_HEADERS.iter().any(|plain| name.eq_ignore_ascii_case(plain));
            if !is_plain && value.expose().len() >= SHORTEST_SECRET {
                self.add(value.expose());
                // `Bearer TOKEN`: a server may repeat the token alone.
                if let Some((_, credentials)) = value.expose().split_once(' ')
                    && credentials.len() >= SHORTEST_SECRET
                {
                    self.add(credentials);
                }
            }
        }
    }

    fn add_auth(&mut self, auth: Option<&Auth>) {
        for part in auth.into_iter().flat_map(Auth::parts) {
            match part {
                Auth::Bearer { token } => self.add(token.expose()),
                Auth::ApiKey { name, api_key, location } => {
                    self.add(api_key.expose());
                    if *location == KeyLocation::Query {
                        self.params.push(name.to_ascii_lowercase());
                    }
                }
                Auth::Basic { username, password } => {
                    if username.expose().len() >= SHORTEST_SECRET {
                        self.add(username.expose());
                    }
                    self.add(password.expose());
                    self.add(&basic(username, password));
                }
                Auth::Token(plan) => self.add_token(plan),
                Auth::Hmac(plan) => self.add_hmac(plan),
                Auth::Several(parts) => parts.iter().for_each(|part| self.add_auth(Some(part))),
            }
        }
    }

    fn add_token(&mut self, plan: &TokenPlan) {
        self.add_headers(&plan.headers);
        for (_, value) in
            plan.data.iter().filter(|(name, _)| self.is_secret_param(name)).cloned().collect::<Vec<_>>()
        {
            self.add(value.expose());
        }
        if let Some(token) = &plan.access_token {
            self.add(token.expose());
        }
        let client = match &plan.grant {
            Grant::ClientCredentials { client, .. } => client,
            Grant::RefreshToken { client, refresh_token, .. } => {
                self.add(refresh_token.expose());
                client
            }
            // The private key is sent nowhere.
            Grant::JwtBearer { .. } | Grant::SelfSigned(_) => return,
        };
        if let Some(secret) = &client.secret {
            self.add(secret.expose());
            self.add(&client_basic(client, secret));
        }
    }

    fn add_hmac(&mut self, plan: &HmacPlan) {
        self.add(plan.secret.expose());
        let signed = plan.params.iter().filter(|(_, template)| template.has(SignField::Signature));
        self.params.extend(signed.map(|(name, _)| name.to_ascii_lowercase()));
        // A key may stand in any of them, beside a word or two.
        let sent = plan.headers.iter().chain(&plan.params).map(|(_, template)| template);
        for part in sent.flat_map(|template| template.parts().iter()) {
            let SignPart::Text(text) = part else { continue };
            let words = text.expose().split(|char: char| char.is_whitespace() || ",;:=\"'&".contains(char));
            words.filter(|word| word.len() >= SHORTEST_SECRET).for_each(|word| self.add(word));
        }
    }

    /// Takes in a secret that was got on the way, for all clones.
    pub(super) fn learn(&self, secret: &Secret) {
        let mut learned = self.learned.write().unwrap_or_else(PoisonError::into_inner);
        if !learned.iter().any(|known| known == secret.expose()) {
            learned.push_front(secret.expose().to_owned());
        }
        learned.truncate(MOST_LEARNED);
    }

    fn add(&mut self, secret: &str) {
        if !self.secrets.iter().any(|known| known == secret) {
            self.secrets.push(secret.to_owned());
        }
    }

    fn is_secret_param(&self, name: &str) -> bool {
        is_secret_param(name) || self.params.contains(&name.to_ascii_lowercase())
    }

    /// `text` with `***` for each secret in it.
    pub(super) fn text(&self, text: &str) -> String {
        let learned = self.learned.read().unwrap_or_else(PoisonError::into_inner);
        mask(text, learned.iter().chain(&self.secrets).map(String::as_str))
    }

    /// `url` without credentials, with `***` for the values of secret parameters.
    pub(super) fn url(&self, url: &Url) -> String {
        let mut shown = url.clone();
        // Both fail for URLs that cannot have credentials, which is as good.
        let _ = shown.set_username("");
        let _ = shown.set_password(None);
        shown.set_fragment(None);
        let query = url.query().map(|query| {
            let pairs =
                query.split('&').map(|pair| match url::form_urlencoded::parse(pair.as_bytes()).next() {
                    Some((name, _)) if self.is_secret_param(&name) => {
                        format!("{}=***", pair.split('=').next().unwrap_or_default())
                    }
                    _ => pair.to_owned(),
                });
            pairs.collect::<Vec<_>>().join("&")
        });
        shown.set_query(query.as_deref());
        self.text(shown.as_str())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::config::Method;

    fn redactor() -> Redactor {
        let mut redactor = Redactor::default();
        redactor.add_auth(Some(&Auth::ApiKey {
            name: "X-Secret-Id".to_owned(),
            api_key: Secret::new("sk+live/1"),
            location: KeyLocation::Query,
        }));
        let header = |name: &str, value: &str| (name.to_owned(), Secret::new(value));
        redactor.add_headers(&[
            header("Authorization", "Basic dXNlcjpwYXNz"),
            header("Accept", "application/json"),
            header("X-Version", "2"),
        ]);
        redactor
    }

    #[test]
    fn urls_show_no_secrets() {
        let check = |url: &str, expected: &str| {
            assert_eq!(redactor().url(&url.parse().unwrap()), format!("https://api.example.com{expected}"));
        };
        check("https://api.example.com/v1/invoices?page=42", "/v1/invoices?page=42");
        check("https://api.example.com/v1?Api_Key=abc&page=1&token=x", "/v1?Api_Key=***&page=1&token=***");
        check("https://api.example.com/v1?x-secret-id=whatever&a=b", "/v1?x-secret-id=***&a=b");
        check("https://api.example.com/v1?api%5Fkey=abc", "/v1?api%5Fkey=***");
        check("https://api.example.com/v1?q=sk%2Blive%2F1", "/v1?q=***");
        check("https://user:pass@api.example.com/a#b", "/a");
    }

    #[test]
    fn texts_show_no_secrets() {
        let check = |text: &str, expected: &str| assert_eq!(redactor().text(text), expected);
        check("key sk+live/1 is unknown", "key *** is unknown");
        check(
            "bad dXNlcjpwYXNz, send application/json in version 2",
            "bad ***, send application/json in version 2",
        );
        check("Basic dXNlcjpwYXNz", "***");
    }

    #[test]
    fn a_request_brings_its_own() {
        let request = Request {
            params: vec![("token".to_owned(), "tok-12345".to_owned())],
            headers: vec![("X-Other".to_owned(), Secret::new("a \"quoted\" one"))],
            auth: Some(Auth::Bearer { token: Secret::new("tiny") }),
            ..Request::new(Method::Get, "https://api.example.com/".parse().unwrap())
        };
        let redactor = redactor().with(&request);
        redactor.clone().learn(&Secret::new("got/it"));
        assert_eq!(redactor.text("got/it got%2Fit"), "*** ***");
        assert_eq!(redactor.text(r#"tok-12345 {"a \"quoted\" one"} tiny"#), r#"*** {"***"} ***"#);
    }
}
