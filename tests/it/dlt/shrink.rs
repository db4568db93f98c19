//! Makes cases that fail smaller, as long as they fail in the same way (delta debugging).

use std::collections::BTreeSet;
use std::ops::Range;

use super::documents::Case;
use super::scene::Failure;

/// How often cases are tried at most: one trial takes seconds.
const TRIALS: usize = 80;

/// What can be left out, in the order in which it is tried.
const PARTS: [Part; 6] = [Part::Case, Part::Run, Part::Row, Part::Setting, Part::Column, Part::Value];

#[derive(Clone, Copy)]
enum Part {
    Case,
    Run,
    Row,
    Setting,
    /// A hint for a column.
    Column,
    /// A field of an object or an element of a list, however deep.
    Value,
}

impl Part {
    /// How many there are.
    fn count(self, cases: &[Case]) -> usize {
        let mut count = 0;
        self.retain(&mut cases.to_vec(), &mut || {
            count += 1;
            true
        });
        count
    }

    /// The cases without some of these parts.
    fn leave_out(self, cases: &[Case], parts: Range<usize>) -> Vec<Case> {
        let (mut cases, mut numbers) = (cases.to_vec(), 0..);
        self.retain(&mut cases, &mut || !numbers.next().is_some_and(|number| parts.contains(&number)));
        cases
    }

    /// Asks of each part whether to keep it, in an order that does not depend on the answers.
    fn retain(self, cases: &mut Vec<Case>, keep: &mut dyn FnMut() -> bool) {
        if let Self::Case = self {
            return cases.retain(|_| keep());
        }
        for case in cases {
            match self {
                Self::Case => {}
                Self::Run => case.runs.retain(|_| keep()),
                Self::Row => case.runs.iter_mut().flatten().for_each(|page| page.retain(|_| keep())),
                Self::Setting => case.settings.retain(|_| keep()),
                Self::Column => {
                    let columns = case.settings.iter_mut().filter(|(name, _)| name == "columns");
                    let columns = columns.filter_map(|(_, columns)| columns.as_object_mut());
                    columns.for_each(|columns| columns.retain(|_, _| keep()));
                }
                Self::Value => {
                    let rows = case.runs.iter_mut().flatten().flatten();
                    rows.for_each(|row| *row = retain_values(row, keep));
                }
            }
        }
    }
}

/// The smallest cases that were found to fail as these do, and how they fail.
pub(super) fn shrink(
    mut cases: Vec<Case>,
    mut failure: Failure,
    compare: impl Fn(&[Case]) -> Result<(), Failure>,
) -> (Vec<Case>, Failure) {
    let mut trials = TRIALS;
    for part in PARTS {
        let mut size = part.count(&cases).div_ceil(2);
        while size > 0 {
            let mut start = 0;
            while start < part.count(&cases) && trials > 0 {
                trials -= 1;
                let fewer = part.leave_out(&cases, start..start + size);
                match compare(&fewer) {
                    Err(found) if kind(&found) == kind(&failure) => (cases, failure) = (fewer, found),
                    _ => start += size,
                }
            }
            size /= 2;
        }
    }
    (cases, failure)
}

/// What failures have in common that may be one: the program that failed and, if that was Python, the exceptions.
fn kind(failure: &Failure) -> (Option<&str>, BTreeSet<&str>) {
    let heads = failure.0.lines().filter_map(|line| Some(line.split_once(": ")?.0));
    let is_name = |head: &&str| head.chars().all(|symbol| symbol.is_alphanumeric() || "._".contains(symbol));
    let exceptions = heads.filter(is_name).filter(|_| failure.0.contains("Traceback"));
    (failure.0.lines().next(), exceptions.collect())
}

/// A document without the values that are not kept; all else of it stays as it stands.
fn retain_values(text: &str, keep: &mut dyn FnMut() -> bool) -> String {
    let (start, end) = match text.as_bytes() {
        [b'{', inner @ .., b'}'] if !inner.is_empty() => ('{', '}'),
        [b'[', inner @ .., b']'] if !inner.is_empty() => ('[', ']'),
        _ => return text.to_owned(),
    };
    let mut kept = Vec::new();
    for value in split(&text[1..text.len() - 1], ',') {
        let is_kept = keep();
        let smaller = match split(value, ':')[..] {
            [name, value] => format!("{name}:{}", retain_values(value, keep)),
            _ => retain_values(value, keep),
        };
        kept.extend(is_kept.then_some(smaller));
    }
    format!("{start}{}{end}", kept.join(","))
}

/// The parts between separators that are in no object, list or text.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut depth, mut is_quoted, mut is_escaped) = (0, false, false);
    let is_end = |symbol| {
        match symbol {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if is_quoted => {}
            '[' | '{' => depth += 1,
            ']' | '}' => depth -= 1,
            _ => return symbol == separator && depth == 0,
        }
        false
    };
    text.split(is_end).collect()
}

#[test]
fn what_fails_is_left_and_no_more() {
    let cases = super::documents::parse(
        r#"first append [1,2,3]
second merge primary_key=key columns={"a":{},"b":{}} [{"key":1,"l":[1,{"m":",]\"x","n":"7","n":"8"}]},{"key":2}]
    [{"key":3},{"key":"7"}]
third append [{"n":7}]"#,
    );
    let compare = |cases: &[Case]| {
        let text: String = cases.iter().map(Case::to_string).collect();
        match text.contains(r#""n":"7""#) && text.contains(r#""b""#) {
            // Without its key it fails otherwise.
            true if text.contains("primary_key") => Err(Failure("dlt".to_owned())),
            true => Err(Failure("forebay".to_owned())),
            false => Ok(()),
        }
    };
    let failure = compare(&cases).unwrap_err();
    let (cases, failure) = shrink(cases, failure, compare);
    assert_eq!(failure.0, "dlt");
    let left: String = cases.iter().map(Case::to_string).collect();
    assert_eq!(left, "second merge primary_key=[\"key\"] columns={\"b\":{}} [{\"l\":[{\"n\":\"7\"}]}]\n");
}
