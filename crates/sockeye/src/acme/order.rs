//! One order of a certificate, from the account to the chain (RFC 8555 §7).

use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use instant_acme::{
    Account, AccountCredentials, AuthorizationHandle, AuthorizationStatus, ChallengeType, Error,
    Identifier, NewAccount, NewOrder, OrderStatus, Problem,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use sockeye_service::OrderOutcome;
use sockeye_terminal::Failure;
use sockeye_tls::{Certificate, Challenges};

use super::answers::Answers;
use super::client::{Asked, Away, Client, ready};
use super::store::Store;
use crate::config::{AcmeConfig, ChallengeKind};

/// The wait between two looks at an order, if the authority does not say: the first, and the longest.
const LOOK_MIN: Duration = Duration::from_millis(500);
const LOOK_MAX: Duration = Duration::from_secs(10);

/// Longest text of an authority in our log.
const PROBLEM_BYTES_MAX: usize = 1_000;

/// Why no certificate was issued.
#[derive(Debug)]
pub(super) struct OrderError {
    pub(super) outcome: OrderOutcome,
    pub(super) problem: String,
    /// The authority wants to be left alone for so long.
    pub(super) retry_after: Option<Duration>,
    /// The authority refused a nonce that it gave.
    pub(super) is_bad_nonce: bool,
}

impl OrderError {
    fn new(outcome: OrderOutcome, problem: &str) -> Self {
        // What an authority says is text for a log, and no more of it than fits there.
        let end = problem.floor_char_boundary(PROBLEM_BYTES_MAX);
        Self { outcome, problem: problem[..end].to_owned(), retry_after: None, is_bad_nonce: false }
    }

    /// The fault is on our side.
    pub(super) fn failed(problem: impl AsRef<str>) -> Self {
        Self::new(OrderOutcome::Failed, problem.as_ref())
    }
}

impl From<Failure> for OrderError {
    fn from(failure: Failure) -> Self {
        Self::failed(failure.to_string())
    }
}

/// One order, and what it needs.
pub(super) struct Order<'o> {
    config: &'o AcmeConfig,
    store: &'o Store,
    challenges: &'o Challenges,
    answers: &'o Answers,
    asked: Arc<Asked>,
    account: Account,
    until: Instant,
}

impl<'o> Order<'o> {
    /// Takes the account of the directory, or makes one. The order begins no request after `until`.
    pub(super) fn new(
        config: &'o AcmeConfig,
        store: &'o Store,
        (challenges, answers): (&'o Challenges, &'o Answers),
        until: Instant,
    ) -> Result<Self, OrderError> {
        let (client, asked) = Client::new(config.ca_file.as_deref(), until)?;
        let account = account(config, store, client).map_err(|it| explain(it, &asked))?;
        Ok(Self { config, store, challenges, answers, asked, account, until })
    }

    /// Orders, proves and takes a certificate: its chain and its key, in PEM.
    pub(super) fn run(self) -> Result<String, OrderError> {
        let issued = self.issue();
        if let Err(Refusal::Acme(Error::Api(problem))) = &issued
            && is_of_type(problem, "accountDoesNotExist")
        {
            // The next order makes another one.
            self.store.forget_account()?;
        }
        issued.map_err(|why| explain(why, &self.asked))
    }

    fn issue(&self) -> Result<String, Refusal> {
        let names: Vec<_> = self.config.names.iter().cloned().map(Identifier::Dns).collect();
        let mut order = ready(self.account.new_order(&NewOrder::new(&names)))?;
        self.prove(&mut order)?;
        let key = ready(order.finalize())?;
        let mut looks = self.looks();
        let chain = loop {
            if let Some(chain) = ready(order.certificate())? {
                break chain;
            }
            looks.wait()?;
        };
        let pem = format!("{key}{chain}");
        let certificate = Certificate::from_pem(pem.as_bytes(), pem.as_bytes());
        let certificate = certificate.map_err(|why| Refusal::Failed(why.to_string()))?;
        let is_named = |name: &String| certificate.names().contains(&name.to_ascii_lowercase());
        match self.config.names.iter().all(is_named) {
            true => Ok(pem),
            false => Err(Refusal::Failed("the certificate is for other names".into())),
        }
    }

    /// Proves that the names are ours, as far as the authority does not know it.
    fn prove(&self, order: &mut instant_acme::Order) -> Result<(), Refusal> {
        let mut authorizations = order.authorizations();
        while let Some(authorization) = ready(authorizations.next()) {
            let authorization = authorization?;
            if authorization.status == AuthorizationStatus::Pending {
                self.answer(authorization)?;
            }
        }
        let mut looks = self.looks();
        loop {
            let state = ready(order.refresh())?;
            match state.status {
                OrderStatus::Ready | OrderStatus::Valid | OrderStatus::Processing => return Ok(()),
                OrderStatus::Invalid => return Err(failed_challenge(order)),
                OrderStatus::Pending => looks.wait()?,
            }
        }
    }

    /// Puts the answer to a challenge in place, and has the authority look.
    fn answer(&self, authorization: AuthorizationHandle<'_>) -> Result<(), Refusal> {
        let mut authorization = authorization;
        let name = authorization.identifier().to_string();
        let (kind, word) = match self.config.challenge {
            ChallengeKind::Http => (ChallengeType::Http01, "http-01"),
            ChallengeKind::TlsAlpn => (ChallengeType::TlsAlpn01, "tls-alpn-01"),
        };
        let Some(mut challenge) = authorization.challenge(kind) else {
            return Err(Refusal::Refused(format!("{name}: the authority offers no {word}")));
        };
        let key_authorization = challenge.key_authorization();
        match self.config.challenge {
            ChallengeKind::Http => {
                self.answers.set(&challenge.token, key_authorization.as_str());
            }
            ChallengeKind::TlsAlpn => {
                let made = challenge_certificate(&name, key_authorization.digest().as_ref());
                let (certificate, key) = made.map_err(|why| Refusal::Failed(why.to_string()))?;
                let set = self.challenges.set(&name, certificate, key);
                set.map_err(|why| Refusal::Failed(why.to_string()))?;
            }
        }
        ready(challenge.set_ready()).map_err(|why| match why {
            Error::Api(problem) if is_of_challenge(&problem) => {
                Refusal::Challenge(format!("{name}: {problem}"))
            }
            why => why.into(),
        })
    }

    fn looks(&self) -> Looks<'_> {
        Looks { asked: &self.asked, wait: LOOK_MIN, until: self.until }
    }
}

/// The waits between looks at an order.
struct Looks<'l> {
    asked: &'l Asked,
    wait: Duration,
    until: Instant,
}

impl Looks<'_> {
    fn wait(&mut self) -> Result<(), Refusal> {
        let wait = self.asked.retry_after().unwrap_or(self.wait).max(self.wait);
        self.wait = (self.wait * 2).min(LOOK_MAX);
        // The authority names the wait: there may be no such time.
        if wait > self.until.saturating_duration_since(Instant::now()) {
            return Err(Refusal::Slow);
        }
        sleep(wait);
        Ok(())
    }
}

/// Why an order does not go on.
enum Refusal {
    Acme(Error),
    /// The authority did not find the answer to its challenge.
    Challenge(String),
    Refused(String),
    Failed(String),
    /// The authority takes longer than an order may.
    Slow,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match &error {
            Error::Other(why) if matches!(why.downcast_ref(), Some(Away::Late)) => Self::Slow,
            _ => Self::Acme(error),
        }
    }
}

/// The account of the directory, or a new one at this authority.
fn account(config: &AcmeConfig, store: &Store, client: Client) -> Result<Account, Refusal> {
    let failed = |why: Failure| Refusal::Failed(why.to_string());
    let builder = Account::builder_with_http(Box::new(client));
    if let Some(text) = store.account().map_err(failed)?.filter(|it| is_of(it, &config.directory)) {
        let credentials: AccountCredentials = serde_json::from_str(&text)
            .map_err(|why| Refusal::Failed(format!("account.json cannot be read: {why}")))?;
        return Ok(ready(builder.from_credentials(credentials))?);
    }
    let contact = config.contact.as_deref().map(|it| match it.contains(':') {
        true => it.to_owned(),
        false => format!("mailto:{it}"),
    });
    let new = NewAccount {
        contact: &contact.as_deref().into_iter().collect::<Vec<_>>(),
        terms_of_service_agreed: config.agree_to_terms,
        only_return_existing: false,
    };
    let (account, credentials) = ready(builder.create(&new, config.directory.clone(), None))?;
    let text = serde_json::to_string(&credentials).map_err(|it| Refusal::Failed(it.to_string()))?;
    store.keep_account(&text).map_err(failed)?;
    log::info!(account = account.id(); "an account was made");
    Ok(account)
}

/// Whether credentials are for this directory. A file that cannot be read is, so that nobody loses it.
fn is_of(credentials: &str, directory: &str) -> bool {
    let Ok(all) = serde_json::from_str::<serde_json::Value>(credentials) else { return true };
    all.get("directory").and_then(serde_json::Value::as_str) == Some(directory)
}

/// The certificate that answers TLS-ALPN-01 (RFC 8737 §3), and its key, in DER.
fn challenge_certificate(name: &str, digest: &[u8]) -> Result<(Vec<u8>, Vec<u8>), rcgen::Error> {
    let mut params = CertificateParams::new([name.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok((certificate.der().to_vec(), key.serialize_der()))
}

/// The challenge that made an order invalid.
fn failed_challenge(order: &mut instant_acme::Order) -> Refusal {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = ready(authorizations.next()) {
        let authorization = match authorization {
            Ok(authorization) => authorization,
            Err(why) => return why.into(),
        };
        let name = authorization.identifier().to_string();
        let problem = authorization.challenges.iter().find_map(|it| it.error.as_ref());
        if let Some(problem) = problem {
            return Refusal::Challenge(format!("{name}: {problem}"));
        }
    }
    let why = order.state().error.as_ref().map(ToString::to_string);
    Refusal::Refused(why.unwrap_or_else(|| "the order is invalid, and nobody says why".into()))
}

fn is_of_type(problem: &Problem, name: &str) -> bool {
    let known =
        problem.r#type.as_deref().and_then(|it| it.strip_prefix("urn:ietf:params:acme:error:"));
    known == Some(name)
}

/// Whether the authority did not find what it looked for (RFC 8555 §6.7).
fn is_of_challenge(problem: &Problem) -> bool {
    ["connection", "dns", "incorrectResponse", "tls", "unauthorized", "caa"]
        .iter()
        .any(|name| is_of_type(problem, name))
}

/// An error in an operator's terms.
fn explain(why: Refusal, asked: &Asked) -> OrderError {
    let is_bad_nonce = matches!(&why, Refusal::Acme(Error::Api(it)) if is_of_type(it, "badNonce"));
    let mut error = match why {
        Refusal::Challenge(why) => OrderError::new(OrderOutcome::ChallengeFailed, &why),
        Refusal::Refused(why) => OrderError::new(OrderOutcome::Refused, &why),
        Refusal::Failed(why) => OrderError::failed(why),
        Refusal::Slow => {
            OrderError::new(OrderOutcome::Refused, "the authority takes longer than 5 minutes")
        }
        Refusal::Acme(Error::Api(problem)) => {
            let outcome = match is_of_type(&problem, "rateLimited") {
                true => OrderOutcome::RateLimited,
                false => OrderOutcome::Refused,
            };
            OrderError::new(outcome, &problem.to_string())
        }
        Refusal::Acme(Error::Other(why)) if why.is::<Away>() => {
            OrderError::new(OrderOutcome::Unreachable, &why.to_string())
        }
        Refusal::Acme(why) => {
            OrderError::failed(format!("the authority's answer makes no sense: {why}"))
        }
    };
    error.retry_after = asked.retry_after();
    error.is_bad_nonce = is_bad_nonce;
    error
}
