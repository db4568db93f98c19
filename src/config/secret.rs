//! Values that must not be seen: keys, tokens, headers that carry them, and how they are found in what is shown.

use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

/// A secret text. `Debug` and `Display` print `***`; [`Secret::expose`] is the one way to the value, so a
/// search for it finds every place a secret leaves the process.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the request that needs it and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Last letters of words in the names of what holds secrets.
const SECRET_WORDS: [&str; 12] = [
    "auth",
    "authorization",
    "cookie",
    "credential",
    "key",
    "pass",
    "passphrase",
    "password",
    "pwd",
    "secret",
    "signature",
    "token",
];

/// Whether a name says that what it stands for is a secret: `SHOP_TOKEN`, `apiKey`, `KEYS_2`.
pub(super) fn is_secret_name(name: &str) -> bool {
    let name = name.to_lowercase();
    let mut words = name.split(|char: char| !char.is_alphabetic());
    words.any(|word| {
        let singular = word.strip_suffix('s').unwrap_or(word);
        SECRET_WORDS.iter().any(|secret| word.ends_with(secret) || singular.ends_with(secret))
    })
}

/// What is shorter may well occur in any text.
pub(crate) const SHORTEST_SECRET: usize = 8;

/// The secrets that a config file takes from elsewhere into addresses, parameters, headers and bodies. Those of
/// `auth` are known by what they are for.
#[derive(Clone, Default)]
pub struct Secrets(Vec<(String, Secret)>);

impl Secrets {
    /// Takes in what `name` stands for.
    pub(super) fn add(&mut self, name: &str, value: &str) {
        if value.len() >= SHORTEST_SECRET && self.0.iter().all(|(known, _)| known != name) {
            self.0.push((name.to_owned(), Secret::new(value)));
        }
    }

    /// All of them.
    pub fn values(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.iter().map(|(_, value)| value.expose())
    }

    /// `text` with `***` for each of them.
    pub fn mask(&self, text: &str) -> String {
        mask(text, self.values())
    }

    /// A URL with the name of each of them in its place. It is for files: [`Self::restore`] puts them back.
    pub fn replace(&self, url: &str) -> String {
        replace(url, &self.values(), Extent::Whole, |index, found| {
            let (name, value) = &self.0[index];
            let form = if found == in_path(value) { "" } else { "%" };
            format!("<{name}{form}>")
        })
    }

    /// The URL that [`Self::replace`] was given.
    pub fn restore(&self, url: &str) -> String {
        // No URL has angle brackets: they are escaped.
        self.0.iter().fold(url.to_owned(), |url, (name, value)| {
            let escaped = utf8_percent_encode(value.expose(), NON_ALPHANUMERIC).to_string();
            url.replace(&format!("<{name}>"), &in_path(value)).replace(&format!("<{name}%>"), &escaped)
        })
    }
}

/// Shows how many there are.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

/// What a path escapes of what stands in it.
const PATH: AsciiSet =
    CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'`').add(b'{').add(b'}');

/// A secret as a URL writes one that was put into its path.
fn in_path(secret: &Secret) -> String {
    utf8_percent_encode(secret.expose(), &PATH).to_string()
}

/// `text` with `***` for each of `secrets`, however URLs and JSON spell it.
pub(crate) fn mask<'a>(text: &str, secrets: impl Iterator<Item = &'a str> + Clone) -> String {
    replace(text, &secrets, Extent::WholeOrCut, |_, _| "***".to_owned())
}

/// What of a secret counts.
#[derive(Clone, Copy, PartialEq)]
enum Extent {
    Whole,
    /// Also its beginning, at the end of a text that was shortened.
    WholeOrCut,
}

/// Replaces each of `secrets` by what `name` makes of its number and of how it is spelled. Where several begin, it is
/// the one that reaches furthest.
fn replace<'a>(
    text: &str,
    secrets: &(impl Iterator<Item = &'a str> + Clone),
    extent: Extent,
    name: impl Fn(usize, &str) -> String,
) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let found = secrets.clone().enumerate();
        let found = found.filter_map(|(index, secret)| Some((spelled(rest, secret, extent)?, index))).max();
        let length = match found {
            Some((length, index)) => {
                replaced.push_str(&name(index, &rest[..length]));
                length
            }
            None => {
                replaced.push(first);
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    replaced
}

/// How many bytes at the start of `text` spell `secret`.
fn spelled(text: &str, secret: &str, extent: Extent) -> Option<usize> {
    if secret.is_empty() {
        return None;
    }
    if text.starts_with(secret) {
        return Some(secret.len());
    }
    let mut length = 0;
    for (index, byte) in secret.bytes().enumerate() {
        let rest = &text.as_bytes()[length..];
        let is_cut = rest.is_empty() || rest.starts_with("…".as_bytes());
        if is_cut && index >= SHORTEST_SECRET && extent == Extent::WholeOrCut {
            break;
        }
        length += spelled_byte(rest, byte)?;
    }
    Some(length)
}

/// The same for one byte, which may be escaped several times over: a link in a link, JSON in JSON.
fn spelled_byte(text: &[u8], byte: u8) -> Option<usize> {
    match text {
        [b'%', rest @ ..] if byte != b'%' || rest.starts_with(b"25") => percent(rest, byte),
        [b'\\', b'\\', ..] if byte == b'\\' => Some(2),
        [b'\\', ..] if b"\"/".contains(&byte) => {
            let escapes = text.iter().take_while(|char| **char == b'\\').count();
            (text.get(escapes) == Some(&byte)).then_some(escapes + 1)
        }
        [b'+', ..] if byte == b' ' => Some(1),
        [same, ..] if *same == byte => Some(1),
        _ => None,
    }
}

/// What follows a percent sign: `2F`, `252F`, `25252F`.
fn percent(text: &[u8], byte: u8) -> Option<usize> {
    let mut at = 0;
    loop {
        let [high, low] = *text.get(at..at + 2)? else { return None };
        at += 2;
        match (hex(high)?, hex(low)?) {
            found if found == (byte >> 4, byte & 15) => return Some(at + 1),
            (2, 5) => {}
            _ => return None,
        }
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        let mut secrets = Secrets::default();
        secrets.add("BOT_TOKEN", "1234:AAé/x \"y");
        secrets.add("file:key", "1234:AAé/x \"y-and-more");
        secrets.add("SHORT_KEY", "1234:AA");
        secrets
    }

    #[test]
    fn secrets_are_found_however_they_are_spelled() {
        for (text, expected) in [
            ("bot1234:AAé/x \"y/get", "bot***/get"),
            ("bot1234:AA%C3%A9/x%20%22y/get", "bot***/get"),
            ("?k=1234%3aAA%c3%a9%2fx+%22y&a=1", "?k=***&a=1"),
            (r#"{"k": "1234:AAé\/x \"y"}"#, r#"{"k": "***"}"#),
            (r#"{"said": "{\"k\": \"1234:AAé/x \\\"y\"}"}"#, r#"{"said": "{\"k\": \"***\"}"}"#),
            (
                "?to=https%3A%2F%2Fa.test%2F1234%253AAA%25C3%25A9%252Fx%2520%2522y%2F",
                "?to=https%3A%2F%2Fa.test%2F***%2F",
            ),
            ("1234:AAé/x \"y-and-more", "***"),
            ("1234:AAé/x \"y1234:AAé/x \"y", "******"),
            ("1234:AAé/x…", "***…"),
            ("1234:AAé/", "***"),
            ("1234:AA", "1234:AA"),
            ("1234:AAé/z", "1234:AAé/z"),
            ("", ""),
        ] {
            assert_eq!(secrets().mask(text), expected, "{text}");
        }
    }

    #[test]
    fn an_address_is_kept_without_them_and_asked_for_as_it_was() {
        for (url, kept) in [
            (
                "https://a.test/bot1234:AA%C3%A9/x%20%22y/get?page=2",
                "https://a.test/bot<BOT_TOKEN>/get?page=2",
            ),
            ("https://a.test/get?k=1234%3AAA%C3%A9%2Fx%20%22y&a=1", "https://a.test/get?k=<BOT_TOKEN%>&a=1"),
            ("https://a.test/?q=%3CBOT_TOKEN%3E", "https://a.test/?q=%3CBOT_TOKEN%3E"),
        ] {
            assert_eq!(secrets().replace(url), kept);
            assert_eq!(secrets().restore(kept), url);
        }
        let cut = "https://a.test/bot1234:AA%C3%A9/x";
        assert_eq!(secrets().replace(cut), cut);
        // `+` is no other value than `%20`.
        let kept = secrets().replace("https://a.test/?k=1234:AA%C3%A9/x+%22y-and-more");
        assert_eq!(kept, "https://a.test/?k=<file:key%>");
    }

    #[test]
    fn names_tell_secrets() {
        for name in
            ["TELEGRAM_TOKEN", "apiKey", "DB_PASS", "PGPASS", "client_secret", "KEYS_2", "TOKEN1", "X-Auth"]
        {
            assert!(is_secret_name(name), "{name}");
        }
        for name in ["TENANT", "author", "keywords", "api_version", "passenger"] {
            assert!(!is_secret_name(name), "{name}");
        }
    }
}
