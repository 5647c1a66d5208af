//! `[http2]`: whether it is spoken, and the bounds of a connection.

use serde::Deserialize;
use sockeye_server::Http2Limits;

use super::rules;

/// The bounds of a connection that speaks HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Http2Config {
    enabled: bool,
    /// Streams that a client may have open on one connection.
    #[serde(deserialize_with = "rules::positive")]
    streams: u32,
    /// Bytes of a stream that are on their way, or that wait to be used.
    #[serde(deserialize_with = "window_bytes")]
    window_bytes: u32,
    /// Bytes of all streams of a connection on their way; bytes of requests whose content is not complete.
    #[serde(deserialize_with = "window_bytes")]
    connection_window_bytes: u32,
    /// Bytes of a request's fields, decoded.
    #[serde(deserialize_with = "rules::positive")]
    head_bytes: usize,
    /// Fields of a request, each crumb of a cookie counted.
    #[serde(deserialize_with = "rules::positive")]
    head_fields: usize,
}

impl Default for Http2Config {
    fn default() -> Self {
        let limits = Http2Limits::DEFAULT;
        Self {
            enabled: true,
            streams: limits.concurrent_streams_max,
            window_bytes: limits.window_bytes,
            connection_window_bytes: limits.connection_window_bytes,
            head_bytes: limits.fields.list_bytes_max,
            head_fields: limits.fields.fields_max,
        }
    }
}

impl Http2Config {
    /// The bounds as the server has them; `None`: HTTP/2 is not spoken.
    pub(crate) fn limits(self) -> Option<Http2Limits> {
        let mut limits = Http2Limits::DEFAULT;
        limits.concurrent_streams_max = self.streams;
        // As many may be reset at once, and again.
        limits.closed_streams_max = limits.closed_streams_max.max(self.streams);
        limits.resets.burst = limits.resets.burst.max(self.streams.saturating_mul(2));
        limits.window_bytes = self.window_bytes;
        limits.connection_window_bytes = self.connection_window_bytes;
        limits.fields.list_bytes_max = self.head_bytes;
        limits.fields.fields_max = self.head_fields;
        self.enabled.then_some(limits)
    }
}

/// A window of flow control: 65,535 to 2^31 - 1 bytes, as RFC 9113 begins and ends it.
fn window_bytes<'de, D: serde::Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let bytes = u32::deserialize(from)?;
    if (65_535..=0x7fff_ffff).contains(&bytes) {
        return Ok(bytes);
    }
    Err(serde::de::Error::custom(format!("{bytes}, expected 65535 to 2147483647")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn parse(text: &str) -> Result<Option<Http2Limits>, String> {
        Config::parse(text).map(|config| config.http2.limits())
    }

    #[test]
    fn what_is_said_is_the_bound() {
        assert_eq!(parse(""), Ok(Some(Http2Limits::DEFAULT)));
        assert_eq!(parse("[http2]\nenabled = false"), Ok(None));
        let limits = parse("[http2]\nstreams = 5000\nhead_fields = 7").unwrap().unwrap();
        assert_eq!((limits.concurrent_streams_max, limits.fields.fields_max), (5_000, 7));
        // All of them may be closed at once.
        assert_eq!((limits.closed_streams_max, limits.resets.burst), (5_000, 10_000));
    }

    #[test]
    fn what_cannot_be_is_an_error() {
        for wrong in ["streams = 0", "window_bytes = 65534", "connection_window_bytes = 2147483648"]
        {
            let (key, number) = wrong.split_once(" = ").unwrap();
            let problem = parse(&format!("[http2]\n{wrong}")).unwrap_err();
            assert!(
                problem.starts_with(&format!("line 2: {key}: {number}, expected ")),
                "{problem}"
            );
        }
    }

    #[test]
    fn there_may_be_more_streams_than_connections() {
        let config = Config::parse("[limits]\nconnections = 10\nstreams = 1000").unwrap();
        assert_eq!((config.hub().limits.subscribers_max, config.streams(10)), (1_000, 1_000));
        assert_eq!(Config::default().streams(10), 10);
    }
}
