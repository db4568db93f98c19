//! Raw → plan: the request of a resource, over the defaults as dlt merges them: `params` and `json` key by key, all
//! else as a whole.

use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;

use super::problem::{Report, at_index, at_key};
use super::raw::{
    RawData, RawEndpoint, RawEndpointSettings, RawField, RawIdempotencyKey, RawIncrementalParam, RawMethod,
    RawPaginator, RawParam, RawParamTable, RawScalar,
};
use super::template::{IncrementalValue, Placeholder, Template, TemplateError, escape};
use super::{DataPlan, EndpointPlan, Method, Secret, auth, client, paginator, quota, responses};
use crate::page::JsonPath;
use crate::paginate::{PaginatorKind, PaginatorPlan, Target};

/// The header of the IETF's draft `draft-ietf-httpapi-idempotency-key-header`, which most APIs with such keys have.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

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

    /// The path as written, and its place.
    fn written_path(&self) -> (String, String) {
        match self.pick("path", |settings| settings.path.as_ref()) {
            Some((path, place)) => (path.clone(), place),
            None => (escape(self.resource), self.own.place("path")),
        }
    }

    /// The path, with what `params` has for its bare placeholders, and its place.
    fn path(&self) -> (String, String) {
        let (written, place) = self.written_path();
        // What is no template is reported by `parents`.
        let bound = Template::parse(&written).map(|path| path.bind(|name| self.path_param(name)).to_string());
        (bound.unwrap_or(written), place)
    }

    /// What a bare placeholder of the path stands for.
    fn path_param(&self, name: &str) -> Option<Template> {
        let params = self.merged("params", |settings| settings.params.as_ref());
        let (_, param, _) = params.into_iter().find(|(known, ..)| *known == name)?;
        match param {
            RawParam::One(value) => Some(Template::parse(&value.to_text()).ok()?.in_path()),
            RawParam::Several(_) | RawParam::Table(RawParamTable::Incremental(_)) => None,
            RawParam::Table(RawParamTable::Resolve { resource, field }) => {
                let field = field.parse().ok()?;
                Some(Placeholder::Resource { resource: resource.clone(), field }.into())
            }
        }
    }

    /// The names of parameters that the path takes.
    fn names_in_path(&self) -> Vec<String> {
        let path = Template::parse(&self.written_path().0).ok();
        let names =
            path.iter().flat_map(Template::placeholders).filter_map(|placeholder| match placeholder {
                Placeholder::Param(name) => Some(name.clone()),
                _ => None,
            });
        names.collect()
    }

    /// The parameters that are sent as such, those with several values once for each.
    pub(super) fn params(&self) -> Vec<(&str, String, String)> {
        let in_path = self.names_in_path();
        let mut params = Vec::new();
        for (name, param, place) in self.merged("params", |settings| settings.params.as_ref()) {
            match param {
                RawParam::One(_) if in_path.iter().any(|known| known == name) => {}
                RawParam::One(value) => params.push((name, value.to_text(), place)),
                RawParam::Several(values) => params.extend(several(name, values, &place)),
                RawParam::Table(_) => {}
            }
        }
        params
    }

    fn json(&self) -> Vec<(&str, &Value, String)> {
        self.merged("json", |settings| settings.json.as_ref())
    }

    /// The fields of a form, or nothing if there is none.
    fn form(&self) -> Vec<(&str, String, String)> {
        let Some((RawData::Form(fields), place)) = self.data() else { return Vec::new() };
        let mut form = Vec::new();
        for (name, field) in fields {
            let place = at_key(&place, name);
            match field {
                RawField::One(value) => form.push((name.as_str(), value.to_text(), place)),
                RawField::Several(values) => form.extend(several(name, values, &place)),
            }
        }
        form
    }

    fn data(&self) -> Option<(&RawData, String)> {
        self.pick("data", |settings| settings.data.as_ref())
    }

    fn headers(&self) -> Vec<(&str, String, String)> {
        let headers = self.pick("headers", |settings| settings.headers.as_ref());
        let (headers, place) =
            headers.map_or((None, String::new()), |(headers, place)| (Some(headers), place));
        let headers = headers.into_iter().flatten();
        headers.map(|(name, value)| (name.as_str(), value.to_text(), at_key(&place, name))).collect()
    }

    pub(super) fn method(&self) -> Method {
        match self.pick("method", |settings| settings.method.as_ref()) {
            Some((RawMethod::Get, _)) | None => Method::Get,
            Some((RawMethod::Post, _)) => Method::Post,
            Some((RawMethod::Put, _)) => Method::Put,
            Some((RawMethod::Patch, _)) => Method::Patch,
            Some((RawMethod::Delete, _)) => Method::Delete,
        }
    }

    /// Every text that may hold placeholders, names and keys included, each with its place.
    fn texts(&self) -> Vec<(String, String)> {
        let mut texts = vec![self.path()];
        for (name, text, place) in [self.params(), self.form(), self.headers()].into_iter().flatten() {
            texts.push((name.to_owned(), place.clone()));
            texts.push((text, place));
        }
        if let Some((RawData::Text(text), place)) = self.data() {
            texts.push((text.clone(), place));
        }
        for (name, value, place) in self.json() {
            texts.push((name.to_owned(), place.clone()));
            collect_texts(value, &place, &mut texts);
        }
        texts
    }

    /// The resources that placeholders name, each with the place of the first. Bad placeholders are reported.
    pub(super) fn parents(&self, report: &mut Report) -> Vec<(String, String)> {
        self.check_resolves(report);
        let mut parents: Vec<(String, String)> = Vec::new();
        for (text, place) in self.texts() {
            let template = match Template::parse(&text) {
                Ok(template) => template,
                Err(error) => {
                    report_template(&error, &place, report);
                    continue;
                }
            };
            for placeholder in template.placeholders() {
                match placeholder {
                    Placeholder::Resource { resource, .. } => {
                        if parents.iter().all(|(name, _)| name != resource) {
                            parents.push((resource.clone(), place.clone()));
                        }
                    }
                    Placeholder::Incremental(_) => {}
                    Placeholder::Param(name) => {
                        report_template(&TemplateError::Unknown(name.clone()), &place, report);
                    }
                }
            }
        }
        parents
    }

    /// The incremental values that placeholders ask for, each with its place. Bad placeholders are passed over.
    pub(super) fn incremental_values(&self) -> Vec<(IncrementalValue, String)> {
        let values = self.texts().into_iter().flat_map(|(text, place)| {
            let template = Template::parse(&text).ok();
            let values = template.iter().flat_map(Template::placeholders).filter_map(|placeholder| {
                let Placeholder::Incremental(value) = placeholder else { return None };
                Some((*value, place.clone()))
            });
            values.collect::<Vec<_>>()
        });
        values.collect()
    }

    /// The parameters of type `incremental`, each with its name and place.
    pub(super) fn incremental_params(&self) -> Vec<(&str, &RawIncrementalParam, String)> {
        let params = self.merged("params", |settings| settings.params.as_ref()).into_iter();
        let params = params.filter_map(|(name, param, place)| match param {
            RawParam::Table(RawParamTable::Incremental(param)) => Some((name, &**param, place)),
            _ => None,
        });
        params.collect()
    }

    /// As in dlt, only a path takes parameters of type `resolve`.
    fn check_resolves(&self, report: &mut Report) {
        let in_path = self.names_in_path();
        for (name, param, place) in self.merged("params", |settings| settings.params.as_ref()) {
            match param {
                RawParam::Table(RawParamTable::Resolve { field, .. }) => {
                    if field.parse::<JsonPath>().is_err() {
                        report.add_text(
                            &at_key(&place, "field"),
                            field,
                            "is not a path; write field names joined by dots",
                        );
                    } else if in_path.iter().all(|known| known != name) {
                        let hint = Some("write `{resources.<parent>.<field>}` as its value".to_owned());
                        report.add(&place, "is of type `resolve`, but the path does not take it", hint);
                    }
                }
                RawParam::One(value) if in_path.iter().any(|known| known == name) => {
                    if matches!(value.to_text().as_str(), "" | "." | "..") {
                        report.add(&place, "is empty or dots, which cannot stand in a path", None);
                    }
                }
                RawParam::One(_) | RawParam::Several(_) | RawParam::Table(RawParamTable::Incremental(_)) => {}
            }
        }
    }
}

/// A parameter that is sent once per value.
fn several<'a>(
    name: &'a str,
    values: &'a [RawScalar],
    place: &str,
) -> impl Iterator<Item = (&'a str, String, String)> {
    let places = (0..values.len()).map(|index| at_index(place, index)).collect::<Vec<_>>();
    values.iter().zip(places).map(move |(value, place)| (name, value.to_text(), place))
}

fn collect_texts(value: &Value, place: &str, texts: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => texts.push((text.clone(), place.to_owned())),
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                collect_texts(element, &at_index(place, index), texts);
            }
        }
        Value::Object(fields) => {
            for (key, field) in fields {
                let place = at_key(place, key);
                texts.push((key.clone(), place.clone()));
                collect_texts(field, &place, texts);
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
    // As in dlt: of the path as it is written.
    let single_entity = is_single_entity(&layers.written_path().0);
    let paginator = paginator(layers, single_entity, method, report);
    let data_selector = match layers.pick("data_selector", |settings| settings.data_selector.as_ref()) {
        Some((text, place)) => paginator::json_path(text, &place, report).map(Some),
        // The keys of an object are of that object.
        None if single_entity || layers.pick("keyed_by", |settings| settings.keyed_by.as_ref()).is_some() => {
            "$".parse().ok().map(Some)
        }
        None => Some(None),
    };
    let responses = responses::responses(layers, report);
    let headers = headers(layers, report);
    let mutates = mutates(layers, method, report);
    let idempotency_key = idempotency_key(layers, method, mutates, report);
    let paginator = paginator.filter(|paginator| check_body(layers, paginator, report));
    let timeout = layers.pick("timeout", |settings| settings.timeout.as_ref());
    let timeout = timeout
        .map(|(text, place)| client::duration(Some(text.clone()), Duration::default(), &place, report));
    let auth = layers
        .pick("auth", |settings| settings.auth.as_ref())
        .and_then(|(auth, place)| auth::auth(auth, &place, report));
    let rate_limits = layers
        .pick("rate_limits", |settings| settings.rate_limits.as_ref())
        .map_or_else(Vec::new, |(limits, place)| quota::rate_limits(limits, &place, report));
    let cost =
        layers.pick("cost", |settings| settings.cost.as_ref()).and_then(|(cost, _)| NonZeroU32::new(*cost));
    Some(EndpointPlan {
        method,
        path,
        params: layers.params().into_iter().map(|(name, text, _)| (name.to_owned(), text)).collect(),
        json: json(layers),
        data: data(layers),
        headers,
        auth,
        timeout,
        mutates,
        idempotency_key,
        data_selector: data_selector?,
        paginator: paginator?,
        responses,
        rate_limits,
        cost: cost.unwrap_or(NonZeroU32::MIN),
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
        // What changes data is done once, whatever the answer looks like.
        None if layers
            .pick("mutates", |settings| settings.mutates.as_ref())
            .is_some_and(|(given, _)| *given) =>
        {
            Some(paginator::single_page())
        }
        // As in dlt.
        None => Some(paginator::auto()),
    }
}

/// Header names and values; what cannot be sent, whatever placeholders stand for, is a problem.
fn headers(layers: &Layers<'_>, report: &mut Report) -> Vec<(String, Secret)> {
    let headers = layers.headers().into_iter().map(|(name, value, place)| {
        let sample = Template::parse(name).ok().and_then(|name| name.render(|_| Some("x".into())).ok());
        // What is no template is reported by `parents`.
        if let Some(sample) = sample {
            client::check_header_name(&sample, &place, report);
        }
        client::check_header_value(&value, &place, report);
        (name.to_owned(), Secret::new(value))
    });
    headers.collect()
}

fn json(layers: &Layers<'_>) -> Option<Value> {
    layers.pick("json", |settings| settings.json.as_ref())?;
    let fields = layers.json().into_iter().map(|(name, value, _)| (name.to_owned(), value.clone()));
    Some(Value::Object(fields.collect::<Map<_, _>>()))
}

fn data(layers: &Layers<'_>) -> Option<DataPlan> {
    Some(match layers.data()?.0 {
        RawData::Text(text) => DataPlan::Text(text.clone()),
        RawData::Form(_) => {
            let form = layers.form().into_iter().map(|(name, value, _)| (name.to_owned(), value));
            DataPlan::Form(form.collect())
        }
    })
}

/// A request has one body, and only a JSON one can take cursors.
fn check_body(layers: &Layers<'_>, paginator: &PaginatorPlan, report: &mut Report) -> bool {
    let Some((_, place)) = layers.data() else { return true };
    if layers.pick("json", |settings| settings.json.as_ref()).is_some() {
        report.add(&place, "goes without `json`: a request has one body", None);
        return false;
    }
    let in_body = |target: &Target| matches!(target, Target::Body(_));
    let writes_body = match &paginator.kind {
        PaginatorKind::Cursor { target, .. } | PaginatorKind::PageNumber { target, .. } => in_body(target),
        PaginatorKind::Offset { target, limit_target, .. } => in_body(target) || in_body(limit_target),
        PaginatorKind::Auto
        | PaginatorKind::JsonLink { .. }
        | PaginatorKind::HeaderLink { .. }
        | PaginatorKind::SinglePage
        | PaginatorKind::Latest { .. } => false,
    };
    if writes_body {
        report.add(
            &place,
            "cannot take what the paginator writes into the body",
            Some("use `json`".to_owned()),
        );
        return false;
    }
    true
}

/// `POST` is also how some APIs are asked what to read; the other methods have one meaning.
fn mutates(layers: &Layers<'_>, method: Method, report: &mut Report) -> bool {
    let mutates =
        layers.pick("mutates", |settings| settings.mutates.as_ref()).is_some_and(|(given, _)| *given);
    if let (false, Method::Put | Method::Patch | Method::Delete) = (mutates, method) {
        let place = layers.pick("method", |settings| settings.method.as_ref()).map(|(_, place)| place);
        let hint = "set mutates = true if that is wanted; the resource then runs only if it is named with --resource";
        report.add(&place.unwrap_or_default(), "changes data", Some(hint.to_owned()));
    }
    mutates
}

/// The header for the key, if one is sent.
fn idempotency_key(
    layers: &Layers<'_>,
    method: Method,
    mutates: bool,
    report: &mut Report,
) -> Option<String> {
    let given = layers.pick("idempotency_key", |settings| settings.idempotency_key.as_ref());
    let name = match &given {
        None => (mutates && method != Method::Get).then_some(IDEMPOTENCY_KEY),
        Some((RawIdempotencyKey::Sent(sent), _)) => sent.then_some(IDEMPOTENCY_KEY),
        Some((RawIdempotencyKey::Header(name), _)) => Some(name.as_str()),
    };
    let name = name?;
    let place = given.map_or_else(|| layers.own.place("mutates"), |(_, place)| place);
    if method == Method::Get {
        report.add(&place, "is for requests with a body; `GET` may be repeated without one", None);
    }
    client::check_header_name(name, &place, report);
    if layers.headers().iter().any(|(known, ..)| known.eq_ignore_ascii_case(name)) {
        let hint = "drop the header, or set idempotency_key = false";
        report.add(&place, "is also in `headers`", Some(hint.to_owned()));
    }
    Some(name.to_owned())
}
