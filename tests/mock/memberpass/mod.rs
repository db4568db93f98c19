//! The MemberPass REST API, reading only: the current team, projects, plans, members, subscriptions, transactions and
//! activity. Nothing that writes is here, and of the analytics only the transactions.

mod data;
mod paging;
mod routes;

pub(super) use routes::MemberPass;
