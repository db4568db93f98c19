//! The lock that keeps two runs of a pipeline apart. The operating system drops it with the process that holds it,
//! however that ends; the file also says which process that is.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::store::{PackageError, file_error};

/// How long a run tries to get the lock: `status` holds it for an instant, another run holds it for good.
const GRACE: Duration = Duration::from_millis(250);

/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(10);

/// Held for as long as a run goes on.
#[derive(Debug)]
pub(super) struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the lock of the pipeline whose directory is `dir`.
    pub(super) fn acquire(dir: &Path, pipeline: &str) -> Result<Self, PackageError> {
        let path = lock_file(dir);
        let open = OpenOptions::new().create(true).read(true).write(true).truncate(false).open(&path);
        let mut file = open.map_err(file_error("open", &path))?;
        let until = Instant::now() + GRACE;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    let holder = holder(&mut file);
                    return Err(PackageError::Locked { pipeline: pipeline.to_owned(), holder, file: path });
                }
                Err(TryLockError::Error(source)) => return Err(file_error("lock", &path)(source)),
            }
        }
        write_holder(&mut file).map_err(file_error("write", &path))?;
        Ok(Self { _file: file })
    }

    /// Whether a run goes on. Makes no file.
    pub(super) fn is_held(dir: &Path) -> Result<bool, PackageError> {
        let path = lock_file(dir);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other.map_err(file_error("open", &path))?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(source)) => Err(file_error("lock", &path)(source)),
        }
    }
}

fn lock_file(dir: &Path) -> PathBuf {
    dir.join("lock")
}

fn write_holder(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.write_all(std::process::id().to_string().as_bytes())
}

/// The process that wrote the file, if it got to that.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) if !text.is_empty() => format!("process {text}"),
        _ => "an unknown process".to_owned(),
    }
}
