//! Values that must not be kept as they are.

use aws_lc_rs::hmac;
use serde_json::value::RawValue;

use crate::config::Secret;

/// What stands for what is masked.
const MASK: &str = "***";

/// What becomes of a value that must not be kept as it is. `null` stays `null`, and a list keeps its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protection {
    /// HMAC-SHA256 of its text under the hash key, in hex: the same for the same value, so that tables still join, and
    /// nobody without the key can find it by trying. An object counts as one text.
    Hash,
    /// `***` and the last characters, as many as are given, unless these are half of it or more.
    Mask(usize),
    /// The field is left out.
    Drop,
}

/// Hashes and masks.
#[derive(Debug, Clone, Default)]
pub(super) struct Protector {
    key: Option<hmac::Key>,
}

impl Protector {
    pub(super) fn new(key: Option<&Secret>) -> Self {
        Self { key: key.map(|key| hmac::Key::new(hmac::HMAC_SHA256, key.expose().as_bytes())) }
    }

    /// What is kept of a value that is no list, as JSON. `None`: the value itself, which is null.
    pub(super) fn protect(&self, value: &RawValue, protection: Protection) -> Option<String> {
        let json = value.get();
        if json == "null" {
            return None;
        }
        let decoded;
        let text = if json.starts_with('"') {
            // Escapes must not make a difference. The text was checked to be JSON when the page was read.
            decoded = serde_json::from_str::<String>(json).unwrap_or_else(|_| json.to_owned());
            decoded.as_str()
        } else {
            json
        };
        let kept = match (protection, &self.key) {
            (Protection::Hash, Some(key)) => hex(hmac::sign(key, text.as_bytes()).as_ref()),
            (Protection::Mask(last), _) if !json.starts_with('{') => masked(text, last),
            // A hash without its key is refused when the config is checked.
            _ => MASK.to_owned(),
        };
        Some(serde_json::Value::String(kept).to_string())
    }
}

fn masked(text: &str, last: usize) -> String {
    let count = text.chars().count();
    let shown = if last.saturating_mul(2) < count { last } else { 0 };
    MASK.chars().chain(text.chars().skip(count - shown)).collect()
}

fn hex(bytes: &[u8]) -> String {
    let digit = |digit: u8| char::from_digit(digit.into(), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn protect(json: &str, protection: Protection) -> Option<String> {
        let protector = Protector::new(Some(&Secret::new("key")));
        protector.protect(serde_json::from_str(json).unwrap(), protection)
    }

    #[test]
    fn hashes_are_hmac_sha256() {
        // RFC 2104 with SHA-256; the value is the one that every implementation gives for this key and text.
        let hash = "\"f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8\"";
        let text = "\"The quick brown fox jumps over the lazy dog\"";
        assert_eq!(protect(text, Protection::Hash).as_deref(), Some(hash));
        let same = [("\"\\u00e9\\/\"", "\"é/\""), ("12", "\"12\""), ("true", "\"true\"")];
        for (one, other) in same {
            assert_eq!(protect(one, Protection::Hash), protect(other, Protection::Hash), "{one}");
        }
        assert_ne!(protect("1", Protection::Hash), protect("1.0", Protection::Hash));
        assert_eq!(protect("null", Protection::Hash), None);
    }

    #[test]
    fn masks_show_the_smaller_part_at_most() {
        for (json, last, kept) in [
            ("\"hunter2\"", 0, "\"***\""),
            ("\"4111111111111234\"", 4, "\"***1234\""),
            ("4111111111111234", 4, "\"***1234\""),
            ("\"123456789\"", 4, "\"***6789\""),
            ("\"12345678\"", 4, "\"***\""),
            ("\"\"", 4, "\"***\""),
            ("\"ééééé\\\"é\"", 2, "\"***\\\"é\""),
            ("true", 1, "\"***e\""),
            ("{\"a\":\"hunter2\"}", 4, "\"***\""),
        ] {
            assert_eq!(protect(json, Protection::Mask(last)).as_deref(), Some(kept), "{json}");
        }
        assert_eq!(protect("null", Protection::Mask(0)), None);
    }
}
