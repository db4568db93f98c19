//! Rows through a whole processor, and its fields against the same done on decoded values.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::jq::Filter;

const PARENT: fn() -> Map<String, Value> = Map::new;

fn paths(texts: &[&str]) -> Vec<FieldPath> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn steps(steps: &[(StepKind, &str)]) -> ProcessPlan {
    let step = |(index, (kind, text)): (usize, &(StepKind, &str))| Step {
        number: index + 1,
        kind: *kind,
        filter: Filter::parse(text).unwrap(),
    };
    ProcessPlan { steps: steps.iter().enumerate().map(step).collect(), ..ProcessPlan::default() }
}

fn processed(
    plan: ProcessPlan,
    body: &str,
    from_parent: &Map<String, Value>,
) -> Result<String, ProcessError> {
    let document = Bytes::from(body.to_owned());
    let selected: &RawValue = serde_json::from_slice(&document).unwrap();
    let rows = Processor::new(plan).rows(&document, selected, from_parent)?;
    Ok(String::from_utf8(rows.to_vec()).unwrap())
}

fn rows(plan: ProcessPlan, body: &str) -> String {
    processed(plan, body, &PARENT()).unwrap()
}

#[test]
fn without_a_plan_the_bytes_are_those_that_came() {
    let document = Bytes::from(r#"{"data": [ {"a" : 1.0} ]}"#);
    let page = page::Page::parse(&document).unwrap();
    let selected = page.get(&"data".parse().unwrap()).unwrap();
    let kept = Processor::default().rows(&document, selected, &PARENT()).unwrap();
    assert_eq!(kept.as_ptr(), selected.get().as_ptr());
    assert_eq!(kept, r#"[ {"a" : 1.0} ]"#);
}

#[test]
fn steps_go_one_after_the_other() {
    use StepKind::{Filter, Map, YieldMap};
    let body = r#"[{"id": 1, "tags": ["a", "b"]}, {"id": 2 , "n": 1.10, "tags": []}, {"id": 3}]"#;
    for (list, expected) in [
        // A filtered row stays as it came.
        (vec![(Filter, ".id == 2")], r#"[{"id": 2 , "n": 1.10, "tags": []}]"#),
        (vec![(Filter, "empty")], "[]"),
        (vec![(Filter, ".id, null"), (Filter, "null, .id")], "[]"),
        (vec![(Map, "{id}")], r#"[{"id":1},{"id":2},{"id":3}]"#),
        (
            vec![(Filter, ".id > 1"), (Map, ".id += 1"), (Filter, ".id < 4")],
            r#"[{"id":3,"n":1.10,"tags":[]}]"#,
        ),
        (vec![(Map, ".id += 1"), (Filter, ".id > 2"), (Map, ".id")], "[3,4]"),
        (vec![(YieldMap, ".tags[]?")], r#"["a","b"]"#),
        // A list counts as its elements, and null as nothing.
        (vec![(YieldMap, ".tags")], r#"["a","b"]"#),
        (vec![(YieldMap, "{id}, [{id}, [1]]"), (Filter, "type == \"array\"")], "[[1],[1],[1]]"),
        (vec![(YieldMap, "null, .id")], "[1,2,3]"),
        // `map` makes one of each, whatever it is: as in dlt.
        (vec![(Map, "[.id]"), (Filter, ".[0] > 2")], "[[3]]"),
        (vec![(Map, "null")], "[null,null,null]"),
    ] {
        assert_eq!(rows(steps(&list), body), expected, "{list:?}");
    }
    assert_eq!(rows(steps(&[(Map, ".")]), r#"{"a": 1}"#), r#"[{"a":1}]"#);
    assert_eq!(rows(steps(&[(Map, ".")]), "null"), "[]");
}

#[test]
fn failures_tell_the_row_and_the_step_and_nothing_else() {
    use StepKind::{Filter, Map, YieldMap};
    let body = r#"[{"id": 1}, {"id": "hunter2"}]"#;
    for (kind, text, message, cause) in [
        (Map, ".id + 1", "row 2: `map` of processing step 2 fails", "cannot calculate a text + a number"),
        (Map, ".id | select(. == 1)", "row 2: `map` of processing step 2 gives 0 rows", ""),
        (Map, ".id, .id", "row 1: `map` of processing step 2 gives 2 rows", ""),
        (Filter, ".id.x?, error(.)", "row 1: `filter` of processing step 2 fails", "ends in an error"),
        (YieldMap, ".id | tonumber", "row 2: `yield_map` of processing step 2 fails", "cannot parse a text"),
        (
            Map,
            "{a: (.id | tostring | tobytes)}",
            "row 1 cannot go through the processing steps",
            "the value cannot be written as JSON",
        ),
    ] {
        let error = processed(steps(&[(Filter, "true"), (kind, text)]), body, &PARENT()).unwrap_err();
        assert_eq!(error.to_string(), message, "{text}");
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        assert_eq!(source, cause, "{text}");
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}

#[test]
fn who_gives_too_much_work_is_told_so() {
    use StepKind::{Map, YieldMap};
    for (kind, text, expected) in [
        (Map, "def f: f; f", "has no end"),
        (YieldMap, "range(1e9)", "has no end"),
        (Map, ".id + {}", "for every row"),
    ] {
        let error = processed(steps(&[(kind, text)]), r#"[{"id": 1}]"#, &PARENT()).unwrap_err();
        assert!(error.hint().contains(expected), "{text}: {}", error.hint());
    }
}

#[test]
fn fields_of_the_parent_come_first() {
    let from_parent = Map::from_iter([("_m_id".to_owned(), json!(7))]);
    let plan = steps(&[(StepKind::Filter, "._m_id == 7"), (StepKind::Map, ".a += ._m_id")]);
    let kept = processed(plan, r#"[{"a": 1}, {}, { }]"#, &from_parent).unwrap();
    assert_eq!(kept, r#"[{"a":8,"_m_id":7},{"_m_id":7,"a":7},{"_m_id":7,"a":7}]"#);
    let plan = ProcessPlan { exclude: paths(&["x"]), ..ProcessPlan::default() };
    assert_eq!(processed(plan, r#"[{"a": 1}, 3]"#, &from_parent).unwrap(), r#"[{"a": 1,"_m_id":7},3]"#);
}

#[test]
fn fields_are_left_out_and_renamed_where_they_are() {
    let body = r#"[{"id": 1 , "n": 1.10, "auth": {"email": "a", "x": [1]}, "tags": [{"id": 1, "k": 2}, [{"k": 3}], 4]}]"#;
    for (include, exclude, rename, expected) in [
        (vec!["id", "n"], vec![], vec![], r#"[{"id":1,"n":1.10}]"#),
        (
            vec!["auth.email", "tags.k"],
            vec![],
            vec![],
            r#"[{"auth":{"email":"a"},"tags":[{"k":2},[{"k": 3}]]}]"#,
        ),
        (vec!["auth", "id"], vec!["auth.x"], vec![], r#"[{"id":1,"auth":{"email":"a"}}]"#),
        (vec!["id.x", "nothing"], vec![], vec![], "[{}]"),
        (vec![], vec!["auth", "tags", "n"], vec![("id", "ID")], r#"[{"ID":1}]"#),
        (
            vec!["auth"],
            vec!["auth.x"],
            vec![("auth.email", "mail"), ("auth", "login")],
            r#"[{"login":{"mail":"a"}}]"#,
        ),
        (vec!["id", "n"], vec![], vec![("id", "n"), ("n", "id")], r#"[{"n":1,"id":1.10}]"#),
    ] {
        let rename = rename.iter().map(|(from, to)| (from.parse().unwrap(), (*to).to_owned())).collect();
        let (include, exclude) = (paths(&include), paths(&exclude));
        let plan = ProcessPlan { include, exclude, rename, ..ProcessPlan::default() };
        assert_eq!(rows(plan.clone(), body), expected, "{plan:?}");
    }
    let untouched = ProcessPlan { exclude: paths(&["auth.y", "tags.z.z"]), ..ProcessPlan::default() };
    assert_eq!(rows(untouched, body), body);
    let clash =
        ProcessPlan { rename: vec![("id".parse().unwrap(), "n".to_owned())], ..ProcessPlan::default() };
    let error = processed(clash, body, &PARENT()).unwrap_err().to_string();
    assert_eq!(error, "row 1: a field is renamed to `n`, and there is one of that name");
}

#[test]
fn protected_values_are_gone_wherever_they_stand() {
    let body = r#"[{"a": "hunter2", "a": "hunter2", "b": {"c": ["hunter2", null, ["hunter2"]], "d": {"e": "hunter2"}}}]"#;
    for protection in [Protection::Hash, Protection::Mask(2), Protection::Drop] {
        let protect = paths(&["a", "b.c", "b.d"]).into_iter().map(|path| (path, protection)).collect();
        let rename = vec![("a".parse().unwrap(), "x".to_owned())];
        let plan =
            ProcessPlan { protect, rename, hash_key: Some(Secret::new("k")), ..ProcessPlan::default() };
        let kept = rows(plan, body);
        assert!(!kept.contains("hunter2"), "{kept}");
        assert_eq!(kept.contains("null"), protection != Protection::Drop, "{kept}");
    }
    let deep = format!("[{{\"a\":{}1{}}}]", "[".repeat(1000), "]".repeat(1000));
    let plan =
        ProcessPlan { protect: vec![("a".parse().unwrap(), Protection::Mask(0))], ..ProcessPlan::default() };
    let error = processed(plan, &deep, &PARENT()).unwrap_err().to_string();
    assert_eq!(error, "row 1 has more than 128 lists within each other");
}

#[test]
fn a_row_whose_names_cannot_be_read_is_not_kept() {
    // Half of a surrogate pair is no character: the object cannot be looked into, at whatever depth it is.
    for row in [r#"{"a": "hunter2", "\ud800": 1}"#, r#"{"b": [{"\ud800": 1, "a": "hunter2"}]}"#] {
        let protect = paths(&["a", "b.a"]).into_iter().map(|path| (path, Protection::Mask(0))).collect();
        let plan = ProcessPlan { protect, ..ProcessPlan::default() };
        let error = processed(plan, &format!("[{row}]"), &PARENT()).unwrap_err().to_string();
        assert_eq!(error, "row 1 has a field whose name is no text");
    }
}

#[test]
fn protected_fields_that_no_row_has_are_known() {
    let protect = [("a.b", Protection::Mask(0)), ("a.c", Protection::Drop), ("d", Protection::Hash)];
    let protect = protect.map(|(path, protection)| (path.parse().unwrap(), protection)).to_vec();
    let processor = Processor::new(ProcessPlan { protect, ..ProcessPlan::default() });
    let unmet = || processor.unmet().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    assert_eq!(unmet(), "a.b a.c d");
    for (body, left) in [
        ("[{\"a\": 1, \"b\": 2}]", "a.b a.c d"),
        ("[{\"a\": [{\"c\": 1}]}]", "a.b d"),
        ("[{\"d\": null}]", "a.b"),
    ] {
        let document = Bytes::from(body);
        processor.rows(&document, serde_json::from_slice(&document).unwrap(), &PARENT()).unwrap();
        assert_eq!(unmet(), left, "{body}");
    }
}

#[test]
fn the_fate_of_a_field_is_told_by_its_last_name() {
    let processor = Processor::new(ProcessPlan {
        include: paths(&["id", "auth.email", "auth.phone", "login", "token"]),
        exclude: paths(&["login.password"]),
        rename: vec![("id".parse().unwrap(), "key".to_owned())],
        protect: vec![
            ("auth.email".parse().unwrap(), Protection::Hash),
            ("token".parse().unwrap(), Protection::Mask(0)),
        ],
        ..ProcessPlan::default()
    });
    for (path, fate) in [
        (vec!["key"], Fate::Kept),
        (vec!["id"], Fate::Renamed),
        (vec!["other"], Fate::LeftOut),
        (vec!["auth"], Fate::Kept),
        (vec!["auth", "email"], Fate::Hashed),
        (vec!["auth", "email", "x"], Fate::Hashed),
        (vec!["auth", "x"], Fate::LeftOut),
        (vec!["auth", "phone"], Fate::Kept),
        (vec!["login", "name"], Fate::Kept),
        (vec!["login", "password"], Fate::LeftOut),
        (vec!["token"], Fate::Masked),
    ] {
        assert_eq!(processor.fate(&path), fate, "{path:?}");
    }
}

/// The same as the processor does, on a decoded value.
fn model(value: &Value, path: &[String], plan: &ProcessPlan, keep: bool) -> Option<Value> {
    match value {
        Value::Object(fields) => {
            let mut kept = Map::new();
            for (key, field) in fields {
                let here: Vec<String> = path.iter().cloned().chain([key.clone()]).collect();
                let is = |other: &FieldPath| other.keys() == here;
                let keep = keep || plan.include.iter().any(is);
                let includes_within = plan.include.iter().any(|other| other.keys().starts_with(&here));
                if plan.exclude.iter().any(is) || !(keep || includes_within) {
                    continue;
                }
                let name = plan.rename.iter().find(|(other, _)| is(other)).map_or(key, |(_, name)| name);
                if let Some(field) = model(field, &here, plan, keep) {
                    kept.insert(name.clone(), field);
                }
            }
            Some(Value::Object(kept))
        }
        Value::Array(elements) => {
            let keep_in = |element: &Value| model(element, path, plan, keep);
            Some(Value::Array(elements.iter().filter_map(keep_in).collect()))
        }
        scalar => keep.then(|| scalar.clone()),
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        Just(json!(true)),
        any::<i32>().prop_map(Value::from),
        "[a-c\"\\\\é]{0,3}".prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-d]", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn any_paths() -> impl Strategy<Value = Vec<FieldPath>> {
    let path = prop::collection::vec("[a-d]", 1..4).prop_map(|keys| keys.join(".").parse().unwrap());
    prop::collection::vec(path, 0..4)
}

proptest! {
    #[test]
    fn fields_are_as_if_the_row_were_decoded(
        row in prop::collection::btree_map("[a-d]", any_json(), 0..4),
        include in any_paths(), exclude in any_paths(), rename in any_paths(),
    ) {
        let row = Value::Object(row.into_iter().collect());
        // New names that no field has: the first of the same path would count in the model, the last here.
        let mut rename: Vec<(FieldPath, String)> = rename.into_iter().enumerate().map(|(at, path)| (path, format!("N{at}"))).collect();
        rename.sort();
        rename.dedup_by(|(one, _), (other, _)| one == other);
        let plan = ProcessPlan { include, exclude, rename, ..ProcessPlan::default() };
        let text = row.to_string();
        let body = format!("[ {text} ]");
        let kept = rows(plan.clone(), &body);
        let expected = model(&row, &[], &plan, plan.include.is_empty()).unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(&kept).unwrap(), json!([expected.clone()]));
        if expected == row && Processor::new(plan).is_active() {
            prop_assert_eq!(kept, format!("[{text}]"));
        }
    }

    #[test]
    fn a_row_that_a_filter_keeps_has_its_bytes(row in any_json()) {
        let text = format!(" {row} ");
        let kept = rows(steps(&[(StepKind::Filter, "true")]), &format!("[{text}, 1]"));
        prop_assert_eq!(kept, format!("[{row},1]"));
    }
}
