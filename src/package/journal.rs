//! The journal: an append-only file of records, each with its length and checksum.
//!
//! A record is `length: u32 LE`, `crc32: u32 LE`, then `length` bytes: `header length: u32 LE`, a JSON header, the
//! rows of the page as they came. A crash can tear the last record only; reading stops at the first record
//! that is not whole, and writing goes on from there.

use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use super::record::{Header, Record};
use super::records::Records;

/// Bytes of length and checksum.
pub(super) const FRAME: usize = 8;

/// How much a power cut may cost: the pages of half a second, which are few under any quota. A killed process
/// loses none.
const SYNC_EVERY: Duration = Duration::from_millis(500);

/// Longest record that is believed; a longer length is a torn or foreign file.
pub(super) const MAX_RECORD: u32 = 1 << 30;

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

    /// Where the next record starts.
    pub(super) fn end(self) -> u64 {
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
        let (header, body) = Header::of(record);
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::super::{PageRecord, RecordsAt};
    use super::*;
    use crate::paginate::{Next, PageCursor};

    fn page(number: u64) -> Record {
        let record = PageRecord::test(0, number, Next::Page(PageCursor::Number(number + 1)));
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
