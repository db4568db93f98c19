//! Advisory locks.

use std::thread;

use super::super::lock::{Attempt, application_name, key, lock_dataset, lock_source, try_lock_pipeline};
use super::*;

fn try_lock(session: &Session) -> Attempt {
    try_lock_pipeline(session, "ds", "members").unwrap()
}

/// Waits until nobody has the lock any more: the server ends a session a moment after its client.
fn wait_until_free(session: &Session) {
    let key = key(&["pipeline", "ds", "members"]);
    session.execute(&"wait", "SELECT pg_advisory_xact_lock($1)", &[Param::Int(key)]).unwrap();
}

#[test]
fn a_second_run_is_told_who_has_the_lock_until_that_one_ends() {
    let Some(database) = TestDatabase::new() else { return };
    let name = application_name("members");
    let one = connect_as(&database.plan(), &name, LOCK_TIMEOUT).unwrap();
    let two = database.session();
    let process = rows(&one, "SELECT pg_backend_pid()", &[])[0].int(0).unwrap();
    assert_eq!(try_lock(&one), Attempt::Acquired);
    let Attempt::HeldBy(holder) = try_lock(&two) else { panic!("locked twice") };
    assert!(
        holder.starts_with(&name) && holder.contains(&format!("(server process {process}, since 2")),
        "{holder}"
    );
    // Another pipeline, or dataset, is another matter.
    assert_eq!(try_lock_pipeline(&two, "ds", "posts").unwrap(), Attempt::Acquired);
    assert_eq!(try_lock_pipeline(&two, "other", "members").unwrap(), Attempt::Acquired);
    // A role that may not look into others' sessions is told what it may see.
    let Attempt::HeldBy(holder) = try_lock(&database.role_session()) else { panic!("locked twice") };
    assert!(holder.contains(&format!("(server process {process})")), "{holder}");
    one.close();
    wait_until_free(&two);
    assert_eq!(try_lock(&two), Attempt::Acquired);
}

#[test]
fn locks_of_a_transaction_are_waited_for_and_end_with_it() {
    let Some(database) = TestDatabase::new() else { return };
    let (one, two) = (database.session(), database.session());
    run(&one, "BEGIN; CREATE TABLE order_of_things (position serial, who text)");
    run(&one, "COMMIT; BEGIN");
    lock_dataset(&one, "ds").unwrap();
    lock_source(&one, "ds", "source").unwrap();
    // Another source of the dataset does not wait.
    run(&two, "BEGIN");
    lock_source(&two, "ds", "other").unwrap();
    run(&two, "COMMIT; BEGIN");
    let other = thread::spawn(move || {
        lock_dataset(&two, "ds").unwrap();
        run(&two, "INSERT INTO order_of_things (who) VALUES ('two'); COMMIT");
    });
    run(&one, "INSERT INTO order_of_things (who) VALUES ('one'); COMMIT");
    other.join().unwrap();
    assert_eq!(texts(&one, "SELECT who FROM order_of_things ORDER BY position"), ["one", "two"]);
}

#[test]
fn a_load_is_waited_for_longer_than_a_table() {
    let Some(database) = TestDatabase::new() else { return };
    let (one, other) = (database.session(), database.session());
    let hasty = connect_as(&database.plan(), "x", Duration::from_millis(1)).unwrap();
    let process = rows(&hasty, "SELECT pg_backend_pid()", &[])[0].int(0).unwrap();
    run(&one, "CREATE TABLE t ()");
    run(&one, "BEGIN; LOCK TABLE t");
    lock_dataset(&one, "ds").unwrap();
    run(&hasty, "BEGIN");
    let hasty = thread::spawn(move || lock_dataset(&hasty, "ds").map(|()| hasty));
    // The server counts the time.
    let waits = format!(
        "SELECT 1 FROM pg_stat_activity WHERE pid = {process} AND wait_event = 'advisory' \
         AND clock_timestamp() - query_start > interval '20 ms'"
    );
    while rows(&other, &waits, &[]).is_empty() {}
    run(&one, "COMMIT; BEGIN; LOCK TABLE t");
    let hasty = hasty.join().unwrap().unwrap();
    let error = hasty.execute_batch(&"lock table `t`", "LOCK TABLE t").unwrap_err();
    assert!(matches!(error, DestinationError::TableLocked { .. }), "{error:?}");
}
