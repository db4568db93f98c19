//! What databases can hold, as far as it decides which values go to which columns.

use super::{Column, DataType};

/// Digits of a decimal column without a precision, and how many of them are after the point, as in dlt.
const DECIMAL_DIGITS: (u32, u32) = (38, 9);
/// Digits of whole numbers of wei that are kept at any rate: what Arrow's decimals hold.
const WEI_WHOLE_DIGITS: u32 = 38;

/// What a destination can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Longest identifier, in bytes.
    pub max_identifier_length: usize,
    /// The largest precision by which a text column refuses longer text. `None`: text has no limits, and the precision
    /// is a note.
    pub max_text_limit: Option<u32>,
    /// Whether no two rows of a table may have one `_dlt_id`.
    pub has_unique_ids: bool,
    /// Bits of the smallest integer type.
    pub min_integer_bits: u32,
    /// Most digits of an exact number.
    pub max_decimal_digits: u32,
    /// Digits of a wei column without a precision, and how many of them are after the point.
    pub wei_digits: (u32, u32),
}

impl Capabilities {
    /// The most characters that a text column takes, if there is a limit.
    pub fn text_limit(&self, column: &Column) -> Option<u32> {
        let most = self.max_text_limit?;
        column.precision.filter(|limit| (1..=most).contains(limit))
    }

    /// Digits of a decimal or wei column, and how many of them are after the point: as many as the database can have.
    ///
    /// A scale that the column does not give is cut where it would leave wei less before the point than its values have.
    /// There dlt asks for a type that Postgres has from version 15 on, and which holds no wei.
    pub fn decimal_digits(&self, column: &Column) -> (u32, u32) {
        let is_wei = column.data_type == Some(DataType::Wei);
        let (precision, scale) = if is_wei { self.wei_digits } else { DECIMAL_DIGITS };
        let precision = column.precision.unwrap_or(precision).clamp(1, self.max_decimal_digits);
        let whole = if is_wei { WEI_WHOLE_DIGITS } else { 0 };
        let scale = column.scale.unwrap_or(scale.min(precision.saturating_sub(whole)));
        (precision, scale.min(precision))
    }
}

#[cfg(test)]
impl Capabilities {
    /// Nothing is in the way of what tests do.
    pub(crate) const ROOMY: Self = Self {
        max_identifier_length: 65_536,
        max_text_limit: None,
        has_unique_ids: false,
        min_integer_bits: 8,
        max_decimal_digits: 38,
        wei_digits: (38, 0),
    };
}
