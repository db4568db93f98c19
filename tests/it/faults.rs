//! What goes wrong at the API's end ends with a message that names the place, the documented exit code and a hint; what
//! was loaded before stays as it was, and a later run makes it good.

use std::net::TcpListener;

use crate::mock::{Fault, FaultKind};
use crate::scene::{Forebay, Ran, Scene, assert_said, count};
use crate::script::Script;

/// More often than any test asks.
pub(crate) const FOREVER: u64 = 1_000_000;

/// Provokes a fault of the API after a good load; the run fails and nothing else happens.
fn check_fault(kind: FaultKind, page: u64, settings: &[&str]) -> (Scene, Ran) {
    let scene = Scene::loaded();
    let before = scene.tables();
    scene.mock.set_faults(vec![Fault::at_page(page, kind).times(FOREVER)]);
    let mut forebay = scene.run_members();
    for setting in settings {
        forebay.set(setting);
    }
    let ran = forebay.ran().failed(1);
    assert_eq!(scene.tables(), before);
    scene.recovers();
    (scene, ran)
}

// ---- the API refuses ----------------------------------------------------------------------------------------------

#[test]
fn an_unknown_key_ends_with_the_words_of_the_api() {
    let scene = Scene::loaded();
    let before = scene.tables();
    let ran = scene.run_members().env("MEMBERSTACK_SECRET_KEY", "sk_of_somebody_else").ran().failed(1);
    assert_said!(ran);
    assert_eq!(scene.tables(), before);
    scene.recovers();
}

#[test]
fn a_malformed_key_ends_with_the_words_of_the_api() {
    let scene = Scene::loaded();
    let before = scene.tables();
    let ran = scene.run_members().env("MEMBERSTACK_SECRET_KEY", "no_key_at_all").ran().failed(1);
    assert_said!(ran);
    assert_eq!(scene.tables(), before);
    scene.recovers();
}

#[test]
fn a_missing_key_is_found_before_anything_is_asked() {
    let scene = Scene::loaded();
    let (before, asked) = (scene.tables(), scene.mock.requests().len());
    let mut forebay = scene.run_members();
    forebay.command.env_remove("MEMBERSTACK_SECRET_KEY");
    assert_said!(forebay.ran().failed(2));
    assert_eq!(scene.mock.requests().len(), asked);
    assert_eq!(scene.tables(), before);
    scene.recovers();
}

#[test]
fn a_redirect_to_another_origin_is_not_followed_and_takes_no_key_there() {
    let elsewhere = Script::start(|_| "{}".to_owned());
    let (_scene, ran) = check_fault(FaultKind::Redirect(elsewhere.url()), 1, &[]);
    assert_said!(ran);
    assert_eq!(elsewhere.requests(), [""; 0]);
}

// ---- the API is not there -----------------------------------------------------------------------------------------

#[test]
fn an_unknown_host_is_named() {
    let scene = Scene::loaded();
    let before = scene.tables();
    let mut forebay = scene.run_members();
    forebay.set("client.base_url=https://api.invalid").set("client.retry.max_attempts=1");
    assert_said!(forebay.ran().failed(1));
    assert_eq!(scene.tables(), before);
    scene.recovers();
}

#[test]
fn a_refused_connection_is_tried_again_and_then_told() {
    let scene = Scene::loaded();
    let before = scene.tables();
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ran = scene.run_members().set(&format!("client.base_url=http://{address}")).ran().failed(1);
    assert_said!(ran);
    assert_eq!(scene.tables(), before);
    scene.recovers();
}

#[test]
fn a_gateway_that_stays_bad_costs_only_the_pages_after_it() {
    let scene = Scene::loaded();
    let before = scene.tables();
    scene.mock.set_faults(vec![Fault::at_page(2, FaultKind::BadGateway).times(FOREVER)]);
    assert_said!(scene.run_members().ran().failed(1));
    assert_eq!(scene.tables(), before);

    let asked = scene.mock.requests().len();
    assert_said!(scene.run_well());
    let later: Vec<_> = scene.mock.requests()[asked..].iter().map(|request| request.param("after")).collect();
    assert_eq!(later.len(), 2, "only pages 2 and 3");
    assert!(later.iter().all(Option::is_some), "page 1 was asked for again");
    scene.recovers();
}

#[test]
fn answers_that_are_always_cut_are_told_as_such() {
    let (_scene, ran) = check_fault(FaultKind::CutBody, 2, &[]);
    assert_said!(ran);
}

// ---- the API answers something else -------------------------------------------------------------------------------

#[test]
fn html_in_place_of_json_is_told() {
    let (_scene, ran) = check_fault(FaultKind::Html, 1, &[]);
    assert_said!(ran);
}

#[test]
fn a_page_without_data_is_told_with_the_fields_it_has() {
    let (_scene, ran) = check_fault(FaultKind::NoData, 2, &[]);
    assert_said!(ran);
}

#[test]
fn an_answer_over_the_size_limit_is_not_read_further() {
    let (_scene, ran) = check_fault(FaultKind::HugeBody(300_000), 2, &["client.max_body_size=200kB"]);
    assert_said!(ran);
}

#[test]
fn a_cursor_that_repeats_ends_the_reading() {
    let (_scene, ran) = check_fault(FaultKind::RepeatCursor, 2, &[]);
    assert_said!(ran);
}

#[test]
fn cursors_that_go_in_a_circle_end_the_reading() {
    let scene = Scene::loaded();
    let before = scene.tables();
    // 1 → 2 → 3 → 1
    let api = Script::start(|target| {
        let after = target.split_once("after=").map_or(0, |(_, after)| after[..1].parse().unwrap());
        format!(
            r#"{{"endCursor": {}, "hasNextPage": true, "data": [{{"id": "mem_{after}"}}]}}"#,
            after % 3 + 1
        )
    });
    let ran = scene.run_members().set(&format!("client.base_url={}", api.url())).ran().failed(1);
    assert_said!(ran);
    assert_eq!(api.requests().len(), 4);
    assert_eq!(scene.tables(), before);
    scene.recovers();
}

// ---- the API gives less than there is -----------------------------------------------------------------------------

#[test]
fn a_page_cap_is_loud_and_what_came_is_loaded() {
    let scene = Scene::new(25);
    let ran = scene.run_members().set("resources.members.endpoint.paginator.max_pages=2").ran();
    assert_said!(ran.with_code(3));
    assert_eq!(count(&scene.tables(), "members"), 20);
    scene.recovers();
}

#[test]
fn fewer_rows_than_the_api_reports_are_loud() {
    let scene = Scene::new(25);
    let api = Script::start(|_| {
        r#"{"totalCount": 12, "endCursor": 2, "hasNextPage": false, "data": [{"id": "mem_1"}, {"id": "mem_2"}]}"#
            .to_owned()
    });
    let ran = scene.run_members().set(&format!("client.base_url={}", api.url())).ran();
    assert_said!(ran.with_code(3));
    assert_eq!(count(&scene.tables(), "members"), 2);
}

#[test]
fn a_first_page_that_may_not_be_the_last_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let api = Script::start(|_| r#"{"data": [{"id": 1}]}"#.to_owned());
    let config = format!(
        "[pipeline]\nname = 'shop'\n[client]\nbase_url = '{}'\n[[resources]]\nname = 'orders'\n\
         endpoint = {{ data_selector = 'data', paginator = {{ type = 'cursor', cursor_path = 'nxet' }} }}\n",
        api.url()
    );
    std::fs::write(dir.path().join("shop.toml"), config).unwrap();
    assert_said!(Forebay::new(dir.path()).args(["run", "shop.toml"]).ran().failed(0));
}

#[test]
fn a_resource_that_fails_leaves_the_others_alone() {
    let scene = Scene::new(25);
    let mut forebay = scene.command("run");
    forebay.args(["-r", "members", "-r", "plans"]);
    assert_said!(forebay.ran().failed(3));
    let tables = scene.tables();
    assert_eq!(count(&tables, "members"), 25);
    assert_eq!(count(&tables, "plans"), 0);
    scene.recovers();
}

#[test]
fn the_state_of_a_resource_that_fails_does_not_move() {
    const GOOD: &str = "v2/data-tables";
    let scene = Scene::new(25);
    let run = |tables: &str| {
        let mut forebay = scene.command("run");
        forebay.args(["-r", "members", "-r", "data_tables"]);
        forebay.set("resources.members.endpoint.incremental={page_cursor=true}");
        forebay.set(&format!("resources.data_tables.endpoint.path={tables}"));
        forebay.ran()
    };
    run(GOOD).with_code(0);
    let cursors = || {
        let mut forebay = scene.command("status");
        let ran = forebay.args(["--format", "json"]).ran();
        serde_json::from_str::<serde_json::Value>(&ran.stdout).unwrap()["cursors"].clone()
    };
    let before = cursors();
    assert!(before["members"]["page_cursor"].is_number(), "{before}");

    scene.mock.create_member();
    scene.mock.fail_next(FaultKind::Reset, FOREVER);
    let ran = run(GOOD).failed(1);
    assert_eq!(cursors(), before, "{ran}");
    assert_eq!(count(&scene.tables(), "members"), 25);

    scene.mock.set_faults(Vec::new());
    let ran = run("nowhere").failed(3);
    assert_ne!(cursors(), before, "{ran}");
    assert_eq!(count(&scene.tables(), "members"), 26);
}

#[test]
fn a_replace_resource_that_fails_keeps_its_rows() {
    let scene = Scene::new(25);
    let run = || {
        let mut forebay = scene.run_members();
        forebay.set("resources.members.write_disposition=replace");
        forebay
    };
    assert_eq!(run().ran().code, 0);
    let before = scene.tables();
    scene.mock.set_faults(vec![Fault::at_page(3, FaultKind::NoData).times(FOREVER)]);
    run().ran().failed(1);
    assert_eq!(scene.tables(), before);

    scene.mock.set_faults(Vec::new());
    let ran = run().set("resources.members.endpoint.paginator.max_pages=2").ran().failed(1);
    assert_said!(ran);
    assert_eq!(scene.tables(), before);
    assert_eq!(run().ran().code, 0);
    assert_eq!(count(&scene.tables(), "members"), 25);
}

#[test]
fn a_short_read_retires_no_versions() {
    let scene = Scene::new(25);
    let run = || {
        let mut forebay = scene.run_members();
        forebay.set("resources.members.write_disposition={disposition=\"merge\", strategy=\"scd2\"}");
        forebay
    };
    assert_eq!(run().ran().code, 0);
    let before = scene.tables();
    run().set("resources.members.endpoint.paginator.max_pages=2").ran().failed(1);
    assert_eq!(scene.tables(), before);
}

#[test]
fn a_short_parent_replaces_nothing_below_it() {
    let scene = Scene::new(25);
    let run = || {
        let mut forebay = scene.command("run");
        forebay.args(["-r", "members", "-r", "member"]);
        forebay.set("resources.member.write_disposition=replace");
        forebay
    };
    assert_eq!(run().ran().code, 0);
    assert_eq!(count(&scene.tables(), "member"), 25);
    let ran = run().set("resources.members.endpoint.paginator.max_pages=2").ran().failed(3);
    assert_said!(ran);
    assert_eq!(count(&scene.tables(), "member"), 25);
}
