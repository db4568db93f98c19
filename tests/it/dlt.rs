//! dlt as a witness: it goes on from what forebay wrote, forebay goes on from what dlt wrote, and of the same
//! documents, and of the same config of a REST API, both make the same tables.

mod better;
mod documents;
mod generator;
mod incremental;
mod matrix;
mod random;
mod rest;
mod scene;
mod shrink;

use serde_json::{Value, json};

use crate::mock::{Mock, MockConfig};
use documents::Documents;
use scene::{Scene, Stage};

/// Makes of each function a test per engine: `<function>::on_duckdb`, and so on. One that is not listed is never called,
/// which the compiler tells.
macro_rules! on_each_engine {
    ($($check:ident),+ $(,)?) => {$(
        mod $check {
            #[test]
            fn on_duckdb() {
                super::Stage::on_duckdb().into_iter().for_each(super::$check);
            }

            #[test]
            fn on_postgres() {
                super::Stage::on_postgres().into_iter().for_each(super::$check);
            }
        }
    )+};
}

on_each_engine! {
    the_same_documents_become_the_same_tables,
    every_value_goes_the_same_way_in_columns_of_every_type,
    what_dlt_fails_on_is_kept,
    random_documents_become_the_same_tables,
    the_comparison_finds_nothing_in_two_loads_of_dlt,
    the_comparison_finds_what_differs,
    the_same_api_becomes_the_same_tables,
    what_is_new_is_asked_for_kept_and_remembered_alike,
    dlt_and_forebay_take_turns_on_one_database,
    forebay_goes_on_from_what_dlt_began_and_dlt_from_there,
    dlts_command_line_reads_what_forebay_wrote,
}

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

/// For a mock with `created_after_param`.
fn incremental_by_creation() -> Value {
    json!({
        "cursor_path": "createdAt",
        "initial_value": "2000-01-01T00:00:00.000Z",
        "start_param": "createdAfter",
    })
}

fn the_same_documents_become_the_same_tables(stage: Stage) {
    documents::compare(stage, &documents::by_hand(stage)).unwrap();
}

fn every_value_goes_the_same_way_in_columns_of_every_type(stage: Stage) {
    documents::compare(stage, &documents::of_engine(matrix::cases(), stage)).unwrap();
}

fn what_dlt_fails_on_is_kept(stage: Stage) {
    better::check(stage);
}

fn random_documents_become_the_same_tables(stage: Stage) {
    random::compare(stage, random::setting("FOREBAY_TEST_DOCUMENTS").unwrap_or(600));
}

fn what_is_new_is_asked_for_kept_and_remembered_alike(stage: Stage) {
    incremental::compare(stage);
}

fn the_comparison_finds_nothing_in_two_loads_of_dlt(stage: Stage) {
    let cases = documents::by_hand(stage);
    let documents = Documents::serve(&cases);
    let resources = documents::resources(&cases);
    let scene = Scene::of(stage, &config("documents", &documents.url(), &resources));
    for database in ["one", "other"] {
        scene.script("load.py", &format!("home-of-{database}"), database, &[]).unwrap();
    }
    scene.compare("documents_data", "one", "other").unwrap();
}

fn the_comparison_finds_what_differs(stage: Stage) {
    let cases = documents::by_hand(stage);
    let documents = Documents::serve(&cases);
    let resources = documents::resources(&cases);
    let scene = Scene::of(stage, &config("documents", &documents.url(), &resources));
    scene.forebay("before").unwrap();
    scene.copy("before", "after");
    scene.compare("documents_data", "before", "after").unwrap();
    documents.set_run(1);
    scene.forebay("after").unwrap();
    let found = scene.compare("documents_data", "before", "after").unwrap_err().0;
    let bigint = if stage.engine() == "duckdb" { "BIGINT" } else { "bigint" };
    for difference in [
        format!("late_columns.f: only forebay: '{bigint}'").as_str(),
        r#"merge_plain: only dlt: {"_dlt_load_id": "load 1", "a": "y", "id": "2"}"#,
        "schema.tables.late_columns.columns.g__h: only forebay:",
        "schema.tables.merge_children__k: only forebay:",
    ] {
        assert!(found.contains(difference), "`{difference}` is not in:\n{found}");
    }
}

/// Everything that the mock has, as the config for Memberstack loads it: lists, one request per row of a parent, and
/// rows that are asked for with a body.
///
/// The parents have to fit one page: dlt asks for the children of several pages in turns, so that its columns and
/// variants come in another order than that of the parents.
fn whole_api() -> Value {
    let mut members = members("merge");
    members["endpoint"]["params"]["includeJSON"] = json!("true");
    let resource = |name: &str, endpoint: Value| json!({ "name": name, "primary_key": "id", "write_disposition": "merge", "endpoint": endpoint });
    let member = resource(
        "member",
        json!({ "path": "members/{resources.members.id}", "data_selector": "data", "paginator": "single_page" }),
    );
    let tables = resource(
        "data_tables",
        json!({ "path": "v2/data-tables", "data_selector": "data.tables", "paginator": "single_page" }),
    );
    let mut records = resource(
        "data_table_records",
        json!({
            "path": "v2/data-tables/{resources.data_tables.key}/records/query",
            "method": "POST",
            "data_selector": "data.records",
            "json": { "query": { "findMany": { "take": 30, "orderBy": { "internalOrder": "asc" } } } },
            "paginator": {
                "type": "cursor",
                "cursor_path": "data.pagination.endCursor",
                "cursor_body_path": "query.findMany.after",
                "has_more_path": "data.pagination.hasMore",
            },
        }),
    );
    records["include_from_parent"] = json!(["key"]);
    json!([members, member, tables, records])
}

fn the_same_api_becomes_the_same_tables(stage: Stage) {
    let mock = Mock::start(MockConfig {
        late_field_from: Some(60),
        mixed_types: true,
        created_after_param: Some("createdAfter".to_owned()),
        ..MockConfig::unlimited(90)
    });
    let mut incremental = members("append");
    incremental["endpoint"]["params"]["limit"] = json!(40);
    incremental["endpoint"]["incremental"] = incremental_by_creation();
    for resources in [whole_api(), json!([incremental])] {
        let scene = Scene::of(stage, &config("memberstack", &mock.url(), &resources));
        for _run in ["first", "second"] {
            scene.script("load.py", "dlt-home", "dlt", &[]).unwrap();
            scene.forebay("forebay").unwrap();
            mock.create_member();
        }
        scene.compare("memberstack_data", "dlt", "forebay").unwrap();
    }
}

/// What `read_back.py` prints, with the checks that hold at any time.
fn read_back(scene: &Scene, home: &str, mock: &Mock) -> Value {
    let facts = scene.script("read_back.py", home, "shared", &[]).unwrap();
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

fn dlt_and_forebay_take_turns_on_one_database(stage: Stage) {
    let mock = Mock::start(MockConfig {
        created_after_param: Some("createdAfter".to_owned()),
        late_field_from: Some(233),
        ..MockConfig::unlimited(230)
    });
    let mut resource = members("merge");
    resource["endpoint"]["incremental"] = incremental_by_creation();
    let scene = Scene::of(stage, &config("memberstack", &mock.url(), &json!([resource])));
    let newest = || mock.members().last().unwrap()["createdAt"].clone();

    // forebay first; dlt, which has never run, takes schema and state from the database.
    scene.forebay("shared").unwrap();
    let facts = read_back(&scene, "first-home", &mock);
    assert_eq!(*last_value(&facts), newest());
    // From a server, values come to pandas one by one, and with nulls among them the type of a column is lost.
    let (boolean, integer) = match stage.engine() {
        "duckdb" => ("boolean", "Int64"),
        _ => ("object", "float64"),
    };
    for (column, dtype) in [
        ("created_at", "datetime64[us, UTC]"),
        ("last_login", "datetime64[us, UTC]"),
        ("verified", "bool"),
        ("custom_fields__newsletter", boolean),
        ("custom_fields__seats", integer),
    ] {
        assert_eq!(facts["dtypes"][column], dtype, "{column} of {}", facts["dtypes"]);
    }

    // dlt goes on from there, in an empty working directory, with a new column and a new child table.
    let (start, seen) = (newest(), mock.requests().len());
    (0..3).for_each(|_| mock.create_member());
    let added =
        r#"{"tier": "gold", "score": 1, "devices": [{"os": "linux"}, {"os": "plan9", "screens": [1, 2]}]}"#;
    let loaded = scene.script("load.py", "dlt-home", "shared", &["--add", "members", added]).unwrap();
    assert_eq!(asked_from(&mock, seen, 1), start);
    assert_eq!(loaded["rows"]["members"], 3, "forebay's hash of the boundary row keeps it out: {loaded}");
    let facts = read_back(&scene, "second-home", &mock);
    assert_eq!(facts["row_counts"]["members__devices__screens"], 6);

    // forebay goes on from dlt's state and schema, and adds a column.
    let (start, seen) = (newest(), mock.requests().len());
    (0..2).for_each(|_| mock.create_member());
    scene.forebay("shared").unwrap();
    assert_eq!(asked_from(&mock, seen, 1), start);
    let facts = read_back(&scene, "third-home", &mock);
    assert_eq!(*last_value(&facts), newest());
    assert!(facts["dtypes"].get("custom_fields__referral_code").is_some(), "{}", facts["dtypes"]);
    assert_eq!(facts["row_counts"]["members__devices"], 6);

    // dlt, in the working directory that it had before, adopts what forebay did meanwhile.
    let (start, seen) = (newest(), mock.requests().len());
    mock.create_member();
    // A variant comes in on the way.
    let added = ["--add", "members", r#"{"score": "high"}"#];
    let loaded = scene.script("load.py", "dlt-home", "shared", &added).unwrap();
    assert_eq!(asked_from(&mock, seen, 1), start);
    assert_eq!(loaded["rows"]["members"], 1, "{loaded}");
    let before = read_back(&scene, "dlt-home", &mock);
    assert_eq!(before["row_counts"]["members__devices"], 6);
    assert_eq!(before["dtypes"]["score__v_text"], "str", "{}", before["dtypes"]);

    // Nothing new: nothing is written.
    scene.forebay("shared").unwrap();
    assert_eq!(read_back(&scene, "dlt-home", &mock), before);

    // forebay goes on with dlt's variant in the schema, and a dlt that starts anew finds all of it.
    mock.create_member();
    scene.forebay("shared").unwrap();
    let facts = read_back(&scene, "fourth-home", &mock);
    assert_eq!(*last_value(&facts), newest());
    assert_eq!(facts["dtypes"], before["dtypes"]);
}

fn forebay_goes_on_from_what_dlt_began_and_dlt_from_there(stage: Stage) {
    let mock = Mock::start(MockConfig {
        created_after_param: Some("createdAfter".to_owned()),
        late_field_from: Some(43),
        ..MockConfig::unlimited(40)
    });
    let mut resource = members("merge");
    resource["endpoint"]["incremental"] = incremental_by_creation();
    let scene = Scene::of(stage, &config("memberstack", &mock.url(), &json!([resource])));
    let newest = || mock.members().last().unwrap()["createdAt"].clone();

    let added = ["--add", "members", r#"{"score": 1, "devices": [{"os": "linux"}]}"#];
    scene.script("load.py", "dlt-home", "shared", &added).unwrap();

    // A new column comes in by forebay, a variant and a column of a child table by dlt.
    let (start, seen) = (newest(), mock.requests().len());
    (0..4).for_each(|_| mock.create_member());
    scene.forebay("shared").unwrap();
    assert_eq!(asked_from(&mock, seen, 1), start);
    let facts = read_back(&scene, "first-home", &mock);
    assert_eq!(*last_value(&facts), newest());
    assert!(facts["dtypes"].get("custom_fields__referral_code").is_some(), "{}", facts["dtypes"]);

    let (start, seen) = (newest(), mock.requests().len());
    mock.create_member();
    let added = ["--add", "members", r#"{"score": "high", "devices": [{"screens": [1, 2]}]}"#];
    let loaded = scene.script("load.py", "dlt-home", "shared", &added).unwrap();
    assert_eq!(asked_from(&mock, seen, 1), start);
    assert_eq!(loaded["rows"]["members"], 1, "{loaded}");
    let facts = read_back(&scene, "second-home", &mock);
    assert_eq!(facts["row_counts"]["members__devices"], 41);
    assert_eq!(facts["row_counts"]["members__devices__screens"], 2);
    assert_eq!(facts["dtypes"]["score__v_text"], "str", "{}", facts["dtypes"]);
}

fn dlts_command_line_reads_what_forebay_wrote(stage: Stage) {
    let mock = Mock::start(MockConfig::unlimited(5));
    let scene = Scene::of(stage, &config("memberstack", &mock.url(), &json!([members("merge")])));
    scene.forebay("shared").unwrap();
    let dlt = |arguments: &[&str]| {
        scene.dlt("dlt-home", "shared", &[&["pipeline", "memberstack_pipeline"], arguments].concat()).unwrap()
    };
    dlt(&["sync", "--destination", stage.engine(), "--dataset-name", "memberstack_data"]);
    let info = dlt(&["info"]);
    assert!(info.contains("memberstack_data") && info.contains("members with 3 table(s)"), "{info}");
    let schema = dlt(&["schema", "--format", "yaml"]);
    // dlt's line about what follows comes first, and an empty one last.
    let document = schema.find("version: ").map(|start| &schema[start..]);
    assert_eq!(document, Some(format!("{}\n", scene.schema("shared", "yaml")).as_str()));
}
