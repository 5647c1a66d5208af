//! URLs of queues.

use core::fmt;
use std::sync::Arc;

use rustls::ClientConfig;
use sockeye_backbone::driver::{percent_decoded, url_options};

use crate::config::{AmqpConfig, AmqpLimits};
use crate::url::UrlError;

/// The bytes of a queue's name, for the lock has a longer one of 255 at the most.
const QUEUE_BYTES_MAX: usize = 240;

/// The beginning of a lock's name.
const LOCK: &str = "sockeye.";

/// The messages that are sent and not acknowledged, if nobody says.
const IN_FLIGHT: u16 = 256;

/// The servers, the queue, the login and the bounds of an [`AmqpSource`](super::AmqpSource).
#[derive(Clone, Debug)]
pub struct AmqpSourceConfig {
    pub(super) amqp: AmqpConfig,
    pub(super) queue: Box<str>,
    /// The queue that is the lock of this one.
    pub(super) lock: Box<str>,
    pub(super) needs_id: bool,
    pub(super) in_flight: u16,
}

/// Why a text is no URL of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceUrlError {
    /// It is no URL of RabbitMQ.
    Url(UrlError),
    /// It names no queue.
    Queue,
    /// The option of this name is unknown, or has a value that is not allowed.
    Option(Box<str>),
}

impl AmqpSourceConfig {
    /// Reads a URL as [`AmqpConfig::from_url`] does, with `?queue=NAME` or `?queue=NAME&id=optional`.
    ///
    /// # Errors
    /// [`SourceUrlError`].
    pub fn from_url(text: &str) -> Result<Self, SourceUrlError> {
        let (place, query) = text.split_once('?').unwrap_or((text, ""));
        let (mut queue, mut needs_id) = (None, true);
        for (name, value) in url_options(query) {
            let wrong = || SourceUrlError::Option(name.into());
            match name {
                "queue" => {
                    let named = percent_decoded(value).map_err(|_| wrong())?;
                    let fits = (1..=QUEUE_BYTES_MAX).contains(&named.len());
                    queue = Some(fits.then_some(named).ok_or_else(wrong)?);
                }
                "id" => {
                    needs_id = match value {
                        "required" => true,
                        "optional" => false,
                        _ => return Err(wrong()),
                    };
                }
                _ => return Err(wrong()),
            }
        }
        let amqp = AmqpConfig::from_url(place).map_err(SourceUrlError::Url)?;
        let queue = queue.ok_or(SourceUrlError::Queue)?;
        let lock = format!("{LOCK}{queue}").into();
        Ok(Self { amqp, queue, lock, needs_id, in_flight: IN_FLIGHT })
    }

    /// Sets the user's password.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.amqp = self.amqp.with_password(password);
        self
    }

    /// Sets how TLS begins, and whom it trusts.
    #[must_use]
    pub fn with_tls(mut self, tls: Arc<ClientConfig>) -> Self {
        self.amqp = self.amqp.with_tls(tls);
        self
    }

    /// Whether the URL asks for TLS.
    pub const fn uses_tls(&self) -> bool {
        self.amqp.uses_tls()
    }

    /// Sets how long the server may be silent, in milliseconds.
    #[must_use]
    pub fn with_patience_ms(mut self, patience_ms: u64) -> Self {
        self.amqp = self.amqp.with_limits(AmqpLimits { patience_ms, ..AmqpLimits::default() });
        self
    }

    /// Sets how many messages the server sends that are not acknowledged.
    #[must_use]
    pub fn with_in_flight(mut self, messages: usize) -> Self {
        self.in_flight = u16::try_from(messages).unwrap_or(u16::MAX).max(1);
        self
    }
}

impl fmt::Display for SourceUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => error.fmt(f),
            Self::Queue => f.write_str("the URL names no queue: amqp://HOST/VHOST?queue=NAME"),
            Self::Option(name) => write!(
                f,
                "the URL has an option \"{}\" that is unknown or has a wrong value (known: queue=NAME; id=required or \
                 optional)",
                name.escape_debug()
            ),
        }
    }
}

impl core::error::Error for SourceUrlError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_a_queue() {
        let parse = |text: &str| AmqpSourceConfig::from_url(text);
        let full = parse("amqps://ann@a,b/shop?queue=a%20b&id=optional").expect("a URL");
        assert_eq!((&*full.queue, full.needs_id, full.uses_tls()), ("a b", false, true));
        assert_eq!((full.amqp.servers.len(), &*full.amqp.vhost), (2, "shop"));
        assert!(parse("amqp://h?queue=q").expect("a URL").needs_id);
        let option = |name: &str| SourceUrlError::Option(name.into());
        for (text, error) in [
            ("amqp://h", SourceUrlError::Queue),
            ("amqp://h?stream=a", option("stream")),
            ("amqp://h?queue=", option("queue")),
            ("amqp://h?queue=q&id=no", option("id")),
            (&format!("amqp://h?queue={}", "q".repeat(241)), option("queue")),
            ("amqp://u:p@h?queue=q", SourceUrlError::Url(UrlError::Password)),
            ("http://h?queue=q", SourceUrlError::Url(UrlError::Scheme)),
        ] {
            assert_eq!(parse(text).err(), Some(error), "{text}");
        }
    }
}
