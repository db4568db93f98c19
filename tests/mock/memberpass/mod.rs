//! The MemberPass REST API: every route that lists or shows something, and some that write.

mod data;
mod paging;
mod refusal;
mod reports;
mod routes;
mod team;
mod writes;

pub(super) use routes::MemberPass;
