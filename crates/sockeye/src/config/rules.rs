//! The access rules of a namespace in the configuration: readers, publishers, presence, keys.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, de::Error as _};
use sockeye_service::{Publishers, Readers, Rules};
use sockeye_terminal::Failure;
use sockeye_terminal::values::{WORKERS_MAX, address};

use super::words::EMPTY_PATH;
use super::{ChannelConfig, Config};

/// How long a user whose last stream has ended stays present, if the file does not say.
pub(super) const PRESENCE_SECONDS: u64 = 5;

/// Longest time for which a user without a stream stays present: long enough for a reconnect.
const PRESENCE_SECONDS_MAX: u64 = 3_600;

/// Longest time for which a key is remembered: 30 days.
const KEY_SECONDS_MAX: u64 = 30 * 24 * 3_600;

/// The clients that may subscribe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Subscribe {
    Granted,
    Known,
    Anyone,
}

/// The clients that may publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Publish {
    Granted,
    Known,
    Anyone,
    Keys,
}

pub(super) fn key_seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
    seconds(from, KEY_SECONDS_MAX)
}

pub(super) fn presence_seconds<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<u64>, D::Error> {
    seconds(from, PRESENCE_SECONDS_MAX)
}

/// A path, which has to lead somewhere: an empty one would be the directory of the file.
pub(super) fn path<'de, D: Deserializer<'de>>(from: D) -> Result<PathBuf, D::Error> {
    let path = PathBuf::deserialize(from)?;
    if path.as_os_str().is_empty() { Err(D::Error::custom(EMPTY_PATH)) } else { Ok(path) }
}

pub(super) fn some_path<'de, D: Deserializer<'de>>(from: D) -> Result<Option<PathBuf>, D::Error> {
    path(from).map(Some)
}

/// An address to listen on.
pub(super) fn some_address<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<SocketAddr>, D::Error> {
    let text = String::deserialize(from)?;
    address(&text).map(Some).map_err(|why| D::Error::custom(format!("{text:?}, {why}")))
}

/// A number that cannot be 0.
pub(super) fn positive<'de, D, N>(from: D) -> Result<N, D::Error>
where
    D: Deserializer<'de>,
    N: Deserialize<'de> + Default + PartialEq,
{
    let number = N::deserialize(from)?;
    if number == N::default() {
        return Err(D::Error::custom("0, expected at least 1"));
    }
    Ok(number)
}

/// The time after which a silent machine is probed, and one that leaves bytes unacknowledged is given up.
pub(super) fn dead_peer_seconds<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    match u32::deserialize(from)? {
        seconds if (5..=3_600).contains(&seconds) => Ok(seconds),
        seconds => Err(D::Error::custom(format!("{seconds}, expected 5 to 3600"))),
    }
}

/// Bytes that a socket keeps: the kernel counts them in 32 bits, and takes twice as much.
pub(super) fn socket_bytes<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    at_most(usize::deserialize(from)?, 1 << 29)
}

/// The largest message. In a log on disk a byte may take six, and SQLite bounds its rows.
pub(super) fn message_bytes<'de, D: Deserializer<'de>>(from: D) -> Result<Option<usize>, D::Error> {
    at_most(usize::deserialize(from)?, 1 << 27).map(Some)
}

fn at_most<E: serde::de::Error>(bytes: usize, max: usize) -> Result<usize, E> {
    if bytes <= max { Ok(bytes) } else { Err(E::custom(format!("{bytes}, expected 0 to {max}"))) }
}

/// A percentage, which cannot be 0.
pub(super) fn percentage<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    match usize::deserialize(from)? {
        percent if (1..=100).contains(&percent) => Ok(percent),
        percent => Err(D::Error::custom(format!("{percent}, expected 1 to 100"))),
    }
}

/// How many loops.
pub(super) fn workers<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    match usize::deserialize(from)? {
        workers if (1..=WORKERS_MAX).contains(&workers) => Ok(workers),
        workers => Err(D::Error::custom(format!("{workers}, expected 1 to {WORKERS_MAX}"))),
    }
}

/// A bounded time; what refuses it knows the line.
fn seconds<'de, D: Deserializer<'de>>(from: D, max: u64) -> Result<Option<u64>, D::Error> {
    match u64::deserialize(from)? {
        seconds if seconds <= max => Ok(Some(seconds)),
        seconds => Err(D::Error::custom(format!("{seconds} seconds, expected at most {max}"))),
    }
}

impl ChannelConfig {
    /// The rules, where nothing is said those of `base`.
    pub(super) fn rules(&self, base: &Self) -> Rules {
        let mut rules = Rules::default();
        let seconds = self.presence_seconds.or(base.presence_seconds).unwrap_or(PRESENCE_SECONDS);
        if self.presence.or(base.presence).unwrap_or(false) {
            rules.presence_ms = Some(seconds.saturating_mul(1_000));
        }
        rules.subscribe = match self.subscribe.or(base.subscribe) {
            Some(Subscribe::Granted) | None => Readers::Granted,
            Some(Subscribe::Known) => Readers::Known,
            Some(Subscribe::Anyone) => Readers::Anyone,
        };
        rules.publish = match self.publish.or(base.publish) {
            Some(Publish::Granted) | None => Publishers::Granted,
            Some(Publish::Known) => Publishers::Known,
            Some(Publish::Anyone) => Publishers::Anyone,
            Some(Publish::Keys) => Publishers::Keys,
        };
        rules.compress = self.compress.or(base.compress).unwrap_or(true);
        rules
    }
}

impl Config {
    /// Refuses rules about credentials where there are none.
    pub(super) fn check_rules(&self) -> Result<(), Failure> {
        if self.access.is_some() {
            return Ok(());
        }
        let channels = ("channels".to_owned(), &self.channels);
        let named = self.namespaces.iter().map(|(name, it)| (format!("namespaces.{name}"), it));
        for (table, it) in [channels].into_iter().chain(named) {
            let line = match (it.subscribe, it.publish) {
                (_, Some(Publish::Keys)) => "publish = \"keys\"",
                (_, Some(Publish::Known)) => "publish = \"known\"",
                (Some(Subscribe::Known), _) => "subscribe = \"known\"",
                _ => continue,
            };
            let key = line.split(' ').next().unwrap_or_default();
            let at = self.source.line_of(&table, key);
            return Err(Failure(format!(
                "{at}[{table}] {line}: without [access] nobody has a credential to show; expected \
                 \"granted\" or \"anyone\", or [access]"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Config {
        Config::parse(text).unwrap()
    }

    #[test]
    fn namespaces_say_who_may_what_and_the_rest_is_as_for_channels() {
        let config = parse(
            "[channels]\npresence = true\npresence_seconds = 7\nsubscribe = \"known\"\n\
             [namespaces.news]\nsubscribe = \"anyone\"\npublish = \"keys\"\nkey_seconds = 60\n\
             [namespaces.quiet]\npresence = false\n[namespaces.slow]\npresence_seconds = 0\n",
        );
        let rules = config.rules();
        let news = rules.of("news");
        assert_eq!((news.subscribe, news.publish), (Readers::Anyone, Publishers::Keys));
        assert_eq!(news.presence_ms, Some(7_000));
        assert_eq!(rules.of("quiet").presence_ms, None);
        assert_eq!(rules.of("slow").presence_ms, Some(0));
        assert_eq!(rules.of("other"), rules.of("more"));
        assert_eq!(rules.of("other").subscribe, Readers::Known);
        assert_eq!(rules.of("other").publish, Publishers::Granted);
        let hub = config.hub();
        assert_eq!(hub.settings_of("news").key_ms, 60_000);
        assert_eq!(hub.settings_of("other").key_ms, 300_000);
    }

    #[test]
    fn nonsense_is_refused_where_it_stands() {
        for (text, problem) in [
            (
                "[channels]\nkey_seconds = 2592001",
                "line 2: key_seconds: 2592001 seconds, expected at most",
            ),
            (
                "[namespaces.a]\n\npresence_seconds = 3601",
                "line 3: presence_seconds: 3601 seconds, expected at most 3600",
            ),
            (
                "[channels]\npresence_seconds = -1",
                "line 2: presence_seconds: -1, expected a whole number",
            ),
            ("[channels]\npresence = 1", "line 2: presence: 1, expected true or false"),
            ("[channels]\npublish = \"nobody\"", "line 2: publish: \"nobody\", expected one of"),
            ("[channels]\nsubscribe = \"keys\"", "line 2: subscribe: \"keys\", expected one of"),
        ] {
            let found = Config::parse(text).unwrap_err();
            assert!(found.starts_with(problem), "{found}");
        }
        for (text, problem) in [
            ("[namespaces.a]\npublish = \"keys\"", "[namespaces.a] publish = \"keys\": without"),
            ("[channels]\nsubscribe = \"known\"", "[channels] subscribe = \"known\": without"),
        ] {
            let found = parse(text).check().unwrap_err().to_string();
            assert!(found.starts_with(problem), "{found}");
            parse(&format!("{text}\n[access]\n")).check().unwrap();
        }
    }
}
