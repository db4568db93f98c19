//! Bodies that are JSON but for what many programs write and read all the same.

use std::borrow::Cow;

/// What is written for floats that JSON has no number for, and what is read: `NaN` says that there is no number, and
/// the other two stay text, which no number type changes.
const FLOATS: [(&str, &str); 3] =
    [("NaN", "null"), ("-Infinity", "\"-Infinity\""), ("Infinity", "\"Infinity\"")];

/// The body as JSON, without the names of floats outside of strings. `None` if it has none of these, whatever else it
/// may be.
pub fn repair(body: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok()?;
    let mut rest = text;
    let mut out = Cow::Borrowed(text);
    while let Some(at) = rest.find(['"', 'N', '-', 'I']) {
        let found = FLOATS.iter().find(|(name, _)| rest[at..].starts_with(name));
        let taken = match found {
            Some((name, _)) => at + name.len(),
            None if rest[at..].starts_with('"') => at + string_length(&rest[at..]),
            None => at + 1,
        };
        if let Some((_, json)) = found {
            if let Cow::Borrowed(whole) = out {
                out = Cow::Owned(whole[..whole.len() - rest.len()].to_owned());
            }
            out.to_mut().extend([&rest[..at], json]);
        } else if let Cow::Owned(out) = &mut out {
            out.push_str(&rest[..taken]);
        }
        rest = &rest[taken..];
    }
    match out {
        Cow::Borrowed(_) => None,
        Cow::Owned(out) => Some((out + rest).into_bytes()),
    }
}

/// Bytes of the string that begins here, its quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_without_a_number_are_read() {
        let cases = [
            (r#"{"a":NaN,"b":[-Infinity,Infinity]}"#, Some(r#"{"a":null,"b":["-Infinity","Infinity"]}"#)),
            (r#"{"NaN":"\"NaN \\","a":-1,"b":NaN}"#, Some(r#"{"NaN":"\"NaN \\","a":-1,"b":null}"#)),
            (r#"{"a":"Infinity","b":-1}"#, None),
            ("<html>NO", None),
            ("\"", None),
        ];
        for (body, expected) in cases {
            let repaired =
                repair(body.as_bytes()).map(|repaired| String::from_utf8_lossy(&repaired).into_owned());
            assert_eq!(repaired.as_deref(), expected, "{body}");
        }
        assert_eq!(repair(b"NaN\xff"), None);
    }
}
