//! What can go wrong with a request. No text in here ever holds a secret.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Map, Value};

use super::redact::Redactor;
use super::request::Response;
use super::server_message;

/// A client that cannot be set up, or a request that failed for good.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// A configured header or credential has characters that HTTP cannot carry, a line break most likely.
    #[error("the name or value of header `{name}` has characters that HTTP cannot carry")]
    Header {
        /// Name of the header.
        name: String,
    },
    /// The record of used quota cannot be read or written.
    #[error("could not open the record of used quota in `{}`", dir.display())]
    Ledger {
        /// Its directory.
        dir: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Where the users of a quota meet, in place of a file.
    #[error("could not take a turn from the quota store")]
    QuotaStore {
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The HTTP library could not start, for want of certificates for example.
    #[error("could not set up the HTTP client")]
    Client {
        /// Why.
        source: reqwest::Error,
    },
    /// Credentials that have to be got first cannot be got.
    #[error("could not get an access token")]
    Token {
        /// Why; shared by all requests that waited for it.
        source: Arc<TokenError>,
    },
    /// A request failed, and its retries too.
    #[error("{request} failed after {} in {}", Attempts(*attempts), Elapsed(*elapsed))]
    Request {
        /// Method and URL without secrets.
        request: String,
        /// Attempts made.
        attempts: u32,
        /// Attempts of them that were refused with status 429.
        throttled: u32,
        /// From the first attempt's start, pauses included.
        elapsed: Duration,
        /// The last failure.
        source: Box<Failure>,
    },
}

/// Why there is no access token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The token request failed.
    #[error(transparent)]
    Request(#[from] HttpError),
    /// The token endpoint answered something else.
    #[error("the answer to {request} is of no use: {detail}")]
    Answer {
        /// Method and URL without secrets.
        request: String,
        /// What is wrong with it.
        detail: &'static str,
        /// What it says instead: some endpoints refuse with status 200.
        #[source]
        said: Option<Box<StatusFailure>>,
    },
    /// The private key cannot sign.
    #[error("the private key cannot sign")]
    Signature,
    /// The run ends.
    #[error("the run was stopped before there was one")]
    Stopped,
}

/// Hints of token requests.
const NOT_ACCEPTED: &str = "check the id, the secret, the refresh token, the key and the scope in `auth`: the token endpoint did not accept them";

const WRONG_ADDRESS: &str = "check the address of the token endpoint in `auth`";

impl TokenError {
    /// The same with what an answer of no use says, if it is JSON: any other text may be a token.
    pub(super) fn with_answer(self, response: &Response, redactor: &Redactor) -> Self {
        let is_document = serde_json::from_slice::<Map<String, Value>>(&response.body).is_ok();
        match self {
            Self::Answer { request, detail, .. } if is_document => {
                let said = server_message::read(response.status, &response.body, redactor);
                let said = said.message.is_some().then(|| Box::new(said));
                Self::Answer { request, detail, said }
            }
            other => other,
        }
    }

    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Answer { said: Some(_), .. } => NOT_ACCEPTED,
            Self::Request(error) if matches!(error.status(), Some(400 | 401 | 403)) => NOT_ACCEPTED,
            Self::Answer { said: None, .. } => WRONG_ADDRESS,
            Self::Request(HttpError::Request { source, .. }) if source.is_about_address() => WRONG_ADDRESS,
            Self::Request(error) => return error.hint(),
            Self::Signature | Self::Stopped => return None,
        };
        Some(hint.to_owned())
    }
}

/// Why one attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// An answer with a status that is no success.
    #[error("{0}")]
    Status(StatusFailure),
    /// An answer that `response_actions` take for a failure.
    #[error("{answer}, which `response_actions` {}", if *retried { "say to try again" } else { "say is a failure" })]
    Unwanted {
        /// The answer.
        answer: Box<StatusFailure>,
        /// Whether the same request may work later.
        retried: bool,
    },
    /// The server wants a longer pause than the config allows.
    #[error("{status}; the server asks for a pause of {}, the longest allowed is {}", Elapsed(*delay), Elapsed(*limit))]
    ServerDelay {
        /// The answer that asked for it.
        status: Box<StatusFailure>,
        /// What it asked for.
        delay: Duration,
        /// `max_server_delay`.
        limit: Duration,
    },
    /// The attempt took too long.
    #[error("no complete answer within {}", Elapsed(*limit))]
    Timeout {
        /// The limit for one attempt.
        limit: Duration,
    },
    /// The host's name has no address, or no name server answers.
    #[error("could not find host `{host}`: {detail}")]
    Dns {
        /// The host.
        host: String,
        /// What the resolver says.
        detail: String,
    },
    /// No connection.
    #[error("could not connect to `{host}`: {detail}")]
    Connect {
        /// Host and port.
        host: String,
        /// What the system says.
        detail: String,
    },
    /// The certificate is not valid, or both sides have no protocol in common.
    #[error("cannot connect to `{host}` securely: {detail}")]
    Tls {
        /// Host and port.
        host: String,
        /// What the TLS library says.
        detail: String,
    },
    /// The connection broke, or the answer is cut or garbled.
    #[error("the connection broke before the answer was complete: {detail}")]
    Interrupted {
        /// What the HTTP library says.
        detail: String,
    },
    /// The body is over the limit.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit, after decompression.
        limit: u64,
    },
    /// A redirect that would carry credentials to somebody else.
    #[error("the server redirects to another origin, {origin}, which is not followed")]
    ForeignRedirect {
        /// Where to: scheme, host and port.
        origin: String,
    },
    /// A redirect that leads nowhere, or in a circle.
    #[error("the server redirects {detail}")]
    Redirect {
        /// What is wrong.
        detail: &'static str,
    },
    /// The request cannot be made at all.
    #[error("the request cannot be sent: {detail}")]
    Invalid {
        /// Why.
        detail: String,
    },
}

/// An error answer: status, and what the API says in its body.
#[derive(Debug, Clone, PartialEq, Eq, Default, thiserror::Error)]
pub struct StatusFailure {
    /// HTTP status.
    pub status: u16,
    /// The API's own code for the error.
    pub code: Option<String>,
    /// The API's message: one line, at most 300 characters.
    pub message: Option<String>,
    /// What the API advises to do.
    pub remediation: Option<String>,
    /// What the API's support asks for.
    pub request_id: Option<String>,
    /// Whether the API refuses an access token that was just got for it.
    pub is_new_token: bool,
    /// Whether the API refuses the request for its rate, with a status that may mean something else.
    pub is_throttled: bool,
}

impl fmt::Display for StatusFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status)?;
        let status = StatusCode::from_u16(self.status).ok();
        if let Some(reason) = status.and_then(|status| status.canonical_reason()) {
            write!(f, " {reason}")?;
        }
        if let Some(message) = &self.message {
            write!(f, ": {message}")?;
        }
        match (&self.code, &self.request_id) {
            (Some(code), Some(id)) => write!(f, " (code `{code}`, request id `{id}`)"),
            (Some(code), None) => write!(f, " (code `{code}`)"),
            (None, Some(id)) => write!(f, " (request id `{id}`)"),
            (None, None) => Ok(()),
        }
    }
}

/// Words by which an API says that it is about the credentials. `key` alone would take in `Table key is required`, and
/// `token` alone those of pages.
const ABOUT_CREDENTIALS: [&str; 13] = [
    "secret-key",
    "secret key",
    "api key",
    "api-key",
    "api_key",
    "apikey",
    "access token",
    "access_token",
    "api token",
    "bearer",
    "authenti",
    "authoriz",
    "credential",
];

impl StatusFailure {
    fn is_about_credentials(&self) -> bool {
        let says = |text: &Option<String>| {
            let text = text.as_deref().unwrap_or_default().to_lowercase();
            ABOUT_CREDENTIALS.iter().any(|word| text.contains(word))
        };
        !self.is_throttled && matches!(self.status, 401 | 403)
            || self.status == 400 && (says(&self.code) || says(&self.message))
    }
}

/// Whether the same request may get another status later.
pub fn is_transient_status(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..=599)
}

impl Failure {
    /// Whether the server refused the request for its rate.
    pub(super) fn is_throttling(&self) -> bool {
        self.answer().is_some_and(|answer| answer.status == 429 || answer.is_throttled)
    }

    /// The answer that was none.
    pub(super) fn answer(&self) -> Option<&StatusFailure> {
        match self {
            Self::Status(answer) => Some(answer),
            Self::Unwanted { answer, .. } | Self::ServerDelay { status: answer, .. } => Some(answer),
            _ => None,
        }
    }

    /// Whether the API has surely not done what was asked for: it never got the request, or turned it away for its
    /// rate.
    pub(super) fn is_before_processing(&self) -> bool {
        self.is_throttling() || matches!(self, Self::Dns { .. } | Self::Connect { .. })
    }

    /// Whether another address may do better.
    fn is_about_address(&self) -> bool {
        match self {
            Self::Status(failure) => matches!(failure.status, 404 | 405),
            Self::Dns { .. }
            | Self::Connect { .. }
            | Self::Tls { .. }
            | Self::ForeignRedirect { .. }
            | Self::Redirect { .. } => true,
            _ => false,
        }
    }

    /// Whether the same request may work later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Status(failure) => failure.is_throttled || is_transient_status(failure.status),
            Self::Unwanted { retried, .. } => *retried,
            Self::ServerDelay { .. }
            | Self::Timeout { .. }
            | Self::Dns { .. }
            | Self::Connect { .. }
            | Self::Interrupted { .. } => true,
            Self::Tls { .. }
            | Self::TooLarge { .. }
            | Self::ForeignRedirect { .. }
            | Self::Redirect { .. }
            | Self::Invalid { .. } => false,
        }
    }

    /// What to do about it; the API's own advice comes with ours where that is about the key,
    /// the quota or a failure of its own.
    fn hint(&self) -> String {
        let advice = match self {
            Self::Status(StatusFailure { remediation: Some(remediation), .. }) => Some(remediation.as_str()),
            _ => None,
        };
        match (self.own_hint(), advice) {
            (Some(hint), Some(advice)) => format!("{hint}; the API says: {advice}"),
            (Some(hint), None) => hint.to_owned(),
            (None, advice) => {
                advice.unwrap_or("check the request against the API's documentation").to_owned()
            }
        }
    }

    fn own_hint(&self) -> Option<&str> {
        Some(match self {
            Self::Status(StatusFailure { is_new_token: true, .. }) => {
                "the API refuses an access token that was just got: check scopes and audience in `auth`, and what the \
                 client may read"
            }
            Self::Status(failure) if failure.is_about_credentials() => {
                "check the key in `auth` and what it may read; the API did not accept it"
            }
            Self::Status(_) if self.is_throttling() => {
                "check `rate_limits` and `max_concurrency`: the API allows less, or somebody else uses the same key"
            }
            Self::Status(StatusFailure { status: 500..=599, .. }) | Self::Interrupted { .. } => {
                "the API, or a gateway before it, is in trouble: run again later"
            }
            Self::Status(StatusFailure { remediation: Some(_), .. }) => return None,
            Self::Status(StatusFailure { status: 404, .. }) => "check `base_url` and `path`",
            Self::Unwanted { retried: true, .. } => {
                "run again later, or allow more attempts with `retry.max_attempts`"
            }
            Self::Status(_) | Self::Unwanted { .. } => return None,
            Self::Redirect { .. } => {
                "check `base_url` and `path`: `https` in place of `http`, a slash at the end"
            }
            Self::Invalid { .. } => "check `base_url`, `path`, `params` and `headers`",
            Self::ServerDelay { .. } => "run again later, or allow longer pauses with `max_server_delay`",
            Self::Timeout { .. } => "ask for smaller pages, or allow more time with `timeout`",
            Self::Dns { .. } => "check `base_url` and the network of this machine",
            Self::Connect { .. } => "check `base_url`, and whether a firewall or proxy is in between",
            Self::Tls { .. } => "check `base_url`, the server's certificate and the clock of this machine",
            Self::TooLarge { .. } => "ask for smaller pages, or raise `client.max_body_size`",
            Self::ForeignRedirect { .. } => {
                "if that is where the API lives now, make it the `base_url`; the key was not sent there"
            }
        })
    }
}

impl HttpError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Request { source, .. } => Some(source.hint()),
            Self::Header { .. } => Some("look for a line break at the end of a key".to_owned()),
            Self::Ledger { .. } => {
                Some("check the permissions of that directory; FOREBAY_STATE_DIR names another".to_owned())
            }
            Self::QuotaStore { .. } => {
                let hint = "check `client.quota_store`, whether its server is up, and whether its role may make and write the \
                            schema `forebay_quota`";
                Some(hint.to_owned())
            }
            Self::Token { source } => source.hint(),
            Self::Client { .. } => None,
        }
    }

    /// Attempts made, and those of them that the server refused with 429.
    pub fn attempts(&self) -> (u32, u32) {
        match self {
            Self::Request { attempts, throttled, .. } => (*attempts, *throttled),
            Self::Header { .. }
            | Self::Ledger { .. }
            | Self::QuotaStore { .. }
            | Self::Client { .. }
            | Self::Token { .. } => (0, 0),
        }
    }

    /// Whether the same request may work later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Request { source, .. } => source.is_transient(),
            Self::QuotaStore { .. } => true,
            Self::Token { source } => matches!(&**source, TokenError::Request(error) if error.is_transient()),
            Self::Header { .. } | Self::Ledger { .. } | Self::Client { .. } => false,
        }
    }

    /// Status of the last answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Request { source, .. } => source.answer().map(|answer| answer.status),
            Self::Header { .. }
            | Self::Ledger { .. }
            | Self::QuotaStore { .. }
            | Self::Client { .. }
            | Self::Token { .. } => None,
        }
    }
}

struct Attempts(u32);

impl fmt::Display for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} attempt{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

/// `0.4 s`, `61 s`.
struct Elapsed(Duration);

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs_f64();
        if seconds < 9.95 && self.0.subsec_nanos() > 0 {
            write!(f, "{seconds:.1} s")
        } else {
            write!(f, "{seconds:.0} s")
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
