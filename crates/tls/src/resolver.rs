//! Chooses the certificate for the name that a client asks for (SNI, RFC 6066 §3).

use std::collections::HashMap;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::challenges::ACME_TLS;
use crate::{AcceptorOptions, Certificate, Challenges, Protocol};

/// The certificates by name. A client that asks for no name, or for one that no certificate has, gets the
/// first.
#[derive(Debug)]
pub(crate) struct Resolver {
    all: Vec<Arc<CertifiedKey>>,
    /// Places in `all`, for instance of an ECDSA and of an RSA certificate for one name.
    named: HashMap<String, Vec<usize>>,
    challenges: Option<Challenges>,
    protocols: Vec<Protocol>,
}

/// What a peer's list of protocols (ALPN) asks for.
enum Asked {
    /// The answer to a challenge.
    Challenge,
    /// The server.
    Server,
    /// `acme-tls/1` beside protocols of which this server speaks none: ALPN would choose the challenge.
    Unclear,
}

impl Resolver {
    pub(crate) fn new(options: &AcceptorOptions) -> Self {
        let certificates: &[Certificate] = &options.certificates;
        let mut named: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, certificate) in certificates.iter().enumerate() {
            for name in certificate.names() {
                named.entry(name.clone()).or_default().push(place);
            }
        }
        let all = certificates.iter().map(|it| Arc::clone(&it.key)).collect();
        let (challenges, protocols) = (options.challenges.clone(), options.protocols.clone());
        Self { all, named, challenges, protocols }
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

impl Resolver {
    /// A peer that validates a challenge offers `acme-tls/1` alone (RFC 8737 §3). [tls:challenge]
    fn asked(&self, hello: &ClientHello<'_>) -> Asked {
        let Some(offered) = hello.alpn() else { return Asked::Server };
        let (mut others, mut is_challenge, mut is_known) = (false, false, false);
        for one in offered {
            is_challenge |= one == ACME_TLS;
            others |= one != ACME_TLS;
            is_known |= self.protocols.iter().any(|protocol| protocol.name() == one);
        }
        match (is_challenge, others) {
            (true, false) => Asked::Challenge,
            (true, true) if !is_known => Asked::Unclear,
            _ => Asked::Server,
        }
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if let Some(challenges) = &self.challenges {
            match self.asked(&hello) {
                Asked::Challenge => return challenges.find(hello.server_name()?),
                Asked::Unclear => return None,
                Asked::Server => {}
            }
        }
        self.choose(hello.server_name(), hello.signature_schemes())
    }
}
