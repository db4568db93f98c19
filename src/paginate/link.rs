//! The address of the next page, in the body or in a header.

use serde_json::Value;
use url::Url;

use super::error::shorten;
use super::{Doubt, Next, PageCursor, PaginateError, Received, header, signal};
use crate::http::Request;
use crate::page::JsonPath;

/// Fields of an object that is a link, in the order they are looked for.
pub(super) const ADDRESS_KEYS: [&str; 4] = ["href", "url", "uri", "link"];

/// What follows a page with an address in its body: text, or an object with it (JSON:API). The flag, if there is one,
/// overrules it: some APIs link even from their last page.
pub(super) fn after_body(
    asked: &PageCursor,
    received: &Received<'_>,
    path: &JsonPath,
    has_more_path: Option<&JsonPath>,
) -> Result<Next, PaginateError> {
    let flag = has_more_path.map(|flag| signal::has_more_if_told(received.page, flag)).transpose()?.flatten();
    if flag == Some(false) {
        return Ok(Next::Done);
    }
    let value = received.page.value(path);
    let not_a_link = |value: &Value| PaginateError::NotALink {
        place: path.to_string(),
        found: shorten(&value.to_string()),
    };
    let text = match &value {
        None | Some(Value::Null | Value::Bool(false)) => None,
        Some(Value::String(text)) => Some(text.as_str()),
        Some(Value::Object(fields)) if fields.is_empty() => None,
        Some(link @ Value::Object(fields)) => {
            let address = ADDRESS_KEYS.iter().find_map(|key| fields.get(*key));
            match address {
                Some(Value::String(text)) => Some(text.as_str()),
                Some(Value::Null) => None,
                _ => return Err(not_a_link(link)),
            }
        }
        Some(other) => return Err(not_a_link(other)),
    };
    match text.filter(|text| !text.trim().is_empty()) {
        Some(text) => follow(asked, received, text, path.as_str()),
        None => match has_more_path.filter(|_| flag == Some(true)) {
            Some(flag) => Err(PaginateError::MoreWithoutCursor {
                has_more_path: flag.to_string(),
                cursor_path: path.to_string(),
                found: value.map_or_else(|| "missing".to_owned(), |value| shorten(&value.to_string())),
            }),
            // A last page may leave the link out. On the first page that also looks like a wrong path.
            None if value.is_none() && *asked == PageCursor::Start && received.row_count > 0 => {
                Ok(if is_link_left_out(received, path) { Next::Done } else { Next::Unproven })
            }
            None => Ok(Next::Done),
        },
    }
}

/// Whether the object that holds links is there, and has no other link that may be the next one.
fn is_link_left_out(received: &Received<'_>, path: &JsonPath) -> bool {
    let Some((above, name)) = path.parent() else { return false };
    if !is_next(name) {
        return false;
    }
    let Some(Value::Object(links)) = received.page.value(&above) else { return false };
    above.as_str() != "$" && !links.keys().any(|key| is_next(key))
}

fn is_next(name: &str) -> bool {
    name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("next"))
}

/// What follows a page with a `Link` header.
pub(super) fn after_header(
    asked: &PageCursor,
    received: &Received<'_>,
    relation: &str,
) -> Result<Next, PaginateError> {
    match header::link(received.headers, relation) {
        Some(text) => follow(asked, received, text, "Link"),
        None => Ok(without_header(asked, received, "link")),
    }
}

/// The end by a header that is not there. That is how these APIs end, and also how a wrong name looks: a first page
/// that is full is worth a word.
pub(super) fn without_header(asked: &PageCursor, received: &Received<'_>, name: &str) -> Next {
    let is_there = received.headers.contains_key(name);
    if *asked == PageCursor::Start && !is_there && signal::is_full(received.row_count) {
        return Next::Doubtful(Doubt::FullPage { rows: received.row_count });
    }
    Next::Done
}

/// The page at an address, which may be relative.
fn follow(
    asked: &PageCursor,
    received: &Received<'_>,
    text: &str,
    place: &str,
) -> Result<Next, PaginateError> {
    let not_a_link = || PaginateError::NotALink { place: place.to_owned(), found: shorten(text) };
    let mut url = received.url.join(text.trim()).map_err(|_| not_a_link())?;
    // Behind a proxy that ends TLS, many APIs write their own address with the wrong scheme.
    if received.url.scheme() == "https" && url.scheme() == "http" && url.port().is_none() {
        url.set_scheme("https").map_err(|()| not_a_link())?;
    }
    if url.origin() != received.url.origin() {
        let origin = match url.origin() {
            url::Origin::Tuple(..) => url.origin().ascii_serialization(),
            url::Origin::Opaque(_) => format!("{}:", url.scheme()),
        };
        return Err(PaginateError::ForeignOrigin { place: place.to_owned(), origin });
    }
    url.set_fragment(None);
    // Credentials are the client's business, and an address is kept on disk.
    url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| not_a_link())?;
    let url = without_secrets(&url, received.secret_params);
    let next = PageCursor::Url(url.to_string());
    if next == *asked || url == without_secrets(received.url, received.secret_params) {
        return Err(PaginateError::Repeated { path: place.to_owned(), found: url.path().to_owned() });
    }
    Ok(Next::Page(next))
}

fn without_secrets(url: &Url, secret_params: &[&str]) -> Url {
    let is_secret = |name: &str| secret_params.contains(&name);
    if !url.query_pairs().any(|(name, _)| is_secret(&name)) {
        return url.clone();
    }
    let kept: Vec<_> = url.query_pairs().filter(|(name, _)| !is_secret(name)).collect();
    let mut cleared = url.clone();
    cleared.set_query(None);
    if !kept.is_empty() {
        cleared.query_pairs_mut().extend_pairs(kept);
    }
    cleared
}

/// Turns a request to that address, which keeps its query as it is. Of the request's own parameters those stay that
/// the address lacks, if they are to be kept.
pub(super) fn apply(address: &str, keep_params: bool, request: &mut Request) {
    // It was an address when it was made.
    let Ok(url) = Url::parse(address) else { return };
    request.params.retain(|(name, _)| keep_params && !url.query_pairs().any(|(known, _)| known == *name));
    request.url = url;
}
