//! The Memberstack Admin REST API: the keys, the members and the Data Tables.
//!
//! Not here, as the real API has nothing of the kind: plans, teams, prices and webhooks; every route that is not
//! listed in `routes` answers 404. Not mocked: `select` and `include` of Data Tables, and the cap of a sandbox.

mod errors;
mod generate;
mod members;
mod records;
mod routes;
mod tables;

pub(super) use generate::{Draw, iso_ms};
pub(super) use routes::Memberstack;
