//! Chooses the certificate for the name that a client asks for (SNI, RFC 6066 §3).

use std::collections::HashMap;
use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sockeye_reactor::Hosts;

use crate::challenges::ACME_TLS;
use crate::hosts::CertifiedHosts;
use crate::{AcceptorOptions, Certificate, Challenges, Protocol};

/// The certificates by name. A client that asks for no name, or for one that no certificate has, gets the
/// first.
#[derive(Debug)]
pub(crate) struct Resolver {
    all: Vec<Arc<CertifiedKey>>,
    named: HashMap<String, Named>,
    /// The hosts of the first certificate.
    first: Arc<CertifiedHosts>,
    /// Peers may ask for any host.
    is_for_any_host: bool,
    challenges: Option<Challenges>,
    protocols: Vec<Protocol>,
}

/// The certificates for a name.
#[derive(Debug, Default)]
struct Named {
    /// Places in [`Resolver::all`], for instance of an ECDSA and of an RSA certificate.
    places: Vec<usize>,
    /// The hosts of all of them.
    hosts: Arc<CertifiedHosts>,
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
        let mut named: HashMap<String, Named> = HashMap::new();
        for (place, certificate) in certificates.iter().enumerate() {
            let hosts = Arc::new(CertifiedHosts::of([certificate]));
            for name in certificate.names() {
                let named = named.entry(name.clone()).or_default();
                named.places.push(place);
                named.hosts = match named.places[..] {
                    [_] => Arc::clone(&hosts),
                    ref places => {
                        CertifiedHosts::of(places.iter().map(|it| &certificates[*it])).into()
                    }
                };
            }
        }
        let all = certificates.iter().map(|it| Arc::clone(&it.key)).collect();
        let first = Arc::new(CertifiedHosts::of(certificates.first()));
        let (challenges, protocols) = (options.challenges.clone(), options.protocols.clone());
        Self { all, named, first, is_for_any_host: options.is_for_any_host, challenges, protocols }
    }

    /// An exact name comes before a wildcard, and an earlier certificate before a later one.
    /// [tls:certificate-by-name]
    fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let named = name.into_iter().flat_map(|name| self.named(name));
        let places = named.flat_map(|named| &named.places);
        let fits = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(schemes).is_some();
        let named = places.filter_map(|place| self.all.get(*place)).find(fits);
        named.or_else(|| self.all.iter().find(fits)).or_else(|| self.all.first()).cloned()
    }

    /// The certificates for exactly this name, then those for a wildcard.
    fn named(&self, name: &str) -> impl Iterator<Item = &Named> {
        let exact = name.to_ascii_lowercase();
        let wildcard = exact.split_once('.').map(|(_, domain)| format!("*.{domain}"));
        [Some(exact), wildcard].into_iter().flatten().filter_map(|name| self.named.get(&name))
    }

    /// The hosts for which a peer may ask that asked for the certificate of `name`: those for which the
    /// certificate is good that it was shown. `None`: any.
    ///
    /// Deviation: RFC 9110 §7.4 makes no exception for a peer without a name. Proxies often name nobody, and so do
    /// people who ask for an address: they may ask for any host. [rfc9110:7.4-misdirected]
    pub(crate) fn hosts(&self, name: Option<&str>) -> Option<Arc<dyn Hosts>> {
        let shown = self.named(name?).next().map_or(&self.first, |named| &named.hosts);
        match self.is_for_any_host || shown.is_empty() {
            true => None,
            false => Some(Arc::clone(shown) as Arc<dyn Hosts>),
        }
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
