//! Certificates by ACME (RFC 8555): ordered, proved and renewed on a thread of its own.
//!
//! ```text
//!                  due             issued
//!   Waiting ─────────────► Order ─────────► certificate.pem ─► the reload thread, which shows it
//!      ▲                     │ failed
//!      └── backoff ◄─────────┘
//! ```
//!
//! The thread owns the directory of the account and of the certificate. The reload thread looks at
//! the file of the certificate like at any other, so a renewal is a reload.

mod answers;
mod client;
mod order;
mod schedule;
mod store;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use sockeye_service::{CertificateState, OrderOutcome};
use sockeye_terminal::{Failure, OrFail as _};
use sockeye_tls::Challenges;

pub(crate) use self::answers::Answers;
#[cfg(any(
    feature = "amqp",
    feature = "kafka",
    feature = "nats",
    feature = "postgres",
    feature = "redis"
))]
pub(crate) use self::client::trusting;
use self::order::{Order, OrderError};
use self::schedule::{Backoff, renewal_s};
use self::store::Store;
use crate::config::AcmeConfig;
use crate::tls::unix_s;

/// How long an order may take. No request begins later, and none is cut for it: each has a bound of its own.
const ORDER_MAX: Duration = Duration::from_secs(300);

/// How often an order begins whose nonces the authority refuses.
const NONCE_ATTEMPTS_MAX: u32 = 4;

/// Gives new settings to the thread that orders.
pub(crate) struct Orders(Sender<AcmeConfig>);

impl Orders {
    /// Starts the thread. The server listens already.
    pub(crate) fn start(
        config: AcmeConfig,
        state: Arc<CertificateState>,
        (challenges, answers): (Challenges, Answers),
    ) -> Result<Self, Failure> {
        let (settings, changes) = channel();
        let backoff = Backoff::new(config.retry_seconds);
        let store = Some(Store::open(&config)?);
        let issuer = Issuer { config, state, challenges, answers, backoff, changes, store };
        let thread = thread::Builder::new().name("acme".into()).spawn(move || issuer.run());
        thread.or_fail(|| "cannot start the thread that orders certificates".into())?;
        Ok(Self(settings))
    }

    /// The next order has these settings.
    pub(crate) fn set(&self, config: AcmeConfig) {
        // The thread ends with the process only.
        let _ = self.0.send(config);
    }
}

/// The thread that orders.
struct Issuer {
    config: AcmeConfig,
    state: Arc<CertificateState>,
    challenges: Challenges,
    answers: Answers,
    backoff: Backoff,
    changes: Receiver<AcmeConfig>,
    /// None if that of new settings could not be opened.
    store: Option<Store>,
}

impl Issuer {
    fn run(mut self) {
        loop {
            let due_s = renewal_s(&self.config, self.backoff.spread()).saturating_sub(unix_s());
            let wait = self.backoff.wait(due_s, Instant::now());
            match self.changes.recv_timeout(wait) {
                Ok(config) if config == self.config => {}
                Ok(config) => {
                    self.backoff = self.backoff.anew(config.retry_seconds);
                    self.config = config;
                    if let Err(problem) = self.open_store() {
                        log::error!(problem:%; "no certificate can be ordered");
                    }
                }
                // The calendar may have been set meanwhile: `wait` is bounded.
                Err(RecvTimeoutError::Timeout) if self.is_due() => self.order(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn is_due(&self) -> bool {
        let due_s = renewal_s(&self.config, self.backoff.spread());
        due_s <= unix_s() && self.backoff.is_over(Instant::now())
    }

    fn order(&mut self) {
        let names = self.config.names.join(" ");
        log::info!(names, directory = self.config.directory; "ordering a certificate");
        let done = self.try_order();
        self.challenges.clear();
        self.answers.clear();
        match done {
            Ok(()) => {
                self.backoff.succeed();
                self.state.note_order(OrderOutcome::Issued);
                log::info!(names; "a certificate was issued");
            }
            Err(OrderError { outcome, problem, retry_after, .. }) => {
                let wait_s = self.backoff.fail(outcome, retry_after, Instant::now()).as_secs();
                self.state.note_order(outcome);
                let outcome = outcome.as_str();
                log::error!(names, outcome, problem, next_attempt_seconds = wait_s; "no certificate was issued");
            }
        }
    }

    /// Opens the store of the settings if another one is open, and makes sure that it takes files.
    fn open_store(&mut self) -> Result<(), Failure> {
        match &self.store {
            Some(store) if store.is_of(&self.config) => store.check(),
            _ => {
                // Its lock goes first: the next one may be in the same directory.
                self.store = None;
                self.store = Some(Store::open(&self.config)?);
                Ok(())
            }
        }
    }

    fn try_order(&mut self) -> Result<(), OrderError> {
        self.open_store()?;
        let store = self.store.as_ref().expect("it was opened");
        let issued = self.issue(store)?;
        store.keep(&issued)?;
        // With a wrong clock each certificate would be ordered anew at once.
        match renewal_s(&self.config, self.backoff.spread()) <= unix_s() {
            true => {
                Err(OrderError::failed("the new certificate is due already: is the clock right?"))
            }
            false => Ok(()),
        }
    }

    /// One certificate. The library repeats a request whose nonce is refused (RFC 8555 §6.5) twice, and an
    /// authority may refuse more of them: they say nothing about the order, which begins anew at once.
    fn issue(&self, store: &Store) -> Result<String, OrderError> {
        let until = Instant::now() + ORDER_MAX;
        let proofs = (&self.challenges, &self.answers);
        let attempt = || Order::new(&self.config, store, proofs, until)?.run();
        let mut issued = attempt();
        for _ in 1..NONCE_ATTEMPTS_MAX {
            if !issued.as_ref().is_err_and(|error| error.is_bad_nonce) {
                break;
            }
            issued = attempt();
        }
        issued
    }
}
