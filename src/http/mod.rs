//! Requests under quota: client, credentials, retry. The one place that talks to the network.

mod advice;
mod event;
mod quota;
mod request;

pub use event::{HttpCounts, HttpEvent, WaitReason};
pub use request::{Request, Response};
