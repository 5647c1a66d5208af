//! Reads the public keys that verify tokens (RSA, P-256, Ed25519) from PEM. With `sign`, also
//! writes keys.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A public key. The numbers of RSA are big-endian without leading zeros.
pub(crate) enum PublicKey {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point.
    P256([u8; 65]),
    Ed25519([u8; 32]),
}

/// Longest text that is read. RSA of 8192 bits has 1500 bytes.
const PEM_BYTES_MAX: usize = 8192;

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
#[cfg(feature = "sign")]
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

// The contents of AlgorithmIdentifier: an object identifier, and what it asks for after it.
/// rsaEncryption, NULL (RFC 3279 §2.3.1).
const RSA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
/// id-ecPublicKey, secp256r1 (RFC 5480 §2.1.1).
const P256: &[u8] = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07";
/// id-Ed25519 (RFC 8410 §3).
const ED25519: &[u8] = b"\x06\x03\x2b\x65\x70";

/// The public key in a PEM text.
pub(crate) fn from_pem(pem: &str) -> Option<PublicKey> {
    let (label, der) = pem_block(pem)?;
    match label {
        "PUBLIC KEY" => subject_public_key_info(&der),
        "RSA PUBLIC KEY" => rsa_public_key(&der),
        _ => None,
    }
}

/// Label and content of a PEM text of one block (RFC 7468), with nothing but whitespace around it.
pub(crate) fn pem_block(pem: &str) -> Option<(&str, Vec<u8>)> {
    if pem.len() > PEM_BYTES_MAX {
        return None;
    }
    let text = pem.trim_ascii().strip_prefix("-----BEGIN ")?;
    let (label, text) = text.split_once("-----")?;
    let body = text.strip_suffix("-----")?.strip_suffix(label)?.strip_suffix("-----END ")?;
    let body: String = body.chars().filter(|it| !it.is_ascii_whitespace()).collect();
    Some((label, STANDARD.decode(body).ok()?))
}

/// RFC 5280 §4.1.2.7.
fn subject_public_key_info(der: &[u8]) -> Option<PublicKey> {
    let mut info = only(der, SEQUENCE)?;
    let algorithm = next(&mut info, SEQUENCE)?;
    let key = only(info, BIT_STRING)?.strip_prefix(b"\x00")?;
    match algorithm {
        RSA => rsa_public_key(key),
        P256 if key.first() == Some(&4) => Some(PublicKey::P256(key.try_into().ok()?)),
        ED25519 => Some(PublicKey::Ed25519(key.try_into().ok()?)),
        _ => None,
    }
}

/// RFC 8017 §A.1.1.
pub(crate) fn rsa_public_key(der: &[u8]) -> Option<PublicKey> {
    let mut fields = only(der, SEQUENCE)?;
    let n = next(&mut fields, INTEGER)?;
    let e = only(fields, INTEGER)?;
    Some(PublicKey::Rsa { n: unsigned(n)?, e: unsigned(e)? })
}

/// The digits of an INTEGER that is above zero and in its shortest form.
fn unsigned(integer: &[u8]) -> Option<Vec<u8>> {
    let digits = match integer {
        [0, digits @ ..] if digits.first().is_some_and(|it| *it > 0x7f) => digits,
        [0x01..=0x7f, ..] => integer,
        _ => return None,
    };
    Some(digits.to_vec())
}

/// The content of an element with nothing behind it.
fn only(mut input: &[u8], tag: u8) -> Option<&[u8]> {
    next(&mut input, tag).filter(|_| input.is_empty())
}

/// The content of the next element, which has this tag and its length in the shortest form.
fn next<'a>(input: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (len, rest) = match input.strip_prefix(&[tag])? {
        [0x82, high, low, rest @ ..] => (usize::from(*high) << 8 | usize::from(*low), rest),
        [0x81, len, rest @ ..] => (usize::from(*len), rest),
        [len, rest @ ..] => (usize::from(*len), rest),
        [] => return None,
    };
    let header_len = input.len() - rest.len();
    let shortest = match len {
        0..=0x7f => 2,
        0x80..=0xff => 3,
        _ => 4,
    };
    let (content, rest) = rest.split_at_checked(len).filter(|_| header_len == shortest)?;
    *input = rest;
    Some(content)
}

/// The block of this label, in lines of 64 letters (RFC 7468 §2).
#[cfg(feature = "sign")]
pub(crate) fn to_pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for (at, letter) in body.char_indices() {
        if at > 0 && at % 64 == 0 {
            pem.push('\n');
        }
        pem.push(letter);
    }
    pem + &format!("\n-----END {label}-----\n")
}

/// What [`subject_public_key_info`] reads.
#[cfg(feature = "sign")]
pub(crate) fn to_subject_public_key_info(key: &PublicKey) -> Vec<u8> {
    let (algorithm, key) = match key {
        PublicKey::Rsa { n, e } => {
            let number = |digits: &[u8]| match digits {
                [0x80..=0xff, ..] => element(INTEGER, &[&[0], digits]),
                _ => element(INTEGER, &[digits]),
            };
            (RSA, element(SEQUENCE, &[&number(n), &number(e)]))
        }
        PublicKey::P256(point) => (P256, point.to_vec()),
        PublicKey::Ed25519(point) => (ED25519, point.to_vec()),
    };
    let algorithm = element(SEQUENCE, &[algorithm]);
    element(SEQUENCE, &[&algorithm, &element(BIT_STRING, &[&[0], &key])])
}

/// An Ed25519 seed in PKCS #8 (RFC 8410 §7).
#[cfg(feature = "sign")]
pub(crate) fn ed25519_pkcs8(seed: &[u8; 32]) -> Vec<u8> {
    let key = element(OCTET_STRING, &[&element(OCTET_STRING, &[seed])]);
    element(SEQUENCE, &[&element(INTEGER, &[&[0]]), &element(SEQUENCE, &[ED25519]), &key])
}

/// An element, its length in the shortest form.
#[cfg(feature = "sign")]
fn element(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let len = u16::try_from(content.len()).expect("a key is far shorter");
    let [high, low] = len.to_be_bytes();
    let header = match len {
        0..=0x7f => vec![tag, low],
        0x80..=0xff => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [header, content].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An element with these length bytes.
    fn element(tag: u8, length: &[u8], content: &[u8]) -> Vec<u8> {
        [&[tag], length, content].concat()
    }

    /// The rules of DER: one spelling of each length and number, and nothing left over.
    #[test]
    fn one_spelling() {
        let e = element(INTEGER, &[1], &[3]);
        let n = element(INTEGER, &[2], &[0, 0x80]);
        let key = |fields: &[&[u8]]| {
            let fields = fields.concat();
            element(SEQUENCE, &[u8::try_from(fields.len()).unwrap()], &fields)
        };
        let read = |der: &[u8]| rsa_public_key(der).is_some();
        let good = key(&[&n, &e]);
        assert!(read(&good));
        assert!(!read(&[&*good, &[0]].concat()), "something after it");
        assert!(!read(&key(&[&n, &e, &e])), "a third field");
        assert!(!read(&good[..good.len() - 1]), "cut");
        for (length, content) in
            [(&[0x81, 1][..], &[3][..]), (&[0x82, 0, 1], &[3]), (&[0x80], &[3])]
        {
            assert!(!read(&key(&[&n, &element(INTEGER, length, content)])), "{length:?}");
        }
        for digits in [&[][..], &[0], &[0, 3], &[0x80], &[0, 0, 0x80]] {
            let number = element(INTEGER, &[u8::try_from(digits.len()).unwrap()], digits);
            assert!(!read(&key(&[&n, &number])), "{digits:?}");
        }
        let long = element(INTEGER, &[0x81, 0x80], &[1; 0x80]);
        let outer = u8::try_from(long.len() + e.len()).unwrap();
        assert!(read(&element(SEQUENCE, &[0x81, outer], &[long, e].concat())));
    }
}
