//! How new rows of a root table meet those that are there: read from the hints of the table alone, as dlt does.

use serde_json::Value;

use crate::schema::{Column, DataType, Hint, MergeStrategy, Table, WriteDisposition};

/// Key of a column hint: which row of equal primary keys stays, the first by this column, `"asc"` or `"desc"`.
const DEDUP_SORT: &str = "dedup_sort";

/// Key of a column hint: the row says that it is to be deleted.
const HARD_DELETE: &str = "hard_delete";

/// What happens to rows that are there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Strategy<'a> {
    /// They stay.
    Append,
    /// All of them go.
    Replace,
    /// Those that share a key with a new row go, with all below them.
    DeleteInsert(Merge<'a>),
    /// Those that share the primary key with a new row take its values.
    Upsert(Merge<'a>),
    /// They stay, and new rows that share their primary key do not come in.
    InsertOnly(Merge<'a>),
    /// Those that are not among the new rows are retired.
    Scd2(Versions<'a>),
}

/// Hints of a table whose rows meet by key.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Merge<'a> {
    /// Columns that identify a row together.
    pub(crate) primary_key: Vec<&'a str>,
    /// Columns that identify a group of rows together.
    pub(crate) merge_key: Vec<&'a str>,
    /// Which of the new rows with one primary key stays; else the last one received.
    pub(crate) dedup_sort: Option<DedupSort<'a>>,
    /// The column that says of a row that it is to be deleted.
    pub(crate) hard_delete: Option<HardDelete<'a>>,
}

/// The row that stays is the first by a column.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DedupSort<'a> {
    /// Name of the column.
    pub(crate) column: &'a str,
    /// Whether large values come first. Nulls come last either way.
    pub(crate) is_descending: bool,
}

/// A column that marks rows as deleted: true, or any value if it is not a truth value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct HardDelete<'a> {
    /// Name of the column.
    pub(crate) column: &'a str,
    /// Whether it is a truth value.
    pub(crate) is_bool: bool,
}

/// Hints of a table that keeps old versions of its rows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Versions<'a> {
    /// Column that tells versions apart: a hash of the row unless the source has one.
    pub(crate) row_version: &'a str,
    /// Column of the instant from which a version is valid.
    pub(crate) valid_from: &'a str,
    /// Column of the instant up to which it is.
    pub(crate) valid_to: &'a str,
    /// End of versions that are valid now, an ISO 8601 instant; else null.
    pub(crate) active_record_timestamp: Option<&'a str>,
    /// Begin of new versions and end of old ones, an ISO 8601 instant; else the time of the load.
    pub(crate) boundary_timestamp: Option<&'a str>,
    /// Columns of a group: only versions in the groups of new rows are retired. Empty: all of them.
    pub(crate) merge_key: Vec<&'a str>,
}

impl<'a> Strategy<'a> {
    /// The strategy that the hints of a root table ask for.
    pub(crate) fn of(root: &'a Table) -> Self {
        match root.write_disposition {
            Some(WriteDisposition::Replace) => Self::Replace,
            Some(WriteDisposition::Merge) => Self::of_merged(root),
            Some(WriteDisposition::Append | WriteDisposition::Skip) | None => Self::Append,
        }
    }

    fn of_merged(root: &'a Table) -> Self {
        let merge = Merge::of(root);
        match root.merge_strategy().unwrap_or(MergeStrategy::DeleteInsert) {
            MergeStrategy::Scd2 => Versions::of(root).map_or(Self::Append, Self::Scd2),
            MergeStrategy::Upsert if !merge.primary_key.is_empty() => Self::Upsert(merge),
            MergeStrategy::InsertOnly if !merge.primary_key.is_empty() => Self::InsertOnly(merge),
            // Without a key all rows are new, as in dlt; but rows may still say that they are deleted.
            _ if merge == Merge::default() => Self::Append,
            _ => Self::DeleteInsert(merge),
        }
    }
}

impl<'a> Merge<'a> {
    fn of(root: &'a Table) -> Self {
        let dedup_sort = first_with(root, DEDUP_SORT).map(|column| DedupSort {
            column: &column.name,
            is_descending: column.hints.get(DEDUP_SORT).and_then(Value::as_str) == Some("desc"),
        });
        let hard_delete = first_with(root, HARD_DELETE).map(|column| HardDelete {
            column: &column.name,
            is_bool: column.data_type == Some(DataType::Bool),
        });
        let primary_key = typed_with(root, Hint::PrimaryKey.key()).collect::<Vec<_>>();
        // Rows are sorted among those with one primary key only.
        let dedup_sort = dedup_sort.filter(|_| !primary_key.is_empty());
        Self {
            primary_key: names(primary_key),
            merge_key: names(typed_with(root, Hint::MergeKey.key())),
            dedup_sort,
            hard_delete,
        }
    }
}

impl<'a> Versions<'a> {
    fn of(root: &'a Table) -> Option<Self> {
        let name = |hint: Hint| first_with(root, hint.key()).map(|column| column.name.as_str());
        let active = root.columns.values().find_map(|column| column.hints.get("x-active-record-timestamp"));
        Some(Self {
            row_version: name(Hint::RowVersion)?,
            valid_from: name(Hint::ValidFrom)?,
            valid_to: name(Hint::ValidTo)?,
            active_record_timestamp: active.and_then(Value::as_str),
            boundary_timestamp: root.other.get("x-boundary-timestamp").and_then(Value::as_str),
            merge_key: names(typed_with(root, Hint::MergeKey.key())),
        })
    }
}

/// Columns that are in the database and have a hint that is not the same as none.
fn typed_with<'a>(table: &'a Table, key: &'static str) -> impl Iterator<Item = &'a Column> {
    table.columns.values().filter(move |column| column.data_type.is_some() && column.says(key))
}

fn first_with<'a>(table: &'a Table, key: &'static str) -> Option<&'a Column> {
    typed_with(table, key).next()
}

fn names<'a>(columns: impl IntoIterator<Item = &'a Column>) -> Vec<&'a str> {
    columns.into_iter().map(|column| column.name.as_str()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A root table of columns `id`, `group`, `at` (of times) and `gone`, with hints: (column, key, value).
    /// A hint without a column is the table's.
    fn table(disposition: WriteDisposition, hints: &[(&str, &str, Value)]) -> Table {
        let mut table = Table::root("t", "t", disposition);
        for (name, data_type) in [
            ("id", DataType::Bigint),
            ("group", DataType::Text),
            ("at", DataType::Timestamp),
            ("gone", DataType::Bool),
        ] {
            table.add(Column::new(name, data_type));
        }
        let mut later = Column::new("later", DataType::Text);
        later.data_type = None;
        table.add(later);
        for (column, key, value) in hints {
            let hints = match *column {
                "" => &mut table.other,
                column => &mut table.columns[column].hints,
            };
            hints.insert((*key).to_owned(), value.clone());
        }
        table
    }

    fn check(hints: &[(&str, &str, Value)], expected: &Strategy<'_>) {
        assert_eq!(&Strategy::of(&table(WriteDisposition::Merge, hints)), expected);
    }

    #[test]
    fn dispositions_without_keys_are_themselves() {
        let key = [("id", "primary_key", json!(true))];
        assert_eq!(Strategy::of(&table(WriteDisposition::Append, &key)), Strategy::Append);
        assert_eq!(Strategy::of(&table(WriteDisposition::Replace, &key)), Strategy::Replace);
        check(&[], &Strategy::Append);
        check(&[("", "x-merge-strategy", json!("upsert"))], &Strategy::Append);
        check(&[("", "x-merge-strategy", json!("scd2"))], &Strategy::Append);
        check(&[("later", "primary_key", json!(true))], &Strategy::Append);
    }

    #[test]
    fn hints_say_how_rows_are_merged() {
        let keyed = |primary_key: &[&'static str], merge_key: &[&'static str]| Merge {
            primary_key: primary_key.to_vec(),
            merge_key: merge_key.to_vec(),
            ..Merge::default()
        };
        let id = ("id", "primary_key", json!(true));
        let group = ("group", "merge_key", json!(true));
        check(std::slice::from_ref(&id), &Strategy::DeleteInsert(keyed(&["id"], &[])));
        check(std::slice::from_ref(&group), &Strategy::DeleteInsert(keyed(&[], &["group"])));
        check(&[id.clone(), group], &Strategy::DeleteInsert(keyed(&["id"], &["group"])));
        check(
            &[id.clone(), ("group", "primary_key", json!(true)), ("at", "merge_key", json!(false))],
            &Strategy::DeleteInsert(keyed(&["id", "group"], &[])),
        );
        check(
            &[id.clone(), ("", "x-merge-strategy", json!("upsert"))],
            &Strategy::Upsert(keyed(&["id"], &[])),
        );
        check(
            &[id.clone(), ("", "x-merge-strategy", json!("insert-only"))],
            &Strategy::InsertOnly(keyed(&["id"], &[])),
        );
        let sorted = Merge {
            dedup_sort: Some(DedupSort { column: "at", is_descending: true }),
            hard_delete: Some(HardDelete { column: "gone", is_bool: true }),
            ..keyed(&["id"], &[])
        };
        let at = ("at", "dedup_sort", json!("desc"));
        check(&[id, at.clone(), ("gone", "hard_delete", json!(true))], &Strategy::DeleteInsert(sorted));
        let deletes =
            Merge { hard_delete: Some(HardDelete { column: "at", is_bool: false }), ..Merge::default() };
        check(&[at, ("at", "hard_delete", json!(true))], &Strategy::DeleteInsert(deletes));
    }

    #[test]
    fn versions_need_three_columns() {
        let mut hints = vec![
            ("", "x-merge-strategy", json!("scd2")),
            ("id", "x-row-version", json!(true)),
            ("at", "x-valid-from", json!(true)),
            ("gone", "x-valid-to", json!(true)),
            ("gone", "x-active-record-timestamp", json!(null)),
        ];
        let versions = |active, boundary, merge_key: &[&'static str]| {
            Strategy::Scd2(Versions {
                row_version: "id",
                valid_from: "at",
                valid_to: "gone",
                active_record_timestamp: active,
                boundary_timestamp: boundary,
                merge_key: merge_key.to_vec(),
            })
        };
        check(&hints, &versions(None, None, &[]));
        hints.pop();
        check(&hints, &versions(None, None, &[]));
        hints.push(("gone", "x-active-record-timestamp", json!("9999-12-31")));
        hints.push(("", "x-boundary-timestamp", json!("2024-01-01")));
        hints.push(("group", "merge_key", json!(true)));
        check(&hints, &versions(Some("9999-12-31"), Some("2024-01-01"), &["group"]));
    }
}
