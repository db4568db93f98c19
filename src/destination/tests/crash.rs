//! A load that is cut at any statement leaves the old rows or the new ones.

use std::cell::Cell;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Value, json};

use super::fixture::stored_columns;
use super::{Engine, Fixture, Place};
use crate::destination::failpoint::{self, ABORT_AT};
use crate::destination::{Deletes, DestinationError, Receipt};
use crate::normalize::{Origin, Retype, TURN};
use crate::schema::{Column, DataType, DeleteMode, MergeStrategy, WriteDisposition};

/// Where the process is to load that dies.
pub(crate) const ADDRESS: &str = "FOREBAY_TEST_CRASH";
const CASE: &str = "FOREBAY_TEST_CASE";

/// Signal of `std::process::abort`.
const SIGABRT: i32 = 6;

/// What the second load does beside writing rows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extra {
    None,
    /// A `replace` resource yields nothing.
    Emptied,
    /// Rows that are not in it are gone.
    Gone(DeleteMode),
    /// Column `at` is changed to double.
    Retyped,
}

/// A way to write rows: name, disposition, hints of the root table (column, key, value as JSON), and what the second load
/// does.
pub(crate) struct Case(
    &'static str,
    WriteDisposition,
    &'static [(&'static str, &'static str, &'static str)],
    Extra,
);

use Extra::{Emptied, Gone, Retyped};
use WriteDisposition::{Append, Merge, Replace};

const ID: (&str, &str, &str) = ("id", "primary_key", "true");
const UPSERT: (&str, &str, &str) = ("", "x-merge-strategy", "\"upsert\"");
const INSERT: (&str, &str, &str) = ("", "x-merge-strategy", "\"insert-only\"");
const SCD2: (&str, &str, &str) = ("", "x-merge-strategy", "\"scd2\"");
const FROM: (&str, &str, &str) = ("begin", "x-valid-from", "true");
const TO: (&str, &str, &str) = ("finish", "x-valid-to", "true");
const VERSION: (&str, &str, &str) = ("name", "x-row-version", "true");
const GROUP: (&str, &str, &str) = ("group", "merge_key", "true");
const FLAG: (&str, &str, &str) = ("gone", "hard_delete", "true");
const SORT: (&str, &str, &str) = ("at", "dedup_sort", "\"asc\"");

pub(crate) const CASES: [Case; 13] = [
    Case("append, retype", Append, &[], Retyped),
    Case("replace, retype", Replace, &[], Retyped),
    Case("replace by nothing", Replace, &[], Emptied),
    Case("delete-insert, retype", Merge, &[ID], Retyped),
    Case("delete-insert, all hints", Merge, &[ID, GROUP, FLAG, SORT], Extra::None),
    Case("delete-insert, mark", Merge, &[ID, FLAG], Gone(DeleteMode::Soft)),
    Case("delete-insert, remove", Merge, &[ID], Gone(DeleteMode::Hard)),
    Case("upsert, retype", Merge, &[ID, UPSERT, FLAG], Retyped),
    Case("upsert, mark", Merge, &[ID, UPSERT], Gone(DeleteMode::Soft)),
    Case("upsert, remove", Merge, &[ID, UPSERT], Gone(DeleteMode::Hard)),
    Case("insert-only", Merge, &[ID, INSERT, FLAG], Extra::None),
    Case("scd2, retype", Merge, &[SCD2, FROM, TO, VERSION], Retyped),
    Case("scd2, groups", Merge, &[SCD2, FROM, TO, VERSION, GROUP], Extra::None),
];

impl Case {
    fn fixture<'e>(&self, engine: &'e dyn Engine, place: Arc<dyn Place>) -> Fixture<'e> {
        let mut fixture = Fixture::at(engine, place, self.1);
        let root = &mut fixture.schema.tables["t"];
        root.columns["id"].hints.clear();
        for (name, data_type) in [
            ("group", DataType::Text),
            ("at", DataType::Bigint),
            ("gone", DataType::Bool),
            ("begin", DataType::Timestamp),
            ("finish", DataType::Timestamp),
        ] {
            root.add(Column::new(name, data_type));
        }
        for (column, key, value) in self.2 {
            fixture.hint(column, key, serde_json::from_str(value).unwrap());
        }
        fixture
    }

    fn first_load(&self, fixture: &mut Fixture<'_>) -> Result<Receipt, DestinationError> {
        fixture.next.origins = vec![origin("id")];
        load(fixture, "1.1", &[(1, "a", "mon"), (2, "b", "mon"), (3, "c", "tue")])
    }

    fn second_load(&self, fixture: &mut Fixture<'_>) -> Result<Receipt, DestinationError> {
        fixture.next.origins = vec![origin("id"), origin("name")];
        fixture.schema.tables["t"].add(Column::new("more", DataType::Double));
        match self.3 {
            Extra::None => (),
            Emptied => {
                fixture.next.emptied = vec!["t".to_owned()];
                return fixture.try_load("1.2", &[]);
            }
            Gone(mode) => {
                fixture.next.deletes = vec![Deletes { table: "t".to_owned(), mode, max_share: 1.0 }];
            }
            Retyped => {
                fixture.schema.tables["t"].columns["at"].data_type = Some(DataType::Double);
                let (table, column) = ("t".to_owned(), "at".to_owned());
                fixture.next.retyped = vec![Retype { table, column, data_type: DataType::Double }];
            }
        }
        load(fixture, "1.2", &[(2, "B", "mon"), (3, "c", "tue"), (3, "C", "wed"), (4, "GONE", "wed")])
    }

    /// The load that comes next, by what the dataset holds.
    fn next_load(&self, fixture: &mut Fixture<'_>) -> Result<Receipt, DestinationError> {
        match fixture.committed().schema {
            None => self.first_load(fixture),
            Some(schema) => {
                fixture.base = Some(schema.version_hash.clone());
                fixture.schema = schema;
                self.second_load(fixture)
            }
        }
    }
}

fn origin(column: &str) -> Origin {
    Origin { table: "t".to_owned(), column: column.to_owned(), path: format!("$.{column}") }
}

/// Key, name and group of a row.
type Member<'a> = (i64, &'a str, &'a str);

/// Writes a row of one table, from its turn.
type Make<'a> = dyn Fn(usize, &Member<'_>) -> Value + 'a;

/// Loads rows (key, name, group), each with a child and a grandchild. Upper-case names are those of newer rows.
fn load(fixture: &mut Fixture<'_>, id: &str, rows: &[Member<'_>]) -> Result<Receipt, DestinationError> {
    let has_root_id = fixture.schema.tables["t__c"].columns.contains_key("_dlt_root_id");
    // Where ids follow from keys, equal rows of a load have equal ids, and a turn. Otherwise no two rows have one id.
    let strategy = fixture.schema.tables["t"].merge_strategy();
    let is_keyed = matches!(strategy, Some(MergeStrategy::Upsert | MergeStrategy::InsertOnly));
    let row_id = |level: &str, (key, name, _): &Member<'_>| match is_keyed {
        true => format!("{level}{key}"),
        false => format!("{level}{key}{name}{id}"),
    };
    let with_turn = |turn: usize, mut row: Value| {
        if is_keyed {
            row[TURN] = json!(turn);
        }
        row
    };
    let root = |turn: usize, row: &Member<'_>| {
        let (key, name, group) = row;
        let root = json!({"id": key, "name": name, "group": group, "at": key, "gone": *name == "GONE",
            "_dlt_id": row_id("k", row)});
        with_turn(turn, root)
    };
    let below = |turn: usize, row: &Member<'_>, [parent, level]: [&str; 2]| {
        let mut child = json!({"value": row.1, "_dlt_parent_id": row_id(parent, row), "_dlt_list_idx": 0,
            "_dlt_id": row_id(level, row)});
        if has_root_id {
            child["_dlt_root_id"] = json!(row_id("k", row));
        }
        with_turn(turn, child)
    };
    let all = |make: &Make<'_>| (1..).zip(rows).map(|(turn, row)| make(turn, row)).collect::<Vec<_>>();
    let tables = json!({
        "t": all(&root),
        "t__c": all(&|turn, row| below(turn, row, ["k", "c"])),
        "t__c__d": all(&|turn, row| below(turn, row, ["c", "d"])),
    });
    fixture.try_load_json(id, &tables)
}

/// All that the dataset holds, but for instants, numbers of rows and random ids.
fn content(engine: &dyn Engine, place: &dyn Place) -> Vec<String> {
    let columns = stored_columns(engine, place);
    let mut content: Vec<_> = columns.iter().map(|column| format!("{column:?}")).collect();
    let mut tables: Vec<_> = columns.iter().map(|column| column.table.as_str()).collect();
    tables.dedup();
    for table in tables {
        let value = |column: &str| match (table, column) {
            ("_dlt_pipeline_state", "_dlt_id") => None,
            // Numbers of rows have gaps where a load was cut.
            ("_forebay_runs" | "_forebay_columns", "position") => None,
            (_, "inserted_at" | "created_at" | "first_seen") => None,
            ("_forebay_migrations", "applied_at" | "installed_on" | "execution_time") => None,
            (_, "_forebay_deleted_at") => Some(format!("{column} IS NOT NULL")),
            _ => Some(format!("\"{column}\"")),
        };
        let columns = columns.iter().filter(|column| column.table == table && !column.name.is_empty());
        let values: Vec<_> = columns.filter_map(|column| value(&column.name)).collect();
        let rows = place.rows(&format!("SELECT {} FROM {table}", values.join(", ")));
        let mut rows: Vec<_> = rows.iter().map(|row| format!("{table}: {row:?}")).collect();
        rows.sort_unstable();
        content.append(&mut rows);
    }
    content
}

/// What a dataset holds before the second load of a case and after it.
fn outcome(engine: &dyn Engine, case: &Case) -> [Vec<String>; 2] {
    let mut fixture = case.fixture(engine, engine.create());
    [Case::first_load, Case::second_load].map(|load| {
        load(case, &mut fixture).unwrap();
        content(engine, &*fixture.place)
    })
}

/// Cuts the second load of a case at each place.
pub(crate) fn check(engine: &dyn Engine, case: &Case) {
    let [before, after] = outcome(engine, case);
    assert_ne!(before, after, "{}", case.0);
    let mut fixture = case.fixture(engine, engine.create());
    case.first_load(&mut fixture).unwrap();
    let place = Arc::clone(&fixture.place);
    let known = (fixture.schema.clone(), fixture.base.clone());
    let mut again = || {
        (fixture.schema, fixture.base) = known.clone();
        case.second_load(&mut fixture)
    };
    let mut left = Vec::new();
    place.cut(&mut again, &mut |place| left.push(content(engine, place)));
    let (committed, uncommitted) = left.split_last().unwrap();
    assert!(!uncommitted.is_empty(), "{}", case.0);
    for (number, content) in uncommitted.iter().enumerate() {
        assert_eq!(content, &before, "{}, cut {number}", case.0);
    }
    assert_eq!(committed, &after, "{}, after the commit", case.0);
    // Whoever did not learn of the commit loads once more.
    assert!(again().unwrap().already_loaded, "{}", case.0);
    assert_eq!(content(engine, &*place), after, "{}", case.0);
}

pub(crate) fn a_cut_at_any_statement_leaves_old_or_new(engine: &dyn Engine) {
    CASES.iter().for_each(|case| check(engine, case));
}

/// Cuts the first load of a case at each place.
pub(crate) fn check_first(engine: &dyn Engine, case: &Case) {
    let place = engine.create();
    let mut fixture = case.fixture(engine, Arc::clone(&place));
    let known = fixture.schema.clone();
    let mut first = || {
        (fixture.schema, fixture.base) = (known.clone(), None);
        case.first_load(&mut fixture)
    };
    let mut left = Vec::new();
    place.cut(&mut first, &mut |place| {
        let is_committed = place.destination("ds").committed("p", "src").unwrap().last_load.is_some();
        // A table of a load that is not there would be in the way of the next one.
        assert_eq!(stored_columns(engine, place).iter().any(|column| column.table == "t"), is_committed);
        left.push(is_committed);
    });
    let (committed, uncommitted) = left.split_last().unwrap();
    assert!(*committed && !uncommitted.contains(&true), "{left:?}");
    case.second_load(&mut fixture).unwrap();
    assert_eq!(content(engine, &*place), outcome(engine, case)[1]);
}

pub(crate) fn a_cut_in_a_first_load_leaves_nothing(engine: &dyn Engine) {
    check_first(engine, &CASES[3]);
}

/// Run as a process of its own by the case below, which ends it at a statement.
pub(crate) fn victim(engine: &dyn Engine) {
    let (Ok(address), Ok(name)) = (std::env::var(ADDRESS), std::env::var(CASE)) else { return };
    let case = CASES.iter().find(|case| case.0 == name).unwrap();
    case.next_load(&mut case.fixture(engine, engine.find(&address))).unwrap();
}

/// Loads in a process that dies at place `at`.
fn crash(engine: &dyn Engine, case: &Case, place: &dyn Place, at: u64) {
    let (_, module) = engine.traits().module.split_once("::").unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("{module}::victim")])
        .env(ADDRESS, place.address())
        .env(CASE, case.0)
        .env(ABORT_AT, at.to_string())
        .output()
        .unwrap();
    assert_eq!(output.status.signal(), Some(SIGABRT), "{}, place {at}: {output:?}", case.0);
}

/// How many places the next load of a case passes, with what is read before it.
fn count_places(case: &Case, fixture: &mut Fixture<'_>) -> u64 {
    let count = Rc::new(Cell::new(0));
    let passed = Rc::clone(&count);
    failpoint::watch(move || passed.set(passed.get() + 1));
    let loaded = case.next_load(fixture);
    failpoint::unwatch();
    loaded.unwrap();
    count.get()
}

pub(crate) fn a_process_that_dies_leaves_old_or_new(engine: &dyn Engine) {
    for case in &CASES {
        let mut whole = case.fixture(engine, engine.create());
        let first = count_places(case, &mut whole);
        let before = content(engine, &*whole.place);
        let second = count_places(case, &mut whole);
        let after = content(engine, &*whole.place);
        assert!(first > 10 && second > 10, "{}: {first}, {second}", case.0);

        let place = engine.create();
        for at in [1, first - 1] {
            crash(engine, case, &*place, at);
            let committed = place.destination("ds").committed("p", "src").unwrap();
            assert!(committed.last_load.is_none(), "{}, place {at}", case.0);
        }
        crash(engine, case, &*place, first);
        assert_eq!(content(engine, &*place), before, "{}, after the first load", case.0);
        for at in [second / 2, second - 1] {
            crash(engine, case, &*place, at);
            assert_eq!(content(engine, &*place), before, "{}, place {at}", case.0);
        }
        crash(engine, case, &*place, second);
        assert_eq!(content(engine, &*place), after, "{}, after the second load", case.0);
    }
}
