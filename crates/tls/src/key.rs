//! Why a private key is not taken: its kind, or its length.

use rustls::pki_types::PrivateKeyDer;

use crate::CertificateError;
use crate::x509::{Elements, INTEGER, OCTET_STRING, OID, SEQUENCE};

/// `[0]`, constructed: the curve of a SEC 1 key (RFC 5915 §3).
const CURVE: u8 = 0xA0;

/// The lengths that ring signs with.
const RSA_BITS: core::ops::RangeInclusive<usize> = 2048..=4096;

/// Why a key is not taken that ring has refused.
pub(crate) fn problem(key: &PrivateKeyDer<'_>) -> CertificateError {
    let found = match key {
        PrivateKeyDer::Pkcs1(key) => rsa(key.secret_pkcs1_der()),
        PrivateKeyDer::Sec1(key) => sec1(key.secret_sec1_der()),
        PrivateKeyDer::Pkcs8(key) => pkcs8(key.secret_pkcs8_der()),
        _ => None,
    };
    found.unwrap_or(CertificateError::BadKey)
}

/// RFC 8017 §A.1.2: a version and the modulus come first.
fn rsa(der: &[u8]) -> Option<CertificateError> {
    let mut key = Elements(der).take(SEQUENCE)?;
    key.take(INTEGER)?;
    let modulus = key.take(INTEGER)?.0;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let first = modulus.get(zeros)?;
    let bits = (modulus.len() - zeros) * 8 - first.leading_zeros() as usize;
    let is_taken = RSA_BITS.contains(&bits);
    (!is_taken).then_some(CertificateError::RsaBits(u32::try_from(bits).unwrap_or(u32::MAX)))
}

/// RFC 5915 §3.
fn sec1(der: &[u8]) -> Option<CertificateError> {
    let mut key = Elements(der).take(SEQUENCE)?;
    key.take(INTEGER)?;
    key.take(OCTET_STRING)?;
    curve(key.take(CURVE)?.take(OID)?.0)
}

/// RFC 5208 §5.
fn pkcs8(der: &[u8]) -> Option<CertificateError> {
    let mut key = Elements(der).take(SEQUENCE)?;
    key.take(INTEGER)?;
    let mut algorithm = key.take(SEQUENCE)?;
    match algorithm.take(OID)?.0 {
        // 1.2.840.113549.1.1.1
        [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01] => rsa(key.take(OCTET_STRING)?.0),
        // 1.2.840.10045.2.1
        [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01] => curve(algorithm.take(OID)?.0),
        // 1.3.101.112: Ed25519
        [0x2B, 0x65, 0x70] => None,
        // 1.3.101.113
        [0x2B, 0x65, 0x71] => Some(CertificateError::KeyKind("Ed448")),
        // 1.2.840.113549.1.1.10
        [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0A] => {
            Some(CertificateError::KeyKind("RSA for PSS alone"))
        }
        // 1.2.840.10040.4.1
        [0x2A, 0x86, 0x48, 0xCE, 0x38, 0x04, 0x01] => Some(CertificateError::KeyKind("DSA")),
        _ => Some(CertificateError::KeyKind("of an unknown kind")),
    }
}

/// The curves of RFC 5480 §2.1.1.1, and one of SEC 2.
fn curve(oid: &[u8]) -> Option<CertificateError> {
    match oid {
        // P-256, P-384
        [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07] | [0x2B, 0x81, 0x04, 0x00, 0x22] => None,
        [0x2B, 0x81, 0x04, 0x00, 0x23] => Some(CertificateError::KeyKind("ECDSA on P-521")),
        [0x2B, 0x81, 0x04, 0x00, 0x21] => Some(CertificateError::KeyKind("ECDSA on P-224")),
        [0x2B, 0x81, 0x04, 0x00, 0x0A] => Some(CertificateError::KeyKind("ECDSA on secp256k1")),
        _ => Some(CertificateError::KeyKind("ECDSA on an unknown curve")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first elements of an RSA key with a modulus of so many bits.
    fn rsa_of(bits: usize) -> Vec<u8> {
        let element = |tag: u8, content: &[u8]| {
            let len = u16::try_from(content.len()).expect("a short one").to_be_bytes();
            [&[tag, 0x82, len[0], len[1]][..], content].concat()
        };
        let mut modulus = vec![0; bits / 8 + 1];
        modulus[1] = 0x80;
        element(SEQUENCE, &[element(INTEGER, &[0]), element(INTEGER, &modulus)].concat())
    }

    #[test]
    fn the_length_of_an_rsa_key_is_told_if_it_is_not_taken() {
        for (bits, told) in [(512, true), (1024, true), (2048, false), (4096, false), (8192, true)]
        {
            let want = told.then(|| CertificateError::RsaBits(u32::try_from(bits).expect("few")));
            assert_eq!(rsa(&rsa_of(bits)), want, "{bits}");
        }
    }

    #[test]
    fn cut_keys_are_bad() {
        let key = rsa_of(1024);
        for len in 0..key.len() {
            assert_eq!(rsa(&key[..len]), None, "{len}");
            assert_eq!(pkcs8(&key[..len]), None, "{len}");
            assert_eq!(sec1(&key[..len]), None, "{len}");
        }
    }
}
