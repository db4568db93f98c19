//! Text as Python reads and writes it, where dlt's results depend on that: white space, digits, `int()`,
//! `float()` and the text of a float.

/// Zeros of Unicode's decimal digits (category Nd); nine more digits follow each.
const ZEROS: [u32; 66] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50,
    0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40,
    0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x11066,
    0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0, 0x11950,
    0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6,
    0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

/// Value of a decimal digit of any script.
pub(crate) fn decimal_digit(symbol: char) -> Option<u32> {
    if symbol.is_ascii() {
        return symbol.to_digit(10);
    }
    let code = u32::from(symbol);
    let zero = ZEROS[..ZEROS.partition_point(|zero| *zero <= code)].last()?;
    Some(code - zero).filter(|digit| *digit < 10)
}

/// Python's `str.strip()`.
pub(crate) fn strip(text: &str) -> &str {
    text.trim_matches(|symbol: char| symbol.is_whitespace() || matches!(symbol, '\x1c'..='\x1f'))
}

/// `int(text)`, or `int(text, 16)` after a leading `0x`: sign, digits of any script, single underscores between.
pub(crate) fn parse_int(text: &str) -> Option<i128> {
    let text = strip(text);
    match text.strip_prefix("0x") {
        Some(hex) => parse_digits(strip(hex), 16),
        None => parse_digits(text, 10),
    }
}

fn parse_digits(text: &str, radix: u32) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let mut value: i128 = 0;
    let mut after_digit = false;
    for symbol in digits.chars() {
        if symbol == '_' && after_digit {
            after_digit = false;
            continue;
        }
        let digit = symbol.to_digit(radix).or_else(|| decimal_digit(symbol))?;
        value = value.checked_mul(i128::from(radix))?.checked_add(i128::from(digit))?;
        after_digit = true;
    }
    after_digit.then_some(if negative { -value } else { value })
}

/// `float(text)` as far as the result is finite.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let digits = plain_digits(strip(text))?;
    // Rust reads Python's words for infinity and NaN as well: no finite value.
    let value: f64 = digits.parse().ok()?;
    value.is_finite().then_some(value)
}

/// The same number in ASCII digits and without underscores; `None` where Python accepts no underscore.
fn plain_digits(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut symbols = text.chars().peekable();
    let mut after_digit = false;
    while let Some(symbol) = symbols.next() {
        let digit = decimal_digit(symbol);
        if symbol == '_' {
            let before_digit = symbols.peek().is_some_and(|next| decimal_digit(*next).is_some());
            if !after_digit || !before_digit {
                return None;
            }
        } else {
            out.push(digit.and_then(|digit| char::from_digit(digit, 10)).unwrap_or(symbol));
        }
        after_digit = digit.is_some();
    }
    Some(out)
}

/// The text that `Decimal(text)` reads: without underscores, wherever they are, and in ASCII digits.
pub(crate) fn decimal_text(text: &str) -> String {
    let symbols = strip(text).chars().filter(|symbol| *symbol != '_');
    let digit = |symbol| decimal_digit(symbol).and_then(|digit| char::from_digit(digit, 10));
    symbols.map(|symbol| digit(symbol).unwrap_or(symbol)).collect()
}

/// `str(float)`: `1.5`, `2.0`, `1e+300`, `1e-05`.
pub(crate) fn float_text(value: f64) -> String {
    let shortest = Shortest::of(value);
    // Python's bounds for plain notation.
    if (-4..16).contains(&shortest.exponent) {
        return shortest.plain();
    }
    let sign = if shortest.exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", shortest.mantissa(), shortest.exponent.abs())
}

/// A double as Python's `orjson` writes it, which dlt hashes: with an exponent from 1e16 on and below 1e-5.
pub(crate) fn json_float_text(value: f64) -> String {
    let shortest = Shortest::of(value);
    match shortest.exponent {
        16.. => format!("{}e+{}", shortest.mantissa(), shortest.exponent),
        i32::MIN..-5 => format!("{}e{}", shortest.mantissa(), shortest.exponent),
        _ => shortest.plain(),
    }
}

/// The shortest digits that mean a finite double. Of two that are as short and as near Python takes the even one, as
/// `serde_json` does; Rust's own formatting takes the greater one.
struct Shortest {
    sign: &'static str,
    digits: String,
    /// Power of ten of the first digit.
    exponent: i32,
}

impl Shortest {
    fn of(value: f64) -> Self {
        let text = serde_json::Value::from(value.abs()).to_string();
        let (number, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0');
        let leading = all.len() - digits.len();
        let digits = digits.trim_end_matches('0');
        let place = |length: usize| i32::try_from(length).unwrap_or(0);
        let exponent = exponent.parse().unwrap_or(0) + place(whole.len()) - 1 - place(leading);
        let sign = if value.is_sign_negative() { "-" } else { "" };
        if digits.is_empty() {
            return Self { sign, digits: "0".to_owned(), exponent: 0 };
        }
        Self { sign, digits: digits.to_owned(), exponent }
    }

    /// One digit before the point, and no point if none follows.
    fn mantissa(&self) -> String {
        let (first, rest) = self.digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        format!("{}{first}{point}{rest}", self.sign)
    }

    /// Without an exponent, and with a digit after the point.
    fn plain(&self) -> String {
        let Self { sign, digits, exponent } = self;
        let Ok(places) = usize::try_from(*exponent) else {
            let zeros = usize::try_from(-exponent - 1).unwrap_or(0);
            return format!("{sign}0.{}{digits}", "0".repeat(zeros));
        };
        let digits = format!("{digits:0<width$}", width = places + 2);
        let (whole, fraction) = digits.split_at(places + 1);
        format!("{sign}{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_as_python_reads_them() {
        let cases = [
            ("7", Some(7)),
            (" -7\n", Some(-7)),
            ("+1_000", Some(1000)),
            ("0x1f", Some(31)),
            ("0x1_f", Some(31)),
            ("٣", Some(3)),
            ("007", Some(7)),
            ("", None),
            ("0x", None),
            ("1__0", None),
            ("_1", None),
            ("1_", None),
            ("1.0", None),
            ("0X1f", None),
            ("12a", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_int(text), expected, "{text:?}");
        }
    }

    #[test]
    fn floats_are_read_as_python_reads_them() {
        let cases = [
            ("1e5", Some(1e5)),
            (" .5 ", Some(0.5)),
            ("5.", Some(5.0)),
            ("1_0.5", Some(10.5)),
            ("0x1f", None),
            ("nan", None),
            ("-inf", None),
            ("1e999", None),
            ("1_.5", None),
            ("", None),
            ("1 2", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_float(text), expected, "{text:?}");
        }
    }

    #[test]
    fn floats_are_written_as_python_writes_them() {
        let cases = [
            (1.5, "1.5"),
            (2.0, "2.0"),
            (1e300, "1e+300"),
            (1.25e-5, "1.25e-05"),
            (0.0001, "0.0001"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (-0.0, "-0.0"),
            (123.456, "123.456"),
            (-100.0, "-100.0"),
            (5e-324, "5e-324"),
            // As near to …532.3, which is odd.
            (-6_463_882_819_134_129.0 / 4.0, "-1615970704783532.2"),
            (6_463_882_819_134_131.0 / 4.0, "1615970704783532.8"),
        ];
        for (value, expected) in cases {
            assert_eq!(float_text(value), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn floats_are_read_back_as_they_were(value in proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL) {
            proptest::prop_assert_eq!(float_text(value).parse(), Ok(value));
            proptest::prop_assert_eq!(json_float_text(value).parse(), Ok(value));
        }
    }
}
