//! The TOML file: text → `raw` types that mirror it → [`Plan`], checked whole before any request.
//!
//! [`load()`] reads the file, applies overrides, fills in variables, checks the form against the JSON Schema of the raw
//! types, then the sense, and reports everything that is wrong at once. It reads files (`.env`, `${file:…}`) and
//! asks for variables, and does no other I/O.

mod auth;
mod build;
mod check;
mod client;
mod columns;
mod deletes;
mod endpoint;
mod graph;
mod hints;
mod incremental;
mod interpolate;
mod layers;
mod load;
mod overrides;
mod paginator;
mod plan;
mod postgres;
mod private_key;
mod problem;
mod process;
mod quota;
mod raw;
mod raw_hints;
mod resource;
mod responses;
mod schema;
mod secret;
mod signing;
mod template;
mod units;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;

#[cfg(test)]
pub(crate) use auth::test_auth;
pub use load::{Overrides, load};
pub use plan::*;
#[cfg(test)]
pub(crate) use postgres::parse as parse_postgres_url;
pub use postgres::{PostgresPlan, SslMode};
pub(crate) use problem::did_you_mean;
pub use problem::{ConfigError, Problem, SyntaxError};
pub use schema::json_schema;
pub(crate) use secret::{SHORTEST_SECRET, mask};
pub use secret::{Secret, Secrets};
pub use signing::{SignField, SignPart, SignTemplate, SigningKey};
pub use template::{IncrementalValue, JsonTemplate, Placeholder, RenderError, Template, TemplateError};
