//! Expressions as they are used on rows.

use serde_json::json;

use super::*;

fn run(text: &str, input: &Value) -> Vec<Value> {
    Filter::parse(text).unwrap().run(input.clone()).unwrap()
}

fn texts(text: &str, input: &str) -> Vec<String> {
    let outputs = Filter::parse(text).unwrap().run_json(Json::parse(input).unwrap()).unwrap();
    outputs.iter().map(|output| output.to_text().unwrap()).collect()
}

fn failure(text: &str, input: &Value) -> String {
    Filter::parse(text).unwrap().run(input.clone()).unwrap_err().to_string()
}

#[test]
fn filters_are_shared_between_threads() {
    fn check<T: Clone + Send + Sync + fmt::Debug + PartialEq + fmt::Display>(_: &T) {}
    let filter = Filter::parse(".a").unwrap();
    check(&filter);
    assert_eq!(filter, Filter::parse(".a").unwrap());
    assert_ne!(filter, Filter::parse(".a ").unwrap());
    assert_eq!(filter.to_string(), ".a");
}

#[test]
fn expressions_give_all_their_outputs() {
    for (text, input, outputs) in [
        (".a", json!({"a": 1}), json!([1])),
        (".[]", json!([1, "x", null]), json!([1, "x", null])),
        ("empty", json!(1), json!([])),
        (".a, .b", json!({"a": 1}), json!([1, null])),
        ("select(.id > 3)", json!({"id": 3}), json!([])),
        (
            "{id, mail: .auth.email}",
            json!({"id": 1, "auth": {"email": "a@b"}}),
            json!([{"id": 1, "mail": "a@b"}]),
        ),
        ("del(.a)", json!({"b": 1, "a": 2, "c": 3}), json!([{"b": 1, "c": 3}])),
        ("with_entries(.value += 1)", json!({"b": 1, "a": 2}), json!([{"b": 2, "a": 3}])),
        ("[limit(3; repeat(1))]", json!(null), json!([[1, 1, 1]])),
        ("[range(3)], [range(1; 7; 3)]", json!(null), json!([[0, 1, 2], [1, 4]])),
        ("[recurse(if . < 3 then . + 1 else empty end)]", json!(0), json!([[0, 1, 2, 3]])),
        ("walk(if type == \"number\" then . + 1 else . end)", json!([1, {"a": 2}]), json!([[2, {"a": 3}]])),
        ("[paths]", json!({"a": [1]}), json!([[["a"], ["a", 0]]])),
        (".date | fromdate", json!({"date": "2026-03-01T00:00:00Z"}), json!([1_772_323_200])),
        ("sub(\"a\"; \"b\") | ascii_upcase", json!("cat"), json!(["CBT"])),
        ("def f: if . > 49999 then . else . + 1 | f end; f", json!(0), json!([50_000])),
        (".a as [$x, {b: $y}] | $x + $y", json!({"a": [1, {"b": 2}]}), json!([3])),
        ("first(range(1; infinite))", json!(null), json!([1])),
        ("nan, infinite", json!(null), json!([null, 1.797_693_134_862_315_7e308])),
        ("try error(\"x\") catch .", json!(null), json!(["x"])),
        ("@base64, (.a | @json)", json!({"a": [1]}), json!(["eyJhIjpbMV19", "[1]"])),
    ] {
        assert_eq!(Value::Array(run(text, &input)), outputs, "{text}");
    }
    assert!(run("now", &json!(null))[0].as_f64().unwrap() > 1.7e9);
}

#[test]
fn numbers_keep_their_digits() {
    let input = r#"{"a":123456789012345678901234567890,"b":1.10,"c":0.1234567890123456789,"d":1e3,"e":-0}"#;
    assert_eq!(
        texts("., (.a + 1), [.b], {d, e}", input),
        [
            r#"{"a":123456789012345678901234567890,"b":1.10,"c":0.1234567890123456789,"d":1e3,"e":0}"#,
            "123456789012345678901234567891",
            "[1.10]",
            r#"{"d":1e3,"e":0}"#,
        ]
    );
    assert_eq!(texts(".", r#""\u00e9\n\"é""#), [r#""é\n\"é""#]);
}

#[test]
fn what_is_no_expression_says_where() {
    for (text, message) in [
        (".a |", "at character 5: expected term, found the end"),
        (".a | foo", "at character 6: there is no function `foo`"),
        (".a | map(.; .)", "at character 6: there is no function `map` with 2 arguments"),
        (".\n| $x", "at line 2, character 3: there is no variable `$x`"),
        ("(.a", "at character 4: a closing parenthesis is expected"),
        (".a = \"é\" }", "at character 10: a token is expected"),
        ("if . then 1", "at character 12: expected else or end, found the end"),
        (". .a 1", "at character 6: expected nothing, found `1`"),
        ("", "at character 1: expected term, found the end"),
        ("import \"x\" as x; .", "at character 8: expected nothing, found `\"x\"`"),
    ] {
        assert_eq!(Filter::parse(text).unwrap_err().to_string(), message, "{text}");
    }
}

#[test]
fn expressions_see_the_value_alone() {
    for text in [
        "env",
        "$ENV",
        "env.HOME",
        "input",
        "inputs",
        "debug",
        "debug(.)",
        "stderr",
        "halt",
        "halt_error",
        "localtime",
        "strflocaltime(\"%c\")",
        "input_filename",
        "$__prog_args",
        "get_search_list",
        "input_line_number",
        "include \"x\"; .",
    ] {
        assert!(Filter::parse(text).is_err(), "{text}");
    }
}

#[test]
fn expressions_without_an_end_are_stopped() {
    for text in [
        "repeat(.)",
        "last(repeat(.))",
        "range(infinite)",
        "[range(1e12)] | length",
        "def f: f; f",
        "def f(g): f(g); f(.)",
        "def f: def g: f; g; f",
        "def f: . as [$a, {b: $c}] | f; f",
        "def f: try f catch .; f",
        "until(false; .)",
        "while(true; .)",
        "[recurse(.)]",
        "reduce repeat(1) as $x (0; . + $x)",
        "{(def f: f; f): 1}",
        "\"\\(def f: f; f)\"",
        ".[def f: f; f]",
        "last(range(0; 1; 0))",
        "path(repeat(.))",
        "def f: 1 + f; f",
        "def f: [f]; f",
        "def f: f | [.]; f",
        "def f: ., (f | [.]); last(f)",
        "def f: f, 1; f",
        "def f: 1 as $x | [f]; f",
        "[.. | def f: f; f]",
    ] {
        let error = failure(text, &json!({"secret": "hunter2"}));
        let is_known = error.starts_with("does not come to an end")
            || error.starts_with("calls itself too deep")
            || error.starts_with("gives more than")
            || error.starts_with("cannot index");
        assert!(is_known, "{text}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn messages_say_nothing_of_the_value() {
    let row = json!({"id": 7, "secret": "hunter2", "list": ["hunter2"], "hunter2": 1});
    for (text, message) in [
        (".secret.a", "cannot index a text with `a`"),
        (".[.secret].x", "cannot index a number with `x`"),
        (".secret[.secret]", "cannot index a text with a text"),
        (".[0]", "cannot index an object with `0`"),
        (".secret - 1", "cannot calculate a text - a number"),
        (". * .secret", "cannot calculate an object * a text"),
        (".list | ascii_upcase", "cannot use a list as string"),
        (".id | .[]", "cannot use a number as iterable (array or object)"),
        (".secret | fromdate", "ends in an error"),
        (".secret | fromjson", "cannot parse a text"),
        (".secret | tonumber", "cannot parse a text"),
        ("error(\"no such thing\")", "no such thing"),
        ("error(\"bad \\(.secret)\")", "ends in an error"),
        ("error", "ends in an error"),
        ("true | length", "a boolean has no length"),
        (".secret | test(.)", "invalid"),
        ("path(1)", "invalid path expression"),
        ("{(.id|tobytes): 1}", "the value cannot be written as JSON"),
        ("break $x", ""),
    ] {
        let Ok(filter) = Filter::parse(text) else { continue };
        let Err(error) = filter.run(row.clone()) else { continue };
        let error = error.to_string();
        assert!(!error.contains("hunter2"), "{text}: {error}");
        assert!(error.starts_with(message), "{text}: {error}");
    }
}

#[test]
fn values_without_a_bottom_are_refused() {
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(Json::parse(&deep).unwrap_err().to_string(), "the value has more than 128 levels");
    assert_eq!(failure("reduce range(1000) as $x (.; [.])", &json!(1)), "the value has more than 128 levels");
    assert!(Json::parse(&format!("{}1{}", "[".repeat(128), "]".repeat(128))).is_ok());
    assert!(Json::parse("\"[[[\"").is_ok());
}

#[test]
fn values_of_any_depth_are_let_go_of() {
    let deep = "the value has more than 128 levels";
    for (text, input, message) in [
        ("reduce range(49000) as $x (.; [.])", json!(1), deep),
        ("reduce range(49000) as $x (.; .a = .) | tojson | length", json!({}), ""),
        ("reduce range(49000) as $x (.; [.]) | . == .", json!(1), ""),
        ("reduce range(99999) as $x (.; [[[[[[[[[[.]]]]]]]]]])", json!(1), "does not come to an end"),
        ("last(foreach range(49000) as $x (.; {a: .}))", json!(1), deep),
        ("def f($n): if $n == 0 then . else [.] | f($n - 1) end; f(90000)", json!(1), deep),
        ("reduce (. * 300000 | explode[]) as $x (1; [.])", json!("x"), "does not come to an end"),
        ("[limit(49000; repeat(\"a\"))] as $path | null | setpath($path; 1) | length", json!(1), ""),
        ("(. * 1000000) | fromjson", json!("["), deep),
        ("(\"# \\\"\n\" + . * 1000000) | fromjson", json!("["), deep),
        ("until(false; [.])", json!(1), "does not come to an end"),
    ] {
        let outputs = Filter::parse(text).unwrap().run(input);
        match outputs {
            Err(error) => assert!(error.to_string().starts_with(message), "{text}: {error}"),
            Ok(_) => assert!(message.is_empty(), "{text}"),
        }
    }
    assert_eq!(run("fromjson", &json!("[\"#[[\"]")), [json!(["#[["])]);
}

#[test]
fn values_without_bounds_are_not_written() {
    let doubled = Filter::parse("reduce range(100) as $x (1; [., .])").unwrap();
    let outputs = doubled.run_json(Json::parse("1").unwrap()).unwrap();
    let error = outputs[0].write_within(1000, &mut String::new()).unwrap_err();
    assert_eq!(error.to_string(), "gives a value that is too long");
}
