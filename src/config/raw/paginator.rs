//! `paginator`: how to get from one page to the next.

use schemars::JsonSchema;
use serde::Deserialize;

/// How to get from one page to the next.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::config) enum RawPaginator {
    /// By name, for a kind that needs no settings.
    Name(RawPaginatorName),
    /// With settings.
    Settings(Box<RawPaginatorSettings>),
}

/// Paginators that need no settings.
#[derive(Deserialize, JsonSchema, Clone, Copy)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-instead" = {
    "offset": "it needs a limit: write { type = \"offset\", limit = 100 }",
    "JSONResponseCursorPaginator": "did you mean `cursor`?",
}))]
pub(in crate::config) enum RawPaginatorName {
    /// Found out from the first answer. The default.
    Auto,
    /// One page is all there is.
    SinglePage,
    /// A token in each page, at `cursors.next`, leads to the next.
    Cursor,
    /// A token in the header `next` leads to the next page.
    HeaderCursor,
    /// The `id` of the last row leads to the next page.
    LastRow,
    /// Pages are numbered from 0 and asked for with `page`.
    PageNumber,
    /// Each page has the address of the next one at `next`.
    JsonLink,
    /// An older name of `json_link`.
    JsonResponse,
    /// The `Link` header has the address of the next page.
    HeaderLink,
}

/// A paginator with its settings.
#[derive(Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(in crate::config) enum RawPaginatorSettings {
    /// Found out from the first answer.
    Auto(RawCommon),
    /// A token in each page leads to the next.
    Cursor(RawCursor),
    /// A token in a header leads to the next page.
    HeaderCursor(RawHeaderCursor),
    /// A field of the last row leads to the next page.
    LastRow(RawLastRow),
    /// Pages begin at a row of a number.
    Offset(RawOffset),
    /// Pages are numbered.
    PageNumber(RawPageNumber),
    /// Each page has the address of the next one.
    JsonLink(RawJsonLink),
    /// An older name of `json_link`.
    JsonResponse(RawJsonLink),
    /// The `Link` header has the address of the next page.
    HeaderLink(RawHeaderLink),
    /// One page is all there is.
    SinglePage(RawSinglePage),
}

/// Declares the settings of a paginator, with the keys that every kind has. (serde cannot combine `flatten` with
/// `deny_unknown_fields`.)
macro_rules! paginator_keys {
    ($(#[$meta:meta])* struct $name:ident { $($(#[$key_meta:meta])* $key:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Deserialize, JsonSchema, Default)]
        #[serde(deny_unknown_fields)]
        pub(in crate::config) struct $name {
            $($(#[$key_meta])* pub $key: $type,)*
            /// Number of pages after which the reading stops and the resource counts as partial.
            #[schemars(range(min = 1))]
            pub max_pages: Option<u64>,
            /// Where a page tells how many rows there are in all; the number is compared with what was read.
            pub total_rows_path: Option<String>,
        }
    };
}

paginator_keys! {
    /// What every kind has.
    struct RawCommon {}
}

paginator_keys! {
    /// One page is all there is.
    struct RawSinglePage {
        /// The most rows that the API gives. If the page has as many, nothing tells whether there are more: the resource
        /// counts as unproven.
        #[schemars(range(min = 1))]
        full_page: Option<u64>,
    }
}

paginator_keys! {
    /// A token in each page leads to the next.
    struct RawCursor {
        /// Where a page has the token. Default: `cursors.next`.
        cursor_path: Option<String>,
        /// Query parameter that gets the token. Default: `cursor`, unless there is a `cursor_body_path`.
        cursor_param: Option<String>,
        /// Where the token goes in the JSON body, like `query.after`; in place of `cursor_param`.
        cursor_body_path: Option<String>,
        /// Where a page tells whether more follow; `false` ends the reading.
        has_more_path: Option<String>,
        /// Whether a page without rows is the last. Default: false.
        stop_after_empty_page: Option<bool>,
    }
}

paginator_keys! {
    /// A token in a header leads to the next page.
    struct RawHeaderCursor {
        /// Header that has the token. Default: `next`.
        cursor_key: Option<String>,
        /// Query parameter that gets the token. Default: `cursor`, unless there is a `cursor_body_path`.
        cursor_param: Option<String>,
        /// Where the token goes in the JSON body; in place of `cursor_param`.
        cursor_body_path: Option<String>,
        /// Where a page tells whether more follow; `false` ends the reading.
        has_more_path: Option<String>,
        /// Whether a page without rows is the last. Default: false.
        stop_after_empty_page: Option<bool>,
    }
}

paginator_keys! {
    /// A field of the last row leads to the next page.
    struct RawLastRow {
        /// Field of the last row. Default: `id`.
        cursor_field: Option<String>,
        /// Query parameter that gets it. Default: `starting_after`, unless there is a `cursor_body_path`.
        cursor_param: Option<String>,
        /// Where it goes in the JSON body; in place of `cursor_param`.
        cursor_body_path: Option<String>,
        /// Where a page tells whether more follow; `false` ends the reading. Default: `has_more`. With `""` there is no
        /// such flag, and a page without rows is the last.
        has_more_path: Option<String>,
    }
}

paginator_keys! {
    /// Pages begin at a row of a number.
    struct RawOffset {
        /// Rows asked for at a time.
        #[schemars(range(min = 1))]
        limit: u64,
        /// Row of the first page. Default: 0.
        offset: Option<u64>,
        /// Query parameter that gets the row's number. Default: `offset`, unless there is an `offset_body_path`.
        offset_param: Option<String>,
        /// Where the row's number goes in the JSON body; in place of `offset_param`.
        offset_body_path: Option<String>,
        /// Query parameter that gets the limit. Default: `limit`, unless there is a `limit_body_path`.
        limit_param: Option<String>,
        /// Where the limit goes in the JSON body; in place of `limit_param`.
        limit_body_path: Option<String>,
        /// How far the next page is from this one. Default: `limit`.
        step: Option<RawOffsetStep>,
        /// Where a page tells how many rows there are. Default: `total`, if that is there. `""`: it does not tell.
        total_path: Option<String>,
        /// Header that tells how many rows there are, like `X-Total-Count`; in place of `total_path`.
        total_header: Option<String>,
        /// First row that is not read any more.
        maximum_offset: Option<u64>,
        /// Whether a page without rows is the last. Default: true, unless `has_more_path` says that there is more.
        stop_after_empty_page: Option<bool>,
        /// Where a page tells whether more follow; `false` ends the reading.
        has_more_path: Option<String>,
    }
}

/// How far an offset moves from page to page.
#[derive(Deserialize, JsonSchema, Clone, Copy, Default)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum RawOffsetStep {
    /// By the limit, however many rows came.
    #[default]
    Limit,
    /// By the rows that came.
    Rows,
}

paginator_keys! {
    /// Pages are numbered. At least one of `total_path`, `maximum_page`, `has_more_path` and `stop_after_empty_page` has
    /// to end the reading.
    struct RawPageNumber {
        /// Number of the API's first page. Default: 0.
        base_page: Option<u64>,
        /// Number of the page to start at. Default: `base_page`.
        page: Option<u64>,
        /// Query parameter that gets the number. Default: `page`, unless there is a `page_body_path`.
        page_param: Option<String>,
        /// Where the number goes in the JSON body; in place of `page_param`.
        page_body_path: Option<String>,
        /// Rows asked for at a time. Default: the API's.
        #[schemars(range(min = 1))]
        page_size: Option<u64>,
        /// Query parameter that gets `page_size`. Default: `page_size`.
        page_size_param: Option<String>,
        /// Where a page tells how many pages there are. Default, and `""`: it does not tell.
        total_path: Option<String>,
        /// Header that tells how many pages there are, like `X-Total-Pages`; in place of `total_path`.
        total_header: Option<String>,
        /// First page number that is not read any more.
        maximum_page: Option<u64>,
        /// Whether a page without rows is the last. Default: true, unless `has_more_path` says that there is more.
        stop_after_empty_page: Option<bool>,
        /// Where a page tells whether more follow; `false` ends the reading.
        has_more_path: Option<String>,
    }
}

paginator_keys! {
    /// Each page has the address of the next one.
    struct RawJsonLink {
        /// Where the address is: a text, or an object with `href` or `url`. Default: `next`.
        next_url_path: Option<String>,
        /// Where a page tells whether more follow; `false` ends the reading, even if there is an address.
        has_more_path: Option<String>,
        /// Whether the request keeps parameters that the address lacks. Default: true.
        keep_params: Option<bool>,
    }
}

paginator_keys! {
    /// The `Link` header (RFC 8288) has the address of the next page.
    struct RawHeaderLink {
        /// Relation of the link. Default: `next`.
        links_next_key: Option<String>,
        /// Whether the request keeps parameters that the address lacks. Default: false, since such an address is complete.
        keep_params: Option<bool>,
    }
}
