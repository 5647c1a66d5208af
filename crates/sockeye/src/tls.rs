//! The certificates of the server: read at the start, and again when they change.

mod files;

use std::fs;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use sockeye_service::{CertificateState, CertificateTimes};
use sockeye_terminal::{Failure, OrFail};
use sockeye_tls::{
    Acceptor, AcceptorOptions, Certificate, Challenges, Protocol, SharedAcceptor, Tickets,
};

use crate::acme::{Answers, Orders};
use crate::config::TlsConfig;
use files::Found;

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

/// Reads the files as a start or a reload would, and returns what an operator should know about them.
pub(crate) fn check(config: &TlsConfig) -> Result<Vec<String>, Failure> {
    files::find(config).map(|found| found.warnings)
}

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
    let Found { certificates, client_ca, warnings } = files::find(config)?;
    for warning in warnings {
        log::warn!("{warning}");
    }
    let validity = |it: &Certificate| (it.not_before(), it.not_after());
    let times = CertificateTimes::of(certificates.iter().map(validity));
    let (client_ca, authorities) = client_ca.unzip();
    let tickets = match former.client_ca == client_ca {
        true => former.tickets,
        false => Tickets::new().or_fail(|| "[tls]".into())?,
    };
    let mut options = AcceptorOptions::new(certificates, tickets.clone());
    options.protocols = protocols(config);
    options.is_for_any_host = config.any_host;
    options.client_authorities = authorities;
    options.challenges = former.challenges.clone();
    let keys = Keys { tickets, client_ca, challenges: former.challenges };
    let acceptor = Acceptor::new(&options).or_fail(|| "[tls]".into())?;
    Ok(Loaded { acceptor, times, keys, config: config.clone(), stamp })
}

#[cfg(test)]
mod tests;
