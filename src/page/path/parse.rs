//! Paths as they are written: RFC 9535, and what `jsonpath-ng`, which dlt uses, takes beyond it.

use super::Step;

/// A path, read.
pub(super) enum Parsed {
    /// Names, indexes and wildcards.
    Steps(Vec<Step>),
    /// Text of an RFC 9535 query.
    Query(String),
}

/// One part of a path.
enum Segment {
    Step(Step),
    /// `..`, before a step.
    Descent,
    /// What is between brackets, as RFC 9535 wants it.
    Selector(String),
}

/// Reads a path. The leading `$` may be missing, names may stand in quotes and hold hyphens.
pub(super) fn parse(text: &str) -> Result<Parsed, &'static str> {
    let mut rest = text.strip_prefix('$').unwrap_or(text);
    let mut segments = Vec::new();
    if rest.is_empty() && text.is_empty() {
        return Err("it is empty");
    }
    let mut is_first = !text.starts_with('$');
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("..") {
            segments.push(Segment::Descent);
            rest = after;
        } else if let Some(after) = rest.strip_prefix('.') {
            rest = after;
        } else if !rest.starts_with('[') && !is_first {
            return Err("a field name must follow a dot");
        }
        is_first = false;
        let (segment, after) = match rest.strip_prefix('[') {
            Some(inner) => bracket(inner)?,
            None => name(rest)?,
        };
        segments.push(segment);
        rest = after;
    }
    let plain: Option<Vec<Step>> = segments.iter().map(as_step).collect();
    Ok(plain.map_or_else(|| Parsed::Query(query(&segments)), Parsed::Steps))
}

fn as_step(segment: &Segment) -> Option<Step> {
    match segment {
        Segment::Step(step) => Some(step.clone()),
        Segment::Descent | Segment::Selector(_) => None,
    }
}

fn query(segments: &[Segment]) -> String {
    let part = |segment: &Segment| match segment {
        Segment::Step(step) => canonical(std::slice::from_ref(step)),
        Segment::Descent => "..".to_owned(),
        Segment::Selector(inner) => format!("[{inner}]"),
    };
    format!("${}", segments.iter().map(part).collect::<String>())
}

/// Steps in brackets.
pub(super) fn canonical(steps: &[Step]) -> String {
    let step = |step: &Step| match step {
        Step::Key(key) => format!("['{}']", key.replace('\\', "\\\\").replace('\'', "\\'")),
        Step::Index(index) => format!("[{index}]"),
        Step::All => "[*]".to_owned(),
    };
    steps.iter().map(step).collect()
}

/// Whether a name needs no quotes.
pub(super) fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('$')
        && !name.contains(['.', '[', ']', '*', '?', '(', ')', '\'', '"', '`', '|', '&', '='])
}

/// A name or `*` up to the next dot or bracket.
fn name(text: &str) -> Result<(Segment, &str), &'static str> {
    if text.starts_with(['\'', '"']) {
        let (name, rest) = quoted(text)?;
        return Ok((Segment::Step(Step::Key(name)), rest));
    }
    let end = text.find(['.', '[']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    match name {
        "*" => Ok((Segment::Step(Step::All), rest)),
        "" => Err("a field name is missing"),
        name if is_plain_name(name) => Ok((Segment::Step(Step::Key(name.to_owned())), rest)),
        _ => Err("a field name with such characters needs brackets and quotes, like `['a*b']`"),
    }
}

/// What follows an opening bracket, up to the closing one.
fn bracket(text: &str) -> Result<(Segment, &str), &'static str> {
    let end = closing(text).ok_or("a bracket is not closed")?;
    let (inner, rest) = (text[..end].trim(), &text[end + 1..]);
    if inner == "*" {
        return Ok((Segment::Step(Step::All), rest));
    }
    if let Ok(index) = inner.parse::<usize>() {
        return Ok((Segment::Step(Step::Index(index)), rest));
    }
    if inner.starts_with(['\'', '"'])
        && let Ok((name, "")) = quoted(inner)
    {
        return Ok((Segment::Step(Step::Key(name)), rest));
    }
    let selector =
        inner.strip_prefix('?').map_or_else(|| inner.to_owned(), |filter| format!("?{}", rfc_filter(filter)));
    if selector.is_empty() { Err("brackets are empty") } else { Ok((Segment::Selector(selector), rest)) }
}

/// Where the bracket closes that is open at the start.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            b'\'' | b'"' => {
                at += quoted(&text[at..]).ok().map(|(_, rest)| text[at..].len() - rest.len() - 1)?;
            }
            b'[' => depth += 1,
            b']' if depth == 0 => return Some(at),
            b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    None
}

/// The text between the quotes that `text` starts with, and what follows it.
fn quoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut chars = text.char_indices();
    let quote = chars.next().map(|(_, quote)| quote);
    let mut name = String::new();
    while let Some((at, char)) = chars.next() {
        match char {
            '\\' => name.extend(chars.next().map(|(_, escaped)| escaped)),
            char if Some(char) == quote => return Ok((name, &text[at + char.len_utf8()..])),
            char => name.push(char),
        }
    }
    Err("a quote is not closed")
}

/// A filter of `jsonpath-ng` in the words of RFC 9535: `&` and `|` are `&&` and `||`, `=` is `==`, a bare name is a
/// field of the element at hand, and after a comparison it is text. What is RFC 9535 already stays as it is.
fn rfc_filter(filter: &str) -> String {
    let mut out = String::with_capacity(filter.len() + 8);
    let mut rest = filter;
    while let Some(char) = rest.chars().next() {
        let taken = match char {
            '\'' | '"' => quoted(rest).map_or(rest.len(), |(_, after)| rest.len() - after.len()),
            char if is_name(char) => {
                let is_number = char.is_ascii_digit();
                let ends = |char: char| !(is_name(char) || char == '-' && !is_number);
                rest.find(ends).unwrap_or(rest.len())
            }
            '&' | '|' | '=' | '!' | '<' | '>' => rest
                .find(|char| !matches!(char, '&' | '|' | '=' | '!' | '<' | '>' | '~'))
                .unwrap_or(rest.len()),
            char => char.len_utf8(),
        };
        let (token, after) = rest.split_at(taken);
        let is_bare = token.starts_with(|char: char| char.is_alphabetic() || char == '_')
            && !matches!(token, "true" | "false" | "null")
            && !after.trim_start().starts_with('(');
        let is_field = out.ends_with('.');
        match token {
            "&" => out.push_str("&&"),
            "|" => out.push_str("||"),
            "=" => out.push_str("=="),
            name if is_bare && out.trim_end().ends_with(['=', '<', '>']) => out.extend(["'", name, "'"]),
            name if is_bare && name.contains('-') => {
                // RFC 9535 wants them in quotes.
                if is_field {
                    out.pop();
                } else {
                    out.push('@');
                }
                out.extend(["['", name, "']"]);
            }
            name if is_bare && !is_field => out.extend(["@.", name]),
            token => out.push_str(token),
        }
        rest = after;
    }
    out
}

fn is_name(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}
