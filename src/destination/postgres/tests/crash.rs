//! Sessions and servers that are killed in the middle of a load.

use std::sync::{Arc, Mutex};

use super::conformance::{Cut, How, MortalServer};
use crate::destination::tests::crash::{CASES, check, check_first};
use crate::test_postgres::{Access, Server};

/// Cuts loads of a few cases, at each `step`th place.
fn check_cut(how: How, step: usize) {
    let Some(server) = Server::start_own(Access::Trust) else { return };
    let engine = MortalServer { server: Arc::new(Mutex::new(server)), cut: Cut { how, step } };
    check_first(&engine, &CASES[3]);
    for case in [&CASES[1], &CASES[4], &CASES[7], &CASES[12]] {
        check(&engine, case);
    }
}

#[test]
fn a_session_that_is_killed_leaves_old_or_new() {
    check_cut(How::KillSession, 7);
}

#[test]
fn a_server_that_is_killed_leaves_old_or_new() {
    check_cut(How::KillServer, 9);
}
