//! Requests under quota: client, credentials, retry. The one place that talks to the network.

mod request;

pub use request::{Request, Response};
