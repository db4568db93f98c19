//! Assertions: JSON Web Tokens (RFC 7519) in the compact form of RFC 7515.

use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::hmac::nonce;
use crate::config::{Assertion, Secret};

/// Servers whose clocks are behind refuse what is issued in the future: an assertion says to be this old.
const AGE: Duration = Duration::from_secs(60);

/// The same for one that lasts less than ten minutes: this part of its life.
const AGE_PART: u32 = 10;

/// How old an assertion says to be when it is made.
pub(super) fn age(assertion: &Assertion) -> Duration {
    AGE.min(assertion.lifetime / AGE_PART)
}

/// Makes a new one; nothing if the key cannot sign.
pub(super) fn sign(assertion: &Assertion, now: SystemTime) -> Option<Secret> {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let issued = now.saturating_sub(age(assertion)).as_secs();
    let mut claims = assertion.claims.clone();
    let made = [
        ("iat", json!(issued)),
        ("exp", json!(issued + assertion.lifetime.as_secs())),
        // Some endpoints take none twice (RFC 7523, section 3).
        ("jti", json!(nonce())),
    ];
    for (name, value) in made {
        claims.entry(name).or_insert(value);
    }
    let mut header = Map::new();
    header.insert("alg".to_owned(), json!(assertion.key.algorithm()));
    header.insert("typ".to_owned(), json!("JWT"));
    if let Some(key_id) = &assertion.key_id {
        header.insert("kid".to_owned(), json!(key_id));
    }
    let part = |fields: Map<String, Value>| URL_SAFE_NO_PAD.encode(Value::Object(fields).to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = assertion.key.sign(signed.as_bytes())?;
    Some(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED, KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    };
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::config::{Auth, Grant, SigningKey, test_auth};

    fn pem(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----", STANDARD.encode(der))
    }

    fn assertion(pem: &str, rest: &str) -> Assertion {
        let auth = test_auth(&format!("type = 'jwt'\nclient_id = 'me'\nprivate_key = '''{pem}'''\n{rest}"));
        let Auth::Token(plan) = auth else { panic!("no token") };
        match std::sync::Arc::into_inner(plan).unwrap().grant {
            Grant::JwtBearer { assertion, .. } | Grant::SelfSigned(assertion) => assertion,
            other => panic!("{other:?}"),
        }
    }

    fn parts(jwt: &Secret) -> (Value, Value, String, Vec<u8>) {
        let (signed, signature) = jwt.expose().rsplit_once('.').unwrap();
        let (header, claims) = signed.split_once('.').unwrap();
        let json = |part: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        (json(header), json(claims), signed.to_owned(), URL_SAFE_NO_PAD.decode(signature).unwrap())
    }

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000)
    }

    #[test]
    fn es256_is_signed_as_rfc_7515_has_it() {
        let key = aws_lc_rs::signature::EcdsaKeyPair::generate(
            &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        )
        .unwrap();
        let pem = pem("PRIVATE KEY", key.to_pkcs8v1().unwrap().as_ref());
        let assertion = assertion(
            &pem,
            "algorithm = 'ES256'\nkey_id = 'k1'\naudience = 'aud'\nlifetime = '5m'\nscopes = ['a', 'b']\nclaims = { extra = 1, jti = 'mine' }",
        );
        let (header, claims, signed, signature) = parts(&sign(&assertion, now()).unwrap());
        assert_eq!(header, json!({"alg": "ES256", "typ": "JWT", "kid": "k1"}));
        assert_eq!(
            claims,
            json!({"iss": "me", "sub": "me", "aud": "aud", "scope": "a b", "extra": 1, "jti": "mine", "iat": 999_970, "exp": 1_000_270})
        );
        // Appendix A.3: R and S, 32 bytes each.
        assert_eq!(signature.len(), 64);
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public_key().as_ref());
        public.verify(signed.as_bytes(), &signature).unwrap();
    }

    #[test]
    fn rs256_is_signed_as_rfc_7515_has_it() {
        let key = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
        let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = key.as_der().unwrap();
        let assertion = assertion(
            &pem("PRIVATE KEY", der.as_ref()),
            "auth_endpoint = 'https://a.test/token'\nsubject = 'you'",
        );
        let (header, claims, signed, signature) = parts(&sign(&assertion, now()).unwrap());
        assert_eq!(header, json!({"alg": "RS256", "typ": "JWT"}));
        assert_eq!((&claims["aud"], &claims["sub"]), (&json!("https://a.test/token"), &json!("you")));
        assert_eq!((&claims["iat"], &claims["exp"]), (&json!(999_940), &json!(1_003_540)));
        let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref());
        public.verify(signed.as_bytes(), &signature).unwrap();
    }

    #[test]
    fn the_key_of_rfc_7515_appendix_a_2_signs_as_there() {
        // Deterministic, so the signature of the example itself has to come out.
        let plain = include_str!("../../../tests/fixtures/keys/rfc7515-a2.pem");
        let encrypted = include_str!("../../../tests/fixtures/keys/rfc7515-a2-encrypted.pem");
        let message = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        for (pem, rest) in [(plain, ""), (encrypted, "private_key_passphrase = 'correct hörse'")] {
            let assertion = assertion(pem, rest);
            let SigningKey::Rs256(_) = &assertion.key else { panic!("no RSA key") };
            let signature = assertion.key.sign(message.as_bytes()).unwrap();
            assert_eq!(
                URL_SAFE_NO_PAD.encode(signature),
                "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
            );
        }
    }
}
