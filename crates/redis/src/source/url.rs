//! URLs of streams and lists.

use core::fmt;
use std::sync::Arc;

use rustls::ClientConfig;
use sockeye_backbone::driver::{percent_decoded, url_options};

use crate::config::{RedisConfig, RedisLimits};
use crate::url::UrlError;

/// The name of the consumer group, if the URL names none.
const DEFAULT_GROUP: &str = "sockeye";

/// The server, the key, the login and the patience of a [`RedisSource`](super::RedisSource).
#[derive(Clone, Debug)]
pub struct RedisSourceConfig {
    pub(super) redis: RedisConfig,
    /// The consumer group of a stream; `None` for a list.
    pub(super) group: Option<Box<str>>,
    pub(super) takes_from_right: bool,
}

/// Why a text is no URL of a stream or a list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceUrlError {
    /// It is no URL of Redis.
    Url(UrlError),
    /// It names neither a stream nor a list, or both.
    Key,
    /// The option has no value that it can have, or is not one of this key.
    Option(Box<str>),
}

impl RedisSourceConfig {
    /// Reads a URL as [`RedisConfig::from_url`] does, with `?stream=KEY`, `?stream=KEY&group=NAME`, `?list=KEY` or
    /// `?list=KEY&pop=right`.
    ///
    /// # Errors
    /// [`SourceUrlError`].
    pub fn from_url(text: &str) -> Result<Self, SourceUrlError> {
        let (place, query) = text.split_once('?').unwrap_or((text, ""));
        let (mut stream, mut list, mut group, mut pop) = (None, None, None, None);
        for (name, value) in url_options(query) {
            let wrong = || SourceUrlError::Option(name.into());
            let slot = match name {
                "stream" => &mut stream,
                "list" => &mut list,
                "group" => &mut group,
                "pop" => &mut pop,
                _ => return Err(wrong()),
            };
            *slot =
                Some(percent_decoded(value).ok().filter(|it| !it.is_empty()).ok_or_else(wrong)?);
        }
        let wrong = |name: &str| Err(SourceUrlError::Option(name.into()));
        let (key, group, takes_from_right) = match (stream, list) {
            (Some(_), None) if pop.is_some() => return wrong("pop"),
            (None, Some(_)) if group.is_some() => return wrong("group"),
            (Some(key), None) => (key, Some(group.unwrap_or_else(|| DEFAULT_GROUP.into())), false),
            (None, Some(key)) => match pop.as_deref() {
                None | Some("left") => (key, None, false),
                Some("right") => (key, None, true),
                Some(_) => return wrong("pop"),
            },
            (None, None) | (Some(_), Some(_)) => return Err(SourceUrlError::Key),
        };
        let mut redis = RedisConfig::from_url(place).map_err(SourceUrlError::Url)?;
        redis.key = key;
        Ok(Self { redis, group, takes_from_right })
    }

    /// Whether it is a stream, whose messages have fields.
    pub const fn is_stream(&self) -> bool {
        self.group.is_some()
    }

    /// Sets the user's password; without a user in the URL, that of the user `default`.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.redis = self.redis.with_password(password);
        self
    }

    /// Sets how TLS begins, and whom it trusts.
    #[must_use]
    pub fn with_tls(mut self, tls: Arc<ClientConfig>) -> Self {
        self.redis = self.redis.with_tls(tls);
        self
    }

    /// Whether the URL asks for TLS.
    pub const fn uses_tls(&self) -> bool {
        self.redis.uses_tls()
    }

    /// Sets how long the server may be silent, in milliseconds.
    #[must_use]
    pub fn with_patience_ms(mut self, patience_ms: u64) -> Self {
        self.redis = self.redis.with_limits(RedisLimits::default().with_patience_ms(patience_ms));
        self
    }
}

impl fmt::Display for SourceUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => error.fmt(f),
            Self::Key => f.write_str("the URL names no stream and no list, or both: redis://HOST?stream=KEY or ?list=KEY"),
            Self::Option(name) => write!(
                f,
                "the URL has an option \"{}\" that is unknown or has a wrong value (known: stream=KEY with group=NAME; \
                 list=KEY with pop=left or right)",
                name.escape_debug()
            ),
        }
    }
}

impl core::error::Error for SourceUrlError {}

#[cfg(test)]
mod tests {
    use sockeye_backbone::driver::AddressError;

    use super::*;

    #[test]
    fn urls_name_a_stream_or_a_list() {
        let parse = |text: &str| RedisSourceConfig::from_url(text);
        let stream = parse("redis://ann@h:1/2?stream=a%20b&group=g").expect("a URL");
        assert_eq!((stream.redis.key(), stream.group.as_deref()), ("a b", Some("g")));
        let list = parse("rediss://h?list=jobs&pop=right").expect("a URL");
        assert!(!list.is_stream() && list.takes_from_right && list.uses_tls());
        for (text, error) in [
            ("redis://h", SourceUrlError::Key),
            ("redis://h?stream=a&list=b", SourceUrlError::Key),
            ("redis://h?key=a", SourceUrlError::Option("key".into())),
            ("redis://h?list=a&group=g", SourceUrlError::Option("group".into())),
            ("redis://h?stream=a&pop=left", SourceUrlError::Option("pop".into())),
            ("redis://h?list=a&pop=up", SourceUrlError::Option("pop".into())),
            (
                "redis://u:p@h?list=a",
                SourceUrlError::Url(UrlError::Address(AddressError::Password)),
            ),
        ] {
            assert_eq!(parse(text).err(), Some(error), "{text}");
        }
    }
}
