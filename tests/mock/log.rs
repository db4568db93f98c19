//! What arrived, when, and what it was answered.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

/// One API request, as the server's clock saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoggedRequest {
    /// From the start of the mock to the arrival; never smaller than that of the request before.
    pub(crate) at: Duration,
    pub(crate) method: String,
    /// Still percent-encoded, as it came.
    pub(crate) path: String,
    /// Without the question mark; empty when there was none.
    pub(crate) query: String,
    /// `None` while a request is held, and when its connection was reset instead of answered.
    pub(crate) status: Option<u16>,
}

impl LoggedRequest {
    /// The value of the first query parameter with this name.
    pub(crate) fn param(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    fn to_json(&self) -> Value {
        json!({
            "at_us": u64::try_from(self.at.as_micros()).unwrap_or(u64::MAX),
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "status": self.status,
        })
    }
}

/// All requests so far, in memory and, when asked for, as JSON lines in a file.
#[derive(Debug)]
pub(crate) struct Log {
    entries: Vec<LoggedRequest>,
    file: Option<File>,
}

impl Log {
    pub(crate) fn new(path: Option<&Path>) -> Self {
        let file = path.map(|path| File::create(path).expect("the log file can be created"));
        Self { entries: Vec::new(), file }
    }

    pub(crate) fn entries(&self) -> &[LoggedRequest] {
        &self.entries
    }

    /// Notes an arrival; its index is the handle for [`Log::answered`].
    pub(crate) fn arrived(&mut self, entry: LoggedRequest) -> usize {
        self.entries.push(entry);
        self.entries.len() - 1
    }

    /// Notes the answer and writes the line. A held request gets its line when it is held and another when it is
    /// answered, so that the file shows it in any case.
    pub(crate) fn answered(&mut self, index: usize, status: Option<u16>) {
        self.entries[index].status = status;
        if let Some(file) = &mut self.file {
            writeln!(file, "{}", self.entries[index].to_json()).expect("the log file can be written");
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        self.entries.iter().map(LoggedRequest::to_json).collect()
    }
}
