//! Exact numbers in the server's binary form (`numeric_recv`): digits to the base of 10,000, the power of the first one,
//! a sign, and how many decimal digits are shown after the point.

/// Decimal digits in one of the server's.
const GROUP: i32 = 4;
const BASE: u64 = 10_000;
const NEGATIVE: u16 = 0x4000;
/// Groups of the longest number: 39 digits, wherever the point cuts them.
const GROUPS: usize = 11;
/// Most digits of a number that is declared with them, before and after the point.
const MAX_DIGITS: usize = 1_001;
/// Four numbers of 16 bits go before the digits.
const HEAD: i32 = 8;

/// Writes the field of a number `magnitude` × 10^`exponent`, its length first. As many digits are shown after the point
/// as the exponent says.
pub(super) fn write(out: &mut Vec<u8>, is_negative: bool, magnitude: u128, exponent: i32) {
    let mut groups = [0_u16; GROUPS];
    let (count, lowest) = split(magnitude, exponent, &mut groups);
    let digits = &mut groups[..count];
    digits.reverse();
    write_groups(out, is_negative, digits, lowest, (-exponent).max(0) as u16);
}

/// Writes the field of a number in decimal digits, `-12.5`, its length first. `false`, and nothing is written: it is no
/// number, or has more digits than can be declared.
pub(super) fn write_digits(out: &mut Vec<u8>, text: &str) -> bool {
    let (is_negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if !(1..=MAX_DIGITS).contains(&(whole.len() + fraction.len())) {
        return false;
    }
    // The point stands between groups.
    let size = GROUP.unsigned_abs() as usize;
    let [lead, tail] = [whole, fraction].map(|part| part.len().next_multiple_of(size) - part.len());
    let padded = ["0".repeat(lead).as_str(), whole, fraction, "0".repeat(tail).as_str()].concat();
    if !padded.bytes().all(|digit| digit.is_ascii_digit()) {
        return false;
    }
    let value = |group: &[u8]| group.iter().fold(0, |value, digit| value * 10 + u16::from(digit - b'0'));
    let groups: Vec<_> = padded.as_bytes().chunks(size).map(value).collect();
    let lowest = -(fraction.len().div_ceil(size) as i32);
    let zeros = groups.iter().rev().take_while(|group| **group == 0).count();
    let groups = &groups[..groups.len() - zeros];
    let first = groups.iter().position(|group| *group != 0).unwrap_or(groups.len());
    write_groups(out, is_negative, &groups[first..], lowest + zeros as i32, fraction.len() as u16);
    true
}

/// Writes the field of a number that is given in groups, the highest first, without zeros at either end. `lowest` is the
/// power of the last one, `scale` how many decimal digits are shown after the point.
fn write_groups(out: &mut Vec<u8>, is_negative: bool, groups: &[u16], lowest: i32, scale: u16) {
    let count = groups.len();
    let weight = if count == 0 { 0 } else { lowest + count as i32 - 1 };
    let sign = if is_negative && count > 0 { NEGATIVE } else { 0 };
    out.extend_from_slice(&(HEAD + 2 * count as i32).to_be_bytes());
    out.extend_from_slice(&(count as u16).to_be_bytes());
    out.extend_from_slice(&(weight as i16).to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&scale.to_be_bytes());
    for group in groups {
        out.extend_from_slice(&group.to_be_bytes());
    }
}

/// Fills in the groups, the lowest first, without zeros at either end. Returns how many there are, and the lowest one's
/// power of 10,000.
fn split(magnitude: u128, exponent: i32, groups: &mut [u16; GROUPS]) -> (usize, i32) {
    // The point stands between groups, so the lowest one may have to be filled up with zeros.
    let (mut lowest, missing) = (exponent.div_euclid(GROUP), exponent.rem_euclid(GROUP));
    let mut rest = magnitude;
    let mut count = 0;
    let mut push = |group: u64| {
        if count == 0 && group == 0 {
            lowest += 1;
        } else {
            groups[count] = group as u16;
            count += 1;
        }
    };
    if missing > 0 && rest > 0 {
        let zeros = 10_u128.pow(missing.unsigned_abs());
        let kept = u128::from(BASE) / zeros;
        push((rest % kept * zeros) as u64);
        rest /= kept;
    }
    // Divisions of 128 bits are slow: most numbers need none.
    while rest > u128::from(u64::MAX) {
        push((rest % u128::from(BASE)) as u64);
        rest /= u128::from(BASE);
    }
    let mut rest = rest as u64;
    while rest > 0 {
        push(rest % BASE);
        rest /= BASE;
    }
    (count, lowest)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(is_negative: bool, magnitude: u128, exponent: i32) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, is_negative, magnitude, exponent);
        out
    }

    #[test]
    fn digits_weight_sign_and_scale_are_those_of_the_server() {
        // What `COPY (SELECT n) TO STDOUT (FORMAT binary)` gives: digits, power, sign and scale, then digits.
        let cases: [(bool, u128, i32, &[u16]); 9] = [
            (false, 0, 0, &[0, 0, 0, 0]),
            (true, 0, -9, &[0, 0, 0, 9]),
            (false, 1, 0, &[1, 0, 0, 0, 1]),
            (false, 10_000, 0, &[1, 1, 0, 0, 1]),
            (true, 1_234_567_890_123, -9, &[4, 0, NEGATIVE, 9, 1234, 5678, 9012, 3000]),
            (false, 15, -1, &[2, 0, 0, 1, 1, 5000]),
            (false, 1, -9, &[1, 65533, 0, 9, 1000]),
            (false, 12_345, 3, &[2, 1, 0, 0, 1234, 5000]),
            (false, 10_u128.pow(37), 0, &[1, 9, 0, 0, 10]),
        ];
        for (is_negative, magnitude, exponent, expected) in cases {
            let field = bytes(is_negative, magnitude, exponent);
            let length = u32::try_from(2 * expected.len()).unwrap().to_be_bytes().to_vec();
            let expected: Vec<_> = expected.iter().flat_map(|unit| unit.to_be_bytes()).collect();
            assert_eq!(field, [length, expected].concat(), "{magnitude}e{exponent}");
        }
    }

    /// The number as `numeric_out` writes it.
    fn decode(field: &[u8]) -> String {
        let units: Vec<_> =
            field[4..].chunks(2).map(|unit| i16::from_be_bytes(unit.try_into().unwrap())).collect();
        let (weight, scale) = (i32::from(units[1]), usize::try_from(units[3]).unwrap());
        assert_eq!(units.len(), 4 + usize::try_from(units[0]).unwrap());
        let group = |power: i32| {
            let place = usize::try_from(weight - power).ok();
            place.and_then(|place| units[4..].get(place)).copied().unwrap_or(0)
        };
        let join = |powers: Vec<i32>| -> String {
            powers.into_iter().map(|power| format!("{:04}", group(power))).collect()
        };
        let whole = join((0..=weight.max(0)).rev().collect());
        let whole = whole.trim_start_matches('0');
        let fraction = join((-5_000..0).rev().take(scale / 4 + 1).collect());
        let sign = if units[2] == 0x4000 { "-" } else { "" };
        let point = if scale > 0 { "." } else { "" };
        let whole = if whole.is_empty() { "0" } else { whole };
        format!("{sign}{whole}{point}{}", &fraction[..scale])
    }

    /// The number by moving a point through its digits.
    fn plain(is_negative: bool, magnitude: u128, exponent: i32) -> String {
        let scale = usize::try_from(-exponent).unwrap_or(0);
        let zeros = if magnitude == 0 { 0 } else { usize::try_from(exponent).unwrap_or(0) };
        let digits = format!("{magnitude}{}", "0".repeat(zeros));
        let digits = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let sign = if is_negative && magnitude != 0 { "-" } else { "" };
        let point = if scale > 0 { "." } else { "" };
        format!("{sign}{whole}{point}{fraction}")
    }

    #[test]
    fn digits_that_are_no_number_are_not_written() {
        let too_long = "1".repeat(MAX_DIGITS + 1);
        for text in ["", "-", ".", "1e5", "1.2.3", "+1", " 1", "٣", &too_long] {
            let mut out = Vec::new();
            assert!(!write_digits(&mut out, text) && out.is_empty(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn digits_are_written_as_the_number(is_negative: bool, digits: u128, shift in 0_u32..128, scale in 0_i32..90) {
            let magnitude = digits >> shift;
            let text = plain(is_negative, magnitude, -scale);
            let mut out = Vec::new();
            prop_assert!(write_digits(&mut out, &text));
            prop_assert_eq!(out, bytes(is_negative, magnitude, -scale), "{}", text);
        }

        #[test]
        fn numbers_come_back(is_negative: bool, digits: u128, shift in 0_u32..128, exponent in -345_i32..310) {
            let magnitude = digits >> shift;
            let field = bytes(is_negative, magnitude, exponent);
            prop_assert_eq!(decode(&field), plain(is_negative, magnitude, exponent));
            // As the server stores it: no zeros at either end.
            let count = usize::from(field[5]);
            if count > 0 {
                prop_assert_ne!(&field[12..14], &[0, 0]);
                prop_assert_ne!(&field[field.len() - 2..], &[0, 0]);
            }
        }
    }
}
