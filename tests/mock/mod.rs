//! A stand-in for the Memberstack and MemberPass APIs, on a loopback port.
//!
//! It is used twice: in the process of the integration tests, and as the binary `mock-api` (`main.rs`) for `make
//! demo`, the benchmark and the vendor's own client. [`Mock::start`] binds a port and serves from a thread with a
//! runtime of its own, so that blocking tests can use it; dropping the [`Mock`] ends both.
//!
//! One lock and one clock order everything: a request arrives, is counted, judged, answered and logged under the
//! same lock, so what [`Mock::requests`] tells is what the limiter saw. The parts: `server` (HTTP, and the order of
//! those steps), `limiter`, `faults`, `valve` (what happens to the bytes of an answer on their way), `log`, and one
//! folder per API, which turn a [`call::Call`] into a reply and know nothing of sockets.
//!
//! The vendor's client as a witness: `npm ci --prefix tests/sdk`, then
//! `node tests/sdk/page_through.mjs <Mock::url> <key>` prints the members it gets as one JSON document;
//! [`sdk::page_through`] does both from a test.

#![allow(dead_code, unused_imports, reason = "the tests and the binary each use a part of this")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test double that cannot go on should stop the test at once"
)]

mod call;
mod config;
mod faults;
mod limiter;
mod log;
mod memberpass;
mod memberstack;
pub(crate) mod sdk;
mod server;
mod valve;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;

pub(crate) use config::{ApiKind, DeletedCursor, Dialect, EmptyCursor, Key, MockConfig, RefusalBody};
pub(crate) use faults::{Fault, FaultKind, Place, Victim};
pub(crate) use limiter::{Limiter, Window};
pub(crate) use log::LoggedRequest;

/// A running mock; dropping it closes the port and every connection.
pub(crate) struct Mock {
    address: SocketAddr,
    server: Arc<server::Server>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Mock {
    /// Binds `config.listen` and serves until dropped. Panics when the port cannot be bound.
    pub(crate) fn start(config: MockConfig) -> Self {
        let listener = std::net::TcpListener::bind(config.listen).expect("the address can be bound");
        listener.set_nonblocking(true).expect("a socket can be made non-blocking");
        let address = listener.local_addr().expect("a bound socket has an address");
        let server = Arc::new(server::Server::new(config));
        let (stop, stopped) = oneshot::channel();
        let serving = Arc::clone(&server);
        let thread = std::thread::spawn(move || server::serve(listener, serving, stopped));
        Self { address, server, stop: Some(stop), thread: Some(thread) }
    }

    /// The base URL, without a trailing slash: `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every API request so far, in the order of arrival.
    pub(crate) fn requests(&self) -> Vec<LoggedRequest> {
        self.server.with(|inner| inner.log.entries().to_vec())
    }

    /// Waits until `count` requests have arrived in all; false when that takes longer than `limit`.
    pub(crate) fn wait_for_requests(&self, count: usize, limit: Duration) -> bool {
        self.server.wait_for_requests(count, limit)
    }

    /// Replaces the faults that are still to come. Request numbers keep counting from the start of the mock.
    pub(crate) fn set_faults(&self, faults: Vec<Fault>) {
        self.server.with(|inner| inner.faults.replace(faults));
    }

    /// Lets the next `times` requests run into `kind`, and drops all other faults.
    pub(crate) fn fail_next(&self, kind: FaultKind, times: u64) {
        self.server.with(|inner| {
            let next = inner.log.entries().len() as u64 + 1;
            inner.faults.replace(vec![Fault { place: Place::Request(next), kind, times }]);
        });
    }

    /// Replaces the quota and forgets the arrivals counted so far; no window means no limit.
    pub(crate) fn set_rate(&self, windows: Vec<Window>) {
        self.server.with(|inner| inner.limiter = Limiter::new(windows));
    }

    /// Answers every request that is held by [`FaultKind::Hold`] now.
    pub(crate) fn release(&self) {
        self.server.release();
    }

    /// The members that the API holds now, as it would list them without `json`, oldest first.
    ///
    /// For MemberPass these are the members of all projects, project by project.
    pub(crate) fn members(&self) -> Vec<Value> {
        self.server.with(|inner| inner.api.members())
    }

    /// The ids of [`Mock::members`], in the same order.
    pub(crate) fn member_ids(&self) -> Vec<String> {
        self.members().iter().map(|member| member["id"].as_str().expect("an id is text").to_owned()).collect()
    }

    /// MemberPass only: what its lists hold, by the names of the resources in the shipped config.
    pub(crate) fn lists(&self) -> Vec<(&'static str, Vec<Value>)> {
        self.server.with(|inner| inner.api.lists())
    }

    /// MemberPass only: gives a payment another state.
    pub(crate) fn settle_payment(&self, id: &str, status: &str) {
        self.server.with(|inner| inner.api.settle_payment(id, status));
    }

    /// MemberPass only: lets this much more happen in the first project.
    pub(crate) fn add_activity(&self, count: usize) {
        self.server.with(|inner| inner.api.add_activity(count));
    }

    /// Adds one generated member at the end.
    pub(crate) fn create_member(&self) {
        self.server.with(|inner| inner.api.create_member());
    }

    /// Deletes the member with this id; an unknown id changes nothing.
    pub(crate) fn delete_member(&self, id: &str) {
        self.server.with(|inner| inner.api.delete_member(id));
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            // A panic in the server thread has been printed already; a second one here would abort the test run.
            let _ = thread.join();
        }
    }
}
