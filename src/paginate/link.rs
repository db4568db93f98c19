//! The address of the next page, in the body or in a header.

use serde_json::Value;
use url::Url;

use super::error::shorten;
use super::{Doubt, Next, PageCursor, PaginateError, Received, SecretParam, header, signal};
use crate::http::{Request, drop_params, is_secret_param};
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
                let is_end = is_link_left_out(received, path) || received.is_below_null(path);
                Ok(if is_end { Next::Done } else { Next::Unproven })
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

/// Whether a field has its name from what comes next: `nextLink`, `@odata.nextLink`, `__next`.
pub(super) fn is_next(name: &str) -> bool {
    let name = name.rsplit('.').next().unwrap_or_default().trim_start_matches('_');
    name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("next"))
}

/// What follows a page with a `Link` header.
pub(super) fn after_header(
    asked: &PageCursor,
    received: &Received<'_>,
    relation: &str,
) -> Result<Next, PaginateError> {
    match header::link(received.headers, relation) {
        Some(text) => follow(asked, received, &text, "Link"),
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
    let url = without_secrets(url, received.secret_params);
    let next = PageCursor::Url(url.to_string());
    if next == *asked || url == without_secrets(received.url.clone(), received.secret_params) {
        return Err(PaginateError::Repeated { path: place.to_owned(), found: url.path().to_owned() });
    }
    Ok(Next::Page(next))
}

fn without_secrets(mut url: Url, secret_params: &[SecretParam<'_>]) -> Url {
    drop_params(&mut url, |name, value| secret_params.iter().any(|param| param.is(name, value)));
    url
}

/// Turns a request to that address, which keeps its query as it is. Of the request's own parameters those stay that
/// the address lacks, if they are to be kept; keys always, since no address that is kept has them.
pub(super) fn apply(address: &str, keep_params: bool, request: &mut Request) {
    // It was an address when it was made.
    let Ok(url) = Url::parse(address) else { return };
    request.params.retain(|(name, _)| {
        (keep_params || is_secret_param(name)) && !url.query_pairs().any(|(known, _)| known == *name)
    });
    request.url = url;
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::received::tests::Answer;
    use super::super::target::tests::request;
    use super::super::{PaginatorKind, PaginatorPlan};
    use super::*;

    fn plan(path: &str, flag: &str) -> PaginatorPlan {
        let kind = PaginatorKind::JsonLink {
            next_url_path: path.parse().unwrap(),
            has_more_path: (!flag.is_empty()).then(|| flag.parse().unwrap()),
            keep_params: true,
        };
        PaginatorPlan { kind, max_pages: u64::MAX, total_rows_path: None }
    }

    fn check(path: &str, flag: &str, body: &str, expected: &str) {
        let shown = match Answer::new(body).rows(1).next(&plan(path, flag), &PageCursor::Start) {
            Ok(Next::Page(PageCursor::Url(url))) => url,
            Ok(next) => format!("{next:?}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected, "{body}");
    }

    #[test]
    fn addresses_are_texts_or_objects_relative_or_not() {
        let next = "https://api.example.com/v1/rows?page=2";
        for link in [
            "\"https://api.example.com/v1/rows?page=2\"",
            "\"/v1/rows?page=2\"",
            "\"rows?page=2\"",
            "\"?page=2\"",
            "\" ?page=2#top \"",
            "\"//api.example.com/v1/rows?page=2\"",
            "\"http://api.example.com/v1/rows?page=2\"",
            "\"https://user:pw@api.example.com:443/v1/rows?page=2\"",
            "\"?page=2&api_key=SECRET\"",
            "\"?token=K3Y&page=2\"",
            "{\"href\": \"?page=2\"}",
            "{\"title\": 1, \"url\": \"?page=2\"}",
        ] {
            check("next", "", &format!("{{\"next\": {link}}}"), next);
        }
        for link in ["null", "false", "\"\"", "\" \"", "{}", "{\"href\": null}"] {
            check("next", "", &format!("{{\"next\": {link}}}"), "Done");
        }
        for link in ["7", "true", "[\"/x\"]", "{\"id\": 1}"] {
            let error = format!("`next` is {link}, which is not the address of a page").replace(": ", ":");
            check("next", "", &format!("{{\"next\": {link}}}"), &error);
        }
    }

    #[test]
    fn other_origins_are_named_and_not_followed() {
        for (link, origin) in [
            ("https://evil.test/v1/rows", "https://evil.test"),
            ("//evil.test", "https://evil.test"),
            ("https://api.example.com:8443/", "https://api.example.com:8443"),
            ("http://api.example.com:8080/", "http://api.example.com:8080"),
            ("http://evil.test/", "https://evil.test"),
            ("ftp://api.example.com/", "ftp://api.example.com"),
            ("data:x", "data:"),
        ] {
            let body = format!("{{\"next\": \"{link}\"}}");
            check("next", "", &body, &format!("`next` leads to another origin, {origin}"));
        }
    }

    #[test]
    fn a_first_page_without_a_link_proves_little() {
        check("next", "", "{}", "Unproven");
        check("links.next", "", r#"{"links": {"self": "/x"}}"#, "Done");
        check("links.next", "", r#"{"links": {"nextPage": "/x"}}"#, "Unproven");
        check("links.nxt", "", r#"{"links": {"self": "/x"}}"#, "Unproven");
        check("next", "more", r#"{"next": "/x", "more": false}"#, "Done");
        check("next", "more", r#"{"more": false}"#, "Done");
        check(
            "next",
            "more",
            r#"{"more": true}"#,
            "the API says there is more (`more`) but gave no cursor (`next` is missing)",
        );
        let later =
            Answer::new("{}").rows(1).next(&plan("next", ""), &PageCursor::Url("https://a.test/".to_owned()));
        assert_eq!(later, Ok(Next::Done));
    }

    #[test]
    fn a_link_to_the_same_page_is_an_error() {
        let here = "the API gave the cursor again that the page was asked with (`next` is /v1/rows)";
        check("next", "", r#"{"next": "/v1/rows?limit=5&api_key=OTHER"}"#, here);
        let asked = PageCursor::Url("https://api.example.com/v1/rows?page=2".to_owned());
        let error = Answer::new(r#"{"next": "?page=2"}"#).next(&plan("next", ""), &asked).unwrap_err();
        assert_eq!(error.to_string(), here);
    }

    #[test]
    fn parameters_stay_unless_the_address_has_them() {
        let applied = |keep: bool| {
            let mut changed = request(&[("limit", "5"), ("page", "1"), ("a", "b c")], None);
            apply("https://api.example.com/v1/rows?page=2&q=%2F", keep, &mut changed);
            (changed.url.to_string(), changed.params.into_iter().map(|(name, _)| name).collect::<Vec<_>>())
        };
        let url = "https://api.example.com/v1/rows?page=2&q=%2F".to_owned();
        assert_eq!(applied(true), (url.clone(), vec!["limit".to_owned(), "a".to_owned()]));
        assert_eq!(applied(false), (url, Vec::new()));
    }

    #[test]
    fn a_parameter_that_holds_a_key_stays_and_a_token_of_that_name_is_followed() {
        let mut changed = request(&[("limit", "5"), ("token", "K3Y")], None);
        apply("https://api.example.com/v1/rows?page=2", false, &mut changed);
        assert_eq!(changed.params, [("token".to_owned(), "K3Y".to_owned())]);
        apply("https://api.example.com/v1/rows?token=t2", false, &mut changed);
        assert!(changed.params.is_empty());
        let answer = Answer::new(r#"{"next": "?token=t2"}"#);
        let next = answer.next(&plan("next", ""), &PageCursor::Start).unwrap();
        assert_eq!(next, Next::Page(PageCursor::Url("https://api.example.com/v1/rows?token=t2".to_owned())));
    }

    #[test]
    fn without_a_header_a_full_first_page_is_doubted() {
        let kind = PaginatorKind::HeaderLink { links_next_key: "next".to_owned(), keep_params: false };
        let plan = PaginatorPlan { kind, max_pages: u64::MAX, total_rows_path: None };
        let next = |rows: u64, asked: &PageCursor| Answer::new("[]").rows(rows).next(&plan, asked).unwrap();
        assert_eq!(next(7, &PageCursor::Start), Next::Done);
        assert_eq!(next(100, &PageCursor::Start), Next::Doubtful(Doubt::FullPage { rows: 100 }));
        assert_eq!(next(100, &PageCursor::Url("https://a.test/".to_owned())), Next::Done);
        let other = Answer::new("[]").rows(100).header("link", "<x>; rel=prev");
        assert_eq!(other.next(&plan, &PageCursor::Start).unwrap(), Next::Done);
    }
}
