//! JSON strings and JSON kept whole, from text that is known to be JSON.

use std::borrow::Cow;

/// Decodes what stands between the quotes of a JSON string.
///
/// A surrogate without its partner, which no text can hold, becomes U+FFFD.
pub(crate) fn decode(raw: &str) -> Cow<'_, str> {
    let Some(first) = raw.find('\\') else { return Cow::Borrowed(raw) };
    let mut out = String::with_capacity(raw.len());
    out.push_str(&raw[..first]);
    let mut rest = &raw[first..];
    while let Some(escaped) = rest.strip_prefix('\\') {
        let (symbol, after) = decode_escape(escaped);
        out.extend(symbol);
        let plain = after.find('\\').unwrap_or(after.len());
        out.push_str(&after[..plain]);
        rest = &after[plain..];
    }
    Cow::Owned(out)
}

/// The symbol that an escape stands for, and the text after it.
fn decode_escape(escaped: &str) -> (Option<char>, &str) {
    let mut symbols = escaped.chars();
    let symbol = match symbols.next() {
        Some('n') => '\n',
        Some('t') => '\t',
        Some('r') => '\r',
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('u') => return decode_unicode(symbols.as_str()),
        Some(other) => other,
        None => return (None, ""),
    };
    (Some(symbol), symbols.as_str())
}

fn decode_unicode(digits: &str) -> (Option<char>, &str) {
    let (Some(unit), after) = code_unit(digits) else { return (None, "") };
    if (0xd800..0xdc00).contains(&unit)
        && let Some(second) = after.strip_prefix("\\u")
        && let (Some(low @ 0xdc00..0xe000), after) = code_unit(second)
    {
        return (char::from_u32(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00)), after);
    }
    (Some(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)), after)
}

fn code_unit(digits: &str) -> (Option<u32>, &str) {
    match digits.split_at_checked(4) {
        Some((unit, after)) => (u32::from_str_radix(unit, 16).ok(), after),
        None => (None, ""),
    }
}

/// The same JSON without white space between its parts and with text unescaped where it can be. Numbers keep
/// the form they came in, with every digit.
pub(crate) fn compact(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(quote) = rest.find('"') {
        push_packed(&mut out, &rest[..quote]);
        let (string, after) = split_string(&rest[quote + 1..]);
        push_string(&mut out, string);
        rest = after;
    }
    push_packed(&mut out, rest);
    out
}

/// Splits at a string's closing quote.
fn split_string(text: &str) -> (&str, &str) {
    let mut from = 0;
    while let Some(found) = text[from..].find(['"', '\\']) {
        let at = from + found;
        if text.as_bytes()[at] == b'"' {
            return (&text[..at], &text[at + 1..]);
        }
        from = at + 2;
    }
    (text, "")
}

fn push_packed(out: &mut String, text: &str) {
    out.extend(text.split([' ', '\n', '\r', '\t']));
}

fn push_string(out: &mut String, raw: &str) {
    if raw.contains('\\') {
        // Writing text as JSON cannot fail; the string as it came is the same value.
        match serde_json::to_string(decode(raw).as_ref()) {
            Ok(string) => return out.push_str(&string),
            Err(_) => out.push('"'),
        }
    } else {
        out.push('"');
    }
    out.push_str(raw);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_decoded() {
        let cases = [
            ("plain", "plain"),
            (r#"a\"b\\c\/d\n\t"#, "a\"b\\c/d\n\t"),
            (r"caf\u00e9 \ud83d\ude00!", "café 😀!"),
            (r"a\u0000b", "a\0b"),
            (r"\ud800", "\u{fffd}"),
            (r"\ud800\ud800x", "\u{fffd}\u{fffd}x"),
            (r"\udc00\u0041", "\u{fffd}A"),
        ];
        for (raw, expected) in cases {
            assert_eq!(decode(raw), expected, "{raw}");
        }
    }

    #[test]
    fn json_is_written_compactly() {
        let cases = [
            ("{ \"a b\" : [ 1 , 2.50,\n null ] }", "{\"a b\":[1,2.50,null]}"),
            (r#"{"k": "caf\u00e9 \" \\ \n"}"#, "{\"k\":\"café \\\" \\\\ \\n\"}"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
        ];
        for (raw, expected) in cases {
            assert_eq!(compact(raw), expected);
        }
    }
}
