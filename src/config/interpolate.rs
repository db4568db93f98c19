//! `${NAME}`, `${NAME:-default}` and `${file:/path}` in the texts of a parsed file.
//!
//! It works on parsed texts, never on TOML, so a value can neither break nor extend the file. Where a text may hold
//! `{resources.…}` placeholders, braces of a value are doubled: a key with a brace in it stays a key. Of what requests
//! are made of, values that are secrets by their names are remembered, so that no text shows them.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value as Json;

use super::problem::{Report, at_index, at_key};
use super::secret::is_secret_name;
use super::template;

/// Where values come from.
pub(super) struct Sources<'a> {
    environment: &'a dyn Fn(&str) -> Option<String>,
    dotenv: BTreeMap<String, String>,
    dir: &'a Path,
}

impl<'a> Sources<'a> {
    /// The environment, then the `.env` file in `dir`, if there is one.
    pub(super) fn new(
        environment: &'a dyn Fn(&str) -> Option<String>,
        dir: &'a Path,
        report: &mut Report,
    ) -> Self {
        Self { environment, dotenv: read_dotenv(dir, report), dir }
    }

    /// A variable; one that is set to nothing counts as missing, since an empty key is a mistake.
    fn variable(&self, name: &str) -> Option<String> {
        let value = (self.environment)(name).or_else(|| self.dotenv.get(name).cloned());
        value.filter(|value| !value.is_empty())
    }

    /// Replaces every `${…}` in `text`; adds what each stands for to `values`.
    fn fill(&self, text: &str, values: &mut Vec<Value>) -> Result<String, Failure> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            let (before, from_dollar) = rest.split_at(at);
            if let Some(before) = before.strip_suffix('$') {
                filled.push_str(before);
                filled.push_str("${");
                rest = &from_dollar[2..];
                continue;
            }
            filled.push_str(before);
            let (expression, after) = from_dollar[2..].split_once('}').ok_or_else(|| Failure {
                message: "has `${` without a closing `}`".to_owned(),
                hint: "a literal `${` is written `$${`".to_owned(),
            })?;
            let value = self.value_of(expression)?;
            filled.push_str(&value.text);
            values.push(value);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn value_of(&self, expression: &str) -> Result<Value, Failure> {
        if let Some(path) = expression.strip_prefix("file:") {
            return match fs::read_to_string(self.dir.join(path)) {
                Ok(text) => Ok(Value::new(expression, text.trim_end_matches(['\n', '\r']))),
                Err(error) => Err(Failure {
                    message: format!("cannot read file `{path}`: {}", error.kind()),
                    hint: "a relative path starts at the folder of the config file".to_owned(),
                }),
            };
        }
        let (name, default) = match expression.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (expression, None),
        };
        if !is_variable_name(name) {
            return Err(Failure {
                message: "has a `${…}` that is no variable".to_owned(),
                hint:
                    "write `${NAME}`, `${NAME:-default}` or `${file:path}`; a literal `${` is written `$${`"
                        .to_owned(),
            });
        }
        let text = self.variable(name).or_else(|| default.map(str::to_owned));
        text.map(|text| Value::new(name, &text)).ok_or_else(|| Failure {
            message: format!("environment variable `{name}` is not set, or empty"),
            hint: format!("set it, or add a line `{name}=…` to the .env file beside the config file"),
        })
    }
}

/// What a `${…}` stands for.
struct Value {
    /// `file:…`, or the variable.
    name: String,
    text: String,
}

impl Value {
    fn new(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), text: text.to_owned() }
    }

    /// Whether it is a secret where it stands: it comes from a file, or is called so there or here.
    fn is_secret(&self, place: &str) -> bool {
        let key = place.rsplit('.').next().unwrap_or_default();
        self.name.starts_with("file:") || is_secret_name(&self.name) || is_secret_name(key)
    }
}

/// Why a text could not be filled in.
struct Failure {
    message: String,
    hint: String,
}

fn is_variable_name(name: &str) -> bool {
    !name.starts_with(|char: char| char.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '_')
}

/// Reads `.env`. Its lines may hold secrets: a bad one is reported by number, without its text.
fn read_dotenv(dir: &Path, report: &mut Report) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    let bytes = match fs::read(dir.join(".env")) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return variables,
        Err(error) => {
            report.add(".env", format!("cannot be read: {}", error.kind()), None);
            return variables;
        }
    };
    // Some editors put a byte order mark first, which would become part of the first name.
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    for (index, line) in dotenvy::from_read_iter(bytes).enumerate() {
        match line {
            Ok((name, value)) => {
                variables.insert(name, value);
            }
            Err(dotenvy::Error::Io(error)) => {
                report.add(".env", format!("cannot be read: {}", error.kind()), None);
                break;
            }
            Err(_) => {
                let hint = "write NAME=value; quote a value that has spaces, quotes or dollar signs";
                report.add(".env", format!("entry {} is not readable", index + 1), Some(hint.to_owned()));
            }
        }
    }
    variables
}

/// Fills in every text of `value`, which stands at `path`.
pub(super) fn interpolate(value: &mut Json, path: &str, sources: &Sources<'_>, report: &mut Report) {
    match value {
        Json::String(text) if text.contains("${") => {
            report.mark_interpolated(path);
            let mut values = Vec::new();
            let filled = match is_template(path) {
                true => fill_template(text, sources, &mut values),
                false => sources.fill(text, &mut values),
            };
            match filled {
                Ok(filled) => *text = filled,
                Err(failure) => report.add_final(path, failure.message, Some(failure.hint)),
            }
            for value in values.iter().filter(|value| is_sent(path) && value.is_secret(path)) {
                report.remember(&value.name, &value.text);
            }
        }
        Json::Array(elements) => {
            for (index, element) in elements.iter_mut().enumerate() {
                interpolate(element, &at_index(path, index), sources, report);
            }
        }
        Json::Object(fields) => {
            for (key, field) in fields {
                interpolate(field, &at_key(path, key), sources, report);
            }
        }
        _ => {}
    }
}

/// Whether the text at `path` may hold `{resources.…}`.
fn is_template(path: &str) -> bool {
    let Some((head, rest)) = path.split_once(".endpoint") else { return false };
    let in_resource = head == "resource_defaults" || (head.starts_with("resources[") && head.ends_with(']'));
    let key = rest.split(['.', '[']).nth(1).unwrap_or("path");
    in_resource && matches!(key, "path" | "params" | "json" | "data" | "headers")
}

/// Whether the text at `path` goes into requests. What stands below `auth` is a secret as it is.
fn is_sent(path: &str) -> bool {
    is_template(path) || path == "client.base_url" || path.starts_with("client.headers.")
}

/// As [`Sources::fill`], braces of the values doubled, those of the text left alone.
fn fill_template(text: &str, sources: &Sources<'_>, values: &mut Vec<Value>) -> Result<String, Failure> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let escaped = rest[..at].ends_with('$');
        let end = if escaped { at + 2 } else { rest[at..].find('}').map_or(rest.len(), |end| at + end + 1) };
        filled.push_str(&rest[..if escaped { at - 1 } else { at }]);
        // A literal `${` opens no placeholder either.
        filled.push_str(&if escaped {
            "${{".to_owned()
        } else {
            template::escape(&sources.fill(&rest[at..end], values)?)
        });
        rest = &rest[end..];
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn environment(name: &str) -> Option<String> {
        match name {
            "A" => Some("one".to_owned()),
            "BRACES" => Some("x{y}".to_owned()),
            "DOLLAR" => Some("${A}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    fn fill(path: &str, text: &str) -> Result<String, String> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("key"), "from file\n").unwrap();
        fs::write(dir.path().join(".env"), "\u{feff}ONLY_HERE='three four'\nA=two\n").unwrap();
        let mut report = Report::default();
        let sources = Sources::new(&environment, dir.path(), &mut report);
        let mut value = json!(text);
        interpolate(&mut value, path, &sources, &mut report);
        match report.into_problems(|_| None).pop() {
            Some(problem) => Err(problem.message),
            None => Ok(value.as_str().unwrap().to_owned()),
        }
    }

    #[test]
    fn values_are_filled_in() {
        for (text, expected) in [
            ("plain $A {A}", "plain $A {A}"),
            ("${A}", "one"),
            ("<${A}${A}>", "<oneone>"),
            ("${ONLY_HERE}", "three four"),
            ("${NOPE:-de:-fault}", "de:-fault"),
            ("${EMPTY:-default}", "default"),
            ("${NOPE:-}", ""),
            ("${file:key}", "from file"),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("${DOLLAR}", "${A}"),
            ("${BRACES}", "x{y}"),
        ] {
            assert_eq!(fill("client.base_url", text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_filled_in_is_named() {
        for (text, message) in [
            ("${NOPE}", "environment variable `NOPE` is not set, or empty"),
            ("${EMPTY}", "environment variable `EMPTY` is not set, or empty"),
            ("${A", "has `${` without a closing `}`"),
            ("${}", "has a `${…}` that is no variable"),
            ("${1A}", "has a `${…}` that is no variable"),
            ("${file:none}", "cannot read file `none`: entity not found"),
        ] {
            assert_eq!(fill("client.base_url", text), Err(message.to_owned()), "{text}");
            assert_eq!(fill("resources[0].endpoint.path", text), Err(message.to_owned()), "{text}");
        }
    }

    #[test]
    fn values_open_no_placeholders() {
        for path in [
            "resources[0].endpoint",
            "resources[1].endpoint.params.a",
            "resource_defaults.endpoint.json.a[0].b",
        ] {
            assert_eq!(
                fill(path, "${BRACES}{resources.a.b}$${").as_deref(),
                Ok("x{{y}}{resources.a.b}${{"),
                "{path}"
            );
        }
        assert_eq!(fill("resources[0].endpoint.data_selector", "${BRACES}").as_deref(), Ok("x{y}"));
    }
}
