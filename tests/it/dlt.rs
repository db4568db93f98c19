//! dlt as a witness: it goes on from what forebay wrote, forebay goes on from what dlt wrote, and of the same
//! documents both make the same tables.

mod documents;
mod scene;

use serde_json::{Value, json};

use crate::mock::{Mock, MockConfig};
use documents::Documents;
use scene::{Scene, python};

/// A config file that both read: dlt gets the part that it knows.
fn config(pipeline: &str, base_url: &str, resources: &Value) -> Value {
    json!({
        "pipeline": {
            "name": format!("{pipeline}_pipeline"),
            "dataset": format!("{pipeline}_data"),
            "source": pipeline,
            "destination": "duckdb:not-this-one.duckdb",
        },
        "client": {
            "base_url": base_url,
            "auth": { "type": "api_key", "name": "X-API-KEY", "api_key": "sk_sb_demo", "location": "header" },
            "rate_limits": [],
        },
        "resources": resources,
    })
}

fn members(write_disposition: &str) -> Value {
    json!({
        "name": "members",
        "primary_key": "id",
        "write_disposition": write_disposition,
        "endpoint": {
            "path": "members",
            "data_selector": "data",
            "params": { "limit": 100, "order": "ASC" },
            "paginator": {
                "type": "cursor",
                "cursor_path": "endCursor",
                "cursor_param": "after",
                "has_more_path": "hasNextPage",
            },
        },
    })
}

#[test]
fn the_same_documents_become_the_same_tables() {
    let Some(python) = python() else { return };
    let documents = Documents::serve();
    let scene = Scene::new(python, &config("documents", &documents.url(), &documents::resources()));
    for run in 0..documents::run_count() {
        documents.set_run(run);
        scene.script("load.py", "dlt-home", "dlt.duckdb", &[]);
        scene.forebay("forebay.duckdb");
    }
    scene.compare("documents_data", "dlt.duckdb", "forebay.duckdb");
}

#[test]
fn the_same_members_become_the_same_tables() {
    let Some(python) = python() else { return };
    let mock = Mock::start(MockConfig {
        late_field_from: Some(150),
        mixed_types: true,
        ..MockConfig::unlimited(250)
    });
    for write_disposition in ["append", "merge"] {
        let mut resource = members(write_disposition);
        resource["endpoint"]["params"]["includeJSON"] = json!("true");
        let tables = json!({
            "name": "data_tables",
            "write_disposition": write_disposition,
            "primary_key": "id",
            "endpoint": { "path": "v2/data-tables", "data_selector": "data.tables", "paginator": "single_page" },
        });
        let scene = Scene::new(python, &config("memberstack", &mock.url(), &json!([resource, tables])));
        for _run in ["new", "again"] {
            scene.script("load.py", "dlt-home", "dlt.duckdb", &[]);
            scene.forebay("forebay.duckdb");
        }
        scene.compare("memberstack_data", "dlt.duckdb", "forebay.duckdb");
    }
}

/// What `read_back.py` prints, with the checks that hold at any time.
fn read_back(scene: &Scene, home: &str, mock: &Mock) -> Value {
    let facts = scene.script("read_back.py", home, "shared.duckdb", &[]);
    assert_eq!(facts["first_run"], false, "{facts}");
    assert_eq!(facts["schemas"], json!(["memberstack"]));
    assert_eq!(facts["member_ids"], json!(mock.member_ids()), "every member once");
    assert_eq!(facts["row_counts"]["members"], json!(mock.member_ids().len()));
    for hash in ["schema_hash", "state_hash"] {
        assert_eq!(facts[hash][0], facts[hash][1], "{hash}");
    }
    assert_eq!(facts["orphans"], json!({}), "every child row hangs from a row");
    facts
}

/// The cursor that the state holds, which is the `createdAt` of the newest member.
fn last_value(facts: &Value) -> &Value {
    &facts["sources"]["memberstack"]["resources"]["members"]["incremental"]["createdAt"]["last_value"]
}

/// The `createdAt` that the last request asked from, of the `count` that came since the `seen` first ones.
fn asked_from(mock: &Mock, seen: usize, count: usize) -> Value {
    let requests = mock.requests();
    assert_eq!(requests.len() - seen, count, "{:?}", &requests[seen..]);
    requests.last().unwrap().param("createdAfter").into()
}

#[test]
fn dlt_and_forebay_take_turns_on_one_file() {
    let Some(python) = python() else { return };
    let mock = Mock::start(MockConfig {
        created_after_param: Some("createdAfter".to_owned()),
        late_field_from: Some(233),
        ..MockConfig::unlimited(230)
    });
    let mut resource = members("merge");
    resource["endpoint"]["incremental"] = json!({
        "cursor_path": "createdAt",
        "initial_value": "2000-01-01T00:00:00.000Z",
        "start_param": "createdAfter",
    });
    let scene = Scene::new(python, &config("memberstack", &mock.url(), &json!([resource])));
    let newest = || mock.members().last().unwrap()["createdAt"].clone();

    // forebay first; dlt, which has never run, takes schema and state from the file.
    scene.forebay("shared.duckdb");
    let facts = read_back(&scene, "first-home", &mock);
    assert_eq!(*last_value(&facts), newest());
    for (column, dtype) in [
        ("created_at", "datetime64[us, UTC]"),
        ("last_login", "datetime64[us, UTC]"),
        ("verified", "bool"),
        ("custom_fields__newsletter", "boolean"),
        ("custom_fields__seats", "Int64"),
    ] {
        assert_eq!(facts["dtypes"][column], dtype, "{column} of {}", facts["dtypes"]);
    }

    // dlt goes on from there, in an empty working directory, with a new column and a new child table.
    let (start, seen) = (newest(), mock.requests().len());
    (0..3).for_each(|_| mock.create_member());
    let added = r#"{"tier": "gold", "devices": [{"os": "linux"}, {"os": "plan9", "screens": [1, 2]}]}"#;
    let loaded = scene.script("load.py", "dlt-home", "shared.duckdb", &["--add", "members", added]);
    assert_eq!(asked_from(&mock, seen, 1), start);
    assert_eq!(loaded["rows"]["members"], 3, "forebay's hash of the boundary row keeps it out: {loaded}");
    let facts = read_back(&scene, "second-home", &mock);
    assert_eq!(facts["row_counts"]["members__devices__screens"], 6);

    // forebay goes on from dlt's state and schema, and adds a column.
    let (start, seen) = (newest(), mock.requests().len());
    (0..2).for_each(|_| mock.create_member());
    scene.forebay("shared.duckdb");
    assert_eq!(asked_from(&mock, seen, 1), start);
    let facts = read_back(&scene, "third-home", &mock);
    assert_eq!(*last_value(&facts), newest());
    assert!(facts["dtypes"].get("custom_fields__referral_code").is_some(), "{}", facts["dtypes"]);
    assert_eq!(facts["row_counts"]["members__devices"], 6);

    // dlt, in the working directory that it had before, adopts what forebay did meanwhile.
    let (start, seen) = (newest(), mock.requests().len());
    mock.create_member();
    let loaded = scene.script("load.py", "dlt-home", "shared.duckdb", &[]);
    assert_eq!(asked_from(&mock, seen, 1), start);
    assert_eq!(loaded["rows"]["members"], 1, "{loaded}");
    let before = read_back(&scene, "dlt-home", &mock);
    assert_eq!(before["row_counts"]["members__devices"], 6);

    // Nothing new: nothing is written.
    scene.forebay("shared.duckdb");
    assert_eq!(read_back(&scene, "dlt-home", &mock), before);
}

#[test]
fn dlts_command_line_reads_what_forebay_wrote() {
    let Some(python) = python() else { return };
    let mock = Mock::start(MockConfig::unlimited(5));
    let scene = Scene::new(python, &config("memberstack", &mock.url(), &json!([members("merge")])));
    scene.forebay("shared.duckdb");
    let dlt = |arguments: &[&str]| {
        scene.dlt("dlt-home", "shared.duckdb", &[&["pipeline", "memberstack_pipeline"], arguments].concat())
    };
    dlt(&["sync", "--destination", "duckdb", "--dataset-name", "memberstack_data"]);
    let info = dlt(&["info"]);
    assert!(info.contains("memberstack_data") && info.contains("members with 3 table(s)"), "{info}");
    let schema = dlt(&["schema", "--format", "yaml"]);
    assert!(
        schema.contains("name: memberstack\n") && schema.contains("members__plan_connections:"),
        "{schema}"
    );
}
