//! Where the users of one quota meet: a log of lines that one of them at a time reads and adds to.

use std::error::Error;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use url::Url;

use super::clock::Micros;
use crate::config::{Auth, ClientPlan};

/// What is hashed before the credentials, so that the hash is of no use elsewhere.
const NAMESPACE: &[u8] = b"forebay quota";

/// Bytes of the hash that name a quota.
const HASH_BYTES: usize = 16;

/// Why a store cannot be used.
pub type StoreError = Box<dyn Error + Send + Sync>;

/// A log that all users of a quota share. What its lines mean is not its business.
pub trait QuotaStore: Send {
    /// Keeps all others out, shows what was added since the last call, and adds what `decide` returns. Blocks.
    ///
    /// `decide` is called again, with all lines, if nobody knows what became of what it returned.
    ///
    /// # Errors
    /// The store stays away. Nothing may be sent then: nobody knows what the others do.
    fn exchange(&mut self, decide: &mut dyn FnMut(&Seen) -> Vec<String>) -> Result<(), StoreError>;

    /// What says, while an exchange does not end, who or what it waits for.
    fn holder(&self) -> Holder {
        Box::new(|| "the quota store".to_owned())
    }
}

/// Says who keeps a store, from any thread.
pub type Holder = Box<dyn Fn() -> String + Send + Sync>;

/// What a user of a quota finds.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The time of the store, which all users share: microseconds, never set back.
    pub now: u64,
    /// What others added since, oldest first; or all lines there are.
    pub lines: Vec<String>,
    /// By how much the store's clock may be ahead of `now` by the time it is read here.
    pub uncertainty: Duration,
    /// How far ahead turns may be taken together: the store is so far away that each one costs.
    pub lease: Duration,
}

/// Where a client meets the other users of its quota.
pub enum QuotaSharing {
    /// Nowhere: it has the quota to itself.
    Alone,
    /// In a file below the first of these directories that can be written.
    Files(Vec<std::path::PathBuf>),
    /// In a store.
    Store(Box<dyn QuotaStore>),
}

/// Names the quota of a client: its origin and a hash of its credentials, which tells nothing about them.
pub fn quota_key(plan: &ClientPlan) -> String {
    format!("{}_{}", origin(&plan.base_url), hash(plan))
}

/// How long a request can matter to the quota of a client.
pub fn quota_horizon(plan: &ClientPlan) -> Duration {
    let longest = longest_window(plan);
    longest + longest / 500 + Duration::from_secs(1)
}

/// The longest window of all limits; zero if there is none.
pub(in crate::http) fn longest_window(plan: &ClientPlan) -> Duration {
    let own = plan.quota.buckets.iter().flat_map(|bucket| &bucket.limits);
    plan.rate_limits.iter().chain(own).map(|limit| limit.per).max().unwrap_or_default()
}

fn origin(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let host = host.replace(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-'), "_");
    format!("{}_{host}_{}", url.scheme(), url.port_or_known_default().unwrap_or(0))
}

/// Credentials may be in `auth` or in headers.
fn hash(plan: &ClientPlan) -> String {
    let mut text = NAMESPACE.to_vec();
    let mut add = |part: &str| {
        text.extend_from_slice(&(part.len() as u64).to_be_bytes());
        text.extend_from_slice(part.as_bytes());
    };
    for part in plan.auth.iter().flat_map(Auth::parts) {
        match part {
            Auth::Bearer { token } => add(token.expose()),
            Auth::ApiKey { api_key, .. } => add(api_key.expose()),
            Auth::Basic { username, password } => {
                add(username.expose());
                add(password.expose());
            }
            Auth::Token(token) => add(&token.id),
            Auth::Hmac(signature) => add(signature.secret.expose()),
            // It cannot hold itself.
            Auth::Several(_) => {}
        }
    }
    if plan.auth.is_none() {
        for (name, value) in &plan.headers {
            add(&name.to_ascii_lowercase());
            add(value.expose());
        }
    }
    let digest = digest(&SHA256, &text);
    digest.as_ref().iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

/// What is found in a store that is here.
pub(super) fn seen(now: Micros, lines: Vec<String>) -> Seen {
    Seen { now, lines, uncertainty: Duration::ZERO, lease: Duration::ZERO }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;
    use crate::config::Secret;
    use crate::http::client::tests::plan;

    #[test]
    fn a_quota_is_named_by_origin_and_credentials_without_showing_them() {
        let with_key = |url: &str, key: &str| {
            let mut plan = plan(url);
            plan.auth = Some(Auth::Bearer { token: Secret::new(key) });
            quota_key(&plan)
        };
        let one = with_key("https://api.example.com/v1/", "sk_live_1");
        assert!(one.starts_with("https_api.example.com_443_") && !one.contains("sk_live"), "{one}");
        assert_eq!(one, with_key("https://api.example.com/v2/", "sk_live_1"));
        assert_ne!(one, with_key("https://api.example.com/v1/", "sk_live_2"));
        assert_ne!(one, with_key("https://api.example.com:8443/v1/", "sk_live_1"));
        assert!(with_key("http://[::1]:8080/", "k").starts_with("http____1__8080_"));
    }
}
