//! URLs of Kafka.

use core::fmt;

use sockeye_backbone::driver::{AddressError, Authority, UrlParts, percent_decoded, url_options};

use crate::config::{DEFAULT_TOPIC, KafkaConfig, KafkaLimits, Mechanism};

const PORT: u16 = 9092;

/// The characters of a topic's name.
const TOPIC_CHARS_MAX: usize = 249;

/// Copies of a topic: as many as anybody has, and one digit.
const REPLICAS_MAX: u16 = 9;

/// Why a text is no URL of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// The scheme is neither `kafka` nor `kafkas`.
    Scheme,
    /// A user, a host, a port or percent-encoding is wrong, or the URL has a password.
    Address(AddressError),
    /// The path is no name of a topic.
    Topic,
    /// The option has this name, which is none of `replicas` and `sasl`, or no value that it can have.
    Option(Box<str>),
    /// The URL has the option `sasl`, and no user.
    User,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str("the URL has another scheme than kafka and kafkas"),
            Self::Address(error) => error.fmt(f),
            Self::Topic => f.write_str(
                "the URL has a path that is no name of a topic, which has up to 249 letters, digits, ., - and _",
            ),
            Self::Option(name) => write!(
                f,
                "the URL has an option \"{}\" that is unknown or has a wrong value (known: replicas=0 to 9; sasl=plain, \
                 scram-sha-256 or scram-sha-512)",
                name.escape_debug()
            ),
            Self::User => f.write_str("the URL has sasl= and names no user: kafkas://USER@HOST/TOPIC?sasl=…"),
        }
    }
}

impl core::error::Error for UrlError {}

impl From<AddressError> for UrlError {
    fn from(error: AddressError) -> Self {
        Self::Address(error)
    }
}

pub(crate) fn parse(text: &str) -> Result<KafkaConfig, UrlError> {
    let parts = UrlParts::split(text).ok_or(UrlError::Scheme)?;
    let uses_tls = match &*parts.scheme {
        "kafka" => false,
        "kafkas" => true,
        _ => return Err(UrlError::Scheme),
    };
    let Authority { user, servers } = Authority::parse(parts.authority, PORT)?;
    let topic = match parts.path {
        "" => DEFAULT_TOPIC.into(),
        name => Some(percent_decoded(name)?).filter(|name| is_name(name)).ok_or(UrlError::Topic)?,
    };
    let mut config = KafkaConfig {
        servers,
        uses_tls,
        tls: None,
        user,
        password: None,
        mechanism: Mechanism::ScramSha512,
        topic,
        replicas: 0,
        limits: KafkaLimits::default(),
    };
    options(parts.query, &mut config)?;
    Ok(config)
}

fn options(query: &str, config: &mut KafkaConfig) -> Result<(), UrlError> {
    for (name, value) in url_options(query) {
        let wrong = || UrlError::Option(name.into());
        match name {
            "replicas" => {
                config.replicas =
                    value.parse().ok().filter(|&count| count <= REPLICAS_MAX).ok_or_else(wrong)?;
            }
            "sasl" => {
                config.mechanism = match value.to_ascii_lowercase().as_str() {
                    "plain" => Mechanism::Plain,
                    "scram-sha-256" => Mechanism::ScramSha256,
                    "scram-sha-512" => Mechanism::ScramSha512,
                    _ => return Err(wrong()),
                };
                if config.user.is_none() {
                    return Err(UrlError::User);
                }
            }
            _ => return Err(wrong()),
        }
    }
    Ok(())
}

/// Whether a topic can have this name. `.` and `..` were directories.
pub(crate) fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (1..=TOPIC_CHARS_MAX).contains(&name.len())
        && name.bytes().all(is_allowed)
        && !matches!(name, "." | "..")
}
