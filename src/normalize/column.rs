//! One column of the batch in the making.

use arrow::array::{
    ArrayBuilder, ArrayRef, BinaryBuilder, BooleanBuilder, Date32Builder, Decimal128Builder, Float64Builder,
    Int64Builder, StringBuilder, Time64MicrosecondBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{self as arrow_types, Field};

use crate::schema::{Cell, ColumnType, DataType, Value, coerce};

/// What became of a value offered to a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pushed {
    /// It is in, with that many bytes of text.
    Stored(usize),
    /// The row has a value in this column already.
    Occupied,
    /// The column cannot hold it.
    Misfit,
}

/// Values of one column. It may lag behind the table: rows without a value are filled in when the next value
/// comes, or at the end.
#[derive(Debug)]
pub(super) struct ColumnBuilder {
    /// Name in the schema.
    pub(super) name: String,
    column_type: ColumnType,
    length: usize,
    values: Values,
}

#[derive(Debug)]
enum Values {
    Text(StringBuilder),
    Int(Int64Builder),
    /// Integers of fewer than 64 bits.
    Narrow(Int64Builder),
    Float(Float64Builder),
    Bool(BooleanBuilder),
    Instant(TimestampMicrosecondBuilder),
    Day(Date32Builder),
    Time(Time64MicrosecondBuilder),
    Decimal(Decimal128Builder),
    Binary(BinaryBuilder),
}

/// Calls a method that all builders have.
macro_rules! each_builder {
    ($values:expr, $builder:ident => $call:expr) => {
        match $values {
            Values::Text($builder) => $call,
            Values::Int($builder) | Values::Narrow($builder) => $call,
            Values::Float($builder) => $call,
            Values::Bool($builder) => $call,
            Values::Instant($builder) => $call,
            Values::Day($builder) => $call,
            Values::Time($builder) => $call,
            Values::Decimal($builder) => $call,
            Values::Binary($builder) => $call,
        }
    };
}

impl ColumnBuilder {
    /// An empty column.
    pub(super) fn new(name: String, column_type: ColumnType) -> Self {
        let values = match column_type.data_type {
            _ if column_type.is_textual() => Values::Text(StringBuilder::new()),
            DataType::Bigint if column_type.precision > 64 => Values::Decimal(
                Decimal128Builder::new().with_data_type(decimal_type(column_type.as_digits())),
            ),
            DataType::Bigint if column_type.precision < 64 => Values::Narrow(Int64Builder::new()),
            DataType::Bigint => Values::Int(Int64Builder::new()),
            DataType::Double => Values::Float(Float64Builder::new()),
            DataType::Bool => Values::Bool(BooleanBuilder::new()),
            DataType::Timestamp => Values::Instant(
                TimestampMicrosecondBuilder::new().with_timezone_opt(column_type.zoned.then_some("UTC")),
            ),
            DataType::Date => Values::Day(Date32Builder::new()),
            DataType::Time => Values::Time(Time64MicrosecondBuilder::new()),
            DataType::Decimal | DataType::Wei => {
                Values::Decimal(Decimal128Builder::new().with_data_type(decimal_type(column_type)))
            }
            DataType::Binary => Values::Binary(BinaryBuilder::new()),
            DataType::Text | DataType::Json => Values::Text(StringBuilder::new()),
        };
        Self { name, column_type, length: 0, values }
    }

    /// Whether values that are objects or arrays are kept whole.
    pub(super) fn is_json(&self) -> bool {
        self.column_type.data_type == DataType::Json
    }

    /// Whether the batch has no value here.
    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Whether row `row` of the batch has a value.
    pub(super) fn has(&self, row: usize) -> bool {
        self.length > row
    }

    /// Whether the column can hold a value.
    pub(super) fn takes(&self, value: &Value<'_>) -> bool {
        coerce(self.column_type, value).is_some()
            || self.is_json() && matches!(value, Value::Text(text) if text.trim_ascii() == "null")
    }

    /// The type of its values.
    pub(super) fn data_type(&self) -> DataType {
        self.column_type.data_type
    }

    /// Stores a value in row `row` of the batch.
    pub(super) fn push(&mut self, row: usize, value: &Value<'_>) -> Pushed {
        if self.has(row) {
            return Pushed::Occupied;
        }
        self.pad(row);
        // The common case, without a detour: a value of the column's own type.
        let (takes_any_text, is_json) = (self.column_type == ColumnType::TEXT, self.is_json());
        match (&mut self.values, value) {
            (_, Value::Text(text)) if takes_any_text => return self.push_text(row, text),
            // dlt reads text that meets a JSON column, and this reads as nothing.
            (_, Value::Text(text)) if is_json && text.trim_ascii() == "null" => return Pushed::Stored(0),
            (Values::Int(builder), Value::Int(number)) => {
                builder.append_value(*number);
            }
            _ => match coerce(self.column_type, value) {
                Some(cell) => return self.push_cell(row, &cell),
                None => return Pushed::Misfit,
            },
        }
        self.length = row + 1;
        Pushed::Stored(0)
    }

    /// Stores text in row `row` of a text column.
    pub(super) fn push_text(&mut self, row: usize, text: &str) -> Pushed {
        self.pad(row);
        let Values::Text(builder) = &mut self.values else { return Pushed::Misfit };
        builder.append_value(text);
        self.length = row + 1;
        Pushed::Stored(text.len())
    }

    fn push_cell(&mut self, row: usize, cell: &Cell<'_>) -> Pushed {
        match (&mut self.values, cell) {
            (_, Cell::Text(text)) => return self.push_text(row, text),
            (Values::Int(builder) | Values::Narrow(builder), Cell::Int(value)) => {
                builder.append_value(*value);
            }
            (Values::Float(builder), Cell::Float(value)) => builder.append_value(*value),
            (Values::Bool(builder), Cell::Bool(value)) => builder.append_value(*value),
            (Values::Instant(builder), Cell::Instant(value)) => builder.append_value(*value),
            (Values::Day(builder), Cell::Day(value)) => builder.append_value(*value),
            (Values::Time(builder), Cell::Time(value)) => builder.append_value(*value),
            (Values::Decimal(builder), Cell::Decimal(value)) => builder.append_value(*value),
            (Values::Binary(builder), Cell::Binary(value)) => builder.append_value(value),
            _ => return Pushed::Misfit,
        }
        self.length = row + 1;
        Pushed::Stored(if let Cell::Binary(value) = cell { value.len() } else { 0 })
    }

    /// Fills rows without a value.
    fn pad(&mut self, rows: usize) {
        if self.length < rows {
            let missing = rows - self.length;
            each_builder!(&mut self.values, builder => builder.append_nulls(missing));
            self.length = rows;
        }
    }

    /// The column as an array of `rows` values; the builder is empty then.
    pub(super) fn finish(&mut self, rows: usize) -> (Field, ArrayRef) {
        self.pad(rows);
        self.length = 0;
        let array: ArrayRef = each_builder!(&mut self.values, builder => ArrayBuilder::finish(builder));
        (Field::new(self.name.as_str(), array.data_type().clone(), true), array)
    }
}

fn decimal_type(column_type: ColumnType) -> arrow_types::DataType {
    // Both are 38 at most.
    let precision = u8::try_from(column_type.precision).unwrap_or(38);
    let scale = i8::try_from(column_type.scale).unwrap_or(0);
    arrow_types::DataType::Decimal128(precision, scale)
}
