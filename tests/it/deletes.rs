//! Rows that the API no longer has are marked or removed, if and only if the read provably had all rows.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use duckdb::{AccessMode, Config, Connection};
use serde_json::{Value, json};

use crate::scene::{Forebay, Ran, assert_said};
use crate::script::Script;

/// A shop whose API lists what `orders` holds, four on a page; each order has one line.
struct Shop {
    dir: tempfile::TempDir,
    orders: Arc<Mutex<Vec<i64>>>,
}

/// How the API and the paginator go about the end of the list.
#[derive(Clone, Copy)]
enum End {
    /// A flag says it.
    Flag,
    /// The cursor is left out, even on a first page.
    Nothing,
    /// Pages have numbers, and the number of orders is told.
    Total,
    /// Pages have numbers; the number of orders changes while they are read.
    MovingTotal,
}

const PAGE: usize = 4;

impl Shop {
    fn new(deletes: &str, end: End) -> Self {
        let orders = Arc::new(Mutex::new(Vec::new()));
        let listed = Arc::clone(&orders);
        let api = Script::start(move |target| page(target, &listed.lock().unwrap(), end).to_string());
        let paginator = match end {
            End::Flag => "{ type = 'cursor', cursor_path = 'next', has_more_path = 'more' }",
            End::Nothing => "{ type = 'cursor', cursor_path = 'next' }",
            End::Total | End::MovingTotal => {
                "{ type = 'page_number', total_path = 'pages', total_rows_path = 'total' }"
            }
        };
        let config = format!(
            "[pipeline]\nname = 'shop'\n[client]\nbase_url = '{}'\nrate_limits = []\n[[resources]]\nname = 'orders'\n\
             primary_key = 'id'\nwrite_disposition = 'merge'\ndeletes = {deletes}\n\
             endpoint = {{ data_selector = 'data', paginator = {paginator} }}\n",
            api.url()
        );
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("shop.toml"), config).unwrap();
        Self { dir, orders }
    }

    /// Runs once the API has these orders.
    fn run(&self, orders: impl IntoIterator<Item = i64>) -> Ran {
        *self.orders.lock().unwrap() = orders.into_iter().collect();
        Forebay::new(self.dir.path()).args(["run", "--quiet", "shop.toml"]).ran()
    }

    fn ids(&self, sql: &str) -> Vec<i64> {
        let file: PathBuf = self.dir.path().join("shop.duckdb");
        let config = Config::default().access_mode(AccessMode::ReadOnly).unwrap();
        let connection = Connection::open_with_flags(file, config).unwrap();
        let mut statement = connection.prepare(&format!("{sql} ORDER BY 1")).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    fn orders(&self) -> Vec<i64> {
        self.ids("SELECT id FROM shop_dataset.orders")
    }
}

fn page(target: &str, orders: &[i64], end: End) -> Value {
    let asked = target.rsplit_once('=').and_then(|(_, number)| number.parse().ok());
    let number: usize = asked.unwrap_or(0);
    let pages = orders.len().div_ceil(PAGE).max(1);
    let data: Vec<_> =
        orders.iter().skip(number * PAGE).take(PAGE).map(|id| json!({"id": id, "lines": [id]})).collect();
    let more = number + 1 < pages;
    match end {
        End::Flag => json!({"data": data, "more": more, "next": number + 1}),
        End::Nothing if more => json!({"data": data, "next": number + 1}),
        End::Nothing => json!({"data": data}),
        End::Total => json!({"data": data, "pages": pages, "total": orders.len()}),
        End::MovingTotal => json!({"data": data, "pages": pages, "total": orders.len() - number}),
    }
}

#[test]
fn rows_that_are_gone_are_removed_with_all_below_them() {
    for end in [End::Flag, End::Nothing, End::Total] {
        let shop = Shop::new("'hard'", end);
        assert_eq!(shop.run(1..=10).code, 0);
        let ran = shop.run((1..=11).filter(|id| ![3, 7].contains(id)));
        assert_eq!(ran.code, 0, "{ran}");
        assert!(ran.stdout.contains("gone from the API: 2 rows of table orders"), "{ran}");
        assert_eq!(shop.orders(), [1, 2, 4, 5, 6, 8, 9, 10, 11]);
        assert_eq!(shop.ids("SELECT value FROM shop_dataset.orders__lines"), shop.orders());
    }
}

#[test]
fn rows_that_are_gone_are_marked_until_they_are_back() {
    let shop = Shop::new("{ mode = 'soft', max_share = 0.5 }", End::Flag);
    let marked = || shop.ids("SELECT id FROM shop_dataset.orders WHERE _forebay_deleted_at IS NOT NULL");
    shop.run(1..=10);
    assert_eq!(marked(), [] as [i64; 0]);
    let ran = shop.run(1..=8);
    assert!(ran.stdout.contains("gone from the API: 2 rows of table orders"), "{ran}");
    assert_eq!(marked(), [9, 10]);
    // Those two are no news.
    assert!(!shop.run(1..=8).stdout.contains("gone from the API"));
    shop.run(1..=9);
    assert_eq!(marked(), [10]);
    assert_eq!(shop.orders(), (1..=10).collect::<Vec<_>>());
}

#[test]
fn too_many_rows_to_be_true_stay() {
    let shop = Shop::new("{ mode = 'hard', max_share = 0.2 }", End::Flag);
    shop.run(1..=10);
    let ran = shop.run([1, 2, 11]);
    assert_said!(ran.failed(3));
    assert_eq!(shop.orders(), (1..=11).collect::<Vec<_>>());
    assert_eq!(shop.run([]).code, 3, "a list that is empty all at once is a fault, not news");
    assert_eq!(shop.orders(), (1..=11).collect::<Vec<_>>());
}

#[test]
fn a_read_that_may_be_short_deletes_nothing() {
    for (end, doubt) in
        [(End::Nothing, "rows were not all read"), (End::MovingTotal, "number of rows went from")]
    {
        let shop = Shop::new("'hard'", end);
        shop.run(1..=6);
        let orders = if matches!(end, End::Nothing) { 1..=4 } else { 1..=5 };
        let ran = shop.run(orders);
        assert!(ran.stderr.contains(doubt), "{ran}");
        assert_eq!(shop.orders(), [1, 2, 3, 4, 5, 6]);
    }
    let shop = Shop::new("'hard'", End::Flag);
    shop.run(1..=6);
    let ran = Forebay::new(shop.dir.path())
        .args(["run", "shop.toml", "--set", "resources.orders.endpoint.paginator.max_pages=1"])
        .ran();
    assert_eq!(ran.with_code(3).code, 3);
    assert_eq!(shop.orders(), [1, 2, 3, 4, 5, 6]);
}

/// What it asked for may have been fewer rows than the config asks for now.
#[test]
fn a_package_of_another_config_deletes_nothing() {
    let shop = Shop::new("'hard'", End::Flag);
    shop.run(1..=10);
    let reader = Connection::open_with_flags(
        shop.dir.path().join("shop.duckdb"),
        Config::default().access_mode(AccessMode::ReadOnly).unwrap(),
    );
    *shop.orders.lock().unwrap() = (1..=9).collect();
    let run = |args: [&str; 2]| {
        Forebay::new(shop.dir.path()).args(["run", "--quiet", "shop.toml"]).args(args).ran()
    };
    assert_eq!(run(["--lock-timeout", "0"]).code, 1);
    drop(reader);
    *shop.orders.lock().unwrap() = (1..=10).collect();
    let ran = run(["--set", "resources.orders.endpoint.params.all=true"]);
    assert!(ran.stderr.contains("its rows were received under another config"), "{ran}");
    assert!(!ran.stdout.contains("gone from the API"), "{ran}");
    assert_eq!(shop.orders(), (1..=10).collect::<Vec<_>>());
}
