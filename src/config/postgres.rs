//! `postgres://user:password@host:port/database?name=value`, as libpq reads it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use url::Url;

use super::problem::did_you_mean;
use super::secret::Secret;

/// Names of parameters in the URL: those of libpq that have a meaning here.
const PARAMETERS: [&str; 14] = [
    "host",
    "port",
    "dbname",
    "user",
    "password",
    "passfile",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "connect_timeout",
    "application_name",
    "options",
    "channel_binding",
];

/// Longest name of an unknown parameter that is repeated in a message; a longer one may be a piece of a password.
const MAX_SHOWN_NAME: usize = 32;

/// What would end a part of a URL, or hide in it.
const RESERVED: &AsciiSet =
    &CONTROLS.add(b' ').add(b'%').add(b'/').add(b'?').add(b'#').add(b'@').add(b':').add(b'&');

/// How a connection is to be encrypted (libpq: `sslmode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SslMode {
    /// Not at all.
    Disable,
    /// Only if the server refuses a plain connection.
    Allow,
    /// Unless the server cannot. libpq's default.
    Prefer,
    /// Always, with whoever answers; if there is a root certificate, as `VerifyCa`.
    Require,
    /// With a server whose certificate an authority vouches for.
    VerifyCa,
    /// With a server whose certificate an authority vouches for, and that names the host.
    VerifyFull,
}

impl SslMode {
    /// The mode by libpq's name.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "disable" => Self::Disable,
            "allow" => Self::Allow,
            "prefer" => Self::Prefer,
            "require" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" => Self::VerifyFull,
            _ => return None,
        })
    }
}

/// A URL of a Postgres database, parsed. What it leaves out comes from libpq's variables and files when a connection
/// is made. `Display` is the URL without password and parameters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PostgresPlan {
    /// Name or address of the server; a directory, which begins with `/`, has its socket.
    pub host: Option<String>,
    /// Port of the server, or number in the name of its socket.
    pub port: Option<u16>,
    /// The role to log in as.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// File to look the password up in, in place of `~/.pgpass`.
    pub passfile: Option<PathBuf>,
    /// Name of the database.
    pub database: Option<String>,
    /// Encryption.
    pub sslmode: Option<SslMode>,
    /// File with the certificates of trusted authorities, or `system` for those of the machine.
    pub sslrootcert: Option<String>,
    /// File with the certificate of this client.
    pub sslcert: Option<String>,
    /// File with the private key of `sslcert`.
    pub sslkey: Option<String>,
    /// Limit for one attempt to connect. Zero: none.
    pub connect_timeout: Option<Duration>,
    /// What the server's list of sessions calls this one.
    pub application_name: Option<String>,
    /// Settings of the session, as `-c name=value`.
    pub options: Option<String>,
}

impl fmt::Display for PostgresPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |text| utf8_percent_encode(text, RESERVED);
        f.write_str("postgres://")?;
        if let Some(user) = &self.user {
            write!(f, "{}@", part(user))?;
        }
        match self.host.as_deref() {
            Some(address) if address.contains(':') => write!(f, "[{address}]")?,
            Some(host) => write!(f, "{}", part(host))?,
            None => {}
        }
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        match &self.database {
            Some(database) => write!(f, "/{}", part(database)),
            None => Ok(()),
        }
    }
}

/// What is wrong with a URL. Holds nothing that may be part of a password.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UrlProblem {
    pub message: String,
    pub hint: Option<String>,
}

/// Reads a URL. The scheme has been checked.
pub(crate) fn parse(url: &str) -> Result<PostgresPlan, UrlProblem> {
    let hint = "write postgres://user@host:port/database; in a password, `%`, `/`, `?`, `#` and `:` are written %25, \
                %2F, %3F, %23 and %3A, or it is left out and given as PGPASSWORD or in ~/.pgpass";
    let broken = |message: &str| problem(message, Some(hint.to_owned()));
    // The parser's words are short, and quote nothing.
    let url = Url::parse(url).map_err(|error| broken(&format!("is not a URL: {error}")))?;
    if url.cannot_be_a_base() {
        return Err(broken("is not a URL: two slashes are missing"));
    }
    if url.fragment().is_some() {
        return Err(broken("has a `#`"));
    }
    // Of `user:1/23@host/db` the password would be the name of the database.
    if url.path().contains('@') {
        return Err(broken("has an `@` behind a `/`"));
    }
    let mut plan = PostgresPlan::default();
    for (name, value) in [
        ("user", Some(url.username())),
        ("password", url.password()),
        ("host", url.host_str().map(|host| host.trim_matches(['[', ']']))),
        ("dbname", url.path().strip_prefix('/')),
    ] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            plan.set(name, decode(value).ok_or_else(|| broken("has a part that is not UTF-8"))?)?;
        }
    }
    plan.port = url.port();
    for pair in url.query().into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = decode(name).zip(decode(value));
        let (name, value) = decoded.ok_or_else(|| broken("has a part that is not UTF-8"))?;
        plan.set(&name, value)?;
    }
    Ok(plan)
}

fn problem(message: impl Into<String>, hint: Option<String>) -> UrlProblem {
    UrlProblem { message: message.into(), hint }
}

/// libpq decodes `%xx` only: a plus sign is one.
fn decode(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(Into::into)
}

impl PostgresPlan {
    fn set(&mut self, name: &str, value: String) -> Result<(), UrlProblem> {
        match name {
            "host" => {
                if value.contains(',') {
                    let hint = "name the one that takes changes";
                    return Err(problem("names several hosts", Some(hint.to_owned())));
                }
                self.host = Some(value);
            }
            "port" => {
                let port = value.parse().map_err(|_| problem("has a `port` that is no port", None))?;
                self.port = Some(port);
            }
            "dbname" => self.database = Some(value),
            "user" => self.user = Some(value),
            "password" => self.password = Some(Secret::new(value)),
            "passfile" => self.passfile = Some(value.into()),
            "sslmode" => {
                let hint = "one of disable, allow, prefer, require, verify-ca and verify-full";
                let mode = SslMode::from_name(&value)
                    .ok_or_else(|| problem("has an `sslmode` that is not known", Some(hint.to_owned())))?;
                self.sslmode = Some(mode);
            }
            "sslrootcert" => self.sslrootcert = Some(value),
            "sslcert" => self.sslcert = Some(value),
            "sslkey" => self.sslkey = Some(value),
            "connect_timeout" => {
                let seconds = value
                    .parse()
                    .map_err(|_| problem("has a `connect_timeout` that is no number of seconds", None))?;
                self.connect_timeout = Some(Duration::from_secs(seconds));
            }
            "application_name" => self.application_name = Some(value),
            "options" => self.options = Some(value),
            // What hosters write into their URLs. `require` cannot be kept, so it is not taken silently.
            "channel_binding" if matches!(value.as_str(), "prefer" | "disable") => {}
            "channel_binding" => {
                let hint = "leave it out; `sslmode=verify-full` proves the server";
                return Err(problem(
                    "asks for `channel_binding`, which is not supported",
                    Some(hint.to_owned()),
                ));
            }
            _ => return Err(unknown_parameter(name)),
        }
        Ok(())
    }
}

fn unknown_parameter(name: &str) -> UrlProblem {
    let is_name = name.len() <= MAX_SHOWN_NAME
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'-'));
    let subject = if is_name { format!("parameter `{name}`") } else { "a parameter".to_owned() };
    let known = format!("known are {}", PARAMETERS.join(", "));
    let hint = match did_you_mean(name, PARAMETERS).filter(|_| is_name) {
        Some(near) => format!("{near} {known}"),
        None => known,
    };
    problem(format!("has {subject} that is not known"), Some(hint))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn plan(set: impl FnOnce(&mut PostgresPlan)) -> PostgresPlan {
        let mut plan = PostgresPlan::default();
        set(&mut plan);
        plan
    }

    #[test]
    fn urls_are_read_as_libpq_reads_them() {
        let some = |text: &str| Some(text.to_owned());
        for (url, label, expected) in [
            ("postgres://", "postgres://", PostgresPlan::default()),
            ("postgresql:///db", "postgres:///db", plan(|it| it.database = some("db"))),
            (
                "postgres://me:s3cr3t@db.example.com:5433/shop",
                "postgres://me@db.example.com:5433/shop",
                plan(|it| {
                    (it.user, it.host, it.port, it.database) =
                        (some("me"), some("db.example.com"), Some(5433), some("shop"));
                    it.password = Some(Secret::new("s3cr3t"));
                }),
            ),
            (
                "postgres://h/db?password=s3cr3t+%26&user=a%40b",
                "postgres://a%40b@h/db",
                plan(|it| {
                    (it.user, it.host, it.database) = (some("a@b"), some("h"), some("db"));
                    it.password = Some(Secret::new("s3cr3t+&"));
                }),
            ),
            (
                "postgres://me:s3cr3t%2F%40@[::1]/db",
                "postgres://me@[::1]/db",
                plan(|it| {
                    (it.user, it.host, it.database) = (some("me"), some("::1"), some("db"));
                    it.password = Some(Secret::new("s3cr3t/@"));
                }),
            ),
            (
                "postgres:///db?host=/var/run/postgresql&port=6000",
                "postgres://%2Fvar%2Frun%2Fpostgresql:6000/db",
                plan(|it| {
                    (it.host, it.port, it.database) = (some("/var/run/postgresql"), Some(6000), some("db"));
                }),
            ),
            (
                "postgres://%2Ftmp/db?sslmode=verify-full&sslrootcert=a.pem&sslcert=b&sslkey=c",
                "postgres://%2Ftmp/db",
                plan(|it| {
                    (it.host, it.database, it.sslmode) =
                        (some("/tmp"), some("db"), Some(SslMode::VerifyFull));
                    (it.sslrootcert, it.sslcert, it.sslkey) = (some("a.pem"), some("b"), some("c"));
                }),
            ),
            (
                "postgres://h?connect_timeout=3&application_name=x&options=-c%20a%3Db&passfile=f&dbname=d\
                 &channel_binding=prefer",
                "postgres://h/d",
                plan(|it| {
                    (it.host, it.database) = (some("h"), some("d"));
                    it.connect_timeout = Some(Duration::from_secs(3));
                    (it.application_name, it.options) = (some("x"), some("-c a=b"));
                    it.passfile = Some("f".into());
                }),
            ),
        ] {
            let parsed = parse(url).unwrap_or_else(|problem| panic!("{url}: {}", problem.message));
            assert_eq!(parsed, expected, "{url}");
            assert_eq!(parsed.to_string(), label, "{url}");
            assert!(!format!("{parsed:?}").contains("s3cr3t"), "{url}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_without_the_password() {
        for (url, message) in [
            ("postgres:db", "is not a URL: two slashes are missing"),
            ("postgres://u:s3cr3t#x@h/db", "is not a URL: invalid port number"),
            ("postgres://u:s3cr3t/x@h/db", "is not a URL: invalid port number"),
            ("postgres://u:1#s3cr3t@h/db", "has a `#`"),
            ("postgres://u:1/s3cr3t@h/db", "has an `@` behind a `/`"),
            ("postgres://u:1?s3cr3t@h/db", "has a parameter that is not known"),
            ("postgres://a:1,b:2/s3cr3t", "is not a URL: invalid port number"),
            ("postgres://a,b/s3cr3t", "names several hosts"),
            ("postgres://h/db?passwort=s3cr3t", "has parameter `passwort` that is not known"),
            (
                "postgres://h/db?target_session_attrs=s3cr3t",
                "has parameter `target_session_attrs` that is not known",
            ),
            ("postgres://h/db?sslmode=s3cr3t", "has an `sslmode` that is not known"),
            ("postgres://h/db?port=s3cr3t", "has a `port` that is no port"),
            (
                "postgres://h/db?connect_timeout=s3cr3t",
                "has a `connect_timeout` that is no number of seconds",
            ),
            ("postgres://h/db?channel_binding=require", "asks for `channel_binding`, which is not supported"),
            ("postgres://h/%FF", "has a part that is not UTF-8"),
        ] {
            let problem = parse(url).unwrap_err();
            assert_eq!(problem.message, message, "{url}");
            assert!(!problem.hint.unwrap_or_default().contains("s3cr3t"), "{url}");
        }
        let hint = parse("postgres://h?pasword=x").unwrap_err().hint.unwrap();
        assert!(hint.starts_with("did you mean `password`? known are host, port, dbname"), "{hint}");
    }
}
