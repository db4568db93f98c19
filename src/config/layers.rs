//! One endpoint of the file over what it falls back to, as dlt merges them: `params` and `json` key by key, all else as
//! a whole. And what is written in it: placeholders, and parameters that hold settings.

use serde_json::Value;

use super::Method;
use super::problem::{Report, at_index, at_key};
use super::raw::{
    RawData, RawEndpoint, RawEndpointSettings, RawField, RawIncrementalParam, RawMethod, RawPaginator,
    RawParam, RawParamTable, RawScalar,
};
use super::template::{IncrementalValue, Placeholder, Template, TemplateError, escape};
use crate::page::JsonPath;

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

    pub(super) fn place(&self, key: &str) -> String {
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
    pub(super) fn merged<'b, T: 'b, I: IntoIterator<Item = (&'b String, &'b T)>>(
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
    pub(super) fn written_path(&self) -> (String, String) {
        match self.pick("path", |settings| settings.path.as_ref()) {
            Some((path, place)) => (path.clone(), place),
            None => (escape(self.resource), self.own.place("path")),
        }
    }

    /// The path, with what `params` has for its bare placeholders, and its place.
    pub(super) fn path(&self) -> (String, String) {
        let (written, place) = self.written_path();
        // What is no template is reported by `parents`.
        let bound = Template::parse(&written).map(|path| path.bind(|name| self.path_param(name)).to_string());
        (bound.unwrap_or(written), place)
    }

    /// What a bare placeholder of the path stands for.
    pub(super) fn path_param(&self, name: &str) -> Option<Template> {
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
    pub(super) fn names_in_path(&self) -> Vec<String> {
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

    pub(super) fn json(&self) -> Vec<(&str, &Value, String)> {
        self.merged("json", |settings| settings.json.as_ref())
    }

    /// The fields of a form, or nothing if there is none.
    pub(super) fn form(&self) -> Vec<(&str, String, String)> {
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

    pub(super) fn data(&self) -> Option<(&RawData, String)> {
        self.pick("data", |settings| settings.data.as_ref())
    }

    pub(super) fn headers(&self) -> Vec<(&str, String, String)> {
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
    pub(super) fn texts(&self) -> Vec<(String, String)> {
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
    pub(super) fn check_resolves(&self, report: &mut Report) {
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
