//! Requests under quota: client, credentials, retry. The one place that talks to the network.

mod advice;
mod auth;
mod client;
mod error;
mod event;
mod quota;
mod redact;
mod request;
mod retry;
mod server_message;
mod transport;

pub use client::HttpClient;
pub use error::{Failure, HttpError, StatusFailure, TokenError};
pub use event::{HttpCounts, HttpEvent, WaitReason};
pub use request::{Body, Request, Response};
