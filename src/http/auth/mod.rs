//! Credentials: who may see which, how they are sent, and how tokens are got and got anew.
//!
//! [`dress`] puts them on a request, [`hmac`] signs one, [`grant`] asks a token endpoint, [`jwt`] makes what proves
//! who asks, [`token`] keeps a token until it has to be got anew, and [`vault`] keeps refresh tokens on disk.

mod dress;
mod grant;
mod hmac;
mod jwt;
mod token;
mod vault;

pub(super) use dress::{Bare, Dressed, basic, check_headers, method};

pub(super) use grant::{Granted, TokenRequest, client_basic, read_answer, token_request, turn};
pub(super) use token::{Granting, Held, Tokens};
