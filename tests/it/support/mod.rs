//! What several tests need: the program in a directory of its own, its tables read back, the API's log judged.

#![allow(dead_code, reason = "each module of tests uses a part of this")]

pub(crate) mod api;
pub(crate) mod cli;
pub(crate) mod db;
pub(crate) mod package;
pub(crate) mod postgres;
