//! The hosts for which certificates are good (RFC 9110 §4.3.4, RFC 6125 §6.4).

use std::net::IpAddr;

use sockeye_reactor::Hosts;

use crate::Certificate;

/// The names and addresses of some certificates.
#[derive(Debug, Default)]
pub(crate) struct CertifiedHosts {
    /// In lower case; the first label may be `*`.
    names: Vec<String>,
    addresses: Vec<IpAddr>,
}

impl CertifiedHosts {
    pub(crate) fn of<'c>(certificates: impl IntoIterator<Item = &'c Certificate>) -> Self {
        let mut hosts = Self::default();
        for certificate in certificates {
            hosts.names.extend_from_slice(certificate.names());
            hosts.addresses.extend_from_slice(certificate.addresses());
        }
        hosts
    }

    /// Whether the certificates name nobody at all. Old ones have a common name only, which no client believes.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.addresses.is_empty()
    }
}

impl Hosts for CertifiedHosts {
    /// A name counts without its case and without the dot of the root. A `*` stands for one label, which is not empty.
    fn has(&self, host: &str) -> bool {
        if let Ok(address) = host.parse::<IpAddr>() {
            return self.addresses.contains(&address);
        }
        let host = host.strip_suffix('.').unwrap_or(host);
        let domain = host.split_once('.').filter(|(label, _)| !label.is_empty());
        let domain = domain.map(|(_, domain)| domain);
        self.names.iter().any(|name| match name.strip_prefix("*.") {
            Some(wild) => domain.is_some_and(|domain| domain.eq_ignore_ascii_case(wild)),
            None => host.eq_ignore_ascii_case(name),
        })
    }
}

#[cfg(test)]
mod tests {
    use sockeye_reactor::Hosts as _;

    use super::CertifiedHosts;

    /// [rfc9110:7.4-misdirected]
    #[test]
    fn names_wildcards_and_addresses_are_compared() {
        let hosts = CertifiedHosts {
            names: ["a.example", "*.b.example"].map(str::to_owned).to_vec(),
            addresses: ["192.0.2.1", "2001:db8::1"].map(|it| it.parse().expect("one")).to_vec(),
        };
        for host in
            ["a.example", "A.Example", "a.example.", "x.b.example", "192.0.2.1", "2001:DB8:0::1"]
        {
            assert!(hosts.has(host), "{host}");
        }
        for host in [
            "",
            ".",
            "example",
            "x.a.example",
            "b.example",
            "x.y.b.example",
            "ab.example",
            "192.0.2.2",
            "2001:db8::2",
            "a.example..",
            "*.a.example",
            ".a.example",
            ".b.example",
            "..b.example",
        ] {
            assert!(!hosts.has(host), "{host}");
        }
    }
}
