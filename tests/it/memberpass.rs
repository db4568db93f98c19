//! MemberPass whole: every endpoint that reads, in both of the ways in which its pages may be told apart.

use serde_json::Value;

use crate::mock::{Dialect, Fault, FaultKind, Key, Mock, MockConfig, Window};
use crate::support::cli::{Finished, MEMBERPASS, Workspace};
use crate::support::db::Db;

const TOKEN: &str = "mpt_live_1_demo";

fn start(dialect: Dialect) -> Mock {
    Mock::start(MockConfig { dialect, rate: Vec::new(), ..MockConfig::memberpass(130) })
}

fn workspace(mock: &Mock, token: &str) -> Workspace {
    Workspace::new(MEMBERPASS)
        .with_env("MEMBERPASS_TOKEN", token)
        .with_env("MEMBERPASS_BASE_URL", &format!("{}/v1", mock.url()))
        .with_set("client.rate_limits=[]")
        .with_set("client.retry={max_attempts=2, initial_delay=\"1ms\", max_delay=\"2ms\"}")
}

fn db(workspace: &Workspace) -> Db {
    Db::new(workspace.path("memberpass.duckdb"), "memberpass_data")
}

/// Every resource of the shipped config, selected or not.
fn everything(workspace: &Workspace) -> Vec<String> {
    workspace.plan().resources.into_iter().flat_map(|resource| ["-r".to_owned(), resource.name]).collect()
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

#[test]
fn a_bucket_of_one_endpoint_that_is_used_up_only_costs_time() {
    let second = std::time::Duration::from_secs(1);
    let mock = Mock::start(MockConfig {
        rate: Vec::new(),
        buckets: vec![("analytics".to_owned(), Window::new(2, second))],
        ..MockConfig::memberpass(12)
    });
    let workspace = workspace(&mock, TOKEN).with_set("client.retry={max_attempts=5}");
    workspace.run_well(&["-r", "transactions"]);
    assert_eq!(db(&workspace).count("transactions"), 12);
    let refused = mock.requests().iter().filter(|request| request.status == Some(429)).count();
    assert!(refused >= 1, "three projects are more than the bucket holds");
}
