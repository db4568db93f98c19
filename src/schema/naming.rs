//! dlt's `snake_case` naming convention: API names → identifiers, and their length limit.
//!
//! Every name of a table or column goes through here exactly once, when it is first met, so the rules are
//! written for reading, not for speed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha3::Shake128;
use sha3::digest::{ExtendableOutput, Update, XofReader};

use super::pytext::{decimal_digit, strip};

/// Joins the parts of a path: parent and child table, nested object and field.
pub(crate) const SEPARATOR: &str = "__";

/// What a name becomes of which nothing is left (dlt fails on some of these; a row is worth more).
const EMPTY_NAME: &str = "_empty";

/// Bytes of hash in a shortened name: dlt's figure for a collision probability of 0.001.
const TAG_BYTES: usize = 4;

/// One part of a path as an identifier, by the rules of dlt's `snake_case`. Empty if the name is blank.
///
/// ```
/// assert_eq!(forebay::schema::normalize_identifier("getHTTPResponseCode"), "get_http_response_code");
/// ```
pub fn normalize_identifier(name: &str) -> String {
    let name = reduce_alphabet(strip(name));
    let name = break_words(&break_capitalized(&name)).to_ascii_lowercase();
    let name = if name.chars().next().is_some_and(|first| decimal_digit(first).is_some()) {
        format!("_{name}")
    } else {
        name
    };
    let stripped = name.trim_end_matches('_');
    let marked = format!("{stripped}{}", "x".repeat(name.len() - stripped.len()));
    collapse_underscores(&marked)
}

/// A JSON key or resource name as an identifier: its parts between `__` one by one, blank ones left out, then
/// shortened to `max_length` bytes.
pub fn normalize_path(path: &str, max_length: usize) -> String {
    let parts = path.split(SEPARATOR).filter(|part| !strip(part).is_empty());
    let parts: Vec<String> =
        parts.map(|part| shorten(normalize_identifier(part), strip(part), max_length)).collect();
    if parts.is_empty() {
        return EMPTY_NAME.to_owned();
    }
    shorten(parts.join(SEPARATOR), path, max_length)
}

/// Joins identifiers that are normalized already: `members` and `plan_connections` to a child table, an object's
/// name and a field's to a column.
pub fn join<'a>(parts: impl IntoIterator<Item = &'a str>, max_length: usize) -> String {
    let parts: Vec<&str> = parts.into_iter().collect();
    let path = parts.join(SEPARATOR);
    let original = path.clone();
    shorten(path, &original, max_length)
}

/// Cuts `name` to `max_length` bytes, with a tag of `original`'s hash in the middle to keep it unique.
///
/// `original` is what dlt hashes: the name before normalization for a single part, the joined path otherwise.
fn shorten(name: String, original: &str, max_length: usize) -> String {
    let length = name.chars().count();
    if length <= max_length {
        return name;
    }
    let tag = tag(original);
    let rest = max_length.saturating_sub(tag.len());
    let (head, tail) = (rest / 2 + rest % 2, rest / 2);
    let head: String = name.chars().take(head).collect();
    let tail: String = name.chars().skip(length - tail).collect();
    format!("{head}{tag}{tail}")
}

fn tag(original: &str) -> String {
    let mut hash = Shake128::default();
    hash.update(original.as_bytes());
    let mut digest = [0; TAG_BYTES];
    hash.finalize_xof().read(&mut digest);
    STANDARD_NO_PAD.encode(digest).replace('/', "a").replace('+', "b").to_lowercase()
}

/// Letters, digits and `_` stay; a few signs get a letter; each run of anything else becomes one `_`.
fn reduce_alphabet(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut in_run = false;
    for symbol in name.chars() {
        let symbol = match symbol {
            '+' | '*' => 'x',
            '-' => '_',
            '@' => 'a',
            '|' => 'l',
            other => other,
        };
        let kept = symbol.is_ascii_alphabetic() || symbol == '_' || decimal_digit(symbol).is_some();
        match (kept, in_run) {
            (true, _) => out.push(symbol),
            (false, false) => out.push('_'),
            (false, true) => {}
        }
        in_run = !kept;
    }
    out
}

/// dlt's first break, `([^_])([A-Z][a-z]+)` → `\1_\2`, matches left to right and without overlap.
fn break_capitalized(name: &str) -> String {
    let symbols: Vec<char> = name.chars().collect();
    let lower = |at: usize| symbols.get(at).is_some_and(char::is_ascii_lowercase);
    let mut out = String::with_capacity(name.len() + 8);
    let mut at = 0;
    while let Some(&symbol) = symbols.get(at) {
        out.push(symbol);
        at += 1;
        let starts_word = symbols.get(at).is_some_and(char::is_ascii_uppercase) && lower(at + 1);
        if symbol == '_' || !starts_word {
            continue;
        }
        out.push('_');
        out.push(symbols[at]);
        at += 1;
        while lower(at) {
            out.push(symbols[at]);
            at += 1;
        }
    }
    out
}

/// dlt's second break, `([a-z0-9])([A-Z])` → `\1_\2`. A match is two characters that no other match can share.
fn break_words(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 8);
    let mut previous = '_';
    for symbol in name.chars() {
        if symbol.is_ascii_uppercase() && (previous.is_ascii_lowercase() || previous.is_ascii_digit()) {
            out.push('_');
        }
        out.push(symbol);
        previous = symbol;
    }
    out
}

fn collapse_underscores(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for symbol in name.chars() {
        if symbol != '_' || !out.ends_with('_') {
            out.push(symbol);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Long enough that nothing is shortened.
    const LONG: usize = 65_536;

    #[test]
    fn names_become_what_dlt_makes_of_them() {
        let cases = [
            ("userID", "user_id"),
            ("HTTPServer", "http_server"),
            ("getHTTPResponseCode", "get_http_response_code"),
            ("IDs", "i_ds"),
            ("userIDs", "user_i_ds"),
            ("OAuth2Token", "o_auth2_token"),
            ("A1b2", "a1b2"),
            ("a1B2", "a1_b2"),
            ("SHA256Hash", "sha256_hash"),
            ("IPv4Address", "i_pv4_address"),
            ("aBCd", "a_b_cd"),
            ("iPhone", "i_phone"),
            ("_private", "_private"),
            ("___x", "_x"),
            ("__dunder", "dunder"),
            ("a__b", "a__b"),
            ("a___b", "a___b"),
            ("trail_", "trailx"),
            ("trail__", "trail"),
            ("_", "x"),
            ("#id", "_id"),
            ("$ref", "_ref"),
            ("@type", "atype"),
            ("+1", "x1"),
            ("-1", "_1"),
            ("2ndName", "_2nd_name"),
            ("100%", "_100x"),
            ("naïve", "na_ve"),
            ("é", "x"),
            ("a b", "a_b"),
            ("a.b", "a_b"),
            ("a:b", "a_b"),
            ("foo(bar)", "foo_barx"),
            ("Größe", "gr_e"),
            ("ключ", "x"),
            ("日", "x"),
            ("a٣b", "a٣b"),
            ("x²", "xx"),
            (" padded\u{1f}", "padded"),
            ("MyTable-2", "my_table_2"),
            ("first-name", "first_name"),
            ("", EMPTY_NAME),
            (" ", EMPTY_NAME),
            ("__", EMPTY_NAME),
        ];
        for (name, expected) in cases {
            assert_eq!(normalize_path(name, LONG), expected, "{name:?}");
        }
    }

    #[test]
    fn long_names_keep_their_ends_around_a_tag() {
        let expected = format!("{}k4ukya{}", "a".repeat(29), "a".repeat(28));
        assert_eq!(normalize_path(&"a".repeat(80), 63), expected);
        assert_eq!(join(["a", "b"], 63), "a__b");
        assert_eq!(join(["a".repeat(40).as_str(), "b".repeat(40).as_str()], 63).len(), 63);
    }

    proptest! {
        #[test]
        fn an_identifier_is_lower_case_words(name in "\\PC{0,40}") {
            let identifier = normalize_path(&name, 63);
            prop_assert!(!identifier.is_empty());
            prop_assert!(identifier.chars().count() <= 63);
            let plain = |symbol: char| symbol.is_ascii_lowercase() || symbol == '_' || decimal_digit(symbol).is_some();
            prop_assert!(identifier.chars().all(plain));
            prop_assert!(identifier.chars().next().is_some_and(|first| !first.is_ascii_digit()));
        }

        /// dlt's rules are not idempotent at the edges (a leading `__`), but are for what they usually give.
        #[test]
        fn plain_identifiers_stay(name in "[a-z][a-z0-9]{0,8}(_[a-z0-9]{1,8}){0,3}") {
            prop_assert_eq!(normalize_path(&name, LONG), name);
        }
    }
}
