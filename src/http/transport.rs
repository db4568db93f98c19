//! What the HTTP library's errors mean.

use std::error::Error;
use std::io;
use std::time::Duration;

use url::Url;

use super::error::Failure;
use super::redact::Redactor;

/// Limit for setting up a connection.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Names the failure of an exchange that had no complete answer. `limit` is the time for one attempt.
pub(super) fn failure(error: &reqwest::Error, url: &Url, limit: Duration, redactor: &Redactor) -> Failure {
    let deepest = chain(error).last().map(ToString::to_string).unwrap_or_default();
    let detail = redactor.text(&deepest);
    let host = url.host_str().unwrap_or_default().to_owned();
    let host_and_port = match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.clone(),
    };
    if error.is_builder() {
        Failure::Invalid { detail }
    } else if error.is_dns() {
        Failure::Dns { host, detail }
    } else if error.is_connect() && error.is_timeout() && limit > CONNECT_TIMEOUT {
        let detail = format!("no answer within {} s", CONNECT_TIMEOUT.as_secs());
        Failure::Connect { host: host_and_port, detail }
    } else if error.is_timeout() {
        Failure::Timeout { limit }
    } else if error.is_connect() && is_tls(error) {
        Failure::Tls { host: host_and_port, detail }
    } else if error.is_connect() {
        Failure::Connect { host: host_and_port, detail }
    } else {
        Failure::Interrupted { detail }
    }
}

/// An error and what it comes from, outermost first.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let mut next = Some(error);
    std::iter::from_fn(move || {
        let error = next?;
        next = error.source();
        Some(error)
    })
}

/// Whether a handshake failed for a reason that stays: the TLS library hands those up as invalid data, a cut one as
/// an early end. An I/O error may hold another one that its `source` leaves out.
fn is_tls(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|error| {
        let mut inner = error.downcast_ref::<io::Error>();
        while let Some(io) = inner {
            if io.kind() == io::ErrorKind::InvalidData {
                return true;
            }
            inner = io.get_ref().and_then(|inner| inner.downcast_ref::<io::Error>());
        }
        false
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_handshake_is_found_below_other_errors() {
        let tls = io::Error::new(io::ErrorKind::InvalidData, "invalid peer certificate: Expired");
        assert!(is_tls(&io::Error::other(io::Error::other(tls))));
        assert!(!is_tls(&io::Error::other(io::Error::from(io::ErrorKind::UnexpectedEof))));
    }
}
