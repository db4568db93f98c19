//! What happens to rows before they are kept.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

/// One step: jq expressions, applied in the order `filter`, `map`, `yield_map`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawStep {
    /// Keeps the rows for which its first output is neither `false` nor `null`.
    pub filter: Option<String>,
    /// Makes one row of each.
    pub map: Option<String>,
    /// Makes a row of each output; a list counts as its elements, and `null` as nothing.
    pub yield_map: Option<String>,
}

/// Which fields rows keep, and by which names. Fields are named as the API does (after `processing_steps`), with dots
/// between levels; a name with a dot in it is written with a backslash before the dot.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawFields {
    /// Only these are kept, each with all that is in it.
    pub include: Option<Vec<String>>,
    /// These are left out.
    pub exclude: Option<Vec<String>>,
    /// Field → its new name, in the place where it is.
    #[schemars(with = "Option<std::collections::BTreeMap<String, String>>")]
    pub rename: Option<IndexMap<String, String>>,
}

/// What becomes of a value before it is kept anywhere.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("x-hint" = "write \"hash\", \"mask\", \"drop\", \"keep\" or { mask = 4 }"))]
pub(in crate::config) enum RawProtection {
    /// By name.
    Name(RawProtectionName),
    /// With the characters that stay.
    Mask(RawMask),
}

/// What becomes of a value before it is kept anywhere.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RawProtectionName {
    /// HMAC-SHA256 under `pipeline.hash_key`, in hex: the same for the same value.
    Hash,
    /// `***`.
    Mask,
    /// The field is left out.
    Drop,
    /// It stays as it is; takes back what `resource_defaults` says.
    Keep,
}

/// A mask that shows the end of the value.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawMask {
    /// How many characters at the end stay, in values of more than twice that length.
    #[schemars(range(min = 0, max = 64))]
    pub mask: u32,
}
