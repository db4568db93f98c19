//! The client against servers on loopback that answer byte for byte what a test says.

use std::collections::VecDeque;
use std::error::Error;
use std::io::Write;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::config::{Auth, KeyLocation, Method, QuotaPlan, RetryPlan, Secret, Secrets, test_auth};
use crate::http::actions::{Action, ResponseAction};
use crate::http::{Body, HttpEvent};

const KEY: &str = "sk_live_0123456789";

pub(in super::super) fn plan(base_url: &str) -> ClientPlan {
    ClientPlan {
        base_url: base_url.parse().unwrap(),
        headers: Vec::new(),
        auth: Some(Auth::ApiKey {
            name: "X-API-KEY".to_owned(),
            api_key: Secret::new(KEY),
            location: KeyLocation::Header,
        }),
        secrets: Secrets::default(),
        rate_limits: Vec::new(),
        retry: RetryPlan {
            max_attempts: 3,
            initial_delay: Duration::from_millis(1),
            max_delay: Duration::from_millis(2),
            max_server_delay: Duration::from_secs(60),
        },
        quota: QuotaPlan::default(),
        timeout: Duration::from_secs(20),
        max_body_bytes: 10_000,
    }
}

pub(in super::super) fn get(url: &str) -> Request {
    Request::new(Method::Get, url.parse().unwrap())
}

/// What a server does with one connection.
enum Act {
    /// Sends these bytes and closes.
    Send(Vec<u8>),
    /// Sends these bytes and then nothing, for as long as the client likes.
    Stall(&'static str),
}

fn answer(head: &str, body: impl AsRef<[u8]>) -> Act {
    let body = body.as_ref();
    let mut bytes = format!("HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len())
        .into_bytes();
    bytes.extend_from_slice(body);
    Act::Send(bytes)
}

/// One connection per request; keeps what it was sent.
struct Server {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(script: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (mut script, seen) = (VecDeque::from_iter(script), Arc::clone(&requests));
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let request = read_request(&mut stream).await;
                seen.lock().unwrap().push(request);
                match script.pop_front() {
                    Some(Act::Send(bytes)) => {
                        // The client may have hung up already.
                        let _ = stream.write_all(&bytes).await;
                        let _ = stream.shutdown().await;
                    }
                    Some(Act::Stall(start)) => {
                        stream.write_all(start.as_bytes()).await.unwrap();
                        held.push(stream);
                    }
                    None => panic!("a request that the test did not expect"),
                }
            }
        });
        Self { url, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return text,
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
        }
    }
}

fn client(plan: &ClientPlan) -> HttpClient {
    HttpClient::new(plan, QuotaSharing::Alone, Arc::new(|_| ())).unwrap()
}

/// Runs one request against a script.
async fn run(script: impl IntoIterator<Item = Act>) -> (Result<Response, HttpError>, HttpClient, Server) {
    let server = Server::start(script).await;
    let client = client(&plan(&server.url));
    let result = client.send(&get(&server.url)).await;
    (result, client, server)
}

async fn body_of(script: impl IntoIterator<Item = Act>) -> (String, u32) {
    let response = run(script).await.0.unwrap();
    (String::from_utf8(response.body.to_vec()).unwrap(), response.attempts)
}

async fn failure_of(script: impl IntoIterator<Item = Act>) -> (String, u32) {
    match run(script).await.0.unwrap_err() {
        HttpError::Request { source, attempts, .. } => (source.to_string(), attempts),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_request_is_sent_as_configured() {
    let server = Server::start([answer("200 OK\r\ncontent-type: application/json", "{}")]).await;
    let mut plan = plan(&server.url);
    plan.headers = vec![("X-Team".to_owned(), Secret::new("blue"))];
    let request = Request {
        method: Method::Post,
        params: vec![("page[size]".to_owned(), "a b&c".to_owned())],
        body: Some(Body::Json(json!({"query": {"take": 100}}))),
        ..get(&format!("{}v2/records", server.url))
    };
    let response = client(&plan).send(&request).await.unwrap();
    assert_eq!((response.status, response.attempts), (200, 1));
    assert_eq!(response.content_type.as_deref(), Some("application/json"));
    let sent = &server.requests()[0];
    let expected = [
        "POST /v2/records?page%5Bsize%5D=a+b%26c HTTP/1.1\r\n",
        "accept: application/json\r\n",
        "content-type: application/json\r\n",
        "x-api-key: sk_live_0123456789\r\n",
        "x-team: blue\r\n",
        concat!("user-agent: forebay/", env!("CARGO_PKG_VERSION"), "\r\n"),
        "accept-encoding: gzip\r\n",
        "\r\n\r\n{\"query\":{\"take\":100}}",
    ];
    for part in expected {
        assert!(sent.contains(part), "{part} in {sent}");
    }
}

#[tokio::test]
async fn passing_failures_are_tried_again() {
    let ok = || answer("200 OK", "[1]");
    for head in ["500 Oops", "502 Bad Gateway", "503 Later", "408 Slow", "429 Too Many Requests"] {
        assert_eq!(body_of([answer(head, "<html>"), ok()]).await, ("[1]".to_owned(), 2), "{head}");
    }
    let cut = |bytes: &str| Act::Send(bytes.as_bytes().to_vec());
    let broken = [
        "",
        "HTTP/1.1 200 OK\r\ncontent-le",
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n[1,",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n[1,\r\n",
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x0b12",
    ];
    for bytes in broken {
        assert_eq!(body_of([cut(bytes), ok()]).await, ("[1]".to_owned(), 2), "{bytes}");
    }
}

#[tokio::test]
async fn a_cut_gzip_body_is_not_taken_for_whole() {
    let whole = gzip(&b"[1, 2, 3]".repeat(50));
    let cut = answer("200 OK\r\ncontent-encoding: gzip", &whole[..whole.len() - 9]);
    assert_eq!(body_of([cut, answer("200 OK", "[]")]).await, ("[]".to_owned(), 2));
}

#[tokio::test]
async fn attempts_end_and_are_counted() {
    let (result, client, server) = run([
        answer("500 A", ""),
        answer("429 B", ""),
        answer("503 C", r#"{"error": {"code": "DOWN", "message": "back soon", "request_id": "req_9"}}"#),
    ])
    .await;
    let error = result.unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with(&format!("GET {} failed after 3 attempts in ", server.url)), "{text}");
    assert_eq!(
        error.source().unwrap().to_string(),
        "HTTP 503 Service Unavailable: back soon (code `DOWN`, request id `req_9`)"
    );
    assert!(error.is_transient());
    assert_eq!(client.counts(), HttpCounts { requests: 3, throttled: 1, retries: 2 });
}

#[tokio::test]
async fn other_errors_end_at_once_with_the_apis_words() {
    let body = r#"{"code": "validation/invalid-secret-key", "message": "key sk_live_0123456789 is unknown"}"#;
    let (result, _, server) = run([answer("400 Bad Request", body)]).await;
    let error = result.unwrap_err();
    let source = error.source().unwrap().to_string();
    assert_eq!(source, "HTTP 400 Bad Request: key *** is unknown (code `validation/invalid-secret-key`)");
    assert!(error.hint().unwrap().contains("check the key"));
    assert!(!error.is_transient() && error.status() == Some(400));
    assert!(!format!("{error:?}").contains(KEY));
    assert_eq!(server.requests().len(), 1);
    let (message, _) = failure_of([answer("404 Not Found", "Cannot GET /plans\n")]).await;
    assert_eq!(message, "HTTP 404 Not Found: Cannot GET /plans");
}

/// Sends against one 429 and tells the pause that was announced; the wait itself is dropped.
async fn pause_after(head: &str) -> Duration {
    let server = Server::start([answer(head, "")]).await;
    let (sender, mut told) = tokio::sync::mpsc::unbounded_channel();
    let events = Arc::new(move |event| sender.send(event).unwrap());
    let client = HttpClient::new(&plan(&server.url), QuotaSharing::Alone, events).unwrap();
    let request = get(&server.url);
    let mut delay = None;
    let wait = async {
        while let Some(event) = told.recv().await {
            match event {
                HttpEvent::Retrying { delay: asked, .. } => delay = Some(asked),
                HttpEvent::Waiting { duration, .. } => return duration,
            }
        }
        Duration::ZERO
    };
    let duration = tokio::select! {
        result = client.send(&request) => panic!("{result:?}"),
        duration = wait => duration,
    };
    let delay = delay.unwrap();
    assert!(duration <= delay);
    delay
}

#[tokio::test]
async fn servers_set_the_pause() {
    assert_eq!(pause_after("429 X\r\nretry-after: 50").await, Duration::from_secs(50));
    let now = SystemTime::now();
    let dates = |after: u64| {
        let date = httpdate::fmt_http_date(now + Duration::from_secs(after));
        format!("429 X\r\ndate: {}\r\nretry-after: {date}", httpdate::fmt_http_date(now))
    };
    assert_eq!(pause_after(&dates(40)).await, Duration::from_secs(40));
    assert_eq!(pause_after("429 X\r\nratelimit-reset: 30").await, Duration::from_secs(30));
    assert_eq!(pause_after("503 X\r\nretry-after: 20").await, Duration::from_secs(20));
}

#[tokio::test]
async fn a_pause_that_is_too_long_ends_the_request() {
    let (message, attempts) = failure_of([answer("429 X\r\nretry-after: 3600", "Too many")]).await;
    assert_eq!(
        message,
        "HTTP 429 Too Many Requests: Too many; the server asks for a pause of 3600 s, the longest allowed is 60 s"
    );
    assert_eq!(attempts, 1);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    let server =
        Server::start([Act::Stall(""), Act::Stall("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n[1,")]).await;
    let mut plan = plan(&server.url);
    plan.timeout = Duration::from_millis(100);
    plan.retry.max_attempts = 2;
    let error = client(&plan).send(&get(&server.url)).await.unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "no complete answer within 0.1 s");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn nobody_there_is_said_so() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{address}/");
    let error = client(&plan(&url)).send(&get(&url)).await.unwrap_err();
    let source = error.source().unwrap().to_string();
    assert!(source.starts_with(&format!("could not connect to `{address}`: ")), "{source}");
    // A label of 64 characters is refused without asking a name server.
    let host = format!("{}.example", "a".repeat(64));
    let url = format!("http://{host}/");
    let error = client(&plan(&url)).send(&get(&url)).await.unwrap_err();
    let source = error.source().unwrap().to_string();
    assert!(source.starts_with(&format!("could not find host `{host}`: ")), "{source}");
    assert!(error.to_string().contains("3 attempts"), "{error}");
}

#[tokio::test]
async fn plain_text_where_tls_is_expected_is_not_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        // Until the client has hung up; a second connection would find nobody.
        while stream.read(&mut [0; 1024]).await.is_ok_and(|count| count > 0) {}
    });
    let error = client(&plan(&url)).send(&get(&url)).await.unwrap_err();
    server.await.unwrap();
    let source = error.source().unwrap().to_string();
    assert!(source.starts_with("cannot connect to `127.0.0.1:"), "{source}");
}

#[tokio::test]
async fn redirects_stay_within_the_origin() {
    let (result, client, server) =
        run([answer("302 Found\r\nlocation: /v2/rows?page=1", ""), answer("200 OK", "[]")]).await;
    assert_eq!(result.unwrap().attempts, 1);
    assert!(server.requests()[1].starts_with("GET /v2/rows?page=1 "));
    assert!(server.requests()[1].contains(KEY));
    assert_eq!(client.counts().requests, 2);

    let other = Server::start([]).await;
    let (message, attempts) =
        failure_of([answer(&format!("302 Found\r\nlocation: {}x?token=t", other.url), "")]).await;
    let origin = other.url.trim_end_matches('/');
    assert_eq!(message, format!("the server redirects to another origin, {origin}, which is not followed"));
    assert_eq!((attempts, other.requests().len()), (1, 0));

    let circle = (0..6).map(|_| answer("307 Again\r\nlocation: /", ""));
    assert_eq!(failure_of(circle).await, ("the server redirects more than 5 times".to_owned(), 1));
}

#[tokio::test]
async fn a_key_in_the_query_is_sent_and_never_shown() {
    let server = Server::start([answer("404 Not Found", format!("no route for /?k={KEY}"))]).await;
    let mut plan = plan(&server.url);
    plan.auth =
        Some(Auth::ApiKey { name: "k".to_owned(), api_key: Secret::new(KEY), location: KeyLocation::Query });
    let client = client(&plan);
    let error = client.send(&get(&server.url)).await.unwrap_err();
    assert!(server.requests()[0].starts_with(&format!("GET /?k={KEY} ")));
    let shown = format!("{error} {error:?} {} {client:?}", error.source().unwrap());
    assert!(!shown.contains(KEY) && shown.contains("no route for /?k=***"), "{shown}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn bodies_are_limited_after_decompression() {
    let gzipped = |size: usize| answer("200 OK\r\ncontent-encoding: gzip", gzip(&vec![b' '; size]));
    assert_eq!(body_of([gzipped(10_000)]).await.0.len(), 10_000);
    let too_large = ("the answer is larger than 10000 bytes".to_owned(), 1);
    assert_eq!(failure_of([gzipped(10_000_000)]).await, too_large);
    assert_eq!(failure_of([answer("200 OK", vec![b' '; 10_001])]).await, too_large);
    let (result, _, _) = run([gzipped(10_001)]).await;
    assert!(result.unwrap_err().hint().unwrap().contains("client.max_body_size"));
}

#[tokio::test]
async fn token_requests_count_like_any_other() {
    let server = Server::start([
        answer("429 Too Many Requests\r\nretry-after: 0", ""),
        answer("200 OK", r#"{"access_token": "abc", "expires_in": 60}"#),
        answer("200 OK", "[]"),
        answer("200 OK", "[]"),
    ])
    .await;
    let auth = format!(
        "type = 'oauth2_client_credentials'\naccess_token_url = '{}token'\nclient_id = 'c'\nclient_secret = 's'",
        server.url
    );
    let plan = ClientPlan { auth: Some(test_auth(&auth)), ..plan(&server.url) };
    let client = client(&plan);
    for _ in 0..2 {
        let response = client.send(&get(&server.url)).await.unwrap();
        assert_eq!(response.attempts, 1);
    }
    // The same turn of the same quota is taken for each of them.
    assert_eq!(client.counts(), HttpCounts { requests: 4, throttled: 1, retries: 1 });
    let firsts: Vec<_> =
        server.requests().iter().map(|text| text.split(' ').take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(firsts, ["POST /token", "POST /token", "GET /", "GET /"]);
}

#[tokio::test]
async fn what_is_known_is_asked_about_and_a_304_is_an_answer_then() {
    let validators = Validators {
        etag: Some("W/\"7\"".to_owned()),
        last_modified: Some("Wed, 21 Oct 2015 07:28:00 GMT".to_owned()),
    };
    let server = Server::start([answer("304 Not Modified", ""), answer("304 Not Modified", "")]).await;
    let client = client(&plan(&server.url));
    let known = Request { validators: Some(validators), ..get(&server.url) };
    assert_eq!(client.send(&known).await.unwrap().status, 304);
    let sent = &server.requests()[0];
    for part in ["if-none-match: W/\"7\"\r\n", "if-modified-since: Wed, 21 Oct 2015 07:28:00 GMT\r\n"] {
        assert!(sent.contains(part), "{part} in {sent}");
    }
    // Nobody asked for it.
    assert_eq!(client.send(&get(&server.url)).await.unwrap_err().status(), Some(304));
    assert!(!server.requests()[1].contains("if-"));
}

fn rule(content: &str, action: Action) -> ResponseAction {
    ResponseAction { status: None, content: Some(content.to_owned()), json: None, header: None, action }
}

#[tokio::test]
async fn accepted_answers_keep_what_they_said() {
    let head = "404 Not Found\r\nx-mark: 1\r\ncontent-type: text/plain";
    let server = Server::start([answer(head, "none here")]).await;
    let actions: Arc<[_]> = Arc::new([rule("none", Action::Ignore)]);
    let request = Request { actions, ..get(&server.url) };
    let response = client(&plan(&server.url)).send(&request).await.unwrap();
    assert_eq!((response.status, response.action, response.attempts), (404, Some(Action::Ignore), 1));
    assert_eq!((&response.body[..], response.headers["x-mark"].as_bytes()), (&b"none here"[..], &b"1"[..]));
    assert_eq!(response.content_type.as_deref(), Some("text/plain"));
}

#[tokio::test]
async fn of_a_long_error_answer_the_start_is_looked_at() {
    let long = |at: usize| format!("{}none", " ".repeat(at));
    for (at, accepted) in [(60_000, true), (300_000, false)] {
        let server = Server::start([answer("404 Not Found", long(at))]).await;
        let actions: Arc<[_]> = Arc::new([rule("none", Action::Stop)]);
        let result = client(&plan(&server.url)).send(&Request { actions, ..get(&server.url) }).await;
        assert_eq!(result.is_ok(), accepted, "{at}");
    }
}

#[tokio::test]
async fn what_actions_refuse_shows_no_secret_and_no_rows() {
    let server = Server::start([
        answer("200 OK", format!(r#"{{"error": "key {KEY} expired"}}"#)),
        answer("200 OK", format!(r#"[{{"name": "error", "note": "{}"}}]"#, "x".repeat(80_000))),
    ])
    .await;
    let plan = ClientPlan { max_body_bytes: 100_000, ..plan(&server.url) };
    let client = client(&plan);
    let actions: Arc<[_]> = Arc::new([rule("error", Action::Fail)]);
    let request = Request { actions, ..get(&server.url) };
    let error = client.send(&request).await.unwrap_err();
    let said = error.source().unwrap().to_string();
    assert_eq!(said, "HTTP 200 OK: key *** expired, which `response_actions` say is a failure");
    assert!(!error.is_transient());
    let error = client.send(&request).await.unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "HTTP 200 OK, which `response_actions` say is a failure");
}
