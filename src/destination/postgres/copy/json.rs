//! JSON that `jsonb` cannot hold, changed as little as makes it fit.
//!
//! What stands in the spill is JSON for certain. `jsonb` takes strings apart, and its text has neither the character
//! NUL nor half a surrogate pair: the one is left out, as in text, and the other becomes U+FFFD. Its numbers are
//! `numeric`: a number that has more digits than that is kept as a string.

use std::borrow::Cow;

use memchr::{memchr2, memchr2_iter, memmem};

/// Most digits that `numeric` has before the point.
const WHOLE_DIGITS: i64 = 131_072;
/// Most digits that it has after the point.
const FRACTION_DIGITS: i64 = 16_383;
/// Bytes of a text in which a number cannot have too many digits unless its exponent has [`EXPONENT_DIGITS`].
pub(super) const SHORT: usize = 8_192;
const EXPONENT_DIGITS: usize = 4;

/// Whether text that is [`SHORT`], or many such texts in a row, may need a repair. No text that needs one is missed.
pub(super) fn is_suspect(text: &[u8]) -> bool {
    let is_exponent = |at: usize| {
        let digits = text.get(at + 1..).unwrap_or_default();
        let digits = digits.strip_prefix(b"-").or(digits.strip_prefix(b"+")).unwrap_or(digits);
        at > 0
            && text[at - 1].is_ascii_digit()
            && digits.get(..EXPONENT_DIGITS).is_some_and(|digits| digits.iter().all(u8::is_ascii_digit))
    };
    memmem::find(text, b"\\u").is_some() || memchr2_iter(b'e', b'E', text).any(is_exponent)
}

/// The same JSON without what `jsonb` refuses; borrowed if there is nothing of it.
pub(super) fn repair(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut kept = 0;
    let mut at = 0;
    let mut in_string = false;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let (length, instead) = match rest.as_bytes()[0] {
            b'"' => {
                in_string = !in_string;
                (1, None)
            }
            b'\\' if in_string => escape(rest),
            _ if in_string => (memchr2(b'"', b'\\', rest.as_bytes()).unwrap_or(rest.len()), None),
            b'-' | b'0'..=b'9' => number(rest),
            _ => (1, None),
        };
        if let Some(instead) = instead {
            out.push_str(&text[kept..at]);
            out.push_str(&instead);
            kept = at + length;
        }
        at += length;
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[kept..]);
    Cow::Owned(out)
}

/// Length of the escape that begins here, and what to write instead of it.
fn escape(text: &str) -> (usize, Option<Cow<'static, str>>) {
    match code_unit(text) {
        None => (2, None),
        Some(0) => (6, Some(Cow::Borrowed(""))),
        Some(0xd800..0xdc00) if matches!(text.get(6..).and_then(code_unit), Some(0xdc00..0xe000)) => {
            (12, None)
        }
        Some(0xd800..0xe000) => (6, Some(Cow::Borrowed("\u{fffd}"))),
        Some(_) => (6, None),
    }
}

/// The unit of UTF-16 whose escape begins here.
fn code_unit(text: &str) -> Option<u16> {
    u16::from_str_radix(text.strip_prefix("\\u")?.get(..4)?, 16).ok()
}

/// Length of the number that begins here, and what to write instead of it.
fn number(text: &str) -> (usize, Option<Cow<'static, str>>) {
    let is_part = |byte: u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    let length = text.bytes().position(|byte| !is_part(byte)).unwrap_or(text.len());
    let number = &text[..length];
    (length, (!fits(number)).then(|| Cow::Owned(format!("\"{number}\""))))
}

/// Whether `numeric` has enough digits. Zeros at the front count, too: a number that has thousands of them is none.
fn fits(number: &str) -> bool {
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |text: &str| i64::try_from(text.trim_start_matches('-').len()).unwrap_or(i64::MAX);
    exponent.parse::<i32>().is_ok_and(|exponent| {
        digits(whole) + i64::from(exponent) <= WHOLE_DIGITS
            && digits(fraction) - i64::from(exponent) <= FRACTION_DIGITS
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_jsonb_refuses_is_changed() {
        let cases = [
            (r#"{"a\u0000b":"\u0000"}"#, r#"{"ab":""}"#),
            (r#"["\\u0000","\\\u0000","\\\\u0000"]"#, r#"["\\u0000","\\","\\\\u0000"]"#),
            (
                r#"["\ud800","\udc00x","\ud800\ud83d\ude00"]"#,
                "[\"\u{fffd}\",\"\u{fffd}x\",\"\u{fffd}\\ud83d\\ude00\"]",
            ),
            (r#"["\ud83d\ude00","\u0001é","\u00e9","\""]"#, r#"["\ud83d\ude00","\u0001é","\u00e9","\""]"#),
            (r#"["\ud800\u0000\udc00"]"#, "[\"\u{fffd}\u{fffd}\"]"),
            ("[1e1000000,-1E-20000]", r#"["1e1000000","-1E-20000"]"#),
            ("1e99999999999999999999", r#""1e99999999999999999999""#),
            ("[1e131071,-1.5e+131071,1e-16383]", "[1e131071,-1.5e+131071,1e-16383]"),
            ("[1e131072,1e-16384,1.5e-16383]", r#"["1e131072","1e-16384","1.5e-16383"]"#),
            (r#"{"1e1000000":"1e1000000","n":-1.50}"#, r#"{"1e1000000":"1e1000000","n":-1.50}"#),
        ];
        for (text, expected) in cases {
            let repaired = repair(text);
            assert_eq!(repaired, expected, "{text}");
            assert_eq!(matches!(repaired, Cow::Borrowed(_)), text == expected, "{text}");
            assert!(text == expected || is_suspect(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn numbers_of_too_many_digits_become_strings() {
        for (whole, fraction, fits) in [(131_072, 16_383, true), (131_073, 1, false), (1, 16_384, false)] {
            let number = format!("-{}.{}", "1".repeat(whole), "1".repeat(fraction));
            let expected = if fits { number.clone() } else { format!("\"{number}\"") };
            assert_eq!(repair(&number), expected, "{whole} {fraction}");
        }
    }

    #[test]
    fn ordinary_json_is_not_suspect() {
        for text in [r#"{"e":1e10,"E":-1.5E+300,"true":true}"#, r#"["the 1e 5e","1e12","é\n"]"#, "e1234"] {
            assert!(!is_suspect(text.as_bytes()), "{text}");
        }
    }
}
