//! The store of the processes of one machine: a file for each origin and credential, and a lock beside it.
//!
//! The first line is the file's timescale: what the clock since boot is behind it, the longest time that a line matters
//! to anybody, and which start of the machine that was. So a clock on the wall that is set changes nothing. Each write is whole lines in one call: a
//! killed process leaves whole ones, and the system takes its lock. A damaged line is left out.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::clock::{self, Micros, UNKNOWN_BOOT, micros};
use super::record::{LONGEST_PAUSE, MOST_AHEAD, Record};
use super::store::{Holder, QuotaStore, Seen, StoreError, seen};

/// First words of the file.
const HEADER: &str = "forebay-quota 1";

/// A file may have this many bytes before it is looked at for lines that matter no more.
const MIN_COMPACTED: u64 = 64 << 10;

/// Reads the clock that all processes of the machine share.
type Clock = Box<dyn Fn() -> Micros + Send>;

/// The file of one quota.
pub(super) struct FileStore {
    path: PathBuf,
    lock: File,
    file: File,
    /// What was read of it.
    offset: u64,
    /// It may end in a piece of a line: what follows has to begin on a line of its own.
    is_cut: bool,
    /// Whether its timescale and its horizon are known to suit this process.
    is_prepared: bool,
    /// What the clock is behind the file's timescale.
    epoch: Micros,
    horizon: Micros,
    compact_at: u64,
    clock: Clock,
    is_failing: bool,
}

impl FileStore {
    /// Opens the file of `key` in `dir`, which is created. Lines matter for `horizon`.
    ///
    /// # Errors
    /// The file cannot be read or written. Damaged content is no error.
    pub(super) fn open(dir: &Path, key: &str, horizon: Duration) -> io::Result<Self> {
        Self::with_clock(dir, key, horizon, Box::new(clock::since_boot))
    }

    pub(super) fn with_clock(dir: &Path, key: &str, horizon: Duration, clock: Clock) -> io::Result<Self> {
        // Who uses which key is nobody else's business.
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let path = dir.join(format!("{key}.quota"));
        let lock = open_lock(&path)?;
        let file = open(&path)?;
        let ours = clock::wall().saturating_sub(clock());
        let mut store = Self {
            path,
            lock,
            file,
            offset: 0,
            is_cut: false,
            is_prepared: false,
            epoch: ours,
            horizon: micros(horizon),
            compact_at: 0,
            clock,
            is_failing: false,
        };
        // Whoever holds the lock is waited for by the first exchange.
        if store.lock(FlockOperation::NonBlockingLockExclusive)? {
            let prepared = store.prepare();
            store.unlock();
            prepared?;
        }
        Ok(store)
    }

    /// Gives the file a timescale and a horizon that suit this process, too.
    fn prepare(&mut self) -> io::Result<()> {
        self.reopen()?;
        let content = self.read_on()?;
        let (header, lines) = split(&content);
        let lines: Vec<_> = lines.iter().map(|line| (*line, Record::parse(line))).collect();
        let damaged = lines.iter().filter(|(line, record)| record.is_none() && !line.is_empty()).count();
        if damaged > 0 || header.is_none() && !content.is_empty() {
            tracing::warn!(
                path = %self.path.display(), damaged,
                "the record of used quota is damaged; the lines that are whole count"
            );
        }
        let ours = clock::wall().saturating_sub((self.clock)());
        let boot = clock::boot();
        let (epoch, horizon, of_boot) = header.unwrap_or((ours, 0, &boot));
        let records: Vec<_> = lines.into_iter().filter_map(|(_, record)| record).collect();
        let newest = records.iter().filter_map(sent_at).max().unwrap_or(0);
        let is_known = boot != UNKNOWN_BOOT && of_boot != UNKNOWN_BOOT;
        let is_older_boot = is_known && boot != of_boot || newest > (self.clock)() + epoch + MOST_AHEAD;
        self.epoch = if is_older_boot { ours } else { epoch };
        let is_current = header.is_some() && horizon >= self.horizon;
        self.horizon = self.horizon.max(horizon);
        if !is_current || is_older_boot || damaged > 0 {
            self.rewrite(records)?;
        }
        self.is_prepared = true;
        // All of it is read anew by the first exchange.
        self.reopen()
    }

    fn now(&self) -> Micros {
        (self.clock)() + self.epoch
    }

    /// Takes the lock, if it may wait for that or nobody has it, and says so in its file. Somebody may have removed that:
    /// then another one counts.
    fn lock(&mut self, operation: FlockOperation) -> io::Result<bool> {
        loop {
            match flock(&self.lock, operation) {
                Err(Errno::WOULDBLOCK) => return Ok(false),
                locked => locked?,
            }
            match fs::metadata(lock_path(&self.path)) {
                Ok(found) if found.ino() == self.lock.metadata()?.ino() => break,
                _ => self.lock = open_lock(&self.path)?,
            }
        }
        // Only for those who wait: a disk that does not take it is no reason to stop.
        let _ = self.lock.write_all_at(format!("{:<10}\n", std::process::id()).as_bytes(), 0);
        Ok(true)
    }

    fn unlock(&self) {
        // Closing it would do it, too; nothing else can go wrong.
        let _ = flock(&self.lock, FlockOperation::Unlock);
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.file = open(&self.path)?;
        self.offset = 0;
        self.is_cut = false;
        Ok(())
    }

    /// What was added since the last call; all of it if another process has written the file anew.
    fn read(&mut self) -> io::Result<Vec<String>> {
        let is_same = fs::metadata(&self.path).and_then(|found| {
            let ours = self.file.metadata()?;
            Ok(found.ino() == ours.ino() && found.dev() == ours.dev() && found.len() >= self.offset)
        });
        if !is_same.unwrap_or(false) {
            self.reopen()?;
        }
        let is_start = self.offset == 0;
        let content = self.read_on()?;
        let (header, lines) = split(&content);
        if is_start {
            match header {
                Some((epoch, horizon, _)) => {
                    self.epoch = epoch;
                    self.horizon = self.horizon.max(horizon);
                }
                None => {
                    let records = lines.iter().filter_map(|line| Record::parse(line)).collect();
                    self.rewrite(records)?;
                }
            }
        }
        Ok(lines.into_iter().map(str::to_owned).collect())
    }

    fn read_on(&mut self) -> io::Result<String> {
        let mut content = Vec::new();
        self.file.seek(SeekFrom::Start(self.offset))?;
        self.file.read_to_end(&mut content)?;
        self.offset += content.len() as u64;
        if let Some(last) = content.last() {
            self.is_cut = *last != b'\n';
        }
        Ok(String::from_utf8_lossy(&content).into_owned())
    }

    fn append(&mut self, lines: &[String]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let start = if self.is_cut { "\n" } else { "" };
        let written = self.file.write_all(format!("{start}{}\n", lines.join("\n")).as_bytes());
        // What a full disk took of it is ours, too, and counted already.
        self.is_cut = written.is_err();
        self.offset = self.file.metadata()?.len();
        written?;
        if self.offset > self.compact_at.max(MIN_COMPACTED) {
            self.offset = 0;
            let content = self.read_on()?;
            let records = split(&content).1.into_iter().filter_map(Record::parse).collect();
            self.rewrite(records)?;
            self.compact_at = self.offset * 2;
        }
        Ok(())
    }

    /// Writes the file anew with what still matters. A time ahead of ours is one of before the machine was started,
    /// or the clock set back: it counts as just now.
    fn rewrite(&mut self, records: Vec<Record>) -> io::Result<()> {
        let now = self.now();
        let mut slacks = HashMap::new();
        for record in &records {
            if let Record::Answered { at, slack } = record {
                slacks.insert(*at, *slack);
            }
        }
        let mut text = format!("{HEADER} {} {} {}\n", self.epoch, self.horizon, clock::boot());
        for record in records {
            let record = match record {
                Record::Sent { at, charges, slack } => {
                    let slack = slack.or(slacks.get(&at).copied());
                    let at = if at > now + MOST_AHEAD { now } else { at };
                    Record::Sent { at, charges, slack }
                }
                Record::Pause { until } if until > now + LONGEST_PAUSE => continue,
                Record::Answered { .. } => continue,
                other => other,
            };
            if record.ends(self.horizon) > now {
                text += &format!("{record}\n");
            }
        }
        let temporary = self.path.with_extension("quota.new");
        // Left by a killed process, whose lock is ours now.
        let _ = fs::remove_file(&temporary);
        let mut file = open(&temporary)?;
        file.write_all(text.as_bytes())?;
        fs::rename(&temporary, &self.path)?;
        self.file = file;
        self.offset = text.len() as u64;
        self.is_cut = false;
        Ok(())
    }

    fn try_exchange(&mut self, decide: &mut dyn FnMut(&Seen) -> Vec<String>) -> io::Result<()> {
        if !self.is_prepared {
            self.prepare()?;
        }
        let lines = self.read()?;
        let new = decide(&seen(self.now(), lines));
        self.append(&new)
    }
}

impl QuotaStore for FileStore {
    /// A disk that fails is reported when it begins to, and stops nothing: this process keeps to its quota, but not the others.
    fn exchange(&mut self, decide: &mut dyn FnMut(&Seen) -> Vec<String>) -> Result<(), StoreError> {
        let mut is_decided = false;
        let mut decide_once = |seen: &Seen| {
            is_decided = true;
            decide(seen)
        };
        let done = self.lock(FlockOperation::LockExclusive).and_then(|_| {
            let done = self.try_exchange(&mut decide_once);
            self.unlock();
            done
        });
        let was_failing = std::mem::replace(&mut self.is_failing, done.is_err());
        if let Err(error) = done {
            if !was_failing {
                tracing::warn!(
                    path = %self.path.display(), %error,
                    "could not record used quota; another process with the same key may exceed it"
                );
            }
            if !is_decided {
                decide(&seen(self.now(), Vec::new()));
            }
        }
        Ok(())
    }

    fn holder(&self) -> Holder {
        let path = lock_path(&self.path);
        Box::new(move || {
            let process = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse::<u32>().ok());
            let process =
                process.map_or("another process".to_owned(), |process| format!("process {process}"));
            format!("{process}, which holds the record of used quota in `{}`", path.display())
        })
    }
}

fn sent_at(record: &Record) -> Option<Micros> {
    match record {
        Record::Sent { at, .. } => Some(*at),
        Record::Answered { .. } | Record::Pause { .. } => None,
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

fn lock_path(path: &Path) -> PathBuf {
    path.with_extension("lock")
}

fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).open(lock_path(path))
}

/// Epoch, horizon and start of the machine, if the text begins with them, and the other lines.
fn split(content: &str) -> (Option<(Micros, Micros, &str)>, Vec<&str>) {
    let mut lines: Vec<_> = content.lines().collect();
    let header = lines.first().and_then(|line| {
        let mut words = line.strip_prefix(HEADER)?.split_whitespace();
        let (epoch, horizon) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        Some((epoch, horizon, words.next().unwrap_or(UNKNOWN_BOOT)))
    });
    if header.is_some() {
        lines.remove(0);
    }
    (header, lines)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn open_at(dir: &Path, clock: &Arc<AtomicU64>) -> FileStore {
        let clock = Arc::clone(clock);
        FileStore::with_clock(dir, "k", HOUR, Box::new(move || clock.load(Ordering::SeqCst))).unwrap()
    }

    /// What is seen by one who adds these lines.
    fn exchange(store: &mut FileStore, new: &[String]) -> Seen {
        let mut found = None;
        store
            .exchange(&mut |seen| {
                found = Some(seen.clone());
                new.to_vec()
            })
            .unwrap();
        found.unwrap()
    }

    fn at(store: &FileStore, ago: u64) -> String {
        (store.now() - ago).to_string()
    }

    #[test]
    fn each_sees_what_the_others_added() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(AtomicU64::new(10_000_000)));
        let (mut one, mut two) = (open_at(dir.path(), &clock), open_at(dir.path(), &clock));
        let (first, second) = (at(&one, 2), at(&one, 1));
        assert!(exchange(&mut one, std::slice::from_ref(&first)).lines.is_empty());
        let seen = exchange(&mut two, std::slice::from_ref(&second));
        assert_eq!(seen.lines, std::slice::from_ref(&first));
        assert_eq!(exchange(&mut one, &[]).lines, std::slice::from_ref(&second));
        assert!(exchange(&mut two, &[]).lines.is_empty());
        assert_eq!(exchange(&mut open_at(dir.path(), &clock), &[]).lines, [first, second]);
    }

    #[test]
    fn damage_costs_only_the_damaged_lines() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(AtomicU64::new(10_000_000)));
        let line = at(&open_at(dir.path(), &clock), 5);
        let check = |content: Vec<u8>, expected: usize| {
            fs::write(dir.path().join("k.quota"), &content).unwrap();
            let mut store = open_at(dir.path(), &clock);
            let line = at(&store, 1);
            let seen = exchange(&mut store, &[line]);
            assert_eq!(seen.lines.len(), expected, "{:?}", String::from_utf8_lossy(&content));
            assert_eq!(exchange(&mut open_at(dir.path(), &clock), &[]).lines.len(), expected + 1);
        };
        let header = format!("{HEADER} {} 1\n", clock::wall() - 10_000_000);
        check(Vec::new(), 0);
        check(format!("{header}{line}\n{line}\n").into_bytes(), 2);
        check(format!("{header}{line}\n{line}").into_bytes(), 2);
        check(format!("{header}{line}\n\0\0\0").into_bytes(), 1);
        check(format!("{header}{line}\nnonsense\n{line}\n").into_bytes(), 2);
        check(format!("{line}\n").into_bytes(), 1);
        check(vec![0xff; 64], 0);
    }

    #[test]
    fn a_line_that_a_full_disk_cut_costs_no_other() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(AtomicU64::new(10_000_000)));
        let (mut one, mut two) = (open_at(dir.path(), &clock), open_at(dir.path(), &clock));
        let lines: Vec<_> = (1..=4).map(|ago| at(&one, ago)).collect();
        exchange(&mut one, &lines[..1]);
        assert_eq!(exchange(&mut two, &[]).lines, lines[..1]);
        OpenOptions::new().append(true).open(dir.path().join("k.quota")).unwrap().write_all(b"123").unwrap();
        // Who only reads sees the piece, and who writes begins anew behind it.
        assert_eq!(exchange(&mut two, &[]).lines, ["123"]);
        assert_eq!(exchange(&mut one, &lines[1..2]).lines, ["123"]);
        assert_eq!(exchange(&mut two, &lines[2..3]).lines, ["", &lines[1]]);
        assert_eq!(exchange(&mut one, &lines[3..]).lines, lines[2..3]);
    }

    #[test]
    fn a_disk_that_fails_hides_no_others_and_is_used_again() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(AtomicU64::new(10_000_000)));
        let (mut one, mut two) = (open_at(dir.path(), &clock), open_at(dir.path(), &clock));
        let lines: Vec<_> = (1..=4).map(|ago| at(&one, ago)).collect();
        exchange(&mut one, &lines[..1]);
        exchange(&mut two, &lines[1..2]);
        // The same file, which takes nothing now.
        one.file = File::open(dir.path().join("k.quota")).unwrap();
        assert_eq!(exchange(&mut one, &lines[2..3]).lines, lines[1..2]);
        assert!(one.is_failing);
        assert!(exchange(&mut one, &lines[2..3]).lines.is_empty());
        assert!(exchange(&mut two, &[]).lines.is_empty());
        one.file = open(&dir.path().join("k.quota")).unwrap();
        exchange(&mut one, &lines[3..]);
        assert!(!one.is_failing);
        assert_eq!(exchange(&mut two, &[]).lines, ["", &lines[3]]);
    }

    #[test]
    fn a_directory_that_is_removed_stops_nobody() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(AtomicU64::new(10_000_000)));
        let mut store = open_at(&dir.path().join("state"), &clock);
        fs::remove_dir_all(dir.path().join("state")).unwrap();
        let line = at(&store, 1);
        for _ in 0..3 {
            assert!(exchange(&mut store, std::slice::from_ref(&line)).lines.is_empty());
        }
    }

    #[test]
    fn a_machine_that_was_started_again_counts_on() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(AtomicU64::new(10_000_000_000)));
        let mut store = open_at(dir.path(), &clock);
        let line = at(&store, 0);
        exchange(&mut store, &[line]);
        // The wall's clock goes on; that since boot begins anew.
        clock.store(1_000_000, Ordering::SeqCst);
        let mut store = open_at(dir.path(), &clock);
        let seen = exchange(&mut store, &[]);
        let sent: u64 = seen.lines[0].parse().unwrap();
        assert!(seen.now - sent < 60_000_000, "{} {sent}", seen.now);
    }

    #[test]
    fn a_machine_that_was_off_does_not_take_yesterday_for_today() {
        // Up for longer than it was when the line was written, a day ago.
        let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(AtomicU64::new(900_000_000)));
        let (ours, day) = (clock::wall() - 900_000_000, 86_400_000_000);
        let (epoch, line) = (ours - day, ours - day + 800_000_000);
        for (boot, is_gone) in [("another", clock::boot() != UNKNOWN_BOOT), (UNKNOWN_BOOT, false)] {
            fs::write(dir.path().join("k.quota"), format!("{HEADER} {epoch} 1 {boot}\n{line}\n")).unwrap();
            let seen = exchange(&mut open_at(dir.path(), &clock), &[]);
            assert_eq!(seen.lines.is_empty(), is_gone, "{boot}");
        }
    }

    #[test]
    fn a_long_run_does_not_grow_the_file_for_ever() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(AtomicU64::new(10_000_000)));
        let (mut store, mut other) = (open_at(dir.path(), &clock), open_at(dir.path(), &clock));
        for _ in 0..20_000 {
            clock.fetch_add(1_000_000, Ordering::SeqCst);
            let line = at(&store, 0);
            exchange(&mut store, &[line.clone(), format!("a {line} 5")]);
        }
        let size = fs::metadata(dir.path().join("k.quota")).unwrap().len();
        assert!(size < 400_000, "{size}");
        // Whoever missed all of it still has what matters.
        let seen = exchange(&mut other, &[]);
        assert!((3600..20_000).contains(&seen.lines.len()), "{}", seen.lines.len());
    }

    #[test]
    fn a_pause_that_is_longer_than_any_window_outlasts_the_lines_of_requests() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(AtomicU64::new(10_000_000)));
        let open = |horizon: Duration| {
            let clock = Arc::clone(&clock);
            let clock = Box::new(move || clock.load(Ordering::SeqCst));
            FileStore::with_clock(dir.path(), "k", horizon, clock).unwrap()
        };
        let mut store = open(Duration::from_secs(2));
        let pause = format!("p {}", store.now() + 50 * 60_000_000);
        let line = at(&store, 0);
        exchange(&mut store, &[line, pause.clone()]);
        clock.fetch_add(60_000_000, Ordering::SeqCst);
        // One with a longer window has it written anew.
        assert_eq!(exchange(&mut open(Duration::from_secs(9)), &[]).lines, [pause]);
    }

    #[test]
    fn who_opens_it_does_not_wait_for_the_lock_and_the_first_exchange_does() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(AtomicU64::new(10_000_000)));
        let mut first = open_at(dir.path(), &clock);
        assert!(first.lock(FlockOperation::LockExclusive).unwrap());
        let mut second = open_at(dir.path(), &clock);
        assert!(!second.is_prepared && !second.lock(FlockOperation::NonBlockingLockExclusive).unwrap());
        let holder = second.holder()();
        assert!(holder.starts_with(&format!("process {}, which", std::process::id())), "{holder}");
        first.unlock();
        assert!(exchange(&mut second, &[]).lines.is_empty() && second.is_prepared);
    }

    #[test]
    fn others_may_not_read_it() {
        let (dir, clock) = (tempfile::tempdir().unwrap(), Arc::new(AtomicU64::new(1)));
        open_at(&dir.path().join("state"), &clock);
        let mode = |path: &str| fs::metadata(dir.path().join(path)).unwrap().mode() & 0o777;
        assert_eq!((mode("state"), mode("state/k.quota"), mode("state/k.lock")), (0o700, 0o600, 0o600));
    }
}
