//! An API on loopback that answers as a test says, many requests at once.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use serde_json::Value;
use tokio::sync::watch;

/// One request, as the server saw it.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Number of the request, from 0, in the order of arrival.
    pub(crate) number: usize,
    pub(crate) method: String,
    /// As it was sent, with its escapes.
    pub(crate) path: String,
    /// As it was sent, with its escapes; empty if there was none.
    pub(crate) query: String,
    /// Decoded, in order.
    pub(crate) params: Vec<(String, String)>,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

/// What the server answers.
#[derive(Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    /// Whether it may be sent, by all requests so far.
    may_go: Option<MayGo>,
}

type MayGo = Arc<dyn Fn(&[Call]) -> bool + Send + Sync>;

/// A server on a loopback port, with a log. It serves until it is dropped.
pub(crate) struct Api {
    address: SocketAddr,
    calls: Arc<Mutex<Vec<Call>>>,
    arrivals: watch::Sender<usize>,
    runtime: tokio::runtime::Runtime,
}

impl Call {
    /// The first value of a query parameter.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A query parameter that is a number.
    pub(crate) fn number_param(&self, name: &str) -> Option<usize> {
        self.param(name).map(|text| text.parse().unwrap_or_else(|_| panic!("`{name}` is `{text}`")))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The body as JSON; null if it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }
}

impl Reply {
    pub(crate) fn json(body: &Value) -> Self {
        Self::text("application/json", &body.to_string())
    }

    pub(crate) fn text(content_type: &str, body: &str) -> Self {
        Self { body: body.to_owned(), ..Self::empty(200) }.with("content-type", content_type)
    }

    /// An answer without a body.
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new(), may_go: None }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Holds the answer back until this is true of the requests that have arrived; it is asked with each one.
    pub(crate) fn when(mut self, may_go: impl Fn(&[Call]) -> bool + Send + Sync + 'static) -> Self {
        self.may_go = Some(Arc::new(may_go));
        self
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }
}

impl Api {
    /// Answers each request with what `answer` makes of it.
    pub(crate) fn start(answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&calls), Arc::new(answer));
        let arrivals = watch::Sender::new(0);
        let watched = arrivals.clone();
        let handle = move |request: Request| {
            let (seen, arrivals, answer) = (Arc::clone(&seen), arrivals.clone(), Arc::clone(&answer));
            async move { respond(request, &seen, &arrivals, answer.as_ref()).await }
        };
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let service = axum::Router::new().fallback(handle);
        runtime.spawn(axum::serve(listener, service).into_future());
        Self { address, calls, arrivals: watched, runtime }
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until this is true of the requests that have arrived.
    pub(crate) fn wait_until(&self, holds: impl Fn(&[Call]) -> bool) {
        let mut arrived = self.arrivals.subscribe();
        self.runtime.block_on(async {
            while !holds(&self.calls()) {
                arrived.changed().await.unwrap();
            }
        });
    }

    /// All requests so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Path and query of all requests so far, as they were sent.
    pub(crate) fn targets(&self) -> Vec<String> {
        let target = |call: Call| match call.query.as_str() {
            "" => call.path,
            query => format!("{}?{query}", call.path),
        };
        self.calls().into_iter().map(target).collect()
    }
}

async fn respond(
    request: Request,
    seen: &Mutex<Vec<Call>>,
    arrivals: &watch::Sender<usize>,
    answer: &(impl Fn(&Call) -> Reply + Send + Sync),
) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_else(|_| Bytes::new());
    let query = head.uri.query().unwrap_or_default().to_owned();
    let text = |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let call = {
        let mut seen = seen.lock().unwrap();
        let call = Call {
            number: seen.len(),
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            params: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            query,
            headers: head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
            body: String::from_utf8_lossy(&body).into_owned(),
        };
        seen.push(call.clone());
        call
    };
    arrivals.send_replace(call.number + 1);
    let reply = answer(&call);
    if let Some(may_go) = reply.may_go {
        let mut arrived = arrivals.subscribe();
        while !may_go(&seen.lock().unwrap()) {
            arrived.changed().await.unwrap();
        }
    }
    let response = Response::builder().status(reply.status);
    let response =
        reply.headers.iter().fold(response, |response, (name, value)| response.header(name, value));
    response.body(Body::from(reply.body)).unwrap()
}
