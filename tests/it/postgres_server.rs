//! The server that tests of Postgres run on is itself as they need it.

use crate::postgres::{Access, CERTIFIED, Server, server, sql};

#[test]
fn a_database_is_empty_and_of_its_own() {
    let Some(server) = server() else { return };
    let (one, two) = (server.create_database(), server.create_database());
    one.sql("CREATE TABLE t (a int, b text); INSERT INTO t VALUES (1, NULL), (2, 'ä|x')");
    assert_eq!(one.sql("SELECT * FROM t ORDER BY a"), "1|\n2|ä|x");
    assert_eq!(two.sql("SELECT to_regclass('t')"), "");
    assert_eq!(two.sql("SHOW server_encoding"), "UTF8");
    let copy = server.copy_database(&one);
    assert_eq!(copy.sql("SELECT count(*) FROM t"), "2");
    let missing = sql(one.url(), "SELECT 1; SELECT * FROM missing").unwrap_err();
    assert!(missing.contains(r#"relation "missing" does not exist"#), "{missing}");

    let name = one.name().to_owned();
    drop(one);
    assert_eq!(server.sql(&format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'")), "0");
}

#[test]
fn a_killed_server_starts_again_with_what_was_committed() {
    let Some(mut server) = Server::start_own(Access::Trust) else { return };
    let database = server.create_database();
    database.sql("CREATE TABLE t AS SELECT generate_series(1, 1000) AS a");
    let pid = server.pid();
    server.kill();
    assert!(sql(database.url(), "SELECT 1").is_err(), "nobody answers");
    server.start();
    assert_ne!(server.pid(), pid);
    assert_eq!(database.sql("SELECT sum(a) FROM t"), "500500");
    assert!(server.log().contains("was not properly shut down"), "{}", server.log());
}

#[test]
fn roles_need_what_the_server_asks_of_them() {
    for access in [Access::Password, Access::Tls] {
        let Some(server) = Server::start_own(access) else { continue };
        let database = server.create_database();
        let role = server.create_role();
        let enter = |role: &str, password: &str, settings: &str| {
            // The certificate is for this name.
            let url = server.url_as(role, password, database.name()).replace("127.0.0.1", "localhost");
            let url = url + settings;
            sql(&url, "SELECT current_user").is_ok_and(|name| name == role)
        };
        let (name, password) = (role.name.as_str(), role.password.as_str());
        assert!(enter(name, password, ""), "{access:?}");
        assert!(!enter(name, "wrong", ""), "{access:?}");
        let has_tls = access == Access::Tls;
        assert_eq!(enter(name, password, "?sslmode=disable"), !has_tls);
        if has_tls {
            let files = server.certificates();
            let verified = format!("?sslmode=verify-full&sslrootcert={}", files.root.display());
            assert!(enter(name, password, &verified));
            assert!(!enter(name, password, "?sslmode=verify-full"), "an authority that nobody knows");

            server.create_login(CERTIFIED, "unused");
            let certified = format!(
                "{verified}&sslcert={}&sslkey={}",
                files.client.display(),
                files.client_key.display()
            );
            assert!(enter(CERTIFIED, "unused", &certified));
            assert!(!enter(CERTIFIED, "unused", &verified), "no certificate");
        }
    }
}
