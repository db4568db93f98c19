//! The cases, by what they are about.

/// A file and how it is run.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) runs: usize,
    /// Why other requests than dlt's come to the same tables. The test asserts that they are others.
    pub(super) other_requests: Option<&'static str>,
    /// Why forebay calls a resource partial (exit code 3), which dlt does not know. The test asserts that it does.
    pub(super) partial: Option<&'static str>,
}

const fn case(name: &'static str, runs: usize) -> Case {
    Case { name, runs, other_requests: None, partial: None }
}

impl Case {
    const fn but_partial(self, why: &'static str) -> Self {
        Self { partial: Some(why), ..self }
    }

    const fn but_other_requests(self, why: &'static str) -> Self {
        Self { other_requests: Some(why), ..self }
    }
}

pub(super) const CASES: &[Case] = &[
    // Pages.
    case("cursor_in_the_query", 2),
    case("cursor_by_its_defaults", 1),
    case("cursor_in_the_body", 1),
    case("cursor_in_a_header", 1),
    case("cursor_of_the_last_row", 1),
    case("cursor_that_ends", 1),
    case("offset_until_the_total", 1),
    case("offset_until_an_empty_page", 1).but_partial("there is more beyond `maximum_offset`"),
    case("offset_in_the_body", 1),
    case("page_number_until_the_total", 1),
    case("page_number_until_an_empty_page", 1),
    case("page_number_up_to_a_maximum", 1).but_partial("there is more beyond `maximum_page`"),
    case("page_number_to_begin_with", 1),
    case("page_number_in_the_body", 1),
    case("page_number_while_there_is_more", 1),
    case("links_in_the_body", 1),
    case("links_without_the_parameters", 1).but_other_requests("parameters are kept, dlt drops them"),
    case("link_header", 1),
    case("paginators_found", 1),
    case("nobody_said_which_paginator", 1),
    // What is sent.
    case("requests_of_all_kinds", 1),
    case("form_in_the_body", 1),
    case("defaults_of_resources", 1),
    case("one_thing_with_a_slash", 1),
    case("key_in_the_header", 1),
    case("key_in_the_query", 1),
    case("bearer_token", 1),
    case("basic_auth", 1),
    case("oauth2_for_a_program", 1).but_other_requests("one token for all, dlt gets one per resource"),
    // Where the rows are, and answers that have none.
    case("rows_found", 1),
    case("selectors", 1),
    case("answers_that_are_no_pages", 1),
    case("rows_worked_on", 1),
    // Parents.
    case("children_by_path", 1),
    case("children_of_children", 1),
    case("parents_of_odd_names", 2),
    case("children_everywhere_else", 1),
    case("children_in_the_old_spelling", 1),
    case("children_some_of_which_are_gone", 1),
    case("children_at_once", 1),
    case("children_of_new_parents", 3),
    // Tables.
    case("hints_of_columns", 2),
    case("write_dispositions", 2),
    case("history_of_rows", 2),
    case("nesting", 1),
    // Only what is new.
    case("incremental_by_time", 3),
    case("incremental_without_a_key", 3),
    case("defaults_with_increments", 3),
    case("range_of_values", 2),
    case("lag", 3),
    case("starts_that_are_open", 3),
    case("the_least_value", 2),
    case("ordered_rows", 2),
    case("placeholders_of_increments", 3),
    case("converted_increments", 3),
];
