//! Columns that get another type: wide enough for all their values, or the first one that a value tells.

use super::Retype;
use super::error::WarningKind;
use super::store::Store;
use super::table::{ColumnId, Field};
use crate::schema::{Column, DataType, Schema, TypeConflict, Value};

/// The largest integer up to which a double holds each one.
const EXACT_IN_DOUBLE: u64 = 1 << 53;

/// Hint of a column that was only ever null: its type is not known yet.
const NULL_ONLY: &str = "x-null-only";

/// What a package does to types.
#[derive(Debug)]
pub(super) struct Retypes {
    /// Whether columns are widened at all.
    pub(super) is_on: bool,
    /// What earlier tries asked for.
    asked: Vec<Retype>,
    /// Columns of [`Retypes::asked`] that stay as they are: the database cannot change them.
    pinned: Vec<(String, String)>,
    /// What this try asks for.
    pub(super) wanted: Vec<Retype>,
    /// Columns of the database that have another type than there.
    pub(super) changed: Vec<Retype>,
}

impl Retypes {
    /// `asked` columns that are listed with the type that `schema` has for them are not to be widened.
    pub(super) fn new(on_type_conflict: TypeConflict, asked: Vec<Retype>, schema: &Schema) -> Self {
        let is_pinned = |retype: &&Retype| {
            let column = schema.tables.get(&retype.table).and_then(|table| table.columns.get(&retype.column));
            column.is_some_and(|column| column.data_type == Some(retype.data_type) && !is_null_only(column))
        };
        let pinned = asked.iter().filter(is_pinned);
        let pinned = pinned.map(|retype| (retype.table.clone(), retype.column.clone())).collect();
        Self {
            is_on: on_type_conflict == TypeConflict::Widen,
            asked,
            pinned,
            wanted: Vec::new(),
            changed: Vec::new(),
        }
    }

    /// Whether the batch of this try is of no use: another one follows.
    pub(super) fn is_futile(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// The type that an earlier try asked for.
    pub(super) fn asked_for(&self, table: &str, column: &str) -> Option<DataType> {
        let same = |retype: &&Retype| retype.table == table && retype.column == column;
        self.asked.iter().find(same).map(|retype| retype.data_type)
    }
}

/// Puts a retype among others, in the place of an older one for the same column.
pub(crate) fn replace(retypes: &mut Vec<Retype>, retype: Retype) {
    let same = |other: &&mut Retype| other.table == retype.table && other.column == retype.column;
    match retypes.iter_mut().find(same) {
        Some(other) => *other = retype,
        None => retypes.push(retype),
    }
}

/// Whether the column is there for nulls alone.
pub(super) fn is_null_only(column: &Column) -> bool {
    column.hints.get(NULL_ONLY) == Some(&true.into())
}

/// Gives a column another type; what was said of the old one goes.
fn retype(column: &mut Column, data_type: DataType) {
    column.data_type = Some(data_type);
    column.precision = None;
    column.scale = None;
    column.timezone = None;
}

/// Whether a double holds this integer.
fn is_exact(number: i64) -> bool {
    number.unsigned_abs() <= EXACT_IN_DOUBLE
}

/// The narrowest type that holds what a column of type `from` has, and `value`, which does not fit it. `None`: text
/// would not tell objects and bytes from what they look like.
fn wider(from: DataType, value: &Value<'_>) -> Option<DataType> {
    match (from, value) {
        (DataType::Json | DataType::Binary, _) => None,
        (DataType::Bigint | DataType::Double, Value::Float(_)) => Some(DataType::Double),
        (DataType::Double, Value::Int(number)) if is_exact(*number) => Some(DataType::Double),
        (DataType::Bigint | DataType::Wei, Value::Int(_) | Value::Wide(_)) => Some(DataType::Wei),
        _ => Some(DataType::Text),
    }
}

impl Store {
    /// Whether a value that a column takes by dlt's rules would not be the same afterwards. Of interest only where
    /// columns are widened instead.
    pub(super) fn would_round(&self, table: usize, column: ColumnId, value: &Value<'_>) -> bool {
        self.retypes.is_on
            && matches!(value, Value::Int(number) if !is_exact(*number))
            && self.tables[table].columns[column].data_type() == DataType::Double
            && self.can_widen(table, column)
    }

    fn can_widen(&self, table: usize, column: ColumnId) -> bool {
        let builder = &self.tables[table];
        let name = &builder.columns[column].name;
        let is_pinned = |(table, column): &(String, String)| *table == builder.name && column == name;
        self.retypes.is_on && !self.retypes.pinned.iter().any(is_pinned)
    }

    /// Asks for a type that holds a value which its column cannot hold, too. `false`: there is none.
    pub(super) fn widen(&mut self, table: usize, column: ColumnId, value: &Value<'_>) -> bool {
        if !self.can_widen(table, column) {
            return false;
        }
        let builder = &self.tables[table];
        let name = &builder.columns[column].name;
        let same = |retype: &&Retype| retype.table == builder.name && retype.column == *name;
        let wanted = self.retypes.wanted.iter().find(same).map(|retype| retype.data_type);
        let from = wanted.unwrap_or_else(|| builder.columns[column].data_type());
        if from == DataType::Text {
            return true;
        }
        let Some(data_type) = wider(from, value) else { return false };
        let retype = Retype { table: builder.name.clone(), column: name.clone(), data_type };
        replace(&mut self.retypes.wanted, retype);
        true
    }

    /// Gives columns that the schema lists the types that earlier tries asked for.
    pub(super) fn retype_listed(&mut self, table: usize) {
        let name = self.tables[table].name.clone();
        let Some(listed) = self.schema.tables.get_mut(&name) else { return };
        let in_database = listed.has_seen_data();
        let mut widened = Vec::new();
        for asked in self.retypes.asked.iter().filter(|asked| asked.table == name) {
            let Some(column) = listed.columns.get_mut(&asked.column) else { continue };
            let Some(from) = column.data_type.filter(|from| *from != asked.data_type) else { continue };
            if in_database {
                replace(&mut self.retypes.changed, asked.clone());
            }
            retype(column, asked.data_type);
            widened.push((asked.column.clone(), from, asked.data_type));
        }
        for (column, from, to) in widened {
            self.warn(WarningKind::Widened(from, to), table, &column);
        }
    }

    /// The type of a new column that begins with `value`.
    pub(super) fn first_type(&mut self, table: usize, column: &str, value: &Value<'_>) -> DataType {
        let inferred = value.inferred_type();
        match self.retypes.asked_for(&self.tables[table].name, column) {
            Some(asked) if asked != inferred => {
                self.warn(WarningKind::Widened(inferred, asked), table, column);
                asked
            }
            Some(asked) => asked,
            None => inferred,
        }
    }

    /// Gives a column that was only ever null the type that its first value tells, at its place. Returns whether it
    /// was one.
    pub(super) fn settle_null_only(&mut self, table: usize, name: &str, data_type: DataType) -> bool {
        let Some(listed) = self.schema.tables.get_mut(&self.tables[table].name) else { return false };
        let in_database = listed.has_seen_data();
        let Some(column) = listed.columns.get_mut(name).filter(|column| is_null_only(column)) else {
            return false;
        };
        column.hints.shift_remove(NULL_ONLY);
        if column.data_type != Some(data_type) {
            retype(column, data_type);
            if in_database {
                let table = self.tables[table].name.clone();
                replace(&mut self.retypes.changed, Retype { table, column: name.to_owned(), data_type });
            }
        }
        true
    }

    /// Lists columns for fields of a table that were only ever null.
    pub(super) fn list_null_columns(&mut self, table: usize) {
        for field in 0..self.tables[table].fields.len() {
            let Field { name, was_null, system, .. } = &self.tables[table].fields[field];
            if !was_null || system.is_some() {
                continue;
            }
            let name = name.clone();
            let listed = self.schema.tables.get(&self.tables[table].name);
            let is_known = listed.is_some_and(|listed| {
                listed.columns.get(&name).is_some_and(|column| column.data_type.is_some())
            });
            if is_known || !self.may_add_columns(table) {
                continue;
            }
            let mut column = Column::new(name, DataType::Text);
            column.hints.insert(NULL_ONLY.to_owned(), true.into());
            self.add_column(table, column);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_hold_what_was_there_and_what_comes() {
        use DataType::{Bigint, Bool, Date, Decimal, Double, Json, Text, Timestamp, Wei};
        let check = |from, json: &'static str, expected: Option<DataType>| {
            let value = match json {
                "true" => Value::Bool(true),
                text if text.starts_with(|first: char| first.is_ascii_digit()) => Value::number(text),
                text => Value::Text(text.into()),
            };
            assert_eq!(wider(from, &value), expected, "{json} into {from:?}");
        };
        check(Bigint, "1.5", Some(Double));
        check(Bigint, "18446744073709551616", Some(Wei));
        check(Bigint, "true", Some(Text));
        check(Bigint, "x", Some(Text));
        check(Wei, "7", Some(Wei));
        check(Wei, "1.5", Some(Text));
        check(Double, "9007199254740992", Some(Double));
        check(Double, "9007199254740993", Some(Text));
        check(Double, "18446744073709551616", Some(Text));
        check(Bool, "x", Some(Text));
        check(Timestamp, "x", Some(Text));
        check(Date, "true", Some(Text));
        check(Decimal, "x", Some(Text));
        check(Json, "x", None);
    }
}
