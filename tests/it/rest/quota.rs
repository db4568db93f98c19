//! Quotas: buckets, what servers say is left, and processes that share a key.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use super::api::{Api, Call, Reply};
use super::scene::{Scene, rows};
use crate::mock::{LoggedRequest, Mock, MockConfig};
use crate::postgres::{Access, Server, server};
use crate::support::api::{count_status, expect_within_quota, wait_for};
use crate::support::cli::Workspace;

const SECOND: Duration = Duration::from_secs(1);

/// When the requests for each path arrived.
type Arrivals = Arc<Mutex<BTreeMap<String, Vec<Instant>>>>;

/// Pages of one row each, `pages` of them, and what `more` adds to each answer.
fn paged(pages: usize, more: impl Fn(&Call, Reply) -> Reply + Send + Sync + 'static) -> (Api, Arrivals) {
    let arrivals = Arrivals::default();
    let seen = Arc::clone(&arrivals);
    let api = Api::start(move |call| {
        seen.lock().unwrap().entry(call.path.clone()).or_default().push(Instant::now());
        let page = call.number_param("page").unwrap_or(1);
        let next = (page < pages).then(|| page + 1);
        more(call, Reply::json(&json!({ "data": [{ "id": page }], "total_pages": pages, "next": next })))
    });
    (api, arrivals)
}

const PAGES: &str = r#"paginator = { type = "page_number", base_page = 1, total_path = "total_pages" }"#;

/// Panics if many more than `limit` of these arrived in a span of `per`. A quarter is left to the machine: a busy one
/// holds up single requests on their way, which no sender can know; what is exact is tested without a network.
fn expect_within(arrivals: &[Instant], limit: usize, per: Duration) {
    for (first, last) in arrivals.iter().zip(arrivals.iter().skip(limit)) {
        assert!(*last - *first >= per * 3 / 4, "{} within {:?}", limit + 1, *last - *first);
    }
}

#[test]
fn an_endpoint_keeps_to_its_own_limit_besides_the_clients() {
    let (api, arrivals) = paged(6, |_, reply| reply);
    let scene = Scene::new(
        &api,
        &format!(
            r#"
            [client]
            {PAGES}
            [[client.buckets]]
            name = "reports"
            limits = ["4/1500ms"]
            paths = ["reports/*"]
            cost = 2
            [[resources]]
            name = "members"
            [[resources]]
            name = "notes"
            endpoint = {{ rate_limits = ["3/1s"] }}
            [[resources]]
            name = "daily"
            endpoint = "reports/daily"
            "#
        ),
    );
    scene.run_well();
    let arrivals = arrivals.lock().unwrap();
    let of = |path: &str| arrivals[path].clone();
    assert_eq!(of("/members").len(), 6);
    expect_within(&of("/notes"), 3, SECOND);
    expect_within(&of("/reports/daily"), 2, SECOND * 3 / 2);
    // Nobody waits for a bucket that is not theirs.
    for other in ["/notes", "/reports/daily"] {
        let (own, others) = (of("/members"), of(other));
        assert!(own[5] < others[5], "{other}: {own:?} {others:?}");
    }
}

#[test]
fn what_is_left_is_read_from_headers_of_any_name() {
    let wait = SECOND * 2;
    let (api, arrivals) =
        paged(2, |_, reply| reply.with("x-app-limit", "50").with("x-app-left", "0").with("x-app-reset", "2"));
    let scene = Scene::new(
        &api,
        &format!(
            r#"
            [client]
            quota_headers = {{ limit = "X-App-Limit", remaining = "X-App-Left", reset = "X-App-Reset" }}
            {PAGES}
            [[resources]]
            name = "members"
            "#
        ),
    );
    scene.run_well();
    let members = &arrivals.lock().unwrap()["/members"];
    assert!(members[1] - members[0] >= wait, "{:?}", members[1] - members[0]);
}

/// Users, and posts of each, one request after the other, whose answers with 403 and 404 are ignored.
const IGNORING: &str = r#"
    [client]
    paginator = "single_page"
    max_concurrency = 1
    [[resources]]
    name = "users"
    [[resources]]
    name = "posts"
    [resources.endpoint]
    path = "users/{resources.users.id}/posts"
    response_actions = [{ status_code = 403, action = "ignore" }, { status_code = 404, action = "ignore" }]
"#;

#[test]
fn a_403_for_the_rate_is_waited_for_and_never_ignored() {
    let api = Api::start(|call| match (call.path.as_str(), call.number) {
        ("/users", _) => Reply::json(&json!(rows(4))),
        // GitHub's two limits, and what may not be read.
        (_, 1) => Reply::empty(403).with("x-ratelimit-remaining", "0").with("x-ratelimit-reset", "1"),
        (_, 3) => Reply::empty(403).with("retry-after", "1"),
        ("/users/4/posts", _) => Reply::empty(403).with("x-ratelimit-remaining", "7"),
        _ => Reply::json(&json!([{ "id": call.path }])),
    });
    let scene = Scene::new(&api, IGNORING);
    let report = scene.run_well();
    assert_eq!(scene.db().count("posts"), 3);
    assert_eq!((api.calls().len(), &report["too_many_requests"]), (7, &2.into()));
    assert_eq!(report["resources"][1]["outcome"], "complete");
    // What goes on is no answer to ignore.
    let api = Api::start(|call| match call.path.as_str() {
        "/users" => Reply::json(&json!(rows(2))),
        _ => Reply::empty(403).with("retry-after", "86400"),
    });
    let finished = Scene::new(&api, IGNORING).run(&[]);
    finished.expect_code(3);
    finished.expect_said("the server asks for a pause of 86400 s");
    finished.expect_said("run again later");
}

#[test]
fn answers_without_success_tell_what_is_left_too() {
    let arrivals = Arrivals::default();
    let seen = Arc::clone(&arrivals);
    let api = Api::start(move |call| {
        seen.lock().unwrap().entry(String::new()).or_default().push(Instant::now());
        match (call.path.as_str(), call.number) {
            ("/users", _) => Reply::json(&json!(rows(2))),
            (_, 1) => Reply::empty(404)
                .with("ratelimit-limit", "50")
                .with("ratelimit-remaining", "0")
                .with("ratelimit-reset", "2"),
            _ => Reply::json(&json!([{ "id": 1 }])),
        }
    });
    Scene::new(&api, IGNORING).run_well();
    let arrivals = &arrivals.lock().unwrap()[""];
    assert!(arrivals[2] - arrivals[1] >= SECOND * 2, "{:?}", arrivals[2] - arrivals[1]);
}

#[test]
fn a_lower_limit_than_the_configured_one_is_heeded_and_told() {
    let (api, arrivals) = paged(12, |_, reply| {
        reply.with("ratelimit-policy", "\"default\";q=5;w=1").with("ratelimit", "\"default\";r=4;t=1")
    });
    let config = format!("[client]\n{PAGES}\n[[resources]]\nname = \"members\"\n");
    let scene = Scene::new(&api, &config);
    let finished = scene.run(&["--set", "client.rate_limits=[\"50/s\"]"]);
    finished.expect_code(0);
    finished.expect_said("the API allows less");
    // The first answer tells it.
    expect_within(&arrivals.lock().unwrap()["/members"][1..], 5, SECOND);
}

#[test]
fn a_reserve_is_left_to_others() {
    let (api, arrivals) = paged(8, |_, reply| reply);
    let config = format!("[client]\nreserve = \"60%\"\n{PAGES}\n[[resources]]\nname = \"members\"\n");
    let scene = Scene::new(&api, &config);
    scene.run(&["--set", "client.rate_limits=[\"10/s\"]"]).expect_code(0);
    expect_within(&arrivals.lock().unwrap()["/members"], 4, SECOND);
}

/// Two keys at an API that allows three requests per hour.
fn key_at(api: &Api, key: &str) -> Workspace {
    let config = format!(
        r#"
        [client]
        auth = {{ type = "bearer", token = "{key}" }}
        {PAGES}
        [[resources]]
        name = "members"
        "#
    );
    Scene::new(api, &config).workspace.with_set("client.rate_limits=[\"3/h\"]")
}

#[test]
fn keys_do_not_share_and_pipelines_with_one_key_do() {
    let (api, _) = paged(2, |_, reply| reply);
    let state = tempfile::tempdir().unwrap();
    let dir = state.path().to_str().unwrap();
    let at = |key: &str| key_at(&api, key).with_env("FOREBAY_STATE_DIR", dir);
    at("one").run_well(&[]);
    at("two").run_well(&[]);
    assert_eq!(api.calls().len(), 4);
    // Another pipeline, in a directory of its own: one of the two pages is left.
    let workspace = at("one");
    let mut waiting = workspace.start(&[]);
    waiting.wait_for_line("quota of 3 requests");
    waiting.kill();
    assert_eq!(api.calls().len(), 5);
    for entry in fs::read_dir(state.path().join("quota")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.contains("one") && !name.contains("two"), "{name}");
    }
}

#[test]
fn who_waits_for_a_process_that_keeps_the_record_says_so_and_can_be_stopped() {
    let (api, _) = paged(1, |_, reply| reply);
    let workspace = key_at(&api, "one");
    workspace.run_well(&[]);
    let mut files = fs::read_dir(workspace.path("state/quota")).unwrap().map(|entry| entry.unwrap().path());
    // Like a process that was stopped in the middle of an exchange.
    let lock = files.find(|path| path.extension().is_some_and(|it| it == "lock"));
    let lock = fs::File::open(lock.unwrap()).unwrap();
    lock.lock().unwrap();
    let mut waiting = workspace.start(&[]);
    waiting.wait_for_line("still waiting for process");
    waiting.signal(Signal::INT);
    waiting.wait().expect_code(130);
    assert_eq!(api.calls().len(), 1);
    lock.unlock().unwrap();
    workspace.run_well(&[]);
}

#[test]
fn a_state_directory_that_cannot_be_written_gives_way_to_the_work_directory() {
    let (api, _) = paged(2, |_, reply| reply);
    let workspace = key_at(&api, "one");
    fs::write(workspace.path("file"), "").unwrap();
    let dir = workspace.path("file").to_str().unwrap().to_owned();
    let workspace = workspace.with_env("FOREBAY_STATE_DIR", &dir);
    let finished = workspace.run(&[]);
    finished.expect_code(0);
    finished.expect_said("could not share the quota");
    assert!(fs::read_dir(workspace.work_dir().join("quota")).unwrap().count() > 0);
}

/// Memberstack's config with its real quota, `pages` pages of it, among others that share `state`.
fn sharing(mock: &Mock, state: &str) -> Workspace {
    Workspace::members(mock)
        .with_set("client.rate_limits=[\"25/s\"]")
        .with_set("resources.members.endpoint.params.limit=100")
        .with_env("FOREBAY_STATE_DIR", state)
}

#[test]
fn a_killed_process_leaves_its_requests_counted_and_no_lock() {
    let mock = Mock::start(MockConfig { members: 4_000, ..MockConfig::default() });
    let state = tempfile::tempdir().unwrap();
    let state = state.path().to_str().unwrap();
    for run in 1..=4 {
        let killed = sharing(&mock, state);
        let running = killed.start(&[]);
        wait_for(&mock, 7 * run);
        running.kill();
    }
    sharing(&mock, state).run_well(&[]);
    let requests = mock.requests();
    assert_eq!(count_status(&requests, 429), 0);
    expect_within_quota(&requests, 25, SECOND);
}

/// Runs two processes with one key, which load `pages` pages each. Returns what the API saw.
fn two_processes(pages: usize, state: &str, setting: &dyn Fn(Workspace) -> Workspace) -> Vec<LoggedRequest> {
    let mock = Mock::start(MockConfig { members: 100 * pages, ..MockConfig::default() });
    let workspaces = [(); 2].map(|()| setting(sharing(&mock, state)));
    let running = workspaces.each_ref().map(|workspace| workspace.start(&[]));
    for one in running {
        one.wait().expect_code(0);
    }
    let requests = mock.requests();
    assert_eq!(count_status(&requests, 200), 2 * pages);
    requests
}

/// Panics if these lines of a store have not at least `turns`, or more than 25 in any second. What the machine makes of
/// them is not in there.
fn expect_turns_within_quota(lines: &str, turns: usize) {
    let time = |line: &str| line.split(['+', ' ']).next().unwrap().parse::<u64>().ok();
    let mut times: Vec<_> = lines.lines().filter_map(time).collect();
    times.sort_unstable();
    assert!(times.len() >= turns, "{} in\n{lines}", times.len());
    for (first, last) in times.iter().zip(times.iter().skip(25)) {
        assert!(last - first >= 1_000_000, "26 turns within {} µs", last - first);
    }
}

#[test]
fn the_turns_of_two_processes_with_one_key_are_within_its_quota() {
    let state = tempfile::tempdir().unwrap();
    two_processes(40, state.path().to_str().unwrap(), &|workspace| workspace);
    let files = fs::read_dir(state.path().join("quota")).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.extension().is_some_and(|it| it == "quota")).collect();
    assert_eq!(files.len(), 1);
    expect_turns_within_quota(&fs::read_to_string(&files[0]).unwrap(), 80);
}

#[test]
fn the_turns_of_two_processes_that_meet_on_a_server_are_within_the_quota() {
    let Some(server) = server() else { return };
    let database = server.create_database();
    // Where each transaction sees what was there at its start, it would not see what the other one added meanwhile.
    database.sql(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_isolation TO serializable', \
         current_database()); END $$",
    );
    let (state, store) = (tempfile::tempdir().unwrap(), format!("client.quota_store=\"{}\"", database.url()));
    two_processes(40, state.path().to_str().unwrap(), &|workspace| workspace.with_set(&store));
    let lines = database.sql("SELECT string_agg(line, E'\\n') FROM forebay_quota.lines");
    expect_turns_within_quota(&lines, 80);
    assert_eq!(database.sql("SELECT count(*) FROM forebay_quota.keys"), "1");
}

/// A machine that stands still for longer, each time that a request goes from program to program, says nothing about who
/// shares a quota: what is held up by more than is assumed of jitter may be refused, and time that is lost is not used.
const QUIET: Duration = Duration::from_millis(20);

/// What `measure` gives, and how long this machine let a thread wait meanwhile that had its turn.
fn with_stalls<T>(measure: impl FnOnce() -> T) -> (T, Duration) {
    const STEP: Duration = Duration::from_millis(5);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            while !is_over.load(Ordering::Relaxed) {
                let start = Instant::now();
                thread::sleep(STEP);
                longest = longest.max(start.elapsed().saturating_sub(STEP));
            }
            longest
        });
        let measured = measure();
        is_over.store(true, Ordering::Relaxed);
        (measured, watching.join().unwrap())
    })
}

/// Panics if two processes with one key are refused, or use less than 95 % of 25/s from the first request to the last.
#[expect(clippy::print_stderr, reason = "the figures are what `make test-quota` is for")]
fn expect_95_percent(place: &str, setting: &dyn Fn(Workspace) -> Workspace) {
    for _ in 0..5 {
        let state = tempfile::tempdir().unwrap();
        let run = || two_processes(150, state.path().to_str().unwrap(), setting);
        let (requests, stalled) = with_stalls(run);
        let span = requests[requests.len() - 1].at - requests[0].at;
        let used = (requests.len() - 1) as f64 / span.as_secs_f64() / 25.0;
        let refused = count_status(&requests, 429);
        eprintln!(
            "two processes that meet {place}: {:.1} % of 25/s, {refused} refused; the machine stood still for up to \
             {stalled:?}",
            used * 100.0
        );
        if refused == 0 && used >= 0.95 {
            expect_within_quota(&requests, 25, SECOND);
            return;
        }
        assert!(stalled > QUIET, "{used} used, {refused} refused");
    }
    panic!("this machine does not come to rest");
}

#[test]
#[ignore = "about time, so nothing else may run; `make test-quota` runs it"]
fn two_processes_with_one_key_use_95_percent_of_its_quota_and_are_not_refused() {
    expect_95_percent("on one machine", &|workspace| workspace);
}

#[test]
#[ignore = "about time, so nothing else may run; `make test-quota` runs it"]
fn two_processes_that_meet_on_a_server_use_95_percent_of_the_quota_and_are_not_refused() {
    let Some(server) = server() else { return };
    let database = server.create_database();
    let store = format!("client.quota_store=\"{}\"", database.url());
    expect_95_percent("on a server", &|workspace| workspace.with_set(&store));
}

#[test]
fn short_runs_remove_what_matters_no_more_from_a_server() {
    let Some(server) = server() else { return };
    let database = server.create_database();
    let (api, _) = paged(3, |_, reply| reply);
    let config = format!("[client]\n{PAGES}\n[[resources]]\nname = \"members\"\n");
    let workspace = Scene::new(&api, &config)
        .workspace
        .with_set("client.rate_limits=[\"25/s\"]")
        .with_set(&format!("client.quota_store=\"{}\"", database.url()));
    workspace.run_well(&[]);
    database.sql("UPDATE forebay_quota.lines SET written_at = written_at - interval '1 hour'");
    workspace.run_well(&[]);
    let old = "SELECT count(*) FROM forebay_quota.lines WHERE written_at < now() - interval '30 minutes'";
    assert_eq!(database.sql(old), "0");
}

#[test]
fn many_children_at_once_keep_to_the_quota_together() {
    let arrivals = Arrivals::default();
    let seen = Arc::clone(&arrivals);
    let api = Api::start(move |call| {
        seen.lock().unwrap().entry(String::new()).or_default().push(Instant::now());
        Reply::json(&if call.path == "/users" { json!(rows(48)) } else { json!([{ "id": 1 }]) })
    });
    let scene = Scene::new(
        &api,
        r#"
        [client]
        paginator = "single_page"
        max_concurrency = 16
        [[resources]]
        name = "users"
        [[resources]]
        name = "posts"
        endpoint = "users/{resources.users.id}/posts"
        "#,
    );
    scene.run(&["--set", "client.rate_limits=[\"20/s\"]"]).expect_code(0);
    let arrivals = &arrivals.lock().unwrap()[""];
    assert_eq!(arrivals.len(), 49);
    expect_within(arrivals, 20, SECOND);
}

#[test]
fn without_limits_there_is_no_file() {
    let (api, _) = paged(2, |_, reply| reply);
    let config = format!("[client]\n{PAGES}\n[[resources]]\nname = \"members\"\n");
    let scene = Scene::new(&api, &config);
    scene.run_well();
    assert!(!scene.workspace.path("state").exists() && !scene.workspace.work_dir().join("quota").exists());
}

#[test]
fn a_look_at_the_api_counts_like_a_run() {
    let (api, _) = paged(2, |_, reply| reply);
    // In the user's directory, and in that of the pipeline where there can be none.
    for state in ["state", "file"] {
        let workspace = key_at(&api, state);
        fs::write(workspace.path("file"), "").unwrap();
        let dir = workspace.path(state).to_str().unwrap().to_owned();
        let workspace = workspace.with_env("FOREBAY_STATE_DIR", &dir);
        let before = api.calls().len();
        for command in ["preview", "check"] {
            let args: &[&str] =
                if command == "check" { &["--online"] } else { &["-r", "members", "--limit", "1"] };
            let mut looking = workspace.command(command, args);
            let looked = looking.output().unwrap();
            assert!(looked.status.success(), "{}", String::from_utf8_lossy(&looked.stderr));
            if command == "preview" {
                assert_eq!(api.calls().len(), before + 1);
            }
        }
        assert_eq!(api.calls().len(), before + 3);
        let mut waiting = workspace.start(&[]);
        waiting.wait_for_line("quota of 3 requests");
        waiting.kill();
        assert_eq!(api.calls().len(), before + 3, "{state}");
    }
}

#[test]
fn a_store_that_is_started_again_is_found_again() {
    let Some(mut server) = Server::start_own(Access::Trust) else { return };
    let database = server.create_database();
    let mock = Mock::start(MockConfig { members: 6_000, ..MockConfig::default() });
    let state = tempfile::tempdir().unwrap();
    let workspace = sharing(&mock, state.path().to_str().unwrap())
        .with_set(&format!("client.quota_store=\"{}\"", database.url()));
    let running = workspace.start(&[]);
    wait_for(&mock, 10);
    server.kill();
    server.start();
    running.wait().expect_code(0);
    let requests = mock.requests();
    assert_eq!(count_status(&requests, 200), 60);
    expect_within_quota(&requests, 25, SECOND);
}

#[test]
fn a_store_that_is_not_there_fails_the_run() {
    let api = Api::start(|_| Reply::json(&json!({ "data": rows(1) })));
    let config = "[client]\npaginator = \"single_page\"\n[[resources]]\nname = \"members\"\n";
    let workspace = Scene::new(&api, config)
        .workspace
        .with_set("client.rate_limits=[\"5/s\"]")
        .with_set("client.quota_store=\"postgres://nobody:secret@127.0.0.1:1/none\"");
    // Refused connections are tried again for a while, a wrong name of a file is not.
    let workspace = workspace.with_set(
        "client.quota_store=\"postgres://nobody:secret@127.0.0.1:1/none?sslmode=verify-full&sslrootcert=/none\"",
    );
    let finished = workspace.run(&[]);
    assert_ne!(finished.code, Some(0));
    finished.expect_said("quota store");
    assert!(!finished.stderr.contains("secret"), "{}", finished.stderr);
    assert!(api.calls().is_empty());
}
