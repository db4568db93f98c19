//! The integration tests: one binary, one module per subject.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that meets an unexpected error should stop there and show it"
)]

#[path = "../mock/mod.rs"]
mod mock;
#[path = "../postgres/mod.rs"]
mod postgres;

mod cli;
mod contract;
mod deletes;
mod dlt;
mod faults;
mod incremental;
mod kill;
mod lock;
mod machine;
mod memberpass;
mod mock_behaviour;
mod npm;
mod postgres_cli;
mod postgres_kill;
mod postgres_lock;
mod postgres_roles;
mod postgres_server;
mod postgres_soak;
mod quota;
mod recovery;
mod rest;
mod sample;
mod scene;
mod schema;
mod script;
mod sdk;
mod secrets;
mod support;
