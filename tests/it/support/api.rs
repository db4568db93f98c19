//! The mock's log, judged; and changes to its data.

use std::time::Duration;

use serde_json::Value;

use crate::mock::{LoggedRequest, Mock};

/// Longest wait for something that happens at once on any machine that works.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Panics if more than `limit` requests arrived in any span of length `per`, by the server's clock.
pub(crate) fn expect_within_quota(requests: &[LoggedRequest], limit: usize, per: Duration) {
    for (first, last) in requests.iter().zip(requests.iter().skip(limit)) {
        let span = last.at - first.at;
        assert!(span >= per, "{} requests within {span:?}, the last at {:?}", limit + 1, last.at);
    }
}

/// How many requests were answered with this status.
pub(crate) fn count_status(requests: &[LoggedRequest], status: u16) -> usize {
    requests.iter().filter(|request| request.status == Some(status)).count()
}

/// The `after` of each request for a page of members; the first page has none.
pub(crate) fn cursors(requests: &[LoggedRequest]) -> Vec<Option<String>> {
    requests
        .iter()
        .filter(|request| request.path == "/members")
        .map(|request| request.param("after"))
        .collect()
}

/// Waits until the mock has got `count` requests in all.
pub(crate) fn wait_for(mock: &Mock, count: usize) {
    assert!(mock.wait_for_requests(count, PATIENCE), "only {} requests came", mock.requests().len());
}

/// Changes something as the API's own users do; the request is in the mock's log like any other.
pub(crate) fn change(mock: &Mock, method: reqwest::Method, path: &str, body: &Value) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let request = reqwest::Client::new()
        .request(method, format!("{}{path}", mock.url()))
        .header("X-API-KEY", "sk_sb_demo")
        .header("Content-Type", "application/json")
        .body(body.to_string());
    let status = runtime.block_on(request.send()).unwrap().status();
    assert!(status.is_success(), "{status}");
}
