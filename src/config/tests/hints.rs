//! What a config says of tables, and what the plan makes of it.

use serde_json::{Value, json};

use super::{HEAD, plan};
use crate::config::{DeletesPlan, ResourcePlan};
use crate::schema::{
    Contract, ContractMode, DeleteMode, Disposition, History, MergeStrategy, SchemaOptions, TypeConflict,
};

/// The one resource of a config that has these lines in it.
fn resource(lines: &str) -> ResourcePlan {
    plan(&format!("{HEAD}[[resources]]\nname = 'm'\n{lines}")).resources.remove(0)
}

/// The columns of a resource as dlt's schema would have them.
#[track_caller]
fn check_columns(lines: &str, expected: &Value) {
    let hints = resource(lines).hints;
    assert_eq!(serde_json::to_value(&hints.columns).unwrap(), *expected, "{lines}");
}

#[test]
fn columns_keep_what_was_written_and_nothing_else() {
    check_columns(
        "[resources.columns]
        id = { data_type = 'bigint', precision = 32, nullable = false }
        price = { data_type = 'decimal', precision = 10, scale = 2 }
        share = { data_type = 'decimal', scale = 2 }
        seen = { data_type = 'timestamp', timezone = true, precision = 3 }
        note = { unique = false, variant = false, description = 'free text', x-team = { name = 'b', size = 2 } }",
        &json!([
            {"name": "id", "data_type": "bigint", "precision": 32, "nullable": false},
            {"name": "price", "data_type": "decimal", "precision": 10, "scale": 2},
            {"name": "share", "data_type": "decimal", "scale": 2},
            {"name": "seen", "data_type": "timestamp", "timezone": true, "precision": 3},
            {"name": "note", "unique": false, "variant": false, "description": "free text",
             "x-team": {"name": "b", "size": 2}},
        ]),
    );
    check_columns(
        "columns = [{ name = 'b', sort = true }, { data_type = 'text', name = 'Aa' }]",
        &json!([{"name": "b", "sort": true}, {"name": "Aa", "data_type": "text"}]),
    );
}

#[test]
fn every_hint_of_a_column_is_taken() {
    let flags = [
        "partition",
        "cluster",
        "unique",
        "sort",
        "primary_key",
        "row_key",
        "parent_key",
        "root_key",
        "merge_key",
        "variant",
        "hard_delete",
        "incremental",
    ];
    let written: Vec<String> = flags.iter().map(|flag| format!("{flag} = true")).collect();
    let mut expected = json!({"name": "a", "dedup_sort": "desc"});
    flags.iter().for_each(|flag| expected[flag] = json!(true));
    check_columns(
        &format!(
            "write_disposition = 'merge'\ncolumns.a = {{ {}, dedup_sort = 'desc' }}",
            written.join(", ")
        ),
        &json!([expected]),
    );
}

#[test]
fn columns_are_merged_over_the_defaults_hint_by_hint() {
    let plan = plan(&format!(
        "{HEAD}
        [resource_defaults]
        columns = [
            {{ name = 'a', unique = true, primary_key = true }}, {{ name = 'b', precision = 3 }},
            {{ name = 'z', data_type = 'bool' }},
        ]
        [[resources]]
        name = 'own'
        [resources.columns]
        a = {{ unique = false }}
        b = {{ data_type = 'text' }}
        c = {{}}
        [[resources]]
        name = 'defaults'
        [[resources]]
        name = 'none'
        columns = {{}}"
    ));
    let columns = |index: usize| serde_json::to_value(&plan.resources[index].hints.columns).unwrap();
    // A column that gets its type goes after those that had theirs.
    assert_eq!(
        columns(0),
        json!([
            {"name": "a", "unique": false, "primary_key": true},
            {"name": "z", "data_type": "bool"},
            {"name": "b", "precision": 3, "data_type": "text"},
            {"name": "c"},
        ])
    );
    assert_eq!(
        columns(1),
        json!([
            {"name": "a", "unique": true, "primary_key": true},
            {"name": "b", "precision": 3},
            {"name": "z", "data_type": "bool"},
        ])
    );
    assert_eq!(columns(2), json!([]));
}

#[test]
fn a_key_of_the_table_replaces_those_of_columns() {
    check_columns(
        "primary_key = 'a'\ncolumns = { b = { primary_key = true, merge_key = true } }",
        &json!([{"name": "b", "merge_key": true}]),
    );
    // Keys of columns are keys, too.
    let upserted = "write_disposition = { disposition = 'merge', strategy = 'upsert' }
                    columns = { b = { primary_key = true } }";
    check_columns(upserted, &json!([{"name": "b", "primary_key": true}]));
}

#[test]
fn write_dispositions() {
    let check = |written: &str, expected: Disposition| {
        let plan = resource(&format!("primary_key = 'id'\nwrite_disposition = {written}"));
        assert_eq!(plan.hints.disposition, Some(expected), "{written}");
    };
    let merge = |strategy| Disposition::Merge { strategy, history: History::default() };
    check("'append'", Disposition::Append);
    check("{ disposition = 'append' }", Disposition::Append);
    check("'replace'", Disposition::Replace);
    check("'merge'", merge(None));
    check("{ disposition = 'merge' }", merge(None));
    check("{ disposition = 'merge', strategy = 'delete-insert' }", merge(Some(MergeStrategy::DeleteInsert)));
    check("{ disposition = 'merge', strategy = 'upsert' }", merge(Some(MergeStrategy::Upsert)));
    check("{ disposition = 'merge', strategy = 'insert-only' }", merge(Some(MergeStrategy::InsertOnly)));
    let history = History {
        validity_columns: Some(["From".to_owned(), "To".to_owned()]),
        active_record_timestamp: Some("9999-12-31".to_owned()),
        boundary_timestamp: Some("2024-01-01T00:00:00+02:00".to_owned()),
        row_version_column: Some("etag".to_owned()),
    };
    check(
        "{ disposition = 'merge', strategy = 'scd2', validity_column_names = ['From', 'To'], \
         active_record_timestamp = 9999-12-31, boundary_timestamp = '2024-01-01T00:00:00+02:00', \
         row_version_column_name = 'etag' }",
        Disposition::Merge { strategy: Some(MergeStrategy::Scd2), history },
    );
}

#[test]
fn scd2_needs_no_key() {
    let plan = resource("write_disposition = { disposition = 'merge', strategy = 'scd2' }");
    let scd2 = Disposition::Merge { strategy: Some(MergeStrategy::Scd2), history: History::default() };
    assert_eq!(plan.hints.disposition, Some(scd2));
}

#[test]
fn contracts_keep_their_form() {
    let check = |written: &str, expected: Contract| {
        assert_eq!(
            resource(&format!("schema_contract = {written}")).hints.contract,
            Some(expected),
            "{written}"
        );
    };
    check("'evolve'", Contract::All(ContractMode::Evolve));
    check("'discard_row'", Contract::All(ContractMode::DiscardRow));
    check(
        "{ columns = 'freeze', data_type = 'discard_value' }",
        Contract::Each {
            tables: None,
            columns: Some(ContractMode::Freeze),
            data_type: Some(ContractMode::DiscardValue),
        },
    );
    assert_eq!(resource("").hints.contract, None);
}

#[test]
fn child_tables_are_named_by_the_fields_that_lead_to_them() {
    let nested = resource(
        "write_disposition = 'merge'
        primary_key = 'id'
        [resources.nested_hints]
        tags = { schema_contract = 'freeze', columns = { value = { data_type = 'text', hard_delete = true } } }
        address__Phones = { columns = [{ name = 'n', data_type = 'bigint' }] }
        plans = { primary_key = ['a', 'b'], write_disposition = 'replace' }",
    )
    .hints
    .nested;
    let paths: Vec<Vec<&str>> =
        nested.iter().map(|(path, _)| path.iter().map(String::as_str).collect()).collect();
    assert_eq!(paths, [vec!["tags"], vec!["address", "Phones"], vec!["plans"]]);
    let [(_, tags), (_, phones), (_, plans)] = nested.as_slice() else { panic!("not three tables") };
    assert_eq!(
        (&tags.disposition, tags.contract, tags.columns.len()),
        (&None, Some(Contract::All(ContractMode::Freeze)), 1)
    );
    assert_eq!(serde_json::to_value(&phones.columns).unwrap(), json!([{"name": "n", "data_type": "bigint"}]));
    assert_eq!((&plans.disposition, plans.primary_key.len()), (&Some(Disposition::Replace), 2));
}

#[test]
fn rows_that_are_gone() {
    let check = |written: &str, expected: Option<(DeleteMode, f64)>| {
        let plan = resource(&format!("write_disposition = 'merge'\nprimary_key = 'id'\n{written}"));
        assert_eq!(
            plan.deletes,
            expected.map(|(mode, max_share)| DeletesPlan { mode, max_share }),
            "{written}"
        );
    };
    check("", None);
    check("deletes = 'keep'", None);
    check("deletes = 'soft'", Some((DeleteMode::Soft, 0.2)));
    check("deletes = { mode = 'hard' }", Some((DeleteMode::Hard, 0.2)));
    check("deletes = { mode = 'soft', max_share = 1 }", Some((DeleteMode::Soft, 1.0)));
    let upserted = "write_disposition = { disposition = 'merge', strategy = 'upsert' }\nprimary_key = 'id'";
    assert!(resource(&format!("{upserted}\ndeletes = 'soft'")).deletes.is_some());
}

#[test]
fn a_resource_can_keep_what_the_defaults_delete() {
    let plan = plan(&format!(
        "{HEAD}
        [resource_defaults]
        deletes = 'hard'
        [[resources]]
        name = 'm'
        primary_key = 'id'
        write_disposition = 'merge'
        [[resources]]
        name = 'n'
        deletes = 'keep'"
    ));
    let modes: Vec<_> = plan.resources.iter().map(|plan| plan.deletes.map(|deletes| deletes.mode)).collect();
    assert_eq!(modes, [Some(DeleteMode::Hard), None]);
}

#[test]
fn options_of_the_schema() {
    let resources = "[[resources]]\nname = 'm'";
    assert_eq!(plan(&format!("{HEAD}{resources}")).schema, SchemaOptions::default());
    let all =
        "[schema]\non_type_conflict = 'widen'\nnull_columns = true\nempty_tables = true\nroot_key = true\n";
    let expected = SchemaOptions {
        on_type_conflict: TypeConflict::Widen,
        null_columns: true,
        empty_tables: true,
        root_key: true,
    };
    assert_eq!(plan(&format!("{HEAD}{all}{resources}")).schema, expected);
    assert_eq!(
        plan(&format!("{HEAD}[schema]\non_type_conflict = 'variant'\n{resources}")).schema,
        SchemaOptions::default()
    );
}
