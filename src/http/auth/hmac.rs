//! Signatures of requests: an HMAC (RFC 2104) over what a template puts together.

use std::time::SystemTime;

use aws_lc_rs::{digest, hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use url::Url;

use crate::config::{Encoding, HmacAlgorithm, HmacPlan, Secret, SignField, SignPart, SignTemplate};
use crate::http::drop_params;

/// What the fields of the templates stand for.
struct Values<'a> {
    now: SystemTime,
    nonce: String,
    method: &'a reqwest::Method,
    body: &'a [u8],
    signature: String,
}

/// Signs one request: adds parameters to `url` and returns the headers to add. Each call has a time and a nonce of its
/// own, so a repeated request is signed anew.
pub(super) fn sign(
    plan: &HmacPlan,
    method: &reqwest::Method,
    url: &mut Url,
    body: &[u8],
    now: SystemTime,
) -> Vec<(String, Secret)> {
    let mut values = Values { now, nonce: nonce(), method, body, signature: String::new() };
    // A redirect may bring parameters back that were added to the request before.
    drop_params(url, |name, _| plan.params.iter().any(|(added, _)| added == name));
    let (last, first): (Vec<_>, Vec<_>) =
        plan.params.iter().partition(|(_, template)| template.has(SignField::Signature));
    for (name, template) in first {
        let value = text(&values.render(template, url));
        url.query_pairs_mut().append_pair(name, &value);
    }
    let message = values.render(&plan.message, url);
    values.signature = encode(plan.encoding, &mac(plan, &message));
    for (name, template) in last {
        let value = text(&values.render(template, url));
        url.query_pairs_mut().append_pair(name, &value);
    }
    let headers = plan.headers.iter();
    headers.map(|(name, template)| (name.clone(), Secret::new(text(&values.render(template, url))))).collect()
}

impl Values<'_> {
    fn render(&self, template: &SignTemplate, url: &Url) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in template.parts() {
            match part {
                SignPart::Text(text) => bytes.extend_from_slice(text.expose().as_bytes()),
                SignPart::Field(SignField::Body) => bytes.extend_from_slice(self.body),
                SignPart::Field(field) => bytes.extend_from_slice(self.field(*field, url).as_bytes()),
            }
        }
        bytes
    }

    fn field(&self, field: SignField, url: &Url) -> String {
        let since_epoch = self.now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        match field {
            SignField::Timestamp => since_epoch.as_secs().to_string(),
            SignField::TimestampMs => since_epoch.as_millis().to_string(),
            SignField::TimestampIso => i64::try_from(since_epoch.as_secs())
                .ok()
                .and_then(|seconds| Timestamp::from_second(seconds).ok())
                .map(|timestamp| timestamp.to_string())
                .unwrap_or_default(),
            SignField::Date => httpdate::fmt_http_date(self.now),
            SignField::Nonce => self.nonce.clone(),
            SignField::Method => self.method.to_string(),
            SignField::Url => url.to_string(),
            SignField::Host => match (url.host_str().unwrap_or_default(), url.port()) {
                (host, Some(port)) => format!("{host}:{port}"),
                (host, None) => host.to_owned(),
            },
            SignField::Path => url.path().to_owned(),
            SignField::Query => url.query().unwrap_or_default().to_owned(),
            SignField::Target => match url.query() {
                Some(query) => format!("{}?{query}", url.path()),
                None => url.path().to_owned(),
            },
            SignField::Body => String::from_utf8_lossy(self.body).into_owned(),
            SignField::BodySha256 => {
                encode(Encoding::Hex, digest::digest(&digest::SHA256, self.body).as_ref())
            }
            SignField::Signature => self.signature.clone(),
        }
    }
}

fn mac(plan: &HmacPlan, message: &[u8]) -> Vec<u8> {
    let algorithm = match plan.algorithm {
        HmacAlgorithm::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        HmacAlgorithm::Sha256 => hmac::HMAC_SHA256,
        HmacAlgorithm::Sha384 => hmac::HMAC_SHA384,
        HmacAlgorithm::Sha512 => hmac::HMAC_SHA512,
    };
    hmac::sign(&hmac::Key::new(algorithm, plan.key.expose()), message).as_ref().to_vec()
}

/// Bytes as a text.
fn encode(encoding: Encoding, bytes: &[u8]) -> String {
    match encoding {
        Encoding::Hex => hex(bytes),
        Encoding::Base64 => STANDARD.encode(bytes),
    }
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// 128 random bits.
pub(super) fn nonce() -> String {
    let mut bytes = [0; 16];
    // The library aborts where there is no randomness, and never fails.
    let _ = rand::fill(&mut bytes);
    hex(&bytes)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{Auth, test_auth};

    fn hmac(toml: &str) -> std::sync::Arc<HmacPlan> {
        match test_auth(&format!("type = 'hmac'\n{toml}")) {
            Auth::Hmac(plan) => plan,
            other => panic!("{other:?}"),
        }
    }

    fn signed(
        plan: &HmacPlan,
        method: &reqwest::Method,
        url: &str,
        body: &str,
    ) -> (String, Vec<(String, String)>) {
        let mut url: Url = url.parse().unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_779_098_700_123);
        let headers = sign(plan, method, &mut url, body.as_bytes(), now);
        let plain = |(name, value): (String, Secret)| (name, value.expose().to_owned());
        (url.to_string(), headers.into_iter().map(plain).collect())
    }

    #[test]
    fn rfc_4231_holds() {
        // Section 4.3, test case 2: key "Jefe".
        for (algorithm, expected) in [
            ("sha256", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (
                "sha384",
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
            ),
            (
                "sha512",
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
            // RFC 2202, section 3, test case 2.
            ("sha1", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
        ] {
            let plan = hmac(&format!(
                "secret = 'Jefe'\nalgorithm = '{algorithm}'\nmessage = 'what do ya want for nothing?'\nheaders = {{ S = '{{signature}}' }}"
            ));
            let (_, headers) = signed(&plan, &reqwest::Method::GET, "https://a.test/", "");
            assert_eq!(headers[0].1, expected, "{algorithm}");
        }
    }

    #[test]
    fn templates_see_the_request_as_it_is_sent() {
        let plan = hmac(
            "secret = 's'\nmessage = 'x'\nheaders = { S = '{signature}', A = '{method} {target} {path} {query}', B = '{timestamp} {timestamp_ms} {timestamp_iso} {date}', C = '{host} {url}', D = '{body} {body_sha256}' }",
        );
        let (_, headers) =
            signed(&plan, &reqwest::Method::POST, "https://a.test:8443/v1/a%20b?q=%C3%A9&x=1", "{}");
        let values: Vec<_> = headers.iter().skip(1).map(|(_, value)| value.as_str()).collect();
        assert_eq!(
            values,
            [
                "POST /v1/a%20b?q=%C3%A9&x=1 /v1/a%20b q=%C3%A9&x=1",
                "1779098700 1779098700123 2026-05-18T10:05:00Z Mon, 18 May 2026 10:05:00 GMT",
                "a.test:8443 https://a.test:8443/v1/a%20b?q=%C3%A9&x=1",
                "{} 44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
            ]
        );
    }

    #[test]
    fn parameters_are_part_of_what_is_signed_and_are_added_once() {
        let plan = hmac(
            "secret = 's'\nmessage = '{query}'\nparams = { signature = '{signature}', timestamp = '{timestamp}' }",
        );
        let (url, headers) = signed(&plan, &reqwest::Method::GET, "https://a.test/?a=1", "");
        assert!(headers.is_empty());
        let expected = hex(&mac(&plan, b"a=1&timestamp=1779098700"));
        assert_eq!(url, format!("https://a.test/?a=1&timestamp=1779098700&signature={expected}"));
        assert_eq!(signed(&plan, &reqwest::Method::GET, &url, "").0, url);
    }

    #[test]
    fn secrets_may_be_written_as_bytes_and_nonces_never_come_twice() {
        let key = |toml: &str| {
            hmac(&format!(
                "{toml}\nmessage = '{{nonce}}'\nheaders = {{ S = '{{signature}}' }}\nencoding = 'base64'"
            ))
        };
        assert_eq!(key("secret = '4a656665'\nsecret_encoding = 'hex'").key.expose(), b"Jefe");
        let plan = key("secret = 'SmVmZQ=='\nsecret_encoding = 'base64'");
        assert_eq!(plan.key.expose(), b"Jefe");
        let sign = || signed(&plan, &reqwest::Method::GET, "https://a.test/", "").1;
        assert_ne!(sign(), sign());
        assert_eq!(STANDARD.decode(&sign()[0].1).unwrap().len(), 32);
    }
}
