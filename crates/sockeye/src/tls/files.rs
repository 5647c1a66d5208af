//! The files of certificates, keys and authorities: read, and judged by today's date.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use sockeye_terminal::{Failure, OrFail as _};
use sockeye_tls::{Authorities, Certificate, CertificateError};

use super::unix_s;
use crate::config::{AcmeConfig, CertificateConfig, TlsConfig};
use crate::file;

const DAY_S: u64 = 86_400;

/// A certificate that ends so soon is warned of.
const SOON_S: u64 = 7 * DAY_S;

/// The contents of good files.
pub(super) struct Found {
    pub(super) certificates: Vec<Certificate>,
    /// The authorities of clients: the file's bytes, and what they say.
    pub(super) client_ca: Option<(Vec<u8>, Authorities)>,
    /// What an operator should know. Each names its file.
    pub(super) warnings: Vec<String>,
}

/// Reads all files that `config` names. The error names file and reason. [tls:files-checked]
pub(super) fn find(config: &TlsConfig) -> Result<Found, Failure> {
    let (now_s, mut warnings) = (unix_s(), Vec::new());
    let mut certificates = Vec::with_capacity(config.certificates.len());
    for files in &config.certificates {
        let certificate = certificate(files)?;
        let cert = files.cert.display();
        let judged = judge(&certificate, now_s).map_err(|problem| {
            Failure(format!("certificate {cert}: {problem}; {}", remedy(config, files)))
        });
        warnings.extend(judged?.map(|warning| format!("certificate {cert}: {warning}")));
        certificates.push(certificate);
    }
    if let Some(acme) = &config.acme {
        match ordered(acme) {
            Ok(ordered) => certificates.extend(ordered),
            Err(problem) => {
                warnings.push(format!("the ordered certificate cannot be used: {problem}"));
            }
        }
    }
    let client_ca = config.client_ca.as_deref().map(authorities).transpose()?;
    Ok(Found { certificates, client_ca, warnings })
}

/// An error, or a warning, by the dates of a certificate.
fn judge(certificate: &Certificate, now_s: u64) -> Result<Option<String>, String> {
    let (first, last) = (certificate.not_before(), certificate.not_after());
    let days = |from: u64, to: u64| match (to - from) / DAY_S {
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    };
    if last < now_s {
        Err(format!("it has expired, {} ago", days(last, now_s)))
    } else if first > now_s {
        let days = days(now_s, first);
        Ok(Some(format!("it is not valid yet, but in {days}, by this machine's clock")))
    } else if last - now_s < SOON_S {
        Ok(Some(format!("it expires in {}", days(now_s, last))))
    } else {
        Ok(None)
    }
}

/// What to do about a certificate that has expired.
fn remedy(config: &TlsConfig, files: &CertificateConfig) -> String {
    let (cert, key) = (files.cert.display(), files.key.display());
    match &config.dev_authority {
        Some(ca) => {
            format!("remove {}, {cert} and {key}: --dev-cert makes new ones", ca.display())
        }
        None => "put a renewed one in its place".into(),
    }
}

fn certificate(files: &CertificateConfig) -> Result<Certificate, Failure> {
    let (chain, secret) = (read(&files.cert)?, read(&files.key)?);
    Certificate::from_pem(&chain, &secret).map_err(|problem| {
        let (cert, key) = (files.cert.display(), files.key.display());
        let at = match problem {
            CertificateError::NoCertificate | CertificateError::BadCertificate => {
                format!("certificate {cert}")
            }
            CertificateError::NoKey
            | CertificateError::EncryptedKey
            | CertificateError::BadKey
            | CertificateError::KeyKind(_)
            | CertificateError::RsaBits(_) => format!("key {key}"),
            _ => format!("certificate {cert}, key {key}"),
        };
        Failure(format!("{at}: {problem}"))
    })
}

/// The certificate that was ordered, if it is there. An old one is shown until its renewal, and one that cannot
/// be read is ordered again.
fn ordered(acme: &AcmeConfig) -> Result<Option<Certificate>, String> {
    let path = acme.certificate();
    if fs::metadata(&path).is_err_and(|it| it.kind() == ErrorKind::NotFound) {
        return Ok(None);
    }
    let pem = read(&path).map_err(|it| it.to_string())?;
    let certificate = Certificate::from_pem(&pem, &pem);
    certificate.map(Some).map_err(|problem| format!("{}: {problem}", path.display()))
}

fn authorities(path: &Path) -> Result<(Vec<u8>, Authorities), Failure> {
    let pem = read(path)?;
    let authorities = Authorities::from_pem(&pem);
    Ok((pem, authorities.or_fail(|| format!("client_ca {}", path.display()))?))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    file::read(path).or_fail(|| format!("cannot read {}", path.display()))
}
