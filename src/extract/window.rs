//! The ranges of values that a package reads of a resource with a cursor field.

use serde_json::Value;

use super::error::ExtractError;
use crate::config::{CursorField, IncrementalValue, Placeholder, ResourcePlan};
use crate::package::Manifest;
use crate::state::{Begin, IncrementalError, Range, Reading};

/// What a package's reading of a resource goes by.
pub fn begin<'a>(manifest: &'a Manifest, resource: &ResourcePlan) -> Begin<'a> {
    let start = manifest.starts.get(&resource.name);
    let scans = resource.incremental.as_ref().is_some_and(|plan| plan.full_scan_every().is_some());
    Begin {
        state: start.and_then(|start| start.state.as_ref()),
        is_full_scan: start.is_some_and(|start| start.full_scan) || (scans && manifest.full_refresh),
        backfill: manifest.backfill.as_ref(),
        now: manifest.created_at,
    }
}

/// The ranges, if the resource has a cursor field.
pub(super) fn reading(
    manifest: &Manifest,
    resource: &ResourcePlan,
) -> Result<Option<Reading>, IncrementalError> {
    resource.cursor_field().map(|field| Reading::of(field, &begin(manifest, resource))).transpose()
}

/// What the requests of one pagination say of its range.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    /// Query parameters.
    pub(super) params: Vec<(String, String)>,
    placeholders: Vec<(IncrementalValue, Value)>,
}

impl Bounds {
    pub(super) fn of(resource: &ResourcePlan, range: Option<&Range>) -> Result<Self, ExtractError> {
        let (Some(field), Some(range)) = (resource.cursor_field(), range) else { return Ok(Self::default()) };
        let params = [(&field.start_param, range.start_to_send()), (&field.end_param, range.end_to_send())];
        let params = params.into_iter().filter_map(|(name, value)| Some((name.clone()?, value?)));
        let params = params.map(|(name, value)| Ok((name, plain(&to_send(field, value)?))));
        let known = [
            IncrementalValue::StartValue,
            IncrementalValue::LastValue,
            IncrementalValue::InitialValue,
            IncrementalValue::EndValue,
        ];
        let known = known.into_iter().filter_map(|which| Some((which, range.placeholder(which)?)));
        let has_texts = field.sends_start_in_text || field.sends_end_in_text || field.sends_initial_in_text;
        let placeholders =
            known.filter(|_| has_texts).map(|(which, value)| Ok((which, to_send(field, value)?)));
        Ok(Self {
            params: params.collect::<Result<_, ExtractError>>()?,
            placeholders: placeholders.collect::<Result<_, ExtractError>>()?,
        })
    }

    /// The value of a placeholder, if it is one of these.
    pub(super) fn lookup(&self, placeholder: &Placeholder) -> Option<Value> {
        let Placeholder::Incremental(wanted) = placeholder else { return None };
        self.placeholders.iter().find(|(which, _)| which == wanted).map(|(_, value)| value.clone())
    }
}

/// What `convert` makes of a value.
fn to_send(field: &CursorField, value: &Value) -> Result<Value, IncrementalError> {
    let Some(convert) = &field.convert else { return Ok(value.clone()) };
    let failed = |reason: String| IncrementalError::Convert { path: field.cursor_path.to_string(), reason };
    let outputs = convert.run(value.clone()).map_err(|error| failed(error.to_string()))?;
    match <[Value; 1]>::try_from(outputs) {
        Ok([output @ (Value::String(_) | Value::Number(_) | Value::Bool(_))]) => Ok(output),
        Ok([Value::Null]) => Err(failed("it gives null".to_owned())),
        Ok(_) => Err(failed("it gives a list or an object".to_owned())),
        Err(outputs) => Err(failed(format!("it gives {} values", outputs.len()))),
    }
}

/// A JSON value as a query parameter: texts without quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
