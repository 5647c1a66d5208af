//! `[source.NAME]`: the buses whose messages are published.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sockeye_source::{Format, OnBad};
use sockeye_terminal::Failure;

use super::{Config, rules};
use crate::sources;

/// Messages that were taken and are not acknowledged, if the file does not say.
const IN_FLIGHT: usize = 256;

/// Most of them: their names are sent with each look at an outbox.
const IN_FLIGHT_MAX: usize = 10_000;

/// The bytes of these, if the file does not say.
const IN_FLIGHT_BYTES: usize = 4 * 1024 * 1024;

/// How long a bus may be silent, if the file does not say.
const PATIENCE_SECONDS: u64 = 5;

/// The longest name of a source: keys begin with it.
const NAME_CHARS_MAX: usize = 32;

/// All sources by their names.
pub(crate) type SourceConfigs = BTreeMap<String, SourceConfig>;

/// One source: where its bus is, and what its messages are as publications.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SourceConfig {
    /// The URL of its bus.
    pub(crate) url: String,
    /// The file that has the password.
    #[serde(deserialize_with = "rules::some_path")]
    pub(crate) password_file: Option<PathBuf>,
    /// The file that has credentials of NATS.
    #[serde(deserialize_with = "rules::some_path")]
    pub(crate) credentials_file: Option<PathBuf>,
    /// The authorities that vouch for the bus.
    #[serde(deserialize_with = "rules::some_path")]
    pub(crate) ca_file: Option<PathBuf>,
    /// The template of the channel.
    pub(crate) channel: Option<String>,
    /// The placeholder of the content.
    pub(crate) data: Option<String>,
    /// The template of the event's name.
    pub(crate) event: Option<String>,
    /// The form of the content.
    #[serde(deserialize_with = "FormatName::read")]
    pub(crate) format: Option<Format>,
    /// The channels and patterns where it may publish; if it is not said, what the channel's template can become.
    pub(crate) publish: Option<Vec<String>>,
    /// The treatment of messages that can never be published.
    #[serde(deserialize_with = "OnBadName::read")]
    pub(crate) on_bad: OnBad,
    /// Messages that were taken and are not acknowledged.
    #[serde(deserialize_with = "rules::positive")]
    pub(crate) in_flight: usize,
    /// Their bytes.
    #[serde(deserialize_with = "rules::positive")]
    pub(crate) in_flight_bytes: usize,
    /// How long the bus may be silent.
    #[serde(deserialize_with = "rules::positive")]
    pub(crate) patience_seconds: u64,
}

/// The names of the variants of [`Format`].
#[derive(Deserialize)]
#[serde(remote = "Format", rename_all = "snake_case")]
enum FormatName {
    Text,
    Json,
}

impl FormatName {
    fn read<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Format>, D::Error> {
        Self::deserialize(from).map(Some)
    }
}

/// The names of the variants of [`OnBad`].
#[derive(Deserialize)]
#[serde(remote = "OnBad", rename_all = "snake_case")]
enum OnBadName {
    Stop,
    Skip,
}

impl OnBadName {
    fn read<'de, D: serde::Deserializer<'de>>(from: D) -> Result<OnBad, D::Error> {
        Self::deserialize(from)
    }
}

impl Default for SourceConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            password_file: None,
            credentials_file: None,
            ca_file: None,
            channel: None,
            data: None,
            event: None,
            format: None,
            publish: None,
            on_bad: OnBad::Stop,
            in_flight: IN_FLIGHT,
            in_flight_bytes: IN_FLIGHT_BYTES,
            patience_seconds: PATIENCE_SECONDS,
        }
    }
}

impl SourceConfig {
    /// Relative paths are relative to the file that they stand in.
    pub(super) fn resolve(&mut self, beside: &Path) {
        let secrets = self.password_file.iter_mut().chain(&mut self.credentials_file);
        for path in secrets.chain(&mut self.ca_file) {
            *path = beside.join(&*path);
        }
    }
}

impl Config {
    /// A server that forgets its keys when it is killed may publish a message twice.
    pub(super) fn sources_warning(&self) -> Option<String> {
        let forgets = self.data.is_none() && self.backbone.is_none();
        (forgets && !self.sources.is_empty()).then(|| {
            "[source.…] without data or [backbone]: a message whose receipt was given right before a kill comes twice"
                .to_owned()
        })
    }

    /// Whether all sources can be asked for.
    pub(super) fn check_sources(&self) -> Result<(), Failure> {
        for (name, config) in &self.sources {
            let table = format!("source.{name}");
            let fail = |key: &str, why: &str| {
                let at = self.source.line_of(&table, key);
                let header = || self.source.line_with(&[&format!("[{table}]")]);
                let at = if at.is_empty() { header() } else { at };
                Err(Failure(format!("{at}[{table}] {why}")))
            };
            let is_bare =
                |it: char| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-' || it == '_';
            if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.chars().all(is_bare) {
                let why = "a source's name has 1 to 32 of a-z 0-9 _ -";
                return fail("", why);
            }
            if config.url.is_empty() {
                return fail("url", "needs a url, as redis://127.0.0.1?stream=orders");
            }
            if config.in_flight > IN_FLIGHT_MAX {
                let why = format!("in_flight: {}, expected 1 to {IN_FLIGHT_MAX}", config.in_flight);
                return fail("in_flight", &why);
            }
            if let Err(Failure(why)) = sources::prepare(name, config) {
                let key = why.split_once(':').map_or("url", |(key, _)| key);
                return fail(key, &why);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        match Config::parse(text) {
            Ok(config) => config.check().expect_err(text).to_string(),
            Err(problem) => problem,
        }
    }

    #[test]
    fn what_is_wrong_with_a_source_is_named() {
        for (text, why) in [
            ("[source.a]\n", "[source.a] needs a url"),
            ("[source.\"A b\"]\nurl = \"redis://h?list=l\"\n", "a source's name has"),
            ("[source.a]\nurl = \"http://h\"\n", "url: its scheme is none of"),
            ("[source.a]\nurl = \"redis://h\"\nchannel = \"c\"\n", "names no stream and no list"),
            (
                "[source.a]\nurl = \"redis://h?list=l\"\nchannel = \"c\"\ncredentials_file = \"x\"\n",
                "credentials_file: only NATS has credentials",
            ),
            ("[source.a]\nurl = \"redis://h?list=l\"\n", "channel: a list needs one"),
            ("[source.a]\nurl = \"redis://h?list=l\"\nchannel = \"c:{\"\n", "channel: a brace has"),
            ("[source.a]\nurl = \"redis://h?list=l\"\nchannel = \"a b\"\n", "channel: "),
            (
                "[source.a]\nurl = \"redis://h?list=l\"\nchannel = \"c\"\ndata = \"x{/a}\"\n",
                "data: one placeholder is needed",
            ),
            (
                "[source.a]\nurl = \"redis://h?list=l\"\nchannel = \"c\"\npublish = [\"a b\"]\n",
                "publish: \"a b\" is neither a channel nor a pattern",
            ),
            (
                "[source.a]\nurl = \"redis://h?list=l\"\nchannel = \"c\"\nin_flight = 10001\n",
                "in_flight: 10001, expected 1 to 10000",
            ),
            (
                "[source.a]\nurl = \"redis://h?list=l\"\nchannel = \"c\"\non_bad = \"drop\"\n",
                "line 4: on_bad: \"drop\", expected one of \"stop\", \"skip\"",
            ),
            ("[source.a]\nurl = \"rediss://h?list=l\"\nchannel = \"c\"\n", "TLS needs a ca_file"),
        ] {
            let found = problem(text);
            assert!(found.contains(why), "{text}: {found}");
        }
    }

    #[test]
    fn a_url_and_a_channel_are_enough() {
        let text = "[source.a]\nurl = \"redis://h?stream=s\"\nchannel = \"c:{id}\"\n";
        let config = Config::parse(text).expect("it can be read");
        config.check().expect("it can be asked for");
        assert!(config.warnings().concat().contains("comes twice"), "{:?}", config.warnings());
        let config = Config::parse(&format!("data = \"d\"\n{text}")).expect("it can be read");
        assert_eq!(config.warnings(), Vec::<String>::new());
    }
}
