//! forebay loads REST APIs into DuckDB and Postgres, exactly as fast as their quota allows, into the tables dlt would make.
//!
//! ```text
//!  config.toml                                   one package, on disk                  one transaction
//!      │             ┌───────── extract ─────────┐      ┌────── normalize ─────┐      ┌──────── load ────────┐
//!      ▼             │ quota → request → retry   │      │ rows → tables        │      │ DDL, rows, merge,    │
//!    plan ─────────► │ page → paginator → next?  │ ───► │ infer, coerce, Arrow │ ───► │ ledger, state        │ ───► report
//!      ▲             └───────────────────────────┘      └──────────────────────┘      └──────────────────────┘
//!      └───────────────────────────── state: cursors, schema (read back from the destination) ◄──┘
//! ```
//!
//! Arrows never turn back. [`paginate`], [`schema`] and [`normalize`] do no network I/O; [`package`] knows no
//! destination; [`destination`] knows no API; only [`cli`] prints and only `main` exits. [`pipeline`] is the one
//! place that knows all stages and their order.

pub mod cli;
pub mod config;
pub mod destination;
pub mod error;
pub mod extract;
pub mod http;
pub mod jq;
pub mod normalize;
pub mod package;
pub mod page;
pub mod paginate;
pub mod pipeline;
pub mod process;
pub mod report;
pub mod schema;
pub mod state;

#[cfg(test)]
#[path = "../tests/postgres/mod.rs"]
mod test_postgres;
