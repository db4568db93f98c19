//! Raw → plan: the request of a resource.

use std::num::NonZeroU32;
use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;

use super::layers::Layers;
use super::problem::Report;
use super::raw::{RawData, RawIdempotencyKey};
use super::template::Template;
use super::{DataPlan, EndpointPlan, Method, Secret, auth, client, paginator, quota, responses};
use crate::paginate::{PaginatorKind, PaginatorPlan, Target};

/// The header of the IETF's draft `draft-ietf-httpapi-idempotency-key-header`, which most APIs with such keys have.
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";

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
        let host = path.split_once("://").and_then(|(_, rest)| rest.split('/').next());
        if host.is_some_and(|host| host.contains('{')) {
            let hint = "write the host out, in one resource for each";
            let message =
                "has a placeholder for its host: what rows say would decide who gets the credentials";
            report.add(place, message, Some(hint.to_owned()));
        } else if !sound {
            let hint = "write a path below base_url, or a URL like `https://api.example.com/members`";
            report.add(place, "is not an http or https URL without credentials", Some(hint.to_owned()));
        }
    }
}

/// dlt's rule: a placeholder in the last segment asks for one thing.
fn is_single_entity(path: &str) -> bool {
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
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
