//! The request of one page, before the client adds credentials.

use std::sync::Arc;

use serde_json::json;
use sha3::{Digest, Sha3_256};
use url::Url;

use super::Extraction;
use super::error::{ExtractError, TemplateFault};
use super::parent::Series;
use super::window::Bounds;
use crate::config::{DataPlan, JsonTemplate, Method, ResourcePlan, Secret, Template};
use crate::http::{Body, Claim, Request};
use crate::page::Format;
use crate::paginate::PageCursor;
use crate::state::Range;

/// Builds the request of a pagination's first page; the paginator changes it for the others.
pub(super) fn first_request(
    extraction: &Extraction<'_>,
    resource: &ResourcePlan,
    series: &Series,
    range: Option<&Range>,
) -> Result<Request, ExtractError> {
    let bounds = Bounds::of(resource, range)?;
    let mut request = fill_in(&extraction.plan.client.base_url, resource, series, &bounds).map_err(
        |fault| match fault {
            Fault::Template(source) => ExtractError::Template { row: series.number + 1, source },
            Fault::Url(error) => error,
        },
    )?;
    request.params.extend(bounds.params);
    Ok(request)
}

/// Why a request cannot be built.
enum Fault {
    Template(TemplateFault),
    Url(ExtractError),
}

impl<T: Into<TemplateFault>> From<T> for Fault {
    fn from(fault: T) -> Self {
        Self::Template(fault.into())
    }
}

/// The request as the file has it, with the placeholders filled in.
fn fill_in(
    base_url: &Url,
    resource: &ResourcePlan,
    series: &Series,
    bounds: &Bounds,
) -> Result<Request, Fault> {
    let endpoint = &resource.endpoint;
    let lookup = |placeholder: &_| bounds.lookup(placeholder).or_else(|| series.lookup(placeholder));
    let text = |text: &str| -> Result<String, Fault> { Ok(Template::parse(text)?.render(lookup)?) };
    let pairs = |pairs: &[(String, String)]| -> Result<Vec<(String, String)>, Fault> {
        pairs.iter().map(|(name, value)| Ok((text(name)?, text(value)?))).collect()
    };
    let body = match (&endpoint.json, &endpoint.data) {
        (Some(json), _) => Some(Body::Json(JsonTemplate::parse(json)?.render(&lookup)?)),
        (None, Some(DataPlan::Form(fields))) => Some(Body::Form(pairs(fields)?)),
        (None, Some(DataPlan::Text(data))) => Some(Body::Text(text(data)?)),
        (None, None) => None,
    };
    let mut headers = Vec::with_capacity(endpoint.headers.len() + 1);
    for (name, value) in &endpoint.headers {
        headers.push((text(name)?, Secret::new(text(value.expose())?)));
    }
    let accepted = endpoint.responses.format.as_ref().and_then(Format::accepted);
    if let Some(accepted) =
        accepted.filter(|_| !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept")))
    {
        headers.push(("Accept".to_owned(), Secret::new(accepted)));
    }
    let path = Template::parse(&endpoint.path)?.render_path(lookup)?;
    Ok(Request {
        params: pairs(&endpoint.params)?,
        body,
        headers,
        auth: endpoint.auth.clone(),
        actions: Arc::clone(&endpoint.responses.actions),
        claim: Claim {
            resource: Some(resource.name.clone()),
            cost: endpoint.cost.get(),
            priority: resource.priority,
        },
        timeout: endpoint.timeout,
        // PUT and DELETE leave the same behind however often they are sent (RFC 9110, section 9.2.2).
        is_repeatable: !endpoint.mutates
            || endpoint.idempotency_key.is_some()
            || !matches!(endpoint.method, Method::Post | Method::Patch),
        ..Request::new(endpoint.method, join(base_url, &path).map_err(Fault::Url)?)
    })
}

/// Adds the key by which the API knows a repeated request: the same for each attempt, and when a cut run goes on;
/// another one for each page, each row of the parent and each run.
pub(super) fn add_idempotency_key(
    extraction: &Extraction<'_>,
    resource: &ResourcePlan,
    series: &Series,
    cursor: &PageCursor,
    request: &mut Request,
) {
    let Some(header) = &resource.endpoint.idempotency_key else { return };
    // Not the load id: a package that is taken up again may get a later one.
    let made_at = extraction.package.manifest.created_at;
    let subject = json!([extraction.plan.pipeline, made_at, resource.name, series.number, cursor]);
    request.headers.push((header.clone(), Secret::new(uuid_of(&subject.to_string()))));
}

/// A UUID made of a text. It has the form of version 4, the one that vendors show in their samples and some check for.
fn uuid_of(text: &str) -> String {
    let hash = Sha3_256::digest(text);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let number = u128::from_be_bytes(bytes);
    let part = |shift: u32, digits: usize| {
        let mask = (1_u128 << (digits * 4)) - 1;
        format!("{:0digits$x}", number >> shift & mask)
    };
    [part(96, 8), part(80, 4), part(64, 4), part(48, 4), part(0, 12)].join("-")
}

/// Joins as dlt does: the path is appended, whether or not it starts with a slash; an absolute one stands alone.
fn join(base_url: &Url, path: &str) -> Result<Url, ExtractError> {
    let text = if path.starts_with("http://") || path.starts_with("https://") {
        path.to_owned()
    } else if path.is_empty() {
        base_url.as_str().to_owned()
    } else {
        format!("{}/{}", base_url.as_str().trim_end_matches('/'), path.trim_start_matches('/'))
    };
    Url::parse(&text).map_err(|source| ExtractError::Url { url: text, source })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn paths_join_as_in_dlt() {
        let check = |base: &str, path: &str, joined: &str| {
            assert_eq!(join(&base.parse().unwrap(), path).unwrap().as_str(), joined);
        };
        check("https://a.test/v1/", "members", "https://a.test/v1/members");
        check("https://a.test/v1", "/members", "https://a.test/v1/members");
        check("https://a.test/v1", "", "https://a.test/v1");
        check("https://a.test/v1/", "", "https://a.test/v1/");
        check("https://a.test/v1", "https://b.test/x", "https://b.test/x");
        check("https://a.test/v1//", "//members", "https://a.test/v1/members");
    }

    #[test]
    fn keys_look_like_uuids_and_tell_texts_apart() {
        let (one, other) = (uuid_of("one"), uuid_of("other"));
        assert_eq!(one, uuid_of("one"));
        assert_ne!(one, other);
        for uuid in [one, other] {
            assert_eq!(uuid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{uuid}");
            assert_eq!(&uuid[14..15], "4", "{uuid}");
            assert!("89ab".contains(&uuid[19..20]), "{uuid}");
        }
    }
}
