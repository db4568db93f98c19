//! What goes wrong ends with a message that names the place, the documented exit code and a hint; what was loaded
//! before stays as it was, and a later run makes it good.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use duckdb::AccessMode;

use crate::mock::{Fault, FaultKind, Key, MockConfig};
use crate::scene::{Scene, assert_said, count};
use crate::script::Script;

const FOREVER: u64 = 1_000_000;

/// Provokes a fault of the API after a good load; the run fails and nothing else happens.
fn check_fault(kind: FaultKind, page: u64, settings: &[&str]) -> (Scene, crate::scene::Ran) {
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

// ---- this machine -------------------------------------------------------------------------------------------------

/// Lets no file of the program grow beyond this many blocks of 512 bytes: to the program, a full disk.
fn full_disk(blocks: u64) -> String {
    format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"")
}

#[test]
fn a_full_disk_stops_the_reading_and_what_came_is_kept() {
    let scene = Scene::loaded();
    let before = scene.tables();
    let ran = scene.run_members().within(&["sh", "-c", &full_disk(24)]).ran().failed(1);
    assert_said!(ran);
    assert_eq!(scene.tables(), before);

    let asked = scene.mock.requests().len();
    scene.run_well();
    let again = scene.mock.requests().len() - asked;
    assert!((1..3).contains(&again), "{again} requests: the first page was there");
    scene.recovers();
}

#[test]
fn a_disk_too_full_for_the_database_keeps_the_package() {
    let scene = Scene::loaded();
    let before = scene.tables();
    for _ in 0..75 {
        scene.mock.create_member();
    }
    receive_only(&scene, AccessMode::ReadOnly);
    assert_eq!(scene.tables(), before);

    let largest = largest_file(&scene.path(".forebay/memberstack_pipeline/packages"), "normalized");
    // Not even room for what normalizing writes.
    assert_said!(scene.run_members().within(&["sh", "-c", &full_disk(1)]).ran().failed(1));
    assert_eq!(scene.tables(), before);

    // Room for that, and not for what the database writes.
    let blocks = largest.div_ceil(512) + 1;
    let ran = scene.run_members().within(&["sh", "-c", &full_disk(blocks)]).ran().failed(1);
    assert_said!(ran);
    assert_eq!(scene.tables(), before);
    scene.recovers();
    assert_eq!(count(&scene.tables(), "members"), 100);
}

/// A run that has to leave what it receives, since somebody opens the database between first and last request.
fn receive_only(scene: &Scene, mode: AccessMode) {
    scene.mock.fail_next(FaultKind::Hold, 1);
    let asked = scene.mock.requests().len();
    let mut forebay = scene.run_members();
    forebay.args(["--lock-timeout", "0"]);
    let run = forebay.command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    assert!(scene.mock.wait_for_requests(asked + 1, Duration::from_secs(60)));
    let config = duckdb::Config::default().access_mode(mode).unwrap();
    let holder = duckdb::Connection::open_with_flags(scene.path("memberstack.duckdb"), config).unwrap();
    scene.mock.release();
    let output = run.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("error: could not load package"), "{stderr}");
    assert!(stderr.contains("hint: close the program that has the database open"), "{stderr}");
    drop(holder);
}

/// Size of the largest file in a folder with this name somewhere below `dir`.
fn largest_file(dir: &Path, folder: &str) -> u64 {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let sizes = entries.map(|path| match fs::metadata(&path).unwrap() {
        it if it.is_dir() => largest_file(&path, folder),
        it if dir.ends_with(folder) => it.len(),
        _ => 0,
    });
    sizes.max().unwrap_or(0)
}

/// Words before a command that make permissions count for it: those of root count for nothing otherwise. `None` if
/// that cannot be had.
fn bound_by_permissions() -> Option<&'static [&'static str]> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("read-only");
    fs::write(&file, "").unwrap();
    read_only(&file);
    let wrappers: [&[&str]; 2] = [&["env"], &["setpriv", "--bounding-set=-dac_override,-dac_read_search"]];
    let refused = |wrapper: &&&[&str]| {
        let mut command = Command::new(wrapper[0]);
        command.args(&wrapper[1..]).args(["sh", "-c", ": >>\"$0\""]).arg(&file);
        command.stderr(Stdio::null()).status().is_ok_and(|status| !status.success())
    };
    let works = |wrapper: &&&[&str]| {
        let mut command = Command::new(wrapper[0]);
        command.args(&wrapper[1..]).arg("true").stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let found = wrappers.iter().filter(works).find(refused).copied();
    if found.is_none() {
        eprintln!("NOT TESTED: files without permission (runs as root, and setpriv does not help)");
    }
    found
}

fn read_only(path: &Path) {
    let mode = if path.is_dir() { 0o555 } else { 0o444 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn writable(path: &Path) {
    let mode = if path.is_dir() { 0o755 } else { 0o644 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_read_only_database_is_told_before_anything_is_asked() {
    let Some(bound) = bound_by_permissions() else { return };
    let scene = Scene::loaded();
    let (before, file) = (scene.tables(), scene.path("memberstack.duckdb"));
    let asked = scene.mock.requests().len();
    read_only(&file);
    let ran = scene.run_members().within(bound).ran().failed(1);
    assert_said!(ran);
    assert_eq!(scene.mock.requests().len(), asked);
    assert_eq!(scene.tables(), before);
    writable(&file);
    scene.recovers();
}

#[test]
fn a_package_that_cannot_be_loaded_is_kept_for_the_next_run() {
    let scene = Scene::loaded();
    let before = scene.tables();
    scene.mock.create_member();
    receive_only(&scene, AccessMode::ReadWrite);
    assert_eq!(scene.tables(), before);
    let asked = scene.mock.requests().len();
    assert_said!(scene.run_well());
    assert_eq!(scene.mock.requests().len(), asked + 3, "the package was loaded as it was, then all read");
    scene.recovers();
}

#[test]
fn a_folder_without_permission_for_a_new_database_is_told() {
    let Some(bound) = bound_by_permissions() else { return };
    let scene = Scene::new(5);
    let folder = scene.path("read-only");
    fs::create_dir(&folder).unwrap();
    read_only(&folder);
    let mut forebay = scene.run_members();
    forebay.args(["--destination", "duckdb:read-only/members.duckdb"]);
    assert_said!(forebay.within(bound).ran().failed(1));
    assert_eq!(scene.mock.requests().len(), 0);
    writable(&folder);
    scene.recovers();
}

#[test]
fn a_folder_that_is_not_there_is_told_before_anything_is_asked() {
    let scene = Scene::new(5);
    let mut forebay = scene.run_members();
    forebay.args(["--destination", "duckdb:missing/members.duckdb"]);
    assert_said!(forebay.ran().failed(1));
    assert_eq!(scene.mock.requests().len(), 0);
    scene.recovers();
}

#[test]
fn a_folder_in_place_of_the_database_is_told_before_anything_is_asked() {
    let scene = Scene::new(5);
    fs::create_dir(scene.path("folder.duckdb")).unwrap();
    let mut forebay = scene.run_members();
    assert_said!(forebay.args(["--destination", "duckdb:folder.duckdb"]).ran().failed(1));
    assert_eq!(scene.mock.requests().len(), 0);
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    let scene = Scene::new(5);
    let text = "id,name\n1,Ann\n".repeat(1000);
    fs::write(scene.path("members.csv"), &text).unwrap();
    let mut forebay = scene.run_members();
    assert_said!(forebay.args(["--destination", "duckdb:members.csv"]).ran().failed(1));
    assert_eq!(fs::read_to_string(scene.path("members.csv")).unwrap(), text);
    assert_eq!(scene.mock.requests().len(), 0);
}

#[test]
fn a_database_in_use_is_told_with_the_process_that_has_it() {
    let scene = Scene::loaded();
    let before = scene.tables();
    let reader = duckdb::Connection::open(scene.path("memberstack.duckdb")).unwrap();
    let ran = scene.run_members().args(["--lock-timeout", "0"]).ran().failed(1);
    assert!(ran.stderr.contains(&format!("(PID {})", std::process::id())), "{ran}");
    assert_said!(ran);
    drop(reader);
    assert_eq!(scene.tables(), before);
    scene.recovers();
}

#[test]
fn a_work_dir_without_permission_is_told_before_anything_is_asked() {
    let Some(bound) = bound_by_permissions() else { return };
    let scene = Scene::loaded();
    let (before, asked) = (scene.tables(), scene.mock.requests().len());
    let folder = scene.path("read-only");
    fs::create_dir(&folder).unwrap();
    read_only(&folder);
    let mut forebay = scene.run_members();
    assert_said!(forebay.args(["--work-dir", "read-only/work"]).within(bound).ran().failed(1));
    writable(&folder);
    assert_eq!(scene.mock.requests().len(), asked);
    assert_eq!(scene.tables(), before);
}

#[test]
fn a_file_in_place_of_the_work_dir_is_told() {
    let scene = Scene::new(5);
    fs::write(scene.path("work"), "").unwrap();
    assert_said!(scene.run_members().args(["--work-dir", "work"]).ran().failed(1));
    assert_eq!(scene.mock.requests().len(), 0);
}

#[test]
fn a_second_run_of_a_pipeline_is_turned_away() {
    let scene = Scene::loaded();
    scene.mock.fail_next(FaultKind::Hold, 1);
    let asked = scene.mock.requests().len();
    let mut first = scene.run_members();
    let first = first.command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    assert!(scene.mock.wait_for_requests(asked + 1, Duration::from_secs(60)));
    let ran = scene.run_members().ran().failed(4);
    scene.mock.release();
    assert!(first.wait_with_output().unwrap().status.success());
    assert_said!(ran);
    scene.recovers();
}

// ---- secrets ------------------------------------------------------------------------------------------------------

/// A key with all that gets escaped on its way: in URLs, in JSON, in debug output.
const MARKER: &str = "sk_MARKER/9f+\"x y";

/// Every form of the marker that would give it away.
const TRACES: [&str; 1] = ["MARKER"];

fn assert_no_secret(ran: &crate::scene::Ran, dir: &Path) {
    for (place, text) in [("stdout", &ran.stdout), ("stderr", &ran.stderr)] {
        assert!(!TRACES.iter().any(|trace| text.contains(trace)), "the key is in {place}\n{ran}");
    }
    let mut folders = vec![dir.to_owned()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let bytes = fs::read(&path).unwrap();
            let found = TRACES.iter().any(|it| bytes.windows(it.len()).any(|window| window == it.as_bytes()));
            assert!(!found, "the key is in {}", path.display());
        }
    }
    assert!(files > 1, "nothing was looked at");
}

#[test]
fn a_key_is_nowhere_but_in_the_requests() {
    let key = Key::full(MARKER);
    let scene = Scene::with(MockConfig { keys: vec![key], ..MockConfig::unlimited(25) });
    let run = || {
        let mut forebay = scene.run_members();
        forebay.env("MEMBERSTACK_SECRET_KEY", MARKER).env("FOREBAY_LOG", "trace");
        forebay
    };
    let ran = run().ran().with_code(0);
    assert_eq!(count(&scene.tables(), "members"), 25);
    assert_no_secret(&ran, scene.dir.path());
    for kind in
        [FaultKind::BadGateway, FaultKind::Html, FaultKind::NoData, FaultKind::Reset, FaultKind::CutBody]
    {
        scene.mock.set_faults(vec![Fault::at_page(2, kind).times(FOREVER)]);
        assert_no_secret(&run().ran().with_code(1), scene.dir.path());
    }
}

#[test]
fn a_key_in_the_query_is_nowhere_but_in_the_requests() {
    let scene = Scene::new(0);
    // An API that repeats what it was asked, as some do.
    let api = Script::start(|target| {
        if target.contains("after=1") {
            return format!(r#"{{"asked": "{target}"}}"#);
        }
        let more = !target.contains("limit=2");
        format!(r#"{{"endCursor": 1, "hasNextPage": {more}, "data": [{{"id": "mem_1"}}]}}"#)
    });
    let run = |limit: u32| {
        let mut forebay = scene.run_members();
        forebay.set(&format!("client.base_url={}", api.url()));
        forebay.set(r#"client.auth={type="api_key", name="who", location="query", api_key="${MEMBERSTACK_SECRET_KEY}"}"#);
        forebay.set(&format!("resources.members.endpoint.params.limit={limit}"));
        forebay.env("MEMBERSTACK_SECRET_KEY", MARKER).env("FOREBAY_LOG", "trace");
        forebay.ran()
    };
    let ran = run(2).with_code(0);
    assert!(api.requests().last().unwrap().contains("who=sk_MARKER%2F9f%2B%22x+y"), "{:?}", api.requests());
    assert_no_secret(&ran, scene.dir.path());
    assert_no_secret(&run(3).with_code(1), scene.dir.path());
}
