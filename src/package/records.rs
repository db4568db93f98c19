//! Reading a journal: from its start, or by the places of its records.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::journal::{FRAME, JournalError, MAX_RECORD, Place};
use super::record::{Header, Record};

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
    let header: Header = serde_json::from_slice(header)?;
    Ok(header.with_rows(content.slice(4 + header_length..)))
}
