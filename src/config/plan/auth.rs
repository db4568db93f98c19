//! How requests prove who they are.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;

use crate::config::{Secret, SignTemplate, SigningKey};

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
        /// Name of the header, query parameter or cookie.
        name: String,
        /// The key.
        api_key: Secret,
        /// Where the name goes.
        location: KeyLocation,
    },
    /// `Authorization: Basic …`, RFC 7617.
    Basic {
        /// User name, in UTF-8; some APIs take a key for one.
        username: Secret,
        /// Password, in UTF-8.
        password: Secret,
    },
    /// A bearer token that is got while the run goes on, and got anew before it ends.
    Token(Arc<TokenPlan>),
    /// A signature of each request.
    Hmac(Arc<HmacPlan>),
    /// All of these.
    Several(Vec<Auth>),
}

impl Auth {
    /// The kinds that it is made of.
    pub fn parts(&self) -> &[Auth] {
        match self {
            Self::Several(parts) => parts,
            one => std::slice::from_ref(one),
        }
    }
}

impl Auth {
    /// Query parameters that it adds to each request.
    pub fn params(&self) -> impl Iterator<Item = &str> {
        self.parts().iter().flat_map(|part| -> Vec<&str> {
            match part {
                Self::ApiKey { name, location: KeyLocation::Query, .. } => vec![name],
                Self::Hmac(plan) => plan.params.iter().map(|(name, _)| name.as_str()).collect(),
                _ => Vec::new(),
            }
        })
    }
}

/// Where an API key is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyLocation {
    /// A request header.
    Header,
    /// A query parameter.
    Query,
    /// A cookie, RFC 6265.
    Cookie,
}

/// Where bearer tokens come from.
#[derive(Debug)]
pub struct TokenPlan {
    /// Hash of all that tells one credential from another; equal ones share their tokens.
    pub id: String,
    /// What they are got with.
    pub grant: Grant,
    /// Further fields of the form; values may be secrets.
    pub data: Vec<(String, Secret)>,
    /// Headers of the token request; values may be secrets.
    pub headers: Vec<(String, Secret)>,
    /// How long a token lasts if nothing says so.
    pub default_expiration: Duration,
    /// A token to begin with.
    pub access_token: Option<Secret>,
}

/// What a token is got with. `Debug` shows the kind alone.
pub enum Grant {
    /// RFC 6749, section 4.4.
    ClientCredentials {
        /// The token endpoint.
        url: Url,
        /// Who asks.
        client: OAuthClient,
    },
    /// RFC 6749, section 6.
    RefreshToken {
        /// The token endpoint.
        url: Url,
        /// Who asks.
        client: OAuthClient,
        /// The first one; the endpoint may give newer ones.
        refresh_token: Secret,
    },
    /// RFC 7523, section 2.1.
    JwtBearer {
        /// The token endpoint.
        url: Url,
        /// What proves who asks.
        assertion: Assertion,
    },
    /// The assertion is the token.
    SelfSigned(Assertion),
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientCredentials { .. } => "ClientCredentials",
            Self::RefreshToken { .. } => "RefreshToken",
            Self::JwtBearer { .. } => "JwtBearer",
            Self::SelfSigned(_) => "SelfSigned",
        })
    }
}

/// A client of a token endpoint.
pub struct OAuthClient {
    /// Public name.
    pub id: String,
    /// What proves it; public clients have none.
    pub secret: Option<Secret>,
    /// How it is proved.
    pub auth: ClientAuth,
}

/// How a client proves itself to a token endpoint, RFC 6749, section 2.3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// In the form.
    Body,
    /// By HTTP Basic.
    Basic,
}

/// What a JWT says (RFC 7519), and what it is signed with. Claims may be secrets.
pub struct Assertion {
    /// Signs.
    pub key: SigningKey,
    /// `kid` of the header.
    pub key_id: Option<String>,
    /// All claims but `iat` and `exp`.
    pub claims: Map<String, Value>,
    /// From `iat` to `exp`.
    pub lifetime: Duration,
}

/// How requests are signed.
#[derive(Debug)]
pub struct HmacPlan {
    /// The hash.
    pub algorithm: HmacAlgorithm,
    /// The secret as the config has it, for redaction.
    pub secret: Secret,
    /// The bytes that it stands for.
    pub key: SecretBytes,
    /// What is signed.
    pub message: SignTemplate,
    /// How the signature is written.
    pub encoding: Encoding,
    /// What is sent along.
    pub headers: Vec<(String, SignTemplate)>,
    /// What is added to the query; what has no signature in it comes before the query is signed.
    pub params: Vec<(String, SignTemplate)>,
}

/// Hash of an HMAC (RFC 2104).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HmacAlgorithm {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// How bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Lower-case hexadecimal digits.
    Hex,
    /// Base64 with padding, RFC 4648, section 4.
    Base64,
}

/// Bytes that must not be seen.
#[derive(Clone)]
pub struct SecretBytes(pub(in crate::config) Vec<u8>);

impl SecretBytes {
    /// The bytes themselves, for the signature that needs them and for nothing else.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
