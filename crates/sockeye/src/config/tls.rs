//! `[tls]`: the files of certificates.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::rules;

/// The files of the server's certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TlsConfig {
    /// The first one is for clients that ask for no name, or for an unknown one.
    pub(crate) certificates: Vec<CertificateConfig>,
    /// Authorities of which clients must show a certificate.
    #[serde(deserialize_with = "rules::some_path")]
    pub(crate) client_ca: Option<PathBuf>,
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
    }

    /// All files.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        let pairs = self.certificates.iter().flat_map(|it| [&it.cert, &it.key]);
        pairs.chain(&self.client_ca).map(PathBuf::as_path)
    }
}
