//! Names of tables, columns and datasets.

use serde_json::{Value, json};

use super::{Engine, Fixture};
use crate::destination::quote;
use crate::normalize::Origin;
use crate::schema::{Column, DataType, Schema, WriteDisposition};

/// Longest name that all engines take, in bytes.
const LONGEST: usize = 63;

/// How tables are loaded: disposition and strategy.
const WAYS: [(WriteDisposition, &str); 6] = [
    (WriteDisposition::Append, ""),
    (WriteDisposition::Replace, ""),
    (WriteDisposition::Merge, "delete-insert"),
    (WriteDisposition::Merge, "upsert"),
    (WriteDisposition::Merge, "insert-only"),
    (WriteDisposition::Merge, "scd2"),
];

/// A fixture with tables `names`, each below the one before, in place of the usual ones. The root table has columns
/// `columns`, of which the first one is the key.
fn named<'e>(
    engine: &'e dyn Engine,
    (disposition, strategy): (WriteDisposition, &str),
    names: [&str; 3],
    columns: &[&str],
) -> Fixture<'e> {
    let mut fixture = Fixture::new(engine, disposition);
    let mut renamed = Schema::new("src");
    for (index, usual) in ["t", "t__c", "t__c__d"].into_iter().enumerate() {
        let mut table = fixture.schema.tables.shift_remove(usual).unwrap();
        names[index].clone_into(&mut table.name);
        if index > 0 {
            table.parent = Some(names[index - 1].to_owned());
        } else {
            table.resource = Some(names[0].to_owned());
            let mut key = table.columns.shift_remove("id").unwrap();
            columns[0].clone_into(&mut key.name);
            key.data_type = Some(DataType::Text);
            table.add(key);
            for name in &columns[1..] {
                table.add(Column::new(*name, DataType::Text));
            }
            if strategy == "scd2" {
                for (name, hint) in [("begin", "x-valid-from"), ("end", "x-valid-to")] {
                    let mut column = Column::new(name, DataType::Timestamp);
                    column.hints.insert(hint.to_owned(), json!(true));
                    table.add(column);
                }
                table.columns["_dlt_id"].hints.insert("x-row-version".to_owned(), json!(true));
            }
            if !strategy.is_empty() {
                table.other.insert("x-merge-strategy".to_owned(), json!(strategy));
            }
        }
        renamed.tables.insert(table.name.clone(), table);
    }
    if disposition == WriteDisposition::Merge {
        renamed.propagate_root_id(names[0]);
    }
    fixture.schema = renamed;
    fixture
}

/// Loads rows with these values in each of `columns`, with a row below each row.
fn load(fixture: &mut Fixture<'_>, id: &str, names: [&str; 3], columns: &[&str], values: &[&str]) {
    let root = |value: &&str| {
        let mut row = json!({"_dlt_id": format!("k{value}"), "_dlt_load_id": id});
        for column in columns {
            row[*column] = json!(value);
        }
        row
    };
    let below = |table: &str, level: usize| {
        let has_root_id = fixture.schema.tables[table].columns.contains_key("_dlt_root_id");
        let parent = ["k", "c"][level - 1];
        let row_id = ["c", "d"][level - 1];
        let row = |value: &&str| {
            let mut row = json!({"value": value, "_dlt_parent_id": format!("{parent}{value}"),
                "_dlt_list_idx": 0, "_dlt_id": format!("{row_id}{value}")});
            if has_root_id {
                row["_dlt_root_id"] = json!(format!("k{value}"));
            }
            row
        };
        values.iter().map(row).collect::<Vec<_>>()
    };
    let rows = serde_json::Map::from_iter([
        (names[0].to_owned(), values.iter().map(root).collect::<Value>()),
        (names[1].to_owned(), below(names[1], 1).into()),
        (names[2].to_owned(), below(names[2], 2).into()),
    ]);
    let origin = |column: &&str| Origin {
        table: names[0].to_owned(),
        column: (*column).to_owned(),
        path: format!("$.{column}"),
    };
    fixture.next.origins = columns.iter().map(origin).collect();
    fixture.load_json(id, &Value::Object(rows));
}

/// Loads twice in each way, and looks at the rows of all tables.
fn check(engine: &dyn Engine, names: [&str; 3], columns: &[&str]) {
    for way in WAYS {
        let mut fixture = named(engine, way, names, &columns[..columns.len() - 1]);
        load(&mut fixture, "1.1", names, &columns[..columns.len() - 1], &["a", "b"]);
        // The last column is added to a table that is there.
        let last = columns[columns.len() - 1];
        fixture.schema.tables[names[0]].add(Column::new(last, DataType::Text));
        load(&mut fixture, "1.2", names, columns, &["b2", "c"]);
        let expected: &[_] = match way.0 {
            WriteDisposition::Replace => &["b2", "c"],
            _ => &["a", "b", "b2", "c"],
        };
        for column in &columns[..columns.len() - 1] {
            fixture.check(&format!("SELECT {} FROM {}", quote(column), quote(names[0])), expected);
        }
        fixture.check(
            &format!("SELECT {0} FROM {1} WHERE {0} IS NOT NULL", quote(last), quote(names[0])),
            &["b2", "c"],
        );
        for name in &names[1..] {
            fixture.check(&format!("SELECT value FROM {}", quote(name)), expected);
        }
    }
}

pub(crate) fn any_name_will_do(engine: &dyn Engine) {
    let columns = ["select", "user", "order", "it's \"so\"; --", "größe", "with space", "new", "old", "from"];
    check(engine, ["order", "user", "group"], &columns);
    check(engine, ["it's", "a \"b\"", "tab.le"], &["ключ", "%s $1", "\u{1f600}"]);
}

pub(crate) fn names_as_long_as_they_can_be_do_not_meet(engine: &dyn Engine) {
    // They differ in the last byte, which is gone in a name that is made of them.
    let long = |start: char, end: char| format!("{start}{}{end}", "x".repeat(LONGEST - 2));
    let names = ['1', '2', '3'].map(|end| long('t', end));
    let columns = ['1', '2', '3'].map(|end| long('c', end));
    check(engine, names.each_ref().map(String::as_str), &columns.each_ref().map(String::as_str));
}

pub(crate) fn a_dataset_may_be_named_by_a_reserved_word(engine: &dyn Engine) {
    for dataset in ["select", "it's \"so\"", &"d".repeat(LONGEST)] {
        let mut fixture = Fixture::new(engine, WriteDisposition::Merge);
        // What people look into is `ds`.
        let mut other = Fixture::at(engine, fixture.place.clone(), WriteDisposition::Append);
        other.load("1.1", &[]);
        dataset.clone_into(&mut fixture.dataset);
        for load in ["1.2", "1.3"] {
            fixture.load_json(load, &json!({"t": [{"id": 1, "name": load, "_dlt_id": load}]}));
        }
        assert_eq!(fixture.committed().last_load.unwrap().as_str(), "1.3");
        fixture.check(&format!("SELECT id, name FROM {}.t", quote(dataset)), &["1 1.3"]);
    }
}
