//! The request of one page, before the client adds credentials.

use serde_json::Value;
use url::Url;

use super::error::{ExtractError, TemplateFault};
use super::parent::Series;
use super::window::Bounds;
use crate::config::{JsonTemplate, Plan, ResourcePlan, Secret, Template};
use crate::http::{Body, Request};
use crate::state::Range;

/// Builds the request of a pagination's first page; the paginator changes it for the others.
pub(super) fn first_request(
    plan: &Plan,
    resource: &ResourcePlan,
    series: &Series,
    range: Option<&Range>,
) -> Result<Request, ExtractError> {
    let endpoint = &resource.endpoint;
    let fault = |source| ExtractError::Template { row: series.number + 1, source };
    let bounds = Bounds::of(resource, range)?;
    let lookup = |placeholder: &_| bounds.lookup(placeholder).or_else(|| series.lookup(placeholder));
    let text = |text: &str| -> Result<String, TemplateFault> { Ok(Template::parse(text)?.render(lookup)?) };
    let path =
        || -> Result<String, TemplateFault> { Ok(Template::parse(&endpoint.path)?.render_path(lookup)?) };
    let body =
        |json: &Value| -> Result<Value, TemplateFault> { Ok(JsonTemplate::parse(json)?.render(&lookup)?) };
    let mut params = Vec::with_capacity(endpoint.params.len() + 1);
    for (name, value) in &endpoint.params {
        params.push((name.clone(), text(value).map_err(fault)?));
    }
    let mut headers = Vec::with_capacity(endpoint.headers.len());
    for (name, value) in &endpoint.headers {
        headers.push((name.clone(), Secret::new(text(value.expose()).map_err(fault)?)));
    }
    params.extend(bounds.params.iter().cloned());
    Ok(Request {
        method: endpoint.method,
        url: join(&plan.client.base_url, &path().map_err(fault)?)?,
        params,
        body: endpoint.json.as_ref().map(body).transpose().map_err(fault)?.map(Body::Json),
        headers,
        auth: endpoint.auth.clone(),
    })
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
        check("https://a.test/v1", "https://b.test/x", "https://b.test/x");
    }
}
