//! How requests prove who they are.

use crate::config::Secret;

/// Credentials.
#[derive(Debug, Clone)]
pub enum Auth {
    /// `Authorization: Bearer TOKEN`.
    Bearer {
        /// The token.
        token: Secret,
    },
    /// A key under a name of the API's choice.
    ApiKey {
        /// Header or query parameter name.
        name: String,
        /// The key.
        api_key: Secret,
        /// Where the name goes.
        location: KeyLocation,
    },
}

/// Where an API key is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyLocation {
    /// A request header.
    Header,
    /// A query parameter.
    Query,
}
