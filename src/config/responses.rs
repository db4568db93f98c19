//! Raw → plan: what is made of answers.

use std::sync::Arc;

use super::graph::Draft;
use super::layers::Layers;
use super::problem::{Report, at_index, at_key};
use super::raw::{
    RawAction, RawFormatName, RawFormatSettings, RawResponseAction, RawResponseFormat, RawScalar,
    RawStatusCode,
};
use super::{Method, ResponsesPlan, hints, paginator};
use crate::http::{Action, HeaderCondition, JsonCondition, ResponseAction, StatusCondition};
use crate::page::{CsvFormat, Format};
use crate::paginate::{CursorSource, PaginatorKind, PaginatorPlan};
use crate::schema::TableHints;

const STATUS_RULE: &str = "is no status; write a number from 100 to 599, or a hundred of them, like \"4xx\"";

/// What is made of the answers of an endpoint.
pub(super) fn responses(layers: &Layers<'_>, report: &mut Report) -> ResponsesPlan {
    let actions = layers.pick("response_actions", |settings| settings.response_actions.as_ref());
    let actions: Vec<ResponseAction> = match &actions {
        Some((actions, place)) => actions
            .iter()
            .enumerate()
            .filter_map(|(index, raw)| action(raw, &at_index(place, index), report))
            .collect(),
        None => Vec::new(),
    };
    let format = layers.pick("response_format", |settings| settings.response_format.as_ref());
    let format = format.and_then(|(raw, place)| format_of(raw, &place, report));
    let keyed_by = layers.pick("keyed_by", |settings| settings.keyed_by.as_ref());
    if let Some((_, place)) = keyed_by.as_ref().filter(|(name, _)| name.trim().is_empty()) {
        report.add(place, "is empty", Some("name the field that gets the rows' keys, like `id`".to_owned()));
    }
    if let (Some((_, place)), Some(Format::NdJson | Format::Csv(_))) = (&keyed_by, &format) {
        report.add(place, "goes with JSON documents only", None);
    }
    let flag = |key, get: fn(&_) -> Option<&bool>| layers.pick(key, get).is_some_and(|(flag, _)| *flag);
    ResponsesPlan {
        actions: Arc::from(actions),
        optional: flag("optional", |settings| settings.optional.as_ref()),
        format,
        keyed_by: keyed_by.map(|(name, _)| name.clone()),
        conditional: flag("conditional", |settings| settings.conditional.as_ref()),
    }
}

fn action(raw: &RawResponseAction, place: &str, report: &mut Report) -> Option<ResponseAction> {
    let status = raw.status_code.as_ref().map(|raw| status(raw, &at_key(place, "status_code"), report));
    let json = raw.json_path.as_ref().map(|text| json(text, raw.equals.as_ref(), place, report));
    let header = raw
        .header
        .as_ref()
        .map(|name| HeaderCondition { name: name.trim().to_owned(), value: raw.value.clone() });
    if let Some(header) = header.as_ref().filter(|header| !is_header_name(&header.name)) {
        report.add_text(&at_key(place, "header"), &header.name, "is no name of a header");
    }
    if raw.content.as_deref() == Some("") {
        report.add(&at_key(place, "content"), "is empty, which every answer contains", None);
    }
    if raw.equals.is_some() && raw.json_path.is_none() {
        report.add(&at_key(place, "equals"), "needs a json_path", None);
    }
    if raw.value.is_some() && raw.header.is_none() {
        report.add(&at_key(place, "value"), "needs the name of a header", None);
    }
    if status.is_none() && json.is_none() && header.is_none() && raw.content.is_none() {
        let hint = "give one of status_code, content, json_path, header";
        report.add(place, "has no condition: it would be about every answer", Some(hint.to_owned()));
    }
    let action = match raw.action {
        RawAction::Ignore => Action::Ignore,
        RawAction::Retry => Action::Retry,
        RawAction::Fail => Action::Fail,
        RawAction::Stop => Action::Stop,
        RawAction::Empty => Action::Empty,
    };
    let (status, json) = (transposed(status)?, transposed(json)?);
    Some(ResponseAction { status, content: raw.content.clone(), json, header, action })
}

/// `None` for a condition with a problem.
#[expect(clippy::option_option, reason = "given or not, sound or not")]
fn transposed<T>(condition: Option<Option<T>>) -> Option<Option<T>> {
    condition.map_or(Some(None), |condition| condition.map(Some))
}

fn status(raw: &RawStatusCode, place: &str, report: &mut Report) -> Option<StatusCondition> {
    let code = match raw {
        RawStatusCode::Code(code) => Some(*code),
        RawStatusCode::Text(text) => {
            let text = text.trim().to_ascii_lowercase();
            if let Some(class) = text.strip_suffix("xx").and_then(|class| class.parse().ok())
                && (1..=5).contains(&class)
            {
                return Some(StatusCondition::Class(class));
            }
            text.parse().ok()
        }
    };
    let condition = code.filter(|code| (100..=599).contains(code)).map(StatusCondition::Code);
    if condition.is_none() {
        report.add(place, STATUS_RULE, None);
    }
    condition
}

fn json(text: &str, equals: Option<&RawScalar>, place: &str, report: &mut Report) -> Option<JsonCondition> {
    let path = paginator::json_path(text, &at_key(place, "json_path"), report)?;
    Some(JsonCondition { path, equals: equals.map(RawScalar::to_json) })
}

fn is_header_name(name: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_token)
}

fn format_of(raw: &RawResponseFormat, place: &str, report: &mut Report) -> Option<Format> {
    let csv = match raw {
        RawResponseFormat::Name(RawFormatName::Json) => return Some(Format::Json),
        RawResponseFormat::Name(RawFormatName::Ndjson) => return Some(Format::NdJson),
        RawResponseFormat::Name(RawFormatName::Csv) => return Some(Format::Csv(CsvFormat::default())),
        RawResponseFormat::Settings(RawFormatSettings::Csv(csv)) => csv,
    };
    let delimiter = match csv.delimiter.as_deref().map(str::as_bytes) {
        None => Some(b','),
        Some([byte]) if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Some(*byte),
        Some(_) => {
            let hint = "write one ASCII character, like `;` or a tab as \"\\t\"";
            report.add(&at_key(place, "delimiter"), "is no delimiter", Some(hint.to_owned()));
            None
        }
    };
    if csv.header.as_ref().is_some_and(Vec::is_empty) {
        report.add(&at_key(place, "header"), "is empty", None);
    }
    Some(Format::Csv(CsvFormat { delimiter: delimiter?, header: csv.header.clone() }))
}

/// A resource as far as `conditional` has to know it.
pub(super) struct Owner<'a> {
    /// Place of the resource.
    pub path: &'a str,
    /// How its rows are written.
    pub hints: &'a TableHints,
    /// Whether runs read only what is new.
    pub is_incremental: bool,
    /// Whether there is a list for each row of a parent.
    pub is_child: bool,
    /// How it is asked for.
    pub method: Method,
    /// How its pages follow each other.
    pub paginator: &'a PaginatorPlan,
}

/// Reports why an answer that is the same would not mean rows that are the same.
pub(super) fn check_conditional(owner: &Owner<'_>, report: &mut Report) {
    let hints = owner.hints;
    let reason = if owner.method != Method::Get {
        "goes with `GET` only"
    } else if owner.is_incremental {
        "does not go with endpoint.incremental, which asks for other rows each time"
    } else if owner.is_child && (hints.replaces_all() || hints::retires_unseen(hints)) {
        "does not go with rows of a child that replace each other: of those that are the same none come"
    } else if !says_in_the_body_what_follows(&owner.paginator.kind) {
        "needs a paginator that finds the next page in the body: a page may be the same though another follows now"
    } else {
        return;
    };
    report.add(owner.path, format!("endpoint.conditional {reason}"), None);
}

fn says_in_the_body_what_follows(kind: &PaginatorKind) -> bool {
    match kind {
        PaginatorKind::Cursor { source, .. } => !matches!(source, CursorSource::Header(_)),
        PaginatorKind::SinglePage
        | PaginatorKind::Latest { .. }
        | PaginatorKind::Offset { .. }
        | PaginatorKind::PageNumber { .. }
        | PaginatorKind::JsonLink { .. } => true,
        PaginatorKind::Auto | PaginatorKind::HeaderLink { .. } => false,
    }
}

/// Reports resources with children that may get no rows: the children would have nothing to go through.
pub(super) fn check_parents(drafts: &[Draft], report: &mut Report) {
    for (index, draft) in drafts.iter().enumerate() {
        let is_conditional = draft.plan.as_ref().is_some_and(|plan| plan.endpoint.responses.conditional);
        let is_parent =
            || drafts.iter().any(|child| child.parents.iter().any(|(name, _)| *name == draft.name));
        if is_conditional && is_parent() {
            let message = "endpoint.conditional does not go with children: they need the rows of each run";
            report.add(&at_index("resources", index), message, None);
        }
    }
}
