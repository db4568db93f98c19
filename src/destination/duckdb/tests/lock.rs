//! Files that somebody else has open.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use super::{Fixture, loaded, path};
use crate::destination::duckdb::DuckDb;
use crate::destination::{Destination, DestinationError};

const FILE: &str = "FOREBAY_TEST_HOLD";

/// Run as a process of its own by the test below.
#[test]
fn holder() {
    let Ok(path) = std::env::var(FILE) else { return };
    let _connection = duckdb::Connection::open(path).unwrap();
    println!("\nheld");
    let _ = std::io::stdin().read(&mut [0]);
}

fn hold(fixture: &Fixture<'_>) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "destination::duckdb::tests::lock::holder", "--nocapture"])
        .env(FILE, path(fixture))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.map(Result::unwrap).any(|line| line == "held"));
    child
}

#[test]
fn a_lock_is_waited_for_and_its_holder_named() {
    let fixture = loaded();
    let mut child = hold(&fixture);
    let pid = child.id();
    let (sender, receiver) = std::sync::mpsc::channel();
    let database = |timeout, told: Box<dyn Fn(&str) + Send + Sync>| {
        DuckDb::new(path(&fixture), "ds".to_owned(), timeout, move |holder| told(holder))
    };

    let error = database(Duration::ZERO, Box::new(|_| ())).committed("p", "src").unwrap_err();
    let DestinationError::Locked { holder, .. } = &error else { panic!("{error}") };
    assert!(holder.ends_with(&format!("(PID {pid})")), "{holder}");
    assert!(error.to_string().contains("has it open"), "{error}");

    // The holder goes once the wait has begun.
    let sender = Mutex::new(sender);
    let told = move |holder: &str| sender.lock().unwrap().send(holder.to_owned()).unwrap();
    let waiting = database(Duration::from_secs(600), Box::new(told));
    let waiting = std::thread::spawn(move || waiting.committed("p", "src"));
    let holder = receiver.recv().unwrap();
    assert!(holder.contains(&pid.to_string()), "{holder}");
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(waiting.join().unwrap().unwrap().schema.is_some());
    assert!(receiver.recv().is_err(), "told more than once");
}
