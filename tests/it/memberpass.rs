//! MemberPass whole: every endpoint that reads, in both of the ways in which its pages may be told apart.

use std::time::Duration;

use serde_json::Value;

use crate::mock::{Dialect, Fault, FaultKind, Key, LoggedRequest, Mock, MockConfig, Window};
use crate::support::api::{count_status, expect_within_quota};
use crate::support::cli::{Finished, MEMBERPASS, MEMBERSTACK, Workspace};
use crate::support::db::Db;

const TOKEN: &str = "mpt_live_1_demo";

fn start(dialect: Dialect) -> Mock {
    Mock::start(MockConfig { dialect, rate: Vec::new(), ..MockConfig::memberpass(130) })
}

fn workspace(mock: &Mock, token: &str) -> Workspace {
    workspace_of(MEMBERPASS, mock, token)
}

fn workspace_of(config: &str, mock: &Mock, token: &str) -> Workspace {
    Workspace::new(config)
        .with_env("MEMBERPASS_TOKEN", token)
        .with_env("MEMBERPASS_BASE_URL", &format!("{}/v1", mock.url()))
        .with_set("client.rate_limits=[]")
        .with_set("client.retry={max_attempts=2, initial_delay=\"1ms\", max_delay=\"2ms\"}")
}

fn db(workspace: &Workspace) -> Db {
    Db::new(workspace.path("memberpass.duckdb"), "memberpass_data")
}

/// Every resource of the shipped config that reads, selected or not.
fn everything(workspace: &Workspace) -> Vec<String> {
    let reads = workspace.plan().resources.into_iter().filter(|resource| !resource.endpoint.mutates);
    reads.flat_map(|resource| ["-r".to_owned(), resource.name]).collect()
}

fn list(mock: &Mock, name: &str) -> Vec<Value> {
    mock.lists().into_iter().find(|(known, _)| *known == name).unwrap().1
}

/// What a report says of a resource.
fn end_of(report: &Value, resource: &str) -> Value {
    let mut ends = report["resources"].as_array().unwrap().iter();
    ends.find(|end| end["resource"] == resource).unwrap().clone()
}

fn requests_for(mock: &Mock, path: &str) -> Vec<LoggedRequest> {
    mock.requests().into_iter().filter(|request| request.path.ends_with(path)).collect()
}

/// The state of a payment as it was loaded.
fn loaded_status(workspace: &Workspace, id: &Value) -> Value {
    db(workspace).value(&format!("SELECT status FROM transactions WHERE id = '{}'", id.as_str().unwrap()))
}

/// The single values of a row, instants as the API writes them.
fn expect_rows(db: &Db, table: &str, expected: &[Value]) {
    assert_eq!(db.count(table), expected.len() as u64, "{table}");
    let keys: Vec<&String> = expected[0].as_object().unwrap().keys().collect();
    let single = |key: &&&String| {
        expected.iter().all(|row| !row[key.as_str()].is_object() && !row[key.as_str()].is_array())
    };
    let known: Vec<&&String> = keys
        .iter()
        .filter(single)
        .filter(|key| expected.iter().any(|row| !row[key.as_str()].is_null()))
        .collect();
    let columns = known.iter().map(|key| match key.ends_with("_at") {
        true => format!("strftime(\"{key}\" AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ') AS \"{key}\""),
        false => format!("\"{key}\""),
    });
    let columns = columns.collect::<Vec<_>>().join(", ");
    let mut found: Vec<String> = db
        .rows(&format!("SELECT {columns} FROM {table}"))
        .into_iter()
        .map(|row| Value::Object(row).to_string())
        .collect();
    let mut expected: Vec<String> = expected
        .iter()
        .map(|row| {
            Value::Object(known.iter().map(|key| (key.to_string(), row[key.as_str()].clone())).collect())
                .to_string()
        })
        .collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "{table}");
}

#[test]
fn everything_is_loaded_in_both_dialects() {
    for dialect in [Dialect::Laravel, Dialect::Mcp] {
        let mock = start(dialect);
        let workspace = workspace(&mock, TOKEN);
        let names = everything(&workspace);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        // Twice: a second run finds the same and changes nothing.
        for _ in 0..2 {
            let report = workspace.run_well(&names);
            let outcomes = report["resources"].as_array().unwrap();
            assert!(
                outcomes.len() > 30 && outcomes.iter().all(|end| end["outcome"] == "complete"),
                "{report}"
            );
        }
        let db = db(&workspace);
        let lists = mock.lists();
        for (table, rows) in &lists {
            expect_rows(&db, table, rows);
        }
        for (table, of) in [
            ("plan_details", "plans"),
            ("member_details", "members"),
            ("subscription_details", "subscriptions"),
            ("resource_details", "resources"),
            ("payment_method_details", "payment_methods"),
            ("team_details", "teams"),
            ("team_member_details", "team_members"),
            ("role_details", "roles"),
            ("group_details", "groups"),
            ("token_details", "tokens"),
        ] {
            expect_rows(&db, table, &lists.iter().find(|(name, _)| *name == of).unwrap().1);
        }
        for (table, rows) in [
            ("access_code_prices", 9),
            ("bots", 3),
            ("bot_links", 3),
            ("portal_urls", 3),
            ("plan_links", 9),
            ("dashboards", 3),
            ("earnings", 3),
            ("subscriber_reports", 3),
            ("transaction_breakdowns", 9),
            ("plan_performance", 9),
            ("webhook_events", 2),
        ] {
            assert_eq!(db.count(table), rows, "{table}");
        }
        let paid =
            db.value("SELECT CAST(sum(CAST(totals__gross AS DECIMAL(12,2))) AS VARCHAR) FROM earnings");
        let sums = db.value("SELECT CAST(sum(CAST(amount AS DECIMAL(12,2))) AS VARCHAR) FROM transactions");
        assert_eq!(paid, sums);
        // No page is read twice, and none that has no rows.
        let asked =
            |path: &str| mock.requests().iter().filter(|request| request.path.ends_with(path)).count();
        assert_eq!(asked("/v1/roles"), 2, "28 rows fit in one page of 100");
    }
}

#[test]
fn small_pages_lose_nothing_in_either_dialect() {
    for dialect in [Dialect::Laravel, Dialect::Mcp] {
        let mock = start(dialect);
        let workspace = workspace(&mock, TOKEN)
            .with_set("resource_defaults.endpoint.params={per_page=7, limit=7}")
            .with_set("resources.transactions.endpoint.params.limit=7");
        workspace.run_well(&[]);
        for (table, rows) in mock.lists() {
            if ["projects", "plans", "members", "subscriptions", "transactions", "current_team"]
                .contains(&table)
            {
                expect_rows(&db(&workspace), table, &rows);
            }
        }
        // 130 members in three projects of 44, 43 and 43; seven to a page, and no page beyond the last.
        let pages = mock.requests().iter().filter(|request| request.path.ends_with("/members")).count();
        assert_eq!(pages, 21);
    }
}

/// What a run of one resource says that fails.
fn failed(mock: &Mock, token: &str, resource: &str, settings: &[&str]) -> Finished {
    let workspace = settings.iter().fold(workspace(mock, token), |workspace, set| workspace.with_set(set));
    let finished = workspace.run(&["-r", resource]);
    assert!(matches!(finished.code, Some(1 | 3)), "{finished:?}");
    assert!(!finished.stderr.contains(token), "{finished:?}");
    finished
}

#[test]
fn failures_are_told_with_code_advice_and_request_id() {
    let abilities = ["team:view", "project:view-any"].map(str::to_owned).to_vec();
    let bound = Key { abilities: Some(abilities), ..Key::full("mpt_live_2_bound") };
    let mock = Mock::start(MockConfig {
        keys: vec![Key::full(TOKEN), bound],
        rate: Vec::new(),
        above_tier: vec![("roles".to_owned(), 402), ("groups".to_owned(), 403)],
        ..MockConfig::memberpass(3)
    });
    let wrong_path = "resources.teams.endpoint.path=teams/tem_other";
    let wrong_report = "resources.transaction_breakdowns.endpoint.params.dimension=colour";
    type Case<'a> = (&'a str, &'a str, &'a [&'a str], &'a str, &'a str, &'a str);
    let cases: [Case<'_>; 6] = [
        (
            "mpt_test_1_demo",
            "current_team",
            &[],
            "HTTP 401 Unauthorized: Unauthenticated.",
            "AUTHENTICATION_REQUIRED",
            "Send a token of this environment that is not revoked.",
        ),
        (
            "mpt_live_2_bound",
            "members",
            &[],
            "HTTP 403 Forbidden: The token lacks an ability. (needs `project-user:view-any`)",
            "TOKEN_MISSING_ABILITY",
            "Make a token with the ability.",
        ),
        (
            TOKEN,
            "teams",
            &[wrong_path],
            "HTTP 404 Not Found: The resource was not found.",
            "RESOURCE_NOT_FOUND",
            "Check the id, and the team of the token.",
        ),
        (
            TOKEN,
            "transaction_breakdowns",
            &[wrong_report],
            "HTTP 422 Unprocessable Entity: The given data was invalid. (`dimension`: The selected dimension is invalid)",
            "VALIDATION_FAILED",
            "Correct the fields.",
        ),
        (
            TOKEN,
            "roles",
            &[],
            "HTTP 402 Payment Required: The team's plan does not include this.",
            "TEAM_TIER_REQUIRED",
            "Upgrade the team.",
        ),
        (
            TOKEN,
            "groups",
            &[],
            "HTTP 403 Forbidden: The team's plan does not include this.",
            "TEAM_TIER_REQUIRED",
            "Upgrade the team.",
        ),
    ];
    for (token, resource, settings, message, code, advice) in cases {
        let finished = failed(&mock, token, resource, settings);
        finished.expect_said(&format!("{message} (code `{code}`, request id `req_0000"));
        finished.expect_said(advice);
        finished.expect_said(&format!("https://docs.memberpass.net/api/errors#{}", code.to_lowercase()));
    }
    mock.set_faults(vec![Fault::at_request(1, FaultKind::TooManyRequests).times(10_000)]);
    let finished = failed(&mock, TOKEN, "current_team", &[]);
    finished.expect_said(
        "HTTP 429 Too Many Requests: Too many requests. (code `RATE_LIMITED`, request id `req_0000",
    );
    finished.expect_said("Wait for Retry-After seconds, then retry.");
}

/// Three projects are more requests than the endpoint's own limit of two a second.
fn with_a_bucket() -> Mock {
    let buckets = vec![("analytics".to_owned(), Window::new(2, Duration::from_secs(1)))];
    Mock::start(MockConfig { rate: Vec::new(), buckets, ..MockConfig::memberpass(12) })
}

#[test]
fn a_bucket_of_one_endpoint_that_nobody_knew_only_costs_time() {
    let mock = with_a_bucket();
    let workspace = workspace(&mock, TOKEN).with_set("client.retry={max_attempts=5}");
    let report = workspace.run_well(&["-r", "transactions"]);
    assert_eq!(end_of(&report, "transactions")["outcome"], "complete");
    assert_eq!(db(&workspace).count("transactions"), 12);
    assert!(count_status(&mock.requests(), 429) >= 1);
}

#[test]
fn a_bucket_of_one_endpoint_that_the_config_knows_is_never_met() {
    let mock = with_a_bucket();
    // The example in the shipped config, with another limit.
    assert!(MEMBERPASS.contains("# [[client.buckets]]\n# name = \"analytics\"\n# limits = [\"60/min\"]\n"));
    let config = MEMBERPASS
        .replace("# [[client.buckets]]", "[[client.buckets]]")
        .replace("# name = \"analytics\"", "name = \"analytics\"")
        .replace("# limits = [\"60/min\"]", "limits = [\"2/s\"]")
        .replace("# paths = [\"analytics/*\"]", "paths = [\"analytics/*\"]");
    let workspace = workspace_of(&config, &mock, TOKEN);
    for _ in 0..2 {
        workspace.run_well(&["-r", "transactions"]);
    }
    let requests = mock.requests();
    assert_eq!(count_status(&requests, 200), requests.len());
    let limited: Vec<_> =
        requests.into_iter().filter(|request| request.path.starts_with("/v1/analytics")).collect();
    assert_eq!(limited.len(), 6);
    expect_within_quota(&limited, 2, Duration::from_secs(1));
    assert_eq!(db(&workspace).count("transactions"), 12);
}

/// 100 payments in each of three projects, two on every third day.
fn with_old_payments() -> Mock {
    let payment_gap = Duration::from_secs(3 * 86_400);
    Mock::start(MockConfig { rate: Vec::new(), payment_gap, ..MockConfig::memberpass(300) })
}

#[test]
fn payments_that_change_later_are_read_again() {
    let mock = with_old_payments();
    let workspace = workspace(&mock, TOKEN);
    workspace.run_well(&["-r", "transactions"]);
    expect_rows(&db(&workspace), "transactions", &list(&mock, "transactions"));
    let sent = |request: &LoggedRequest| ["from", "to", "period"].map(|name| request.param(name));
    let first = requests_for(&mock, "/analytics/transactions");
    assert!(
        first.iter().map(sent).all(|[from, _, period]| (from, period.as_deref()) == (None, Some("all"))),
        "{first:?}"
    );

    // The newest one of all is of 2026-05-18; the first of these is within the 120 days before, the other one is not.
    let payments = list(&mock, "transactions");
    let on = |day: &str| {
        payments.iter().find(|row| row["occurred_at"].as_str().unwrap().starts_with(day)).unwrap()["id"]
            .clone()
    };
    let (late, later) = (on("2026-02-08"), on("2025-12-28"));
    for id in [&late, &later] {
        mock.settle_payment(id.as_str().unwrap(), "charged_back");
    }
    let report = workspace.run_well(&["-r", "transactions"]);
    assert_eq!(end_of(&report, "transactions")["outcome"], "complete");
    let second = requests_for(&mock, "/analytics/transactions").split_off(first.len());
    assert_eq!(second.len(), 3);
    for request in &second {
        let [from, to, _] = sent(request);
        assert_eq!(from.as_deref(), Some("2026-01-18"));
        assert!(to.is_some_and(|to| to.len() == 10), "{request:?}");
    }
    assert_eq!(db(&workspace).count("transactions"), 300);
    assert_eq!(loaded_status(&workspace, &late), "charged_back");
    assert_ne!(loaded_status(&workspace, &later), "charged_back");

    // The weekly read of everything is due once the last one is long enough ago; until then it is not.
    let every = |period: &str| {
        let setting = format!("resources.transactions.endpoint.incremental.full_scan_every={period}");
        workspace.run_well(&["-r", "transactions", "--set", &setting]);
        loaded_status(&workspace, &later)
    };
    assert_ne!(every("1000d"), "charged_back");
    assert_eq!(every("1ms"), "charged_back");
    let [.., last] = &requests_for(&mock, "/analytics/transactions")[..] else { panic!("nothing was asked") };
    assert_eq!(sent(last)[0], None);
    expect_rows(&db(&workspace), "transactions", &list(&mock, "transactions"));

    // So does whoever asks for it.
    mock.settle_payment(later.as_str().unwrap(), "refunded");
    workspace.run_well(&["-r", "transactions", "--full-refresh"]);
    assert_eq!(loaded_status(&workspace, &later), "refunded");
    expect_rows(&db(&workspace), "transactions", &list(&mock, "transactions"));
}

#[test]
fn payments_of_the_past_are_loaded_window_by_window() {
    let mock = with_old_payments();
    let workspace = workspace(&mock, TOKEN);
    let past = ["-r", "transactions", "--from", "2026-01-01", "--to", "2026-04-01", "--window", "1mo"];
    workspace.run_well(&past);
    let mut asked: Vec<_> = requests_for(&mock, "/analytics/transactions")
        .iter()
        .map(|request| ["from", "to"].map(|name| request.param(name).unwrap()).join(" "))
        .collect();
    asked.sort();
    asked.dedup_by(|a, b| a == b);
    assert_eq!(asked, ["2026-01-01 2026-02-01", "2026-02-01 2026-03-01", "2026-03-01 2026-04-01"]);
    assert_eq!(requests_for(&mock, "/analytics/transactions").len(), 9, "three windows of three projects");
    let mut in_range = list(&mock, "transactions");
    in_range.retain(|row| ("2026-01-01".."2026-04-01").contains(&row["occurred_at"].as_str().unwrap()));
    assert!(in_range.len() > 100, "{}", in_range.len());
    expect_rows(&db(&workspace), "transactions", &in_range);
    let of_projects = db(&workspace).column("SELECT DISTINCT _projects_id FROM transactions");
    assert_eq!(of_projects.len(), 3);
    // The next night is as if nothing had been.
    workspace.run_well(&["-r", "transactions"]);
    expect_rows(&db(&workspace), "transactions", &list(&mock, "transactions"));
}

#[test]
fn a_full_list_of_the_latest_is_not_taken_for_all() {
    let mock = start(Dialect::Laravel);
    let workspace = workspace(&mock, TOKEN);
    let check = |outcome: &str, rows: u64| {
        let finished = workspace.run(&["-r", "activity", "--format", "json"]);
        finished.expect_code(0);
        let end = end_of(&finished.report(), "activity");
        assert_eq!(end["outcome"], outcome, "{end}");
        assert_eq!(
            end["causes"].as_array().is_some_and(|causes| !causes.is_empty()),
            outcome == "unproven",
            "{end}"
        );
        assert_eq!(db(&workspace).count("activity"), rows);
    };
    check("complete", 130);
    // One a minute: the list has the last 200 and does not reach back to what was seen.
    mock.add_activity(250);
    check("unproven", 330);
    // Still full, but now it does.
    check("complete", 330);
    mock.add_activity(5);
    check("complete", 335);
}

/// With one thing of each kind in the environment.
fn changing(mock: &Mock) -> (Workspace, [Value; 4]) {
    let plan = list(mock, "plans")[0].clone();
    let member = list(mock, "members")[0].clone();
    let subscription = list(mock, "subscriptions")[0]["id"].clone();
    let ids = [plan["project_id"].clone(), plan["id"].clone(), member["id"].clone(), subscription];
    assert_eq!(plan["project_id"], member["project_id"]);
    let names = ["PROJECT_ID", "PLAN_ID", "MEMBER_ID", "SUBSCRIPTION_ID"];
    let workspace = names.iter().zip(&ids).fold(workspace(mock, TOKEN), |workspace, (name, id)| {
        workspace.with_env(&format!("MEMBERPASS_{name}"), id.as_str().unwrap())
    });
    let patient = "client.retry={max_attempts=5, initial_delay=\"1ms\", max_delay=\"2ms\"}";
    (workspace.with_set(patient), ids)
}

#[test]
fn a_change_whose_answer_is_lost_is_made_once() {
    let mock = start(Dialect::Laravel);
    let (workspace, _) = changing(&mock);
    let before = list(&mock, "access_codes").len();
    // The first one fails; the second one is carried out, but half of the answer is lost.
    mock.set_faults(vec![
        Fault::at_request(1, FaultKind::ServerError),
        Fault::at_request(2, FaultKind::CutBody),
    ]);
    let generate =
        ["-r", "generate_access_codes", "--set", "resources.generate_access_codes.endpoint.json.quantity=7"];
    workspace.run_well(&generate);
    let sent = requests_for(&mock, "/access-codes/bulk-generate");
    assert_eq!((sent.len(), mock.requests().len()), (3, 3));
    assert_eq!(list(&mock, "access_codes").len(), before + 7);
    let answers = "SELECT data__batch_id, data__quantity FROM generate_access_codes";
    assert_eq!(db(&workspace).rows(answers).len(), 1);
    // Another run is another wish.
    workspace.run_well(&generate);
    assert_eq!(list(&mock, "access_codes").len(), before + 14);
    assert_eq!(db(&workspace).rows(answers).len(), 2);
}

#[test]
fn each_call_that_changes_something_changes_what_is_named() {
    let mock = start(Dialect::Laravel);
    let (workspace, [_, _, member, subscription]) = changing(&mock);
    let status = |of: &str, id: &Value| {
        list(&mock, of).into_iter().find(|row| row["id"] == *id).unwrap()["status"].clone()
    };
    for (resource, of, id, expected) in [
        ("cancel_subscription", "subscriptions", &subscription, "canceled"),
        ("ban_member", "members", &member, "banned"),
        ("unban_member", "members", &member, "customer"),
        ("kick_member", "members", &member, "churned"),
    ] {
        workspace.run_well(&["-r", resource]);
        assert_eq!(status(of, id), expected, "{resource}");
        assert_eq!(db(&workspace).value(&format!("SELECT data__id FROM {resource}")), *id);
    }
    let posts = || mock.requests().iter().filter(|request| request.method == "POST").count();
    assert_eq!(posts(), 4);
    // Without names, nothing is changed; without variables, there is nothing to change.
    workspace.run_well(&[]);
    assert_eq!(posts(), 4);
    let nothing = self::workspace(&mock, TOKEN).run(&["-r", "ban_member"]);
    assert_eq!(nothing.code, Some(1), "{nothing:?}");
    nothing.expect_said("RESOURCE_NOT_FOUND");
}

/// Memberstack's answer to these is a text.
#[test]
fn a_plan_is_given_to_every_member_of_memberstack_and_taken_again() {
    let mock = Mock::start(MockConfig::unlimited(12));
    let plan = "pln_free-a1b2c3d4";
    let workspace = Workspace::members(&mock).with_env("MEMBERSTACK_PLAN_ID", plan);
    let holders = || {
        let has = |member: &Value| {
            member["planConnections"].as_array().unwrap().iter().any(|found| found["planId"] == plan)
        };
        mock.members().iter().filter(|member| has(member)).count()
    };
    assert!((0..12).contains(&holders()));
    // Those that have it already are none to fail for.
    for _ in 0..2 {
        let report = workspace.run_well(&["-r", "member_actions_add_plan"]);
        assert_eq!(end_of(&report, "member_actions_add_plan")["outcome"], "complete");
        assert_eq!(holders(), 12);
    }
    workspace.run_well(&["-r", "member_actions_remove_plan"]);
    assert_eq!(holders(), 0);
}

#[test]
fn the_shipped_configs_are_free_of_mistakes_and_say_what_changes_data() {
    let mock = start(Dialect::Laravel);
    let memberstack = Mock::start(MockConfig::unlimited(3));
    for (workspace, changes) in [
        (
            workspace(&mock, TOKEN),
            "generate_access_codes, cancel_subscription, ban_member, unban_member, kick_member",
        ),
        (Workspace::members(&memberstack), "member_actions_add_plan, member_actions_remove_plan"),
    ] {
        let checked = workspace.command("check", &[]).output().unwrap();
        let said = String::from_utf8(checked.stdout).unwrap();
        assert_eq!(checked.status.code(), Some(0), "{said}");
        assert!(
            said.contains(&format!("changes data, runs only if named with --resource: {changes}\n")),
            "{said}"
        );
    }
    assert_eq!(mock.requests().len() + memberstack.requests().len(), 0);
    assert!(MEMBERSTACK.contains("mutates = true"));
}
