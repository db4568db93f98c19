//! What stands between braces.

use std::fmt;

use super::{RenderError, TemplateError};
use crate::page::JsonPath;

/// What a text leaves open until its request is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placeholder {
    /// `{resources.<parent>.<field>}`: a field of the parent's row.
    Resource {
        /// Name of the parent.
        resource: String,
        /// Where the value is in the parent's row; the first match counts.
        field: JsonPath,
    },
    /// `{incremental.<value>}`: where this reading starts or ends.
    Incremental(IncrementalValue),
    /// `{<name>}`, in a path only: the value of `params.<name>`, which is then no parameter any more. dlt's older
    /// form; bound when the file is read, so that no plan has one.
    Param(String),
}

/// The values that dlt's `incremental` gives to placeholders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IncrementalValue {
    /// What this run starts from.
    StartValue,
    /// The newest value so far, which is what a run starts from.
    LastValue,
    /// What the first run starts from.
    InitialValue,
    /// Where a reading of a range ends.
    EndValue,
}

impl IncrementalValue {
    const ALL: [Self; 4] = [Self::StartValue, Self::LastValue, Self::InitialValue, Self::EndValue];

    fn name(self) -> &'static str {
        match self {
            Self::StartValue => "start_value",
            Self::LastValue => "last_value",
            Self::InitialValue => "initial_value",
            Self::EndValue => "end_value",
        }
    }
}

impl Placeholder {
    /// Reads what stands between braces.
    pub(super) fn parse(name: &str) -> Result<Self, TemplateError> {
        let unknown = || TemplateError::Unknown(name.to_owned());
        if let Some(value) = name.strip_prefix("incremental.") {
            let known = IncrementalValue::ALL.into_iter().find(|known| known.name() == value);
            return known.map(Self::Incremental).ok_or_else(unknown);
        }
        if let Some(rest) = name.strip_prefix("resources.") {
            let (resource, field) = rest.split_once('.').ok_or_else(unknown)?;
            if resource.is_empty() {
                return Err(unknown());
            }
            let field = field.parse().map_err(|_| TemplateError::Field(name.to_owned()))?;
            return Ok(Self::Resource { resource: resource.to_owned(), field });
        }
        // Python's format specifications and subscripts have no meaning here.
        if name.is_empty() || name.contains(['.', ':', '!', '[', ' ']) {
            return Err(unknown());
        }
        Ok(Self::Param(name.to_owned()))
    }

    pub(super) fn missing(&self) -> RenderError {
        RenderError::Missing(self.to_string())
    }
}

impl fmt::Display for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resource { resource, field } => write!(f, "{{resources.{resource}.{field}}}"),
            Self::Incremental(value) => write!(f, "{{incremental.{}}}", value.name()),
            Self::Param(name) => write!(f, "{{{name}}}"),
        }
    }
}
