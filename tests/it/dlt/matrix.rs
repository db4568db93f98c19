//! Every value of `tests/dlt/values.txt` in a column of every type.

use serde_json::{Value, json};

use super::documents::Case;

/// Columns by the value that they begin with.
const INFERRED: [(&str, &str); 5] = [
    ("text", r#""text""#),
    ("bigint", "1"),
    ("double", "1.5"),
    ("bool", "true"),
    ("timestamp", r#""2024-01-01T00:00:00Z""#),
];

/// Columns by what the config says of them.
const HINTED: [(&str, &str); 10] = [
    ("json", "{}"),
    ("decimal", "{}"),
    ("decimal", r#"{"precision":16,"scale":3}"#),
    ("wei", "{}"),
    ("date", "{}"),
    ("time", "{}"),
    ("binary", "{}"),
    ("timestamp", r#"{"timezone":false}"#),
    ("timestamp", r#"{"precision":3}"#),
    ("bigint", r#"{"precision":64}"#),
];

pub(super) fn cases() -> Vec<Case> {
    let values = include_str!("../../dlt/values.txt").lines().filter(|line| !line.starts_with('#'));
    let values: Vec<_> = values.collect();
    let rows: Vec<_> = values.iter().map(|value| format!(r#"{{"a":{value}}}"#)).collect();
    let fields: Vec<_> = values.iter().enumerate().map(|(at, value)| format!(r#""v{at}":{value}"#)).collect();
    let mut cases = vec![
        case("values".to_owned(), None, vec![format!("{{{}}}", fields.join(","))]),
        case("long_names".to_owned(), None, long_names()),
    ];
    for (data_type, first) in INFERRED {
        let rows = std::iter::once(format!(r#"{{"a":{first}}}"#)).chain(rows.iter().cloned());
        cases.push(case(format!("inferred_{data_type}"), None, rows.collect()));
    }
    for (at, (data_type, settings)) in HINTED.into_iter().enumerate() {
        let mut column: Value = serde_json::from_str(settings).unwrap();
        column["data_type"] = json!(data_type);
        let mut case = case(format!("hinted_{at}_{data_type}"), Some(column), rows.clone());
        // Elsewhere dlt hands numbers over as they are, for a column that takes JSON alone.
        case.engine = (data_type == "json").then(|| "duckdb".to_owned());
        cases.push(case);
    }
    cases
}

/// Names of columns beyond the 64 KiB that DuckDB takes, in one part and in several. dlt names files after tables.
fn long_names() -> Vec<String> {
    let (all, half, camel) = ("a".repeat(70_000), "b".repeat(40_000), "cD".repeat(30_000));
    vec![
        format!(r#"{{"{all}":1,"{all}a":2,"{half}":{{"{half}":3,"{half}b":{{"c":4}}}},"{camel}":5}}"#),
        format!(r#"{{"l":[{{"{half}":{{"{half}":6}}}}],"é{all}":"x"}}"#),
        format!(r#"{{"{all}":"x","{half}":{{"{half}":"y"}},"{}":7}}"#, "d".repeat(65_536)),
    ]
}

fn case(name: String, column: Option<Value>, rows: Vec<String>) -> Case {
    let settings = column.map(|column| ("columns".to_owned(), json!({ "a": column })));
    let write_disposition = json!("append");
    Case {
        name,
        write_disposition,
        engine: None,
        settings: settings.into_iter().collect(),
        runs: vec![vec![rows]],
    }
}
