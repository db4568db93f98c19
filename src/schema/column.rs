//! A column: name, type, hints.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Digits of a decimal column without a precision, as in dlt.
const DECIMAL_PRECISION: u32 = 38;
/// Digits after the point of a decimal column without a scale, as in dlt.
const DECIMAL_SCALE: u32 = 9;

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
#[serde(from = "StoredColumn", into = "StoredColumn")]
pub struct Column {
    /// Normalized name.
    pub name: String,
    /// `None` until the first value that is not null: such a column is not in the database yet.
    pub data_type: Option<DataType>,
    /// Whether null is allowed.
    pub nullable: bool,
    /// Whether null is only allowed because nothing is said of it. dlt keeps the difference in its document.
    implied: bool,
    /// Length, digits, bits or fractional digits, as the type has it.
    pub precision: Option<u32>,
    /// Digits after the point of a decimal.
    pub scale: Option<u32>,
    /// Whether a timestamp carries its zone; yes if not given.
    pub timezone: Option<bool>,
    /// Everything else: hints, descriptions, keys we do not know.
    pub hints: Map<String, Value>,
}

/// A column, key by key.
#[derive(Serialize, Deserialize)]
struct StoredColumn {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    data_type: Option<DataType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nullable: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    precision: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scale: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timezone: Option<bool>,
    #[serde(flatten)]
    hints: Map<String, Value>,
}

impl From<StoredColumn> for Column {
    fn from(stored: StoredColumn) -> Self {
        let StoredColumn { name, data_type, nullable, precision, scale, timezone, hints } = stored;
        let implied = nullable.is_none();
        Self {
            name,
            data_type,
            nullable: nullable.unwrap_or(true),
            implied,
            precision,
            scale,
            timezone,
            hints,
        }
    }
}

impl From<Column> for StoredColumn {
    fn from(column: Column) -> Self {
        let nullable = column.stated_nullable();
        let Column { name, data_type, precision, scale, timezone, hints, .. } = column;
        Self { name, data_type, nullable, precision, scale, timezone, hints }
    }
}

impl Column {
    /// A nullable column without hints.
    pub fn new(name: impl Into<String>, data_type: DataType) -> Self {
        Self { data_type: Some(data_type), implied: false, ..Self::hinted(name) }
    }

    /// A column that nothing is known of but its name: what hints start from.
    pub fn hinted(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            data_type: None,
            nullable: true,
            implied: true,
            precision: None,
            scale: None,
            timezone: None,
            hints: Map::new(),
        }
    }

    /// Whether null is allowed, as far as somebody said so.
    pub fn stated_nullable(&self) -> Option<bool> {
        (!self.nullable || !self.implied).then_some(self.nullable)
    }

    /// The same column, not nullable.
    #[must_use]
    pub fn not_null(mut self) -> Self {
        self.nullable = false;
        self
    }

    /// The same column with a hint set.
    #[must_use]
    pub fn with(mut self, hint: Hint) -> Self {
        self.set(hint);
        self
    }

    /// The same column, of which it is said whether null is allowed.
    #[must_use]
    pub fn with_nullable(mut self, nullable: bool) -> Self {
        (self.nullable, self.implied) = (nullable, false);
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

    /// Digits of a decimal, and how many of them are after the point: as many as the database can have.
    pub fn decimal_digits(&self) -> (u8, u8) {
        let scale = if self.data_type == Some(DataType::Wei) { 0 } else { DECIMAL_SCALE };
        let precision = self.precision.unwrap_or(DECIMAL_PRECISION).clamp(1, DECIMAL_PRECISION);
        let scale = self.scale.unwrap_or(scale).min(precision);
        (u8::try_from(precision).unwrap_or(38), u8::try_from(scale).unwrap_or(0))
    }

    /// Takes over everything that `other` says, whether or not this column says something else. That is how dlt
    /// merges columns.
    pub(crate) fn merge(&mut self, other: Self) {
        if let Some(nullable) = other.stated_nullable() {
            (self.nullable, self.implied) = (nullable, false);
        }
        self.data_type = other.data_type.or(self.data_type);
        self.precision = other.precision.or(self.precision);
        self.scale = other.scale.or(self.scale);
        self.timezone = other.timezone.or(self.timezone);
        self.hints.extend(other.hints);
    }

    /// The same column without what only repeats a default.
    pub(crate) fn without_defaults(mut self) -> Self {
        self.implied = true;
        self.timezone = self.timezone.filter(|zoned| !zoned);
        let keys: Vec<_> = self.hints.keys().filter(|key| !self.says(key)).cloned().collect();
        for key in keys {
            self.hints.shift_remove(&key);
        }
        self
    }
}
