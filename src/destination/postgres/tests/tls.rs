//! Encryption, with a server whose certificate is for `localhost` and by an authority of its own.

use super::*;
use crate::config::SslMode;
use crate::test_postgres::Access;

#[test]
fn a_server_proves_itself_as_far_as_asked() {
    let Some(server) = Server::start_own(Access::Tls) else { return };
    let database = TestDatabase::on(&server);
    let authority = server.certificates().root.to_str().unwrap();
    let session = |host: &str, mode, root: Option<&str>| {
        let plan = PostgresPlan {
            host: Some(host.to_owned()),
            sslmode: mode,
            sslrootcert: root.map(str::to_owned),
            ..database.plan()
        };
        connect(&plan).map(|session| {
            let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
            rows(&session, sql, &[])[0].int(0).unwrap() == 1
        })
    };
    let root = Some(authority);
    for (host, mode, root, expected) in [
        ("localhost", None, None, Ok(true)),
        ("localhost", Some(SslMode::Prefer), None, Ok(true)),
        ("localhost", Some(SslMode::Disable), None, Ok(false)),
        ("localhost", Some(SslMode::Allow), None, Ok(false)),
        ("localhost", Some(SslMode::Require), None, Ok(true)),
        ("localhost", Some(SslMode::Require), root, Ok(true)),
        ("localhost", Some(SslMode::VerifyCa), root, Ok(true)),
        ("127.0.0.1", Some(SslMode::VerifyCa), root, Ok(true)),
        ("localhost", Some(SslMode::VerifyFull), root, Ok(true)),
        ("127.0.0.1", Some(SslMode::VerifyFull), root, Err("certificate not valid for name")),
        ("localhost", Some(SslMode::VerifyFull), None, Err("invalid peer certificate: UnknownIssuer")),
        (
            "localhost",
            Some(SslMode::VerifyFull),
            Some("system"),
            Err("invalid peer certificate: UnknownIssuer"),
        ),
        ("localhost", None, Some("system"), Err("invalid peer certificate: UnknownIssuer")),
    ] {
        match (session(host, mode, root), expected) {
            (Ok(is_encrypted), Ok(expected)) => {
                assert_eq!(is_encrypted, expected, "{host} {mode:?} {root:?}");
            }
            (Err(error), Err(reason)) => {
                assert!(matches!(error, DestinationError::Tls { .. }), "{error:?}");
                assert!(error.to_string().contains(reason), "{host} {mode:?} {root:?}: {error}");
            }
            (result, _) => panic!("{host} {mode:?} {root:?}: {result:?}"),
        }
    }
}
