//! Rows on their way: filters, maps, fields, secrets.

use serde_json::{Value, json};

use super::api::{Api, Reply};
use super::scene::Scene;

#[test]
fn steps_are_applied_in_their_order() {
    let api = Api::start(|_| {
        Reply::json(&json!([{"id": 1, "kind": "a"}, {"id": 2, "kind": "b"}, {"id": 3, "kind": "b"}]))
    });
    let scene = Scene::new(
        &api,
        r#"
        [client]
        paginator = "single_page"
        [resource_defaults]
        processing_steps = [{ filter = ".id > 1" }]
        [[resources]]
        name = "members"
        [[resources]]
        name = "posts"
        endpoint = "members"
        processing_steps = [
            { map = ".id += 1", filter = '.kind == "b"' },
            { yield_map = "., [{id: (.id * 10)}, null | select(.)]" },
            { filter = ".id != 30" },
        ]
        "#,
    );
    let report = scene.run_well();
    assert_eq!(scene.column("members", "id"), [2, 3]);
    assert_eq!(scene.column("posts", "id"), [3, 4, 40]);
    // What the API gave is what is counted: paging and totals go by it.
    assert_eq!(report["resources"][0]["rows"], 3, "{report}");
    assert_eq!(report["resources"][0]["outcome"], "complete", "{report}");
}

#[test]
fn totals_and_offsets_go_by_the_rows_of_the_api() {
    let api = Api::start(|call| {
        let page = call.number_param("page").unwrap();
        Reply::json(
            &json!({ "data": [{ "id": page * 2 - 1 }, { "id": page * 2 }], "page": page, "totalPages": 3, "total": 6 }),
        )
    });
    let scene = Scene::new(
        &api,
        r#"
        [client]
        paginator = { type = "page_number", base_page = 1, total_path = "totalPages" }
        [[resources]]
        name = "members"
        processing_steps = [{ filter = ".id % 2 == 0" }]
        "#,
    );
    let report = scene.run_well();
    assert_eq!(api.calls().len(), 3);
    assert_eq!(scene.column("members", "id"), [2, 4, 6]);
    assert_eq!(report["resources"][0]["outcome"], "complete", "{report}");
}

#[test]
fn children_see_what_the_steps_made() {
    let api = Api::start(|call| match call.path.as_str() {
        "/members" => {
            Reply::json(&json!([{"key": "M-1", "name": "a"}, {"key": "M-2", "name": "b"}, {"key": "X"}]))
        }
        path => Reply::json(&json!([{ "path": path }])),
    });
    let scene = Scene::new(
        &api,
        r#"
        [client]
        paginator = "single_page"
        [[resources]]
        name = "members"
        selected = false
        processing_steps = [{ filter = '.key | startswith("M-")' }, { map = '{id: .key[2:], name}' }]
        [[resources]]
        name = "posts"
        include_from_parent = ["name"]
        endpoint = { path = "members/{resources.members.id}/posts", data_selector = "$", paginator = "single_page" }
        processing_steps = [{ map = '. + {who: ("by " + ._members_name)}' }]
        "#,
    );
    scene.run_well();
    let mut asked = api.targets();
    asked.sort();
    assert_eq!(asked, ["/members", "/members/1/posts", "/members/2/posts"], "in any order, for all at once");
    assert_eq!(scene.column("posts", "path"), ["/members/1/posts", "/members/2/posts"]);
    assert_eq!(scene.column("posts", "_members_name"), ["a", "b"]);
    assert_eq!(scene.column("posts", "who"), ["by a", "by b"]);
}

#[test]
fn incremental_loading_sees_what_the_steps_made() {
    let api =
        Api::start(|_| Reply::json(&json!([{"id": 1, "meta": {"at": 5}}, {"id": 2, "meta": {"at": 7}}])));
    let scene = Scene::new(
        &api,
        r#"
        [client]
        paginator = "single_page"
        [[resources]]
        name = "members"
        primary_key = "id"
        write_disposition = "merge"
        processing_steps = [{ map = "{id, at: .meta.at}" }]
        [resources.endpoint]
        incremental = { cursor_path = "at", start_param = "since", initial_value = 1 }
        "#,
    );
    scene.run_well();
    scene.run_well();
    assert_eq!(api.targets(), ["/members?since=1", "/members?since=7"]);
    assert_eq!(scene.column("members", "at"), [5, 7]);
}

#[test]
fn fields_are_left_out_and_renamed() {
    let api = Api::start(|_| {
        let text = r#"[{"id": 1, "oldName": 123456789012345678.50, "auth": {"email": "a", "x": 1}, "tags": [{"k": 1, "v": 2}]}]"#;
        Reply::text("application/json", text)
    });
    let scene = Scene::new(
        &api,
        r#"
        [client]
        paginator = "single_page"
        [[resources]]
        name = "members"
        [resources.fields]
        include = ["id", "oldName", "auth.email", "tags"]
        exclude = ["tags.v"]
        rename = { oldName = "amount", "auth.email" = "mail" }
        "#,
    );
    scene.run_well();
    let rows = scene.db().rows("SELECT * EXCLUDE (_dlt_id, _dlt_load_id) FROM data.members");
    assert_eq!(rows[0].keys().collect::<Vec<_>>(), ["id", "amount", "auth__mail"]);
    let tags =
        scene.db().rows("SELECT * EXCLUDE (_dlt_id, _dlt_parent_id, _dlt_list_idx) FROM data.members__tags");
    assert_eq!(json!(tags), json!([{ "k": 1 }]));
}

const PROTECTED: &str = r#"
    [client]
    paginator = { type = "page_number", base_page = 1, total_path = "pages" }
    [resource_defaults]
    protect = { "auth.email" = "hash", card = { mask = 4 } }
    [[resources]]
    name = "members"
    primary_key = "id"
    write_disposition = "merge"
    protect = { id = "hash", "tokens.value" = "mask", password = "drop" }
    columns = { card = { data_type = "bigint" } }
    [[resources]]
    name = "logins"
    processing_steps = [{ map = '.auth = {email: .mail} | del(.mail)' }]
"#;

fn member(number: usize) -> Value {
    json!({
        "id": format!("canary-id-{number}"),
        "name": format!("canary-name-{number}"),
        "auth": { "email": "canary@mail.example" },
        "card": "4111-canary-1234",
        "tokens": [{ "value": "canary-token" }, { "value": null }],
        "password": "canary-password",
    })
}

/// Nothing that is protected, and what is not.
fn check_secrets(scene: &Scene, said: &str) {
    assert!(scene.keeps("canary-name-1"), "values that are not protected are found");
    for secret in ["canary-id", "canary@mail", "4111-canary", "canary-token", "canary-password"] {
        assert!(!scene.keeps(secret) && !said.contains(secret), "{secret}");
    }
}

#[test]
fn protected_values_are_written_nowhere() {
    let api = Api::start(|call| match (call.path.as_str(), call.param("page")) {
        ("/members", Some(page)) => {
            let number = page.parse().unwrap();
            Reply::json(&json!({ "data": [member(number)], "page": number, "pages": 2 }))
        }
        _ => Reply::json(&json!({ "data": [{ "mail": "canary@mail.example" }], "pages": 1 })),
    });
    let scene = Scene::new(&api, PROTECTED);
    let scene =
        Scene { workspace: scene.workspace.with_set("pipeline.hash_key=0123456789abcdef0123456789abcdef") };
    let finished = scene.run(&["--format", "json"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    check_secrets(&scene, &format!("{}{}", finished.stdout, finished.stderr));
    let mails = scene.column("members", "auth__email");
    assert_eq!(mails[0].as_str().unwrap().len(), 64);
    assert_eq!(mails[0], mails[1]);
    assert_eq!(scene.column("logins", "auth__email")[0], mails[0], "tables join by hashes");
    assert_eq!(scene.column("members", "card__v_text"), ["***1234", "***1234"]);
    assert_eq!(
        scene.column("members__tokens", "value"),
        [json!("***"), json!(null), json!("***"), json!(null)]
    );
    // A hashed key is a key.
    scene.run_well();
    assert_eq!(scene.column("members", "id").len(), 2);
}

#[test]
fn a_protected_field_that_no_row_has_is_told() {
    let api = Api::start(|_| Reply::json(&json!([{ "id": 1, "auth": { "email": "a" } }])));
    let scene = Scene::new(
        &api,
        r#"
        [client]
        paginator = "single_page"
        [[resources]]
        name = "members"
        protect = { "auth.email" = "mask", "auth.mail" = "mask", ssn = "drop" }
        "#,
    );
    let finished = scene.run(&[]);
    finished.expect_code(0);
    finished.expect_said("warning: no row of members had `auth.mail`, which `protect` names");
    finished.expect_said("warning: no row of members had `ssn`, which `protect` names");
    assert!(!finished.stderr.contains("auth.email"), "{}", finished.stderr);
}

#[test]
fn protected_values_are_not_in_a_run_that_is_cut() {
    let api = Api::start(|call| match (call.path.as_str(), call.param("page")) {
        ("/members", Some("1")) => Reply::json(&json!({ "data": [member(1)], "page": 1, "pages": 2 })),
        ("/members", _) => Reply::empty(503),
        _ => Reply::json(&json!({ "data": [{ "mail": "canary@mail.example" }], "pages": 1 })),
    });
    let scene = Scene::new(&api, PROTECTED);
    let scene =
        Scene { workspace: scene.workspace.with_set("pipeline.hash_key=0123456789abcdef0123456789abcdef") };
    let finished = scene.run(&["-r", "members"]);
    assert_ne!(finished.code, Some(0), "{}", finished.stderr);
    check_secrets(&scene, &format!("{}{}", finished.stdout, finished.stderr));
}

#[test]
fn a_step_that_fails_names_the_row_and_not_what_is_in_it() {
    let api = Api::start(|_| Reply::json(&json!([{ "id": 1 }, { "id": "canary" }])));
    let scene = Scene::new(
        &api,
        r#"
        [client]
        paginator = "single_page"
        [[resources]]
        name = "members"
        processing_steps = [{ map = "{id: (.id + 1)}" }]
        "#,
    );
    let finished = scene.run(&[]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    for part in [
        "cannot process the rows of page 1 of GET",
        "row 2: `map` of processing step 1 fails",
        "cannot calculate a text + a number",
    ] {
        assert!(finished.stderr.contains(part), "{}", finished.stderr);
    }
    assert!(!scene.keeps("canary"));
    assert!(!finished.stderr.contains("canary") && !finished.stdout.contains("canary"));
}

#[test]
fn steps_without_an_end_do_not_hang_the_run() {
    let api = Api::start(|_| Reply::json(&json!([{ "id": 1 }])));
    let scene = Scene::new(
        &api,
        r#"
        [client]
        paginator = "single_page"
        [[resources]]
        name = "members"
        processing_steps = [{ filter = "last(repeat(.))" }]
        "#,
    );
    let finished = scene.run(&[]);
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("does not come to an end within 100000 steps"), "{}", finished.stderr);
}
