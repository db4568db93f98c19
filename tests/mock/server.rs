//! HTTP, and the order of things: arrival, quota, fault, answer, log.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use axum::response::Response;
use serde_json::Value;
use tokio::sync::{oneshot, watch};

use super::call::{Api, Call, Reply};
use super::config::{ApiKind, MockConfig};
use super::faults::{FaultKind, Faults};
use super::limiter::{Limiter, Verdict, Window};
use super::log::{Log, LoggedRequest};
use super::memberpass::MemberPass;
use super::memberstack::Memberstack;
use super::valve::{Flow, Valve, ValveListener};

/// Requests are small; this is for those that are not.
const REQUEST_LIMIT: usize = 1 << 20;

/// What one lock guards.
pub(crate) struct Inner {
    pub(crate) limiter: Limiter,
    /// Of single endpoints: what their paths begin with.
    pub(crate) buckets: Vec<(String, Limiter)>,
    pub(crate) faults: Faults,
    pub(crate) log: Log,
    pub(crate) api: Box<dyn Api>,
}

/// The shared state of the handlers and of the [`super::Mock`].
pub(crate) struct Server {
    start: Instant,
    inner: Mutex<Inner>,
    arrived: Condvar,
    /// Counts the calls of [`Server::release`].
    releases: watch::Sender<u64>,
    gzip: bool,
}

/// An answer and how it travels.
struct Outcome {
    reply: Reply,
    flow: Flow,
}

enum Decision {
    Answer(Outcome),
    /// Wait until there are more releases than this, then answer the request that has this index in the log.
    Hold {
        index: usize,
        releases: u64,
        verdict: Option<Verdict>,
    },
}

fn buckets(config: &MockConfig) -> Vec<(String, Limiter)> {
    let bucket = |(prefix, window): &(String, Window)| (format!("/v1/{prefix}"), Limiter::new(vec![*window]));
    config.buckets.iter().map(bucket).collect()
}

impl Inner {
    /// Counts an arrival everywhere it counts; the verdict of the bucket that has least room.
    fn arrive(&mut self, call: &Call, at: Duration) -> Option<Verdict> {
        let buckets = self.buckets.iter_mut().filter(|(prefix, _)| call.path.starts_with(prefix.as_str()));
        let verdicts = buckets.map(|(_, bucket)| bucket.arrive(at)).chain([self.limiter.arrive(at)]);
        verdicts.flatten().collect::<Vec<_>>().into_iter().min_by_key(|v| (v.allowed, v.remaining))
    }
}

impl Server {
    pub(crate) fn new(config: MockConfig) -> Self {
        let gzip = config.gzip;
        let inner = Inner {
            limiter: Limiter::new(config.rate.clone()),
            buckets: buckets(&config),
            faults: Faults::new(config.faults.clone()),
            log: Log::new(config.log.as_deref()),
            api: match config.api {
                ApiKind::Memberstack => Box::new(Memberstack::new(config)),
                ApiKind::MemberPass => Box::new(MemberPass::new(config)),
            },
        };
        Self {
            start: Instant::now(),
            inner: Mutex::new(inner),
            arrived: Condvar::new(),
            releases: watch::Sender::new(0),
            gzip,
        }
    }

    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut Inner) -> T) -> T {
        act(&mut self.inner.lock().unwrap())
    }

    pub(crate) fn wait_for_requests(&self, count: usize, limit: Duration) -> bool {
        let inner = self.inner.lock().unwrap();
        let waited = self.arrived.wait_timeout_while(inner, limit, |inner| inner.log.entries().len() < count);
        !waited.unwrap().1.timed_out()
    }

    pub(crate) fn release(&self) {
        // Under the lock: a request that is being held has either seen the old count, or comes after the release.
        self.with(|_| self.releases.send_modify(|count| *count += 1));
    }

    /// Counts, judges and answers one request, all at one instant.
    fn decide(&self, call: &Call) -> Decision {
        let mut guard = self.inner.lock().unwrap();
        let inner = &mut *guard;
        let at = self.start.elapsed();
        let index = inner.log.arrived(LoggedRequest {
            at,
            method: call.method.to_string(),
            path: call.path.clone(),
            query: call.query.clone(),
            status: None,
        });
        self.arrived.notify_all();
        let mut verdict = inner.arrive(call, at);
        let refused = verdict.filter(|verdict| !verdict.allowed);
        let mut outcome = match refused {
            Some(verdict) => Outcome { reply: inner.api.too_many(&verdict), flow: Flow::Open },
            None => {
                let page = inner.api.page_number(call);
                match inner.faults.strike(index as u64 + 1, page) {
                    None => Outcome { reply: inner.api.answer(call), flow: Flow::Open },
                    Some(FaultKind::Hold) => {
                        inner.log.answered(index, None);
                        return Decision::Hold { index, releases: *self.releases.borrow(), verdict };
                    }
                    Some(kind) => {
                        if kind == FaultKind::TooManyRequests {
                            verdict =
                                verdict.map(|verdict| Verdict { allowed: false, remaining: 0, ..verdict });
                        }
                        disturbed(inner.api.as_mut(), call, kind, verdict)
                    }
                }
            }
        };
        finish(inner, index, verdict, &mut outcome);
        Decision::Answer(outcome)
    }

    async fn answer(&self, call: &Call) -> Outcome {
        match self.decide(call) {
            Decision::Answer(outcome) => outcome,
            Decision::Hold { index, releases, verdict } => {
                let mut watched = self.releases.subscribe();
                watched
                    .wait_for(|&count| count > releases)
                    .await
                    .expect("the sender lives as long as the server");
                self.with(|inner| {
                    let mut outcome = Outcome { reply: inner.api.answer(call), flow: Flow::Open };
                    finish(inner, index, verdict, &mut outcome);
                    outcome
                })
            }
        }
    }

    /// The mock's own routes, for scripts; they are neither counted nor logged.
    fn own_route(&self, path: &str) -> Option<Reply> {
        match path {
            "/_mock/log" => Some(self.with(|inner| Reply::json(200, &inner.log.to_json()))),
            "/_mock/members" => Some(self.with(|inner| {
                let ids: Value = inner.api.members().into_iter().map(|member| member["id"].clone()).collect();
                Reply::json(200, &ids)
            })),
            _ => None,
        }
    }
}

/// Adds the headers about the quota, and notes the answer in the log.
fn finish(inner: &mut Inner, index: usize, verdict: Option<Verdict>, outcome: &mut Outcome) {
    if let Some(verdict) = verdict {
        outcome.reply.headers.extend(inner.api.rate_headers(&verdict));
    }
    inner.log.answered(index, (outcome.flow != Flow::Reset).then_some(outcome.reply.status));
}

/// The answer to a request that runs into a fault.
fn disturbed(api: &mut dyn Api, call: &Call, kind: FaultKind, verdict: Option<Verdict>) -> Outcome {
    let mut flow = Flow::Open;
    let reply = match kind {
        FaultKind::TooManyRequests => {
            let reset = Duration::from_secs(1);
            let verdict = verdict.unwrap_or(Verdict { allowed: false, limit: 0, remaining: 0, reset });
            api.too_many(&verdict)
        }
        FaultKind::ServerError => api.server_error(),
        FaultKind::BadGateway => Reply::text(502, "<html><body><h1>502 Bad Gateway</h1></body></html>\n"),
        FaultKind::Html => Reply::text(200, "<!DOCTYPE html><html><body>Sign in to continue</body></html>\n"),
        FaultKind::Redirect(origin) => {
            let query = if call.query.is_empty() { String::new() } else { format!("?{}", call.query) };
            Reply::text(302, "").with_header("location", format!("{origin}{}{query}", call.path))
        }
        FaultKind::MemberCreated => {
            api.create_member();
            api.answer(call)
        }
        FaultKind::MemberDeleted(victim) => {
            if let Some(id) = api.victim(call, victim) {
                api.delete_member(&id);
            }
            api.answer(call)
        }
        FaultKind::NoData => edited(api.answer(call), |page| {
            page.as_object_mut().and_then(|page| page.remove("data"));
        }),
        FaultKind::RepeatCursor => {
            let reply = api.answer(call);
            edited(reply, |page| api.repeat_cursor(call, page))
        }
        FaultKind::HugeBody(bytes) => {
            let reply = api.answer(call);
            let mut body = vec![b' '; bytes];
            body.extend_from_slice(&reply.body);
            Reply { body: body.into(), ..reply }
        }
        FaultKind::SlowBody(pause) => {
            let reply = api.answer(call);
            flow = Flow::Slow { body: reply.body.len() / 2, pause };
            reply
        }
        FaultKind::CutBody => {
            let reply = api.answer(call);
            flow = Flow::Cut { body: reply.body.len() / 2 };
            reply
        }
        FaultKind::Reset => {
            flow = Flow::Reset;
            Reply::text(200, "")
        }
        FaultKind::Hold => unreachable!("a held request is answered when it is released"),
    };
    Outcome { reply, flow }
}

fn edited(reply: Reply, edit: impl FnOnce(&mut Value)) -> Reply {
    let mut page = serde_json::from_slice(&reply.body).expect("an answer of the API is JSON");
    edit(&mut page);
    Reply { body: page.to_string().into(), ..reply }
}

async fn handle(
    State(server): State<Arc<Server>>,
    ConnectInfo(valve): ConnectInfo<Valve>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, REQUEST_LIMIT).await.unwrap_or_default();
    let call = Call {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body,
    };
    if let Some(reply) = server.own_route(&call.path) {
        return response(reply);
    }
    let Outcome { mut reply, mut flow } = server.answer(&call).await;
    let accepted = call.header(ACCEPT_ENCODING.as_str()).unwrap_or_default();
    if server.gzip && accepted.contains("gzip") {
        reply = compressed(reply);
        if let Flow::Slow { body, .. } | Flow::Cut { body } = &mut flow {
            *body = reply.body.len() / 2;
        }
    }
    valve.set(flow);
    response(reply)
}

fn compressed(reply: Reply) -> Reply {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&reply.body).expect("memory can be written");
    let body: Bytes = encoder.finish().expect("memory can be written").into();
    Reply { body, ..reply }.with_header(CONTENT_ENCODING.as_str(), "gzip")
}

fn response(reply: Reply) -> Response {
    let mut builder = Response::builder().status(reply.status).header(CONTENT_TYPE, reply.content_type);
    for (name, value) in reply.headers {
        builder = builder.header(name, value);
    }
    builder.body(Body::from(reply.body)).expect("a reply is made of valid parts")
}

/// Serves on the calling thread until `stopped` is sent or its sender is gone.
pub(crate) fn serve(listener: std::net::TcpListener, server: Arc<Server>, stopped: oneshot::Receiver<()>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener).expect("the listener is non-blocking");
        let router = Router::new().fallback(handle).with_state(server);
        let service = router.into_make_service_with_connect_info::<Valve>();
        tokio::select! {
            served = axum::serve(ValveListener(listener), service) => served.expect("serving never fails"),
            // Held requests must not keep the mock alive: dropping the runtime ends every connection.
            _ = stopped => {}
        }
    });
}
