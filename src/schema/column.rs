//! A column: name, type, hints.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// dlt's data types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataType {
    /// Text.
    Text,
    /// Signed integer, 64 bits unless a precision says otherwise.
    Bigint,
    /// IEEE 754 double.
    Double,
    /// Truth value.
    Bool,
    /// Instant, UTC, microseconds.
    Timestamp,
    /// Calendar date.
    Date,
    /// Time of day.
    Time,
    /// Exact number, 38 digits with 9 after the point unless hinted.
    Decimal,
    /// Exact integer of up to 256 bits.
    Wei,
    /// Bytes.
    Binary,
    /// JSON kept whole.
    Json,
}

/// Yes/no hints that this program sets or reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// Part of the row's identity.
    PrimaryKey,
    /// Part of the group of rows that is replaced together.
    MergeKey,
    /// No two rows share a value.
    Unique,
    /// `_dlt_id`.
    RowKey,
    /// `_dlt_parent_id`.
    ParentKey,
    /// `_dlt_root_id`.
    RootKey,
    /// Made for values that did not fit another column.
    Variant,
    /// The cursor of an incremental resource.
    Incremental,
    /// When a version of a row began, in a table that keeps history.
    ValidFrom,
    /// When it ended.
    ValidTo,
    /// Differs between versions of a row.
    RowVersion,
}

impl Hint {
    /// The key in dlt's schema document.
    pub const fn key(self) -> &'static str {
        match self {
            Self::PrimaryKey => "primary_key",
            Self::MergeKey => "merge_key",
            Self::Unique => "unique",
            Self::RowKey => "row_key",
            Self::ParentKey => "parent_key",
            Self::RootKey => "root_key",
            Self::Variant => "variant",
            Self::Incremental => "incremental",
            Self::ValidFrom => "x-valid-from",
            Self::ValidTo => "x-valid-to",
            Self::RowVersion => "x-row-version",
        }
    }
}

/// One column as dlt's schema document has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Normalized name.
    pub name: String,
    /// `None` until the first value that is not null: such a column is not in the database yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_type: Option<DataType>,
    /// Whether null is allowed; yes if not given. dlt keeps what a hint leaves open as open, also in the hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nullable: Option<bool>,
    /// Length, digits, bits or fractional digits, as the type has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<u32>,
    /// Digits after the point of a decimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<u32>,
    /// Whether a timestamp carries its zone; yes if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<bool>,
    /// Everything else: hints, descriptions, keys we do not know.
    #[serde(flatten)]
    pub hints: Map<String, Value>,
}

impl Column {
    /// A nullable column without hints.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Self { data_type: Some(data_type), nullable: Some(true), ..Self::hinted(name) }
    }

    /// A column that nothing is known of but its name: what hints start from.
    pub fn hinted(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            data_type: None,
            nullable: None,
            precision: None,
            scale: None,
            timezone: None,
            hints: Map::new(),
        }
    }

    /// The same column, not nullable.
    #[must_use]
    pub fn not_null(mut self) -> Self {
        self.nullable = Some(false);
        self
    }

    /// Whether null is allowed.
    pub fn is_nullable(&self) -> bool {
        self.nullable != Some(false)
    }

    /// The same column with a hint set.
    #[must_use]
    pub fn with(mut self, hint: Hint) -> Self {
        self.set(hint);
        self
    }

    /// Sets a hint.
    pub fn set(&mut self, hint: Hint) {
        self.hints.insert(hint.key().to_owned(), Value::Bool(true));
    }

    /// Whether a hint is set.
    pub fn has(&self, hint: Hint) -> bool {
        self.hints.get(hint.key()) == Some(&Value::Bool(true))
    }
    /// Whether the hint `key` says anything: dlt takes no, null and what is the default anyway as if it were missing.
    pub fn says(&self, key: &str) -> bool {
        match (key, self.hints.get(key)) {
            (_, None) => false,
            // Null has a meaning here: rows that are valid now have no end.
            ("x-active-record-timestamp", Some(_)) => true,
            (_, Some(value)) => !matches!(value, Value::Null | Value::Bool(false)),
        }
    }

    /// Takes over everything that `other` says, whether or not this column says something else. That is how dlt
    /// merges columns.
    pub(crate) fn merge(&mut self, other: Self) {
        self.nullable = other.nullable.or(self.nullable);
        self.data_type = other.data_type.or(self.data_type);
        self.precision = other.precision.or(self.precision);
        self.scale = other.scale.or(self.scale);
        self.timezone = other.timezone.or(self.timezone);
        self.hints.extend(other.hints);
    }

    /// The same column without what only repeats a default.
    pub(crate) fn without_defaults(mut self) -> Self {
        self.nullable = self.nullable.filter(|nullable| !nullable);
        self.timezone = self.timezone.filter(|zoned| !zoned);
        let keys: Vec<_> = self.hints.keys().filter(|key| !self.says(key)).cloned().collect();
        for key in keys {
            self.hints.shift_remove(&key);
        }
        self
    }
}
