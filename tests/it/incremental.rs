//! Several runs: what the next one asks for, what it writes, and what it remembers, as dlt does.

use std::fs;

use reqwest::Method;
use serde_json::{Value, json};

use crate::mock::{EmptyCursor, Fault, FaultKind, Mock, MockConfig};
use crate::support::api::{change, cursors, wait_for};
use crate::support::cli::Workspace;
use crate::support::db::Db;

/// Members whose rows are appended, so that a repeated one shows.
fn appending(mock: &Mock) -> Workspace {
    Workspace::members(mock).with_set("resources.members.write_disposition=append")
}

/// The API's own page cursor is the increment.
fn by_page_cursor(mock: &Mock) -> Workspace {
    appending(mock).with_set("resources.members.endpoint.incremental.page_cursor=true")
}

/// The members' instant of creation is the increment.
fn by_creation(mock: &Mock) -> Workspace {
    appending(mock)
        .with_set("resources.members.endpoint.incremental.cursor_path=createdAt")
        .with_set("resources.members.endpoint.incremental.start_param=created_after")
        .with_set("resources.members.endpoint.incremental.initial_value=2024-01-01T00:00:00.000Z")
}

fn create(mock: &Mock, count: usize) {
    for _ in 0..count {
        mock.create_member();
    }
}

/// The table has each member of the API once.
fn expect_each_once(mock: &Mock, workspace: &Workspace) {
    let mut expected = mock.member_ids();
    expected.sort();
    assert_eq!(workspace.db().column("SELECT id FROM members ORDER BY id"), expected);
}

/// A run leaves the database as it is, byte for byte, and says so.
fn expect_nothing_written(workspace: &Workspace) {
    let db = workspace.db();
    let (before, loads) = (fs::read(db.path()).unwrap(), db.load_count());
    let finished = workspace.run(&[]);
    finished.expect_code(0);
    finished.expect_said("nothing new: nothing was written");
    assert!(fs::read(db.path()).unwrap() == before, "the file has changed");
    assert_eq!(db.load_count(), loads);
}

#[test]
fn a_page_cursor_leads_from_run_to_run() {
    for empty_cursor in [EmptyCursor::After, EmptyCursor::Zero, EmptyCursor::Null] {
        let mock = Mock::start(MockConfig { empty_cursor, ..MockConfig::unlimited(230) });
        let workspace = by_page_cursor(&mock);
        workspace.run_well(&[]);
        expect_each_once(&mock, &workspace);
        let cursor = workspace.db().state()["forebay"]["page_cursor"].clone();

        // What an empty page says of its cursor does not count.
        for _ in 0..2 {
            expect_nothing_written(&workspace);
            let asked = cursors(&mock.requests());
            assert_eq!(asked.last().unwrap(), &Some(cursor.to_string()), "{empty_cursor:?}");
        }
        assert_eq!(mock.requests().len(), 5);

        create(&mock, 120);
        let report = workspace.run_well(&[]);
        assert_eq!(report["loads"][0]["rows"], 120);
        // The API's total is that of all members, which is not what this run reads.
        assert_eq!(report["resources"][0]["total_rows"], Value::Null);
        assert_eq!(cursors(&mock.requests())[5], Some(cursor.to_string()));
        assert_eq!(mock.requests().len(), 7);
        expect_each_once(&mock, &workspace);
        expect_nothing_written(&workspace);
    }
}

#[test]
fn a_first_run_without_rows_writes_nothing() {
    let mock = Mock::start(MockConfig::unlimited(0));
    let workspace = by_page_cursor(&mock);
    let finished = workspace.run(&[]);
    finished.expect_code(0);
    finished.expect_said("nothing new: nothing was written");
    assert!(!workspace.db().path().exists());
    create(&mock, 3);
    workspace.run_well(&[]);
    expect_each_once(&mock, &workspace);
}

#[test]
fn a_full_refresh_reads_all_again() {
    let mock = Mock::start(MockConfig::unlimited(230));
    let workspace = by_page_cursor(&mock);
    workspace.run_well(&[]);
    create(&mock, 10);
    mock.delete_member(&mock.member_ids()[0]);
    let before = mock.requests().len();
    workspace.run_well(&["--full-refresh"]);
    assert_eq!(cursors(&mock.requests()[before..])[0], None);
    expect_each_once(&mock, &workspace);
    // The next run goes on after it.
    create(&mock, 1);
    assert_eq!(workspace.run_well(&[])["loads"][0]["rows"], 1);
    expect_each_once(&mock, &workspace);
    expect_nothing_written(&workspace);
}

#[test]
fn a_cursor_field_is_remembered_as_dlt_does() {
    let created_after_param = Some("created_after".to_owned());
    let mock = Mock::start(MockConfig { created_after_param, ..MockConfig::unlimited(150) });
    let workspace = by_creation(&mock);
    let newest = || mock.members().last().unwrap()["createdAt"].clone();
    let asked_since = || mock.requests().last().unwrap().param("created_after").unwrap();
    let state = || workspace.db().state()["incremental"]["createdAt"].clone();

    workspace.run_well(&[]);
    let initial = json!("2024-01-01T00:00:00.000Z");
    assert_eq!(asked_since(), initial);
    let first = state();
    let keys: Vec<_> = first.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["initial_value", "last_value", "unique_hashes", "start_value"]);
    assert_eq!((&first["initial_value"], &first["start_value"]), (&initial, &initial));
    assert_eq!(first["last_value"], newest());
    assert_eq!(first["unique_hashes"].as_array().unwrap().len(), 1);

    // The API gives the newest member again, since it was created at that instant or later.
    expect_nothing_written(&workspace);
    assert_eq!(asked_since(), first["last_value"]);
    assert_eq!(state(), first);

    create(&mock, 25);
    let report = workspace.run_well(&[]);
    assert_eq!(asked_since(), first["last_value"]);
    assert_eq!((&report["resources"][0]["rows"], &report["loads"][0]["rows"]), (&26.into(), &25.into()));
    expect_each_once(&mock, &workspace);
    let second = state();
    assert_eq!((&second["initial_value"], &second["start_value"]), (&initial, &first["last_value"]));
    assert_eq!(second["last_value"], newest());
    assert_ne!(second["unique_hashes"], first["unique_hashes"]);
}

#[test]
fn a_cursor_field_works_without_help_from_the_api() {
    let mock = Mock::start(MockConfig::unlimited(150));
    let workspace = appending(&mock).with_set("resources.members.endpoint.incremental.cursor_path=createdAt");
    workspace.run_well(&[]);
    expect_nothing_written(&workspace);
    create(&mock, 25);
    assert_eq!(workspace.run_well(&[])["loads"][0]["rows"], 25);
    expect_each_once(&mock, &workspace);
    assert_eq!(workspace.db().state()["incremental"]["createdAt"]["initial_value"], Value::Null);
}

/// Two runs; between them one member of 130 is deleted, one gets a plan, and three are new.
#[test]
fn dispositions_decide_what_becomes_of_old_rows() {
    let check = |disposition: &str, rows: usize, versions_of_changed: usize| {
        let mock = Mock::start(MockConfig::unlimited(130));
        let workspace =
            Workspace::members(&mock).with_set(&format!("resources.members.write_disposition={disposition}"));
        workspace.run_well(&[]);
        let members = mock.members();
        let id = |nth: usize| members[nth]["id"].as_str().unwrap().to_owned();
        let without_plan = (1..).find(|nth| members[*nth]["planConnections"] == json!([])).unwrap();
        let changed = id(without_plan);
        mock.delete_member(&id(0));
        create(&mock, 3);
        change(
            &mock,
            Method::POST,
            &format!("/members/{changed}/add-plan"),
            &json!({ "planId": "pln_free-a1b2c3d4" }),
        );
        change(&mock, Method::PATCH, &format!("/members/{changed}"), &json!({ "loginRedirect": "/changed" }));
        workspace.run_well(&[]);

        let db = workspace.db();
        assert_eq!(db.count("members"), rows as u64, "{disposition}");
        let versions = db.column(&format!("SELECT login_redirect FROM members WHERE id = '{changed}'"));
        assert_eq!(versions.len(), versions_of_changed, "{disposition}");
        assert!(versions.contains(&"/changed".to_owned()), "{disposition}");
        let plans = db.column(&format!(
            "SELECT plan_id FROM members__plan_connections AS plan \
             JOIN members ON plan._dlt_parent_id = members._dlt_id WHERE members.id = '{changed}'"
        ));
        assert_eq!(plans, ["pln_free-a1b2c3d4"], "{disposition}");
        // Every child row has its parent still.
        for child in ["members__plan_connections", "members__permissions"] {
            let orphans = format!("{child} WHERE _dlt_parent_id NOT IN (SELECT _dlt_id FROM members)");
            assert_eq!(db.count(&orphans), 0, "{disposition}: {child}");
        }
        if disposition == "replace" {
            expect_each_once(&mock, &workspace);
        }
    };
    check("merge", 133, 1);
    check("replace", 132, 1);
    check("append", 130 + 132, 2);
}

#[test]
fn a_replaced_resource_without_rows_empties_its_tables() {
    let mock = Mock::start(MockConfig::unlimited(20));
    let workspace = Workspace::members(&mock).with_set("resources.members.write_disposition=replace");
    workspace.run_well(&[]);
    assert!(workspace.db().count("members__permissions") > 0);
    for id in mock.member_ids() {
        mock.delete_member(&id);
    }
    workspace.run_well(&[]);
    for table in ["members", "members__permissions", "members__plan_connections"] {
        assert_eq!(workspace.db().count(table), 0, "{table}");
    }
}

/// One member at a time, by the ids of a parent that is read but not loaded.
#[test]
fn children_load_without_their_parent_and_go_on_after_a_kill() {
    let faults = vec![Fault::at_request(14, FaultKind::Hold)];
    let mock = Mock::start(MockConfig { faults, ..MockConfig::unlimited(130) });
    let workspace = Workspace::members(&mock)
        .with_set("resources.member.include_from_parent=[\"id\", \"createdAt\"]")
        .with_set("resources.member.endpoint.paginator=single_page")
        // Else some have been answered, and not yet kept, when the run is killed.
        .with_set("resources.member.max_in_flight=1");
    let run = workspace.start(&["-r", "member"]);
    // Two pages of the parent, eleven members, and the one that is held.
    wait_for(&mock, 14);
    run.kill();
    workspace.run_well(&["-r", "member"]);

    let requests = mock.requests();
    let answered: Vec<_> = requests.iter().filter(|request| request.status.is_some()).collect();
    assert_eq!(answered.len(), 132);
    for (nth, id) in mock.member_ids().iter().enumerate() {
        assert_eq!(answered[nth + 2].path, format!("/members/{id}"));
    }
    let db = workspace.db();
    let mut expected = mock.member_ids();
    expected.sort();
    assert_eq!(db.column("SELECT _members_id FROM member WHERE _members_id = id ORDER BY id"), expected);
    assert_eq!(db.count("member WHERE _members_created_at = created_at"), 130);
    assert!(!db.content().tables.contains_key("members"), "the parent is not loaded");
}

#[test]
fn the_name_of_a_dataset_is_normalized_and_its_state_found_again() {
    let mock = Mock::start(MockConfig::unlimited(3));
    let workspace = by_page_cursor(&mock).with_env("FOREBAY_DATASET", "My Data-2");
    assert_eq!(workspace.run_well(&[])["dataset"], "my_data_2");
    let db = Db::new(workspace.db().path().to_owned(), "my_data_2");
    assert_eq!(db.count("members"), 3);
    let second = workspace.run(&[]);
    second.expect_code(0);
    second.expect_said("nothing new: nothing was written");
}
