//! Certificates and keys that can be used, and the reasons why others cannot.

use sockeye_tls::{Acceptor, AcceptorOptions, Authorities, Certificate, CertificateError, Tickets};

macro_rules! der {
    ($name:literal) => {
        include_bytes!(concat!("../../client/tests/certificates/", $name, ".der")).to_vec()
    };
}

const NO_BASE64: &[u8] = b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
const ENCRYPTED: &[u8] =
    b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
const BAD_KEY: &[u8] = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

#[test]
fn a_certificate_says_its_names_and_times() {
    let good = Certificate::from_der(vec![der!("good")], der!("good.key")).expect("good");
    assert_eq!(good.names(), ["localhost"]);
    assert!(good.not_before() < 1_800_000_000 && good.not_after() > 2_000_000_000);
    let expired = Certificate::from_der(vec![der!("expired")], der!("expired.key"));
    // Its owner decides what to do with it.
    assert!(expired.expect("readable").not_after() < 1_800_000_000);
    let shown = format!("{good:?}");
    assert!(shown.contains("localhost") && shown.len() < 200, "{shown}");
}

#[test]
fn a_bad_certificate_or_key_is_refused_with_its_reason() {
    use CertificateError as Why;
    let error = |chain: Vec<Vec<u8>>, key| Certificate::from_der(chain, key).expect_err("bad");
    assert_eq!(error(vec![der!("good")], der!("own.key")), Why::KeyMismatch);
    assert_eq!(error(vec![], der!("good.key")), Why::NoCertificate);
    assert_eq!(error(vec![der!("good.key")], der!("good.key")), Why::BadCertificate);
    assert_eq!(error(vec![der!("good")], b"no key".to_vec()), Why::BadKey);
    let pem = |chain: &[u8], key: &[u8]| Certificate::from_pem(chain, key).expect_err("bad");
    assert_eq!(pem(b"", BAD_KEY), Why::NoCertificate);
    assert_eq!(pem(BAD_KEY, BAD_KEY), Why::NoCertificate);
    assert_eq!(pem(NO_BASE64, BAD_KEY), Why::BadCertificate);
    let one = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert_eq!(pem(one, b""), Why::NoKey);
    assert_eq!(pem(one, ENCRYPTED), Why::EncryptedKey);
    assert_eq!(pem(one, b"-----BEGIN PRIVATE KEY-----\n!"), Why::BadKey);
    assert_eq!(pem(one, BAD_KEY), Why::BadCertificate);
    assert_eq!(Authorities::from_pem(b"").expect_err("none"), Why::NoCertificate);
    assert_eq!(Authorities::from_pem(one).expect_err("none"), Why::BadAuthority);
    let options = AcceptorOptions::new(Vec::new(), Tickets::new().expect("random numbers"));
    assert_eq!(Acceptor::new(&options).expect_err("none"), Why::NoneGiven);
}
