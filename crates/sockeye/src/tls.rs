//! The certificates of the server: read at the start, and again when they change.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use sockeye_service::{CertificateState, CertificateTimes};
use sockeye_terminal::{Failure, OrFail};
use sockeye_tls::{
    Acceptor, AcceptorOptions, Authorities, Certificate, Challenges, Protocol, SharedAcceptor,
    Tickets,
};

use crate::acme::{Answers, Orders};
use crate::config::{AcmeConfig, CertificateConfig, TlsConfig};

/// Largest file of certificates or keys.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The protocols that are negotiated (ALPN), the preferred one first: those that the server speaks.
fn protocols(config: &TlsConfig) -> Vec<Protocol> {
    match config.is_without_http2 {
        false => vec![Protocol::Http2, Protocol::Http11],
        true => vec![Protocol::Http11],
    }
}

/// The certificates in use. A clone is the same.
#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) acceptor: SharedAcceptor,
    pub(crate) state: Arc<CertificateState>,
    /// The answers to HTTP-01 challenges, if certificates are ordered.
    pub(crate) answers: Option<Answers>,
}

/// Keeps the certificates in use up to date with their files.
pub(crate) struct TlsReloader {
    tls: Tls,
    config: TlsConfig,
    keys: Keys,
    /// The thread that orders certificates, once it runs.
    orders: Option<Orders>,
    /// The files as they were when they were taken into use, or when they were found to be bad.
    stamp: Stamp,
}

/// What stays over reloads.
#[derive(Clone)]
struct Keys {
    tickets: Tickets,
    /// The authorities of clients when the tickets were made.
    client_ca: Option<Vec<u8>>,
    /// The challenges of an authority, if certificates are ordered.
    challenges: Option<Challenges>,
}

/// Certificates that were read and are good.
pub(crate) struct Loaded {
    acceptor: Acceptor,
    times: Option<CertificateTimes>,
    keys: Keys,
    config: TlsConfig,
    stamp: Stamp,
}

/// When each file was changed, and its size; `None` for one that is not there.
type Stamp = Vec<Option<(SystemTime, u64)>>;

impl TlsReloader {
    /// Reads the certificates for the start.
    pub(crate) fn start(config: &TlsConfig) -> Result<Self, Failure> {
        let tickets = Tickets::new().or_fail(|| "[tls]".into())?;
        let challenges = config.acme.as_ref().map(|_| Challenges::new());
        let loaded = load(config, Keys { tickets, client_ca: None, challenges })?;
        let acceptor = SharedAcceptor::new(loaded.acceptor);
        let state = Arc::new(CertificateState::new(loaded.times));
        let answers = config.acme.as_ref().map(|acme| {
            let answers = Answers::default();
            state.note_ordering();
            answers.listen(acme).map(|()| answers)
        });
        let tls = Tls { acceptor, state, answers: answers.transpose()? };
        let Loaded { keys, config, stamp, .. } = loaded;
        Ok(Self { tls, config, keys, orders: None, stamp })
    }

    /// Begins to order certificates, if the configuration says so. The server listens.
    pub(crate) fn start_orders(&mut self) -> Result<(), Failure> {
        let Some(acme) = &self.config.acme else { return Ok(()) };
        let (Some(challenges), Some(answers)) = (&self.keys.challenges, &self.tls.answers) else {
            return Ok(());
        };
        let proofs = (challenges.clone(), answers.clone());
        self.orders = Some(Orders::start(acme.clone(), Arc::clone(&self.tls.state), proofs)?);
        Ok(())
    }

    pub(crate) fn tls(&self) -> Tls {
        self.tls.clone()
    }

    /// Reads the certificates that `config` names, and changes nothing yet.
    pub(crate) fn prepare(&mut self, config: &TlsConfig) -> Result<Loaded, Failure> {
        let tried = stamp(config);
        let loaded = load(config, self.keys.clone());
        if loaded.is_err() {
            self.tls.state.note_failed();
            // `look` does not try the same bad files again. Other files than those in use are none of its concern.
            // Good files count only in `apply`: the reload may fail elsewhere. [tls:reload]
            if *config == self.config {
                self.stamp = tried;
            }
        }
        loaded
    }

    /// New connections get these certificates.
    pub(crate) fn apply(&mut self, loaded: Loaded) {
        let Loaded { acceptor, times, keys, config, stamp } = loaded;
        self.tls.acceptor.replace(acceptor);
        self.tls.state.note_reloaded(times);
        (self.keys, self.config, self.stamp) = (keys, config, stamp);
        if let (Some(orders), Some(acme)) = (&self.orders, &self.config.acme) {
            orders.set(acme.clone());
        }
        log::info!("the certificates were read again");
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

/// The calendar, in seconds since 1970.
pub(crate) fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs())
}

/// Reads the files. Tickets of sessions are good only under the same authorities of clients.
fn load(config: &TlsConfig, former: Keys) -> Result<Loaded, Failure> {
    // A file that changes meanwhile is read once more.
    let stamp = stamp(config);
    let now_s = unix_s();
    let mut certificates = Vec::with_capacity(config.certificates.len());
    for files in &config.certificates {
        certificates.push(certificate(files, now_s)?);
    }
    certificates.extend(config.acme.as_ref().and_then(ordered));
    let client_ca = config.client_ca.as_deref().map(read).transpose()?;
    let validity = |it: &Certificate| (it.not_before(), it.not_after());
    let times = CertificateTimes::of(certificates.iter().map(validity));
    let tickets = match former.client_ca == client_ca {
        true => former.tickets,
        false => Tickets::new().or_fail(|| "[tls]".into())?,
    };
    let mut options = AcceptorOptions::new(certificates, tickets.clone());
    options.protocols = protocols(config);
    options.is_for_any_host = config.any_host;
    if let (Some(pem), Some(path)) = (&client_ca, &config.client_ca) {
        let authorities = Authorities::from_pem(pem).or_fail(|| path.display().to_string())?;
        options.client_authorities = Some(authorities);
    }
    options.challenges = former.challenges.clone();
    let keys = Keys { tickets, client_ca, challenges: former.challenges };
    let acceptor = Acceptor::new(&options).or_fail(|| "[tls]".into())?;
    Ok(Loaded { acceptor, times, keys, config: config.clone(), stamp })
}

/// The certificate that was ordered, if it is there. An old one is shown until its renewal, and one that cannot
/// be read is ordered again.
fn ordered(acme: &AcmeConfig) -> Option<Certificate> {
    let path = acme.certificate();
    if fs::metadata(&path).is_err_and(|it| it.kind() == ErrorKind::NotFound) {
        return None;
    }
    let pem = read(&path).map_err(|it| it.to_string());
    let certificate =
        pem.and_then(|it| Certificate::from_pem(&it, &it).map_err(|it| it.to_string()));
    if let Err(problem) = &certificate {
        log::warn!(certificate:% = path.display(), problem; "the ordered certificate cannot be used");
    }
    certificate.ok()
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

#[cfg(test)]
mod tests;
