//! Counting the elements of an array without taking it apart: this is done for each page between two requests.

/// Number of elements of a JSON array that was checked before.
pub(super) fn count_elements(bytes: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    let (mut commas, mut is_empty) = (0, true);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b']' | b'}' => depth = depth.saturating_sub(1),
            b' ' | b'\n' | b'\r' | b'\t' => {}
            b',' => commas += usize::from(depth == 1),
            first => {
                is_empty &= depth != 1;
                match first {
                    b'[' | b'{' => depth += 1,
                    b'"' => at = end_of_string(bytes, at + 1),
                    _ => {}
                }
            }
        }
        at += 1;
    }
    if is_empty { 0 } else { commas + 1 }
}

/// Where the string that has its text from `at` on is closed.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if bytes[at] == b'"' {
            return at;
        }
        at += 2;
    }
    bytes.len()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::value::RawValue;

    use super::count_elements;

    #[test]
    fn the_count_is_that_of_the_parser() {
        for array in [
            "[]",
            "[ \n]",
            "[1]",
            "[ [] , {} ]",
            "[[1,2],[3,[4,5]],{\"a\":[6,7],\"b\":{\"c\":8,\"d\":9}}]",
            r#"["a,b", "]", "\"", "\\", "\\\"],", "{"]"#,
            r#"[null, true, -1.5e3, "", {"]":"["}]"#,
        ] {
            let parsed: Vec<&RawValue> = serde_json::from_str(array).unwrap();
            assert_eq!(count_elements(array.as_bytes()), parsed.len(), "{array}");
        }
    }
}
