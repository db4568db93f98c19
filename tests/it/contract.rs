//! Rows that cannot be loaded end their resource at once, and what goes beyond dlt's tables.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::mock::{Fault, FaultKind, Mock, MockConfig};
use crate::script::Script;
use crate::support::api::wait_for;
use crate::support::cli::{Finished, Workspace};
use crate::support::db::Db;

/// Pages of an API that has too many of them to read in vain.
const PAGES: usize = 50;

/// Pages that may be asked for until the first bad one is found: some wait for the normalizer, one is under way.
const SOON: usize = 15;

/// Setting under which items cannot be read.
const BAD_PATH: &str = "resources.items.endpoint.data_selector=nothing";

/// A shop whose orders, on numbered pages, differ from run to run; each has items. There are also colours.
struct Shop {
    api: Script,
    run: Arc<AtomicUsize>,
    workspace: Workspace,
}

impl Shop {
    /// `order` makes the rows of a page of orders: in which run and on which page.
    fn new(settings: &str, order: impl Fn(usize, usize) -> String + Send + 'static) -> Self {
        let run = Arc::new(AtomicUsize::new(0));
        let current = Arc::clone(&run);
        let api = Script::start(move |target| {
            let page = target.split_once("page=").map_or(0, |(_, page)| page.parse().unwrap());
            let rows = match target {
                _ if target.starts_with("/orders?") || target == "/orders" => {
                    order(current.load(Ordering::SeqCst), page)
                }
                _ => r#"{"id": 1}"#.to_owned(),
            };
            let pages = if rows.is_empty() { page.saturating_sub(1) } else { PAGES };
            format!(r#"{{"data": [{rows}], "pages": {pages}}}"#)
        });
        let config = format!(
            "[pipeline]\nname = 'shop'\ndataset = 'shop'\ndestination = 'duckdb:shop.duckdb'\n\
             [client]\nbase_url = '{}'\nrate_limits = []\n{settings}\n\
             [resource_defaults]\nendpoint = {{ data_selector = 'data', paginator = 'single_page' }}\n\
             [[resources]]\nname = 'orders'\n\
             endpoint = {{ paginator = {{ type = 'page_number', base_page = 1, total_path = 'pages' }} }}\n\
             [[resources]]\nname = 'items'\nendpoint = {{ path = 'orders/{{resources.orders.id}}/items' }}\n\
             [[resources]]\nname = 'colours'\n",
            api.url()
        );
        Self { api, run, workspace: Workspace::new(&config) }
    }

    fn run(&self, run: usize, args: &[&str]) -> Finished {
        self.run.store(run, Ordering::SeqCst);
        self.workspace.run(&[args, &["--format", "json"]].concat())
    }

    fn db(&self) -> Db {
        Db::new(self.workspace.path("shop.duckdb"), "shop")
    }

    fn asked_for(&self, start: &str) -> usize {
        let is_for = |head: &&String| head.starts_with(&format!("GET {start}"));
        self.api.requests().iter().filter(is_for).count()
    }
}

/// The outcome and the causes of a resource.
fn end(finished: &Finished, resource: &str) -> (String, String) {
    let report = finished.report();
    let entries = report["resources"].as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["resource"] == resource).unwrap();
    (entry["outcome"].as_str().unwrap().to_owned(), entry["causes"].to_string())
}

#[test]
fn a_frozen_contract_ends_a_resource_at_the_first_page_that_breaks_it() {
    let shop = Shop::new("", |run, page| match (run, page) {
        (0, 2..) => String::new(),
        (_, 3) => r#"{"id": 3, "colour": "a rather long description of red"}"#.to_owned(),
        (_, page) => format!(r#"{{"id": {page}, "n": 1}}"#),
    });
    shop.run(0, &[]).expect_code(0);
    let (before, asked) = (shop.db().content(), shop.asked_for("/orders?"));

    let frozen = ["--set", "resources.orders.schema_contract=freeze"];
    let finished = shop.run(1, &frozen);
    finished.expect_code(3);
    let (outcome, causes) = end(&finished, "orders");
    assert_eq!(outcome, "failed");
    let cause = "row 3 of table `orders` would add column `colour` (`$.colour` is \\\"a rather long descri…\\\"), \
                 but its contract freezes `columns`; nothing was asked for after page ";
    assert!(causes.contains("could not normalize resource `orders`") && causes.contains(cause), "{causes}");
    finished.expect_said("`evolve`");
    assert!(shop.asked_for("/orders?") - asked <= SOON, "{} pages", shop.asked_for("/orders?") - asked);
    let (outcome, causes) = end(&finished, "items");
    assert_eq!((outcome.as_str(), causes.contains("parent `orders`")), ("failed", true), "{causes}");
    assert_eq!(end(&finished, "colours").0, "complete");
    let after = shop.db().content();
    assert_eq!(after.tables["orders"], before.tables["orders"]);
    assert_eq!((after.tables["items"].len(), after.tables["colours"].len()), (1, 2));

    let alone = shop.run(1, &[&frozen[..], &["-r", "orders"]].concat());
    alone.expect_code(1);
    shop.run(1, &[]).expect_code(0);
    assert_eq!(shop.db().count("orders"), 1 + PAGES as u64);
    assert_eq!(shop.db().count("orders WHERE colour IS NOT NULL"), 1);
}

#[test]
fn a_row_without_its_key_ends_a_resource_at_its_page() {
    let shop = Shop::new("", |_, page| match page {
        3 => r#"{"id": null}"#.to_owned(),
        page => format!(r#"{{"id": {page}}}"#),
    });
    let finished = shop.run(0, &["-r", "orders", "--set", "resources.orders.primary_key=id"]);
    finished.expect_code(1);
    finished.expect_said("row 3 of table `orders` has no value for column `id`, which cannot be null");
    assert!(shop.asked_for("/orders?") <= SOON, "{} pages", shop.asked_for("/orders?"));
    shop.run(0, &["-r", "orders"]).expect_code(0);
}

#[test]
fn children_go_with_their_parent_however_late_it_fails() {
    let shop = Shop::new("", |_, _| r#"{"id": 1, "l": [1]}"#.to_owned());
    let finished = shop.run(
        0,
        &[
            "--set",
            "resources.orders.schema_contract.tables=freeze",
            "--set",
            "resources.orders.endpoint.paginator=single_page",
        ],
    );
    finished.expect_code(3);
    assert_eq!([end(&finished, "orders").0, end(&finished, "items").0], ["failed", "failed"]);
    assert_eq!(shop.db().column("SELECT resource FROM _forebay_runs"), ["colours"]);
}

#[test]
fn a_run_that_goes_on_finds_bad_rows_among_those_it_has() {
    let faults = vec![Fault::at_request(6, FaultKind::Hold)];
    let mock = Mock::start(MockConfig { faults, ..MockConfig::unlimited(1000) });
    let workspace = Workspace::members(&mock).with_set("resources.members.endpoint.params.limit=10");
    let run = workspace.start(&[]);
    wait_for(&mock, 6);
    run.kill();
    let frozen = ["--set", "resources.members.schema_contract.tables=freeze", "--format", "json"];
    let finished = workspace.run(&frozen);
    finished.expect_code(1);
    finished.expect_said("rows at `$` would add table `members`, but its contract freezes `tables`");
    assert!(mock.requests().len() <= 6 + SOON, "{} requests", mock.requests().len());
    workspace.run_well(&[]);
    workspace.db().content().expect(&Workspace::undisturbed(1000));
}

#[test]
fn what_a_contract_lets_go_is_told_with_an_example() {
    let shop = Shop::new("", |run, page| match run {
        0 if page > 1 => String::new(),
        0 => r#"{"id": 1, "n": 1}"#.to_owned(),
        _ => format!(r#"{{"id": {page}, "n": "{page}x"}}"#),
    });
    let contract = ["-r", "orders", "--set", "resources.orders.schema_contract.data_type=discard_value"];
    shop.run(0, &contract).expect_code(0);
    let report = {
        let finished = shop.run(1, &contract);
        finished.expect_code(0);
        finished.report()
    };
    let warning = "50 values were dropped by contract: column `n` of table `orders` has another type \
                   (row 1: `$.n` is \"1x\")";
    assert_eq!(report["warnings"], json!([warning]));
    assert_eq!(shop.db().count("orders WHERE n IS NULL"), PAGES as u64);
}

#[test]
fn what_a_contract_lets_go_is_told_though_nothing_is_left() {
    let shop = Shop::new("", |_, page| format!(r#"{{"id": {page}}}"#));
    let warning = "50 rows were dropped by contract: table `orders` would be new (rows at `$`)";
    let contract = ["--set", "resources.orders.schema_contract.tables=discard_row"];
    // With all resources some fail, and the rows are taken from the journal.
    for resources in [vec!["-r", "orders"], vec!["-r", "orders", "-r", "items", "--set", BAD_PATH]] {
        let finished = shop.run(0, &[&contract[..], &resources].concat());
        assert_eq!(finished.report()["warnings"], json!([warning]), "{resources:?}");
    }
}

#[test]
fn empty_tables_and_columns_of_nulls_are_made_once() {
    let shop =
        Shop::new("[schema]\nempty_tables = true\nnull_columns = true\n", |run, page| match (run, page) {
            (0, _) => String::new(),
            (1, 1) => r#"{"id": 1, "n": null, "l": []}"#.to_owned(),
            (2, 1) => r#"{"id": 2, "n": 7, "l": [8]}"#.to_owned(),
            _ => String::new(),
        });
    let columns = |table: &str| shop.db().columns(table);
    let only = ["-r", "orders"];
    shop.run(0, &only).expect_code(0);
    assert_eq!(columns("orders"), ["_dlt_load_id VARCHAR", "_dlt_id VARCHAR"]);
    let loads = shop.db().load_count();
    shop.run(0, &only).expect_code(0);
    assert_eq!(shop.db().load_count(), loads);

    shop.run(1, &only).expect_code(0);
    assert_eq!(columns("orders")[2..], ["id BIGINT", "n VARCHAR"]);
    assert_eq!(columns("orders__l").len(), 3);
    assert_eq!(shop.db().count("orders__l"), 0);
}

#[test]
fn a_column_of_nulls_gets_the_type_of_its_first_value() {
    let shop = Shop::new("[schema]\nnull_columns = true\n", |run, page| match (run, page) {
        (0, 1) => r#"{"id": 1, "n": null}"#.to_owned(),
        (1, 1) => r#"{"id": 2, "n": 7}"#.to_owned(),
        _ => String::new(),
    });
    let only = ["-r", "orders"];
    shop.run(0, &only).expect_code(0);
    shop.run(1, &only).expect_code(0);
    let rows = shop.db().rows("SELECT id, n, typeof(n) AS type FROM orders ORDER BY id");
    assert_eq!(
        json!(rows),
        json!([{"id": 1, "n": null, "type": "BIGINT"}, {"id": 2, "n": 7, "type": "BIGINT"}])
    );
    assert_eq!(
        shop.db().columns("orders"),
        ["id BIGINT", "_dlt_load_id VARCHAR", "_dlt_id VARCHAR", "n BIGINT"]
    );
}

#[test]
fn a_column_gets_a_type_that_holds_all_its_values() {
    let shop = Shop::new("[schema]\non_type_conflict = \"widen\"\n", |run, page| match (run, page) {
        (0, 1) => r#"{"id": 1, "n": 1, "m": 9007199254740993, "t": true}"#.to_owned(),
        (1, 1) => {
            r#"{"id": "007", "n": 1.5, "m": 2.5, "t": false, "new": 1}, {"id": "x", "new": "y"}"#.to_owned()
        }
        (2, 1) => r#"{"id": 8, "n": 3, "m": 3.5, "t": "maybe"}"#.to_owned(),
        _ => String::new(),
    });
    let keyed = [
        "-r",
        "orders",
        "--set",
        "resources.orders.primary_key=id",
        "--set",
        "resources.orders.write_disposition=merge",
    ];
    let warnings = |run| {
        let finished = shop.run(run, &keyed);
        finished.expect_code(0);
        finished.report()["warnings"].to_string()
    };
    assert_eq!(warnings(0), "[]");
    let said = warnings(1);
    for (column, types) in [
        ("id", "text instead of bigint"),
        ("n", "double instead of bigint"),
        ("new", "text instead of bigint"),
    ] {
        assert!(said.contains(&format!("column `{column}` of table `orders` is {types}")), "{said}");
    }
    assert!(
        said.contains("cannot change column `m` of table `orders`") && said.contains("`m__v_double`"),
        "{said}"
    );
    let said = warnings(2);
    assert!(said.contains("column `t` of table `orders` is text instead of bool"), "{said}");
    let rows = shop.db().rows("SELECT id, n, m, t, m__v_double, new FROM orders ORDER BY id");
    assert_eq!(
        json!(rows),
        json!([
            {"id": "007", "n": 1.5, "m": null, "t": "False", "m__v_double": 2.5, "new": "1"},
            {"id": "1", "n": 1.0, "m": 9_007_199_254_740_993_i64, "t": "True", "m__v_double": null, "new": null},
            {"id": "8", "n": 3.0, "m": null, "t": "maybe", "m__v_double": 3.5, "new": null},
            {"id": "x", "n": null, "m": null, "t": null, "m__v_double": null, "new": "y"},
        ])
    );
    // What was settled once is not tried again: the variant column is there.
    let variant =
        "1 value of column `m` of table `orders` did not fit its type and went to column `m__v_double`";
    assert_eq!(warnings(2), json!([variant]).to_string());
}
