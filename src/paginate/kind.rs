//! The rules there are, and how they are written in a config file.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Target;
use crate::page::JsonPath;

/// The rules there are. A package keeps the one that was found out, so the JSON form is stable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaginatorKind {
    /// Found out from the first answer.
    Auto,
    /// A token in each answer leads to the next page.
    Cursor {
        /// Where the token is.
        source: CursorSource,
        /// Where it goes in the next request.
        target: Target,
        /// A flag that tells whether more pages follow; it overrules the token.
        has_more_path: Option<JsonPath>,
        /// Whether a page without rows is the last.
        stop_after_empty_page: bool,
    },
    /// Pages begin at a row of a number.
    Offset {
        /// Row of the first page.
        offset: u64,
        /// Rows asked for at a time.
        limit: u64,
        /// How far the next page is from this one.
        step: Step,
        /// Where the row's number goes.
        target: Target,
        /// Where the limit goes.
        limit_target: Target,
        /// What ends it; totals and maximum are numbers of rows.
        end: RangeEnd,
    },
    /// Pages are numbered.
    PageNumber {
        /// Number of the API's first page: totals count from it.
        base_page: u64,
        /// Number of the page that is read first.
        page: u64,
        /// Where the number goes.
        target: Target,
        /// How many rows a page shall have, and where that goes.
        page_size: Option<(Target, u64)>,
        /// What ends it; totals and maximum are numbers of pages.
        end: RangeEnd,
    },
    /// The body has the address of the next page.
    JsonLink {
        /// Where it is.
        next_url_path: JsonPath,
        /// A flag that tells whether more pages follow; it overrules the address.
        has_more_path: Option<JsonPath>,
        /// Whether the request keeps parameters that the address lacks.
        keep_params: bool,
    },
    /// The `Link` header (RFC 8288) has the address of the next page.
    HeaderLink {
        /// Relation of that link.
        links_next_key: String,
        /// Whether the request keeps parameters that the address lacks.
        keep_params: bool,
    },
    /// One page is all.
    SinglePage,
    /// One page is all that the API gives: the latest rows. Whether there are more is open if it is full.
    Latest {
        /// Rows of a full page.
        most: u64,
    },
}

impl PaginatorKind {
    /// The field of the last row that leads to the next page, if that is what does.
    pub fn last_row_field(&self) -> Option<&JsonPath> {
        match self {
            Self::Cursor { source: CursorSource::LastRow(path), .. } => Some(path),
            _ => None,
        }
    }

    /// Where the body has what leads to the next page.
    pub fn next_path(&self) -> Option<&JsonPath> {
        match self {
            Self::Cursor { source: CursorSource::Path(path), .. }
            | Self::JsonLink { next_url_path: path, .. } => Some(path),
            _ => None,
        }
    }
}

/// Where an answer has its cursor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CursorSource {
    /// At a path in the body.
    Path(JsonPath),
    /// In a header.
    Header(String),
    /// At a path in the last row.
    LastRow(JsonPath),
}

/// How far an offset moves from page to page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// By the limit, however many rows came.
    Limit,
    /// By the rows that came.
    Rows,
}

/// What ends a pagination by numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RangeEnd {
    /// Where a page reports how many pages or rows there are in all.
    pub total_path: Option<TotalPath>,
    /// The header that reports it, in place of the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_header: Option<String>,
    /// First page number, or row, that is not read any more (dlt's reading of it).
    pub maximum: Option<u64>,
    /// What a page without rows means.
    pub after_empty_page: AfterEmptyPage,
    /// A flag that tells whether more pages follow.
    pub has_more_path: Option<JsonPath>,
}

/// Where a total is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TotalPath {
    /// The path.
    pub path: JsonPath,
    /// Whether the config says so: then what is there has to be a number.
    pub is_configured: bool,
}

/// What a page without rows means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterEmptyPage {
    /// It is the last.
    Stop,
    /// It is the last unless the flag says that there is more.
    StopUnlessMore,
    /// Nothing.
    GoOn,
}

/// The line that has this rule in a config file, as far as [`Auto`](PaginatorKind::Auto) may choose it.
impl fmt::Display for PaginatorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields: Vec<(&str, String)> = Vec::new();
        let mut text = |key: &'static str, value: &str| fields.push((key, format!("{value:?}")));
        let has_more = match self {
            Self::Auto => return f.write_str("paginator = \"auto\""),
            Self::SinglePage => return f.write_str("paginator = \"single_page\""),
            Self::Latest { most } => {
                return write!(f, "paginator = {{ type = \"single_page\", full_page = {most} }}");
            }
            Self::Cursor { source, target, has_more_path, .. } => {
                match source {
                    CursorSource::Path(path) => {
                        text("type", "cursor");
                        text("cursor_path", path.as_str());
                    }
                    CursorSource::Header(name) => {
                        text("type", "header_cursor");
                        text("cursor_key", name);
                    }
                    CursorSource::LastRow(path) => {
                        text("type", "last_row");
                        text("cursor_field", path.as_str());
                    }
                }
                text(target.key("cursor_param", "cursor_body_path"), &target.to_string());
                has_more_path
            }
            Self::Offset { offset, limit, target, limit_target, end, .. } => {
                text("type", "offset");
                text(target.key("offset_param", "offset_body_path"), &target.to_string());
                text(limit_target.key("limit_param", "limit_body_path"), &limit_target.to_string());
                if let Some(total) = &end.total_path {
                    text("total_path", total.path.as_str());
                }
                fields.push(("limit", limit.to_string()));
                fields.push(("offset", offset.to_string()));
                &end.has_more_path
            }
            Self::PageNumber { base_page, target, end, .. } => {
                text("type", "page_number");
                text(target.key("page_param", "page_body_path"), &target.to_string());
                if let Some(total) = &end.total_path {
                    text("total_path", total.path.as_str());
                }
                fields.push(("base_page", base_page.to_string()));
                &end.has_more_path
            }
            Self::JsonLink { next_url_path, has_more_path, .. } => {
                text("type", "json_link");
                text("next_url_path", next_url_path.as_str());
                has_more_path
            }
            Self::HeaderLink { links_next_key, .. } => {
                text("type", "header_link");
                text("links_next_key", links_next_key);
                &None
            }
        };
        if let Some(path) = has_more {
            fields.push(("has_more_path", format!("{:?}", path.as_str())));
        }
        let fields: Vec<String> = fields.into_iter().map(|(key, value)| format!("{key} = {value}")).collect();
        write!(f, "paginator = {{ {} }}", fields.join(", "))
    }
}

impl Target {
    fn key(&self, param: &'static str, body: &'static str) -> &'static str {
        match self {
            Self::Param(_) => param,
            Self::Body(_) => body,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Param(name) => f.write_str(name),
            Self::Body(path) => f.write_str(&path.join(".")),
        }
    }
}

impl fmt::Display for CursorSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.fmt(f),
            Self::Header(name) => f.write_str(name),
            Self::LastRow(path) => write!(f, "{path} of the last row"),
        }
    }
}
