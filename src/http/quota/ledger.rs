//! What earlier runs used: the wall-clock time of each request, on disk before the request is sent.
//!
//! One file per origin, one line per request: microseconds since 1970 in decimal. It is advice to the next run, not
//! a record anybody relies on, so a damaged one is used as far as it reads and is replaced at the next start. One
//! running client per file is assumed.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use url::Url;

/// Lines beyond those that are needed, before the file is written anew.
const MAX_SURPLUS: usize = 50_000;

/// The open file of one origin.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    file: File,
    /// The last requests, as many as the largest limit allows.
    recent: VecDeque<u64>,
    keep: usize,
    surplus: usize,
    is_failing: bool,
}

impl Ledger {
    /// Opens the ledger of `origin` in `dir`, which is created. Also returns the ages of the last `keep` requests that
    /// are younger than `horizon`, oldest first.
    ///
    /// # Errors
    /// The file cannot be read or written. Damaged content is no error.
    pub(super) fn open(
        dir: &Path,
        origin: &Url,
        keep: usize,
        horizon: Duration,
        now: SystemTime,
    ) -> io::Result<(Self, Vec<Duration>)> {
        fs::create_dir_all(dir)?;
        let path = dir.join(file_name(origin));
        let content = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            content => content?,
        };
        let (times, intact) = parse(&content);
        if intact < content.len() {
            tracing::warn!(
                path = %path.display(), offset = intact, ignored_bytes = content.len() - intact,
                "the record of used quota is damaged; what follows the damage is ignored"
            );
        }
        let now = micros(now);
        // A time ahead of ours was written before the clock was set back: it counts as just now.
        let times = times.into_iter().map(|time| time.min(now));
        let mut recent: VecDeque<u64> =
            times.filter(|time| Duration::from_micros(now - time) < horizon).collect();
        recent.drain(..recent.len().saturating_sub(keep));
        let ages = recent.iter().map(|time| Duration::from_micros(now - time)).collect();
        let file = rewrite(&path, &recent)?;
        Ok((Self { path, file, recent, keep, surplus: 0, is_failing: false }, ages))
    }

    /// Notes a request that is about to be sent. A disk that fails is reported once and stops nothing.
    pub(super) fn append(&mut self, now: SystemTime) {
        let time = micros(now);
        self.recent.push_back(time);
        if self.recent.len() > self.keep {
            self.recent.pop_front();
            self.surplus += 1;
        }
        // One write per line: a killed process leaves whole lines.
        let mut result = self.file.write_all(format!("{time}\n").as_bytes());
        if self.surplus > MAX_SURPLUS && result.is_ok() {
            self.surplus = 0;
            result = rewrite(&self.path, &self.recent).map(|file| self.file = file);
        }
        if let Err(error) = result
            && !std::mem::replace(&mut self.is_failing, true)
        {
            tracing::warn!(
                path = %self.path.display(), %error,
                "could not record used quota; a run that starts soon after this one may exceed it"
            );
        }
    }
}

fn micros(time: SystemTime) -> u64 {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX)
}

fn file_name(origin: &Url) -> String {
    let host = origin.host_str().unwrap_or_default();
    let host = host.replace(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-'), "_");
    format!("{}_{host}_{}.quota", origin.scheme(), origin.port_or_known_default().unwrap_or(0))
}

/// Times up to the first line that is none, and how many bytes they take.
fn parse(content: &[u8]) -> (Vec<u64>, usize) {
    let mut times = Vec::new();
    let mut intact = 0;
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        let Some(digits) = line.strip_suffix(b"\n").filter(|digits| digits.iter().all(u8::is_ascii_digit))
        else {
            break;
        };
        let Some(time) = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()) else {
            break;
        };
        times.push(time);
        intact += line.len();
    }
    (times, intact)
}

fn rewrite(path: &Path, times: &VecDeque<u64>) -> io::Result<File> {
    let temporary = path.with_extension("quota.new");
    let lines: String = times.iter().map(|time| format!("{time}\n")).collect();
    fs::write(&temporary, lines)?;
    fs::rename(&temporary, path)?;
    OpenOptions::new().append(true).open(path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_795_315_797 + seconds)
    }

    fn origin() -> Url {
        "https://api.example.com/v1/".parse().unwrap()
    }

    fn open(dir: &Path, keep: usize, now: SystemTime) -> (Ledger, Vec<u64>) {
        let (ledger, ages) = Ledger::open(dir, &origin(), keep, HOUR, now).unwrap();
        (ledger, ages.iter().map(Duration::as_secs).collect())
    }

    #[test]
    fn what_was_noted_is_read_by_the_next_run() {
        let dir = tempfile::tempdir().unwrap();
        let (mut ledger, ages) = open(dir.path(), 3, at(0));
        assert!(ages.is_empty());
        for second in [0, 10, 20, 30] {
            ledger.append(at(second));
        }
        assert_eq!(open(dir.path(), 3, at(40)).1, [30, 20, 10]);
        assert_eq!(open(dir.path(), 2, at(40)).1, [20, 10]);
        assert_eq!(open(dir.path(), 9, at(3620)).1, [3600 - 10]);
        assert!(open(dir.path(), 9, at(9999)).1.is_empty());
    }

    #[test]
    fn damage_costs_only_what_follows_it() {
        let line = |second: u64| format!("{}\n", micros(at(second)));
        let check = |content: Vec<u8>, expected: &[u64]| {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join(file_name(&origin())), content).unwrap();
            let (mut ledger, ages) = open(dir.path(), 9, at(100));
            assert_eq!(ages, expected);
            // The next run reads what this one adds, whatever was there.
            ledger.append(at(100));
            assert_eq!(open(dir.path(), 9, at(100)).1.len(), expected.len() + 1);
        };
        check(b"".to_vec(), &[]);
        check(format!("{}{}", line(10), line(20)).into_bytes(), &[90, 80]);
        check(format!("{}{}", line(10), line(20).trim_end()).into_bytes(), &[90]);
        check(format!("{}\0\0\0\0", line(10)).into_bytes(), &[90]);
        check(format!("{}nonsense\n{}", line(10), line(20)).into_bytes(), &[90]);
        check(format!("{}\n{}", line(10), line(20)).into_bytes(), &[90]);
        check(b"99999999999999999999999999\n".to_vec(), &[]);
        check(vec![0xff; 64], &[]);
    }

    #[test]
    fn a_clock_that_was_set_back_counts_as_just_now() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path(), 9, at(500)).0.append(at(500));
        assert_eq!(open(dir.path(), 9, at(0)).1, [0]);
    }

    #[test]
    fn a_long_run_does_not_grow_the_file_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let (mut ledger, _) = open(dir.path(), 5, at(0));
        for _ in 0..MAX_SURPLUS + 100 {
            ledger.append(at(1));
        }
        let size = fs::metadata(dir.path().join(file_name(&origin()))).unwrap().len();
        assert!(size < 10_000, "{size}");
        assert_eq!(open(dir.path(), 9, at(2)).1.len(), 9);
    }

    #[test]
    fn files_are_named_by_origin() {
        let check = |url: &str, expected: &str| assert_eq!(file_name(&url.parse().unwrap()), expected);
        check("https://api.example.com/v1/", "https_api.example.com_443.quota");
        check("http://127.0.0.1:8080/", "http_127.0.0.1_8080.quota");
        check("http://[::1]:8080/", "http____1__8080.quota");
    }
}
