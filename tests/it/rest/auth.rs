//! Credentials: what is sent, and when it is asked for anew.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;

use aws_lc_rs::hmac;
use aws_lc_rs::rsa::KeyPair as RsaKey;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls_pki_types::PrivatePkcs1KeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::api::{Api, Call, Reply};
use super::scene::{Scene, rows};
use crate::support::cli::Finished;

/// In every secret, in any form of it.
const TRACE: &str = "S3CRET";

const PEM: &str = include_str!("../../fixtures/keys/rfc7515-a2.pem");

/// A table of rows behind `/members`.
const MEMBERS: &str = "[[resources]]\nname = \"members\"\nendpoint = { paginator = \"single_page\" }\n";

fn members(auth: &str) -> String {
    format!("[client]\nauth = {auth}\n{MEMBERS}")
}

fn form(call: &Call) -> Vec<(String, String)> {
    url::form_urlencoded::parse(call.body.as_bytes()).into_owned().collect()
}

fn field(call: &Call, name: &str) -> String {
    form(call).into_iter().find(|(key, _)| key == name).map(|(_, value)| value).unwrap_or_default()
}

fn page() -> Reply {
    Reply::json(&json!({ "data": rows(2) }))
}

fn refused() -> Reply {
    Reply::json(&json!({ "message": "token expired" })).status(401)
}

fn token(value: &str, expires_in: u64) -> Reply {
    Reply::json(&json!({ "access_token": value, "token_type": "Bearer", "expires_in": expires_in }))
}

fn bearer(call: &Call) -> &str {
    call.header("authorization").and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default()
}

/// Calls of the API itself, and of its token endpoint.
fn split(api: &Api) -> (Vec<Call>, Vec<Call>) {
    api.calls().into_iter().partition(|call| call.path != "/token")
}

fn client_credentials(token_origin: &str) -> String {
    format!(
        "{{ type = \"oauth2_client_credentials\", access_token_url = \"{token_origin}/token\", client_id = \"me\", client_secret = \"S3CRET-s\" }}"
    )
}

/// No secret is in what was said, nor in any file but those of credentials.
fn assert_no_secret(finished: &Finished, scene: &Scene) {
    for text in [&finished.stdout, &finished.stderr] {
        assert!(!text.contains(TRACE), "{text}");
    }
    for path in files(&scene.workspace.path("")) {
        let is_apart = path.ends_with("pipeline.toml") || path.to_string_lossy().contains("/credentials/");
        let bytes = fs::read(&path).unwrap();
        let found = bytes.windows(TRACE.len()).any(|window| window == TRACE.as_bytes());
        assert!(is_apart || !found, "a secret is in {}", path.display());
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn each_kind_of_key_goes_where_the_api_looks_for_it() {
    for (auth, header, value, query) in [
        (r#"{ token = "t" }"#, "authorization", "Bearer t", ""),
        (r#"{ type = "api_key", api_key = "k" }"#, "authorization", "k", ""),
        (r#"{ type = "api_key", name = "X-Key", api_key = "k" }"#, "x-key", "k", ""),
        (r#"{ type = "api_key", name = "key", api_key = "k 1", location = "param" }"#, "", "", "key=k+1"),
        (r#"{ type = "api_key", name = "key", api_key = "k", location = "cookie" }"#, "cookie", "key=k", ""),
        (r#"{ type = "http_basic", username = "ü", password = "" }"#, "authorization", "Basic w7w6", ""),
        (r#"[{ token = "t" }, { type = "api_key", name = "X-Key", api_key = "k" }]"#, "x-key", "k", ""),
    ] {
        let api = Api::start(|_| page());
        let scene = Scene::new(&api, &members(auth));
        scene.run_well();
        let call = &api.calls()[0];
        assert_eq!(call.query, query, "{auth}");
        assert_eq!(call.header(header).unwrap_or_default(), value, "{auth}");
    }
}

#[test]
fn credentials_of_an_endpoint_take_the_place_of_the_clients_and_other_origins_get_none() {
    let other = Api::start(|_| page());
    let api = Api::start(|_| page());
    let config = format!(
        r#"
        [client]
        auth = {{ token = "client" }}
        headers = {{ X-Team = "blue" }}
        paginator = "single_page"
        [[resources]]
        name = "a"
        endpoint = {{ auth = {{ type = "api_key", name = "X-Key", api_key = "own" }} }}
        [[resources]]
        name = "b"
        endpoint = {{ path = "{0}/b" }}
        [[resources]]
        name = "c"
        endpoint = {{ path = "{0}/c", auth = {{ token = "for c" }} }}
        "#,
        other.url()
    );
    Scene::new(&api, &config).run_well();
    let call = &api.calls()[0];
    assert_eq!((call.header("x-key"), call.header("authorization")), (Some("own"), None));
    for call in other.calls() {
        let expected = (call.path == "/c").then_some("Bearer for c");
        assert_eq!((call.header("authorization"), call.header("x-team")), (expected, None));
    }
}

#[test]
fn a_token_is_got_before_the_first_request_and_used_for_all() {
    // The token endpoint is another server: it gets what it needs and no more.
    let tokens = Api::start(|_| token("S3CRET-t", 3600));
    let api = Api::start(|call| if bearer(call) == "S3CRET-t" { page() } else { refused() });
    let config = format!(
        "[client]\nauth = {}\nheaders = {{ X-Team = \"blue\" }}\npaginator = \"single_page\"\n{}",
        client_credentials(&tokens.url()),
        (0..8).map(|number| format!("[[resources]]\nname = \"r{number}\"\n")).collect::<String>()
    );
    let scene = Scene::new(&api, &config);
    scene.run_well();
    // Eight at once share one token.
    assert_eq!((api.calls().len(), tokens.calls().len()), (8, 1));
    let asked = &tokens.calls()[0];
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("POST", "/token"));
    assert_eq!(asked.body, "grant_type=client_credentials&client_id=me&client_secret=S3CRET-s");
    assert_eq!(asked.header("content-type"), Some("application/x-www-form-urlencoded"));
    let names: BTreeSet<&str> = asked.headers.keys().map(String::as_str).collect();
    assert!(!names.contains("x-team") && !names.contains("authorization"), "{names:?}");
}

#[test]
fn a_token_that_ends_is_got_anew_before_the_next_request() {
    let number = Mutex::new(0);
    let api = Api::start(move |call| {
        if call.path == "/token" {
            *number.lock().unwrap() += 1;
            // At its end when it comes, so that the test need not wait.
            return token(&format!("t{}", number.lock().unwrap()), 0);
        }
        let current = format!("t{}", number.lock().unwrap());
        let page = call.number_param("page").unwrap();
        if bearer(call) == current {
            Reply::json(&json!({ "pages": 3, "data": [{ "id": page }] }))
        } else {
            refused()
        }
    });
    let config = format!(
        "[client]\nauth = {}\npaginator = {{ type = \"page_number\", base_page = 1, total_path = \"pages\" }}\n[[resources]]\nname = \"m\"\n",
        client_credentials(&api.url())
    );
    let scene = Scene::new(&api, &config);
    scene.run_well();
    assert_eq!(scene.column("m", "id"), [1, 2, 3]);
    let (calls, tokens) = split(&api);
    assert_eq!((calls.len(), tokens.len()), (3, 3));
}

/// Pages of one row each; the API takes the n-th token for so many requests and then no more.
fn fickle(takes: &'static [usize]) -> Api {
    let state = Mutex::new((0, 0));
    Api::start(move |call| {
        let mut state = state.lock().unwrap();
        if call.path == "/token" {
            *state = (state.0 + 1, 0);
            return token(&format!("S3CRET-{}", state.0), 3600);
        }
        state.1 += 1;
        let is_current = bearer(call) == format!("S3CRET-{}", state.0);
        let allowed = state.0 > 0 && takes.get(state.0 - 1).is_some_and(|most| state.1 <= *most);
        if !is_current || !allowed {
            return Reply::json(&json!({ "message": format!("{} is no token", bearer(call)) })).status(401);
        }
        let page = call.number_param("page").unwrap();
        Reply::json(&json!({ "pages": 3, "data": [{ "id": page }] }))
    })
}

fn fickle_scene(api: &Api, more: &str) -> Scene {
    let auth = client_credentials(&api.url());
    let auth = auth.replace(" }", &format!("{more} }}"));
    let config = format!(
        "[client]\nauth = {auth}\npaginator = {{ type = \"page_number\", base_page = 1, total_path = \"pages\" }}\n[[resources]]\nname = \"m\"\n"
    );
    Scene::new(api, &config)
}

#[test]
fn a_refused_token_is_replaced_and_the_request_made_again() {
    let api = fickle(&[2, 5]);
    let scene = fickle_scene(&api, "");
    let finished = scene.run(&[]);
    finished.expect_code(0);
    assert_eq!(scene.column("m", "id"), [1, 2, 3]);
    let (calls, tokens) = split(&api);
    assert_eq!((calls.len(), tokens.len()), (4, 2));
    assert_no_secret(&finished, &scene);
}

#[test]
fn a_token_of_the_config_comes_first_and_is_replaced_when_it_is_old() {
    let api = fickle(&[9]);
    fickle_scene(&api, ", access_token = \"S3CRET-old\"").run_well();
    let (calls, tokens) = split(&api);
    assert_eq!(
        calls.iter().map(bearer).collect::<Vec<_>>(),
        ["S3CRET-old", "S3CRET-1", "S3CRET-1", "S3CRET-1"]
    );
    assert_eq!(tokens.len(), 1);
}

#[test]
fn a_token_that_is_refused_again_ends_the_resource_with_a_hint() {
    for (takes, calls_made, tokens_asked) in [(&[0][..], 1, 1), (&[1, 0], 3, 2)] {
        let api = fickle(takes);
        let scene = fickle_scene(&api, "");
        let mut command = scene.workspace.command("run", &[]);
        let output = command.env("FOREBAY_LOG", "trace").output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let finished =
            Finished { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
        finished.expect_code(1);
        finished.expect_said("HTTP 401 Unauthorized: *** is no token");
        finished.expect_said("hint: the API refuses an access token that was just got");
        let (calls, tokens) = split(&api);
        assert_eq!((calls.len(), tokens.len()), (calls_made, tokens_asked));
        assert_no_secret(&finished, &scene);
    }
}

#[test]
fn a_token_endpoints_refusal_is_told_in_its_words_without_secrets() {
    let api = Api::start(|call| {
        let said =
            format!("client {} with {} is unknown", field(call, "client_id"), field(call, "client_secret"));
        Reply::json(&json!({ "error": "invalid_client", "error_description": said })).status(401)
    });
    let config = format!("[client]\nauth = {}\n{MEMBERS}", client_credentials(&api.url()));
    let scene = Scene::new(&api, &config);
    let finished = scene.run(&[]);
    finished.expect_code(1);
    finished.expect_said("could not get an access token");
    finished.expect_said("HTTP 401 Unauthorized: client me with *** is unknown (code `invalid_client`)");
    finished.expect_said("the token endpoint did not accept them");
    assert_eq!(api.calls().len(), 1);
    assert_no_secret(&finished, &scene);
}

#[test]
fn a_token_endpoint_that_answers_nonsense_is_named() {
    let api = Api::start(|_| Reply::text("text/html", "<html>log in</html>"));
    let config = format!("[client]\nauth = {}\n{MEMBERS}", client_credentials(&api.url()));
    let finished = Scene::new(&api, &config).run(&[]);
    finished.expect_code(1);
    finished.expect_said(&format!("the answer to POST {}/token is of no use: it is not JSON", api.url()));
}

#[test]
fn token_requests_are_tried_again_like_any_other() {
    let api = Api::start(|call| match (call.path.as_str(), call.number) {
        ("/token", 0) => Reply::empty(503),
        ("/token", _) => token("t", 3600),
        _ => page(),
    });
    let config = format!("[client]\nauth = {}\n{MEMBERS}", client_credentials(&api.url()));
    Scene::new(&api, &config).run_well();
    assert_eq!(api.targets(), ["/token", "/token", "/members"]);
}

#[test]
fn an_endpoint_that_refuses_with_status_200_is_told_in_its_words() {
    let said = json!({ "error": "incorrect_client_credentials", "error_description": "S3CRET-s is wrong" });
    let api = Api::start(move |_| Reply::json(&said));
    let config = format!("[client]\nauth = {}\n{MEMBERS}", client_credentials(&api.url()));
    let scene = Scene::new(&api, &config);
    let finished = scene.run(&[]);
    finished.expect_code(1);
    finished.expect_said("is of no use: it has no `access_token`");
    finished.expect_said("HTTP 200 OK: *** is wrong (code `incorrect_client_credentials`)");
    finished.expect_said("the token endpoint did not accept them");
    assert_no_secret(&finished, &scene);
}

/// A token endpoint that takes each refresh token once, and none at all after one came twice.
fn rotating(api_answers: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Api {
    let current = Mutex::new(Some(0));
    Api::start(move |call| {
        if call.path != "/token" {
            return api_answers(call);
        }
        let mut current = current.lock().unwrap();
        *current = current.filter(|number| field(call, "refresh_token") == format!("S3CRET-r{number}"));
        let Some(number) = current.as_mut() else {
            return Reply::json(&json!({ "error": "invalid_grant" })).status(400);
        };
        *number += 1;
        Reply::json(&json!({ "access_token": "S3CRET-a", "refresh_token": format!("S3CRET-r{number}") }))
    })
}

fn rotating_scene(api: &Api) -> Scene {
    let auth = format!(
        "{{ type = \"oauth2_refresh_token\", access_token_url = \"{}/token\", client_id = \"me\", refresh_token = \"S3CRET-r0\" }}",
        api.url()
    );
    Scene::new(api, &members(&auth))
}

#[test]
fn processes_that_refresh_at_once_take_turns() {
    let api = rotating(|_| page());
    let scene = rotating_scene(&api);
    let look =
        || scene.workspace.command("preview", &["-r", "members"]).stdout(Stdio::null()).spawn().unwrap();
    let looks: Vec<_> = (0..5).map(|_| look()).collect();
    for mut look in looks {
        assert!(look.wait().unwrap().success());
    }
    scene.run_well();
}

#[test]
fn a_refresh_token_outlives_a_run_that_is_killed_before_it_is_of_use() {
    let api = rotating(|call| if call.number < 2 { page().when(|_| false) } else { page() });
    let scene = rotating_scene(&api);
    let running = scene.workspace.start(&[]);
    api.wait_until(|calls| calls.iter().any(|call| call.path == "/members"));
    running.kill();
    scene.run_well();
}

#[test]
fn a_refresh_token_that_is_replaced_is_kept_for_the_next_run_and_for_nobody_else() {
    let current = Mutex::new("S3CRET-r0".to_owned());
    let api = Api::start(move |call| {
        if call.path != "/token" {
            return page();
        }
        let mut current = current.lock().unwrap();
        if field(call, "refresh_token") != *current {
            let said = format!("{} was used before", field(call, "refresh_token"));
            return Reply::json(&json!({ "error": "invalid_grant", "error_description": said })).status(400);
        }
        *current = format!("S3CRET-r{}", call.number + 1);
        Reply::json(&json!({ "access_token": "S3CRET-a", "refresh_token": *current }))
    });
    let auth = format!(
        "{{ type = \"oauth2_refresh_token\", access_token_url = \"{}/token\", client_id = \"me\", refresh_token = \"S3CRET-r0\" }}",
        api.url()
    );
    let scene = Scene::new(&api, &members(&auth));
    for _ in 0..3 {
        let finished = scene.run(&[]);
        finished.expect_code(0);
        assert_no_secret(&finished, &scene);
    }
    // A look at the API, too, though it leaves nothing else behind.
    assert!(scene.workspace.command("preview", &["-r", "members"]).output().unwrap().status.success());
    scene.run_well();
    let (_, tokens) = split(&api);
    let sent: Vec<_> = tokens.iter().map(|call| field(call, "refresh_token")).collect();
    assert_eq!(sent, ["S3CRET-r0", "S3CRET-r1", "S3CRET-r3", "S3CRET-r5", "S3CRET-r7"]);
    let mut kept = files(&scene.workspace.work_dir().join("credentials"));
    kept.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    assert_eq!(kept.len(), 1);
    assert_eq!(fs::metadata(&kept[0]).unwrap().permissions().mode() & 0o777, 0o600);
    // Without it the first one is tried, and what the endpoint says of it is told.
    fs::remove_file(&kept[0]).unwrap();
    let finished = scene.run(&[]);
    finished.expect_code(1);
    finished.expect_said("HTTP 400 Bad Request: *** was used before (code `invalid_grant`)");
    assert_no_secret(&finished, &scene);
}

/// Header and claims of a JWT that the key of the fixture has signed.
fn verified(jwt: &str) -> (Value, Value) {
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    let der = PrivatePkcs1KeyDer::from_pem_slice(PEM.as_bytes()).unwrap();
    let key = RsaKey::from_der(der.secret_pkcs1_der()).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref().to_vec());
    public.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let json = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    (json(header), json(claims))
}

#[test]
fn an_assertion_gets_a_token() {
    let api = Api::start(|call| if call.path == "/token" { token("t", 3600) } else { page() });
    let auth = format!(
        "{{ type = \"oauth_jwt\", client_id = \"me\", private_key = \"${{file:key.pem}}\", auth_endpoint = \"{}/token\", scopes = [\"a\", \"b\"], headers = {{ X-Asker = \"us\" }}, claims = {{ box_sub_type = \"enterprise\" }} }}",
        api.url()
    );
    let scene = Scene::new(&api, &members(&auth));
    fs::write(scene.workspace.path("key.pem"), PEM).unwrap();
    scene.run_well();
    let (calls, tokens) = split(&api);
    assert_eq!(bearer(&calls[0]), "t");
    assert_eq!(tokens[0].header("x-asker"), Some("us"));
    assert_eq!(field(&tokens[0], "grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let (header, claims) = verified(&field(&tokens[0], "assertion"));
    assert_eq!(header, json!({ "alg": "RS256", "typ": "JWT" }));
    assert_eq!(claims["aud"], format!("{}/token", api.url()));
    assert_eq!(
        (&claims["iss"], &claims["sub"], &claims["scope"]),
        (&json!("me"), &json!("me"), &json!("a b"))
    );
    assert_eq!(claims["box_sub_type"], "enterprise");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
}

#[test]
fn an_assertion_may_be_the_token() {
    let api = Api::start(|_| page());
    let auth = "{ type = \"jwt\", client_id = \"app\", private_key = \"${file:key.pem}\", key_id = \"k1\", audience = \"api\" }";
    let scene = Scene::new(&api, &members(auth));
    fs::write(scene.workspace.path("key.pem"), PEM).unwrap();
    scene.run_well();
    let (header, claims) = verified(bearer(&api.calls()[0]));
    assert_eq!(
        (&header["kid"], &claims["iss"], &claims["aud"]),
        (&json!("k1"), &json!("app"), &json!("api"))
    );
}

fn hmac_hex(message: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"S3CRET-hmac");
    hmac::sign(&key, message.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_attempt_is_signed_anew_redirects_and_bodies_included() {
    let seen = Mutex::new(BTreeSet::new());
    let api = Api::start(move |call| {
        let header = |name: &str| call.header(name).unwrap_or_default();
        let target =
            if call.query.is_empty() { call.path.clone() } else { format!("{}?{}", call.path, call.query) };
        let message =
            format!("{}\n{}\n{}\n{target}\n{}", header("x-nonce"), header("x-time"), call.method, call.body);
        let is_new = seen.lock().unwrap().insert(header("x-nonce").to_owned());
        if header("x-sign") != hmac_hex(&message) || !is_new {
            return Reply::json(&json!({ "message": "bad signature, not S3CRET-hmac" })).status(403);
        }
        match call.number {
            0 => Reply::empty(503),
            1 => Reply::empty(307).with("location", "/elsewhere?a=2"),
            _ => page(),
        }
    });
    let config = r#"
        [client]
        auth = { type = "hmac", secret = "S3CRET-hmac", message = "{nonce}\n{timestamp}\n{method}\n{target}\n{body}", headers = { X-Sign = "{signature}", X-Time = "{timestamp}", X-Nonce = "{nonce}" } }
        [[resources]]
        name = "members"
        [resources.endpoint]
        method = "POST"
        params = { q = "é" }
        json = { a = [1, "ü"] }
        paginator = "single_page"
        "#;
    let scene = Scene::new(&api, config);
    let finished = scene.run(&[]);
    finished.expect_code(0);
    assert_eq!(api.targets(), ["/members?q=%C3%A9", "/members?q=%C3%A9", "/elsewhere?a=2"]);
    assert_no_secret(&finished, &scene);
}

#[test]
fn a_signature_may_go_into_the_query() {
    let api = Api::start(|call| {
        let (signed, signature) = call.query.rsplit_once("&signature=").unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA512, b"S3CRET-hmac");
        let signature: String = url::form_urlencoded::parse(format!("s={signature}").as_bytes())
            .next()
            .map(|(_, value)| value.into_owned())
            .unwrap();
        assert!(signed.starts_with("limit=2&timestamp="), "{signed}");
        hmac::verify(&key, signed.as_bytes(), &STANDARD.decode(signature).unwrap()).unwrap();
        page()
    });
    let config = r#"
        [client]
        auth = { type = "hmac", algorithm = "sha512", encoding = "base64", secret = "S3CRET-hmac", message = "{query}", params = { timestamp = "{timestamp_ms}", signature = "{signature}" } }
        [[resources]]
        name = "members"
        endpoint = { params = { limit = 2 }, paginator = "single_page" }
        "#;
    Scene::new(&api, config).run_well();
}
