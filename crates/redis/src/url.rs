//! URLs of Redis and of Sentinels.

use core::fmt;

use sockeye_backbone::driver::{AddressError, Authority, UrlParts, percent_decoded, url_options};

use crate::config::{DEFAULT_KEY, Login, RedisConfig, RedisLimits};

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// Why a text is no URL of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// The scheme is none of the four.
    Scheme,
    /// A user, a host, a port or percent-encoding is wrong, or the URL has a password.
    Address(AddressError),
    /// The URL of one Redis has several hosts.
    Hosts,
    /// The URL of Sentinels has no name of a primary.
    PrimaryName,
    /// The database is no number.
    Database,
    /// The option has this name, which is none of `key` and `replicas`, or no value that it can have.
    Option(Box<str>),
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str(
                "the URL has another scheme than redis, rediss, redis-sentinel and rediss-sentinel",
            ),
            Self::Address(error) => error.fmt(f),
            Self::Hosts => f.write_str("the URL has several hosts: that is for redis-sentinel:// only"),
            Self::PrimaryName => f.write_str(
                "the URL names no primary: redis-sentinel://HOST,HOST/NAME, with the NAME of `sentinel monitor`",
            ),
            Self::Database => f.write_str("the URL has a database that is no number: redis://HOST/0"),
            Self::Option(name) => write!(
                f,
                "the URL has an option \"{}\" that is unknown or has a wrong value (known: key=NAME, replicas=0 to 100)",
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

pub(crate) fn parse(text: &str) -> Result<RedisConfig, UrlError> {
    let parts = UrlParts::split(text).ok_or(UrlError::Scheme)?;
    let (uses_tls, is_sentinel) = match &*parts.scheme {
        "redis" => (false, false),
        "rediss" => (true, false),
        "redis-sentinel" => (false, true),
        "rediss-sentinel" => (true, true),
        _ => return Err(UrlError::Scheme),
    };
    let default_port = if is_sentinel { SENTINEL_PORT } else { REDIS_PORT };
    let Authority { user, servers } = Authority::parse(parts.authority, default_port)?;
    if servers.len() > 1 && !is_sentinel {
        return Err(UrlError::Hosts);
    }
    let (primary_name, database) = if is_sentinel {
        let (name, database) = parts.path.split_once('/').unwrap_or((parts.path, ""));
        (Some(percent_decoded(name)?).filter(|name| !name.is_empty()), database)
    } else {
        (None, parts.path)
    };
    if is_sentinel && primary_name.is_none() {
        return Err(UrlError::PrimaryName);
    }
    let mut config = RedisConfig {
        servers,
        primary_name,
        uses_tls,
        tls: None,
        login: Login { user, password: None },
        sentinel_login: Login::default(),
        database: number(database)?,
        key: DEFAULT_KEY.into(),
        replicas: 0,
        limits: RedisLimits::default(),
    };
    options(parts.query, &mut config)?;
    Ok(config)
}

fn number(database: &str) -> Result<u32, UrlError> {
    if database.is_empty() { Ok(0) } else { database.parse().map_err(|_| UrlError::Database) }
}

fn options(query: &str, config: &mut RedisConfig) -> Result<(), UrlError> {
    for (name, value) in url_options(query) {
        let wrong = || UrlError::Option(name.into());
        match name {
            "key" => {
                config.key = Some(percent_decoded(value)?)
                    .filter(|key| !key.is_empty())
                    .ok_or_else(wrong)?;
            }
            "replicas" => {
                config.replicas =
                    value.parse().ok().filter(|&count| count <= 100).ok_or_else(wrong)?;
            }
            _ => return Err(wrong()),
        }
    }
    Ok(())
}
