//! Tokens that are got while a run goes on: before the first request that needs one, a little before one ends, and
//! when the API refuses one. One request asks for a new one, the others wait for it.

use std::collections::HashMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::grant::Granted;
use crate::config::{Secret, TokenPlan};
use crate::http::error::TokenError;

/// A token is got anew this long before it ends, so that none ends on its way.
const EARLY: Duration = Duration::from_secs(60);

/// The same for tokens that last less than ten minutes: this part of their life.
const EARLY_PART: u32 = 10;

/// Far enough away for a token without an end.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// All tokens of a client. Equal credentials share one.
#[derive(Default)]
pub(in super::super) struct Tokens {
    slots: Mutex<HashMap<String, Arc<Slot>>>,
    /// Where refresh tokens are kept.
    pub(in super::super) dir: OnceLock<PathBuf>,
}

impl Tokens {
    pub(in super::super) fn slot(&self, plan: &TokenPlan) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(plan.id.clone()).or_insert_with(|| Arc::new(Slot::new(plan))))
    }
}

/// The future of a token request.
pub(in super::super) type Granting = Pin<Box<dyn Future<Output = Result<Granted, TokenError>> + Send>>;

/// One token and what comes after it.
pub(in super::super) struct Slot {
    current: Mutex<Option<Arc<Token>>>,
    /// Held by the one request that gets a token; knows how the last attempt failed, and when.
    turn: tokio::sync::Mutex<Option<(Instant, Arc<TokenError>)>>,
    default_expiration: Duration,
}

/// A token, and what is known of its worth.
struct Token {
    value: Secret,
    got_at: Instant,
    renew_at: Instant,
    expires_at: Instant,
    /// It comes from the config, so nobody knows its age.
    is_given: bool,
    /// The API has taken it at least once.
    is_accepted: AtomicBool,
    is_refused: AtomicBool,
}

impl Token {
    fn new(value: Secret, lifetime: Duration, is_given: bool) -> Self {
        let got_at = Instant::now();
        let lifetime = lifetime.min(LONGEST);
        Self {
            value,
            got_at,
            renew_at: got_at + (lifetime - EARLY.min(lifetime / EARLY_PART)),
            expires_at: got_at + lifetime,
            is_given,
            is_accepted: AtomicBool::new(false),
            is_refused: AtomicBool::new(false),
        }
    }

    /// Whether it is good for a request that asked for one at `asked`. One that came after that is as good as it gets.
    fn is_good(&self, asked: Instant) -> bool {
        !self.is_refused.load(Ordering::Relaxed)
            && (self.got_at >= asked && !self.is_given || Instant::now() < self.renew_at)
    }
}

impl Slot {
    fn new(plan: &TokenPlan) -> Self {
        let given = plan.access_token.clone();
        let given = given.map(|value| Arc::new(Token::new(value, plan.default_expiration, true)));
        Self {
            current: Mutex::new(given),
            turn: tokio::sync::Mutex::default(),
            default_expiration: plan.default_expiration,
        }
    }

    /// A token that is good for a request now; `grant` asks for a new one if there is none.
    pub(in super::super) async fn hold(
        self: &Arc<Self>,
        grant: impl FnOnce() -> Granting + Send + 'static,
    ) -> Result<Held, Arc<TokenError>> {
        let asked = Instant::now();
        if let Some(token) = self.good(asked) {
            return Ok(Held(token));
        }
        let slot = Arc::clone(self);
        // On its own: a refresh that ended with the request that wants it could lose the next refresh token.
        let renewing = tokio::spawn(async move { slot.renew(asked, grant).await });
        renewing.await.unwrap_or_else(|_| Err(Arc::new(TokenError::Stopped))).map(Held)
    }

    async fn renew(
        &self,
        asked: Instant,
        grant: impl FnOnce() -> Granting + Send,
    ) -> Result<Arc<Token>, Arc<TokenError>> {
        let mut failed = self.turn.lock().await;
        if let Some(token) = self.good(asked) {
            return Ok(token);
        }
        // Those who waited with the one that failed fail with it.
        if let Some((at, error)) = failed.as_ref().filter(|(at, _)| *at >= asked) {
            tracing::debug!(?at, "no token for those who waited either");
            return Err(Arc::clone(error));
        }
        match grant().await {
            Ok(Granted { token, lifetime }) => {
                let lifetime = lifetime.unwrap_or(self.default_expiration);
                tracing::debug!(?lifetime, "got an access token");
                let token = Arc::new(Token::new(token, lifetime, false));
                *self.current() = Some(Arc::clone(&token));
                *failed = None;
                Ok(token)
            }
            Err(error) => {
                let error = Arc::new(error);
                *failed = Some((Instant::now(), Arc::clone(&error)));
                Err(error)
            }
        }
    }

    fn good(&self, asked: Instant) -> Option<Arc<Token>> {
        self.current().as_ref().filter(|token| token.is_good(asked)).cloned()
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Option<Arc<Token>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A token as one request uses it.
pub(in super::super) struct Held(Arc<Token>);

impl Held {
    pub(super) fn value(&self) -> &Secret {
        &self.0.value
    }

    /// Notes that the API took it, whatever else it said.
    pub(in super::super) fn accepted(&self) {
        self.0.is_accepted.store(true, Ordering::Relaxed);
    }

    /// Gives it up after the API refused it, if a new one may do better: it was good once, or its age is unknown, or it
    /// has ended. Otherwise a new one would be as bad, and each refusal would cost a token.
    pub(in super::super) fn refused(&self) -> bool {
        let token = &self.0;
        let may_do_better = token.is_given
            || token.is_accepted.load(Ordering::Relaxed)
            || token.is_refused.load(Ordering::Relaxed)
            || token.expires_at <= Instant::now();
        if may_do_better {
            token.is_refused.store(true, Ordering::Relaxed);
        }
        may_do_better
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use tokio::time::{advance, sleep};

    use super::*;
    use crate::config::{Auth, test_auth};

    /// A token endpoint that takes a second and numbers its tokens.
    struct Endpoint {
        slot: Arc<Slot>,
        count: Arc<AtomicU32>,
        lifetime: Option<u64>,
    }

    impl Endpoint {
        fn new(lifetime: Option<u64>, rest: &str) -> Self {
            let auth = test_auth(&format!(
                "type = 'oauth2_client_credentials'\naccess_token_url = 'https://a.test/'\nclient_id = 'c'\nclient_secret = 's'\n{rest}"
            ));
            let Auth::Token(plan) = auth else { panic!("no token") };
            Self { slot: Arc::new(Slot::new(&plan)), count: Arc::default(), lifetime }
        }

        async fn hold(&self) -> Held {
            let (count, lifetime) = (Arc::clone(&self.count), self.lifetime);
            let grant = move || -> Granting {
                Box::pin(async move {
                    sleep(Duration::from_secs(1)).await;
                    let number = count.fetch_add(1, Ordering::Relaxed) + 1;
                    let token = Secret::new(number.to_string());
                    Ok(Granted { token, lifetime: lifetime.map(Duration::from_secs) })
                })
            };
            self.slot.hold(grant).await.unwrap_or_else(|error| panic!("{error}"))
        }

        async fn token(&self) -> String {
            self.hold().await.value().expose().to_owned()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_got_anew_a_little_before_it_ends() {
        for (lifetime, rest, kept, gone) in [
            (Some(3600), "", 3539, 2),
            (Some(100), "", 89, 2),
            (None, "default_token_expiration = 200", 179, 2),
            (None, "", 3539, 2),
        ] {
            let endpoint = Endpoint::new(lifetime, rest);
            assert_eq!(endpoint.token().await, "1");
            advance(Duration::from_secs(kept)).await;
            assert_eq!(endpoint.token().await, "1", "{lifetime:?} {rest}");
            advance(Duration::from_secs(gone)).await;
            assert_eq!(endpoint.token().await, "2", "{lifetime:?} {rest}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_requests_share_one_token_even_one_that_ends_at_once() {
        for lifetime in [0, 3600] {
            let endpoint = Endpoint::new(Some(lifetime), "");
            let tokens = futures_util::future::join_all((0..50).map(|_| endpoint.token())).await;
            assert!(tokens.iter().all(|token| token == "1"), "{tokens:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_of_the_config_is_used_first() {
        let endpoint = Endpoint::new(None, "access_token = 'given'");
        let held = endpoint.hold().await;
        assert_eq!(held.value().expose(), "given");
        assert!(held.refused());
        assert_eq!(endpoint.token().await, "1");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_token_is_replaced_once_and_only_if_it_was_good() {
        let endpoint = Endpoint::new(Some(3600), "");
        let (one, other) = (endpoint.hold().await, endpoint.hold().await);
        assert!(!one.refused(), "it was just got");
        one.accepted();
        assert!(one.refused() && other.refused());
        let tokens = [endpoint.token().await, endpoint.token().await];
        assert_eq!(tokens, ["2", "2"]);
        let late = endpoint.hold().await;
        advance(Duration::from_secs(3601)).await;
        assert!(late.refused(), "it has ended");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refresh_outlives_the_request_that_wanted_it() {
        let endpoint = Endpoint::new(Some(3600), "");
        tokio::select! {
            biased;
            () = sleep(Duration::from_millis(10)) => {}
            _ = endpoint.token() => panic!("too early"),
        }
        assert_eq!(endpoint.token().await, "1");
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_fail_together_and_the_next_one_tries_again() {
        let slot = Arc::new(Slot {
            current: Mutex::new(None),
            turn: tokio::sync::Mutex::default(),
            default_expiration: EARLY,
        });
        let count = Arc::new(AtomicU32::new(0));
        let hold = || {
            let (slot, count) = (Arc::clone(&slot), Arc::clone(&count));
            async move {
                let grant = move || -> Granting {
                    Box::pin(async move {
                        sleep(Duration::from_secs(1)).await;
                        count.fetch_add(1, Ordering::Relaxed);
                        Err(TokenError::Stopped)
                    })
                };
                slot.hold(grant).await.is_err()
            }
        };
        assert!(
            futures_util::future::join_all((0..20).map(|_| hold())).await.into_iter().all(|failed| failed)
        );
        assert_eq!(count.load(Ordering::Relaxed), 1);
        advance(Duration::from_secs(1)).await;
        assert!(hold().await);
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }
}
