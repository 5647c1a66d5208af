//! The certificates of the server: read at the start, and again when they change.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use sockeye_service::CertificateState;
use sockeye_terminal::{Failure, OrFail};
use sockeye_tls::{
    Acceptor, AcceptorOptions, Authorities, Certificate, Protocol, SharedAcceptor, Tickets,
};

use crate::config::{CertificateConfig, TlsConfig};

/// Largest file of certificates or keys.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The protocols that are negotiated (ALPN), the preferred one first: those that the server speaks.
fn protocols() -> Vec<Protocol> {
    match sockeye_server::Limits::default().http2 {
        Some(_) => vec![Protocol::Http2, Protocol::Http11],
        None => vec![Protocol::Http11],
    }
}

/// The certificates in use. A clone is the same.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) acceptor: SharedAcceptor,
    pub(crate) state: Arc<CertificateState>,
}

/// Keeps the certificates in use up to date with their files.
pub(crate) struct TlsReloader {
    tls: Tls,
    config: TlsConfig,
    tickets: Tickets,
    /// The authorities of clients when the tickets were made.
    client_ca: Option<Vec<u8>>,
    /// The files as they were at the last attempt.
    stamp: Stamp,
}

/// Certificates that were read and are good.
pub(crate) struct Loaded {
    acceptor: Acceptor,
    not_after_s: u64,
    tickets: Tickets,
    client_ca: Option<Vec<u8>>,
    config: TlsConfig,
    stamp: Stamp,
}

/// When each file was changed, and its size; `None` for one that is not there.
type Stamp = Vec<Option<(SystemTime, u64)>>;

impl TlsReloader {
    /// Reads the certificates for the start.
    pub(crate) fn start(config: &TlsConfig) -> Result<Self, Failure> {
        let tickets = Tickets::new().or_fail(|| "[tls]".into())?;
        let loaded = load(config, None, tickets)?;
        let acceptor = SharedAcceptor::new(loaded.acceptor);
        let state = Arc::new(CertificateState::new(loaded.not_after_s));
        let Loaded { tickets, client_ca, config, stamp, .. } = loaded;
        Ok(Self { tls: Tls { acceptor, state }, config, tickets, client_ca, stamp })
    }

    pub(crate) fn tls(&self) -> Tls {
        self.tls.clone()
    }

    /// Reads the certificates that `config` names, and changes nothing yet.
    pub(crate) fn prepare(&mut self, config: &TlsConfig) -> Result<Loaded, Failure> {
        // `look` compares the stamp with the files in use, and these may be others.
        if *config == self.config {
            self.stamp = stamp(config);
        }
        let loaded = load(config, self.client_ca.as_deref(), self.tickets.clone());
        if loaded.is_err() {
            self.tls.state.note_failed();
        }
        loaded
    }

    /// New connections get these certificates.
    pub(crate) fn apply(&mut self, loaded: Loaded) {
        let Loaded { acceptor, not_after_s, tickets, client_ca, config, stamp } = loaded;
        self.tls.acceptor.replace(acceptor);
        self.tls.state.note_reloaded(not_after_s);
        (self.tickets, self.client_ca, self.config, self.stamp) =
            (tickets, client_ca, config, stamp);
        log::info!(not_after = not_after_s; "the certificates were read again");
    }

    /// Reads the certificates again if their files have changed, or if `is_asked`.
    pub(crate) fn look(&mut self, is_asked: bool) {
        if !is_asked && stamp(&self.config) == self.stamp {
            return;
        }
        let config = self.config.clone();
        match self.prepare(&config) {
            Ok(loaded) => self.apply(loaded),
            Err(problem) => log::error!(problem:%; "the certificates stay as they were"),
        }
    }
}

fn stamp(config: &TlsConfig) -> Stamp {
    let of = |path| {
        let about = fs::metadata(path).ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    config.files().map(of).collect()
}

/// Reads the files. Tickets of sessions are good only under the same authorities of clients.
fn load(config: &TlsConfig, former: Option<&[u8]>, tickets: Tickets) -> Result<Loaded, Failure> {
    // A file that changes meanwhile is read once more.
    let stamp = stamp(config);
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
    let mut certificates = Vec::with_capacity(config.certificates.len());
    for files in &config.certificates {
        certificates.push(certificate(files, now_s)?);
    }
    let client_ca = config.client_ca.as_deref().map(read).transpose()?;
    let not_after_s = certificates.iter().map(Certificate::not_after).min().unwrap_or(0);
    let tickets = match former == client_ca.as_deref() {
        true => tickets,
        false => Tickets::new().or_fail(|| "[tls]".into())?,
    };
    let mut options = AcceptorOptions::new(certificates, tickets.clone());
    options.protocols = protocols();
    if let (Some(pem), Some(path)) = (&client_ca, &config.client_ca) {
        let authorities = Authorities::from_pem(pem).or_fail(|| path.display().to_string())?;
        options.client_authorities = Some(authorities);
    }
    let acceptor = Acceptor::new(&options).or_fail(|| "[tls]".into())?;
    Ok(Loaded { acceptor, not_after_s, tickets, client_ca, config: config.clone(), stamp })
}

fn certificate(files: &CertificateConfig, now_s: u64) -> Result<Certificate, Failure> {
    let (cert, key) = (files.cert.display(), files.key.display());
    let (chain, secret) = (read(&files.cert)?, read(&files.key)?);
    let certificate = Certificate::from_pem(&chain, &secret)
        .or_fail(|| format!("certificate {cert}, key {key}"))?;
    let (first, last) = (certificate.not_before(), certificate.not_after());
    if last < now_s {
        let days = (now_s - last) / 86_400;
        return Err(Failure(format!("certificate {cert}: it has expired, {days} days ago")));
    }
    if first > now_s {
        log::warn!(certificate:% = cert; "the certificate is not valid yet, by this machine's clock");
    }
    Ok(certificate)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let cannot = || format!("cannot read {}", path.display());
    let about = fs::metadata(path).or_fail(cannot)?;
    if !about.is_file() || about.len() > FILE_BYTES_MAX {
        return Err(Failure(format!("{}: it is no file, or longer than 1 MiB", cannot())));
    }
    fs::read(path).or_fail(cannot)
}
