//! Raw → plan: the request of a resource, over the defaults as dlt merges them: `params` and `json` key by key, all
//! else as a whole.

use serde_json::{Map, Value};
use url::Url;

use super::problem::{Report, at_index, at_key};
use super::raw::{RawEndpoint, RawEndpointSettings, RawMethod, RawPaginator, RawParam};
use super::template::{Template, TemplateError, escape};
use super::{EndpointPlan, Method, auth, client, paginator};
use crate::paginate::PaginatorPlan;

/// One `endpoint` of the file, and where it stands.
pub(super) struct Layer {
    settings: RawEndpointSettings,
    /// `resources[0].endpoint`.
    path: String,
    /// Whether it is just the path: then that stands where the table would.
    shorthand: bool,
}

impl Layer {
    /// The endpoint of what stands at `owner`; nothing if there is none.
    pub(super) fn new(raw: Option<RawEndpoint>, owner: &str) -> Self {
        let path = at_key(owner, "endpoint");
        match raw {
            Some(RawEndpoint::Path(text)) => {
                let settings = RawEndpointSettings { path: Some(text), ..Default::default() };
                Self { settings, path, shorthand: true }
            }
            Some(RawEndpoint::Settings(settings)) => Self { settings: *settings, path, shorthand: false },
            None => Self { settings: RawEndpointSettings::default(), path, shorthand: false },
        }
    }

    fn place(&self, key: &str) -> String {
        if self.shorthand { self.path.clone() } else { at_key(&self.path, key) }
    }
}

/// The endpoint of a resource over what it falls back to.
pub(super) struct Layers<'a> {
    /// The resource's own.
    pub own: &'a Layer,
    /// That of `resource_defaults`.
    pub defaults: &'a Layer,
    /// The last resort for a paginator.
    pub client_paginator: Option<&'a RawPaginator>,
    /// Name of the resource, which is its path if none is given.
    pub resource: &'a str,
}

impl Layers<'_> {
    /// The value of a key and the place it was written at.
    pub(super) fn pick<'b, T>(
        &'b self,
        key: &str,
        get: impl Fn(&'b RawEndpointSettings) -> Option<&'b T>,
    ) -> Option<(&'b T, String)> {
        [self.own, self.defaults]
            .into_iter()
            .find_map(|layer| get(&layer.settings).map(|value| (value, layer.place(key))))
    }

    /// Entries of both layers, the resource's own over those of the defaults, each with its place.
    fn merged<'b, T: 'b, I: IntoIterator<Item = (&'b String, &'b T)>>(
        &'b self,
        key: &str,
        get: impl Fn(&'b RawEndpointSettings) -> Option<I>,
    ) -> Vec<(&'b str, &'b T, String)> {
        let mut merged: Vec<(&str, &T, String)> = Vec::new();
        for layer in [self.defaults, self.own] {
            for (name, value) in get(&layer.settings).into_iter().flatten() {
                let entry = (name.as_str(), value, at_key(&layer.place(key), name));
                match merged.iter_mut().find(|(known, ..)| known == name) {
                    Some(known) => *known = entry,
                    None => merged.push(entry),
                }
            }
        }
        merged
    }

    /// The path and its place.
    fn path(&self) -> (String, String) {
        match self.pick("path", |settings| settings.path.as_ref()) {
            Some((path, place)) => (path.clone(), place),
            None => (escape(self.resource), self.own.place("path")),
        }
    }

    pub(super) fn params(&self) -> Vec<(&str, String, String)> {
        let mut params = Vec::new();
        for (name, param, place) in self.merged("params", |settings| settings.params.as_ref()) {
            match param {
                RawParam::One(value) => params.push((name, value.to_text(), place)),
                RawParam::Several(values) => params.extend(
                    values
                        .iter()
                        .enumerate()
                        .map(|(index, value)| (name, value.to_text(), at_index(&place, index))),
                ),
            }
        }
        params
    }

    fn json(&self) -> Vec<(&str, &Value, String)> {
        self.merged("json", |settings| settings.json.as_ref())
    }

    pub(super) fn method(&self) -> Method {
        match self.pick("method", |settings| settings.method.as_ref()) {
            Some((RawMethod::Post, _)) => Method::Post,
            Some((RawMethod::Get, _)) | None => Method::Get,
        }
    }

    /// The resources that placeholders name, each with the place of the first. Bad placeholders are reported.
    pub(super) fn parents(&self, report: &mut Report) -> Vec<(String, String)> {
        let mut texts = vec![self.path()];
        texts.extend(self.params().into_iter().map(|(_, text, place)| (text, place)));
        for (name, _, place) in self.params() {
            check_key(name, &place, report);
        }
        for (name, value, place) in self.json() {
            check_key(name, &place, report);
            collect_texts(value, &place, &mut texts, report);
        }
        if let Some((headers, place)) = self.pick("headers", |settings| settings.headers.as_ref()) {
            texts.extend(headers.iter().map(|(name, value)| (value.to_text(), at_key(&place, name))));
        }
        let mut parents: Vec<(String, String)> = Vec::new();
        for (text, place) in texts {
            match Template::parse(&text) {
                Ok(template) => {
                    for placeholder in template.placeholders() {
                        if parents.iter().all(|(name, _)| *name != placeholder.resource) {
                            parents.push((placeholder.resource.clone(), place.clone()));
                        }
                    }
                }
                Err(error) => report_template(&error, &place, report),
            }
        }
        parents
    }
}

/// dlt fills in keys, too; here a placeholder in one would be sent as it stands.
fn check_key(key: &str, place: &str, report: &mut Report) {
    if key.contains("{resources.") {
        report.add(place, "a placeholder in a key is not in this version", None);
    }
}

fn collect_texts(value: &Value, place: &str, texts: &mut Vec<(String, String)>, report: &mut Report) {
    match value {
        Value::String(text) => texts.push((text.clone(), place.to_owned())),
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                collect_texts(element, &at_index(place, index), texts, report);
            }
        }
        Value::Object(fields) => {
            for (key, field) in fields {
                let place = at_key(place, key);
                check_key(key, &place, report);
                collect_texts(field, &place, texts, report);
            }
        }
        _ => {}
    }
}

fn report_template(error: &TemplateError, place: &str, report: &mut Report) {
    if report.may_show(place) {
        report.add(place, error.to_string(), None);
    } else {
        report.add(place, "has a placeholder or a brace that names nothing", None);
    }
}

/// The request. Placeholders are checked by [`Layers::parents`].
pub(super) fn endpoint(layers: &Layers<'_>, report: &mut Report) -> Option<EndpointPlan> {
    let method = layers.method();
    let (path, place) = layers.path();
    check_path(&path, &place, report);
    let single_entity = is_single_entity(&path);
    let paginator = paginator(layers, single_entity, method, report);
    let data_selector = match layers.pick("data_selector", |settings| settings.data_selector.as_ref()) {
        Some((text, place)) => paginator::json_path(text, &place, report).map(Some),
        None if single_entity => "$".parse().ok().map(Some),
        None => Some(None),
    };
    let headers = layers
        .pick("headers", |settings| settings.headers.as_ref())
        .map_or_else(Vec::new, |(headers, place)| client::headers(Some(headers), &place, report));
    let auth = layers
        .pick("auth", |settings| settings.auth.as_ref())
        .and_then(|(auth, place)| auth::auth(auth, &place, report));
    Some(EndpointPlan {
        method,
        path,
        params: layers.params().into_iter().map(|(name, text, _)| (name.to_owned(), text)).collect(),
        json: json(layers, method, report),
        headers,
        auth,
        data_selector: data_selector?,
        paginator: paginator?,
    })
}

fn check_path(path: &str, place: &str, report: &mut Report) {
    if path.contains(['?', '#']) {
        let hint = "query parameters go into `params`";
        report.add(place, "holds a query or a fragment", Some(hint.to_owned()));
    }
    if path.contains("://") && !path.starts_with('/') {
        // Placeholders are no characters of a URL; what they stand for is escaped and cannot break it.
        let sample =
            Template::parse(path).ok().and_then(|template| template.render(|_| Some("x".into())).ok());
        let url = sample.and_then(|sample| Url::parse(&sample).ok());
        let sound = url.is_some_and(|url| {
            matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()
        });
        if !sound {
            let hint = "write a path below base_url, or a URL like `https://api.example.com/members`";
            report.add(place, "is not an http or https URL without credentials", Some(hint.to_owned()));
        }
    }
}

/// dlt's rule: a placeholder in the last segment asks for one thing.
fn is_single_entity(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or_default();
    Template::parse(last).is_ok_and(|template| template.placeholders().next().is_some())
}

pub(super) fn paginator(
    layers: &Layers<'_>,
    single_entity: bool,
    method: Method,
    report: &mut Report,
) -> Option<PaginatorPlan> {
    if let Some((raw, place)) = layers.pick("paginator", |settings| settings.paginator.as_ref()) {
        return paginator::paginator(raw, &place, method, report);
    }
    match layers.client_paginator {
        _ if single_entity => Some(paginator::single_page()),
        Some(raw) => paginator::paginator(raw, "client.paginator", method, report),
        None => {
            let hint = "set it here, in resource_defaults.endpoint or in client; \"single_page\" if all comes at once \
                        (finding it out from the response is not in this version)";
            report.add(&layers.own.path, "has no paginator", Some(hint.to_owned()));
            None
        }
    }
}

fn json(layers: &Layers<'_>, method: Method, report: &mut Report) -> Option<Value> {
    let given = layers.pick("json", |settings| settings.json.as_ref());
    let (_, place) = given?;
    if method != Method::Post {
        report.add(&place, "is sent with `POST` only", Some("set method = \"POST\"".to_owned()));
    }
    let fields = layers.json().into_iter().map(|(name, value, _)| (name.to_owned(), value.clone()));
    Some(Value::Object(fields.collect::<Map<_, _>>()))
}
