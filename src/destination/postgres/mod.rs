//! Postgres servers, versions 13 to 18.

mod column_type;
mod copy;
