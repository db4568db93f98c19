//! Roles with the privileges that the README tells to give them, and no others.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::postgres::{Database, Role, Server, server, sql};
use crate::scene::{Forebay, Ran};
use crate::script::Script;

/// A resource for each way in which rows meet those that are there.
const RESOURCES: &str = "
    [[resources]]
    name = 'appended'
    write_disposition = 'append'
    [[resources]]
    name = 'replaced'
    write_disposition = 'replace'
    [[resources]]
    name = 'merged'
    write_disposition = 'merge'
    primary_key = 'id'
    deletes = { mode = 'soft', max_share = 1.0 }
    [[resources]]
    name = 'upserted'
    write_disposition = { disposition = 'merge', strategy = 'upsert' }
    primary_key = 'id'
    [[resources]]
    name = 'inserted'
    write_disposition = { disposition = 'merge', strategy = 'insert-only' }
    primary_key = 'id'
    [[resources]]
    name = 'versioned'
    write_disposition = { disposition = 'merge', strategy = 'scd2' }
";

/// An API whose resources all have the same rows, and a database that lets in nobody who was not let in.
struct Shop {
    dir: tempfile::TempDir,
    api: Script,
    rows: Arc<Mutex<Value>>,
    server: &'static Server,
    // Dropped before the roles, who own what is in it.
    database: Database,
    loader: Role,
    reader: Role,
}

impl Shop {
    fn new() -> Option<Self> {
        let server = server()?;
        let rows = Arc::new(Mutex::new(json!([
            {"id": 1, "name": "one", "lines": [{"amount": 1}, {"amount": 2}]},
            {"id": 2, "name": "two", "lines": []},
        ])));
        let listed = Arc::clone(&rows);
        let api = Script::start(move |_| listed.lock().unwrap().to_string());
        let config = format!(
            "[pipeline]\nname = 'shop'\ndataset = 'memberstack_data'\n[client]\nbase_url = '{}'\nrate_limits = []\n\
             paginator = 'single_page'\n{RESOURCES}",
            api.url()
        );
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("shop.toml"), config).unwrap();
        let (loader, reader) = (server.create_role(), server.create_role());
        let database = server.create_database();
        database.sql(&format!(
            "REVOKE ALL ON DATABASE {} FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC",
            database.name()
        ));
        Some(Self { dir, api, rows, server, database, loader, reader })
    }

    /// Runs SQL of the README, about this shop.
    fn grant(&self, block: &str) -> &Self {
        let names = [
            ("DATABASE shop", format!("DATABASE {}", self.database.name())),
            ("loader", self.loader.name.clone()),
            ("reader", self.reader.name.clone()),
        ];
        let text = names.iter().fold(block.to_owned(), |text, (name, ours)| text.replace(name, ours));
        self.database.sql(&text);
        self
    }

    fn forebay(&self, role: &Role, command: &str) -> Forebay {
        let mut forebay = Forebay::new(self.dir.path());
        let url = self.server.url_as(&role.name, &role.password, self.database.name());
        forebay.args([command, "shop.toml", "--destination", &url]);
        forebay
    }

    fn load(&self) -> Ran {
        self.forebay(&self.loader, "run").ran()
    }

    fn query(&self, role: &Role, sql: &str) -> Ran {
        self.forebay(role, "query").args([sql, "--format", "csv"]).ran()
    }

    fn count(&self, table: &str) -> String {
        self.database.sql(&format!("SELECT count(*) FROM memberstack_data.{table}"))
    }

    /// Loads twice: what all dispositions do, new columns and tables, and other rows.
    fn loads_everything(&self) {
        self.load().with_code(0);
        *self.rows.lock().unwrap() = json!([
            {"id": 2, "name": "zwei", "more": 1.5, "lines": [{"amount": "much", "unit": "kg"}], "tags": ["x"]},
            {"id": 3, "name": "three"},
        ]);
        self.load().with_code(0);
        for (table, count) in [
            ("appended", "4"),
            ("appended__lines", "3"),
            ("appended__tags", "1"),
            ("replaced", "2"),
            ("replaced__lines", "1"),
            ("merged", "3"),
            ("merged__lines", "3"),
            ("merged WHERE _forebay_deleted_at IS NOT NULL", "1"),
            ("upserted", "3"),
            ("inserted", "3"),
            ("versioned", "4"),
            ("versioned WHERE _dlt_valid_to IS NULL", "2"),
            ("_forebay_runs", "12"),
        ] {
            assert_eq!(self.count(table), count, "{table}");
        }
    }
}

/// The blocks of SQL in the README's section on roles: of a loader that makes the schema, of one that is given it, and of
/// a reader.
fn readme() -> [&'static str; 3] {
    let text = include_str!("../../README.md");
    let section = text.split_once("### Roles\n").unwrap().1;
    let section = section.split("\n#").next().unwrap();
    let blocks: Vec<_> =
        section.split("```sql\n").skip(1).map(|it| it.split("```").next().unwrap()).collect();
    blocks.try_into().unwrap()
}

#[test]
fn a_loader_needs_what_the_readme_says_and_no_more() {
    let [makes_schema, is_given_schema, _] = readme();
    for block in [makes_schema, is_given_schema] {
        let Some(shop) = Shop::new() else { return };
        shop.grant(block).loads_everything();
    }
}

#[test]
fn a_reader_reads_what_is_there_and_what_comes() {
    let Some(shop) = Shop::new() else { return };
    let [_, loader, reader] = readme();
    shop.grant(loader).grant(reader).loads_everything();
    for command in ["status", "schema"] {
        let ran = shop.forebay(&shop.reader, command).ran().with_code(0);
        assert!(ran.stdout.contains("merged"), "{ran}");
    }
    // A table that came with the second load.
    let ran = shop.query(&shop.reader, "SELECT value FROM merged__tags").with_code(0);
    assert_eq!(ran.stdout, "value\nx\n");
    shop.query(&shop.reader, "DELETE FROM merged RETURNING id").with_code(1);
    let url = shop.server.url_as(&shop.reader.name, &shop.reader.password, shop.database.name());
    let refused = sql(&url, "INSERT INTO memberstack_data._dlt_loads (load_id) VALUES ('x')").unwrap_err();
    assert!(refused.contains("permission denied for table _dlt_loads"), "{refused}");

    let asked = shop.api.requests().len();
    let ran = shop.forebay(&shop.reader, "run").ran().failed(1);
    assert!(ran.stderr.contains("could not write to table `_dlt_loads`"), "{ran}");
    assert_eq!(shop.api.requests().len(), asked);
}

#[test]
fn a_loader_is_told_what_it_lacks_before_the_api_is_asked() {
    let connect = "GRANT CONNECT ON DATABASE shop TO loader;";
    let schema = "CREATE SCHEMA memberstack_data; GRANT CONNECT, TEMPORARY ON DATABASE shop TO loader;";
    for (grants, hint) in [
        (String::new(), "GRANT CONNECT ON DATABASE <database> TO <role>"),
        (connect.to_owned(), "GRANT CREATE ON DATABASE <database> TO <role>"),
        (schema.to_owned(), "GRANT USAGE, CREATE ON SCHEMA <dataset> TO <role>"),
        (
            format!("{schema} GRANT USAGE ON SCHEMA memberstack_data TO loader"),
            "GRANT USAGE, CREATE ON SCHEMA <dataset> TO <role>",
        ),
        (
            format!("{connect} CREATE SCHEMA memberstack_data AUTHORIZATION loader"),
            "GRANT TEMPORARY ON DATABASE <database> TO <role>",
        ),
        (
            format!(
                "{schema} GRANT USAGE, CREATE ON SCHEMA memberstack_data TO loader; \
                 CREATE TABLE memberstack_data._dlt_loads (load_id text)"
            ),
            "GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA <dataset> TO <role>",
        ),
    ] {
        let Some(shop) = Shop::new() else { return };
        shop.grant(&grants);
        let ran = shop.load().failed(1);
        assert!(ran.stderr.contains(hint), "{grants}\n{ran}");
        assert_eq!(shop.api.requests().len(), 0, "{ran}");
    }
}

#[test]
fn rows_that_meet_no_others_need_no_temporary_tables() {
    let Some(shop) = Shop::new() else { return };
    shop.grant("GRANT CONNECT, CREATE ON DATABASE shop TO loader");
    shop.forebay(&shop.loader, "run").args(["-r", "appended", "-r", "replaced"]).ran().with_code(0);
    assert_eq!((shop.count("appended"), shop.count("replaced__lines")), ("2".to_owned(), "2".to_owned()));
}

#[test]
fn who_may_not_read_is_told_so() {
    let Some(shop) = Shop::new() else { return };
    let [loader, ..] = readme();
    shop.grant(loader).load().with_code(0);
    shop.grant("GRANT CONNECT ON DATABASE shop TO reader");
    let hint = "GRANT USAGE ON SCHEMA <dataset> TO <role>";
    for _ in 0..2 {
        for ran in
            [shop.query(&shop.reader, "SELECT * FROM merged"), shop.forebay(&shop.reader, "status").ran()]
        {
            assert!(ran.stderr.contains(hint), "{ran}");
            ran.with_code(1);
        }
        // The second time, what lacks is SELECT.
        shop.grant("GRANT USAGE ON SCHEMA memberstack_data TO reader");
    }
}
