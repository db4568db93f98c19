//! README.md and config/README.md are true: what they show loads, keys are all explained, defaults are the code's.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;
use toml::Table;

use super::*;
use crate::config::check::check;
use crate::config::overrides::to_json;
use crate::config::problem::Report;

const PAGES: [&str; 2] = ["README.md", "config/README.md"];

fn text_of(page: &str) -> String {
    fs::read_to_string(page).unwrap()
}

/// A folder with a config file, and with a key beside it, as examples have it.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        fs::copy("tests/fixtures/keys/rfc7515-a2.pem", folder.0.path().join("key.pem")).unwrap();
        folder
    }

    fn load(&self, config: &Table) -> Result<Plan, ConfigError> {
        let file: PathBuf = self.0.path().join("config.toml");
        fs::write(&file, toml::to_string(config).unwrap()).unwrap();
        load(&file, &Overrides::default(), &|_| Some("value of a variable".to_owned()))
    }
}

/// A whole config around part of one. Keys that stand for themselves are the client's or a resource's, and parents that
/// an example names without showing them are there.
fn whole(part: Table) -> Table {
    let mut config: Table =
        "pipeline.name = 'p'\nclient.base_url = 'https://api.example.com'".parse().unwrap();
    let mut resource: Table = "name = 'r'\nwrite_disposition = 'merge'\nprimary_key = 'id'".parse().unwrap();
    let mut resources = Vec::new();
    for (key, value) in part {
        match (key.as_str(), value) {
            ("pipeline" | "client", toml::Value::Table(keys)) => {
                config[key.as_str()].as_table_mut().unwrap().extend(keys);
            }
            ("resources", toml::Value::Array(shown)) => resources.extend(shown),
            // `[resources.endpoint]` goes on with a resource.
            ("resources", toml::Value::Table(keys)) => resource.extend(keys),
            ("auth" | "paginator", value) => {
                drop(config["client"].as_table_mut().unwrap().insert(key, value));
            }
            ("resource_defaults" | "schema", value) => drop(config.insert(key, value)),
            (_, value) => drop(resource.insert(key, value)),
        }
    }
    if resources.is_empty() {
        resources.push(toml::Value::Table(resource));
    }
    let written = toml::Value::Array(resources.clone()).to_string();
    let named = written.split("{resources.").skip(1).filter_map(|rest| rest.split_once('.'));
    let mut named: Vec<toml::Value> = named.map(|(name, _)| name.to_owned().into()).collect();
    named.retain(|name| !resources.iter().any(|resource| resource.get("name") == Some(name)));
    config.insert("resources".to_owned(), toml::Value::Array([resources, named].concat()));
    config
}

#[test]
fn every_example_loads() {
    let folder = Folder::new();
    for (page, at_least) in PAGES.into_iter().zip([2, 20]) {
        let text = text_of(page);
        let blocks = text.split("```toml\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
        // Lines that are several ways to write one key stand for themselves.
        let parts: Vec<&str> = blocks
            .flat_map(
                |block| if block.parse::<Table>().is_ok() { vec![block] } else { block.lines().collect() },
            )
            .collect();
        assert!(parts.len() >= at_least, "{page}");
        for part in parts {
            let table = part.parse().unwrap_or_else(|error| panic!("{page}: {error}"));
            let plan = folder.load(&whole(table));
            plan.unwrap_or_else(|error| panic!("{page}:\n{part}\n{}", error.report()));
        }
    }
}

/// All objects of the schema that have keys of their own.
fn tables_of<'a>(node: &'a Value, found: &mut Vec<&'a serde_json::Map<String, Value>>) {
    match node {
        Value::Array(elements) => elements.iter().for_each(|element| tables_of(element, found)),
        Value::Object(fields) => {
            found.extend(fields.get("properties").and_then(Value::as_object));
            fields.values().for_each(|field| tables_of(field, found));
        }
        _ => {}
    }
}

/// The code in a text, as it is between backticks; in tables, a bar is written with a backslash.
fn code_in(text: &str) -> Vec<String> {
    let paragraphs = text.split("```").step_by(2).flat_map(|prose| prose.split("\n\n"));
    paragraphs
        .flat_map(|paragraph| paragraph.split('`').skip(1).step_by(2))
        .map(|code| code.replace("\\|", "|").replace('\n', " "))
        .collect()
}

#[test]
fn what_is_shown_within_the_text_has_the_form_of_a_config() {
    let folder = Folder::new();
    let schema = json_schema();
    let mut tables = Vec::new();
    tables_of(&schema, &mut tables);
    let descriptions = schema.to_string();
    let mut shown: Vec<String> = PAGES.iter().flat_map(|page| code_in(&text_of(page))).collect();
    shown.extend(code_in(&descriptions.replace("\\\"", "\"").replace("\\n", " ")));
    shown.retain(|code| code.contains(" = ") && !code.contains('…'));
    let mut count = 0;
    for code in shown {
        let named = if code.starts_with('{') { format!("any = {code}") } else { code.clone() };
        let Ok(table) = named.parse::<Table>() else { panic!("`{code}` is no TOML") };
        for (key, value) in table {
            let places = tables.iter().flat_map(|table| table.iter());
            let mut places = places.filter(|(name, _)| key == "any" || **name == key);
            let fits = places.any(|(_, place)| {
                let mut place = place.clone();
                place["definitions"] = schema["definitions"].clone();
                let mut report = Report::default();
                check(&place, &mut to_json(value.clone()), &mut report);
                report.is_empty()
            });
            assert!(fits, "`{code}`: nothing of that form is in a config");
            let is_step = |value: &toml::Value| {
                ["filter", "map", "yield_map"].iter().any(|kind| value.get(kind).is_some())
            };
            if is_step(&value) {
                let steps = toml::Value::Array(vec![value]);
                let plan =
                    folder.load(&set(&with_resource(""), "resources.0", "processing_steps", steps).unwrap());
                plan.unwrap_or_else(|error| panic!("`{code}`: {}", error.report()));
            }
            count += 1;
        }
    }
    assert!(count > 50, "{count}");
}

#[test]
fn every_key_is_explained() {
    let schema = json_schema();
    let mut tables = Vec::new();
    tables_of(&schema, &mut tables);
    let pages = PAGES.map(text_of).concat();
    let words: BTreeSet<&str> =
        pages.split(|char: char| !char.is_ascii_alphanumeric() && char != '_').collect();
    let keys: BTreeSet<&String> = tables.iter().flat_map(|table| table.keys()).collect();
    let missing: Vec<&&String> = keys.iter().filter(|key| !words.contains(key.as_str())).collect();
    assert_eq!(missing, Vec::<&&String>::new());
}

/// What a run will do.
fn doing(plan: &Plan) -> String {
    // The plan tells these apart, and nothing after it does.
    format!("{plan:?}").replace("lag: Some(0.0)", "lag: None")
}

/// Resources that between them have every table that keys with defaults stand in, each with the place of that table.
const WITH_DEFAULTS: [(&str, &str); 7] = [
    ("", "resources.0"),
    ("", "resources.0.endpoint"),
    ("endpoint.incremental = { cursor_path = 'at' }", "resources.0.endpoint.incremental"),
    (
        "endpoint.auth = { type = 'oauth2_client_credentials', access_token_url = 'https://a.test', client_id = 'c', client_secret = 's' }",
        "resources.0.endpoint.auth",
    ),
    (
        "endpoint.auth = { type = 'jwt', client_id = 'c', private_key = '${file:key.pem}', auth_endpoint = 'https://a.test' }",
        "resources.0.endpoint.auth",
    ),
    (
        "endpoint.auth = { type = 'hmac', secret = 's', message = 'm', headers = { X-S = '{signature}' } }",
        "resources.0.endpoint.auth",
    ),
    ("endpoint.response_format = { type = 'csv' }", "resources.0.endpoint.response_format"),
];

/// A config with one resource, which has these lines. It leaves out what has a default.
fn with_resource(lines: &str) -> Table {
    let mut config = whole(lines.parse().unwrap());
    let resource = config["resources"][0].as_table_mut().unwrap();
    resource.remove("write_disposition");
    resource.remove("primary_key");
    config
}

/// Sets a key at a dotted place. Numbers are places in lists.
fn set(config: &Table, place: &str, key: &str, value: toml::Value) -> Option<Table> {
    let mut config = toml::Value::Table(config.clone());
    let keys: Vec<&str> = place.split('.').chain(key.split('.')).filter(|part| !part.is_empty()).collect();
    let (last, outer) = keys.split_last()?;
    let mut node = &mut config;
    for part in outer {
        node = match node {
            toml::Value::Array(elements) => elements.get_mut(part.parse::<usize>().ok()?)?,
            toml::Value::Table(fields) => {
                fields.entry(*part).or_insert_with(|| toml::Value::Table(Table::new()))
            }
            _ => return None,
        };
    }
    node.as_table_mut()?.insert((*last).to_owned(), value);
    config.as_table().cloned()
}

/// The rows of tables with a column of defaults: keys, and what stands in that column.
fn defaults_in(page: &str) -> Vec<(Vec<String>, String)> {
    let (mut column, mut rows) = (None, Vec::new());
    for line in page.lines() {
        let cells: Vec<&str> = line.split(" | ").map(|cell| cell.trim_matches(['|', ' '])).collect();
        if !line.starts_with('|') {
            column = None;
        } else if cells[0].starts_with("key") {
            column = cells.iter().position(|cell| *cell == "default");
        } else if let Some(default) = column.and_then(|column| cells.get(column)) {
            rows.push((code_in(cells[0]), (*default).to_owned()));
        }
    }
    rows
}

/// The value that a cell begins with: `"max"`; 3600; 16, with an explanation after it.
fn value_of(cell: &str) -> Option<toml::Value> {
    let cell = cell.split(';').next()?.trim();
    let text = cell.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')).unwrap_or(cell);
    format!("value = {text}").parse::<Table>().ok()?.remove("value")
}

#[test]
fn keys_have_the_defaults_that_are_told() {
    let folder = Folder::new();
    let mut count = 0;
    for (keys, cell) in defaults_in(&text_of("config/README.md")) {
        let ([key], Some(value)) = (keys.as_slice(), value_of(&cell)) else { continue };
        let is_default = WITH_DEFAULTS.iter().any(|(lines, place)| {
            let without = with_resource(lines);
            let place = if key.contains('.') { "" } else { place };
            let key = key.replace("endpoint.", "resources.0.endpoint.");
            let Some(with) = set(&without, place, &key, value.clone()) else { return false };
            let plans = (folder.load(&with), folder.load(&without));
            matches!(plans, (Ok(with), Ok(without)) if doing(&with) == doing(&without))
        });
        assert!(is_default, "`{key}` is not `{value}` by default");
        count += 1;
    }
    assert!(count >= 30, "{count}");
}

#[test]
fn paginators_have_the_defaults_that_are_told() {
    let folder = Folder::new();
    let page = text_of("config/README.md");
    let table = page.lines().skip_while(|line| !line.starts_with("| `type` | next page")).skip(2);
    let mut count = 0;
    for row in table.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.split(" | ").collect();
        let kind = code_in(cells[0]).remove(0);
        for setting in cells[2].split("`, `").flat_map(|setting| setting.split("), `")) {
            let Some((key, default)) = setting.split_once("` (") else { continue };
            let key = key.trim_matches(['`', ' ']);
            let default = default.split([')', ';']).next().unwrap().trim_matches('`');
            // What has no default, that of another key, or one that an answer may do without.
            if matches!(default, "required" | "base_page") || default.contains("` or") || key == "total_path"
            {
                continue;
            }
            let needed = match kind.as_str() {
                "offset" => ", limit = 5",
                "page_number" => ", page_size = 5",
                _ => "",
            };
            let without = with_resource(&format!("endpoint.paginator = {{ type = '{kind}'{needed} }}"));
            let value = value_of(default).unwrap_or_else(|| default.into());
            let with = set(&without, "resources.0.endpoint.paginator", key, value).unwrap();
            let plan =
                |config| folder.load(config).unwrap_or_else(|error| panic!("{key}: {}", error.report()));
            assert_eq!(doing(&plan(&with)), doing(&plan(&without)), "`{key}` of `{kind}`");
            count += 1;
        }
    }
    assert!(count >= 15, "{count}");
}
