//! `~/.pgpass`, by the rules of <https://www.postgresql.org/docs/current/libpq-pgpass.html>.
//!
//! The driver reads it, too, but logs lines that it does not understand, passwords and all, and knows no sockets.

use std::fs;
use std::io;
use std::path::Path;

use crate::config::Secret;

/// Directories that servers put their sockets in: in the file, they are `localhost`.
pub(super) const SOCKET_DIRECTORIES: [&str; 4] =
    ["/var/run/postgresql", "/run/postgresql", "/tmp", "/private/tmp"];

/// What a password is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Login<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// Looks a password up. A file that others may read is not used, which is told in the log, as libpq does.
pub(super) fn look_up(file: &Path, login: Login<'_>) -> Option<Secret> {
    let text = match read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!("the password file {} is not used: {error}", file.display());
            return None;
        }
    };
    find(&text, login)
}

fn read(file: &Path) -> io::Result<String> {
    let metadata = fs::metadata(file)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(io::Error::other("others may read it; `chmod 600` keeps them out"));
        }
    }
    fs::read_to_string(file)
}

/// The password of the first line that fits: `host:port:database:user:password`.
fn find(text: &str, login: Login<'_>) -> Option<Secret> {
    let port = login.port.to_string();
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut rest = line.trim_end_matches('\r');
        for wanted in [login.host, &port, login.database, login.user] {
            let (field, after) = split_field(rest)?;
            let is_local = wanted == login.host && SOCKET_DIRECTORIES.contains(&wanted);
            let fits = field == "*" || unescape(field) == wanted || (is_local && field == "localhost");
            if !fits {
                return None;
            }
            rest = after;
        }
        (!rest.is_empty()).then(|| Secret::new(unescape(rest)))
    })
}

/// Splits at the first colon that has no backslash before it.
fn split_field(line: &str) -> Option<(&str, &str)> {
    let mut is_escaped = false;
    let colon = line.bytes().position(|byte| {
        let ends = byte == b':' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    })?;
    Some((&line[..colon], &line[colon + 1..]))
}

fn unescape(field: &str) -> String {
    let mut chars = field.chars();
    let mut text = String::new();
    while let Some(char) = chars.next() {
        match char {
            '\\' => text.extend(chars.next()),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    const LOGIN: Login<'_> = Login { host: "db", port: 5432, database: "shop", user: "me" };

    #[test]
    fn the_first_line_that_fits_counts() {
        for (text, password) in [
            ("db:5432:shop:me:secret", Some("secret")),
            ("db:5432:shop:me:secret\r\n", Some("secret")),
            ("*:*:*:*:secret ", Some("secret ")),
            ("# db:5432:shop:me:no\n\nother:*:*:*:no\ndb:5432:shop:me:yes\n*:*:*:*:no", Some("yes")),
            (r"db:5432:shop:me:a\:b\\c:d", Some(r"a:b\c:d")),
            (r"d\b:5432:shop:me:x", Some("x")),
            ("db:5433:shop:me:x", None),
            ("db:5432:shop:you:x", None),
            ("db:5432:shop:me:", None),
            ("db:5432:shop", None),
            ("", None),
        ] {
            assert_eq!(find(text, LOGIN), password.map(Secret::new), "{text}");
        }
        let odd = Login { host: "a:b", user: r"c\d", ..LOGIN };
        assert_eq!(find(r"a\:b:*:*:c\\d:x", odd), Some(Secret::new("x")));
    }

    #[test]
    fn the_usual_directories_of_sockets_are_localhost() {
        let login = |host| Login { host, ..LOGIN };
        let line = "localhost:*:*:*:x";
        assert!(find(line, login("/var/run/postgresql")).is_some());
        assert!(find(line, login("localhost")).is_some());
        assert!(find(line, login("/srv/sockets")).is_none());
        assert!(find("/srv/sockets:*:*:*:x", login("/srv/sockets")).is_some());
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_not_used() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pgpass");
        assert_eq!(look_up(&file, LOGIN), None);
        fs::write(&file, "*:*:*:*:secret\n").unwrap();
        for (mode, is_used) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(look_up(&file, LOGIN).is_some(), is_used, "{mode:o}");
        }
        assert_eq!(look_up(dir.path(), LOGIN), None);
    }
}
