//! URLs of NATS.

use core::fmt;

use sockeye_backbone::driver::{AddressError, Server, percent_decoded};

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
    /// The URL has a password.
    Password,
    /// A host is missing, or is none.
    Host,
    /// A port is none.
    Port,
    /// The URL has a path.
    Path,
    /// The option of this name is unknown, or has a value that is not allowed.
    Option(Box<str>),
    /// A `%` is not followed by two hexadecimal digits, or the bytes are no text.
    Percent,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str("the URL has another scheme than nats and tls"),
            Self::Password => f.write_str(
                "the URL has a password, which lists of processes and logs would show: give it apart",
            ),
            Self::Host => f.write_str("the URL lacks a host, or has one with a character that is not allowed (allowed: a name, an IPv4 address, [IPv6])"),
            Self::Port => f.write_str("the URL has a port that is no number from 1 to 65535"),
            Self::Path => {
                f.write_str("the URL has a path: the stream is named by ?stream=NAME behind the hosts")
            }
            Self::Option(name) => write!(
                f,
                "the URL has an option \"{}\" that is unknown or has a wrong value (known: stream=NAME, of letters, \
                 digits, - and _; replicas=0 to 5)",
                name.escape_debug()
            ),
            Self::Percent => f.write_str("the URL has a % without two hexadecimal digits, or no text behind it"),
        }
    }
}

impl core::error::Error for UrlError {}

impl From<AddressError> for UrlError {
    fn from(error: AddressError) -> Self {
        match error {
            AddressError::Host => Self::Host,
            AddressError::Port => Self::Port,
        }
    }
}

pub(crate) fn parse(text: &str) -> Result<NatsConfig, UrlError> {
    let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
    let uses_tls = match scheme.to_ascii_lowercase().as_str() {
        "nats" => false,
        "tls" => true,
        _ => return Err(UrlError::Scheme),
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !path.is_empty() {
        return Err(UrlError::Path);
    }
    let (user, hosts) = user(authority)?;
    let mut config = NatsConfig {
        servers: hosts
            .split(',')
            .map(|host| Server::parse(host, PORT))
            .collect::<Result<_, _>>()?,
        uses_tls,
        tls: None,
        login: Login { user, ..Login::default() },
        stream: DEFAULT_STREAM.into(),
        replicas: 0,
        limits: NatsLimits::default(),
    };
    options(query, &mut config)?;
    Ok(config)
}

/// Splits `USER@HOSTS`.
fn user(authority: &str) -> Result<(Option<Box<str>>, &str), UrlError> {
    let Some((user, hosts)) = authority.rsplit_once('@') else { return Ok((None, authority)) };
    if user.contains(':') {
        return Err(UrlError::Password);
    }
    Ok((Some(decode(user)?).filter(|user| !user.is_empty()), hosts))
}

fn options(query: &str, config: &mut NatsConfig) -> Result<(), UrlError> {
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let wrong = || UrlError::Option(name.into());
        match name {
            "stream" => {
                config.stream = Some(decode(value)?).filter(|it| is_name(it)).ok_or_else(wrong)?;
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
fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=STREAM_CHARS_MAX).contains(&name.len()) && name.bytes().all(is_allowed)
}

/// Takes percent-encoding away.
fn decode(text: &str) -> Result<Box<str>, UrlError> {
    percent_decoded(text).ok_or(UrlError::Percent)
}
