//! What a connection is made with: the URL, then libpq's variables, then its files, then its defaults.
//!
//! The driver knows most of the variables. Done here is what it leaves out: the password file with sockets, modes of
//! encryption that fall back, roots of the system, files in `~/.postgresql`, and variables with wrong values.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::Url;

use super::super::DestinationError;
use super::error::Peer;
use super::password_file::{self, Login, SOCKET_DIRECTORIES};
use crate::config::{PostgresPlan, SslMode};

/// Limit for one attempt to connect, unless the URL or `PGCONNECT_TIMEOUT` has one. libpq has none: a firewall that
/// drops packets would hold a run for minutes.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// libpq's word for the certificate authorities that the machine trusts.
const SYSTEM_ROOTS: &str = "system";

/// Gives the value of a variable of the environment.
pub(super) type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Everything that is needed to connect. Not `Debug`: the driver's options show the password.
pub(super) struct Options {
    driver: PgConnectOptions,
    /// Modes to try one after the other.
    modes: Vec<PgSslMode>,
    /// Limit for one attempt; `None`: none.
    pub(super) connect_timeout: Option<Duration>,
    /// Whom the connection is for.
    pub(super) peer: Peer,
}

impl Options {
    /// Completes a URL. `application_name` is for the server's list of sessions, unless the user chose a name.
    ///
    /// # Errors
    /// A variable has a wrong value, certificates cannot be read, or the mode of encryption cannot do what it says.
    pub(super) fn resolve(
        plan: &PostgresPlan,
        application_name: &str,
        environment: Environment<'_>,
    ) -> Result<Self, DestinationError> {
        let environment = |name: &str| environment(name).filter(|value| !value.is_empty());
        let mut driver = driver_defaults(plan.options.as_deref());
        if let Some(port) = plan.port {
            driver = driver.port(port);
        }
        if let Some(host) = &plan.host {
            driver = driver.host(host);
        } else if ["PGHOST", "PGHOSTADDR"].iter().all(|name| environment(name).is_none()) {
            let host = default_host(driver.get_port());
            driver = driver.host(&host);
        }
        if let Some(user) = &plan.user {
            driver = driver.username(user);
        }
        let database = plan.database.as_deref().or(driver.get_database()).unwrap_or(driver.get_username());
        let database = database.to_owned();
        driver = driver.database(&database);
        if let Some(name) = &plan.application_name {
            driver = driver.application_name(name);
        } else if driver.get_application_name().is_none() {
            driver = driver.application_name(application_name);
        }
        let mut peer = Peer {
            server: server(&driver),
            user: driver.get_username().to_owned(),
            database,
            has_password: false,
        };
        if let Some(password) = password(plan, &driver, &peer.database, &environment) {
            driver = driver.password(&password);
            peer.has_password = true;
        }
        let connect_timeout = connect_timeout(plan, &environment)
            .map_err(|reason| DestinationError::Unreachable { server: peer.server.clone(), reason })?;
        let (driver, modes) = encryption(plan, driver, &environment)
            .map_err(|reason| DestinationError::Tls { server: peer.server.clone(), reason })?;
        Ok(Self { driver, modes, connect_timeout, peer })
    }

    /// The driver's options, once per mode of encryption that is to be tried.
    pub(super) fn attempts(&self) -> impl Iterator<Item = (PgSslMode, PgConnectOptions)> {
        self.modes.iter().map(|mode| (*mode, self.driver.clone().ssl_mode(*mode)))
    }
}

/// The driver's options with the variables that it knows, and with `options`, for which it has no other way in.
fn driver_defaults(options: Option<&str>) -> PgConnectOptions {
    let from_url = options.and_then(|options| {
        let url = Url::parse_with_params("postgres://localhost", [("options", options)]).ok()?;
        PgConnectOptions::from_url(&url).ok()
    });
    from_url
        .unwrap_or_else(PgConnectOptions::new_without_pgpass)
        // What is done is in the errors; statements are long, and slow ones are no news in a load.
        .disable_statement_logging()
        // A session's own settings do it: poolers refuse it as a parameter of the connection.
        .extra_float_digits(None)
}

/// A directory with the socket of a server on this machine, else this machine.
fn default_host(port: u16) -> String {
    let socket = format!(".s.PGSQL.{port}");
    let directory = SOCKET_DIRECTORIES.iter().find(|directory| Path::new(directory).join(&socket).exists());
    directory.unwrap_or(&"localhost").to_string()
}

fn is_socket(driver: &PgConnectOptions) -> bool {
    driver.get_host().starts_with('/')
}

/// The server as messages name it.
fn server(driver: &PgConnectOptions) -> String {
    let (host, port) = (driver.get_host(), driver.get_port());
    if is_socket(driver) {
        format!("{host}/.s.PGSQL.{port}")
    } else if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

fn password(
    plan: &PostgresPlan,
    driver: &PgConnectOptions,
    database: &str,
    environment: Environment<'_>,
) -> Option<String> {
    if let Some(password) = &plan.password {
        return Some(password.expose().to_owned());
    }
    if let Some(password) = environment("PGPASSWORD") {
        return Some(password);
    }
    let file = plan.passfile.clone().or_else(|| environment("PGPASSFILE").map(PathBuf::from));
    let file = file.or_else(|| Some(PathBuf::from(environment("HOME")?).join(".pgpass")))?;
    let (host, port, user) = (driver.get_host(), driver.get_port(), driver.get_username());
    let password = password_file::look_up(&file, Login { host, port, database, user })?;
    Some(password.expose().to_owned())
}

fn connect_timeout(plan: &PostgresPlan, environment: Environment<'_>) -> Result<Option<Duration>, String> {
    let written = match (plan.connect_timeout, environment("PGCONNECT_TIMEOUT")) {
        (Some(timeout), _) => Some(timeout),
        (None, None) => None,
        (None, Some(text)) => {
            let seconds: u64 = text
                .trim()
                .parse()
                .map_err(|_| format!("PGCONNECT_TIMEOUT is `{text}`, no number of seconds"))?;
            Some(Duration::from_secs(seconds))
        }
    };
    // Zero is libpq's word for none.
    Ok(Some(written.unwrap_or(CONNECT_TIMEOUT)).filter(|timeout| !timeout.is_zero()))
}

/// Sets certificates, and says which modes are to be tried.
fn encryption(
    plan: &PostgresPlan,
    mut driver: PgConnectOptions,
    environment: Environment<'_>,
) -> Result<(PgConnectOptions, Vec<PgSslMode>), String> {
    // As libpq: nobody listens in on a socket.
    if is_socket(&driver) {
        return Ok((driver, vec![PgSslMode::Disable]));
    }
    let directory = environment("HOME").map(|home| PathBuf::from(home).join(".postgresql"));
    let file = |written: Option<&String>, variable: &str, name: &str| -> Option<String> {
        let in_home = || {
            let file = directory.as_ref()?.join(name);
            file.exists().then(|| file.to_string_lossy().into_owned())
        };
        written.cloned().or_else(|| environment(variable)).or_else(in_home)
    };
    let root = file(plan.sslrootcert.as_ref(), "PGSSLROOTCERT", "root.crt");
    let mode = ssl_mode(plan, root.as_deref(), environment)?;
    if matches!(mode, SslMode::VerifyCa | SslMode::VerifyFull) {
        driver = match root.as_deref() {
            None | Some(SYSTEM_ROOTS) => driver.ssl_root_cert_from_pem(system_roots()?),
            Some(file) => driver.ssl_root_cert(readable("sslrootcert", file)?),
        };
    }
    if mode != SslMode::Disable {
        if let Some(file) = file(plan.sslcert.as_ref(), "PGSSLCERT", "postgresql.crt") {
            driver = driver.ssl_client_cert(readable("sslcert", &file)?);
        }
        if let Some(file) = file(plan.sslkey.as_ref(), "PGSSLKEY", "postgresql.key") {
            driver = driver.ssl_client_key(readable("sslkey", &file)?);
        }
    }
    let modes = match mode {
        SslMode::Disable => vec![PgSslMode::Disable],
        // The driver's own `Allow` never encrypts.
        SslMode::Allow => vec![PgSslMode::Disable, PgSslMode::Require],
        SslMode::Prefer => vec![PgSslMode::Prefer, PgSslMode::Disable],
        SslMode::Require => vec![PgSslMode::Require],
        SslMode::VerifyCa => vec![PgSslMode::VerifyCa],
        SslMode::VerifyFull => vec![PgSslMode::VerifyFull],
    };
    Ok((driver, modes))
}

/// The mode that holds, by libpq's rules for roots.
fn ssl_mode(
    plan: &PostgresPlan,
    root: Option<&str>,
    environment: Environment<'_>,
) -> Result<SslMode, String> {
    let from_environment = environment("PGSSLMODE").map(|name| {
        SslMode::from_name(&name).ok_or_else(|| format!("PGSSLMODE is `{name}`, which is no mode"))
    });
    let written = match plan.sslmode {
        Some(mode) => Some(mode),
        None => from_environment.transpose()?,
    };
    match (written, root) {
        (None | Some(SslMode::VerifyFull), Some(SYSTEM_ROOTS)) => Ok(SslMode::VerifyFull),
        // Anybody can get a certificate from a public authority, for a host of their own.
        (Some(_), Some(SYSTEM_ROOTS)) => {
            Err("`sslrootcert=system` proves nothing without `sslmode=verify-full`".to_owned())
        }
        (Some(SslMode::VerifyCa), None) => Err("`sslmode=verify-ca` needs an `sslrootcert`".to_owned()),
        (Some(SslMode::Require), Some(_)) => Ok(SslMode::VerifyCa),
        (Some(mode), _) => Ok(mode),
        (None, _) => Ok(SslMode::Prefer),
    }
}

/// Looks whether a file can be read, since the driver's error would not name it.
fn readable<'a>(parameter: &str, file: &'a str) -> Result<&'a str, String> {
    match File::open(file) {
        Ok(_) => Ok(file),
        Err(error) => Err(format!("cannot read `{parameter}` {file}: {error}")),
    }
}

/// The authorities that the machine trusts, in the form that the driver takes them.
fn system_roots() -> Result<Vec<u8>, String> {
    let found = rustls_native_certs::load_native_certs();
    if let ([], [error, ..]) = (found.certs.as_slice(), found.errors.as_slice()) {
        return Err(format!("cannot read the certificate authorities of this machine: {error}"));
    }
    let pem = found.certs.iter().map(|certificate| {
        format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            BASE64_STANDARD.encode(certificate)
        )
    });
    Ok(pem.collect::<String>().into_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::Secret;

    fn plan() -> PostgresPlan {
        PostgresPlan {
            host: Some("db".to_owned()),
            port: Some(5432),
            user: Some("me".to_owned()),
            ..PostgresPlan::default()
        }
    }

    #[test]
    fn passwords_are_looked_for_in_libpqs_order() {
        let home = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let file = home.path().join(name);
            fs::write(&file, text).unwrap();
            #[cfg(unix)]
            fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            file.to_str().unwrap().to_owned()
        };
        // The database is that of the user's name.
        write(".pgpass", "db:5432:me:me:from-home");
        let other = write("other", "*:*:*:*:from-variable");
        let third = write("third", "*:*:*:*:from-parameter");
        let in_url = PostgresPlan { password: Some(Secret::new("from-url")), ..plan() };
        let in_file = PostgresPlan { passfile: Some(third.into()), ..plan() };
        let both = [("PGPASSWORD", "from-environment"), ("PGPASSFILE", &other)];
        for (plan, variables, expected) in [
            (in_url, &both[..], Some("from-url")),
            (plan(), &both, Some("from-environment")),
            (in_file, &both[1..], Some("from-parameter")),
            (plan(), &both[1..], Some("from-variable")),
            (plan(), &[], Some("from-home")),
            (PostgresPlan { user: Some("you".to_owned()), ..plan() }, &[], None),
        ] {
            let environment = |name: &str| {
                let all = variables.iter().copied().chain([("HOME", home.path().to_str().unwrap())]);
                all.into_iter().find(|(it, _)| *it == name).map(|(_, value)| value.to_owned())
            };
            let driver = driver_defaults(None).host("db").port(5432).username(plan.user.as_deref().unwrap());
            let found = password(&plan, &driver, driver.get_username(), &environment);
            assert_eq!(found.as_deref(), expected);
        }
    }

    #[test]
    fn servers_are_named_as_they_are_reached() {
        for (host, port, server) in [
            ("db", 5432, "db:5432"),
            ("::1", 5433, "[::1]:5433"),
            ("/srv/sockets", 6000, "/srv/sockets/.s.PGSQL.6000"),
        ] {
            let plan = PostgresPlan { host: Some(host.to_owned()), port: Some(port), ..plan() };
            let options = Options::resolve(&plan, "forebay", &|_| None).unwrap();
            assert_eq!(options.peer.server, server);
            assert_eq!(options.peer.database, "me");
        }
    }

    #[test]
    fn settings_of_the_session_reach_the_driver() {
        let plan = PostgresPlan { options: Some("-c geqo=off -c a=b+c".to_owned()), ..plan() };
        let options = Options::resolve(&plan, "forebay x", &|_| None).unwrap();
        let text = options.driver.get_options().unwrap();
        assert!(text.ends_with("-c geqo=off -c a=b+c"), "{text}");
        assert_eq!(options.driver.get_application_name(), Some("forebay x"));
    }

    #[test]
    fn modes_of_encryption_follow_libpq() {
        use PgSslMode::{Disable, Prefer, Require, VerifyCa, VerifyFull};
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("root.pem");
        fs::write(&file, "").unwrap();
        let root = file.to_str().unwrap();
        for (mode, root, expected) in [
            (None, None, Ok(vec![Prefer, Disable])),
            (Some("disable"), None, Ok(vec![Disable])),
            (Some("allow"), None, Ok(vec![Disable, Require])),
            (Some("require"), None, Ok(vec![Require])),
            (Some("require"), Some(root), Ok(vec![VerifyCa])),
            (Some("verify-ca"), Some(root), Ok(vec![VerifyCa])),
            (Some("verify-full"), Some(root), Ok(vec![VerifyFull])),
            (Some("verify-ca"), None, Err("`sslmode=verify-ca` needs an `sslrootcert`")),
            (
                Some("require"),
                Some("system"),
                Err("`sslrootcert=system` proves nothing without `sslmode=verify-full`"),
            ),
            (Some("safe"), None, Err("PGSSLMODE is `safe`, which is no mode")),
            (Some("verify-full"), Some("/no/such"), Err("cannot read `sslrootcert` /no/such: ")),
        ] {
            let environment = |name: &str| match name {
                "PGSSLMODE" => mode.map(str::to_owned),
                "PGSSLROOTCERT" => root.map(str::to_owned),
                _ => None,
            };
            match (encryption(&plan(), driver_defaults(None).host("db"), &environment), expected) {
                (Ok((_, modes)), Ok(expected)) => {
                    assert_eq!(format!("{modes:?}"), format!("{expected:?}"), "{mode:?} {root:?}");
                }
                (Err(reason), Err(expected)) => assert!(reason.starts_with(expected), "{reason}"),
                (other, _) => panic!("{mode:?} {root:?}: {:?}", other.map(|(_, modes)| modes)),
            }
        }
        let socket =
            encryption(&plan(), driver_defaults(None).host("/tmp"), &|_| Some("verify-full".to_owned()));
        assert!(matches!(socket.unwrap().1.as_slice(), [Disable]));
    }

    #[test]
    fn the_limit_for_connecting_is_ours_unless_one_is_given() {
        let seconds = Duration::from_secs;
        for (written, variable, expected) in [
            (None, None, Ok(Some(CONNECT_TIMEOUT))),
            (None, Some("3"), Ok(Some(seconds(3)))),
            (Some(5), Some("3"), Ok(Some(seconds(5)))),
            (Some(0), None, Ok(None)),
            (None, Some("soon"), Err("PGCONNECT_TIMEOUT is `soon`, no number of seconds".to_owned())),
        ] {
            let plan = PostgresPlan { connect_timeout: written.map(seconds), ..plan() };
            assert_eq!(connect_timeout(&plan, &|_| variable.map(str::to_owned)), expected);
        }
    }
}
