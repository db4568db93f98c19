//! The journal: an append-only file of records, each with its length and checksum.
//!
//! A record is `length: u32 LE`, `crc32: u32 LE`, then `length` bytes: `header length: u32 LE`, a JSON header, the
//! rows of the page as they came. A crash can tear the last record only; reading stops at the first record
//! that is not whole, and writing goes on from there.

use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::http::{Action, Validators};
use crate::paginate::{Detected, Next, PageCursor};

const FRAME: usize = 8;

/// How much a power cut may cost: the pages of half a second, which are few under any quota. A killed process
/// loses none.
const SYNC_EVERY: Duration = Duration::from_millis(500);

/// Longest record that is believed; a longer length is a torn or foreign file.
const MAX_RECORD: u32 = 1 << 30;

/// What the journal cannot do.
#[derive(Debug, thiserror::Error)]
#[error("could not {action} `{}`", file.display())]
pub struct JournalError {
    /// Read, write, make durable.
    pub action: &'static str,
    /// The journal.
    pub file: PathBuf,
    /// Why: a full disk, most often.
    #[source]
    pub source: io::Error,
}

/// A page that was received.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PageRecord {
    /// Name of the resource.
    pub resource: String,
    /// Which pagination of the resource: the number of the parent's row, 0 without a parent.
    pub series: u64,
    /// What the page was asked with.
    pub cursor: PageCursor,
    /// What follows it.
    pub next: Next,
    /// The page's own cursor, for resources that go on from it in the next run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<PageCursor>,
    /// The paginator that a first page asked for, if that was to be found out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detected: Option<Detected>,
    /// Rows in it.
    pub row_count: u64,
    /// Rows that the API says there are in all, if that is what is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_rows: Option<u64>,
    /// Fields of the parent's row that each row gets.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub from_parent: Map<String, Value>,
    /// What else is to be known of the answer.
    #[serde(default, skip_serializing_if = "AnswerNote::is_plain")]
    pub note: AnswerNote,
}

/// What is to be known of an answer beyond its rows and what follows them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AnswerNote {
    /// Where the rows were found, on the page that was searched for them: those after it have them there, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows_at: Option<String>,
    /// What an action made of it, and its status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<(Action, u16)>,
    /// Whether it is the same as in the last load (status 304): its rows are there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_unchanged: bool,
    /// Whether it had no list of rows at all, which the config allows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_without_list: bool,
    /// What the next run may ask with, and for which request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validators: Option<(String, Validators)>,
}

impl AnswerNote {
    fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// How a resource ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The API said that there is no more.
    Complete,
    /// The API said that nothing is new: the rows of the last load stand.
    Unchanged,
    /// Rows are right; the API gives no way to tell whether there are more.
    Unproven(String),
    /// Rows are right, but there are more.
    Partial(String),
    /// Rows are right up to where it was cut, and the next run goes on from there.
    Cut(String),
    /// The rows are not to be loaded.
    Failed(String),
}

impl Outcome {
    /// Whether the rows are loaded.
    pub fn is_loaded(&self) -> bool {
        match self {
            Self::Complete | Self::Unproven(_) | Self::Partial(_) | Self::Cut(_) => true,
            Self::Failed(_) | Self::Unchanged => false,
        }
    }

    /// Whether the rows are all there are, as far as can be told.
    pub fn is_whole(&self) -> bool {
        match self {
            Self::Complete | Self::Unproven(_) | Self::Unchanged => true,
            Self::Partial(_) | Self::Cut(_) | Self::Failed(_) => false,
        }
    }

    /// Whether no row is left out before the place that the next run starts from: then the state may move.
    pub fn goes_on(&self) -> bool {
        self.is_whole() || matches!(self, Self::Cut(_))
    }
}

/// One record of a journal.
#[expect(clippy::large_enum_variant, reason = "records pass by one at a time")]
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A page and its rows: the JSON value that the data selector found.
    Page(PageRecord, Bytes),
    /// The end of a resource.
    End {
        /// Name of the resource.
        resource: String,
        /// How it ended.
        outcome: Outcome,
        /// Requests it took, repeated ones included.
        request_count: u64,
        /// When its extraction began and ended, Unix microseconds.
        started_at: i64,
        /// See `started_at`.
        finished_at: i64,
    },
    /// The end of the package: nothing more is extracted into it.
    Sealed,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "headers pass by one at a time")]
enum Header {
    Page(PageRecord),
    End { resource: String, outcome: Outcome, request_count: u64, started_at: i64, finished_at: i64 },
    Sealed,
}

/// Where a record is in its journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Of its first byte.
    pub(super) offset: u64,
    /// Of what follows its frame.
    pub(super) length: u32,
}

impl Place {
    /// Whether the record is among the first `bytes` bytes.
    pub fn is_within(self, bytes: u64) -> bool {
        self.offset < bytes
    }

    fn end(self) -> u64 {
        self.offset + FRAME as u64 + u64::from(self.length)
    }
}

/// The writing end.
///
/// A record is handed to the operating system before [`Journal::append`] returns, so a killed process loses
/// none; a thread of its own makes records durable against power cuts, so that pages do not wait for the disk.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// Where the next record goes.
    end: u64,
    syncer: Option<Syncer>,
}

impl Journal {
    /// Opens a journal behind its last whole record; what a crash tore is cut off.
    ///
    /// # Errors
    /// The file cannot be made, read or cut.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let error = |action| move |source| JournalError { action, file: path.to_owned(), source };
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(error("open"))?;
        let length = file.metadata().map_err(error("open"))?.len();
        let mut records = Records::open(path)?;
        for record in records.by_ref() {
            record?;
        }
        if records.whole_bytes() < length {
            let torn_bytes = length - records.whole_bytes();
            tracing::warn!(file = %path.display(), torn_bytes, "the journal is torn; what follows its last whole page is read again");
            file.set_len(records.whole_bytes()).map_err(error("cut"))?;
        }
        let syncer = Syncer::start(file.try_clone().map_err(error("open"))?);
        Ok(Self { path: path.to_owned(), file, end: records.whole_bytes(), syncer: Some(syncer) })
    }

    /// Appends a record; returns where it is.
    ///
    /// # Errors
    /// The disk is full or fails; an earlier record that could not be made durable is reported here, too.
    pub fn append(&mut self, record: &Record) -> Result<Place, JournalError> {
        let (header, body): (Header, &[u8]) = match record {
            Record::Page(page, rows) => (Header::Page(page.clone()), rows),
            Record::Sealed => (Header::Sealed, &[]),
            Record::End { resource, outcome, request_count, started_at, finished_at } => (
                Header::End {
                    resource: resource.clone(),
                    outcome: outcome.clone(),
                    request_count: *request_count,
                    started_at: *started_at,
                    finished_at: *finished_at,
                },
                &[],
            ),
        };
        let length = self.write(&header, body).map_err(|source| self.error("write", source))?;
        let place = Place { offset: self.end, length };
        self.end = place.end();
        if let Some(syncer) = &self.syncer {
            syncer.request().map_err(|source| self.error("make durable", source))?;
        }
        Ok(place)
    }

    fn write(&mut self, header: &Header, body: &[u8]) -> io::Result<u32> {
        let header = serde_json::to_vec(header)?;
        let too_long = || io::Error::new(io::ErrorKind::FileTooLarge, "a page of more than 1 GiB");
        let header_length = u32::try_from(header.len()).map_err(|_| too_long())?;
        let length = u32::try_from(4 + header.len() + body.len()).map_err(|_| too_long())?;
        if length > MAX_RECORD {
            return Err(too_long());
        }
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&header_length.to_le_bytes());
        checksum.update(&header);
        checksum.update(body);
        let mut record = Vec::with_capacity(FRAME + length as usize);
        record.extend_from_slice(&length.to_le_bytes());
        record.extend_from_slice(&checksum.finalize().to_le_bytes());
        record.extend_from_slice(&header_length.to_le_bytes());
        record.extend_from_slice(&header);
        record.extend_from_slice(body);
        self.file.write_all(&record)?;
        Ok(length)
    }

    /// Waits until all records are durable.
    ///
    /// # Errors
    /// The disk fails.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        if let Some(syncer) = self.syncer.take() {
            syncer.stop();
        }
        self.file.sync_all().map_err(|source| self.error("make durable", source))
    }

    fn error(&self, action: &'static str, source: io::Error) -> JournalError {
        JournalError { action, file: self.path.clone(), source }
    }
}

/// Calls `fsync` on a thread of its own, every [`SYNC_EVERY`] while there is something new.
#[derive(Debug)]
struct Syncer {
    is_dirty: Arc<AtomicBool>,
    failure: Arc<OnceLock<io::ErrorKind>>,
    /// Dropped to end the thread.
    alive: Sender<Infallible>,
    thread: JoinHandle<()>,
}

impl Syncer {
    fn start(file: File) -> Self {
        let (alive, is_over) = channel::<Infallible>();
        let is_dirty = Arc::new(AtomicBool::new(false));
        let failure = Arc::new(OnceLock::new());
        let (dirty, seen) = (Arc::clone(&is_dirty), Arc::clone(&failure));
        let thread = std::thread::spawn(move || {
            while is_over.recv_timeout(SYNC_EVERY) == Err(RecvTimeoutError::Timeout) {
                if dirty.swap(false, Ordering::Relaxed)
                    && let Err(error) = file.sync_data()
                {
                    // The first failure is the one that is reported, with the next record.
                    let _ = seen.set(error.kind());
                }
            }
        });
        Self { is_dirty, failure, alive, thread }
    }

    fn request(&self) -> io::Result<()> {
        self.is_dirty.store(true, Ordering::Relaxed);
        self.failure.get().map_or(Ok(()), |kind| Err(io::Error::from(*kind)))
    }

    fn stop(self) {
        drop(self.alive);
        let _ = self.thread.join();
    }
}

/// Reads a journal from its start; ends at the first record that is not whole.
#[derive(Debug)]
pub struct Records {
    path: PathBuf,
    reader: BufReader<File>,
    last: Place,
    whole_bytes: u64,
    skip_rows: bool,
}

impl Records {
    /// Opens a journal for reading.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let file = File::open(path).map_err(|source| JournalError {
            action: "open",
            file: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            reader: BufReader::with_capacity(1 << 18, file),
            last: Place { offset: 0, length: 0 },
            whole_bytes: 0,
            skip_rows: false,
        })
    }

    /// Leaves out the rows of pages, and so cannot check them. For a journal that was checked already.
    #[must_use]
    pub fn without_rows(mut self) -> Self {
        self.skip_rows = true;
        self
    }

    /// Length of the records that were read so far: where the next one starts.
    pub fn whole_bytes(&self) -> u64 {
        self.whole_bytes
    }

    /// Where the last record is that was read.
    pub(super) fn last_place(&self) -> Place {
        self.last
    }

    /// The next record; `None` at the end and at a torn record.
    fn read(&mut self) -> io::Result<Option<Record>> {
        let Some(frame) = self.read_exactly(FRAME)? else { return Ok(None) };
        let word = |at: usize| u32::from_le_bytes([frame[at], frame[at + 1], frame[at + 2], frame[at + 3]]);
        let (length, checksum) = (word(0), word(4));
        if !(4..=MAX_RECORD).contains(&length) {
            return Ok(None);
        }
        let content =
            if self.skip_rows { self.read_header(length)? } else { self.read_exactly(length as usize)? };
        let Some(content) = content else { return Ok(None) };
        if !self.skip_rows && crc32fast::hash(&content) != checksum {
            return Ok(None);
        }
        self.last = Place { offset: self.whole_bytes, length };
        self.whole_bytes = self.last.end();
        record(&Bytes::from(content)).map(Some)
    }

    /// The start of a record up to its rows, which are passed over.
    fn read_header(&mut self, length: u32) -> io::Result<Option<Vec<u8>>> {
        let Some(mut content) = self.read_exactly(4)? else { return Ok(None) };
        let header_length = u32::from_le_bytes([content[0], content[1], content[2], content[3]]);
        let Some(rows) = (length - 4).checked_sub(header_length) else { return Ok(None) };
        let Some(header) = self.read_exactly(header_length as usize)? else { return Ok(None) };
        self.reader.seek_relative(i64::from(rows))?;
        content.extend(header);
        Ok(Some(content))
    }

    /// `None` if the file ends before.
    fn read_exactly(&mut self, length: usize) -> io::Result<Option<Vec<u8>>> {
        let mut content = Vec::with_capacity(length.min(1 << 22));
        self.reader.by_ref().take(length as u64).read_to_end(&mut content)?;
        Ok((content.len() == length).then_some(content))
    }
}

impl Iterator for Records {
    type Item = Result<Record, JournalError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.read() {
            Ok(record) => record.map(Ok),
            Err(source) => Some(Err(JournalError { action: "read", file: self.path.clone(), source })),
        }
    }
}

/// Reads records of a journal by their places.
#[derive(Debug)]
pub struct RecordsAt {
    path: PathBuf,
    file: File,
}

impl RecordsAt {
    /// Opens a journal for reading.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let failed = |source| JournalError { action: "open", file: path.to_owned(), source };
        Ok(Self { path: path.to_owned(), file: File::open(path).map_err(failed)? })
    }

    /// The record at a place.
    ///
    /// # Errors
    /// The file cannot be read, or holds something else there.
    pub fn read(&mut self, place: Place) -> Result<Record, JournalError> {
        self.try_read(place).map_err(|source| JournalError {
            action: "read",
            file: self.path.clone(),
            source,
        })
    }

    fn try_read(&mut self, place: Place) -> io::Result<Record> {
        self.file.seek(SeekFrom::Start(place.offset))?;
        let mut frame = [0; FRAME];
        self.file.read_exact(&mut frame)?;
        let mut content = vec![0; place.length as usize];
        self.file.read_exact(&mut content)?;
        let [_, _, _, _, checksum @ ..] = frame;
        if content.len() < 4 || crc32fast::hash(&content) != u32::from_le_bytes(checksum) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "a record has changed since it was written",
            ));
        }
        record(&Bytes::from(content))
    }
}

/// Reads what follows a frame.
fn record(content: &Bytes) -> io::Result<Record> {
    let header_length = u32::from_le_bytes([content[0], content[1], content[2], content[3]]) as usize;
    let header = content.get(4..4 + header_length).unwrap_or_default();
    Ok(match serde_json::from_slice(header)? {
        Header::Page(page) => Record::Page(page, content.slice(4 + header_length..)),
        Header::End { resource, outcome, request_count, started_at, finished_at } => {
            Record::End { resource, outcome, request_count, started_at, finished_at }
        }
        Header::Sealed => Record::Sealed,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(number: u64) -> Record {
        let record = PageRecord {
            resource: "members".to_owned(),
            series: 0,
            cursor: PageCursor::Number(number),
            next: Next::Page(PageCursor::Number(number + 1)),
            detected: None,
            token: None,
            row_count: 1,
            total_rows: None,
            from_parent: Map::new(),
            note: AnswerNote::default(),
        };
        Record::Page(record, Bytes::from(format!("[{{\"id\":{number}}}]")))
    }

    fn read(path: &Path) -> Vec<Record> {
        Records::open(path).unwrap().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn what_was_appended_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let mut journal = Journal::open(&path).unwrap();
        let records = [page(1), page(2), Record::Sealed];
        for record in &records {
            journal.append(record).unwrap();
        }
        journal.sync().unwrap();
        assert_eq!(read(&path), records);
    }

    #[test]
    fn records_are_found_by_their_places_after_a_cut_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let first = Journal::open(&path).unwrap().append(&page(1)).unwrap();
        let mut torn = OpenOptions::new().append(true).open(&path).unwrap();
        torn.write_all(b"torn").unwrap();
        let second = Journal::open(&path).unwrap().append(&page(2)).unwrap();
        let mut records = RecordsAt::open(&path).unwrap();
        assert_eq!(records.read(second).unwrap(), page(2));
        assert_eq!(records.read(first).unwrap(), page(1));
        let between = Place { offset: first.offset + 1, ..first };
        assert_eq!(records.read(between).unwrap_err().source.kind(), io::ErrorKind::InvalidData);
        assert!(records.read(Place { offset: second.end(), ..second }).is_err());
    }

    proptest! {
        /// Whatever a crash or a bad disk leaves of the file, the whole records before it are there, and
        /// writing goes on behind them.
        #[test]
        fn a_torn_tail_costs_the_torn_record_only(cut in 0usize..400, garbage in proptest::collection::vec(128u8.., 0..40)) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("journal");
            let mut journal = Journal::open(&path).unwrap();
            journal.append(&page(1)).unwrap();
            let whole = std::fs::metadata(&path).unwrap().len() as usize;
            journal.append(&page(2)).unwrap();
            drop(journal);
            let mut bytes = std::fs::read(&path).unwrap();
            let both = bytes.len();
            let kept = (whole + cut).min(both - 1);
            bytes.truncate(kept);
            bytes.extend(garbage);
            std::fs::write(&path, &bytes).unwrap();
            let mut journal = Journal::open(&path).unwrap();
            journal.append(&page(3)).unwrap();
            prop_assert_eq!(read(&path), vec![page(1), page(3)]);
        }
    }
}
