//! What credentials sign with: private keys, and templates of what is signed.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256};
use rustls_pki_types::PrivateKeyDer;

use super::Secret;
use super::private_key::KeyProblem;

/// A private key and the one algorithm it is used with (RFC 7518, section 3.1). `Debug` shows the algorithm alone.
#[derive(Clone)]
pub enum SigningKey {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256(Arc<RsaKeyPair>),
    /// ECDSA on P-256 with SHA-256.
    Es256(Arc<EcdsaKeyPair>),
}

impl SigningKey {
    /// Takes an RSA key: PKCS #8 or PKCS #1.
    pub(super) fn rs256(key: &PrivateKeyDer<'_>) -> Result<Self, KeyProblem> {
        let key = match key {
            PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            _ => return Err(KeyProblem::NotRsa),
        };
        key.map(|key| Self::Rs256(Arc::new(key))).map_err(|_| KeyProblem::NotRsa)
    }

    /// Takes a key on P-256: PKCS #8 or SEC 1.
    pub(super) fn es256(key: &PrivateKeyDer<'_>) -> Result<Self, KeyProblem> {
        EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, key.secret_der())
            .map(|key| Self::Es256(Arc::new(key)))
            .map_err(|_| KeyProblem::NotP256)
    }

    /// The algorithm's name in the header of a JWT.
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Rs256(_) => "RS256",
            Self::Es256(_) => "ES256",
        }
    }

    /// The signature of `message`, as a JWT has it; nothing if the library cannot sign.
    pub fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Rs256(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).ok()?;
                Some(signature)
            }
            Self::Es256(key) => Some(key.sign(&random, message).ok()?.as_ref().to_vec()),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm())
    }
}

/// A part of a request, or of its signature, that a template names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignField {
    /// Seconds since 1970.
    Timestamp,
    /// Milliseconds since 1970.
    TimestampMs,
    /// `2026-05-18T10:05:00Z`.
    TimestampIso,
    /// `Mon, 18 May 2026 10:05:00 GMT`, RFC 9110.
    Date,
    /// 32 random hexadecimal digits.
    Nonce,
    /// `GET`.
    Method,
    /// The whole URL, as sent.
    Url,
    /// Host, with the port if it is not the usual one.
    Host,
    /// Path, as sent.
    Path,
    /// Query, as sent, without the question mark.
    Query,
    /// Path, question mark and query; the path alone if there is no query.
    Target,
    /// Body; empty if there is none.
    Body,
    /// SHA-256 of the body, in lower-case hexadecimal digits.
    BodySha256,
    /// The signature.
    Signature,
}

impl SignField {
    const ALL: [(&'static str, Self); 14] = [
        ("timestamp", Self::Timestamp),
        ("timestamp_ms", Self::TimestampMs),
        ("timestamp_iso", Self::TimestampIso),
        ("date", Self::Date),
        ("nonce", Self::Nonce),
        ("method", Self::Method),
        ("url", Self::Url),
        ("host", Self::Host),
        ("path", Self::Path),
        ("query", Self::Query),
        ("target", Self::Target),
        ("body", Self::Body),
        ("body_sha256", Self::BodySha256),
        ("signature", Self::Signature),
    ];

    /// All names, for messages.
    pub(super) fn names() -> String {
        Self::ALL.map(|(name, _)| format!("`{{{name}}}`")).join(", ")
    }
}

/// A text with fields in braces. A brace that holds no lower-case word is a character like any other, so that JSON can be signed.
#[derive(Debug, Clone)]
pub struct SignTemplate(Vec<SignPart>);

/// A part of a template.
#[derive(Debug, Clone)]
pub enum SignPart {
    /// As it stands; may hold a key.
    Text(Secret),
    /// Filled in for each request.
    Field(SignField),
}

impl SignTemplate {
    /// Parses a text. An error means that it names a field that does not exist.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            literal.push_str(&rest[..at]);
            let inside = &rest[at + 1..];
            let name = inside.split_once('}').map(|(name, _)| name).filter(|name| is_word(name));
            let Some(name) = name else {
                literal.push('{');
                rest = inside;
                continue;
            };
            let (_, field) = SignField::ALL.into_iter().find(|(known, _)| *known == name)?;
            if !literal.is_empty() {
                parts.push(SignPart::Text(Secret::new(std::mem::take(&mut literal))));
            }
            parts.push(SignPart::Field(field));
            rest = &inside[name.len() + 1..];
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(SignPart::Text(Secret::new(literal)));
        }
        Some(Self(parts))
    }

    /// Texts and fields in order.
    pub fn parts(&self) -> &[SignPart] {
        &self.0
    }

    /// Whether a field is in it.
    pub fn has(&self, field: SignField) -> bool {
        self.0.iter().any(|part| matches!(part, SignPart::Field(found) if *found == field))
    }
}

fn is_word(name: &str) -> bool {
    name.starts_with(|char: char| char.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::super::private_key;
    use super::*;

    #[test]
    fn templates_know_their_fields_and_leave_other_braces_alone() {
        let shown = |text: &str| {
            let parts = SignTemplate::parse(text)?.0;
            let show = |part: &SignPart| match part {
                SignPart::Text(text) => text.expose().to_owned(),
                SignPart::Field(field) => format!("<{field:?}>"),
            };
            Some(parts.iter().map(show).collect::<String>())
        };
        for (text, expected) in [
            ("{timestamp}\n{method}", Some("<Timestamp>\n<Method>")),
            (r#"{"at":{timestamp_ms},"x":{}}"#, Some(r#"{"at":<TimestampMs>,"x":{}}"#)),
            ("a { b } {{nonce}}", Some("a { b } {<Nonce>}")),
            ("{", Some("{")),
            ("", Some("")),
            ("{tiemstamp}", None),
        ] {
            assert_eq!(shown(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn keys_of_another_kind_are_named() {
        let pem = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----");
        for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"] {
            let key = private_key::read(&pem(label), None).unwrap();
            assert_eq!(SigningKey::rs256(&key).unwrap_err(), KeyProblem::NotRsa);
            assert_eq!(SigningKey::es256(&key).unwrap_err(), KeyProblem::NotP256);
        }
    }
}
