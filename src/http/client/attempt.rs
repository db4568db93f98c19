//! One attempt: a request, those that redirects ask for, and the answer.

use std::sync::atomic::Ordering;
use std::time::SystemTime;

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use tokio::time::Instant;
use url::Url;

use super::Inner;
use super::deliver::Prepared;
use crate::http::actions::{self, Action, ResponseAction};
use crate::http::advice::Advice;
use crate::http::auth::Dressed;
use crate::http::error::{Failure, HttpError};
use crate::http::quota::Turn;
use crate::http::request::Response;
use crate::http::{charset, server_message, transport};

/// Redirects followed for one attempt; each counts as a request under quota.
const MAX_REDIRECTS: usize = 5;

/// Most memory that is set aside for a body before it comes.
const MAX_RESERVED: u64 = 1024 * 1024;

/// Part of an error answer that is read for its message.
const MAX_ERROR_BYTES: u64 = 64 * 1024;

/// An answer of any status but a redirect.
pub(super) struct Answer {
    status: u16,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
    content_type: Option<String>,
    action: Option<Action>,
}

/// A failed attempt.
pub(super) struct Failed {
    pub(super) failure: Failure,
    pub(super) advice: Advice,
    /// What stands in for success once the retries are used up: an answer that an action accepts.
    pub(super) accepted: Option<Answer>,
}

/// Why an attempt brought no answer.
pub(super) enum Stopped {
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

impl Inner {
    /// One attempt: the request, and those that redirects ask for.
    pub(super) async fn attempt(&self, mut dressed: Dressed, prepared: &Prepared) -> Result<Answer, Stopped> {
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
        let is_throttled = advice.refuses(status.as_u16());
        // Who is refused pauses for as long as that says. Another server has another quota: that of tokens, say.
        if !is_throttled && response.url().origin() == self.plan.base_url.origin() {
            self.heed(turn, &advice);
        }
        if status.is_success() || (status.as_u16() == 304 && prepared.is_conditional) {
            let answer = self.read_answer(response, dressed, prepared).await?;
            return match unwanted(&answer, prepared) {
                Some(failure) => Err(Failed { failure, advice, accepted: None }.into()),
                None => Ok(answer),
            };
        }
        if is_throttled {
            self.throttled.fetch_add(1, Ordering::Relaxed);
        }
        let (url, headers) = (response.url().clone(), response.headers().clone());
        let body = read_some(response, MAX_ERROR_BYTES).await.freeze();
        let answer = Answer::judged(status.as_u16(), url, headers, body, &prepared.actions);
        let mut failure = unwanted(&answer, prepared).unwrap_or_else(|| {
            Failure::Status(server_message::read(answer.status, &answer.body, &prepared.redactor))
        });
        let means_more = is_throttled && status.as_u16() != 429;
        if let Failure::Status(said) = &mut failure {
            said.is_throttled = means_more;
        } else if let Failure::Unwanted { answer, .. } = &mut failure {
            answer.is_throttled = means_more;
        }
        // Whoever accepts a 403 means what is forbidden for good.
        let is_accepted =
            !means_more && matches!(answer.action, Some(Action::Ignore | Action::Stop | Action::Empty));
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
pub(super) fn message_part(body: &[u8]) -> &[u8] {
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
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let body = charset::in_utf8(content_type.as_deref(), body);
        let action = actions::judge(rules, status, &headers, &body);
        Self { status, url, headers, body, content_type, action }
    }

    pub(super) fn into_response(self, attempts: u32, throttled: u32, started: Instant) -> Response {
        let Self { status, url, headers, body, content_type, action } = self;
        let elapsed = started.elapsed();
        Response { status, url, headers, action, body, content_type, attempts, throttled, elapsed }
    }
}
