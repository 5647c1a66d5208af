//! URLs of NATS.

use core::fmt;

use sockeye_backbone::driver::{AddressError, Authority, UrlParts, percent_decoded, url_options};

use crate::config::{DEFAULT_STREAM, Login, NatsConfig, NatsLimits};

const PORT: u16 = 4222;

/// The characters of a stream's name.
const STREAM_CHARS_MAX: usize = 128;

/// Copies of a stream, of which NATS has up to five.
const REPLICAS_MAX: u32 = 5;

/// Why a text is no URL of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// The scheme is neither `nats` nor `tls`.
    Scheme,
    /// A user, a host, a port or percent-encoding is wrong, or the URL has a password.
    Address(AddressError),
    /// The URL has a path.
    Path,
    /// The option of this name is unknown, or has a value that is not allowed.
    Option(Box<str>),
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str("the URL has another scheme than nats and tls"),
            Self::Address(error) => error.fmt(f),
            Self::Path => f.write_str(
                "the URL has a path: the stream is named by ?stream=NAME behind the hosts",
            ),
            Self::Option(name) => write!(
                f,
                "the URL has an option \"{}\" that is unknown or has a wrong value (known: stream=NAME, of letters, \
                 digits, - and _; replicas=0 to 5)",
                name.escape_debug()
            ),
        }
    }
}

impl core::error::Error for UrlError {}

impl From<AddressError> for UrlError {
    fn from(error: AddressError) -> Self {
        Self::Address(error)
    }
}

pub(crate) fn parse(text: &str) -> Result<NatsConfig, UrlError> {
    let parts = UrlParts::split(text).ok_or(UrlError::Scheme)?;
    let uses_tls = match &*parts.scheme {
        "nats" => false,
        "tls" => true,
        _ => return Err(UrlError::Scheme),
    };
    if !parts.path.is_empty() {
        return Err(UrlError::Path);
    }
    let Authority { user, servers } = Authority::parse(parts.authority, PORT)?;
    let mut config = NatsConfig {
        servers,
        uses_tls,
        tls: None,
        login: Login { user, ..Login::default() },
        stream: DEFAULT_STREAM.into(),
        replicas: 0,
        limits: NatsLimits::default(),
        manual: "docs/cluster.md",
    };
    options(parts.query, &mut config)?;
    Ok(config)
}

fn options(query: &str, config: &mut NatsConfig) -> Result<(), UrlError> {
    for (name, value) in url_options(query) {
        let wrong = || UrlError::Option(name.into());
        match name {
            "stream" => {
                config.stream =
                    Some(percent_decoded(value)?).filter(|it| is_name(it)).ok_or_else(wrong)?;
            }
            "replicas" => {
                config.replicas =
                    value.parse().ok().filter(|&count| count <= REPLICAS_MAX).ok_or_else(wrong)?;
            }
            _ => return Err(wrong()),
        }
    }
    Ok(())
}

/// Whether a stream can have this name, and its subject, too.
pub(crate) fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=STREAM_CHARS_MAX).contains(&name.len()) && name.bytes().all(is_allowed)
}
