//! The client: one request under quota, with its redirects, its retries and its whole body.
//!
//! [`deliver`] repeats what fails and gets tokens, [`attempt`] is one try.

mod attempt;
mod deliver;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::redirect::Policy;

use super::auth::{Bare, Tokens, check_headers, method};
use super::error::{HttpError, StatusFailure};
use super::event::{HttpCounts, HttpEvent};
use super::quota::{Events, Quota, QuotaSharing};
use super::redact::Redactor;
use super::request::{Request, Response, Validators};
use super::{server_message, transport};
use crate::config::ClientPlan;
use attempt::message_part;
use deliver::Prepared;

const USER_AGENT: &str = concat!("forebay/", env!("CARGO_PKG_VERSION"));

/// Sends the requests of one pipeline. Clones share connections, quota and counts.
#[derive(Clone)]
pub struct HttpClient(Arc<Inner>);

struct Inner {
    plan: ClientPlan,
    http: reqwest::Client,
    quota: Quota,
    redactor: Redactor,
    tokens: Tokens,
    events: Events,
    requests: AtomicU64,
    throttled: AtomicU64,
    retries: AtomicU64,
}

impl HttpClient {
    /// Sets up the client. What others use of its quota, and earlier runs did, is known from where they meet.
    ///
    /// # Errors
    /// A header cannot be sent, nobody can be met there, or TLS cannot start.
    pub fn new(
        plan: &ClientPlan,
        sharing: QuotaSharing,
        events: Arc<dyn Fn(HttpEvent) + Send + Sync>,
    ) -> Result<Self, HttpError> {
        check_headers(plan)?;
        let http = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(transport::CONNECT_TIMEOUT)
            .timeout(plan.timeout)
            // Redirects and repetitions are requests too: all of them have to pass the quota.
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .build()
            .map_err(|source| HttpError::Client { source })?;
        let quota = Quota::new(plan, sharing, Arc::clone(&events))?;
        Ok(Self(Arc::new(Inner {
            plan: plan.clone(),
            http,
            quota,
            redactor: Redactor::new(plan),
            tokens: Tokens::default(),
            events,
            requests: AtomicU64::new(0),
            throttled: AtomicU64::new(0),
            retries: AtomicU64::new(0),
        })))
    }

    /// Sends a request until it succeeds, as often and as fast as plan and quota allow. Dropping the future gives up
    /// the request; what was sent stays counted. An answer that one of the request's actions accepts is a success, be
    /// it after the retries that its status is worth, as in dlt.
    ///
    /// # Errors
    /// The request failed, after its retries if it was worth any.
    pub async fn send(&self, request: &Request) -> Result<Response, HttpError> {
        let redactor = self.0.redactor.with(request);
        let mut bare = Bare::new(&self.0.plan, request)?;
        bare.headers.extend(request.validators.iter().flat_map(Validators::conditions));
        let prepared = Prepared {
            bare,
            ask: self.0.quota.ask(&self.0.subject(request), request.claim.priority),
            timeout: request.timeout.unwrap_or(self.0.plan.timeout),
            is_repeatable: request.is_repeatable,
            actions: Arc::clone(&request.actions),
            is_conditional: request.validators.is_some(),
            shown: describe(request, &redactor),
            redactor,
        };
        self.0.deliver(&prepared).await
    }

    /// Keeps refresh tokens that replace those of the config in `dir`, where the next run finds them. Only the first call
    /// counts.
    pub fn keep_credentials_in(&self, dir: PathBuf) {
        // A second call changes nothing, as said.
        let _ = self.0.tokens.dir.set(dir);
    }

    /// What was done so far.
    pub fn counts(&self) -> HttpCounts {
        HttpCounts {
            requests: self.0.requests.load(Ordering::Relaxed),
            throttled: self.0.throttled.load(Ordering::Relaxed),
            retries: self.0.retries.load(Ordering::Relaxed),
        }
    }

    /// What the API says in an answer that should have been another, without secrets; `None` if it says nothing.
    pub fn complaint(&self, request: &Request, response: &Response) -> Option<StatusFailure> {
        let redactor = self.0.redactor.with(request);
        let said = server_message::read(response.status, message_part(&response.body), &redactor);
        (said.message.is_some() || said.code.is_some()).then_some(said)
    }

    /// A text without the secrets that all requests share.
    pub fn redact(&self, text: &str) -> String {
        self.0.redactor.text(text)
    }

    /// Method and URL of a request for messages, without secrets.
    pub fn describe(&self, request: &Request) -> String {
        describe(request, &self.0.redactor.with(request))
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HttpClient").field(&self.0.redactor.url(&self.0.plan.base_url)).finish()
    }
}

fn describe(request: &Request, redactor: &Redactor) -> String {
    format!("{} {}", method(request.method), redactor.url(&request.url_with_params()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
pub(super) mod tests;
