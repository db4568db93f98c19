//! The form of the file: one walk over the value and the JSON Schema of [`super::raw`], collecting every deviation.
//!
//! serde would stop at the first. What is wrong is replaced by something neutral and marked, so that the rest of the
//! file can be read and checked for sense in the same run.
//!
//! Not a validator for any schema: it knows what schemars makes of those types.

use serde_json::{Map, Value};

use super::problem::{Report, at_index, at_key, did_you_mean};

/// The tables that people look for a key in, each with the way to it.
const TABLES: [&[&str]; 8] = [
    &["pipeline"],
    &["client"],
    &["schema"],
    &["resource_defaults"],
    &["resources"],
    &["resources", "endpoint"],
    &["resources", "endpoint", "paginator"],
    &["resources", "endpoint", "incremental"],
];

/// Checks `value` against the schema; afterwards it has the form that the types ask for.
pub(super) fn check(schema: &Value, value: &mut Value, report: &mut Report) {
    Checker { schema: Schema { root: schema }, report }.node(schema, value, "");
}

/// The schema as a whole, where references lead.
#[derive(Clone, Copy)]
struct Schema<'a> {
    root: &'a Value,
}

/// The plain forms that a value may have, alternatives and references resolved.
#[derive(Default)]
struct Forms<'a> {
    plain: Vec<&'a Value>,
    /// Words and keys of dlt that this version does not know.
    later: Vec<&'a str>,
    hint: Option<&'a str>,
    /// Whether words may be written in upper or lower case.
    any_case: bool,
    /// What to do without words and keys that are not known here.
    instead: Vec<&'a Value>,
}

impl<'a> Forms<'a> {
    fn instead_of(&self, word: &str) -> Option<String> {
        self.instead.iter().find_map(|known| known.get(word)?.as_str()).map(str::to_owned)
    }
}

impl<'a> Schema<'a> {
    fn forms(self, schema: &'a Value) -> Forms<'a> {
        let mut found = Forms::default();
        self.collect(schema, &mut found);
        found
    }

    fn collect(self, schema: &'a Value, found: &mut Forms<'a>) {
        found.later.extend(texts(schema.get("x-later")));
        found.hint = found.hint.or(schema.get("x-hint").and_then(Value::as_str));
        found.any_case |= schema.get("x-any-case").is_some();
        found.instead.extend(schema.get("x-instead"));
        let reference = schema.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix('#'));
        if let Some(target) = reference.and_then(|pointer| self.root.pointer(pointer)) {
            return self.collect(target, found);
        }
        let alternatives = ["oneOf", "anyOf", "allOf"].iter().find_map(|key| schema.get(key)?.as_array());
        match alternatives {
            Some(alternatives) => alternatives.iter().for_each(|schema| self.collect(schema, found)),
            None => found.plain.push(schema),
        }
    }

    /// Where a key belongs that does not belong into the table at `path`.
    fn right_place(self, key: &str, path: &str) -> Option<String> {
        let here = path.rsplit('.').next().and_then(|last| last.split('[').next());
        let has_key = |way: &&[&str]| {
            let mut tables = self.forms(self.root).plain;
            for step in *way {
                let below = tables.iter().filter_map(|table| table.get("properties")?.get(step));
                let below = below.map(|below| below.get("items").unwrap_or(below));
                tables = below.flat_map(|below| self.forms(below).plain).collect();
            }
            tables.iter().any(|table| table.get("properties").is_some_and(|keys| keys.get(key).is_some()))
        };
        let names = TABLES.iter().filter(|way| has_key(way)).filter_map(|way| way.last().copied());
        let names: Vec<&str> = names.filter(|name| Some(*name) != here).collect();
        (!names.is_empty()).then(|| format!("it is a key of {}", listed(&names)))
    }

    /// Something of the right form, in place of what was wrong.
    fn neutral(self, schema: &'a Value) -> Value {
        let Some(form) = self.forms(schema).plain.first().copied() else { return Value::Null };
        if let Some(word) = words(form).first() {
            return Value::String((*word).to_owned());
        }
        match type_of(form) {
            Some("string") => Value::String(String::new()),
            Some("integer" | "number") => form.get("minimum").cloned().unwrap_or_else(|| 0.into()),
            Some("boolean") => Value::Bool(false),
            Some("array") => Value::Array(Vec::new()),
            Some("object") => {
                // The tag may be optional in the file, but the types want it.
                let keys = texts(form.get("required")).chain(tag(form).map(|_| "type"));
                let fields = keys.filter_map(|key| {
                    let schema = form.get("properties")?.get(key)?;
                    Some((key.to_owned(), self.neutral(schema)))
                });
                Value::Object(fields.collect())
            }
            _ => Value::Null,
        }
    }
}

struct Checker<'a, 'r> {
    schema: Schema<'a>,
    report: &'r mut Report,
}

impl<'a> Checker<'a, '_> {
    fn node(&mut self, schema: &'a Value, value: &mut Value, path: &str) {
        let forms = self.schema.forms(schema);
        let fitting: Vec<&'a Value> = forms.plain.iter().copied().filter(|form| fits(form, value)).collect();
        let sound = match value {
            _ if fitting.is_empty() => {
                let message = format!("expected {}, found {}", kinds(&forms.plain), kind_of(value));
                self.report.add_final(path, message, forms.hint.map(str::to_owned));
                false
            }
            Value::String(text) => self.text(text, &fitting, &forms, path),
            Value::Number(number) => self.number(number.as_f64().unwrap_or(0.0), &fitting, path),
            Value::Object(fields) => match self.pick(&fitting, fields, &forms, path) {
                Some(form) => {
                    self.table(form, fields, &forms, path);
                    true
                }
                None => false,
            },
            Value::Array(elements) => {
                let items = fitting.iter().find_map(|form| form.get("items"));
                for (index, element) in elements.iter_mut().enumerate() {
                    if let Some(items) = items {
                        self.node(items, element, &at_index(path, index));
                    }
                }
                true
            }
            Value::Null | Value::Bool(_) => true,
        };
        if !sound {
            *value = self.schema.neutral(schema);
        }
    }

    /// Whether a text is one of the words that are allowed, if only some are.
    fn text(&mut self, text: &mut String, fitting: &[&'a Value], forms: &Forms<'a>, path: &str) -> bool {
        let allowed: Vec<&str> = fitting.iter().flat_map(|form| words(form)).collect();
        if forms.any_case
            && let Some(word) = allowed.iter().find(|word| word.eq_ignore_ascii_case(text))
        {
            *text = (*word).to_owned();
        }
        if allowed.contains(&text.as_str()) || fitting.iter().any(|form| words(form).is_empty()) {
            return true;
        }
        self.refuse_word(text, &allowed, forms, path);
        false
    }

    /// Reports a word that is not allowed.
    fn refuse_word(&mut self, text: &str, allowed: &[&str], forms: &Forms<'a>, path: &str) {
        let others = forms.instead.iter().filter_map(|known| known.as_object()).flat_map(Map::keys);
        let others = others.map(String::as_str).filter(|other| !forms.later.contains(other));
        let known = format!("known {} {}", if allowed.len() == 1 { "is" } else { "are" }, listed(allowed));
        let (message, hint) = if !self.report.may_show(path) {
            (format!("unknown value; {known}"), None)
        } else if forms.later.contains(&text) {
            (format!("`{text}` is not in this version; {known}"), forms.instead_of(text))
        } else {
            let hint = forms.instead_of(text);
            let hint = hint.or_else(|| did_you_mean(text, allowed.iter().copied().chain(others)));
            (format!("unknown value `{text}`; {known}"), hint)
        };
        self.report.add_final(path, message, hint);
    }

    fn number(&mut self, given: f64, forms: &[&'a Value], path: &str) -> bool {
        let bound = |key: &str| forms.iter().find_map(|form| form.get(key)?.as_f64());
        // schemars writes the width of a type as its format.
        let narrow = forms.iter().any(|form| form.get("format").is_some_and(|format| format == "uint32"));
        let most = bound("maximum").or(narrow.then_some(f64::from(u32::MAX)));
        let message = match (bound("minimum"), most) {
            (Some(least), _) if given < least => format!("must be at least {least}"),
            (_, Some(most)) if given > most => format!("must be at most {most}"),
            _ => return true,
        };
        self.report.add_final(path, message, None);
        false
    }

    /// The form of a table: the only one, or the one that its `type` names.
    fn pick(
        &mut self,
        forms: &[&'a Value],
        fields: &mut Map<String, Value>,
        all: &Forms<'a>,
        path: &str,
    ) -> Option<&'a Value> {
        let tags: Vec<(&'a str, &'a Value)> =
            forms.iter().filter_map(|form| Some((tag(form)?, *form))).collect();
        if tags.is_empty() {
            return forms.first().copied();
        }
        let names: Vec<&str> = tags.iter().map(|(name, _)| *name).collect();
        let place = at_key(path, "type");
        let picked = match fields.get("type") {
            Some(Value::String(given)) => {
                let picked = tags.iter().find(|(name, _)| name == given);
                if picked.is_none() {
                    self.refuse_word(given, &names, all, &place);
                }
                picked
            }
            Some(other) => {
                self.report.add(&place, format!("expected text, found {}", kind_of(other)), None);
                None
            }
            None => {
                let default =
                    tags.iter().find(|(_, form)| !texts(form.get("required")).any(|key| key == "type"));
                match default {
                    Some((name, _)) => drop(fields.insert("type".to_owned(), (*name).into())),
                    None => self.report.add(
                        &place,
                        format!("missing key `type`; known are {}", listed(&names)),
                        None,
                    ),
                }
                default
            }
        };
        if picked.is_none() {
            self.report.mark_broken(path);
        }
        picked.map(|(_, form)| *form)
    }

    fn table(&mut self, form: &'a Value, fields: &mut Map<String, Value>, forms: &Forms<'a>, path: &str) {
        let known = form.get("properties").and_then(Value::as_object);
        let other = form.get("additionalProperties");
        let free = form.get("patternProperties").and_then(Value::as_object);
        // Patterns are prefixes: `^x-`.
        let is_free = |key: &str| {
            let mut patterns =
                free.into_iter().flat_map(Map::keys).filter_map(|pattern| pattern.strip_prefix('^'));
            patterns.any(|prefix| key.starts_with(prefix))
        };
        let mut unknown = Vec::new();
        for (key, field) in fields.iter_mut() {
            let place = at_key(path, key);
            if let Some(schema) = known.and_then(|known| known.get(key)) {
                self.node(schema, field, &place);
            } else if is_free(key) {
                continue;
            } else if other == Some(&Value::Bool(false)) {
                unknown.push(key.clone());
            } else if let Some(schema) = other.filter(|schema| schema.is_object()) {
                self.node(schema, field, &place);
            }
        }
        for key in unknown {
            fields.shift_remove(&key);
            let place = at_key(path, &key);
            let hint = forms.instead_of(&key);
            if forms.later.contains(&key.as_str()) {
                self.report.add(&place, format!("dlt's `{key}` is not in this version"), hint);
                continue;
            }
            let free = known.into_iter().flat_map(Map::keys).map(String::as_str);
            let hint = hint.or_else(|| self.schema.right_place(&key, path));
            let hint = hint.or_else(|| did_you_mean(&key, free.filter(|name| !fields.contains_key(*name))));
            self.report.add(&place, format!("unknown key `{key}`"), hint);
        }
        for key in texts(form.get("required")) {
            if fields.contains_key(key) {
                continue;
            }
            self.report.add_final(&at_key(path, key), format!("missing key `{key}`"), None);
            let schema = known.and_then(|known| known.get(key));
            fields.insert(key.to_owned(), schema.map_or(Value::Null, |schema| self.schema.neutral(schema)));
        }
    }
}

fn texts(list: Option<&Value>) -> impl Iterator<Item = &str> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

fn type_of(form: &Value) -> Option<&str> {
    form.get("type").and_then(Value::as_str)
}

/// The words that a text is limited to; empty: any text.
fn words(form: &Value) -> Vec<&str> {
    match form.get("const").and_then(Value::as_str) {
        Some(word) => vec![word],
        None => texts(form.get("enum")).collect(),
    }
}

/// The word under `type` that picks this form among others.
fn tag(form: &Value) -> Option<&str> {
    words(form.get("properties")?.get("type")?).first().copied()
}

fn fits(form: &Value, value: &Value) -> bool {
    match (type_of(form), value) {
        (None, _)
        | (Some("string"), Value::String(_))
        | (Some("number"), Value::Number(_))
        | (Some("boolean"), Value::Bool(_))
        | (Some("array"), Value::Array(_))
        | (Some("object"), Value::Object(_)) => true,
        (Some("integer"), Value::Number(number)) => number.is_i64() || number.is_u64(),
        _ => false,
    }
}

/// What forms are called in messages: `text or a table`.
fn kinds(forms: &[&Value]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for form in forms {
        let name = match type_of(form) {
            Some("string") => "text",
            Some("integer") if forms.iter().any(|form| type_of(form) == Some("number")) => continue,
            Some("integer") => "a whole number",
            Some("number") => "a number",
            Some("boolean") => "true or false",
            Some("array") => "a list",
            _ => "a table",
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "nothing".to_owned(),
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a whole number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a table",
    }
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::fs;

    use proptest::collection::vec;
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::json_schema;
    use super::super::overrides::to_json;
    use super::super::raw::RawConfig;
    use super::*;

    #[test]
    fn whatever_the_file_says_the_types_can_be_read_afterwards() {
        let mut documents: Vec<Value> = fs::read_dir("tests/fixtures/config/invalid")
            .unwrap()
            .filter_map(|entry| {
                fs::read_to_string(entry.unwrap().path()).unwrap().parse::<toml::Table>().ok()
            })
            .map(|table| to_json(toml::Value::Table(table)))
            .collect();
        documents.extend([
            json!({"pipeline": {}, "client": {"auth": {"type": 1}, "paginator": {}}, "resources": {}}),
            json!({"client": [], "resource_defaults": 1, "resources": ["a", {"endpoint": {"auth": {"type": "x"}}}]}),
            json!({"resources": [{"write_disposition": {}, "endpoint": {"incremental": 1, "paginator": {"type": ""}}}]}),
        ]);
        for mut document in documents {
            let written = document.clone();
            check(&json_schema(), &mut document, &mut Report::default());
            let read = serde_json::from_value::<RawConfig>(document);
            assert!(read.is_ok(), "{written}: {}", read.err().unwrap());
        }
    }

    /// Documents of the words that a config file is made of, in any arrangement.
    fn documents() -> impl Strategy<Value = Value> {
        let word = proptest::sample::select(vec![
            "pipeline",
            "client",
            "resources",
            "resource_defaults",
            "name",
            "endpoint",
            "auth",
            "type",
            "bearer",
            "api_key",
            "paginator",
            "cursor",
            "page_number",
            "single_page",
            "params",
            "json",
            "headers",
            "incremental",
            "write_disposition",
            "merge",
            "primary_key",
            "retry",
            "base_url",
            "location",
            "max_pages",
            "columns",
            "data_type",
            "schema_contract",
            "nested_hints",
            "deletes",
            "mode",
            "strategy",
            "schema",
            "x-free",
            "nonsense",
        ]);
        let scalar = prop_oneof![
            word.clone().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            Just(json!(1.5)),
        ];
        let value = scalar.prop_recursive(6, 64, 6, move |value| {
            let fields = vec((word.clone(), value.clone()), 0..6);
            let table =
                fields.prop_map(|fields| fields.into_iter().map(|(key, value)| (key.to_owned(), value)));
            prop_oneof![
                vec(value, 0..4).prop_map(Value::from),
                table.prop_map(|fields| Value::Object(fields.collect()))
            ]
        });
        (value.clone(), value.clone(), vec(value, 0..3)).prop_map(|(client, defaults, resources)| {
            json!({"client": client, "schema": client, "resource_defaults": defaults, "resources": resources})
        })
    }

    proptest! {
        #[test]
        fn any_document_can_be_read_afterwards(mut document in documents()) {
            check(&json_schema(), &mut document, &mut Report::default());
            prop_assert!(serde_json::from_value::<RawConfig>(document).is_ok());
        }
    }
}
