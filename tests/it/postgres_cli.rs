//! What people see of a pipeline into Postgres.

use std::net::TcpListener;

use crate::mock::{Mock, MockConfig};
use crate::postgres::{Access, Server, server};
use crate::scene::{Ran, Scene, assert_said};
use crate::support::cli::Workspace;

const PASSWORD: &str = "s3cr3t: p@ss/w%rd";

/// A server that asks for passwords, with a database `shop` and a role `loader` who may do everything in it.
fn shop() -> Option<Server> {
    let server = Server::start_own(Access::Password)?;
    server.create_login("loader", PASSWORD);
    server.sql("CREATE DATABASE shop OWNER loader");
    Some(server)
}

fn ran<const N: usize>(scene: &Scene, url: &str, args: [&str; N]) -> Ran {
    let mut forebay = scene.command(args[0]);
    forebay.args(["--destination", url]).command.args(&args[1..]);
    forebay.ran()
}

#[test]
fn a_run_and_what_there_is_to_know_afterwards() {
    let Some(server) = shop() else { return };
    let scene = Scene::new(25);
    let url = server.url_as("loader", PASSWORD, "shop");
    for _ in 0..2 {
        assert_said!(ran(&scene, &url, ["run"]).with_code(0));
    }
    assert_said!(ran(&scene, &url, ["run", "-r", "members", "--format", "json"]).with_code(0));
    assert_said!(ran(&scene, &url, ["status"]).with_code(0));
    let schema = ran(&scene, &url, ["schema", "--table", "members__permissions"]).with_code(0);
    assert_said!(schema);
}

#[test]
fn a_dataset_that_was_never_loaded_is_told() {
    let Some(server) = shop() else { return };
    let scene = Scene::new(1);
    let url = server.url_as("loader", PASSWORD, "shop");
    assert_said!(ran(&scene, &url, ["status"]).with_code(0));
    assert_said!(ran(&scene, &url, ["query", "SELECT * FROM members"]).failed(1));
    assert_said!(ran(&scene, &url, ["schema"]).failed(1));
    assert_eq!(scene.mock.requests().len(), 0);
}

#[test]
fn who_does_not_get_in_is_told_why() {
    let Some(server) = shop() else { return };
    let scene = Scene::new(1);
    let refused = |url: &str| {
        let status = ran(&scene, url, ["status"]).failed(1);
        let run = ran(&scene, url, ["run", "--format", "json"]).with_code(1);
        for said in [&status.stdout, &status.stderr, &run.stdout, &run.stderr] {
            assert!(!said.contains("s3cr3t"), "{said}");
        }
        status
    };
    assert_said!(refused(&server.url_as("loader", "s3cr3t, but another", "shop")));
    assert_said!(refused(&server.url_as("loader", "", "shop")));
    assert_said!(refused(&server.url_as("nobody", PASSWORD, "shop")));
    assert_said!(refused(&server.url_as("loader", PASSWORD, "stop")));
    let encrypted = server.url_as("loader", PASSWORD, "shop") + "?sslmode=require";
    assert_said!(refused(&encrypted));
    assert_said!(ran(&scene, &server.url_as("loader", "wrong", "shop"), ["run"]).failed(1));
    assert_eq!(scene.mock.requests().len(), 0);
}

#[test]
fn a_server_that_is_not_there_is_told() {
    let scene = Scene::new(1);
    // Nobody listens there any more.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://me:s3cr3t@127.0.0.1:{port}/shop");
    assert_said!(ran(&scene, &url, ["status"]).failed(1));
    assert_said!(ran(&scene, &url, ["query", "SELECT 1"]).failed(1));
    let nowhere = "postgres://me:s3cr3t@no-such-host.invalid/shop?connect_timeout=1";
    let ran = ran(&scene, nowhere, ["status"]).failed(1);
    assert!(ran.stderr.contains("could not connect to no-such-host.invalid:5432: "), "{ran}");
}

#[test]
fn a_server_that_starts_is_waited_for() {
    let Some(mut server) = Server::start_own(Access::Trust) else { return };
    let mock = Mock::start(MockConfig::unlimited(25));
    let setting = format!("pipeline.destination={}", server.url("postgres"));
    let workspace = Workspace::members(&mock).with_set(&setting);
    server.kill();
    let mut run = workspace.start(&[]);
    run.wait_for_line("; trying for 30 s");
    server.start();
    run.wait().expect_code(0);
    assert_eq!(server.sql("SELECT count(*) FROM memberstack_data.members"), "25");
}

#[test]
fn urls_that_cannot_be_used_are_told_without_their_password() {
    for url in [
        "postgres://me:s3cr3t@db.example.com/shop?sslmod=require",
        "postgres://me:s3cr3t@db.example.com/shop?sslmode=safe",
        "postgres://me:s3cr3t@db.example.com/shop?channel_binding=require",
        "postgres://me:s3cr3t@one,two/shop",
        "postgres://me:s3cr3t/x@db.example.com/shop",
        "postgres:shop",
        "postgress://me:s3cr3t@db.example.com/shop",
    ] {
        let scene = Scene::new(1);
        let ran = ran(&scene, url, ["run"]).with_code(2);
        assert!(!ran.to_string().contains("s3cr3t"), "{ran}");
        assert_said!(ran);
    }
}

#[test]
fn queries_print_the_same_on_both_databases() {
    let Some(server) = server() else { return };
    let database = server.create_database();
    let scene = Scene::loaded();
    ran(&scene, database.url(), ["run", "-r", "members", "--work-dir", "other"]).with_code(0);
    for sql in [
        "SELECT id, auth__email, created_at, last_login, verified, profile_image, meta_data__score FROM members \
         ORDER BY id",
        "SELECT count(*) AS count, sum(length(id)) AS length, min(created_at) AS first, 1.50 AS price, 'a,\"b\"' AS text, \
         NULL AS nothing, DATE '2024-01-01' AS day, true AS flag FROM members",
        "SELECT id FROM members WHERE id IS NULL",
        "SELECT plan_id, payment__amount, active FROM members__plan_connections ORDER BY plan_id, id",
    ] {
        for format in ["text", "json", "csv"] {
            let query = |url: &str| ran(&scene, url, ["query", sql, "--format", format]).with_code(0).stdout;
            assert_eq!(query(database.url()), query("duckdb:memberstack.duckdb"), "{sql}");
        }
    }
}

#[test]
fn queries_that_fail_say_why_and_print_nothing() {
    let Some(server) = server() else { return };
    let database = server.create_database();
    let scene = Scene::new(25);
    ran(&scene, database.url(), ["run", "-r", "members"]).with_code(0);
    let count = || database.sql("SELECT count(*) FROM memberstack_data.members");
    for sql in [
        "SELECT nme FROM members",
        "SELECT FROM WHERE",
        "DELETE FROM members",
        "DELETE FROM members RETURNING id",
        "SELECT 1; DROP TABLE members",
    ] {
        let ran = ran(&scene, database.url(), ["query", sql]).with_code(1);
        assert_eq!(ran.stdout, "");
        let said: String = ran.stderr.lines().skip(1).collect::<Vec<_>>().join("\n");
        insta::with_settings!({omit_expression => true, description => sql}, {
            insta::assert_snapshot!(said);
        });
    }
    assert_eq!(count(), "25");
}
