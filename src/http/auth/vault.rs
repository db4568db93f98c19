//! Refresh tokens that replaced the one in the config. A server that gives a new one often takes the old one no more,
//! so losing it would lock the user out: it is on disk before the access token that came with it is used.
//!
//! One file per credential in the work folder, readable by its owner alone, named by a hash: a new refresh token in
//! the config starts a new file. Never in the database. A lock beside it is held while a token is asked for.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};
use url::Url;

use super::hmac::hex;
use crate::config::Secret;

/// The newest token that grew from the one `given` in the config, if there is one.
pub(super) fn read(dir: &Path, url: &Url, client: &str, given: &Secret) -> Option<Secret> {
    let path = path(dir, url, client, given);
    let content = match fs::read(&path) {
        Ok(content) => content,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(path = %path.display(), %error, "could not read the newest refresh token");
            }
            return None;
        }
    };
    let content: Option<Value> = serde_json::from_slice(&content).ok();
    let token = content.as_ref().and_then(|content| content.get("refresh_token")?.as_str());
    if token.is_none() {
        tracing::warn!(path = %path.display(), "the file of the newest refresh token is damaged");
    }
    token.map(Secret::new)
}

/// Keeps the newest token, durably, in place of the one before.
///
/// # Errors
/// `dir` cannot be written.
pub(super) fn keep(dir: &Path, url: &Url, client: &str, given: &Secret, next: &Secret) -> io::Result<()> {
    create_private_dir(dir)?;
    let path = path(dir, url, client, given);
    let new = path.with_extension("new");
    let mut file = create_private_file(&new)?;
    file.write_all(json!({ "refresh_token": next.expose() }).to_string().as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, &path)?;
    File::open(dir)?.sync_all()
}

/// Holds the token kept at `path` until the file is dropped, however long another process holds it.
///
/// # Errors
/// `dir` cannot be written.
pub(super) fn lock(dir: &Path, path: &Path) -> io::Result<File> {
    create_private_dir(dir)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path.with_extension("lock"))?;
    flock(&file, FlockOperation::LockExclusive)?;
    Ok(file)
}

/// Where the newest token that grew from `given` is kept.
pub(super) fn path(dir: &Path, url: &Url, client: &str, given: &Secret) -> PathBuf {
    let identity = json!([url.as_str(), client, given.expose()]).to_string();
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, identity.as_bytes());
    dir.join(format!("{}.json", hex(hash.as_ref())))
}

fn create_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// A new file, never one that others can read already.
fn create_private_file(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn tokens_are_kept_for_their_owner_alone_and_under_a_name_that_tells_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("credentials");
        let url: Url = "https://a.test/token".parse().unwrap();
        let given = Secret::new("given");
        assert_eq!(read(&dir, &url, "c", &given), None);
        for next in ["two", "three"] {
            keep(&dir, &url, "c", &given, &Secret::new(next)).unwrap();
            assert_eq!(read(&dir, &url, "c", &given), Some(Secret::new(next)));
        }
        assert_eq!(read(&dir, &url, "other", &given), None);
        let files: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap()).collect();
        assert_eq!(files.len(), 1);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&files[0].path())), (0o700, 0o600));
        assert!(!files[0].file_name().to_string_lossy().contains("given"));
        fs::write(files[0].path(), "damaged").unwrap();
        assert_eq!(read(&dir, &url, "c", &given), None);
    }
}
