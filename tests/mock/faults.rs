//! Faults on purpose: what goes wrong, and at which request or page.

use std::str::FromStr;
use std::time::Duration;

/// Where a fault strikes. Requests and pages count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The N-th API request since the start of the mock, whatever it asks for. When the quota refuses that request,
    /// the fault does not strike.
    Request(u64),
    /// A request for the N-th page of a list, however often it is asked for.
    Page(u64),
}

/// Which member disappears, seen from the `after` of the request at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Victim {
    /// The one that the cursor names.
    Cursor,
    /// The very first one, sent long ago.
    Seen,
    /// The next one to be sent.
    Ahead,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// 429, as if the quota were used up.
    TooManyRequests,
    /// 500 with the API's own error body.
    ServerError,
    /// 502 with a gateway's HTML page.
    BadGateway,
    /// The second half of the body comes this much later.
    SlowBody(Duration),
    /// The connection ends after half of the announced body.
    CutBody,
    /// The connection is reset before a single byte of the answer.
    Reset,
    /// 200 with an HTML page.
    Html,
    /// The page lacks its `data`.
    NoData,
    /// The page names the cursor again that it was asked with, and says that there is more.
    RepeatCursor,
    /// 302 to the same path at this origin (`http://host:port`).
    Redirect(String),
    /// This many bytes of white space before the page: valid JSON that a size limit should refuse.
    HugeBody(usize),
    /// A member is created just before the page is read.
    MemberCreated,
    /// A member is deleted just before the page is read.
    MemberDeleted(Victim),
    /// No answer until [`super::Mock::release`].
    Hold,
}

/// One fault, which strikes `times` requests from its place on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) place: Place,
    pub(crate) kind: FaultKind,
    pub(crate) times: u64,
}

impl Fault {
    /// A fault at the N-th request, once.
    pub(crate) fn at_request(number: u64, kind: FaultKind) -> Self {
        Self { place: Place::Request(number), kind, times: 1 }
    }

    /// A fault at the first request for the N-th page.
    pub(crate) fn at_page(number: u64, kind: FaultKind) -> Self {
        Self { place: Place::Page(number), kind, times: 1 }
    }

    /// The same fault for this many requests: in a row from a request on, or the first ones of a page.
    pub(crate) fn times(self, times: u64) -> Self {
        Self { times, ..self }
    }
}

/// The faults of a mock and how often each has struck.
#[derive(Debug)]
pub(crate) struct Faults {
    pending: Vec<(Fault, u64)>,
}

impl Faults {
    pub(crate) fn new(faults: Vec<Fault>) -> Self {
        Self { pending: faults.into_iter().map(|fault| (fault, 0)).collect() }
    }

    pub(crate) fn replace(&mut self, faults: Vec<Fault>) {
        *self = Self::new(faults);
    }

    /// The fault that strikes request `number`, which asks for `page`; the first of several.
    pub(crate) fn strike(&mut self, number: u64, page: Option<u64>) -> Option<FaultKind> {
        let (fault, struck) = self.pending.iter_mut().find(|(fault, struck)| match fault.place {
            Place::Request(first) => number >= first && number - first < fault.times,
            Place::Page(nth) => page == Some(nth) && *struck < fault.times,
        })?;
        *struck += 1;
        Some(fault.kind.clone())
    }
}

/// Reads `KIND[:VALUE]@[p]N[xTIMES]`, such as `429@10x3`, `cut@p7`, `slow:800@2`.
impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, place) = text.rsplit_once('@').ok_or_else(|| format!("`{text}` lacks `@N`"))?;
        let (place, times) = place.split_once('x').unwrap_or((place, "1"));
        let number = |digits: &str| {
            digits.parse::<u64>().map_err(|_| format!("`{digits}` is not a number in `{text}`"))
        };
        let place = match place.strip_prefix('p') {
            Some(page) => Place::Page(number(page)?),
            None => Place::Request(number(place)?),
        };
        Ok(Self { place, kind: kind.parse()?, times: number(times)? })
    }
}

impl FromStr for FaultKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once(':').map_or((text, None), |(name, value)| (name, Some(value)));
        let number = |default: u64| {
            value.map_or(Ok(default), |value| value.parse().map_err(|_| format!("`{value}` is not a number")))
        };
        Ok(match name {
            "429" => Self::TooManyRequests,
            "500" => Self::ServerError,
            "502" => Self::BadGateway,
            "slow" => Self::SlowBody(Duration::from_millis(number(1000)?)),
            "cut" => Self::CutBody,
            "reset" => Self::Reset,
            "html" => Self::Html,
            "no-data" => Self::NoData,
            "repeat-cursor" => Self::RepeatCursor,
            "redirect" => Self::Redirect(value.ok_or("`redirect` needs an origin")?.to_owned()),
            "huge" => Self::HugeBody(usize::try_from(number(64 << 20)?).map_err(|error| error.to_string())?),
            "create" => Self::MemberCreated,
            "delete-cursor" => Self::MemberDeleted(Victim::Cursor),
            "delete-seen" => Self::MemberDeleted(Victim::Seen),
            "delete-ahead" => Self::MemberDeleted(Victim::Ahead),
            "hold" => Self::Hold,
            _ => return Err(format!("`{name}` is no fault; see --help for their names")),
        })
    }
}
