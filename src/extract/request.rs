//! The request of one page, before the client adds credentials.

use serde_json::Value;
use url::Url;

use super::error::{ExtractError, TemplateFault};
use super::parent::Series;
use crate::config::{IncrementalPlan, JsonTemplate, Plan, ResourcePlan, Secret, Template};
use crate::http::{Body, Request};
use crate::package::Start;

/// Builds the request of a pagination's first page; the paginator changes it for the others.
pub(super) fn first_request(
    plan: &Plan,
    resource: &ResourcePlan,
    start: Option<&Start>,
    series: &Series,
) -> Result<Request, ExtractError> {
    let endpoint = &resource.endpoint;
    let fault = |source| ExtractError::Template { row: series.number + 1, source };
    let lookup = |placeholder: &_| series.lookup(placeholder);
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
    params.extend(start_param(resource, start));
    Ok(Request {
        params,
        body: endpoint.json.as_ref().map(body).transpose().map_err(fault)?.map(Body::Json),
        headers,
        auth: endpoint.auth.clone(),
        ..Request::new(endpoint.method, join(&plan.client.base_url, &path().map_err(fault)?)?)
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

/// The parameter that asks for rows since the last run's newest.
fn start_param(resource: &ResourcePlan, start: Option<&Start>) -> Option<(String, String)> {
    let Some(IncrementalPlan::CursorField { cursor_path, initial_value, start_param, .. }) =
        &resource.incremental
    else {
        return None;
    };
    let stored = start
        .and_then(|start| start.state.as_ref())
        .and_then(|state| state.get("incremental")?.get(cursor_path.as_str())?.get("last_value"));
    let value = match stored {
        Some(Value::Null) | None => initial_value.as_ref()?,
        Some(value) => value,
    };
    Some((start_param.clone()?, plain(value)))
}

/// A JSON value as a query parameter: texts without quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
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
