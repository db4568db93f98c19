//! The client: one request under quota, with its redirects, its retries and its whole body.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::redirect::Policy;
use tokio::time::{Instant, sleep};
use url::Url;

use super::actions::{self, Action, ResponseAction};
use super::advice::Advice;
use super::auth::{
    Bare, Dressed, Granted, Granting, Held, TokenRequest, Tokens, check_headers, method, read_answer,
    token_request,
};
use super::error::{Failure, HttpError, StatusFailure, TokenError};
use super::event::{HttpCounts, HttpEvent};
use super::quota::{Ask, Events, Quota, QuotaSharing, Subject, Turn};
use super::redact::Redactor;
use super::request::{Request, Response, Validators};
use super::retry::{Retries, Verdict};
use super::{server_message, transport};
use crate::config::{Auth, ClientPlan, Method, TokenPlan};

const USER_AGENT: &str = concat!("forebay/", env!("CARGO_PKG_VERSION"));

/// Redirects followed for one attempt; each counts as a request under quota.
const MAX_REDIRECTS: usize = 5;

/// Most memory that is set aside for a body before it comes.
const MAX_RESERVED: u64 = 1024 * 1024;

/// A token is asked for before whatever waits for it.
const TOKEN_PRIORITY: i32 = i32::MAX;

/// Part of an error answer that is read for its message.
const MAX_ERROR_BYTES: u64 = 64 * 1024;

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

/// One request, ready to be sent as often as it takes.
struct Prepared {
    bare: Bare,
    ask: Ask,
    timeout: Duration,
    is_repeatable: bool,
    redactor: Redactor,
    /// Method and URL without secrets.
    shown: String,
    actions: Arc<[ResponseAction]>,
    /// Whether it is known what a 304 stands for.
    is_conditional: bool,
}

/// An answer of any status but a redirect.
struct Answer {
    status: u16,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
    content_type: Option<String>,
    action: Option<Action>,
}

/// A failed attempt.
struct Failed {
    failure: Failure,
    advice: Advice,
    /// What stands in for success once the retries are used up: an answer that an action accepts.
    accepted: Option<Answer>,
}

/// Why an attempt brought no answer.
enum Stopped {
    Failed(Box<Failed>),
    /// It was not made: nobody knows what others use of the quota.
    NoQuota(HttpError),
}

impl From<Failed> for Stopped {
    fn from(failed: Failed) -> Self {
        Self::Failed(Box::new(failed))
    }
}

impl From<Failure> for Stopped {
    fn from(failure: Failure) -> Self {
        Failed { failure, advice: Advice::default(), accepted: None }.into()
    }
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
    let mut url = request.url.clone();
    if !request.params.is_empty() {
        url.query_pairs_mut().extend_pairs(&request.params);
    }
    format!("{} {}", method(request.method), redactor.url(&url))
}

impl Inner {
    async fn deliver(self: &Arc<Self>, prepared: &Prepared) -> Result<Response, HttpError> {
        let started = Instant::now();
        let mut retries = Retries::new(self.plan.retry, prepared.is_repeatable);
        let (mut throttled, mut renewals) = (0, 0);
        loop {
            let held = self.hold_tokens(prepared.bare.auth.as_ref()).await?;
            let attempt = retries.attempt();
            let dressed = Dressed::new(&prepared.bare, &held)?;
            let Failed { mut failure, advice, accepted } = match self.attempt(dressed, prepared).await {
                Ok(answer) => {
                    held.iter().for_each(Held::accepted);
                    return Ok(answer.into_response(attempt + renewals, throttled, started));
                }
                Err(Stopped::Failed(failed)) => *failed,
                Err(Stopped::NoQuota(error)) => return Err(error),
            };
            match failure.answer().map(|answer| answer.status) {
                Some(401) if renewals == 0 && held.iter().filter(|held| held.refused()).count() > 0 => {
                    renewals = 1;
                    tracing::debug!(request = %prepared.shown, "the token was refused; asking for a new one");
                    continue;
                }
                Some(401) => {
                    if let Failure::Status(status) = &mut failure {
                        status.is_new_token = !held.is_empty();
                    }
                }
                Some(_) => held.iter().for_each(Held::accepted),
                None => {}
            }
            throttled += u32::from(failure.is_throttling());
            let reason = failure.to_string();
            match retries.decide(failure, &advice) {
                Verdict::GiveUp(failure) => {
                    if let Some(answer) = accepted {
                        return Ok(answer.into_response(attempt + renewals, throttled, started));
                    }
                    return Err(HttpError::Request {
                        request: prepared.shown.clone(),
                        attempts: attempt + renewals,
                        throttled,
                        elapsed: started.elapsed(),
                        source: Box::new(failure),
                    });
                }
                Verdict::Retry { delay, holds_all } => {
                    self.retries.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(request = %prepared.shown, attempt, ?delay, %reason, "retrying request");
                    (self.events)(HttpEvent::Retrying {
                        request: prepared.shown.clone(),
                        attempt,
                        max_attempts: self.plan.retry.max_attempts,
                        delay,
                        reason,
                    });
                    if holds_all {
                        self.quota.pause(delay);
                    } else {
                        sleep(delay).await;
                    }
                }
            }
        }
    }

    /// What buckets look at.
    fn subject<'a>(&self, request: &'a Request) -> Subject<'a> {
        Subject {
            method: request.method,
            path: self.path_below_base(&request.url),
            resource: request.claim.resource.as_deref(),
            cost: request.claim.cost,
        }
    }

    /// The same of a request for a token.
    fn subject_of_token<'a>(&self, url: &'a Url) -> Subject<'a> {
        Subject { method: Method::Post, path: self.path_below_base(url), resource: None, cost: 1 }
    }

    fn path_below_base<'a>(&self, url: &'a Url) -> &'a str {
        let path = url.path();
        path.strip_prefix(self.plan.base_url.path()).unwrap_or(path).trim_start_matches('/')
    }

    /// The tokens that credentials ask for, got anew where that is needed.
    async fn hold_tokens(self: &Arc<Self>, auth: Option<&Auth>) -> Result<Vec<Held>, HttpError> {
        let mut held = Vec::new();
        for part in auth.into_iter().flat_map(Auth::parts) {
            if let Auth::Token(plan) = part {
                let (inner, asked) = (Arc::clone(self), Arc::clone(plan));
                let token = self.tokens.slot(plan).hold(move || inner.grant(asked)).await;
                held.push(token.map_err(|source| HttpError::Token { source })?);
            }
        }
        Ok(held)
    }

    /// Asks for a token. A request like any other: quota, retries and redaction hold for it, too.
    fn grant(self: Arc<Self>, plan: Arc<TokenPlan>) -> Granting {
        Box::pin(async move {
            let dir = self.tokens.dir.get().map(PathBuf::as_path);
            let (bare, learned) = match token_request(&plan, dir, SystemTime::now())? {
                TokenRequest::Made(granted) => {
                    self.redactor.learn(&granted.token);
                    return Ok(granted);
                }
                TokenRequest::Send { bare, learned } => (*bare, learned),
            };
            learned.iter().for_each(|secret| self.redactor.learn(secret));
            let redactor = self.redactor.with_auth(&Auth::Token(Arc::clone(&plan)));
            let shown = format!("{} {}", bare.method, redactor.url(&bare.url));
            let prepared = Prepared {
                ask: self.quota.ask(&self.subject_of_token(&bare.url), TOKEN_PRIORITY),
                bare,
                timeout: self.plan.timeout,
                is_repeatable: true,
                actions: Arc::new([]),
                is_conditional: false,
                redactor,
                shown,
            };
            let response = self.deliver(&prepared).await?;
            let (granted, learned): (Granted, _) = read_answer(&plan, dir, &response.body, &prepared.shown)?;
            learned.iter().for_each(|secret| self.redactor.learn(secret));
            Ok::<_, TokenError>(granted)
        })
    }

    /// One attempt: the request, and those that redirects ask for.
    async fn attempt(&self, mut dressed: Dressed, prepared: &Prepared) -> Result<Answer, Stopped> {
        for _ in 0..=MAX_REDIRECTS {
            let (response, turn) = self.exchange(&dressed, prepared).await?;
            let status = response.status();
            if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                return self.finish(response, &turn, &dressed, prepared).await;
            }
            dressed.redirect(redirect_target(&response)?);
            // As browsers do it: what was posted is looked at elsewhere, but a change of another kind stays what it is.
            let is_moved_post =
                matches!(status.as_u16(), 301 | 302) && dressed.method == reqwest::Method::POST;
            if is_moved_post || status.as_u16() == 303 {
                dressed.drop_body();
            }
        }
        Err(Failure::Redirect { detail: "more than 5 times" }.into())
    }

    /// Sends under quota and waits for the headers.
    async fn exchange(
        &self,
        dressed: &Dressed,
        prepared: &Prepared,
    ) -> Result<(reqwest::Response, Turn), Stopped> {
        let turn = self.quota.acquire(&prepared.ask).await.map_err(Stopped::NoQuota)?;
        // Signed after the wait: a signature ages.
        let signed = dressed.signed(SystemTime::now());
        let (url, headers) = signed.map_err(|error| Failure::Invalid { detail: error.to_string() })?;
        let mut request =
            self.http.request(dressed.method.clone(), url).headers(headers).timeout(prepared.timeout);
        if let Some(body) = dressed.body.clone() {
            request = request.body(body);
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        let result = request.send().await;
        let response = result.map_err(|error| self.failure(&error, dressed, prepared))?;
        self.quota.answered(&turn);
        Ok((response, turn))
    }

    /// Reads the body; a status that is no success becomes a failure with the API's message.
    async fn finish(
        &self,
        response: reqwest::Response,
        turn: &Turn,
        dressed: &Dressed,
        prepared: &Prepared,
    ) -> Result<Answer, Stopped> {
        let status = response.status();
        let advice = Advice::read(response.headers(), &self.plan.quota.headers, SystemTime::now());
        if status.is_success() || (status.as_u16() == 304 && prepared.is_conditional) {
            self.heed(turn, &advice);
            let answer = self.read_answer(response, dressed, prepared).await?;
            return match unwanted(&answer, prepared) {
                Some(failure) => Err(Failed { failure, advice, accepted: None }.into()),
                None => Ok(answer),
            };
        }
        if status.as_u16() == 429 {
            self.throttled.fetch_add(1, Ordering::Relaxed);
        }
        let (url, headers) = (response.url().clone(), response.headers().clone());
        let body = read_some(response, MAX_ERROR_BYTES).await.freeze();
        let answer = Answer::judged(status.as_u16(), url, headers, body, &prepared.actions);
        let failure = unwanted(&answer, prepared).unwrap_or_else(|| {
            Failure::Status(server_message::read(answer.status, &answer.body, &prepared.redactor))
        });
        let is_accepted = matches!(answer.action, Some(Action::Ignore | Action::Stop | Action::Empty));
        Err(Failed { failure, advice, accepted: is_accepted.then_some(answer) }.into())
    }

    /// Heeds what is left of the quota. A pause longer than the config allows is left to the 429 that will come: its
    /// message says who asked for it.
    fn heed(&self, turn: &Turn, advice: &Advice) {
        if advice.reset.is_none_or(|reset| reset <= self.plan.retry.max_server_delay) {
            self.quota.heed(turn, advice);
        }
    }

    async fn read_answer(
        &self,
        mut response: reqwest::Response,
        dressed: &Dressed,
        prepared: &Prepared,
    ) -> Result<Answer, Stopped> {
        let status = response.status().as_u16();
        let (url, headers) = (response.url().clone(), response.headers().clone());
        let limit = self.plan.max_body_bytes;
        // A server's word on the length is a hint, not a reason to reserve whatever it says.
        let expected = response.content_length().unwrap_or(0).min(limit).min(MAX_RESERVED);
        let mut body = BytesMut::with_capacity(usize::try_from(expected).unwrap_or(0));
        while let Some(chunk) =
            response.chunk().await.map_err(|error| self.failure(&error, dressed, prepared))?
        {
            if (body.len() + chunk.len()) as u64 > limit {
                return Err(Failure::TooLarge { limit }.into());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer::judged(status, url, headers, body.freeze(), &prepared.actions))
    }

    fn failure(&self, error: &reqwest::Error, dressed: &Dressed, prepared: &Prepared) -> Failure {
        transport::failure(error, &dressed.url, prepared.timeout, &prepared.redactor)
    }
}

/// What an action makes of an answer that it does not accept.
fn unwanted(answer: &Answer, prepared: &Prepared) -> Option<Failure> {
    let retried = match answer.action? {
        Action::Retry => true,
        Action::Fail => false,
        Action::Ignore | Action::Stop | Action::Empty => return None,
    };
    let said = server_message::read(answer.status, message_part(&answer.body), &prepared.redactor);
    Some(Failure::Unwanted { answer: Box::new(said), retried })
}

/// What of a body may hold a message: of one that is long the start is no JSON, and would show rows.
fn message_part(body: &[u8]) -> &[u8] {
    if body.len() as u64 > MAX_ERROR_BYTES { &[] } else { body }
}

/// The start of a body, as far as it comes: a message is worth having, but not worth failing for.
async fn read_some(mut response: reqwest::Response, limit: u64) -> BytesMut {
    let mut body = BytesMut::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() as u64 >= limit {
            break;
        }
    }
    body
}

/// Where a redirect leads; never to another origin.
fn redirect_target(response: &reqwest::Response) -> Result<Url, Failure> {
    let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
    let location = location.ok_or(Failure::Redirect { detail: "without saying where to" })?;
    let target = response.url().join(location);
    let target = target.map_err(|_| Failure::Redirect { detail: "to a place that is no URL" })?;
    if target.origin() != response.url().origin() {
        return Err(Failure::ForeignRedirect { origin: target.origin().ascii_serialization() });
    }
    Ok(target)
}

impl Answer {
    fn judged(status: u16, url: Url, headers: HeaderMap, body: Bytes, rules: &[ResponseAction]) -> Self {
        let action = actions::judge(rules, status, &headers, &body);
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self { status, url, headers, body, content_type, action }
    }

    fn into_response(self, attempts: u32, throttled: u32, started: Instant) -> Response {
        let Self { status, url, headers, body, content_type, action } = self;
        let elapsed = started.elapsed();
        Response { status, url, headers, action, body, content_type, attempts, throttled, elapsed }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
pub(super) mod tests;
