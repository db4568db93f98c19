//! The TOML file: text → [`raw`] types that mirror it → [`Plan`], checked whole before any I/O to the API.

mod plan;
mod secret;

pub use plan::*;
pub use secret::Secret;
