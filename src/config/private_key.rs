//! Private keys in PEM form, encrypted ones too (PKCS #8 and PKCS #5: RFC 5958, RFC 8018).

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, Algorithm, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pkcs5::EncryptionScheme;
use pkcs5::der::asn1::{AnyRef, OctetStringRef};
use pkcs5::der::{self, Decode, Reader, SliceReader};
use pkcs5::pbes2::{EncryptionScheme as Cipher, Kdf, Pbkdf2Prf};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

const BEGIN_ENCRYPTED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";

const END_ENCRYPTED: &str = "-----END ENCRYPTED PRIVATE KEY-----";

/// Why a text is no key. Nothing of the text is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyProblem {
    #[error("is not a private key in PEM form")]
    NotPem,
    #[error("is an encrypted private key")]
    Encrypted,
    #[error("is a private key that is encrypted in a way that cannot be read")]
    OtherCipher,
    #[error("does not decrypt the private key")]
    WrongPassphrase,
    #[error("is given, but the private key is not encrypted")]
    NotEncrypted,
    #[error("is not an RSA private key of 2048 to 8192 bits, which `RS256` needs")]
    NotRsa,
    #[error("is not a private key on the curve P-256, which `ES256` needs")]
    NotP256,
}

impl KeyProblem {
    /// The key of the config that it is about.
    pub(super) fn place(self) -> &'static str {
        match self {
            Self::WrongPassphrase | Self::NotEncrypted => "private_key_passphrase",
            _ => "private_key",
        }
    }

    pub(super) fn hint(self) -> Option<&'static str> {
        Some(match self {
            Self::NotPem => {
                "it begins with `-----BEGIN PRIVATE KEY-----`; take it from a file: \"${file:key.pem}\""
            }
            Self::Encrypted => "give its `private_key_passphrase`",
            Self::OtherCipher => {
                "write it anew: `openssl pkcs8 -topk8 -v2 aes-256-cbc -in key.pem -out new.pem`"
            }
            Self::NotRsa => "give the key's `algorithm`, or another key",
            Self::NotP256 => "make one with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`",
            Self::WrongPassphrase | Self::NotEncrypted => return None,
        })
    }
}

/// Reads a key.
pub(super) fn read(pem: &str, passphrase: Option<&str>) -> Result<PrivateKeyDer<'static>, KeyProblem> {
    // Variables often hold a key in one line, with `\n` for the line breaks.
    let pem = if pem.contains('\n') { pem.to_owned() } else { pem.replace("\\n", "\n") };
    if pem.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(KeyProblem::OtherCipher);
    }
    match (pem.split_once(BEGIN_ENCRYPTED), passphrase) {
        (Some((_, rest)), Some(passphrase)) => {
            let (text, _) = rest.split_once(END_ENCRYPTED).ok_or(KeyProblem::NotPem)?;
            let text: String = text.split_whitespace().collect();
            decrypt(&STANDARD.decode(text).map_err(|_| KeyProblem::NotPem)?, passphrase)
        }
        (Some(_), None) => Err(KeyProblem::Encrypted),
        (None, Some(_)) => Err(KeyProblem::NotEncrypted),
        (None, None) => PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyProblem::NotPem),
    }
}

/// Opens an `EncryptedPrivateKeyInfo`.
fn decrypt(encrypted: &[u8], passphrase: &str) -> Result<PrivateKeyDer<'static>, KeyProblem> {
    let parsed = SliceReader::new(encrypted).and_then(|mut reader| {
        reader.sequence(|reader| {
            Ok::<_, der::Error>((EncryptionScheme::decode(reader)?, <&OctetStringRef>::decode(reader)?))
        })
    });
    // It has the form, or it could not be told from one with a cipher that is not known.
    let (scheme, data) = parsed.map_err(|_| KeyProblem::OtherCipher)?;
    let EncryptionScheme::Pbes2(parameters) = scheme else { return Err(KeyProblem::OtherCipher) };
    let (cipher, iv): (&Algorithm, _) = match parameters.encryption {
        Cipher::Aes128Cbc { iv } => (&AES_128, iv),
        Cipher::Aes192Cbc { iv } => (&AES_192, iv),
        Cipher::Aes256Cbc { iv } => (&AES_256, iv),
        _ => return Err(KeyProblem::OtherCipher),
    };
    let mut key = vec![0; parameters.encryption.key_size()];
    derive(&parameters.kdf, passphrase, &mut key)?;
    let key = UnboundCipherKey::new(cipher, &key).and_then(PaddedBlockDecryptingKey::cbc_pkcs7);
    let mut plain = data.as_bytes().to_vec();
    let context = DecryptionContext::Iv128(FixedLength::from(iv));
    let plain = key.and_then(|key| key.decrypt(&mut plain, context).map(|plain| plain.to_vec()));
    // The padding may be right by chance.
    let plain = plain.ok().filter(|plain| AnyRef::from_der(plain).is_ok());
    let plain = plain.ok_or(KeyProblem::WrongPassphrase)?;
    Ok(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(plain)))
}

/// Makes the key out of the passphrase.
fn derive(kdf: &Kdf, passphrase: &str, key: &mut [u8]) -> Result<(), KeyProblem> {
    let Kdf::Pbkdf2(parameters) = kdf else { return Err(KeyProblem::OtherCipher) };
    let algorithm = match parameters.prf {
        Pbkdf2Prf::HmacWithSha1 => pbkdf2::PBKDF2_HMAC_SHA1,
        Pbkdf2Prf::HmacWithSha256 => pbkdf2::PBKDF2_HMAC_SHA256,
        Pbkdf2Prf::HmacWithSha384 => pbkdf2::PBKDF2_HMAC_SHA384,
        Pbkdf2Prf::HmacWithSha512 => pbkdf2::PBKDF2_HMAC_SHA512,
        _ => return Err(KeyProblem::OtherCipher),
    };
    let iterations = NonZeroU32::new(parameters.iteration_count).ok_or(KeyProblem::OtherCipher)?;
    pbkdf2::derive(algorithm, iterations, parameters.salt.as_ref(), passphrase.as_bytes(), key);
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    /// One key, written by OpenSSL; see `tests/fixtures/keys/README.md`.
    const PLAIN: &str = include_str!("../../tests/fixtures/keys/p256.pem");

    fn problem(pem: &str, passphrase: Option<&str>) -> KeyProblem {
        read(pem, passphrase).unwrap_err()
    }

    #[test]
    fn what_openssl_encrypts_is_read() {
        let plain = read(PLAIN, None).unwrap();
        for encrypted in [
            include_str!("../../tests/fixtures/keys/p256-aes256-sha256.pem"),
            include_str!("../../tests/fixtures/keys/p256-aes128-sha1.pem"),
        ] {
            assert_eq!(read(encrypted, Some("correct hörse")).unwrap().secret_der(), plain.secret_der());
            let in_one_line = encrypted.replace('\n', "\\n");
            assert_eq!(read(&in_one_line, Some("correct hörse")).unwrap().secret_der(), plain.secret_der());
            assert_eq!(problem(encrypted, Some("wrong horse")), KeyProblem::WrongPassphrase);
            assert_eq!(problem(encrypted, None), KeyProblem::Encrypted);
        }
        assert_eq!(problem(PLAIN, Some("correct hörse")), KeyProblem::NotEncrypted);
    }

    #[test]
    fn other_ciphers_are_told_from_wrong_passphrases() {
        for encrypted in [
            include_str!("../../tests/fixtures/keys/p256-des3.pem"),
            include_str!("../../tests/fixtures/keys/p256-scrypt.pem"),
            include_str!("../../tests/fixtures/keys/p256-legacy.pem"),
        ] {
            assert_eq!(problem(encrypted, Some("correct hörse")), KeyProblem::OtherCipher);
        }
    }

    #[test]
    fn what_is_no_key_is_told_apart() {
        assert_eq!(problem("sk_live", None), KeyProblem::NotPem);
        let of = |text: &str| format!("{BEGIN_ENCRYPTED}\n{text}\n{END_ENCRYPTED}");
        assert_eq!(problem(&of("AAAA"), None), KeyProblem::Encrypted);
        assert_eq!(problem(&of("?"), Some("x")), KeyProblem::NotPem);
        assert_eq!(problem(BEGIN_ENCRYPTED, Some("x")), KeyProblem::NotPem);
        assert_eq!(problem(&of("AAAA"), Some("x")), KeyProblem::OtherCipher);
    }
}
