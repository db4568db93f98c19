//! What is sent.

use serde_json::json;

use super::api::{Api, Reply};
use super::scene::{Scene, rows};

#[test]
fn a_resource_is_asked_for_by_its_name() {
    let api = Api::start(|_| Reply::json(&json!({ "data": rows(3) })));
    let scene = Scene::new(
        &api,
        r#"
        [client]
        paginator = "single_page"
        [[resources]]
        name = "members"
        endpoint = { params = { limit = 3 } }
        "#,
    );
    scene.run_well();
    assert_eq!(api.targets(), ["/members?limit=3"]);
    assert_eq!(scene.column("members", "id"), [1, 2, 3]);
}
