//! `paginator`: how to get from one page to the next.

use schemars::JsonSchema;
use serde::Deserialize;

/// How to get from one page to the next.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum RawPaginator {
    /// By name, for the kind that needs no settings.
    Name(RawPaginatorName),
    /// With settings.
    Settings(RawPaginatorSettings),
}

/// Paginators that need no settings.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-later" = ["auto", "json_link", "json_response", "header_link"]))]
pub(in crate::config) enum RawPaginatorName {
    /// One page is all there is.
    SinglePage,
    /// A token in each page, at `cursors.next`, leads to the next.
    Cursor,
    /// Pages are numbered from 0 and asked for with `page`.
    PageNumber,
}

/// A paginator with its settings.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[schemars(extend("x-later" = ["auto", "json_link", "json_response", "header_link", "header_cursor", "offset"]))]
pub(in crate::config) enum RawPaginatorSettings {
    /// A token in each page leads to the next.
    Cursor(RawCursor),
    /// Pages are numbered.
    PageNumber(RawPageNumber),
    /// One page is all there is.
    SinglePage {},
}

/// A token in each page leads to the next.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawCursor {
    /// Where a page has the token. Default: `cursors.next`.
    pub cursor_path: Option<String>,
    /// Query parameter that gets the token. Default: `cursor`, unless there is a `cursor_body_path`.
    pub cursor_param: Option<String>,
    /// Where the token goes in the JSON body, like `query.after`; in place of `cursor_param`.
    pub cursor_body_path: Option<String>,
    /// Where a page tells whether more follow; `false` ends the reading.
    pub has_more_path: Option<String>,
    /// Whether a page without rows is the last. Default: false.
    pub stop_after_empty_page: Option<bool>,
    /// Number of pages after which the reading stops and the resource counts as partial.
    #[schemars(range(min = 1))]
    pub max_pages: Option<u64>,
    /// Where a page tells how many rows there are in all; the number is compared with what was read.
    pub total_rows_path: Option<String>,
}

/// Pages are numbered. At least one of `total_path`, `maximum_page`, `has_more_path` and `stop_after_empty_page` has
/// to end the reading.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawPageNumber {
    /// Number of the API's first page. Default: 0.
    pub base_page: Option<u64>,
    /// Number of the page to start at. Default: `base_page`.
    pub page: Option<u64>,
    /// Query parameter that gets the number. Default: `page`, unless there is a `page_body_path`.
    pub page_param: Option<String>,
    /// Where the number goes in the JSON body; in place of `page_param`.
    pub page_body_path: Option<String>,
    /// Where a page tells how many pages there are.
    pub total_path: Option<String>,
    /// First page number that is not read any more.
    pub maximum_page: Option<u64>,
    /// Whether a page without rows is the last. Default: true.
    pub stop_after_empty_page: Option<bool>,
    /// Where a page tells whether more follow; `false` ends the reading.
    pub has_more_path: Option<String>,
    /// Number of pages after which the reading stops and the resource counts as partial.
    #[schemars(range(min = 1))]
    pub max_pages: Option<u64>,
    /// Where a page tells how many rows there are in all; the number is compared with what was read.
    pub total_rows_path: Option<String>,
}
