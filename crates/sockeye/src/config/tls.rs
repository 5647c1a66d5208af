//! `[tls]`: the files of certificates.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use sockeye_terminal::Failure;

use super::{AcmeConfig, Config, rules};

/// The files of the server's certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TlsConfig {
    /// A certificate that the server orders itself, behind the others.
    pub(crate) acme: Option<AcmeConfig>,
    /// The first one is for clients that ask for no name, or for an unknown one.
    pub(crate) certificates: Vec<CertificateConfig>,
    /// Authorities of which clients must show a certificate.
    #[serde(deserialize_with = "rules::some_path")]
    pub(crate) client_ca: Option<PathBuf>,
    /// Requests for hosts for which the certificate shown is not good are served, too.
    pub(crate) any_host: bool,
    /// HTTP/2 is switched off, so clients are not offered it.
    #[serde(skip)]
    pub(crate) is_without_http2: bool,
    /// The authority of a certificate for development.
    #[serde(skip)]
    pub(crate) dev_authority: Option<PathBuf>,
}

/// A chain and its key, in PEM.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CertificateConfig {
    #[serde(deserialize_with = "rules::path")]
    pub(crate) cert: PathBuf,
    #[serde(deserialize_with = "rules::path")]
    pub(crate) key: PathBuf,
}

impl TlsConfig {
    /// Relative paths are relative to the file that they stand in.
    pub(super) fn resolve(&mut self, beside: &Path) {
        let ca = self.client_ca.iter_mut();
        let pairs = self.certificates.iter_mut().flat_map(|it| [&mut it.cert, &mut it.key]);
        for path in ca.chain(pairs) {
            *path = beside.join(&*path);
        }
        if let Some(acme) = &mut self.acme {
            acme.resolve(beside);
        }
    }

    /// All files.
    pub(crate) fn files(&self) -> impl Iterator<Item = PathBuf> {
        let pairs = self.certificates.iter().flat_map(|it| [&it.cert, &it.key]);
        let ordered = self.acme.as_ref().map(AcmeConfig::certificate);
        pairs.chain(&self.client_ca).cloned().chain(ordered)
    }
}

impl Config {
    /// Whether TLS has a certificate, or is to get one.
    pub(super) fn check_tls(&self) -> Result<(), Failure> {
        let Some(tls) = &self.tls else { return Ok(()) };
        if tls.certificates.is_empty() && tls.acme.is_none() {
            let at = self.source.line_with(&["[tls]"]);
            let needs = "[tls] needs a certificate: [[tls.certificates]], or [tls.acme]";
            return Err(Failure(format!("{at}{needs}")));
        }
        let Some(acme) = &tls.acme else { return Ok(()) };
        let problem = acme.problem(tls.client_ca.is_some());
        match problem.or_else(|| self.http_01_problem(acme)) {
            None => Ok(()),
            Some((key, why)) => {
                let line = self.source.line_of("tls.acme", key);
                let at = if line.is_empty() { "[tls.acme] ".to_owned() } else { line };
                Err(Failure(format!("{at}{key}: {why}")))
            }
        }
    }
}
