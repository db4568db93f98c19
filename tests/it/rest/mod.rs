//! APIs of all shapes, loaded from a config file: the program as a user runs it, against a server that answers as the
//! test says.

#![allow(dead_code, reason = "each module uses a part of the scene")]

mod again;
pub(crate) mod api;
mod auth;
mod children;
mod incremental;
mod pages;
mod processing;
mod quota;
mod requests;
mod responses;
mod scene;
mod secrets;
mod together;
mod whole;
