//! The MemberPass REST API, reading only: every route that lists or shows something. Nothing that writes is here.

mod data;
mod paging;
mod refusal;
mod reports;
mod routes;
mod team;

pub(super) use routes::MemberPass;
