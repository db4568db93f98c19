//! The config stage as a whole: shipped configs, invalid files, secrets.

mod hints;
mod reference;

use std::fs;
use std::path::Path;

use super::*;
use crate::paginate::{PaginatorKind, Target};
use crate::schema::WriteDisposition;

/// Gives every variable a value.
fn any(_: &str) -> Option<String> {
    Some("value".to_owned())
}

/// Gives only those that the shipped configs cannot do without.
fn keys_only(name: &str) -> Option<String> {
    matches!(name, "MEMBERSTACK_SECRET_KEY" | "MEMBERPASS_TOKEN").then(|| "key".to_owned())
}

fn nothing(_: &str) -> Option<String> {
    None
}

fn load_text(
    text: &str,
    overrides: &Overrides,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Plan, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    fs::write(&file, text).unwrap();
    load(&file, overrides, environment)
}

fn plan(text: &str) -> Plan {
    load_text(text, &Overrides::default(), &any).unwrap_or_else(|error| panic!("{}", error.report()))
}

const HEAD: &str = "
[pipeline]
name = 'p'
[client]
base_url = 'https://api.example.com/v1'
paginator = 'single_page'
";

#[test]
fn every_shipped_config_loads() {
    let mut count = 0;
    for entry in fs::read_dir("config").unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_some_and(|extension| extension == "toml") {
            let text = fs::read_to_string(&file).unwrap();
            assert!(text.starts_with("#:schema ./forebay.schema.json\n"), "{}", file.display());
            let plan = load(&file, &Overrides::default(), &keys_only);
            plan.unwrap_or_else(|error| panic!("{}", error.report()));
            count += 1;
        }
    }
    assert!(count >= 2);
}

#[test]
fn memberstack_reads_members_and_never_writes() {
    let plan = load(Path::new("config/memberstack.toml"), &Overrides::default(), &keys_only).unwrap();
    let selected: Vec<_> = plan.resources.iter().filter(|resource| resource.selected).collect();
    assert_eq!(
        selected.iter().map(|resource| resource.name.as_str()).collect::<Vec<_>>(),
        ["members", "data_tables"]
    );
    assert!(selected.iter().all(|resource| resource.endpoint.method == Method::Get));
    assert_eq!(plan.client.base_url.as_str(), "https://admin.memberstack.com/");
    let records = plan.resources.iter().find(|resource| resource.name == "data_table_records").unwrap();
    assert_eq!(records.parent.as_deref(), Some("data_tables"));
    let PaginatorKind::Cursor { target, .. } = &records.endpoint.paginator.kind else { panic!("no cursor") };
    assert_eq!(*target, Target::Body(["query", "findMany", "after"].map(str::to_owned).to_vec()));
    let body = serde_json::json!({"query": {"findMany": {"take": 100, "orderBy": {"internalOrder": "asc"}}}});
    assert_eq!(records.endpoint.json.as_ref(), Some(&body));
}

#[test]
fn invalid_files_are_reported_whole() {
    let folder = Path::new("tests/fixtures/config/invalid");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let report = load(&file, &Overrides::default(), &nothing).unwrap_err().report();
        assert!(!report.contains("SECRET"), "{report}");
        insta::with_settings!({
            snapshot_path => "../../tests/fixtures/config/invalid",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!(name, report);
        });
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = load(Path::new("no/such.toml"), &Overrides::default(), &nothing).unwrap_err();
    assert_eq!(error.to_string(), "cannot read config file `no/such.toml`");
    assert!(error.report().contains("caused by: No such file"));
}

#[test]
fn a_folder_and_bytes_that_are_no_text_are_told_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let report = load(dir.path(), &Overrides::default(), &nothing).unwrap_err().report();
    assert!(report.ends_with("hint: name the config file in it"), "{report}");
    let file = dir.path().join("binary.toml");
    fs::write(&file, b"a = \"\xff\"").unwrap();
    let report = load(&file, &Overrides::default(), &nothing).unwrap_err().report();
    assert!(report.ends_with("hint: a config file is text in UTF-8"), "{report}");
}

#[test]
fn what_is_not_given_has_its_default() {
    let plan = plan(&format!("{HEAD}[[resources]]\nname = 'members'"));
    let folder = plan.work_dir.parent().unwrap();
    assert!(folder.is_absolute());
    assert_eq!((plan.dataset.as_str(), plan.source.as_str()), ("p_dataset", "p"));
    assert_eq!(
        plan.destination,
        DestinationPlan::DuckDb { path: folder.join("p.duckdb"), label: "duckdb:p.duckdb".to_owned() }
    );
    assert!(plan.work_dir.ends_with(".forebay"));
    assert_eq!(plan.client.base_url.as_str(), "https://api.example.com/v1");
    assert_eq!(plan.client.rate_limits.len(), 1);
    assert_eq!(plan.client.rate_limits[0].requests.get(), 25);
    assert_eq!(plan.client.retry.max_attempts, 5);
    assert_eq!(plan.client.max_body_bytes, 64 << 20);
    let [members] = plan.resources.as_slice() else { panic!("not one resource") };
    assert_eq!((members.table.as_str(), members.endpoint.path.as_str()), ("members", "members"));
    assert_eq!(members.hints.write_disposition(), WriteDisposition::Append);
    assert!(members.selected && members.parent.is_none() && members.incremental.is_none());
}

#[test]
fn a_resource_may_be_just_its_name() {
    let text = format!("resources = ['posts', {{ name = 'users', endpoint = 'people' }}]\n{HEAD}");
    let set = vec!["resources.posts.selected=false".to_owned()];
    let plan = load_text(&text, &Overrides { set, ..Overrides::default() }, &any).unwrap();
    let resources = plan.resources.iter().map(|resource| (resource.name.as_str(), resource.selected));
    assert_eq!(resources.collect::<Vec<_>>(), [("posts", false), ("users", true)]);
}

#[test]
fn defaults_are_merged_as_dlt_merges_them() {
    let plan = plan(&format!(
        "{HEAD}
        [resource_defaults]
        primary_key = ['a', 'b']
        table_name = 'all'
        [resource_defaults.endpoint]
        method = 'POST'
        params = {{ limit = 100, flag = true, list = [1, 'x'] }}
        json = {{ a = {{ b = 1 }}, c = 2 }}
        headers = {{ X = '1', Y = '2' }}
        [[resources]]
        name = 'm'
        primary_key = 'id'
        [resources.endpoint]
        params = {{ limit = 50, more = 1.0 }}
        json = {{ a = {{ d = 1 }} }}
        headers = {{ X = '3' }}
        [[resources]]
        name = 'n'
        endpoint = 'path/of/n'"
    ));
    let [m, n] = plan.resources.as_slice() else { panic!("not two resources") };
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let expected = [("limit", "50"), ("flag", "true"), ("list", "1"), ("list", "x"), ("more", "1.0")];
    assert_eq!(m.endpoint.params, pairs(&expected));
    assert_eq!(m.endpoint.json, Some(serde_json::json!({"a": {"d": 1}, "c": 2})));
    assert_eq!(m.endpoint.headers, [("X".to_owned(), Secret::new("3"))]);
    assert_eq!((m.table.as_str(), &m.hints.primary_key), ("all", &vec!["id".to_owned()]));
    assert_eq!((n.endpoint.path.as_str(), n.endpoint.method), ("path/of/n", Method::Post));
    assert_eq!(n.hints.primary_key, ["a", "b"]);
    assert_eq!(n.endpoint.headers.len(), 2);
}

#[test]
fn parents_come_first_and_the_rest_keeps_its_order() {
    let plan = plan(&format!(
        "{HEAD}
        [[resources]]
        name = 'z'
        [[resources]]
        name = 'c'
        endpoint = {{ path = 'x', params = {{ y = '{{resources.b.id}}' }} }}
        [[resources]]
        name = 'a'
        [[resources]]
        name = 'b'
        endpoint = 'a/{{resources.a.id}}'"
    ));
    let order: Vec<_> =
        plan.resources.iter().map(|resource| (resource.name.as_str(), resource.parent.as_deref())).collect();
    assert_eq!(order, [("z", None), ("a", None), ("b", Some("a")), ("c", Some("b"))]);
    // A placeholder in the last segment asks for one thing.
    assert_eq!(plan.resources[2].endpoint.data_selector, "$".parse().ok());
    assert_eq!(plan.resources[3].endpoint.data_selector, None);
}

#[test]
fn auth_without_a_type_is_bearer() {
    let text = HEAD.replace("paginator", "auth = { token = '${T}' }\npaginator");
    let plan = plan(&format!("{text}[[resources]]\nname = 'm'"));
    let Some(Auth::Bearer { token }) = plan.client.auth else { panic!("not bearer") };
    assert_eq!(token.expose(), "value");
}

#[test]
fn the_command_line_wins() {
    let overrides = Overrides {
        set: vec![
            "resources.m.endpoint.params.limit=5".to_owned(),
            "client.base_url=http://${H}:1".to_owned(),
        ],
        destination: Some("duckdb:/tmp/other.duckdb".to_owned()),
        dataset: Some("other".to_owned()),
        work_dir: Some("work".into()),
    };
    let plan = load_text(&format!("{HEAD}[[resources]]\nname = 'm'"), &overrides, &any).unwrap();
    assert_eq!(plan.resources[0].endpoint.params, [("limit".to_owned(), "5".to_owned())]);
    assert_eq!(plan.client.base_url.as_str(), "http://value:1/");
    assert_eq!(plan.dataset, "other");
    assert!(plan.work_dir.is_absolute() && plan.work_dir.ends_with("work"));
    let label = "duckdb:/tmp/other.duckdb".to_owned();
    assert_eq!(plan.destination, DestinationPlan::DuckDb { path: "/tmp/other.duckdb".into(), label });
}

/// What secrets look like in these tests; braces are added, to look like placeholders.
const MARKER: &str = "s3cr3t";

fn marked(_: &str) -> Option<String> {
    Some(format!("{MARKER}{{x}}"))
}

#[test]
fn the_password_of_a_destination_is_not_shown() {
    for url in ["postgres://me:${K}@host/db", "postgres://me@host/db?password=${K}"] {
        let overrides = Overrides { set: vec![format!("pipeline.destination={url}")], ..Default::default() };
        let text = format!("{HEAD}[[resources]]\nname = 'm'");
        let plan = load_text(&text, &overrides, &|_| Some(MARKER.to_owned())).unwrap();
        assert_eq!(plan.destination.to_string(), "postgres://me@host/db");
        assert!(!format!("{plan:?}").contains(MARKER));
        let DestinationPlan::Postgres(plan) = plan.destination else { panic!("not Postgres") };
        assert_eq!(plan.password, Some(Secret::new(MARKER)));
    }
}

#[test]
fn secrets_are_not_in_the_debug_output_of_a_plan() {
    let text = format!(
        "[pipeline]
        name = 'p'
        [client]
        base_url = 'https://api.example.com/bot${{K}}/'
        headers = {{ X-Key = '${{K}}' }}
        auth = {{ token = '${{K}}' }}
        paginator = 'single_page'
        [[resources]]
        name = 'm'
        [resources.endpoint]
        path = 'x/${{K}}'
        method = 'POST'
        params = {{ key = '${{K}}', other = '{MARKER}' }}
        json = {{ key = '${{K}}' }}
        headers = {{ X-Key = '{MARKER}' }}
        auth = {{ type = 'api_key', api_key = '{MARKER}' }}"
    );
    let plan = load_text(&text, &Overrides::default(), &marked).unwrap();
    assert!(!format!("{plan:?}").contains(MARKER));
    let headers = &plan.client.headers;
    assert_eq!(headers[0].1.expose(), "s3cr3t{x}");
    assert_eq!(plan.resources[0].endpoint.params[0].1, "s3cr3t{{x}}");
}

#[test]
fn secrets_are_not_in_problems() {
    // Each text of the invalid files, replaced by a variable that holds the marker, one file at a time.
    for entry in fs::read_dir("tests/fixtures/config/invalid").unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let Ok(table) = fs::read_to_string(&file).unwrap().parse::<toml::Table>() else { continue };
        let mut value = toml::Value::Table(table);
        replace_texts(&mut value);
        let text = toml::to_string(&value).unwrap();
        let overrides =
            Overrides { set: vec![format!("client.auth.api_key={MARKER}")], ..Default::default() };
        let error = load_text(&text, &overrides, &marked).unwrap_err();
        assert!(
            !error.report().contains(MARKER) && !format!("{error:?}").contains(MARKER),
            "{}",
            error.report()
        );
    }
}

fn replace_texts(value: &mut toml::Value) {
    match value {
        toml::Value::String(text) => *text = "${K}{resources.${K}.id}".to_owned(),
        toml::Value::Array(elements) => elements.iter_mut().for_each(replace_texts),
        toml::Value::Table(fields) => fields.iter_mut().for_each(|(_, field)| replace_texts(field)),
        _ => {}
    }
}

#[test]
fn lines_of_the_dotenv_file_are_not_in_problems() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    fs::write(&file, format!("{HEAD}[[resources]]\nname = 'm'")).unwrap();
    fs::write(dir.path().join(".env"), format!("KEY={MARKER} {MARKER}\n")).unwrap();
    let report = load(&file, &Overrides::default(), &nothing).unwrap_err().report();
    assert!(report.contains(".env: entry 1 is not readable") && !report.contains(MARKER), "{report}");
}

#[test]
fn the_generated_schema_for_editors_is_current() {
    let file = "config/forebay.schema.json";
    let current = format!("{}\n", serde_json::to_string_pretty(&json_schema()).unwrap());
    if std::env::var_os("FOREBAY_WRITE_GENERATED").is_some() {
        fs::write(file, &current).unwrap();
    }
    assert!(
        fs::read_to_string(file).is_ok_and(|written| written == current),
        "{file} is stale; `make generate` writes it anew"
    );
}
