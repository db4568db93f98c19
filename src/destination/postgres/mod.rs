//! Postgres servers.

mod connection;
mod error;
mod lock;
mod migrate;
mod options;
mod password_file;
mod retry;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests;
mod value;
