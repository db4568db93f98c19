//! Where a pipeline meets the others that use its API key.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::Plan;
use crate::destination::postgres::SharedLog;
use crate::http::{Holder, HttpError, QuotaSharing, QuotaStore, Seen, StoreError, quota_horizon, quota_key};

/// Furthest ahead that turns are taken of a store that is far away, so that not each costs a round trip while all
/// others wait.
const LEASE: Duration = Duration::from_millis(250);

/// Round trips that such turns may last for. On one machine that is less than one turn.
const LEASED_ROUND_TRIPS: u32 = 10;

/// How long the store may take to open until that is told.
const PATIENCE: Duration = Duration::from_secs(5);

/// The variable that names a directory in place of the one that the system has for what programs keep between runs.
const STATE_DIR: &str = "FOREBAY_STATE_DIR";

/// Opens the store that the config names; else a file of the user's, or of the pipeline's where there can be none.
///
/// # Errors
/// The store is not there.
pub(super) async fn sharing(plan: &Plan) -> Result<QuotaSharing, HttpError> {
    let Some(url) = plan.client.quota.store.clone() else {
        let variable =
            |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let shared = state_dir(&variable, std::env::home_dir());
        return Ok(QuotaSharing::Files(shared.into_iter().chain([plan.quota_dir.clone()]).collect()));
    };
    let (key, horizon) = (quota_key(&plan.client), quota_horizon(&plan.client));
    let mut opening = tokio::task::spawn_blocking(move || SharedLog::open(&url, &key, horizon));
    let opened = match tokio::time::timeout(PATIENCE, &mut opening).await {
        Ok(opened) => opened,
        Err(_) => {
            tracing::warn!("still waiting for the quota store");
            opening.await
        }
    };
    let opened = opened.map_err(|error| HttpError::QuotaStore { source: error.into() })?;
    let log = opened.map_err(|source| HttpError::QuotaStore { source: source.into() })?;
    Ok(QuotaSharing::Store(Box::new(PostgresStore(log))))
}

/// The directory that all pipelines of a user share. `home` is what the system has for the user where `HOME` is not
/// set, as under systemd: a service meets those that were started by hand.
fn state_dir(variable: &dyn Fn(&str) -> Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    if let Some(dir) = variable(STATE_DIR) {
        return Some(dir.join("quota"));
    }
    // The specification has relative ones ignored.
    let state = variable("XDG_STATE_HOME").filter(|dir| dir.is_absolute()).or_else(|| {
        let below = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/state" };
        let home = variable("HOME").or(home).filter(|dir| dir.is_absolute())?;
        Some(home.join(below))
    });
    state.map(|state| state.join("forebay").join("quota"))
}

/// A log on a server, for a quota.
struct PostgresStore(SharedLog);

impl QuotaStore for PostgresStore {
    fn exchange(&mut self, decide: &mut dyn FnMut(&Seen) -> Vec<String>) -> Result<(), StoreError> {
        let exchanged = self.0.exchange(&mut |found| {
            decide(&Seen {
                now: found.now,
                lines: found.lines,
                uncertainty: found.uncertainty,
                lease: LEASE.min(found.round_trip * LEASED_ROUND_TRIPS),
            })
        });
        Ok(exchanged?)
    }

    fn holder(&self) -> Holder {
        let server = self.0.server().to_owned();
        Box::new(move || {
            format!(
                "the quota store on `{server}`: it does not answer, or another program holds the row of this key"
            )
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_set_counts() {
        let check_with = |set: &[(&str, &str)], home: Option<&str>, expected: Option<&str>| {
            let variable = |name: &str| {
                set.iter().find(|(known, _)| *known == name).map(|(_, value)| PathBuf::from(value))
            };
            assert_eq!(state_dir(&variable, home.map(PathBuf::from)), expected.map(PathBuf::from), "{set:?}");
        };
        let check = |set: &[(&str, &str)], expected: Option<&str>| check_with(set, None, expected);
        let home = if cfg!(target_os = "macos") {
            "/home/me/Library/Application Support/forebay/quota"
        } else {
            "/home/me/.local/state/forebay/quota"
        };
        check(&[], None);
        check_with(&[], Some("/home/me"), Some(home));
        check_with(&[("HOME", "/home/me")], Some("/root"), Some(home));
        check_with(&[], Some(""), None);
        check(&[("HOME", "/home/me")], Some(home));
        check(&[("HOME", "/home/me"), ("XDG_STATE_HOME", "/state")], Some("/state/forebay/quota"));
        check(&[("HOME", "/home/me"), ("XDG_STATE_HOME", "state")], Some(home));
        check(&[("XDG_STATE_HOME", "/state"), ("FOREBAY_STATE_DIR", "/own")], Some("/own/quota"));
    }
}
