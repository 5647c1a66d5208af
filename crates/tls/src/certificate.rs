//! A certificate with its chain and its private key.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::CertificateError;
use crate::key::problem;
use crate::x509::{self, Facts};

/// A server's certificate, the chain up to its authority, and the private key.
///
/// `Debug` shows names and validity.
#[derive(Clone)]
pub struct Certificate {
    pub(crate) key: Arc<CertifiedKey>,
    facts: Facts,
}

impl Certificate {
    /// Reads a chain (the server's own certificate first) and its key, each in PEM.
    ///
    /// # Errors
    /// [`CertificateError`]. Whether the certificate is valid today is not looked at.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.map_err(|_| CertificateError::BadCertificate)?;
        if chain.is_empty() {
            return Err(CertificateError::NoCertificate);
        }
        match PrivateKeyDer::from_pem_slice(key) {
            Ok(key) => Self::new(chain, &key),
            // RFC 7468 §11, and the older form (RFC 1421 §4.6.1.1).
            Err(_)
                if contains(key, b"BEGIN ENCRYPTED PRIVATE KEY")
                    || contains(key, b"Proc-Type: 4,ENCRYPTED") =>
            {
                Err(CertificateError::EncryptedKey)
            }
            Err(_) if contains(key, b"PRIVATE KEY-----") => Err(CertificateError::BadKey),
            Err(_) => Err(CertificateError::NoKey),
        }
    }

    /// Takes a chain and its key (PKCS #8, PKCS #1 or SEC 1), each in DER.
    ///
    /// # Errors
    /// As [`Certificate::from_pem`].
    pub fn from_der(chain: Vec<Vec<u8>>, key: Vec<u8>) -> Result<Self, CertificateError> {
        let chain: Vec<_> = chain.into_iter().map(CertificateDer::from).collect();
        if chain.is_empty() {
            return Err(CertificateError::NoCertificate);
        }
        let key = PrivateKeyDer::try_from(key).map_err(|_| CertificateError::BadKey)?;
        Self::new(chain, &key)
    }

    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: &PrivateKeyDer<'static>,
    ) -> Result<Self, CertificateError> {
        let facts = chain.first().and_then(|own| x509::facts(own));
        let facts = facts.ok_or(CertificateError::BadCertificate)?;
        let certified = CertifiedKey::from_der(chain, key.clone_key(), &default_provider());
        let key = certified.map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => CertificateError::KeyMismatch,
            rustls::Error::InvalidCertificate(_) => CertificateError::BadCertificate,
            _ => problem(key),
        })?;
        Ok(Self { key: Arc::new(key), facts })
    }

    /// The DNS names for which the certificate is good, in lower case. The first label may be `*`.
    pub fn names(&self) -> &[String] {
        &self.facts.names
    }

    /// The IP addresses for which the certificate is good.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.facts.addresses
    }

    /// The first moment of its validity, in seconds since 1970.
    pub const fn not_before(&self) -> u64 {
        self.facts.not_before
    }

    /// The last moment of its validity, in seconds since 1970.
    pub const fn not_after(&self) -> u64 {
        self.facts.not_after
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("facts", &self.facts).finish_non_exhaustive()
    }
}
