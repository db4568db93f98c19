//! `mock-api`: the Memberstack or MemberPass stand-in as a program, for demos, benchmarks and other clients.

#![allow(clippy::print_stdout, reason = "one line on stdout says where the mock listens")]

#[path = "mod.rs"]
mod mock;

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use mock::{ApiKind, DeletedCursor, Dialect, EmptyCursor, Fault, Key, Mock, MockConfig, RefusalBody, Window};

const FAULTS: &str = "\
Faults: KIND@N (the N-th request) or KIND@pN (the N-th page of members); KIND@NxTIMES repeats it:
  429  500  502            refused; failed; failed with a gateway's HTML
  slow[:MS]  cut  reset    second half of the body late; only half of it; no answer at all
  html  no-data            200 with HTML; 200 without `data`
  repeat-cursor            the page names the cursor it was asked with
  redirect:ORIGIN          302 to the same path at ORIGIN
  huge[:BYTES]             that much white space before the page (64 MiB)
  create                   a member is created just before the page is read
  delete-cursor            the member that `after` names is deleted just before the page is read
  delete-seen delete-ahead the same with the very first member, and with the next one
  hold                     no answer as long as the mock runs

Routes of its own: GET /_mock/log (all requests so far), GET /_mock/members (ids, oldest first).

Examples:
  mock-api --members 5000 --fault 429@10x3 --fault cut@p20 --log requests.jsonl
  mock-api --rate none --members 100000
  mock-api --api memberpass --dialect mcp --rate 300/60 --rate 10000/3600";

/// Stands in for an API on a loopback port, deterministically and with faults on request.
///
/// Prints `listening on http://127.0.0.1:PORT` when it is ready, and ends on SIGINT or SIGTERM.
#[derive(Parser)]
#[command(name = "mock-api", after_help = FAULTS)]
struct Arguments {
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Which API to be
    #[arg(long, value_enum, default_value = "memberstack")]
    api: ApiName,
    /// Number of members
    #[arg(long, default_value_t = 250)]
    members: usize,
    /// Equal seeds make equal members
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Requests per sliding second, or per N seconds as LIMIT/N, or `none`; several hold at once [default: 25 for
    /// memberstack, 300/60 and 10000/3600 for memberpass]
    #[arg(long, value_parser = parse_rate)]
    rate: Vec<Rate>,
    /// A further window for paths of memberpass that begin like this, as PREFIX=LIMIT/N; may be given more than once
    #[arg(long, value_parser = parse_bucket, value_name = "PREFIX=LIMIT/N")]
    bucket: Vec<(String, Window)>,
    /// Accepted key; may be given more than once [default: sk_sb_demo, mpt_live_1_demo]
    #[arg(long)]
    key: Vec<String>,
    /// A fault, see below; may be given more than once
    #[arg(long, value_name = "KIND@N")]
    fault: Vec<Fault>,
    /// Write one JSON line per request: at_us, method, path, query, status
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// `endCursor` on a page without rows
    #[arg(long, value_enum, default_value = "after")]
    empty_cursor: EmptyName,
    /// An `after` that names a deleted member answers an empty page, instead of being compared
    #[arg(long)]
    deleted_cursor_ends: bool,
    /// Send the body of a 429 as JSON instead of text
    #[arg(long)]
    refuse_with_json: bool,
    /// Send a 429 without `Retry-After`
    #[arg(long)]
    no_retry_after: bool,
    /// Members from number N on (from 0) have the custom field `referral-code`
    #[arg(long, value_name = "N")]
    late_field_from: Option<usize>,
    /// Let the custom field `seats` change its type between members
    #[arg(long)]
    mixed_types: bool,
    /// Name of a parameter that filters by `createdAt` (the real API has none)
    #[arg(long, value_name = "NAME")]
    created_after_param: Option<String>,
    /// Compress answers for clients that accept gzip
    #[arg(long)]
    gzip: bool,
    /// How memberpass pages
    #[arg(long, value_enum, default_value = "laravel")]
    dialect: DialectName,
}

#[derive(Clone, Copy, ValueEnum)]
enum ApiName {
    Memberstack,
    Memberpass,
}

#[derive(Clone, Copy, ValueEnum)]
enum EmptyName {
    After,
    Zero,
    Null,
}

#[derive(Clone, Copy, ValueEnum)]
enum DialectName {
    Mcp,
    Laravel,
}

/// `none`, or a window.
#[derive(Clone)]
struct Rate(Option<Window>);

fn parse_rate(text: &str) -> Result<Rate, String> {
    if text == "none" {
        return Ok(Rate(None));
    }
    let (limit, seconds) = text.split_once('/').unwrap_or((text, "1"));
    let limit = limit.parse().ok().filter(|&limit: &usize| limit > 0);
    let seconds = seconds.parse().ok().filter(|&seconds: &u64| seconds > 0);
    match (limit, seconds) {
        (Some(limit), Some(seconds)) => Ok(Rate(Some(Window::new(limit, Duration::from_secs(seconds))))),
        _ => Err(format!("`{text}` is neither `none` nor LIMIT nor LIMIT/SECONDS")),
    }
}

fn parse_bucket(text: &str) -> Result<(String, Window), String> {
    let bucket = text.split_once('=').map(|(prefix, rate)| (prefix, parse_rate(rate)));
    match bucket {
        Some((prefix, Ok(Rate(Some(window))))) => Ok((prefix.to_owned(), window)),
        _ => Err(format!("`{text}` is not PREFIX=LIMIT/SECONDS")),
    }
}

impl Arguments {
    fn into_config(self) -> MockConfig {
        let base = match self.api {
            ApiName::Memberstack => MockConfig::default(),
            ApiName::Memberpass => MockConfig::memberpass(self.members),
        };
        MockConfig {
            api: match self.api {
                ApiName::Memberstack => ApiKind::Memberstack,
                ApiName::Memberpass => ApiKind::MemberPass,
            },
            listen: self.listen,
            members: self.members,
            seed: self.seed,
            keys: if self.key.is_empty() {
                base.keys
            } else {
                self.key.iter().map(|key| Key::full(key)).collect()
            },
            rate: if self.rate.is_empty() {
                base.rate
            } else {
                self.rate.iter().filter_map(|rate| rate.0).collect()
            },
            buckets: self.bucket,
            above_tier: Vec::new(),
            payment_gap: base.payment_gap,
            faults: self.fault,
            empty_cursor: match self.empty_cursor {
                EmptyName::After => EmptyCursor::After,
                EmptyName::Zero => EmptyCursor::Zero,
                EmptyName::Null => EmptyCursor::Null,
            },
            deleted_cursor: if self.deleted_cursor_ends {
                DeletedCursor::EmptyPage
            } else {
                DeletedCursor::Compare
            },
            refusal_body: if self.refuse_with_json { RefusalBody::Json } else { RefusalBody::Text },
            retry_after: !self.no_retry_after,
            late_field_from: self.late_field_from,
            mixed_types: self.mixed_types,
            created_after_param: self.created_after_param,
            gzip: self.gzip,
            dialect: match self.dialect {
                DialectName::Mcp => Dialect::Mcp,
                DialectName::Laravel => Dialect::Laravel,
            },
            log: self.log,
        }
    }
}

fn main() -> std::io::Result<()> {
    let mock = Mock::start(Arguments::parse().into_config());
    println!("listening on {}", mock.url());
    std::io::stdout().flush()?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    })
}
