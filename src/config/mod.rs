//! The TOML file: text → `raw` types that mirror it → [`Plan`], checked whole before any request.
//!
//! [`load`] reads the file, applies overrides, fills in variables, checks the form against the JSON Schema of the raw
//! types, then the sense, and reports everything that is wrong at once. It reads files (`.env`, `${file:…}`) and
//! asks for variables, and does no other I/O.

mod check;
mod interpolate;
mod overrides;
mod plan;
mod problem;
mod raw;
mod schema;
mod secret;
mod template;
mod units;

pub use plan::*;
pub use problem::{ConfigError, Problem, SyntaxError};
pub use schema::json_schema;
pub use secret::Secret;
pub use template::{JsonTemplate, Placeholder, RenderError, Template, TemplateError, placeholders};

#[cfg(test)]
mod dump { #[test] fn dump() { std::fs::write("/tmp/wt/scratch-config/schema.json", serde_json::to_string_pretty(&super::json_schema()).unwrap()).unwrap(); } }
