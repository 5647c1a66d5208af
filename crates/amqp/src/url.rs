//! URLs of RabbitMQ.

use core::fmt;

use sockeye_backbone::driver::{AddressError, Authority, UrlParts, percent_decoded, url_options};

use crate::config::{AmqpConfig, AmqpLimits, DEFAULT_STREAM, DEFAULT_VHOST};

/// The ports without and with TLS.
const PORT: u16 = 5672;
const PORT_TLS: u16 = 5671;

/// The bytes of a name in AMQP.
const NAME_BYTES_MAX: usize = 255;

/// The characters of a stream's name.
const STREAM_CHARS_MAX: usize = 128;

/// Copies of a stream: as many as anybody has, and one digit.
const REPLICAS_MAX: u16 = 9;

/// The least bytes that a stream may keep.
const KEEP_BYTES_MIN: u64 = 100_000_000;

/// Why a text is no URL of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// The scheme is neither `amqp` nor `amqps`.
    Scheme,
    /// The URL has a password.
    Password,
    /// A host is missing, or is none.
    Host,
    /// A port is none.
    Port,
    /// The virtual host has a longer name than AMQP allows.
    VirtualHost,
    /// The option of this name is unknown, or has a value that is not allowed.
    Option(Box<str>),
    /// A `%` is not followed by two hexadecimal digits, or the bytes are no text.
    Percent,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str("the URL has another scheme than amqp and amqps"),
            Self::Password => AddressError::Password.fmt(f),
            Self::Host => AddressError::Host.fmt(f),
            Self::Port => AddressError::Port.fmt(f),
            Self::VirtualHost => {
                write!(f, "the URL has a virtual host of more than {NAME_BYTES_MAX} bytes")
            }
            Self::Option(name) => write!(
                f,
                "the URL has an option \"{}\" that is unknown or has a wrong value (known: stream=NAME, of letters, \
                 digits, ., - and _; replicas=0 to 9; keep_bytes=N, {KEEP_BYTES_MIN} or more)",
                name.escape_debug()
            ),
            Self::Percent => AddressError::Percent.fmt(f),
        }
    }
}

impl core::error::Error for UrlError {}

impl From<AddressError> for UrlError {
    fn from(error: AddressError) -> Self {
        match error {
            AddressError::Password => Self::Password,
            AddressError::Host => Self::Host,
            AddressError::Port => Self::Port,
            AddressError::Percent => Self::Percent,
        }
    }
}

pub(crate) fn parse(text: &str) -> Result<AmqpConfig, UrlError> {
    let parts = UrlParts::split(text).ok_or(UrlError::Scheme)?;
    let (uses_tls, port) = match &*parts.scheme {
        "amqp" => (false, PORT),
        "amqps" => (true, PORT_TLS),
        _ => return Err(UrlError::Scheme),
    };
    let Authority { user, servers } = Authority::parse(parts.authority, port)?;
    let vhost: Box<str> = match parts.path {
        "" => DEFAULT_VHOST.into(),
        name => percent_decoded(name)?,
    };
    if vhost.len() > NAME_BYTES_MAX {
        return Err(UrlError::VirtualHost);
    }
    let mut config = AmqpConfig {
        servers,
        uses_tls,
        tls: None,
        user,
        password: None,
        vhost,
        stream: DEFAULT_STREAM.into(),
        replicas: 0,
        keep_bytes: None,
        limits: AmqpLimits::default(),
    };
    options(parts.query, &mut config)?;
    Ok(config)
}

fn options(query: &str, config: &mut AmqpConfig) -> Result<(), UrlError> {
    for (name, value) in url_options(query) {
        let wrong = || UrlError::Option(name.into());
        match name {
            "stream" => {
                let stream = Some(percent_decoded(value)?).filter(|it| is_name(it));
                config.stream = stream.ok_or_else(wrong)?;
            }
            "replicas" => {
                config.replicas =
                    value.parse().ok().filter(|&count| count <= REPLICAS_MAX).ok_or_else(wrong)?;
            }
            "keep_bytes" => {
                let bytes = value.parse().ok().filter(|&bytes| bytes >= KEEP_BYTES_MIN);
                config.keep_bytes = Some(bytes.ok_or_else(wrong)?);
            }
            _ => return Err(wrong()),
        }
    }
    Ok(())
}

/// Whether a stream and an exchange can have this name, and the regular expressions of rights, too.
fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    (1..=STREAM_CHARS_MAX).contains(&name.len())
        && name.bytes().all(is_allowed)
        && !name.starts_with("amq.")
}
