//! Chooses the certificate for the name that a client asks for (SNI, RFC 6066 §3).

use std::collections::HashMap;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::Certificate;

/// The certificates by name. A client that asks for no name, or for one that no certificate has, gets the
/// first.
#[derive(Debug)]
pub(crate) struct Resolver {
    all: Vec<Arc<CertifiedKey>>,
    /// Places in `all`, for instance of an ECDSA and of an RSA certificate for one name.
    named: HashMap<String, Vec<usize>>,
}

impl Resolver {
    pub(crate) fn new(certificates: &[Certificate]) -> Self {
        let mut named: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, certificate) in certificates.iter().enumerate() {
            for name in certificate.names() {
                named.entry(name.clone()).or_default().push(place);
            }
        }
        Self { all: certificates.iter().map(|it| Arc::clone(&it.key)).collect(), named }
    }

    /// An exact name comes before a wildcard, and an earlier certificate before a later one.
    /// [tls:certificate-by-name]
    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let exact = name.map(str::to_ascii_lowercase);
        let wildcard = exact.as_deref().and_then(|name| name.split_once('.'));
        let wildcard = wildcard.map(|(_, domain)| format!("*.{domain}"));
        let places = [exact, wildcard].into_iter().flatten();
        let places = places.filter_map(|name| self.named.get(&name)).flatten();
        let fits = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        let named = places.filter_map(|place| self.all.get(*place)).find(fits);
        named.or_else(|| self.all.iter().find(fits)).or_else(|| self.all.first()).cloned()
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name(), hello.signature_schemes())
    }
}
