//! JSONPath (RFC 9535) over raw JSON text.
//!
//! Names, indexes and wildcards are followed in the text itself, which parses only what is on the way. All else
//! (filters, slices, recursive descent) is matched by `serde_json_path` on decoded values, by location; the matches
//! are then cut from the text, so that numbers keep every digit.

mod locate;
mod parse;

use std::fmt;
use std::str::FromStr;

use serde_json::value::RawValue;

use super::object::fields;

/// Path into a JSON document: `$`, `data`, `$.data.records`, `items[0].id`, `data[*].rows`, `['a b']`,
/// `$.data[?(@.kind == 'x')]`, `$..rows`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct JsonPath {
    text: String,
    kind: Kind,
}

/// How a path is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// In the text.
    Steps(Vec<Step>),
    /// On decoded values.
    Query(Box<serde_json_path::JsonPath>),
}

/// One step of a [`JsonPath`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    Key(String),
    Index(usize),
    /// All elements of a list, all values of an object.
    All,
}

/// Why a text is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a JSONPath: {reason}")]
pub struct JsonPathError {
    text: String,
    reason: String,
}

impl JsonPathError {
    /// What is wrong with it.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl JsonPath {
    /// `$`: the whole document.
    pub fn root() -> Self {
        Self { text: "$".to_owned(), kind: Kind::Steps(Vec::new()) }
    }

    /// The path of a field below objects.
    pub(crate) fn from_keys(keys: &[String]) -> Self {
        let steps: Vec<Step> = keys.iter().cloned().map(Step::Key).collect();
        let text = match keys {
            [] => "$".to_owned(),
            keys if keys.iter().all(|key| parse::is_plain_name(key)) => keys.join("."),
            _ => format!("${}", parse::canonical(&steps)),
        };
        Self { text, kind: Kind::Steps(steps) }
    }

    /// Whether there can be no more than one match: only names and indexes lead there.
    pub fn is_singular(&self) -> bool {
        match &self.kind {
            Kind::Steps(steps) => !steps.contains(&Step::All),
            Kind::Query(_) => false,
        }
    }

    /// The first match below `value`, in document order.
    pub fn find<'a>(&self, value: &'a RawValue) -> Option<&'a RawValue> {
        match &self.kind {
            Kind::Steps(steps) if self.is_singular() => descend(value, steps),
            _ => self.find_all(value).into_iter().next(),
        }
    }

    /// All matches below `value`, in document order, each as it stands in the text.
    pub fn find_all<'a>(&self, value: &'a RawValue) -> Vec<&'a RawValue> {
        match &self.kind {
            Kind::Steps(steps) => {
                let mut found = Vec::new();
                collect(value, steps, &mut found);
                found
            }
            Kind::Query(query) => locate::find_all(query, value),
        }
    }

    /// The path without its last name, and that name, if it ends in one.
    pub(crate) fn parent(&self) -> Option<(Self, &str)> {
        let (Step::Key(name), above) = self.singular_steps()?.split_last()? else { return None };
        let text = format!("${}", parse::canonical(above));
        Some((Self { text, kind: Kind::Steps(above.to_vec()) }, name))
    }

    /// The names on the way of a path that has names and indexes only, without its indexes.
    pub(crate) fn names(&self) -> Option<Vec<&str>> {
        Some(self.singular_steps()?.iter().filter_map(Step::as_key).collect())
    }

    /// The steps, if the path has names and indexes only.
    pub(super) fn singular_steps(&self) -> Option<&[Step]> {
        match &self.kind {
            Kind::Steps(steps) if self.is_singular() => Some(steps),
            _ => None,
        }
    }

    /// The text as it was written: dlt keeps state under it.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Step {
    pub(super) fn as_key(&self) -> Option<&str> {
        match self {
            Self::Key(key) => Some(key),
            Self::Index(_) | Self::All => None,
        }
    }
}

/// Follows names and indexes; a wildcard leads nowhere.
pub(super) fn descend<'a>(value: &'a RawValue, steps: &[Step]) -> Option<&'a RawValue> {
    steps.iter().try_fold(value, |value, step| match step {
        Step::Key(key) => fields(value).ok()?.get(key),
        Step::Index(index) => elements(value)?.get(*index).copied(),
        Step::All => None,
    })
}

fn collect<'a>(value: &'a RawValue, steps: &[Step], found: &mut Vec<&'a RawValue>) {
    let Some(wildcard) = steps.iter().position(|step| *step == Step::All) else {
        found.extend(descend(value, steps));
        return;
    };
    let Some(parent) = descend(value, &steps[..wildcard]) else { return };
    let rest = &steps[wildcard + 1..];
    if let Some(elements) = elements(parent) {
        elements.into_iter().for_each(|element| collect(element, rest, found));
    } else if let Ok(fields) = fields(parent) {
        fields.distinct().into_iter().for_each(|value| collect(value, rest, found));
    }
}

/// The elements of a list; `None` if it is none.
fn elements(value: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(value.get()).ok()
}

impl FromStr for JsonPath {
    type Err = JsonPathError;

    fn from_str(text: &str) -> Result<Self, JsonPathError> {
        let error = |reason: String| JsonPathError { text: text.to_owned(), reason };
        let kind = match parse::parse(text).map_err(|reason| error(reason.to_owned()))? {
            parse::Parsed::Steps(steps) => Kind::Steps(steps),
            parse::Parsed::Query(query) => {
                let parsed = serde_json_path::JsonPath::parse(&query);
                Kind::Query(Box::new(parsed.map_err(|fault| error(fault.message().to_owned()))?))
            }
        };
        Ok(Self { text: text.to_owned(), kind })
    }
}

impl TryFrom<String> for JsonPath {
    type Error = JsonPathError;

    fn try_from(text: String) -> Result<Self, JsonPathError> {
        text.parse()
    }
}

impl From<JsonPath> for String {
    fn from(path: JsonPath) -> Self {
        path.text
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const DOCUMENT: &str = r#"{
        "data": [{"id": 123456789012345678901234567890, "kind": "x", "n": 1}, {"id": 1.50, "kind": "y", "n": 2},
                 {"id": 3, "kind": "x", "n": 3}],
        "by_id": {"b": {"id": 1}, "a": {"id": 2}, "b": {"id": 9}},
        "@odata.nextLink": "/next", "a b": {"c.d": 7}, "user-id": 5, "it's": 6, "nested": {"data": [4]}, "tagged": [{"tags": [{"n": 7, "a-b": "z"}]}], "list": [[1, 2], [3]]
    }"#;

    fn found(path: &str) -> Vec<String> {
        let document: &RawValue = serde_json::from_str(DOCUMENT).unwrap();
        let path: JsonPath = path.parse().unwrap();
        let all: Vec<String> =
            path.find_all(document).into_iter().map(|value| value.get().to_owned()).collect();
        assert_eq!(path.find(document).map(|value| value.get().to_owned()), all.first().cloned());
        assert!(all.len() < 2 || !path.is_singular());
        all
    }

    #[test]
    fn matches_are_the_text_as_it_came() {
        let check = |path: &str, expected: &[&str]| assert_eq!(found(path), expected, "{path}");
        let big = "123456789012345678901234567890";
        check("data[0].id", &[big]);
        check("$.data[*].id", &[big, "1.50", "3"]);
        check("data.*.id", &[big, "1.50", "3"]);
        check("data.[1].n", &["2"]);
        check("data[?(@.n>1)].id", &["1.50", "3"]);
        check("data[?@.kind == 'x' && @.n < 2].id", &[big]);
        check("data[-1].n", &["3"]);
        check("data[0:2].n", &["1", "2"]);
        check("data[0,2].n", &["1", "3"]);
        check("$..kind", &["\"x\"", "\"y\"", "\"x\""]);
        check("$..data[0]", &[&format!(r#"{{"id": {big}, "kind": "x", "n": 1}}"#), "4"]);
        check("by_id.*.id", &["9", "2"]);
        check("by_id[?@.id > 1].id", &["9", "2"]);
        check("['@odata.nextLink']", &["\"/next\""]);
        check("$[\"a b\"]['c.d']", &["7"]);
        check("user-id", &["5"]);
        check("$.user-id", &["5"]);
        check("['it\\'s']", &["6"]);
        check("\"it's\"", &["6"]);
        check("list[*][*]", &["1", "2", "3"]);
        check("$.list[1:]", &["[3]"]);
        check("data[?(@.n > 7)]", &[]);
        check("missing[*]", &[]);
    }

    #[test]
    fn a_value_that_cannot_be_decoded_hides_no_other() {
        let check = |path: &str, document: &str, expected: &[&str]| {
            let document: &RawValue = serde_json::from_str(document).unwrap();
            let path: JsonPath = path.parse().unwrap();
            let found: Vec<&str> = path.find_all(document).into_iter().map(RawValue::get).collect();
            assert_eq!(found, expected, "{path}");
        };
        let odd = r#"{"data": [{"k": 1, "t": "\ud83d"}, {"k": 1, "t": 1e999}, {"k": 2}], "e": [], "o": {}}"#;
        check("data[?@.k == 1].t", odd, &[r#""\ud83d""#, "1e999"]);
        check("$..k", odd, &["1", "1", "2"]);
        check("data[-1]", odd, &[r#"{"k": 2}"#]);
        let deep = format!(r#"{{"a": {}1{}, "b": {{"k": 3}}}}"#, "[".repeat(5000), "]".repeat(5000));
        check("$..k", &deep, &["3"]);
    }

    #[test]
    fn many_matches_in_one_object_are_found_at_once() {
        // Comparing each name with each would take minutes.
        let fields: Vec<String> =
            (0..100_000).map(|at| format!("\"key number {at}\":{{\"n\":{at}}}")).collect();
        let document = format!("{{{}}}", fields.join(","));
        let document: &RawValue = serde_json::from_str(&document).unwrap();
        let path: JsonPath = "$[?@.n >= 0].n".parse().unwrap();
        assert_eq!(path.find_all(document).len(), 100_000);
    }

    #[test]
    fn spellings_of_dlt_are_read() {
        let check = |path: &str, expected: &[&str]| assert_eq!(found(path), expected, "{path}");
        check("data[?(@.kind=='x' & @.n>1)].n", &["3"]);
        check("data[?(n > 1)].n", &["2", "3"]);
        check("data[?n > 1].n", &["2", "3"]);
        check("data[?kind='y'].n", &["2"]);
        check("data[?kind = y].n", &["2"]);
        check("tagged[?tags[0].n > 6].tags[0].n", &["7"]);
        check("tagged[?(@.tags[0].n == 7 & @['tags'][0].a-b == z)].tags[0].n", &["7"]);
        check("tagged[?@.tags[?@.n == 7]].tags[0].n", &["7"]);
        check("data[?(@.kind = 'y')].n", &["2"]);
        check("'@odata.nextLink'", &["\"/next\""]);
        check("$.'a b'", &["{\"c.d\": 7}"]);
        check("$..user-id", &["5"]);
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in [
            "",
            "a..",
            "a.",
            "a b.",
            "a[?(@.b",
            "a['b'",
            "a[1",
            "[x]",
            "a[]",
            "$.",
            "a]",
            "a..[?",
            "a[?(@.a =~ 'x')]",
        ] {
            assert!(text.parse::<JsonPath>().is_err(), "{text}");
        }
    }

    #[test]
    fn names_make_a_path_that_is_read_again() {
        for keys in [vec!["data"], vec!["data", "rows"], vec!["a.b", "it's", "c"], vec![]] {
            let keys: Vec<String> = keys.into_iter().map(str::to_owned).collect();
            let path = JsonPath::from_keys(&keys);
            assert_eq!(path.to_string().parse::<JsonPath>().unwrap(), path);
        }
    }
}
