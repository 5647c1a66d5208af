//! `[compression]`: what is compressed for clients that take gzip, and how.

use serde::{Deserialize, Deserializer, de::Error as _};
use sockeye_server::{GzipConfig, Level};
use sockeye_service::{CompressedAnswers, Compression};

/// The gzip of event streams and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CompressionConfig {
    enabled: bool,
    #[serde(deserialize_with = "level")]
    level: u8,
    /// Shorter events are not compressed, in bytes.
    event_bytes: usize,
    answers: Answers,
    /// Shorter answers are not compressed, in bytes.
    answer_bytes: usize,
}

/// The answers that are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answers {
    None,
    Public,
    All,
}

impl Default for CompressionConfig {
    fn default() -> Self {
        let (gzip, compression) = (GzipConfig::default(), Compression::default());
        Self {
            enabled: true,
            level: gzip.level.to_u8(),
            event_bytes: gzip.text_bytes_min,
            answers: Answers::Public,
            answer_bytes: compression.answer_bytes_min,
        }
    }
}

impl CompressionConfig {
    /// How the server compresses.
    pub(crate) fn gzip(self) -> GzipConfig {
        let level = Level::new(self.level).expect("checked when it was read");
        GzipConfig { level, text_bytes_min: self.event_bytes }
    }

    /// What the service compresses.
    pub(crate) fn of_service(self) -> Compression {
        let mut compression = Compression::default();
        compression.events = self.enabled;
        compression.answers = match self.answers {
            _ if !self.enabled => CompressedAnswers::None,
            Answers::None => CompressedAnswers::None,
            Answers::Public => CompressedAnswers::Public,
            Answers::All => CompressedAnswers::All,
        };
        compression.answer_bytes_min = self.answer_bytes;
        compression
    }
}

fn level<'de, D: Deserializer<'de>>(from: D) -> Result<u8, D::Error> {
    match u8::deserialize(from)? {
        level if Level::new(level).is_some() => Ok(level),
        level => Err(D::Error::custom(format!("{level}, expected 1 to 9"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn parse(text: &str) -> Result<(GzipConfig, Compression), String> {
        let compression = Config::parse(text)?.compression;
        Ok((compression.gzip(), compression.of_service()))
    }

    #[test]
    fn what_is_said_is_done() {
        assert_eq!(parse(""), Ok((GzipConfig::default(), Compression::default())));
        let (_, off) = parse("[compression]\nenabled = false\nanswers = \"all\"").unwrap();
        assert_eq!((off.events, off.answers), (false, CompressedAnswers::None));
        let text = "[compression]\nlevel = 9\nevent_bytes = 5\nanswers = \"all\"\nanswer_bytes = 6";
        let (gzip, of_service) = parse(text).unwrap();
        assert_eq!((gzip.level, gzip.text_bytes_min), (Level::SMALLEST, 5));
        assert_eq!(of_service.answers, CompressedAnswers::All);
        assert_eq!((of_service.events, of_service.answer_bytes_min), (true, 6));
        let rules = Config::parse("[namespaces.a]\ncompress = false").unwrap().rules();
        assert_eq!((rules.of("a").compress, rules.of("b").compress), (false, true));
        let rules = Config::parse("[channels]\ncompress = false").unwrap().rules();
        assert!(!rules.of("a").compress);
    }

    #[test]
    fn what_cannot_be_is_an_error() {
        for (wrong, problem) in [
            ("level = 0", "line 2: level: 0, expected 1 to 9"),
            ("level = 10", "line 2: level: 10, expected 1 to 9"),
            ("answers = \"some\"", "line 2: answers: \"some\", expected one of \"none\", "),
            ("events = true", "line 2: unknown field `events`"),
        ] {
            let found = parse(&format!("[compression]\n{wrong}")).unwrap_err();
            assert!(found.starts_with(problem), "{found}");
        }
    }
}
