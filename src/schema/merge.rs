//! What hints do to a table of the schema: dlt's rules for merging what a resource says into what is known.

use indexmap::IndexMap;
use serde_json::Value;

use super::column::{Column, DataType};
use super::table::Table;

/// Hints that several columns carry together: named anew, they replace those of before.
const COMPOUND: [&str; 5] = ["primary_key", "merge_key", "incremental", "partition", "cluster"];

impl Table {
    /// Takes over what `hints` say of the table and its columns. Nothing goes but hints that columns carry together,
    /// such as keys. Columns without a type that get one move to the end.
    ///
    /// Where dlt fails, or breaks the table, what is there stays: the parent of a table, and the type of a column that
    /// is in the database. Returns the names of columns whose hinted type was not taken over for that reason.
    pub(crate) fn merge_hints(&mut self, hints: Self) -> Vec<String> {
        self.write_disposition = hints.write_disposition.or(self.write_disposition);
        if self.parent.is_none() {
            self.resource = hints.resource.or(self.resource.take());
        }
        for (key, value) in hints.other {
            match (self.other.get_mut(&key), value) {
                // That rows were seen does not change because of what is said now.
                (Some(Value::Object(known)), Value::Object(said)) if key == "x-normalizer" => {
                    known.extend(said);
                }
                (_, value) => drop(self.other.insert(key, value)),
            }
        }
        for key in COMPOUND {
            if hints.columns.values().any(|column| column.says(key)) {
                self.columns.values_mut().for_each(|column| drop(column.hints.shift_remove(key)));
            }
        }
        let is_in_database = self.has_seen_data();
        let mut kept = Vec::new();
        for (name, mut hinted) in hints.columns {
            let Some(known) = self.columns.get_mut(&name) else {
                self.add(hinted);
                continue;
            };
            if is_in_database && known.data_type.is_some() && keep_type(&mut hinted, known) {
                kept.push(name.clone());
            }
            let gets_its_type = known.data_type.is_none() && hinted.data_type.is_some();
            known.merge(hinted);
            if gets_its_type && let Some(column) = self.columns.shift_remove(&name) {
                self.add(column);
            }
        }
        kept
    }
}

/// Has a hint say of a column's type what is true already. Returns whether it said anything else.
fn keep_type(hinted: &mut Column, known: &Column) -> bool {
    let same_type = hinted.data_type.is_none_or(|data_type| Some(data_type) == known.data_type);
    let same_parts = hinted.precision.is_none_or(|precision| Some(precision) == known.precision)
        && hinted.scale.is_none_or(|scale| Some(scale) == known.scale)
        && hinted.timezone.is_none_or(|timezone| timezone == known.timezone.unwrap_or(true));
    // Other types are the same in the database whatever their precision.
    let has_parts = matches!(
        known.data_type,
        Some(DataType::Bigint | DataType::Decimal | DataType::Wei | DataType::Timestamp)
    );
    let same = same_type && (same_parts || !has_parts);
    if !same {
        hinted.data_type = None;
        (hinted.precision, hinted.scale, hinted.timezone) = (None, None, None);
    }
    !same
}

/// Columns under their normalized names. Of two that come to have the same, the later one adds to the earlier.
pub(crate) fn renamed(
    columns: impl IntoIterator<Item = Column>,
    normalize: impl Fn(&str) -> String,
) -> IndexMap<String, Column> {
    let mut renamed = IndexMap::<String, Column>::new();
    for mut column in columns {
        column.name = normalize(&column.name);
        match renamed.get_mut(&column.name) {
            Some(earlier) => earlier.merge(column.without_defaults()),
            None => drop(renamed.insert(column.name.clone(), column)),
        }
    }
    renamed
}
