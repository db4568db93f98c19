//! What is wrong with a config file: all of it, each problem with its place.

use std::collections::BTreeSet;
use std::fmt::{self, Write};
use std::io;
use std::path::PathBuf;

use super::secret::Secrets;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: `resources[2].endpoint.paginator.type`. Empty: the file as a whole.
    pub path: String,
    /// Name of the resource that this is about, if it is about one and its name may be shown.
    pub resource: Option<String>,
    /// The rule that is broken. Never holds a value that may be a secret.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.path.as_str(), &self.resource) {
            ("", _) => {}
            (path, None) => write!(f, "{path}: ")?,
            (path, Some(name)) => write!(f, "{path} (resource `{name}`): ")?,
        }
        f.write_str(&self.message)
    }
}

/// Why a config file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file is not there, or not readable.
    #[error("cannot read config file `{}`", file.display())]
    Unreadable {
        /// The file as given.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("config file `{}` is not valid TOML", file.display())]
    Syntax {
        /// The file as given.
        file: PathBuf,
        /// The place, with line and caret.
        source: SyntaxError,
    },
    /// The file is TOML, but not a pipeline.
    #[error("config file `{}` has {} {}", file.display(), problems.len(), if problems.len() == 1 { "problem" } else { "problems" })]
    Invalid {
        /// The file as given.
        file: PathBuf,
        /// Everything that is wrong.
        problems: Vec<Problem>,
    },
}

impl ConfigError {
    /// Everything that is wrong; empty if the file could not be read at all.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid { problems, .. } => problems,
            Self::Unreadable { .. } | Self::Syntax { .. } => &[],
        }
    }

    /// What to do about the file as a whole; problems have hints of their own.
    pub fn hint(&self) -> Option<&'static str> {
        let Self::Unreadable { source, .. } = self else { return None };
        match source.kind() {
            io::ErrorKind::IsADirectory => Some("name the config file in it"),
            io::ErrorKind::InvalidData => Some("a config file is text in UTF-8"),
            _ => None,
        }
    }

    /// The whole story on several lines, for a terminal or a mail: error, cause, problems, hints.
    pub fn report(&self) -> String {
        let mut text = format!("error: {self}");
        // Writing to a `String` cannot fail.
        let _ = match self {
            Self::Unreadable { source, .. } => write!(text, "\n  caused by: {source}"),
            Self::Syntax { source, .. } => write!(text, "\n{source}"),
            Self::Invalid { problems, .. } => problems.iter().try_for_each(|problem| {
                write!(text, "\n  {problem}")?;
                problem.hint.iter().try_for_each(|hint| write!(text, "\n    hint: {hint}"))
            }),
        };
        if let Some(hint) = self.hint() {
            let _ = write!(text, "\nhint: {hint}");
        }
        text
    }
}

/// The place of a TOML syntax error, with line and caret.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SyntaxError(String);

/// Words in a line that announce a secret.
const SECRET_WORDS: [&str; 6] = ["auth", "header", "key", "pass", "secret", "token"];

impl SyntaxError {
    /// Takes over toml's message. Values in the quoted line are masked where the line looks like a credential: a
    /// missing quote is no reason to mail a key around.
    pub(super) fn new(error: &toml::de::Error) -> Self {
        let text = error.to_string().replace(error.message(), message(error.message()));
        let lines = text.trim_end().lines().map(|line| {
            let (gutter, code) = line.split_once(" | ").unwrap_or(("", line));
            let lower = code.to_lowercase();
            let quotes_source = !gutter.is_empty() && gutter.trim().bytes().all(|byte| byte.is_ascii_digit());
            if !quotes_source || !SECRET_WORDS.iter().any(|word| lower.contains(word)) {
                return line.to_owned();
            }
            let (key, value) = code.split_once('=').unwrap_or(("", code));
            let mask: String =
                value.chars().map(|char| if char.is_whitespace() { char } else { '*' }).collect();
            let equals = if key.is_empty() { "" } else { "=" };
            format!("{gutter} | {key}{equals}{mask}")
        });
        Self(lines.collect::<Vec<_>>().join("\n"))
    }
}

/// What toml says, but where that is about Rust.
fn message(of_toml: &str) -> &str {
    if of_toml.starts_with("invalid type: integer") {
        return "a number without a fraction has 64 bits at most; write a longer one as text, in quotes";
    }
    of_toml
}

/// Collects problems while a file is checked.
#[derive(Default)]
pub(super) struct Report {
    problems: Vec<Problem>,
    /// Paths that have a problem already; whatever else is wrong there follows from it.
    broken: Vec<String>,
    /// Paths of values that came through interpolation.
    interpolated: BTreeSet<String>,
    /// Those of them that no text may show.
    secrets: Secrets,
}

impl Report {
    /// Adds a problem, unless one is known at this place, above it, or the very same one elsewhere.
    pub(super) fn add(&mut self, path: &str, message: impl Into<String>, hint: Option<String>) {
        let problem = Problem { path: path.to_owned(), resource: None, message: message.into(), hint };
        let known = self.broken.iter().any(|broken| is_at_or_below(path, broken));
        if !known && !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Adds a problem that makes everything at and below `path` meaningless.
    pub(super) fn add_final(&mut self, path: &str, message: impl Into<String>, hint: Option<String>) {
        self.add(path, message, hint);
        self.mark_broken(path);
    }

    /// Makes everything at and below `path` meaningless.
    pub(super) fn mark_broken(&mut self, path: &str) {
        self.broken.push(path.to_owned());
    }

    /// Adds that a text breaks a rule; quotes it if it may be seen. `rule` goes on from there: `is not a duration`.
    pub(super) fn add_text(&mut self, path: &str, text: &str, rule: impl fmt::Display) {
        let subject = if self.may_show(path) { format!("`{text}`") } else { "the value".to_owned() };
        self.add(path, format!("{subject} {rule}"), None);
    }

    /// Marks a value as made by interpolation.
    pub(super) fn mark_interpolated(&mut self, path: &str) {
        self.interpolated.insert(path.to_owned());
    }

    /// Takes in a secret that `name` stands for.
    pub(super) fn remember(&mut self, name: &str, value: &str) {
        self.secrets.add(name, value);
    }

    /// The secrets of requests.
    pub(super) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Whether the value at `path` is surely no secret: written in the file, and not where credentials go.
    pub(super) fn may_show(&self, path: &str) -> bool {
        let secret_place = path.split(['.', '[']).any(|key| matches!(key, "auth" | "headers"));
        (!secret_place || is_kind_of_auth(path)) && !self.interpolated.contains(path)
    }

    /// Whether nothing was added.
    pub(super) fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// The problems, those of one resource together. `name_of` gives the names of resources.
    pub(super) fn into_problems(self, name_of: impl Fn(usize) -> Option<String>) -> Vec<Problem> {
        let mut problems = self.problems;
        problems.sort_by_key(|problem| resource_index(&problem.path));
        for problem in &mut problems {
            let shown = resource_index(&problem.path)
                .filter(|index| !self.interpolated.contains(&format!("resources[{index}].name")));
            problem.resource = shown.and_then(&name_of).filter(|name| !name.is_empty());
            problem.message = self.secrets.mask(&problem.message);
            problem.hint = problem.hint.as_deref().map(|hint| self.secrets.mask(hint));
        }
        problems
    }
}

/// Keys of credentials whose values are words of ours: `client.auth.type`, `client.auth[1].type`.
const WORDS_OF_AUTH: [&str; 6] =
    ["type", "location", "algorithm", "client_auth", "encoding", "secret_encoding"];

fn is_kind_of_auth(path: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(table, key)| {
        let table = table.rsplit('.').next().unwrap_or_default();
        WORDS_OF_AUTH.contains(&key) && (table == "auth" || table.starts_with("auth["))
    })
}

/// 2 for `resources[2].endpoint`.
fn resource_index(path: &str) -> Option<usize> {
    path.strip_prefix("resources[")?.split_once(']')?.0.parse().ok()
}

fn is_at_or_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Path of a key below `path`; a key that is no bare TOML key is quoted.
pub(super) fn at_key(path: &str, key: &str) -> String {
    let bare =
        !key.is_empty() && key.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-'));
    let key = if bare { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// Path of an element below `path`.
pub(super) fn at_index(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

/// ``did you mean `x`?`` for the option that is nearest to `text`, if one is near: a few slips away, or with more or
/// fewer words. Names of classes are words, too: `HeaderLinkPaginator` has `header_link` in it.
pub(crate) fn did_you_mean<'a>(text: &str, options: impl IntoIterator<Item = &'a str>) -> Option<String> {
    // Two slips in a word of six letters are still that word; in one of three they are another.
    let length = text.chars().count();
    let near = (length.max(3) / 3).min(3).min(length.saturating_sub(1));
    let fold = |text: &str| text.to_lowercase().replace(['_', '-'], "");
    let folded = fold(text);
    let candidates = options.into_iter().filter_map(|option| {
        let known = fold(option);
        let distance = strsim::damerau_levenshtein(&folded, &known);
        let longer = folded.len() >= 4 && known.contains(&folded);
        let shorter = known.len() >= 4 && folded.contains(&known);
        (distance <= near || longer || shorter).then_some((distance, option))
    });
    let (_, option) = candidates.min_by_key(|(distance, _)| *distance)?;
    Some(format!("did you mean `{option}`?"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_a_known_problem_is_not_reported() {
        let mut report = Report::default();
        report.add_final("a.b", "first", None);
        for (path, message) in
            [("a.b", "x"), ("a.b.c", "x"), ("a.b[0]", "x"), ("a.bc", "second"), ("a.bc", "second")]
        {
            report.add(path, message, None);
        }
        let messages: Vec<_> =
            report.into_problems(|_| None).into_iter().map(|problem| problem.message).collect();
        assert_eq!(messages, ["first", "second"]);
    }

    #[test]
    fn only_near_options_are_suggested() {
        let options = ["append", "replace", "merge"];
        assert_eq!(did_you_mean("mergge", options).as_deref(), Some("did you mean `merge`?"));
        assert_eq!(did_you_mean("MERGE", options).as_deref(), Some("did you mean `merge`?"));
        assert_eq!(
            did_you_mean("selector", ["path", "data_selector"]).as_deref(),
            Some("did you mean `data_selector`?")
        );
        let paginators = ["cursor", "header_cursor", "header_link", "json_link", "page_number"];
        for (class, known) in
            [("HeaderLinkPaginator", "header_link"), ("HeaderCursorPaginator", "header_cursor")]
        {
            assert_eq!(did_you_mean(class, paginators), Some(format!("did you mean `{known}`?")));
        }
        assert_eq!(did_you_mean("upsert", options), None);
        assert_eq!(did_you_mean("x", []), None);
        assert_eq!(did_you_mean("a", ["b"]), None);
        assert_eq!(did_you_mean("ab", ["b"]).as_deref(), Some("did you mean `b`?"));
    }

    #[test]
    fn a_number_that_is_too_long_is_told_in_words() {
        for number in ["99999999999999999999", "-9223372036854775809"] {
            let error = toml::from_str::<toml::Table>(&format!("a = {number}")).unwrap_err();
            let text = SyntaxError::new(&error).to_string();
            assert!(text.contains("line 1") && text.ends_with("as text, in quotes"), "{text}");
        }
    }

    #[test]
    fn a_syntax_error_in_a_credential_line_shows_no_value() {
        let error = toml::from_str::<toml::Table>("a = 1\ntoken = \"sk_live_abc\n").unwrap_err();
        let text = SyntaxError::new(&error).to_string();
        assert!(text.contains("2 | token = ***") && !text.contains("sk_live"), "{text}");
        let error = toml::from_str::<toml::Table>("name = \"abc\n").unwrap_err();
        assert!(SyntaxError::new(&error).to_string().contains("name = \"abc"));
    }
}
