//! What a mock is started with: the data, the keys, the quota, and a switch for each unknown of the real APIs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::faults::Fault;
use super::limiter::Window;

/// Which API to stand in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApiKind {
    Memberstack,
    MemberPass,
}

/// What Memberstack's `endCursor` is on a page without rows; no source tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EmptyCursor {
    /// The `after` of the request, 0 when there was none.
    After,
    Zero,
    Null,
}

/// What an `after` answers that names a member deleted since; no source tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeletedCursor {
    /// The cursor is a number to compare with: the walk goes on.
    Compare,
    /// The cursor is a row to start from, and it is gone: an empty last page.
    EmptyPage,
}

/// The body of Memberstack's 429; no source tells. MemberPass always sends its error envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefusalBody {
    Text,
    Json,
}

/// How MemberPass pages its lists: its documents disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `page` and `limit` (25 unless told); `meta.has_more`.
    Mcp,
    /// `page` and `per_page` (15 unless told); `links` and `meta.last_page`.
    Laravel,
}

/// A secret that the mock accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) text: String,
    /// MemberPass only: the abilities of the token; `None` is all of them.
    pub(crate) abilities: Option<Vec<String>>,
    /// MemberPass only: the one project that the token may see; `None` is the whole team.
    pub(crate) project: Option<String>,
}

impl Key {
    /// A key that may do everything.
    pub(crate) fn full(text: &str) -> Self {
        Self { text: text.to_owned(), abilities: None, project: None }
    }
}

/// Everything a mock is started with. The default is Memberstack with 250 members, one key and its real quota.
#[derive(Debug, Clone)]
pub(crate) struct MockConfig {
    pub(crate) api: ApiKind,
    /// Where to listen; port 0 takes a free one.
    pub(crate) listen: SocketAddr,
    /// Members at the start; for MemberPass in each of its three projects together.
    pub(crate) members: usize,
    /// Equal seeds make equal members.
    pub(crate) seed: u64,
    pub(crate) keys: Vec<Key>,
    /// Sliding windows that hold all at once; empty for no limit.
    pub(crate) rate: Vec<Window>,
    /// MemberPass only: further windows for paths below `/v1/` that begin like this.
    pub(crate) buckets: Vec<(String, Window)>,
    /// MemberPass only: paths that the team's plan does not include, and the status that says so; no source tells which.
    pub(crate) above_tier: Vec<(String, u16)>,
    /// MemberPass only: the time between the payments of a project, two of which are made at once.
    pub(crate) payment_gap: Duration,
    pub(crate) faults: Vec<Fault>,
    pub(crate) empty_cursor: EmptyCursor,
    pub(crate) deleted_cursor: DeletedCursor,
    pub(crate) refusal_body: RefusalBody,
    /// Whether Memberstack's 429 carries `Retry-After`; MemberPass's always does.
    pub(crate) retry_after: bool,
    /// Number of the member (from 0) from which on `customFields` has a further key, `referral-code`.
    pub(crate) late_field_from: Option<usize>,
    /// Whether the custom field `seats` is a number in some members, and text, a boolean or a fraction in others.
    pub(crate) mixed_types: bool,
    /// Name of a query parameter that keeps members whose `createdAt` is that instant or later.
    ///
    /// The real API has no such filter: it is for testing an incremental cursor field with a start parameter.
    pub(crate) created_after_param: Option<String>,
    /// Whether answers are compressed for clients that accept gzip.
    pub(crate) gzip: bool,
    pub(crate) dialect: Dialect,
    /// A file that gets one JSON line per request.
    pub(crate) log: Option<PathBuf>,
}

impl Default for MockConfig {
    fn default() -> Self {
        Self {
            api: ApiKind::Memberstack,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            members: 250,
            seed: 1,
            keys: vec![Key::full("sk_sb_demo")],
            rate: vec![Window::new(25, Duration::from_secs(1))],
            buckets: Vec::new(),
            above_tier: Vec::new(),
            payment_gap: Duration::from_secs(600),
            faults: Vec::new(),
            empty_cursor: EmptyCursor::After,
            deleted_cursor: DeletedCursor::Compare,
            refusal_body: RefusalBody::Text,
            retry_after: true,
            late_field_from: None,
            mixed_types: false,
            created_after_param: None,
            gzip: false,
            dialect: Dialect::Laravel,
            log: None,
        }
    }
}

impl MockConfig {
    /// Memberstack with this many members and no quota, for tests that are not about speed.
    pub(crate) fn unlimited(members: usize) -> Self {
        Self { members, rate: Vec::new(), ..Self::default() }
    }

    /// MemberPass with its real quotas and one token that may do everything.
    pub(crate) fn memberpass(members: usize) -> Self {
        Self {
            api: ApiKind::MemberPass,
            members,
            keys: vec![Key::full("mpt_live_1_demo")],
            rate: vec![
                Window::new(300, Duration::from_secs(60)),
                Window::new(10_000, Duration::from_secs(3600)),
            ],
            ..Self::default()
        }
    }
}
