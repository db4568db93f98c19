//! YAML as PyYAML writes it, with which dlt prints its schema: block style, keys in their order, lines of about 80
//! characters. Equal documents make equal text, so that a diff shows what differs and no more.

use serde_json::{Map, Value};

/// Column after which a text goes on in the next line.
const WIDTH: usize = 80;
/// Keys of this length or more are written with `?`: 128, less what PyYAML counts for the type.
const LONG_KEY: usize = 123;

/// A document.
pub(super) fn dump(value: &Value) -> String {
    let mut out = Writer { text: String::new() };
    match value {
        Value::Object(fields) if !fields.is_empty() => out.mapping(fields, 0, true),
        Value::Array(elements) if !elements.is_empty() => out.sequence(elements, 0, true),
        scalar => out.scalar(scalar, 2),
    }
    out.text.push('\n');
    out.text
}

struct Writer {
    text: String,
}

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
}

impl Writer {
    /// `is_begun`: the first key goes where the writer stands.
    fn mapping(&mut self, fields: &Map<String, Value>, indent: usize, mut is_begun: bool) {
        for (key, value) in fields {
            if !std::mem::take(&mut is_begun) {
                self.line(indent);
            }
            if key.chars().count() < LONG_KEY && !key.contains('\n') {
                self.string(key, None);
                self.text.push(':');
                self.field(value, indent);
            } else {
                self.text.push_str("? ");
                self.string(key, Some(indent + 2));
                self.line(indent);
                self.text.push_str(": ");
                self.element(value, indent);
            }
        }
    }

    /// The value of a key, behind its colon. Lists stand under the key, not further in.
    fn field(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Object(fields) if !fields.is_empty() => self.mapping(fields, indent + 2, false),
            Value::Array(elements) if !elements.is_empty() => self.sequence(elements, indent, false),
            scalar => {
                self.text.push(' ');
                self.scalar(scalar, indent + 2);
            }
        }
    }

    fn sequence(&mut self, elements: &[Value], indent: usize, mut is_begun: bool) {
        for element in elements {
            if !std::mem::take(&mut is_begun) {
                self.line(indent);
            }
            self.text.push_str("- ");
            self.element(element, indent);
        }
    }

    /// What stands behind `- `, in the same line.
    fn element(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Object(fields) if !fields.is_empty() => self.mapping(fields, indent + 2, true),
            Value::Array(elements) if !elements.is_empty() => self.sequence(elements, indent + 2, true),
            scalar => self.scalar(scalar, indent + 2),
        }
    }

    fn scalar(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Null => self.text.push_str("null"),
            Value::Bool(flag) => self.text.push_str(if *flag { "true" } else { "false" }),
            Value::Number(number) => self.text.push_str(&number_text(&number.to_string())),
            Value::String(text) => self.string(text, Some(indent)),
            Value::Array(_) => self.text.push_str("[]"),
            Value::Object(_) => self.text.push_str("{}"),
        }
    }

    /// A text; its further lines, if it may have any, begin at `indent`.
    fn string(&mut self, text: &str, indent: Option<usize>) {
        let text: Vec<char> = text.chars().collect();
        match style(&text) {
            Style::Plain => self.folded(&text, indent, "'"),
            Style::SingleQuoted => {
                self.text.push('\'');
                self.folded(&text, indent, "''");
                self.text.push('\'');
            }
            Style::DoubleQuoted => self.escaped(&text, indent),
        }
    }

    /// A plain or single-quoted text: a single space may become a line break, a line break becomes two, and a quote
    /// is written as `quote`.
    fn folded(&mut self, text: &[char], indent: Option<usize>, quote: &str) {
        for (at, char) in text.iter().copied().enumerate() {
            let before = at.checked_sub(1).map(|at| text[at]);
            let after = text.get(at + 1).copied();
            match (char, indent) {
                (' ', Some(indent))
                    if before.is_some_and(|before| before != ' ')
                        && after.is_some_and(|after| after != ' ')
                        && self.column() > WIDTH =>
                {
                    self.line(indent);
                }
                ('\n', indent) => {
                    if before != Some('\n') {
                        self.text.push('\n');
                    }
                    self.text.push('\n');
                    if after != Some('\n') {
                        self.pad(indent.unwrap_or(0));
                    }
                }
                ('\'', _) => self.text.push_str(quote),
                (char, _) => self.text.push(char),
            }
        }
    }

    /// A double-quoted text. Long ones are cut before a space or behind an escape.
    fn escaped(&mut self, text: &[char], indent: Option<usize>) {
        self.text.push('"');
        // Characters from `start` on are not written yet.
        let mut start = 0;
        for at in 0..=text.len() {
            let char = text.get(at).copied();
            let escape = char.and_then(escape);
            if char.is_none() || escape.is_some() {
                self.text.extend(text.get(start..at).unwrap_or_default());
                start = at;
            }
            if let Some(escape) = escape {
                self.text.push_str(&escape);
                start = at + 1;
            }
            let Some(indent) = indent.filter(|_| at > 0 && at + 1 < text.len()) else { continue };
            let can_cut = char == Some(' ') || start >= at;
            if can_cut && (self.column() + at).saturating_sub(start) > WIDTH {
                self.text.extend(text.get(start..at).unwrap_or_default());
                start = start.max(at);
                self.text.push('\\');
                self.line(indent);
                if text[start] == ' ' {
                    self.text.push('\\');
                }
            }
        }
        self.text.push('"');
    }

    fn line(&mut self, indent: usize) {
        self.text.push('\n');
        self.pad(indent);
    }

    fn pad(&mut self, indent: usize) {
        self.text.extend(std::iter::repeat_n(' ', indent));
    }

    /// How many characters the line has so far.
    fn column(&self) -> usize {
        let line = self.text.rsplit('\n').next().unwrap_or_default();
        line.chars().count()
    }
}

/// A number with an exponent has a point, too.
fn number_text(text: &str) -> String {
    match text.split_once('e') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0e{exponent}"),
        _ => text.to_owned(),
    }
}

fn is_break(char: char) -> bool {
    matches!(char, '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_printable(char: char) -> bool {
    matches!(char, '\n' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
        && char != '\u{feff}'
}

/// The plainest style that reads back as this text.
fn style(text: &[char]) -> Style {
    let (Some(first), Some(last)) = (text.first().copied(), text.last().copied()) else {
        return Style::SingleQuoted;
    };
    let pairs = || text.windows(2).map(|pair| (pair[0], pair[1]));
    let breaks_after_space = pairs().any(|(left, right)| left == ' ' && is_break(right));
    let space_after_break = pairs().any(|(left, right)| is_break(left) && right == ' ');
    if text.iter().any(|char| !is_printable(*char)) || breaks_after_space || space_after_break {
        return Style::DoubleQuoted;
    }
    let has_break = text.iter().copied().any(is_break);
    if text.iter().any(|char| is_break(*char) && *char != '\n') {
        return Style::DoubleQuoted;
    }
    if has_break || first == ' ' || last == ' ' || is_syntax(text) || is_other_type(text) {
        return Style::SingleQuoted;
    }
    Style::Plain
}

/// Whether YAML would take some of the text for its own signs.
fn is_syntax(text: &[char]) -> bool {
    let begins = |marker: &str| text.iter().copied().take(3).eq(marker.chars());
    let is_space =
        |at: usize| text.get(at).is_none_or(|char| *char == ' ' || *char == '\t' || is_break(*char));
    let first = match text[0] {
        '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => {
            true
        }
        '?' | ':' | '-' => is_space(1),
        _ => false,
    };
    let inside = text.iter().enumerate().skip(1).any(|(at, char)| match char {
        ':' => is_space(at + 1),
        '#' => is_space(at - 1),
        _ => false,
    });
    begins("---") || begins("...") || first || inside
}

/// Whether the text, written plainly, would be read as something else than text: a truth value, null, a number or
/// a date.
fn is_other_type(text: &[char]) -> bool {
    let word: String = text.iter().collect();
    let lower = word.to_lowercase();
    let is_cased = word == lower || word == word.to_uppercase() || {
        let mut chars = word.chars();
        chars.next().is_some_and(char::is_uppercase) && chars.all(char::is_lowercase)
    };
    let words = ["yes", "no", "true", "false", "on", "off", "null"];
    if (is_cased && words.contains(&lower.as_str())) || matches!(word.as_str(), "~" | "=" | "<<") {
        return true;
    }
    if matches!(lower.trim_start_matches(['+', '-']), ".inf" | ".nan") {
        return true;
    }
    // More than YAML's numbers, dates and times look like that; quotes around those do no harm.
    let is_hexadecimal = lower.trim_start_matches(['+', '-']).starts_with("0x");
    let has_point = text.contains(&'.');
    matches!(text[0], '0'..='9' | '+' | '-' | '.')
        && text.iter().any(char::is_ascii_digit)
        && text.iter().all(|char| match char {
            '0'..='9' | '_' | ':' | '.' | '+' | '-' | 'T' | 't' | 'Z' | ' ' | 'b' | 'x' => true,
            'e' | 'E' => has_point || is_hexadecimal,
            other => is_hexadecimal && other.is_ascii_hexdigit(),
        })
}

/// What stands for a character between double quotes; `None` if it can stand for itself.
fn escape(char: char) -> Option<String> {
    let short = match char {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' => return None,
        other => {
            let code = u32::from(other);
            return Some(match code {
                0..=0xff => format!("\\x{code:02X}"),
                0x100..=0xffff => format!("\\u{code:04X}"),
                _ => format!("\\U{code:08X}"),
            });
        }
    };
    Some(format!("\\{short}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The text is PyYAML's for the same document.
    #[track_caller]
    fn check(document: &Value, expected: &str) {
        assert_eq!(dump(document), expected);
    }

    /// As [`check`], for texts in a list.
    #[track_caller]
    fn check_texts(texts: &[(&str, &str)]) {
        let lines: Vec<String> = texts.iter().map(|(_, line)| format!("- {line}\n")).collect();
        let texts: Vec<&str> = texts.iter().map(|(text, _)| *text).collect();
        check(&json!(texts), &lines.concat());
    }

    #[test]
    fn documents_are_written_in_blocks() {
        check(&json!({}), "{}\n");
        check(
            &json!({"a": null, "b": true, "c": -3, "d": 1.5, "e": 1e20}),
            "a: null\nb: true\nc: -3\nd: 1.5\ne: 1.0e+20\n",
        );
        check(
            &json!({"a": [], "b": {}, "c": [1, [2, [], ["x"]], {"k": "v", "l": [3]}], "d": {"e": {"f": "g"}}}),
            "a: []\nb: {}\nc:\n- 1\n- - 2\n  - []\n  - - x\n- k: v\n  l:\n  - 3\nd:\n  e:\n    f: g\n",
        );
        check(&json!([{"a": 1, "b": 2}, [], "x"]), "- a: 1\n  b: 2\n- []\n- x\n");
    }

    #[test]
    fn what_would_be_read_as_something_else_is_quoted() {
        let quoted = ["yes", "No", "null", "~", "", "12", "0x1f", "1.5", ".inf", "2024-01-01", "=", "<<"];
        for text in quoted {
            check_texts(&[(text, &format!("'{text}'"))]);
        }
        for text in ["yEs", "x12", "1e5", "1.2.3 beta", "8xyry/+LbT="] {
            check_texts(&[(text, text)]);
        }
    }

    #[test]
    fn the_signs_of_the_language_are_quoted_where_they_are_signs() {
        let quoted = [
            " lead", "trail ", "a: b", "a:", "a #b", "# a", "- a", "?", "---x", "...", "\"q\"", "@a", "[a",
            "%a", "`a", "{", "!a", "|", "*a", "&a",
        ];
        for text in quoted {
            check_texts(&[(text, &format!("'{text}'"))]);
        }
        for text in ["a:b", "a#b", "-a", "?a", ":a", "it's", "a]", "a, b", "a\\b", "$.tags[*]", "é 日", "😀"]
        {
            check_texts(&[(text, text)]);
        }
        check_texts(&[("'q'", "'''q'''")]);
        check(&json!({"true": 1, "a: b": 2}), "'true': 1\n'a: b': 2\n");
    }

    #[test]
    fn lines_and_control_characters() {
        check_texts(&[
            ("a\nb", "'a\n\n  b'"),
            ("a\n\nb\n", "'a\n\n\n  b\n\n  '"),
            ("a \nb", r#""a \nb""#),
            ("tab\t", r#""tab\t""#),
            ("nul\0", r#""nul\0""#),
            ("bell\u{7}", r#""bell\a""#),
            ("😀\t", r#""\U0001F600\t""#),
            ("\u{2028}", r#""\L""#),
        ]);
    }

    #[test]
    fn long_texts_go_on_in_the_next_line() {
        let words = |word: &str, count: usize| vec![word; count].join(" ");
        let (first, rest) = (words("word", 16), words("word", 5));
        check(
            &json!({"description": words("word", 20)}),
            &format!("description: {}\n  {}\n", words("word", 14), words("word", 6)),
        );
        check(&json!([format!("{first}: {rest}")]), &format!("- '{first}:\n  {rest}'\n"));
        check(
            &json!({"d": format!("tab\t{} end", words("word", 20))}),
            &format!("d: \"tab\\t{}\\\n  \\ {} end\"\n", words("word", 15), words("word", 5)),
        );
        // A key goes on in one line.
        check(&json!({words("word", 20): 1}), &format!("{}: 1\n", words("word", 20)));
    }

    #[test]
    fn very_long_keys_have_a_line_of_their_own() {
        check(&json!({"k".repeat(122): 1}), &format!("{}: 1\n", "k".repeat(122)));
        check(
            &json!({"k".repeat(123): {"a": 1, "b": [2]}}),
            &format!("? {}\n: a: 1\n  b:\n  - 2\n", "k".repeat(123)),
        );
    }
}
