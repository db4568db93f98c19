//! Requests under quota: client, credentials, retry. The one place that talks to the network.

mod actions;
mod advice;
mod auth;
mod charset;
mod client;
mod error;
mod event;
mod quota;
mod redact;
mod request;
mod retry;
mod server_message;
mod transport;

pub use actions::{Action, HeaderCondition, JsonCondition, ResponseAction, StatusCondition};
pub use client::HttpClient;
pub use error::{Failure, HttpError, StatusFailure, TokenError, is_transient_status};
pub use event::{HttpCounts, HttpEvent, WaitReason};
pub use quota::{Holder, QuotaSharing, QuotaStore, Seen, StoreError, quota_horizon, quota_key};
pub use redact::carries_credentials;
pub(crate) use redact::is_secret_param;
pub(crate) use request::drop_params;
pub use request::{Body, Claim, Request, Response, Validators};
