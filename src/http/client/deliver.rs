//! A request until it succeeds: tokens, attempts, and the pauses between them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep};
use url::Url;

use super::Inner;
use super::attempt::{Failed, Stopped};
use crate::config::{Auth, Method, TokenPlan};
use crate::http::actions::ResponseAction;
use crate::http::auth::{
    Bare, Dressed, Granted, Granting, Held, TokenRequest, read_answer, token_request, turn,
};
use crate::http::error::{Failure, HttpError, TokenError};
use crate::http::event::HttpEvent;
use crate::http::quota::{Ask, Subject, longest_window};
use crate::http::redact::Redactor;
use crate::http::request::{Request, Response};
use crate::http::retry::{Retries, Verdict};

/// A token is asked for before whatever waits for it.
const TOKEN_PRIORITY: i32 = i32::MAX;

/// One request, ready to be sent as often as it takes.
pub(super) struct Prepared {
    pub(super) bare: Bare,
    pub(super) ask: Ask,
    pub(super) timeout: Duration,
    pub(super) is_repeatable: bool,
    pub(super) redactor: Redactor,
    /// Method and URL without secrets.
    pub(super) shown: String,
    pub(super) actions: Arc<[ResponseAction]>,
    /// Whether it is known what a 304 stands for.
    pub(super) is_conditional: bool,
}

impl Inner {
    pub(super) async fn deliver(self: &Arc<Self>, prepared: &Prepared) -> Result<Response, HttpError> {
        let started = Instant::now();
        let mut retries = Retries::new(self.plan.retry, longest_window(&self.plan), prepared.is_repeatable);
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
            if may_be_renewed(&mut failure, &held, renewals) {
                renewals += 1;
                tracing::debug!(request = %prepared.shown, "the token was refused; asking for a new one");
                continue;
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
                    self.tell_retry(prepared, attempt, delay, reason);
                    if holds_all {
                        self.quota.pause(delay);
                    } else {
                        sleep(delay).await;
                    }
                }
            }
        }
    }

    fn tell_retry(&self, prepared: &Prepared, attempt: u32, delay: Duration, reason: String) {
        self.retries.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(request = %prepared.shown, attempt, ?delay, %reason, "retrying request");
        (self.events)(HttpEvent::Retrying {
            request: prepared.shown.clone(),
            attempt,
            max_attempts: self.plan.retry.max_attempts,
            delay,
            reason,
        });
    }

    /// What buckets look at.
    pub(super) fn subject<'a>(&self, request: &'a Request) -> Subject<'a> {
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
            let _turn = turn(&plan, dir).await;
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
            let answer = read_answer(&plan, dir, &response.body, &prepared.shown);
            let (granted, learned): (Granted, _) =
                answer.map_err(|error| error.with_answer(&response, &prepared.redactor))?;
            learned.iter().for_each(|secret| self.redactor.learn(secret));
            Ok::<_, TokenError>(granted)
        })
    }
}

/// What a failed attempt says of its tokens: whether they were refused and new ones may do better, which is worth one
/// more attempt.
fn may_be_renewed(failure: &mut Failure, held: &[Held], renewals: u32) -> bool {
    match failure.answer().map(|answer| answer.status) {
        // All that were refused are given up, not just the first.
        Some(401) if renewals == 0 && held.iter().filter(|held| held.refused()).count() > 0 => return true,
        Some(401) => {
            if let Failure::Status(status) = failure {
                status.is_new_token = !held.is_empty();
            }
        }
        Some(_) => held.iter().for_each(Held::accepted),
        None => {}
    }
    false
}
