//! Answers to the challenges of a certificate authority (TLS-ALPN-01, RFC 8737).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::CertificateError;

/// The ALPN name of a connection that validates a challenge (RFC 8737 §6.2).
pub(crate) const ACME_TLS: &[u8] = b"acme-tls/1";

/// The certificates that answer challenges, by name. A clone is the same.
///
/// An [`Acceptor`](crate::Acceptor) with challenges shows them to peers that offer `acme-tls/1` and no other
/// protocol, and to nobody else. Such a connection ends behind its handshake.
#[derive(Clone, Default)]
pub struct Challenges(Arc<Mutex<HashMap<String, Arc<CertifiedKey>>>>);

impl Challenges {
    /// No challenges yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers the challenge for `name` with this certificate and its key from now on, each in DER. The caller
    /// bounds their number, and has made them: they are not compared.
    ///
    /// # Errors
    /// [`CertificateError::BadKey`].
    pub fn set(
        &self,
        name: &str,
        certificate: Vec<u8>,
        key: Vec<u8>,
    ) -> Result<(), CertificateError> {
        let key = PrivateKeyDer::try_from(key).map_err(|_| CertificateError::BadKey)?;
        let key = any_supported_type(&key).map_err(|_| CertificateError::BadKey)?;
        // A check of both would refuse the extension that makes the certificate an answer: it is critical, and
        // unknown to everybody but an authority.
        let key = CertifiedKey::new(vec![CertificateDer::from(certificate)], key);
        self.all().insert(name.to_ascii_lowercase(), Arc::new(key));
        Ok(())
    }

    /// Answers no challenge any more.
    pub fn clear(&self) {
        self.all().clear();
    }

    pub(crate) fn find(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.all().get(&name.to_ascii_lowercase()).cloned()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<CertifiedKey>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Challenges({})", self.all().len())
    }
}
