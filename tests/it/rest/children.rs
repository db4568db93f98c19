//! Resources that take values from another one's rows.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use forebay::package::{Record, Store};
use forebay::paginate::PageCursor;
use serde_json::{Value, json};

use super::api::{Api, Call, Reply};
use super::scene::{Scene, rows};

/// Pages of each child.
const PAGES: usize = 2;

/// Children that are asked for at once.
const AT_ONCE: usize = 4;

/// Users, and posts of each user: two pages of two. `ids` of a user's posts tell user, page and place.
const POSTS: &str = r#"
[client]
paginator = "single_page"

[[resources]]
name = "users"
selected = false

[[resources]]
name = "posts"
max_in_flight = 4
include_from_parent = ["id"]
[resources.endpoint]
path = "users/{resources.users.id}/posts"
data_selector = "data"
paginator = { type = "page_number", base_page = 1, total_path = "pages" }
"#;

/// User of `/users/{user}/posts`.
pub(super) fn user(call: &Call) -> Option<usize> {
    call.path.strip_prefix("/users/")?.strip_suffix("/posts")?.parse().ok()
}

fn page(call: &Call) -> usize {
    call.number_param("page").unwrap()
}

fn post(user: usize, page: usize, place: usize) -> usize {
    user * 100 + page * 10 + place
}

fn posts_of(user: usize) -> impl Iterator<Item = usize> {
    (1..=PAGES).flat_map(move |page| (1..=2).map(move |place| post(user, page, place)))
}

fn all_posts(users: usize) -> Vec<usize> {
    (1..=users).flat_map(posts_of).collect()
}

fn users_or_posts(call: &Call, users: usize) -> Reply {
    match user(call) {
        None => Reply::json(&json!(rows(users))),
        Some(user) => {
            let page = page(call);
            let data: Vec<_> = (1..=2).map(|place| json!({ "id": post(user, page, place) })).collect();
            Reply::json(&json!({ "data": data, "pages": PAGES }))
        }
    }
}

fn has_arrived(calls: &[Call], wanted: usize, wanted_page: usize) -> bool {
    calls.iter().any(|call| user(call) == Some(wanted) && page(call) == wanted_page)
}

/// Children overtake each other: of each four, the first is answered last.
fn backwards(call: &Call, users: usize) -> Reply {
    let reply = users_or_posts(call, users);
    match user(call) {
        Some(user) if user % AT_ONCE != 0 && user < users => {
            let page = page(call);
            reply.when(move |calls| has_arrived(calls, user + 1, page))
        }
        _ => reply,
    }
}

fn numbers(values: &[usize]) -> Vec<Value> {
    values.iter().map(|value| json!(value)).collect()
}

#[test]
fn children_overtake_each_other_and_their_rows_do_not() {
    let api = Api::start(|call| backwards(call, 10));
    let scene = Scene::new(&api, POSTS);
    let report = scene.run_well();
    assert_eq!(scene.column("posts", "id"), numbers(&all_posts(10)));
    let users: Vec<_> = scene.column("posts", "_users_id");
    assert_eq!(users, numbers(&all_posts(10).iter().map(|post| post / 100).collect::<Vec<_>>()));
    assert_eq!(api.calls().len(), 1 + 10 * PAGES);
    let posts = &report["resources"][1];
    assert_eq!(
        (&posts["outcome"], &posts["rows"], &posts["pages"]),
        (&json!("complete"), &json!(40), &json!(20))
    );
}

/// Once the database cannot be written, a package waits; the run that loads it reads the journal alone.
#[test]
fn a_package_that_waited_has_its_rows_in_order() {
    let api = Api::start(|call| backwards(call, 10));
    let scene = Scene::new(&api, POSTS);
    scene.workspace.run_well(&["--resource", "users"]);
    let reader = scene.db().open();
    scene.run(&["--lock-timeout", "0"]).expect_said("could not load package");
    drop(reader);
    let came: Vec<_> = pages(&scene).iter().map(|(user, _)| *user).collect();
    assert!(!came.is_sorted(), "{came:?}");
    let asked = api.calls().len();
    let report = scene.workspace.run_well(&["--resource", "users"]);
    assert_eq!(report["pending"][0]["work"], "loaded");
    assert_eq!(api.calls().len(), asked + 1, "posts are not asked for again");
    assert_eq!(scene.column("posts", "id"), numbers(&all_posts(10)));
}

/// The pages of posts that the journal has, as user and page, as they came.
fn pages(scene: &Scene) -> Vec<(usize, usize)> {
    let store = Store::open(&scene.workspace.work_dir(), "rest").unwrap();
    let pending = store.pending().unwrap();
    let mut pages = Vec::new();
    for record in pending[0].package().headers().unwrap() {
        let Record::Page(page, _) = record.unwrap() else { continue };
        if page.resource == "posts" {
            let number = match page.cursor {
                PageCursor::Number(number) => usize::try_from(number).unwrap(),
                _ => 1,
            };
            pages.push((usize::try_from(page.series).unwrap() + 1, number));
        }
    }
    pages
}

/// The same as a set: none is there twice.
fn kept(scene: &Scene) -> BTreeSet<(usize, usize)> {
    let pages = pages(scene);
    let kept: BTreeSet<_> = pages.iter().copied().collect();
    assert_eq!(kept.len(), pages.len(), "a page is in the journal twice");
    kept
}

/// The second page of the first user, and the first one of the sixth, never come: the others go by.
#[test]
fn a_killed_run_goes_on_with_the_children_that_are_not_done() {
    let is_cut = Arc::new(AtomicBool::new(true));
    let held = Arc::clone(&is_cut);
    let api = Api::start(move |call| {
        let reply = backwards(call, 10);
        let is_held = matches!((user(call), call.param("page")), (Some(1), Some("2")) | (Some(6), Some("1")));
        if is_held && held.load(Ordering::Relaxed) { reply.when(|_| false) } else { users_or_posts(call, 10) }
    });
    let scene = Scene::new(&api, POSTS);
    let run = scene.workspace.start(&[]);
    // The last child is asked for its second page when its first is kept.
    api.wait_until(|calls| has_arrived(calls, 1, 2) && has_arrived(calls, 6, 1) && has_arrived(calls, 10, 2));
    run.kill();
    is_cut.store(false, Ordering::Relaxed);
    let (before, kept) = (api.calls().len(), kept(&scene));
    assert!(kept.contains(&(1, 1)) && kept.contains(&(10, 1)), "{kept:?}");
    assert!(!kept.contains(&(1, 2)) && !kept.contains(&(6, 1)), "{kept:?}");

    let report = scene.run_well();
    let asked: BTreeSet<_> =
        api.calls()[before..].iter().filter_map(|call| Some((user(call)?, page(call)))).collect();
    let all: BTreeSet<_> = (1..=10).flat_map(|user| (1..=PAGES).map(move |page| (user, page))).collect();
    assert_eq!(asked, all.difference(&kept).copied().collect(), "what was kept is not asked for again");
    assert_eq!(report["resources"][1]["resumed_pages"], kept.len());
    assert_eq!(scene.column("posts", "id"), numbers(&all_posts(10)));
}

#[test]
fn a_stopped_run_goes_on_with_the_children_that_are_not_done() {
    let is_cut = Arc::new(AtomicBool::new(true));
    let held = Arc::clone(&is_cut);
    let api = Api::start(move |call| {
        let reply = users_or_posts(call, 6);
        let is_held = user(call) == Some(2) && held.load(Ordering::Relaxed);
        if is_held { reply.when(|_| false) } else { reply }
    });
    let scene = Scene::new(&api, POSTS);
    let run = scene.workspace.start(&[]);
    api.wait_until(|calls| has_arrived(calls, 2, 1) && has_arrived(calls, 6, 2));
    run.signal(rustix::process::Signal::INT);
    run.wait().expect_code(130);
    is_cut.store(false, Ordering::Relaxed);
    let (before, kept) = (api.calls().len(), kept(&scene));
    scene.run_well();
    assert_eq!(api.calls().len() - before, 6 * PAGES - kept.len());
    assert_eq!(scene.column("posts", "id"), numbers(&all_posts(6)));
}

#[test]
fn one_at_a_time_is_in_order_over_the_wire_too() {
    for setting in ["resources.posts.max_in_flight=1", "resources.posts.parallelized=false"] {
        let api = Api::start(|call| users_or_posts(call, 3));
        let config = POSTS.replace("max_in_flight = 4\n", "");
        let scene = Scene::new(&api, &config);
        scene.workspace.run_well(&["--set", setting]);
        let asked: Vec<_> = api.calls()[1..].iter().map(|call| (user(call).unwrap(), page(call))).collect();
        assert_eq!(asked, [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2)], "{setting}");
        assert_eq!(scene.column("posts", "id"), numbers(&all_posts(3)));
    }
}

#[test]
fn sixteen_are_asked_for_at_once_by_default() {
    let api = Api::start(|call| {
        let reply = users_or_posts(call, 17);
        match user(call) {
            // None is answered before all sixteen have come.
            Some(_) => reply.when(|calls| (1..=16).all(|user| has_arrived(calls, user, 1))),
            None => reply,
        }
    });
    let scene = Scene::new(&api, &POSTS.replace("max_in_flight = 4\n", ""));
    scene.run_well();
    let first: BTreeSet<_> =
        api.calls()[1..17].iter().map(|call| (user(call).unwrap(), page(call))).collect();
    assert_eq!(first, (1..=16).map(|user| (user, 1)).collect());
    assert_eq!(scene.column("posts", "id"), numbers(&all_posts(17)));
}

/// Children of children, each level backwards; none of the levels above is selected.
#[test]
fn grandchildren_follow_the_order_of_the_levels_above() {
    let depth = |call: &Call| call.path.matches('/').count();
    let api = Api::start(move |call| {
        let id = |from: usize| call.path.split('/').nth(from).unwrap_or("0").parse::<usize>().unwrap_or(0);
        match depth(call) {
            1 => Reply::json(&json!(rows(4))),
            // Users have three posts: 11, 12, 13; the first user is answered when the others have been asked for.
            3 => {
                let user = id(2);
                let posts: Vec<_> = (1..=3)
                    .map(|post| json!({"id": user * 10 + post, "by": {"name": format!("n{user}")}}))
                    .collect();
                let reply = Reply::json(&json!(posts));
                if user == 4 {
                    reply
                } else {
                    reply.when(move |calls| {
                        calls.iter().any(|call| call.path == format!("/users/{}/posts", user + 1))
                    })
                }
            }
            // Posts have two comments.
            _ => {
                let post = id(2);
                let comments: Vec<_> = (1..=2).map(|comment| json!({"id": post * 10 + comment})).collect();
                let reply = Reply::json(&json!(comments));
                let next = format!("/posts/{}/comments/all", post + 1);
                if post % 10 == 3 {
                    reply
                } else {
                    reply.when(move |calls| calls.iter().any(|call| call.path == next))
                }
            }
        }
    });
    let scene = Scene::new(
        &api,
        r#"
        [client]
        paginator = "single_page"
        [[resources]]
        name = "comments"
        include_from_parent = ["id", "by"]
        endpoint = { path = "posts/{resources.posts.id}/comments/all", params = { by = "{resources.posts.by.name}" } }
        [[resources]]
        name = "posts"
        selected = false
        endpoint = "users/{resources.users.id}/posts"
        [[resources]]
        name = "users"
        selected = false
        "#,
    );
    let report = scene.run_well();
    let expected: Vec<usize> = (1..=4)
        .flat_map(|user| {
            (1..=3).flat_map(move |post| (1..=2).map(move |comment| user * 100 + post * 10 + comment))
        })
        .collect();
    assert_eq!(scene.column("comments", "id"), numbers(&expected));
    assert_eq!(
        scene.column("comments", "_posts_id"),
        numbers(&expected.iter().map(|id| id / 10).collect::<Vec<_>>())
    );
    assert_eq!(scene.column("comments", "_posts_by__name")[23], "n4");
    assert!(api.targets().contains(&"/posts/42/comments/all?by=n4".to_owned()));
    assert_eq!(
        scene
            .db()
            .value("SELECT count(*) FROM information_schema.tables WHERE table_name IN ('users', 'posts')"),
        0
    );
    assert_eq!(report["resources"].as_array().unwrap().len(), 3);
}

/// A child begins when its parent has ended, whatever else is still read.
#[test]
fn a_child_waits_for_its_parent_only() {
    let api = Api::start(|call| match call.path.as_str() {
        "/slow" => {
            Reply::json(&json!(rows(1))).when(|calls| calls.iter().any(|call| call.path == "/quick/3/x"))
        }
        _ => Reply::json(&json!(rows(3))),
    });
    let scene = Scene::new(
        &api,
        r#"
        [client]
        paginator = "single_page"
        [[resources]]
        name = "slow"
        [[resources]]
        name = "quick"
        [[resources]]
        name = "x"
        endpoint = "quick/{resources.quick.id}/x"
        "#,
    );
    scene.run_well();
    assert_eq!(scene.db().count("x"), 9);
}

/// Ids are what they are: a slash, a space or a letter beyond ASCII stay within their segment.
#[test]
fn values_are_escaped_where_they_stand() {
    let ids = ["a/b", "c d", "æ?#%", "1+1=2&3"];
    let api = Api::start(move |call| match call.path.as_str() {
        "/files" => Reply::json(&json!(
            ids.map(|id| json!({"id": id, "size": 7, "ok": true, "none": null, "tags": [1, "x"]}))
        )),
        _ => Reply::json(&json!({ "id": 1 })),
    });
    let scene = Scene::new(
        &api,
        r#"
        [client]
        paginator = "single_page"
        [[resources]]
        name = "files"
        selected = false
        [[resources]]
        name = "by_json"
        [resources.endpoint]
        path = "json/{resources.files.id}"
        method = "POST"
        params = { q = "id:{resources.files.id}", "{resources.files.size}" = "{resources.files.ok}" }
        headers = { X-Size = "{resources.files.size} bytes" }
        [resources.endpoint.json]
        size = "{resources.files.size}"
        none = "{resources.files.none}"
        tags = "{resources.files.tags}"
        text = "{{{resources.files.size}}}"
        deep = [{ "{resources.files.id}" = ["{resources.files.ok}", 1] }]
        [[resources]]
        name = "by_form"
        endpoint = { path = "form", method = "post", data = { id = "{resources.files.id}", tag = ["a b", "{resources.files.size}"] } }
        [[resources]]
        name = "by_text"
        endpoint = { path = "text", method = "POST", headers = { Content-Type = "text/csv" }, data = "id,{resources.files.id}" }
        "#,
    );
    scene.run_well();
    let calls = api.calls();
    let of = |start: &str| -> Vec<Call> {
        let mut found: Vec<_> = calls.iter().filter(|call| call.path.starts_with(start)).cloned().collect();
        found.sort_by_key(|call| call.path.clone() + &call.body);
        found
    };
    let json_calls = of("/json");
    let paths: Vec<_> = json_calls.iter().map(|call| call.path.as_str()).collect();
    assert_eq!(paths, ["/json/%C3%A6%3F%23%25", "/json/1%2B1%3D2%263", "/json/a%2Fb", "/json/c%20d"]);
    for (call, id) in json_calls.iter().zip([ids[2], ids[3], ids[0], ids[1]]) {
        assert_eq!(call.param("q"), Some(format!("id:{id}").as_str()));
        assert_eq!(call.param("7"), Some("true"));
        assert_eq!(call.header("x-size"), Some("7 bytes"));
        assert_eq!(call.header("content-type"), Some("application/json"));
        let body =
            json!({"size": 7, "none": null, "tags": [1, "x"], "text": "{7}", "deep": [{id: [true, 1]}]});
        assert_eq!(call.json(), body);
    }
    let forms: BTreeSet<_> = of("/form").into_iter().map(|call| call.body).collect();
    let expected = ["a%2Fb", "c+d", "%C3%A6%3F%23%25", "1%2B1%3D2%263"];
    assert_eq!(forms, expected.iter().map(|id| format!("id={id}&tag=a+b&tag=7")).collect());
    assert_eq!(of("/form")[0].header("content-type"), Some("application/x-www-form-urlencoded"));
    let texts: BTreeSet<_> = of("/text").into_iter().map(|call| call.body).collect();
    assert_eq!(texts, ids.iter().map(|id| format!("id,{id}")).collect());
    assert_eq!(of("/text")[0].header("content-type"), Some("text/csv"));
}

/// dlt's older forms: a parameter of type `resolve`, and a bare placeholder for a parameter with a value.
#[test]
fn a_path_takes_what_its_parameters_have() {
    let api = Api::start(|call| match call.path.as_str() {
        "/posts" => Reply::json(&json!([{"post": {"id": "a b"}}])),
        _ => Reply::json(&json!([{ "id": 1 }])),
    });
    let scene = Scene::new(
        &api,
        r#"
        [client]
        paginator = "single_page"
        [[resources]]
        name = "posts"
        selected = false
        [[resources]]
        name = "comments"
        [resources.endpoint]
        path = "{owner}/posts/{post_id}/comments"
        [resources.endpoint.params]
        owner = "x y"
        sort = "id"
        post_id = { type = "resolve", resource = "posts", field = "post.id" }
        "#,
    );
    scene.run_well();
    assert_eq!(api.targets(), ["/posts", "/x%20y/posts/a%20b/comments?sort=id"]);
}

/// What a row of the parent lacks ends the resource, as in dlt, and nothing of it is loaded; the parent is.
#[test]
fn a_missing_value_is_an_error_with_its_row() {
    let check = |endpoint: &str, include: &str, said: &str| {
        let api = Api::start(|call| match call.path.as_str() {
            "/posts" => {
                Reply::json(&json!([{"id": 1, "x": 1}, {"id": 2, "x": null, "list": [1]}, {"id": ""}]))
            }
            _ => Reply::json(&json!([{ "id": 1 }])),
        });
        let config = format!(
            "[client]\npaginator = \"single_page\"\n[[resources]]\nname = \"posts\"\n[[resources]]\nname = \"child\"\ninclude_from_parent = [{include}]\nendpoint = {endpoint}\n"
        );
        let scene = Scene::new(&api, &config);
        let finished = scene.run(&[]);
        finished.expect_code(3);
        finished.expect_said(said);
        assert_eq!(scene.db().count("posts"), 3);
        let tables = "SELECT count(*) FROM information_schema.tables WHERE table_name = 'child'";
        assert_eq!(scene.db().value(tables), 0);
    };
    check("\"a/{resources.posts.x}\"", "", "for row 2 of the parent");
    check("\"a/{resources.posts.x}\"", "", "`{resources.posts.x}` has no value");
    check("{ path = \"a\", params = { p = \"{resources.posts.y}\" } }", "", "for row 1 of the parent");
    check("{ path = \"a\", params = { p = \"{resources.posts.x}\" } }", "", "for row 2 of the parent");
    check("\"a/{resources.posts.id}\"", "", "`{resources.posts.id}` is empty or dots");
    check("\"a/x{resources.posts.id}\"", "\"x\"", "row 3 of parent `posts` has no field `x`");
}

/// An error of one child ends its resource; what was received is of no use without the rest.
#[test]
fn a_child_that_fails_ends_its_resource_and_no_other() {
    let api = Api::start(|call| match user(call) {
        Some(3) => Reply::empty(404),
        _ => users_or_posts(call, 5),
    });
    let scene = Scene::new(&api, &POSTS.replace("selected = false\n", ""));
    let finished = scene.run(&["--format", "json"]);
    finished.expect_code(3);
    let report = finished.report();
    assert_eq!(
        (&report["resources"][0]["outcome"], &report["resources"][1]["outcome"]),
        (&json!("complete"), &json!("failed"))
    );
    assert_eq!(scene.db().count("users"), 5);
    let packages = scene.workspace.work_dir().join("rest/packages");
    assert_eq!(fs::read_dir(packages).unwrap().count(), 0);
}

/// A parent without rows has no children to ask for, which is complete.
#[test]
fn no_rows_no_requests() {
    let api = Api::start(|_| Reply::json(&json!([])));
    let scene = Scene::new(&api, POSTS);
    let report = scene.run_well();
    assert_eq!(api.targets(), ["/users"]);
    assert_eq!(report["resources"][1]["outcome"], "complete");
}
