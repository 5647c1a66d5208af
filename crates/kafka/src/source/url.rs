//! URLs of topics.

use core::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustls::ClientConfig;
use sockeye_backbone::driver::{percent_decoded, url_options};

use crate::config::{KafkaConfig, KafkaLimits};
use crate::url::{self, UrlError};

/// The name of the group, if the URL names none.
const DEFAULT_GROUP: &str = "sockeye";

/// The characters of a group's name: a bound of ours.
const GROUP_CHARS_MAX: usize = 249;

/// The bytes of the records of a compressed batch, if nothing else is set.
const BATCH_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The servers, the topic, the group, the login and the patience of a [`KafkaSource`](super::KafkaSource).
#[derive(Clone, Debug)]
pub struct KafkaSourceConfig {
    pub(super) kafka: KafkaConfig,
    pub(super) group: Box<str>,
    /// The content of a record without a value.
    pub(super) null: Box<str>,
    /// The bytes that a compressed batch may unpack to.
    pub(super) batch_bytes_max: usize,
    /// Ends what waits.
    pub(super) is_stopping: Arc<AtomicBool>,
}

/// Why a text is no URL of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceUrlError {
    /// It is no URL of Kafka.
    Url(UrlError),
    /// It names no topic, or names it in its path.
    Topic,
    /// The option is unknown, or has no value that it can have.
    Option(Box<str>),
}

impl KafkaSourceConfig {
    /// Reads a URL as [`KafkaConfig::from_url`] does, with `?topic=NAME`, and `group=NAME` and `sasl=MECHANISM`.
    ///
    /// # Errors
    /// [`SourceUrlError`].
    pub fn from_url(text: &str) -> Result<Self, SourceUrlError> {
        let (place, query) = text.split_once('?').unwrap_or((text, ""));
        let (mut topic, mut group, mut sasl) = (None, None, String::new());
        for (name, value) in url_options(query) {
            let wrong = || SourceUrlError::Option(name.into());
            let decoded = || percent_decoded(value).ok();
            match name {
                "topic" => topic = Some(decoded().filter(|it| url::is_name(it)).ok_or_else(wrong)?),
                "group" => group = Some(decoded().filter(|it| is_group(it)).ok_or_else(wrong)?),
                "sasl" => sasl = format!("?sasl={value}"),
                _ => return Err(wrong()),
            }
        }
        let is_bare = place.split_once("://").is_none_or(|(_, rest)| !rest.contains('/'));
        let topic = topic.filter(|_| is_bare).ok_or(SourceUrlError::Topic)?;
        let mut kafka =
            KafkaConfig::from_url(&format!("{place}{sasl}")).map_err(SourceUrlError::Url)?;
        kafka.topic = topic;
        let group = group.unwrap_or_else(|| DEFAULT_GROUP.into());
        Ok(Self {
            kafka,
            group,
            null: "".into(),
            batch_bytes_max: BATCH_BYTES_MAX,
            is_stopping: Arc::default(),
        })
    }

    /// Sets the user's password.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.kafka = self.kafka.with_password(password);
        self
    }

    /// Whether the URL names a user and no password is set.
    pub fn lacks_password(&self) -> bool {
        self.kafka.user().is_some() && !self.kafka.has_password()
    }

    /// Sets how TLS begins, and whom it trusts.
    #[must_use]
    pub fn with_tls(mut self, tls: Arc<ClientConfig>) -> Self {
        self.kafka = self.kafka.with_tls(tls);
        self
    }

    /// Whether the URL asks for TLS.
    pub const fn uses_tls(&self) -> bool {
        self.kafka.uses_tls()
    }

    /// Sets how long a server may be silent, in milliseconds.
    #[must_use]
    pub fn with_patience_ms(mut self, patience_ms: u64) -> Self {
        self.kafka = self.kafka.with_limits(KafkaLimits::default().with_patience_ms(patience_ms));
        self
    }

    /// Sets the content of a record without a value (a tombstone), which is empty by default.
    #[must_use]
    pub fn with_null(mut self, content: &str) -> Self {
        self.null = content.into();
        self
    }

    /// Sets how many bytes the records of a compressed batch may have: 32 MiB by default. A batch that has more becomes one
    /// message that cannot be published.
    #[must_use]
    pub const fn with_batch_bytes_max(mut self, batch_bytes_max: usize) -> Self {
        self.batch_bytes_max = batch_bytes_max;
        self
    }

    /// Ends the waits of the source once this is set: that for the other members of the group at once, and every other request
    /// after a second.
    #[must_use]
    pub fn with_stop(mut self, is_stopping: Arc<AtomicBool>) -> Self {
        self.is_stopping = is_stopping;
        self
    }
}

fn is_group(name: &str) -> bool {
    (1..=GROUP_CHARS_MAX).contains(&name.len()) && !name.contains(char::is_control)
}

impl fmt::Display for SourceUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => error.fmt(f),
            Self::Topic => f.write_str("the URL names no topic: kafka://HOST?topic=NAME"),
            Self::Option(name) => write!(
                f,
                "the URL has an option \"{}\" that is unknown or has a wrong value (known: topic=NAME; group=NAME; sasl=plain, \
                 scram-sha-256 or scram-sha-512)",
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
    fn urls_name_a_topic_and_may_name_a_group() {
        let parse = |text: &str| KafkaSourceConfig::from_url(text);
        let plain = parse("kafka://h1,h2:1?topic=orders").expect("a URL");
        assert_eq!((plain.kafka.topic(), &*plain.group), ("orders", "sockeye"));
        let all = parse("kafkas://ann@h?topic=a.b&group=web%20x&sasl=plain").expect("a URL");
        assert_eq!((all.kafka.topic(), &*all.group, all.uses_tls()), ("a.b", "web x", true));
        assert!(all.lacks_password() && !all.with_password("x").lacks_password());
        let option = |name: &str| SourceUrlError::Option(name.into());
        for (text, error) in [
            ("kafka://h", SourceUrlError::Topic),
            ("kafka://h/orders", SourceUrlError::Topic),
            ("kafka://h/orders?topic=orders", SourceUrlError::Topic),
            ("kafka://h?topic=a%20b", option("topic")),
            ("kafka://h?topic=a&group=", option("group")),
            ("kafka://h?topic=a&replicas=3", option("replicas")),
            ("kafka://h?topic=a&sasl=plain", SourceUrlError::Url(UrlError::User)),
            (
                "kafka://u:p@h?topic=a",
                SourceUrlError::Url(UrlError::Address(AddressError::Password)),
            ),
            ("nats://h?topic=a", SourceUrlError::Url(UrlError::Scheme)),
        ] {
            assert_eq!(parse(text).err(), Some(error), "{text}");
        }
    }
}
