//! Makes the TLS configuration for `--cacert`.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::Problem;
use super::args::read_file;

/// Largest file of certificates: a whole system's is a quarter of it.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Makes a configuration that trusts only the authorities in a PEM file.
pub(crate) fn trusting(path: &Path) -> Result<Arc<ClientConfig>, Problem> {
    let bad = |why: &dyn core::fmt::Display| {
        Problem::usage(format_args!("--cacert {}: {why}", path.display()))
    };
    let pem = read_file(path, FILE_BYTES_MAX)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| bad(&"this is not PEM"))?;
        roots.add(certificate).map_err(|error| bad(&error))?;
    }
    if roots.is_empty() {
        return Err(bad(&"there is no certificate in it, in PEM"));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(&error))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
