//! URLs of consumers.

use core::fmt;
use std::sync::Arc;

use rustls::ClientConfig;
use sockeye_backbone::driver::{percent_decoded, url_options};

use crate::config::{CredentialsError, NatsConfig, NatsLimits};
use crate::url::{self, UrlError};

/// The name of the consumer, if the URL names none.
const DEFAULT_CONSUMER: &str = "sockeye";

/// The characters of a subject.
const SUBJECT_CHARS_MAX: usize = 255;

/// The servers, the stream, the consumer, the login and the patience of a [`NatsSource`](super::NatsSource).
#[derive(Clone, Debug)]
pub struct NatsSourceConfig {
    pub(super) nats: NatsConfig,
    pub(super) consumer: Box<str>,
    /// The filter of the consumer; empty for all subjects of the stream.
    pub(super) subject: Box<str>,
    pub(super) in_flight: usize,
}

/// Why a text is no URL of a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceUrlError {
    /// It is no URL of NATS.
    Url(UrlError),
    /// It names no stream of JetStream. A subject alone keeps no messages.
    Stream,
    /// The option is unknown, or has no value that it can have.
    Option(Box<str>),
}

impl NatsSourceConfig {
    /// Reads a URL as [`NatsConfig::from_url`] does, with `?stream=NAME`, and `subject=FILTER` and `consumer=NAME`.
    ///
    /// # Errors
    /// [`SourceUrlError`].
    pub fn from_url(text: &str) -> Result<Self, SourceUrlError> {
        let (place, query) = text.split_once('?').unwrap_or((text, ""));
        let (mut stream, mut subject, mut consumer) = (None, None, None);
        for (name, value) in url_options(query) {
            let wrong = || SourceUrlError::Option(name.into());
            let (slot, is_valid): (_, fn(&str) -> bool) = match name {
                "stream" => (&mut stream, url::is_name),
                "consumer" => (&mut consumer, url::is_name),
                "subject" => (&mut subject, is_filter),
                _ => return Err(wrong()),
            };
            let value = percent_decoded(value).ok().filter(|it| is_valid(it));
            *slot = Some(value.ok_or_else(wrong)?);
        }
        let mut nats = NatsConfig::from_url(place).map_err(SourceUrlError::Url)?;
        nats.stream = stream.ok_or(SourceUrlError::Stream)?;
        nats.manual = "docs/sources.md";
        let consumer = consumer.unwrap_or_else(|| DEFAULT_CONSUMER.into());
        Ok(Self { nats, consumer, subject: subject.unwrap_or_default(), in_flight: 0 })
    }

    /// The subject at which the process answers that takes the messages.
    pub(super) fn owner_subject(&self) -> String {
        format!("sockeye.source.{}.{}", self.nats.stream(), self.consumer)
    }

    /// Sets the user's password; without a user in the URL, the token.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.nats = self.nats.with_password(password);
        self
    }

    /// Sets the text of a file of credentials. It counts instead of user and password.
    ///
    /// # Errors
    /// [`CredentialsError`].
    pub fn with_credentials(mut self, text: &str) -> Result<Self, CredentialsError> {
        self.nats = self.nats.with_credentials(text)?;
        Ok(self)
    }

    /// Sets how TLS begins, and whom it trusts.
    #[must_use]
    pub fn with_tls(mut self, tls: Arc<ClientConfig>) -> Self {
        self.nats = self.nats.with_tls(tls);
        self
    }

    /// Whether the URL asks for TLS.
    pub const fn uses_tls(&self) -> bool {
        self.nats.uses_tls()
    }

    /// Sets how long the server may be silent, in milliseconds.
    #[must_use]
    pub fn with_patience_ms(mut self, patience_ms: u64) -> Self {
        self.nats = self.nats.with_limits(NatsLimits::default().with_patience_ms(patience_ms));
        self
    }

    /// Sets how many messages are taken and not acknowledged, for the consumer that is made if there is none.
    #[must_use]
    pub const fn with_in_flight(mut self, in_flight: usize) -> Self {
        self.in_flight = in_flight;
        self
    }
}

/// Whether a consumer can have this filter: words between dots, `*` for one, and `>` for the last ones.
fn is_filter(text: &str) -> bool {
    let words = text.split('.').count();
    let is_word = |(number, word): (usize, &str)| match word {
        "" => false,
        "*" => true,
        ">" => number + 1 == words,
        _ => word.chars().all(|c| !c.is_whitespace() && !c.is_control() && !"*>\"\\".contains(c)),
    };
    text.len() <= SUBJECT_CHARS_MAX && text.split('.').enumerate().all(is_word)
}

impl fmt::Display for SourceUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => error.fmt(f),
            Self::Stream => f.write_str(
                "the URL names no stream of JetStream, and a subject alone keeps no messages for a source that is away: \
                 nats://HOST?stream=NAME&subject=FILTER",
            ),
            Self::Option(name) => write!(
                f,
                "the URL has an option \"{}\" that is unknown or has a wrong value (known: stream=NAME and consumer=NAME, of \
                 letters, digits, - and _; subject=FILTER, as orders.>)",
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
    fn urls_name_a_stream_and_may_name_a_consumer() {
        let parse = |text: &str| NatsSourceConfig::from_url(text);
        let all = parse("nats://ann@h:1?stream=ORDERS").expect("a URL");
        assert_eq!((all.nats.stream(), &*all.consumer, &*all.subject), ("ORDERS", "sockeye", ""));
        let some = parse("tls://h?stream=O&subject=orders.*.%3E&consumer=web").expect("a URL");
        assert_eq!((&*some.consumer, &*some.subject, some.uses_tls()), ("web", "orders.*.>", true));
        let option = |name: &str| SourceUrlError::Option(name.into());
        for (text, error) in [
            ("nats://h", SourceUrlError::Stream),
            ("nats://h?subject=orders.>", SourceUrlError::Stream),
            ("nats://h?stream=O&subject=a..b", option("subject")),
            ("nats://h?stream=O&subject=a.>.b", option("subject")),
            ("nats://h?stream=O&subject=a%20b", option("subject")),
            ("nats://h?stream=O&subject=", option("subject")),
            ("nats://h?stream=a.b", option("stream")),
            ("nats://h?stream=O&replicas=3", option("replicas")),
            (
                "nats://u:p@h?stream=O",
                SourceUrlError::Url(UrlError::Address(AddressError::Password)),
            ),
            ("nats://h/x?stream=O", SourceUrlError::Url(UrlError::Path)),
        ] {
            assert_eq!(parse(text).err(), Some(error), "{text}");
        }
        assert!(SourceUrlError::Stream.to_string().contains("?stream=NAME"));
    }
}
