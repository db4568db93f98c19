//! Several loads at a time.

use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;

use serde_json::{Value, json};

use super::{Engine, Fixture, Place};
use crate::destination::{DestinationError, Receipt, failpoint};
use crate::schema::{Column, DataType, Table, WriteDisposition};

/// How many pipelines load at a time.
const PIPELINES: usize = 8;

/// How often each of them does.
const LOADS: usize = 5;

/// Has each fixture do its part in a thread of its own; all of them begin at once. Hands back what they say.
fn at_once<T: Send>(
    fixtures: Vec<Fixture<'_>>,
    part: impl Fn(usize, &mut Fixture<'_>) -> T + Sync,
) -> Vec<T> {
    let start = Barrier::new(fixtures.len());
    thread::scope(|scope| {
        let threads: Vec<_> = fixtures
            .into_iter()
            .enumerate()
            .map(|(number, mut fixture)| {
                let (start, part) = (&start, &part);
                scope.spawn(move || {
                    start.wait();
                    part(number, &mut fixture)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// Fixtures of one pipeline that know the same, in a place with one load.
fn twins(engine: &dyn Engine) -> (Arc<dyn Place>, Vec<Fixture<'_>>) {
    let mut first = Fixture::new(engine, WriteDisposition::Merge);
    first.load_json("1.1", &one_row(1, "first"));
    let place = Arc::clone(&first.place);
    let twin = || {
        let mut twin = Fixture::at(engine, Arc::clone(&place), WriteDisposition::Merge);
        (twin.schema, twin.base) = (first.schema.clone(), first.base.clone());
        twin
    };
    (Arc::clone(&place), vec![twin(), twin()])
}

fn one_row(id: i64, name: &str) -> Value {
    json!({"t": [{"id": id, "name": name, "_dlt_id": format!("r{id}{name}")}]})
}

fn is_moved(result: &Result<Receipt, DestinationError>) -> bool {
    matches!(result, Err(DestinationError::SchemaMoved { .. }))
}

pub(crate) fn of_two_loads_onto_one_schema_one_is_refused(engine: &dyn Engine) {
    for round in 0..PIPELINES {
        let (place, twins) = twins(engine);
        let results = at_once(twins, |number, fixture| {
            fixture.schema.tables["t"].add(Column::new(format!("new_{number}"), DataType::Text));
            fixture.try_load_json(&format!("1.{}", number + 2), &one_row(2, &number.to_string()))
        });
        let [loaded, moved] = [0, 1].map(|number| (results[number].is_ok(), is_moved(&results[number])));
        assert!(
            loaded == (true, false) && moved == (false, true)
                || loaded == (false, true) && moved == (true, false),
            "{round}: {results:?}"
        );
        let winner = usize::from(!loaded.0);
        let fixture = Fixture::at(engine, place, WriteDisposition::Merge);
        fixture.check("SELECT id, name FROM t", &["1 first", &format!("2 {winner}")]);
        assert_eq!(fixture.committed().last_load.unwrap().as_str(), format!("1.{}", winner + 2));
    }
}

pub(crate) fn of_two_same_loads_one_finds_the_other(engine: &dyn Engine) {
    for round in 0..PIPELINES {
        let (place, twins) = twins(engine);
        let receipts = at_once(twins, |_, fixture| {
            fixture.schema.tables["t"].add(Column::new("new", DataType::Text));
            fixture.load_json("1.2", &one_row(2, "x"))
        });
        let late = receipts.iter().filter(|receipt| receipt.already_loaded).count();
        assert_eq!(late, 1, "{round}: {receipts:?}");
        let fixture = Fixture::at(engine, place, WriteDisposition::Merge);
        fixture.check("SELECT id, name FROM t", &["1 first", "2 x"]);
        fixture.check("SELECT load_id FROM _dlt_loads", &["1.1", "1.2"]);
    }
}

/// The second load begins in the middle of the first one.
pub(crate) fn a_load_waits_for_one_that_is_under_way(engine: &dyn Engine) {
    let (place, twins) = twins(engine);
    let (begin, begun) = channel();
    let [mut early, mut late] = twins.try_into().ok().unwrap();
    let results = thread::scope(|scope| {
        let first = scope.spawn(move || {
            let mut passed = 0;
            failpoint::watch(move || {
                passed += 1;
                if passed == 3 {
                    begin.send(()).unwrap();
                }
            });
            early.schema.tables["t"].add(Column::new("early", DataType::Text));
            let result = early.try_load_json("1.2", &one_row(2, "early"));
            failpoint::unwatch();
            result
        });
        begun.recv().unwrap();
        late.schema.tables["t"].add(Column::new("late", DataType::Text));
        let second = late.try_load_json("1.3", &one_row(2, "late"));
        [first.join().unwrap(), second]
    });
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    assert_eq!(results.iter().filter(|result| is_moved(result)).count(), 1, "{results:?}");
    let fixture = Fixture::at(engine, place, WriteDisposition::Merge);
    fixture.check("SELECT count(*) FROM t", &["2"]);
}

/// Fixtures of pipelines and sources of their own, in one place where nothing is yet.
fn pipelines(engine: &dyn Engine, disposition: WriteDisposition) -> (Arc<dyn Place>, Vec<Fixture<'_>>) {
    let place = engine.create();
    let pipeline = |number: usize| {
        let mut fixture = Fixture::at(engine, Arc::clone(&place), disposition);
        fixture.pipeline = format!("p{number}");
        fixture.schema.name = format!("src{number}");
        fixture
    };
    (Arc::clone(&place), (0..PIPELINES).map(pipeline).collect())
}

/// Ids of loads and of rows that no two pipelines share.
fn numbers(pipeline: usize, load: usize) -> (String, i64) {
    let number = pipeline * LOADS + load;
    (format!("1.{number:04}"), number as i64)
}

pub(crate) fn pipelines_make_a_dataset_together(engine: &dyn Engine) {
    let (place, fixtures) = pipelines(engine, WriteDisposition::Append);
    at_once(fixtures, |pipeline, fixture| {
        let name = format!("t{pipeline}");
        let mut table = fixture.schema.tables["t"].clone();
        (table.name, table.resource) = (name.clone(), Some(name.clone()));
        fixture.schema.tables = [(name.clone(), table)].into_iter().collect();
        for load in 0..LOADS {
            let (id, number) = numbers(pipeline, load);
            fixture.schema.tables[&name].add(Column::new(format!("c{load}"), DataType::Bigint));
            let mut row = json!({"id": number, "_dlt_load_id": id, "_dlt_id": id});
            row[format!("c{load}")] = json!(number);
            fixture.load_json(&id, &json!({name.as_str(): [row]}));
        }
    });
    let fixture = Fixture::at(engine, place, WriteDisposition::Append);
    for pipeline in 0..PIPELINES {
        for load in 0..LOADS {
            let (_, number) = numbers(pipeline, load);
            fixture.check(
                &format!("SELECT id FROM t{pipeline} WHERE c{load} IS NOT NULL"),
                &[&number.to_string()],
            );
        }
    }
    check_ledger(&fixture);
}

pub(crate) fn pipelines_share_tables(engine: &dyn Engine) {
    for disposition in [WriteDisposition::Append, WriteDisposition::Merge] {
        let (place, fixtures) = pipelines(engine, disposition);
        at_once(fixtures, |pipeline, fixture| {
            for load in 0..LOADS {
                let (id, number) = numbers(pipeline, load);
                fixture.load_json(&id, &one_row(number, "x"));
            }
        });
        let fixture = Fixture::at(engine, place, disposition);
        let count = (PIPELINES * LOADS).to_string();
        fixture.check("SELECT count(*), count(DISTINCT id) FROM t", &[&format!("{count} {count}")]);
        check_ledger(&fixture);
    }
}

/// All pipelines replace the same rows of two tables, which half of them have in the other order, and add columns to both.
pub(crate) fn retried_pipelines_change_the_same_tables(engine: &dyn Engine) {
    let (place, fixtures) = pipelines(engine, WriteDisposition::Merge);
    at_once(fixtures, |pipeline, fixture| {
        let mut other: Table = fixture.schema.tables["t"].clone();
        (other.name, other.resource) = ("u".to_owned(), Some("u".to_owned()));
        fixture.schema.tables.insert("u".to_owned(), other);
        if pipeline % 2 == 0 {
            fixture.schema.tables.reverse();
        }
        for load in 0..LOADS {
            let (id, _) = numbers(pipeline, load);
            for table in ["t", "u"] {
                fixture.schema.tables[table]
                    .add(Column::new(format!("c{pipeline}_{load}"), DataType::Bigint));
            }
            let rows = |table: &str| -> Value {
                let row = |key: i64| {
                    let mut row = json!({"id": key, "name": id, "_dlt_id": format!("{table}{id}.{key}")});
                    if table != "t" {
                        row["_dlt_load_id"] = json!(id);
                    }
                    row
                };
                (0..10).map(row).collect()
            };
            let order = if pipeline % 2 == 0 { ["t", "u"] } else { ["u", "t"] };
            let rows = order.into_iter().map(|table| (table.to_owned(), rows(table)));
            let rows = Value::Object(rows.collect());
            fixture.load_json(&id, &rows);
        }
    });
    let fixture = Fixture::at(engine, place, WriteDisposition::Merge);
    for table in ["t", "u"] {
        // All rows are of one load: no two were mixed.
        fixture.check(
            &format!("SELECT count(*), count(DISTINCT id), count(DISTINCT _dlt_load_id) FROM {table}"),
            &["10 10 1"],
        );
        let added = fixture.columns(table).iter().filter(|column| column.starts_with('c')).count();
        assert_eq!(added, PIPELINES * LOADS);
    }
    fixture.check("SELECT count(*) FROM t JOIN u USING (id) WHERE t._dlt_load_id = u._dlt_load_id", &["10"]);
    check_ledger(&fixture);
}

/// Each load of each pipeline is in the ledger once, with its state and its run.
fn check_ledger(fixture: &Fixture<'_>) {
    let count = (PIPELINES * LOADS).to_string();
    let distinct = format!("{count} {count}");
    fixture.check("SELECT count(*), count(DISTINCT load_id) FROM _dlt_loads", &[&distinct]);
    fixture.check("SELECT count(*), count(DISTINCT load_id) FROM _forebay_runs", &[&distinct]);
    fixture.check("SELECT count(*), count(DISTINCT _dlt_load_id) FROM _dlt_pipeline_state", &[&distinct]);
    for pipeline in 0..PIPELINES {
        let committed =
            fixture.destination().committed(&format!("p{pipeline}"), &format!("src{pipeline}")).unwrap();
        let (id, _) = numbers(pipeline, LOADS - 1);
        assert_eq!(committed.state.unwrap().resource(&format!("src{pipeline}"), "t").unwrap()["load"], id);
        assert!(committed.schema.is_some());
    }
}
