//! What every destination has to do: one table of cases, run on each engine.
//!
//! An engine says in its own tests how to make an empty database and how to look into it, and calls [`conformance`].
//! Cases know no engine: SQL in them is what all engines know, and types are named as dlt names them.

mod batches;
pub(crate) mod crash;
pub(crate) mod dispositions;
mod fixture;
pub(crate) mod gone;
pub(crate) mod identifiers;
pub(crate) mod origins;
pub(crate) mod parallel;
pub(crate) mod retype;
pub(crate) mod strategies;
pub(crate) mod tables;
pub(crate) mod types;
pub(crate) mod versions;

use std::sync::Arc;

use super::{Destination, DestinationError, Receipt};

pub(crate) use batches::{batch, children, int, rootless, roots, text};
pub(crate) use fixture::Fixture;

/// A kind of database.
pub(crate) trait Engine: Sync {
    /// What is particular about it.
    fn traits(&self) -> &'static Traits;

    /// Makes a place of its own.
    fn create(&self) -> Arc<dyn Place>;

    /// The place with an [address](Place::address), which another process made.
    fn find(&self, address: &str) -> Arc<dyn Place>;
}

/// In what engines differ and may.
pub(crate) struct Traits {
    /// `module_path!()` of where [`conformance`] is called: for tests that run one of them as a process.
    pub(crate) module: &'static str,
    /// The engine's names of types, without digits, and dlt's.
    pub(crate) types: &'static [(&'static str, &'static str)],
    /// Whether ids of rows are declared unique.
    pub(crate) has_unique: bool,
    /// What is left in a text of a NUL.
    pub(crate) nul: &'static str,
    /// A query for all columns of the dataset `ds`: names of table and column, type, whether null is allowed, whether it
    /// is declared unique, comment. The column of a table's own comment is empty.
    pub(crate) columns: &'static str,
}

/// Room for datasets that nobody else uses: a file or a database. Gone with this value.
pub(crate) trait Place: Send + Sync {
    /// How [`Engine::find`] finds it.
    fn address(&self) -> String;

    /// A dataset in it, as a run opens it.
    fn destination(&self, dataset: &str) -> Box<dyn Destination>;

    /// The answer to a query. Names without a dataset are those of `ds`. Values are written as Arrow writes them: `true`,
    /// `5.0`, `00ff`, `2026-01-02T03:04:05Z`.
    fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>>;

    /// Changes something, as a person would. Names without a dataset are those of `ds`.
    fn execute(&self, sql: &str);

    /// Cuts a load at each place that it passes, the last one after its commit. Calls `left` with what is left each time.
    /// At the end the load is committed here.
    fn cut(&self, load: &mut Load<'_>, left: &mut dyn FnMut(&dyn Place));
}

/// A load that can be tried again and again.
pub(crate) type Load<'a> = dyn FnMut() -> Result<Receipt, DestinationError> + 'a;

/// Makes a test of each case for an engine, which a function gives. If it gives none, it has said why.
macro_rules! conformance {
    ($engine:path) => {
        $crate::destination::tests::conformance! { $engine =>
            dispositions {
                appended_rows_are_added
                replaced_tables_hold_the_new_rows_only
                replacing_and_adding_a_column_go_together
                merged_rows_take_the_place_of_their_key_with_all_below
                the_last_of_equal_keys_in_a_load_stays
                ids_that_come_from_the_source_may_repeat
                all_columns_of_a_key_count_and_nulls_are_equal
                a_merge_key_replaces_its_group
                either_key_is_enough
                without_keys_rows_are_appended
                tables_that_were_appended_to_can_be_merged
                a_column_that_no_schema_knows_is_null_in_new_rows
                a_table_dropped_by_hand_is_created_again
                columns_a_file_lacks_are_null_and_files_keep_their_order
                a_value_without_a_column_fails_the_load
            }
            strategies {
                the_first_by_the_sort_column_stays
                rows_that_say_so_are_deleted
                any_value_says_so_in_a_column_of_another_type
                a_deleted_row_takes_its_merge_group_along
                without_keys_rows_that_say_so_are_not_added
                upserted_rows_keep_their_id_and_get_their_children_anew
                upserts_go_by_all_columns_of_the_key_and_nulls_are_equal
                the_last_of_equal_keys_comes_with_its_children_alone
                a_source_may_have_the_column_of_marks
                upserts_delete_rows_that_say_so
                tables_that_were_replaced_by_key_can_be_upserted
                inserted_rows_stay_as_they_came
                rows_that_say_they_are_deleted_are_not_inserted
            }
            versions {
                rows_that_change_or_go_are_retired
                rows_that_come_twice_are_versions_twice
                a_column_of_the_source_can_tell_versions_apart
                only_versions_of_the_groups_that_came_are_retired
                times_of_versions_can_be_given
                tables_that_were_appended_to_can_get_versions
            }
            gone {
                they_are_marked_until_they_come_back
                the_schema_may_list_the_mark
                they_are_removed_with_all_below_them
                too_many_are_left_alone
                rows_that_were_marked_are_removed_once_that_is_asked_for
                a_first_load_has_nothing_to_miss
                rows_that_say_they_are_deleted_are_not_missed
            }
            origins {
                columns_and_tables_say_it
                they_are_written_once
                a_table_that_is_made_again_gets_its_comments_again
            }
            retype {
                texts_are_those_that_dlt_writes
                documents_become_the_same_as_text
                numbers_get_wider_without_loss_or_not_at_all
                nulls_become_anything
                a_column_without_nulls_stays_so_and_rows_go_on
                what_is_not_there_or_has_the_type_is_left_alone
            }
            tables {
                a_first_load_makes_the_tables_dlt_makes
                what_was_committed_is_read_back
                a_state_counts_only_with_its_load
                the_same_load_twice_changes_nothing
                a_load_onto_another_schema_is_refused
                the_newest_schema_is_the_one_stored_last
                runs_are_read_back_newest_first
                a_null_where_none_may_be_fails_and_leaves_nothing
                datasets_in_one_place_do_not_meet
            }
            types {
                every_type_keeps_its_value
                integers_have_the_width_that_they_ask_for
                texts_come_through
                json_comes_through
            }
            identifiers {
                any_name_will_do
                names_as_long_as_they_can_be_do_not_meet
                a_dataset_may_be_named_by_a_reserved_word
            }
            crash {
                victim
                a_cut_at_any_statement_leaves_old_or_new
                a_cut_in_a_first_load_leaves_nothing
                a_process_that_dies_leaves_old_or_new
            }
        }
    };
    ($engine:path => $($file:ident { $($case:ident)* })*) => {
        $($(
            #[test]
            fn $case() {
                if let Some(engine) = $engine() {
                    $crate::destination::tests::$file::$case(&engine);
                }
            }
        )*)*
    };
}

/// Makes a test of each case that is about several loads at a time, for an engine that allows them.
macro_rules! conformance_of_many_writers {
    ($engine:path) => {
        $crate::destination::tests::conformance! { $engine =>
            parallel {
                of_two_loads_onto_one_schema_one_is_refused
                of_two_same_loads_one_finds_the_other
                a_load_waits_for_one_that_is_under_way
                pipelines_make_a_dataset_together
                pipelines_share_tables
                retried_pipelines_change_the_same_tables
            }
        }
    };
}

pub(crate) use {conformance, conformance_of_many_writers};
