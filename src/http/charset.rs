//! Answers that are not written in UTF-8.

use bytes::Bytes;

/// What windows-1252 has in place of control characters. Bytes that it leaves open stay such a character.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// The body in UTF-8, if its `Content-Type` names one of the two other charsets that old APIs write.
pub(super) fn in_utf8(content_type: Option<&str>, body: Bytes) -> Bytes {
    let is_windows = match content_type.and_then(charset).as_deref() {
        Some("windows-1252" | "cp1252") => true,
        Some("iso-8859-1" | "iso8859-1" | "latin1" | "latin-1") => false,
        _ => return body,
    };
    // A server may well name what its framework does by default, and write UTF-8.
    if std::str::from_utf8(&body).is_ok() {
        return body;
    }
    let text: String = body
        .iter()
        .map(|byte| match byte {
            0x80..=0x9f if is_windows => WINDOWS_1252[usize::from(byte - 0x80)],
            byte => char::from(*byte),
        })
        .collect();
    Bytes::from(text)
}

fn charset(content_type: &str) -> Option<String> {
    let mut params = content_type.split(';').skip(1).filter_map(|param| param.split_once('='));
    let (_, charset) = params.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
    Some(charset.trim().trim_matches('"').to_ascii_lowercase())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_charset_that_is_named_is_read() {
        let check = |content_type: &str, body: &'static [u8], expected: &str| {
            let read = in_utf8(Some(content_type), Bytes::from_static(body));
            assert_eq!(std::str::from_utf8(&read).unwrap(), expected, "{content_type}");
        };
        check("application/json; charset=ISO-8859-1", b"\"Gr\xfcn\"", "\"Grün\"");
        check("text/csv;header=present; Charset=\"latin1\"", b"\xe9,1", "é,1");
        check("application/json;charset=windows-1252", b"\"\x80 \x93x\x94 \xfc\"", "\"€ “x” ü\"");
        check("application/json; charset=iso-8859-1", "\"Grün\"".as_bytes(), "\"Grün\"");
        check("application/json; charset=utf-8", "\"Grün\"".as_bytes(), "\"Grün\"");
        check("application/json", b"{}", "{}");
        assert_eq!(in_utf8(None, Bytes::from_static(b"\xfc")), Bytes::from_static(b"\xfc"));
    }
}
