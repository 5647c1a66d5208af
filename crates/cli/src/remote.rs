//! `sockeye publish`, `sockeye subscribe`, `sockeye ticket` and `sockeye nodes`: clients of a hub.

mod address;
pub(crate) mod args;
mod http;
mod item;
mod lines;
pub(crate) mod nodes;
pub(crate) mod publish;
mod shown;
pub(crate) mod subscribe;
pub(crate) mod ticket;
mod ways;
mod words;

use sockeye_client::Network;
use sockeye_http::HeaderValue;
use sockeye_terminal::{Failure, OrFail, Secret, plain::plain};

use self::address::Address;
use self::args::ServerOptions;
use crate::endpoint::{Problem, tls};

/// Longest wait that a server may ask for, in milliseconds.
const RETRY_MS_MAX: u64 = 3_600_000;

/// A hub's address, and the credentials and TLS configuration for it.
struct Remote {
    address: Address,
    /// The value of `Authorization`.
    authorization: Option<String>,
    /// The limits of connections, and the TLS configuration.
    network: Network,
}

impl Remote {
    fn new(options: &ServerOptions) -> Result<Self, Failure> {
        let address = Address::parse(&options.url)?;
        let mut network = Network::default().with_versions(options.http.versions());
        if let Some(path) = &options.cacert {
            network = network.with_tls(tls::trusting(path)?);
        } else if address.is_secure() {
            let config = network.tls_config().or_fail(|| "there can be no TLS".into())?;
            network = network.with_tls(config);
        }
        let authorization = authorization(options)?;
        if let Some(value) = &authorization {
            HeaderValue::new(value).or_fail(|| "the key or token cannot be sent".into())?;
        }
        Ok(Self { address, authorization, network })
    }
}

/// The value of `Authorization`: from a file that was named, else from the environment or a flag.
fn authorization(options: &ServerOptions) -> Result<Option<String>, Failure> {
    let read = |path: &std::path::PathBuf| -> Result<String, Failure> {
        let text = std::fs::read_to_string(path);
        let text = text.or_fail(|| format!("cannot read {}", path.display()))?;
        Ok(text.trim().to_owned())
    };
    if let Some(path) = &options.api_key_file {
        return Ok(Some(format!("ApiKey {}", read(path)?)));
    }
    if let Some(path) = &options.token_file {
        return Ok(Some(format!("Bearer {}", read(path)?)));
    }
    // An empty variable counts as none.
    let given = |secret: &&Secret| !secret.reveal().is_empty();
    let key = options.api_key.as_ref().filter(given).map(|key| format!("ApiKey {}", key.reveal()));
    let token =
        options.token.as_ref().filter(given).map(|token| format!("Bearer {}", token.reveal()));
    match (key, token) {
        (Some(_), Some(_)) => {
            let both = "both an API key and a token are given (SOCKEYE_API_KEY, SOCKEYE_TOKEN)";
            Err(Failure(format!("{both}: which one?")))
        }
        (key, token) => Ok(key.or(token)),
    }
}

/// The error of a request to a hub, by what it means for the next attempt.
#[derive(Debug, PartialEq, Eq)]
enum Break {
    /// Nothing listens at the address.
    Nobody(String),
    /// The connection failed or broke, or the server cannot do it now: asking again may help.
    Lost {
        why: String,
        /// How long the server has asked the client to wait.
        retry_ms: u64,
    },
    /// The request is too large.
    TooLarge(String),
    /// Asking again would end the same.
    Final(String),
}

impl Break {
    fn lost(why: impl Into<String>) -> Self {
        Self::Lost { why: why.into(), retry_ms: 0 }
    }

    fn into_text(self) -> String {
        match self {
            Self::Nobody(why) | Self::Lost { why, .. } | Self::TooLarge(why) | Self::Final(why) => {
                why
            }
        }
    }
}

impl From<Break> for Failure {
    fn from(end: Break) -> Self {
        Self(end.into_text())
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Usage(why) | Problem::Failed(why) => Self(why),
            // The parts that clients of a hub use never return this.
            Problem::Told => Self("it was told before".to_owned()),
        }
    }
}
