//! Answers that are no JSON document but lines: each becomes a row, and all of them the text of a JSON list.

use std::fmt;

use serde_json::value::RawValue;

use super::complaint::speaks_of_error;
use super::object::fields;

/// What an answer is written in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// One JSON document.
    Json,
    /// A JSON document per line.
    NdJson,
    /// Values with a separator between them, a row per line (RFC 4180).
    Csv(CsvFormat),
}

/// How a CSV file is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvFormat {
    /// What stands between two values.
    pub delimiter: u8,
    /// Names of the columns, if the file does not begin with them.
    pub header: Option<Vec<String>>,
}

/// Why lines are no rows.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// A line that is no JSON document.
    #[error("line {line} is no JSON")]
    Line {
        /// Its number, from 1.
        line: u64,
        /// Where it stops being JSON.
        #[source]
        source: serde_json::Error,
    },
    /// A line that has more or fewer values than there are columns.
    #[error("line {line} has {found} values, and there are {columns} columns")]
    Values {
        /// Its number, from 1.
        line: u64,
        /// Values in it.
        found: u64,
        /// Columns there are.
        columns: u64,
    },
    /// Two columns of one name: a row can have one of them only.
    #[error("two columns are called `{name}`")]
    Twice {
        /// The name.
        name: String,
    },
    /// A quoted value without its second quote, or with more text after it: all up to the next quote, lines and all,
    /// would be part of it.
    #[error("a value that begins with a quote on line {line} {fault}")]
    Quote {
        /// The line on which it begins, from 1.
        line: u64,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// A last line that says why no more came.
    #[error("line {line}, the last one, has an error in place of a row")]
    Complaint {
        /// Its number, from 1.
        line: u64,
    },
    /// Bytes that are no text.
    #[error("line {line} is no text in UTF-8")]
    Text {
        /// Its number, from 1.
        line: u64,
    },
    /// As JSON, in which each value has its name beside it, the rows are longer than a body may be.
    #[error("the rows take more than {limit} bytes as JSON")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
}

impl Default for CsvFormat {
    fn default() -> Self {
        Self { delimiter: b',', header: None }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "JSON",
            Self::NdJson => "a JSON document per line",
            Self::Csv(_) => "CSV",
        })
    }
}

impl Format {
    /// The format that a `Content-Type` names; JSON unless it names another.
    pub fn of_content_type(content_type: Option<&str>) -> Self {
        let named = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
        match named.trim().to_ascii_lowercase().as_str() {
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonlines"
            | "application/jsonlines" => Self::NdJson,
            "text/csv" | "application/csv" => Self::Csv(CsvFormat::default()),
            _ => Self::Json,
        }
    }

    /// What a request says it accepts, if that is not what every request says.
    pub fn accepted(&self) -> Option<&'static str> {
        match self {
            Self::Json => None,
            Self::NdJson => {
                Some("application/x-ndjson, application/jsonl, application/json;q=0.5, */*;q=0.1")
            }
            Self::Csv(_) => Some("text/csv, */*;q=0.1"),
        }
    }
}

/// A list with the document of each line; blank lines are none.
///
/// # Errors
/// A line is no JSON, or the last one is an error in place of a row.
pub fn from_ndjson(body: &[u8]) -> Result<Vec<u8>, FormatError> {
    let mut list = Vec::with_capacity(body.len() + 2);
    let mut last: (u64, Option<&RawValue>, Option<&RawValue>) = (0, None, None);
    list.push(b'[');
    for (line, text) in (1..).zip(without_mark(body).split(|byte| *byte == b'\n')) {
        let text = text.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let row: &RawValue =
            serde_json::from_slice(text).map_err(|source| FormatError::Line { line, source })?;
        if list.len() > 1 {
            list.push(b',');
        }
        list.extend_from_slice(row.get().as_bytes());
        last = (line, Some(row), last.1);
    }
    list.push(b']');
    match last {
        (line, Some(row), before) if is_complaint(row, before) => Err(FormatError::Complaint { line }),
        _ => Ok(list),
    }
}

/// Whether a last line is an error that ended the answer: with status 200 sent, an API has no other way to tell. Of logs
/// an `error` is a field like others.
fn is_complaint(last: &RawValue, before: Option<&RawValue>) -> bool {
    let Ok(last) = fields(last) else { return false };
    let is_of_rows = match before.and_then(|row| fields(row).ok()) {
        Some(row) => last.iter().any(|(name, _)| row.get(name).is_some()),
        None => last.iter().count() > 1,
    };
    !is_of_rows && speaks_of_error(&last)
}

/// A list with an object per line. Values stay texts, since nothing says which of them are numbers; an empty one is
/// null. `limit` is how long the list may get.
///
/// # Errors
/// A line has another number of values than there are columns, has quotes that do not match, or is no text; or the list
/// gets too long.
pub fn from_csv(body: &[u8], format: &CsvFormat, limit: u64) -> Result<Vec<u8>, FormatError> {
    let body = without_mark(body);
    check_quotes(body, format.delimiter)?;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(format.delimiter)
        .has_headers(format.header.is_none())
        .from_reader(body);
    let names = match &format.header {
        Some(header) => header.clone(),
        None => reader.headers().map_err(|error| csv_error(&error))?.iter().map(str::to_owned).collect(),
    };
    let keys = keys(&names)?;
    let mut list = vec![b'['];
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|error| csv_error(&error))? {
        if record.len() != keys.len() {
            let line = record.position().map_or(0, csv::Position::line);
            return Err(FormatError::Values { line, found: record.len() as u64, columns: keys.len() as u64 });
        }
        list.extend_from_slice(if list.len() > 1 { b",{" } else { b"{" });
        for (position, (key, value)) in keys.iter().zip(&record).enumerate() {
            if position > 0 {
                list.push(b',');
            }
            list.extend_from_slice(key.as_bytes());
            list.push(b':');
            match value {
                "" => list.extend_from_slice(b"null"),
                text => list.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes()),
            }
        }
        list.push(b'}');
        if list.len() as u64 > limit {
            return Err(FormatError::TooLarge { limit });
        }
    }
    list.push(b']');
    Ok(list)
}

/// The reader takes any quotes: one that is missing makes a value of all lines up to the next, and nothing tells.
fn check_quotes(body: &[u8], delimiter: u8) -> Result<(), FormatError> {
    let is_end = |byte: u8| byte == delimiter || matches!(byte, b'\n' | b'\r');
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'"', &body[at..]) {
        let begin = at + found;
        at = begin + 1;
        // Within a value it is a character like others.
        if begin > 0 && !is_end(body[begin - 1]) {
            continue;
        }
        let fault = |fault| {
            let line = 1 + memchr::memchr_iter(b'\n', &body[..begin]).count() as u64;
            FormatError::Quote { line, fault }
        };
        loop {
            at += memchr::memchr(b'"', &body[at..]).ok_or_else(|| fault("has no second one"))? + 1;
            match body.get(at) {
                Some(b'"') => at += 1,
                Some(byte) if !is_end(*byte) => return Err(fault("goes on after the second one")),
                _ => break,
            }
        }
    }
    Ok(())
}

/// The names as JSON; a column without one is called by its place.
fn keys(names: &[String]) -> Result<Vec<String>, FormatError> {
    let mut keys: Vec<String> = Vec::with_capacity(names.len());
    for (place, name) in (1..).zip(names) {
        let name = if name.trim().is_empty() { format!("column_{place}") } else { name.trim().to_owned() };
        let key = serde_json::Value::from(name.as_str()).to_string();
        if keys.contains(&key) {
            return Err(FormatError::Twice { name });
        }
        keys.push(key);
    }
    Ok(keys)
}

fn csv_error(error: &csv::Error) -> FormatError {
    let line = error.position().map_or(1, csv::Position::line);
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            FormatError::Values { line, found: *len, columns: *expected_len }
        }
        // Reading from memory does not fail.
        _ => FormatError::Text { line },
    }
}

/// Without the mark that some programs put before UTF-8.
pub(super) fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn ndjson(body: &str) -> Result<String, String> {
        let list = from_ndjson(body.as_bytes());
        list.map(|list| String::from_utf8(list).unwrap()).map_err(|error| error.to_string())
    }

    fn csv(body: &str, format: &CsvFormat) -> Result<String, String> {
        let list = from_csv(body.as_bytes(), format, 1000);
        list.map(|list| String::from_utf8(list).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn each_line_is_a_row_as_it_came() {
        let check = |body: &str, expected: &str| assert_eq!(ndjson(body).as_deref(), Ok(expected), "{body}");
        check(
            "{\"id\": 12345678901234567890123}\n{\"id\": 1.10}\n",
            "[{\"id\": 12345678901234567890123},{\"id\": 1.10}]",
        );
        check("\u{feff}{\"a\":1}\r\n\r\n  \n[2]", "[{\"a\":1},[2]]");
        check("", "[]");
        check("\n\n", "[]");
    }

    #[test]
    fn a_bad_line_is_named() {
        assert_eq!(ndjson("{}\n\n{\"a\":\n"), Err("line 3 is no JSON".to_owned()));
        assert_eq!(ndjson("{} {}"), Err("line 1 is no JSON".to_owned()));
    }

    #[test]
    fn an_error_as_last_line_is_no_row() {
        let error = |line: u64| Err(format!("line {line}, the last one, has an error in place of a row"));
        assert_eq!(ndjson("{\"id\":1}\n{\"error\":\"timeout\",\"code\":7}\n"), error(2));
        assert_eq!(ndjson("{\"errors\":[{}]}"), error(1));
        for rows in [
            "{\"at\":1,\"error\":null}\n{\"at\":2,\"error\":\"x\"}",
            "{\"at\":1,\"error\":\"x\"}",
            "{\"error\":\"x\"}\n{\"at\":1}",
            "{\"id\":1}\n{\"error\":null}",
        ] {
            assert!(ndjson(rows).is_ok(), "{rows}");
        }
    }

    #[test]
    fn values_of_csv_are_texts_below_the_names_of_their_columns() {
        let plain = CsvFormat::default();
        let check =
            |body: &str, expected: &str| assert_eq!(csv(body, &plain).as_deref(), Ok(expected), "{body}");
        check("id,name\n1,a\n007,\n", r#"[{"id":"1","name":"a"},{"id":"007","name":null}]"#);
        check(
            "\u{feff}id, name \r\n1,\"a, \"\"b\"\"\nc\"\r\n",
            "[{\"id\":\"1\",\"name\":\"a, \\\"b\\\"\\nc\"}]",
        );
        check("id,name\n1,5\" pipe\n2,\"\"", r#"[{"id":"1","name":"5\" pipe"},{"id":"2","name":null}]"#);
        check("id\n", "[]");
        check("", "[]");
        check("id,,\"a\"\"b\"\n1,2,3\n", r#"[{"id":"1","column_2":"2","a\"b":"3"}]"#);
        let other = CsvFormat { delimiter: b';', header: Some(vec!["a".to_owned(), "b".to_owned()]) };
        assert_eq!(csv("1;2\n3;4", &other).as_deref(), Ok(r#"[{"a":"1","b":"2"},{"a":"3","b":"4"}]"#));
    }

    #[test]
    fn lines_that_do_not_fit_are_named() {
        let plain = CsvFormat::default();
        let check =
            |body: &str, expected: &str| assert_eq!(csv(body, &plain), Err(expected.to_owned()), "{body}");
        check("a,b\n1,2\n3\n", "line 3 has 1 values, and there are 2 columns");
        check("a,b\n1,2,3\n", "line 2 has 3 values, and there are 2 columns");
        check("a,b,a\n1,2,3\n", "two columns are called `a`");
        let names = CsvFormat { header: Some(vec!["a".to_owned()]), ..CsvFormat::default() };
        assert_eq!(csv("1,2", &names), Err("line 1 has 2 values, and there are 1 columns".to_owned()));
        let unclosed = "a value that begins with a quote on line 3 has no second one";
        check("a,b\n1,2\n3,\"4\n5,6\n", unclosed);
        check("a,b\n1,\"2\r\n\"\r\n\"3\"\"", "a value that begins with a quote on line 4 has no second one");
        check(
            "a,b\n1,\"2\n3,\"4\"\n5,6\n",
            "a value that begins with a quote on line 2 goes on after the second one",
        );
        let error = from_csv(b"a\n\xff\n", &plain, 1000).unwrap_err();
        assert_eq!(error.to_string(), "line 2 is no text in UTF-8");
        let error = from_csv(b"a\n1\n2\n3\n", &plain, 15).unwrap_err();
        assert_eq!(error.to_string(), "the rows take more than 15 bytes as JSON");
    }

    #[test]
    fn the_content_type_names_the_format() {
        let check = |content_type: &str, expected: Format| {
            assert_eq!(Format::of_content_type(Some(content_type)), expected, "{content_type}");
        };
        check("application/x-ndjson; charset=utf-8", Format::NdJson);
        check("Application/JSONL", Format::NdJson);
        check("text/csv;header=present", Format::Csv(CsvFormat::default()));
        check("application/json", Format::Json);
        check("text/html", Format::Json);
        assert_eq!(Format::of_content_type(None), Format::Json);
    }

    proptest! {
        #[test]
        fn whatever_a_csv_writer_writes_is_read(rows in vec(vec("[ -~\\n\r€]{0,6}", 3), 0..6), delimiter in "[,;\t|]") {
            let delimiter = delimiter.as_bytes()[0];
            let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
            writer.write_record(["a", "b", "c"]).unwrap();
            rows.iter().for_each(|row| writer.write_record(row).unwrap());
            let format = CsvFormat { delimiter, header: None };
            let list = from_csv(&writer.into_inner().unwrap(), &format, u64::MAX).unwrap();
            let read: Vec<Value> = serde_json::from_slice(&list).unwrap();
            let value = |text: &String| if text.is_empty() { Value::Null } else { Value::from(text.as_str()) };
            let expected: Vec<Value> = rows
                .iter()
                .map(|row| serde_json::json!({"a": value(&row[0]), "b": value(&row[1]), "c": value(&row[2])}))
                .collect();
            prop_assert_eq!(read, expected);
        }

        #[test]
        fn lines_are_the_elements_of_a_list(numbers in vec(any::<i64>(), 0..6), blank in "[ \t\r]{0,3}") {
            let rows: Vec<Value> = numbers.iter().map(|number| serde_json::json!({ "n": number, "t": "a\nb" })).collect();
            let lines: String = rows.iter().map(|row| format!("{blank}{row}{blank}\n{blank}\n")).collect();
            let list = from_ndjson(lines.as_bytes()).unwrap();
            prop_assert_eq!(super::super::row_count(serde_json::from_slice(&list).unwrap()), rows.len());
            prop_assert_eq!(serde_json::from_slice::<Vec<Value>>(&list).unwrap(), rows);
        }
    }
}
