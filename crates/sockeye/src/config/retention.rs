//! What the log on disk keeps, in the configuration.

use serde::{Deserialize, Deserializer, de};
use sockeye_log::{Limits, Policy, Rule, WhenFull};
use sockeye_terminal::Failure;

use super::rules::Publish;
use super::{ChannelConfig, Config, set};

/// What a channel keeps on disk, if the file does not say: 16 MiB.
pub(super) const KEEP_BYTES: u64 = 16 << 20;

/// How long, in seconds: a day.
pub(super) const KEEP_SECONDS: u64 = 24 * 3_600;

/// Bounds of the log on disk.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DiskConfig {
    /// Bytes of messages in all channels.
    pub(crate) bytes: u64,
    /// Channels that are remembered.
    pub(crate) channels: u64,
}

impl Default for DiskConfig {
    fn default() -> Self {
        let Limits { bytes_max, channels_max, .. } = Limits::default();
        Self { bytes: bytes_max, channels: channels_max }
    }
}

/// A number, or "forever".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Keep(pub(super) u64);

impl<'de> Deserialize<'de> for Keep {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Keep;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a whole number or \"forever\"")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Keep, E> {
                let unexpected = || E::invalid_value(de::Unexpected::Signed(number), &self);
                u64::try_from(number).map(Keep).map_err(|_| unexpected())
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Keep, E> {
                Ok(Keep(number))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Keep, E> {
                match text {
                    "forever" => Ok(Keep(Rule::FOREVER)),
                    text => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }

        from.deserialize_any(Visitor)
    }
}

/// The names of the variants of [`WhenFull`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum FullPolicy {
    Refuse,
    Trim,
}

/// The most that `[disk]` may ask for: what a file of SQLite and the log's numbers of channels have room for.
const BYTES_MAX: u64 = 1 << 42;
const CHANNELS_MAX: u64 = 1 << 31;

impl Config {
    /// What the log keeps of each namespace.
    pub(crate) fn retention(&self) -> Policy {
        let hub = self.hub();
        let mut base = Rule::default();
        base.keep_messages = Rule::FOREVER;
        base.keep_bytes = KEEP_BYTES;
        base.keep_ms = KEEP_SECONDS * 1_000;
        base.key_ms = hub.settings.key_ms;
        let base = self.channels.keep(base);
        let named = self.namespaces.iter().map(|(name, channel)| {
            // A part of the disk is that of one namespace.
            let mut rule = base;
            rule.share_bytes = None;
            rule.key_ms = hub.settings_of(name).key_ms;
            (name.clone(), channel.keep(rule))
        });
        Policy { rule: base, named: named.collect() }
    }

    /// Says that one publisher can take what all publishers share, if nothing divides it. An open server trusts
    /// everybody.
    pub(super) fn shares_warning(&self) -> Option<String> {
        let access = self.access.as_ref()?;
        let rule = self.channels.publish.unwrap_or(Publish::Granted);
        if !self.namespaces.is_empty() || !access.has_publishers(rule) {
            return None;
        }
        let what = match (&self.data, self.retention().rule.when_full) {
            (None, _) => {
                "the history in memory (history_bytes): one who floods many of them drops messages of the others"
            }
            (Some(_), WhenFull::Refuse) => {
                "the disk ([disk] bytes): one who fills it has publications to all of them refused (log_full)"
            }
            (Some(_), WhenFull::Trim) => {
                "the disk ([disk] bytes): one who floods many of them drops messages of the others"
            }
        };
        Some(format!("without [namespaces] all channels share {what}"))
    }

    /// Refuses parts of the disk that are larger than all of it.
    pub(super) fn check_disk(&self) -> Result<(), Failure> {
        let asked = self.retention();
        let rules = asked.named.iter().map(|(_, rule)| rule).chain([&asked.rule]);
        let asked = rules.filter_map(|rule| rule.share_bytes).fold(0, u64::saturating_add);
        let bytes = self.disk.bytes;
        if asked > bytes {
            let at = match self.source.line_of("disk", "bytes") {
                default if default.is_empty() => self.source.line_with(&["disk_bytes"]),
                given => given,
            };
            let what = format!("the namespaces reserve {asked} bytes (disk_bytes) of {bytes}");
            return Err(Failure(format!("{at}[disk] bytes: {what}")));
        }
        // One commit has to fit.
        let least = Limits::default().batch_bytes_max;
        self.check_range("bytes", bytes, (least, BYTES_MAX))?;
        self.check_range("channels", self.disk.channels, (1, CHANNELS_MAX))
    }

    fn check_range(&self, key: &str, value: u64, (least, most): (u64, u64)) -> Result<(), Failure> {
        if (least..=most).contains(&value) {
            return Ok(());
        }
        let at = self.source.line_of("disk", key);
        Err(Failure(format!("{at}[disk] {key}: {value}, expected {least} to {most}")))
    }
}

impl ChannelConfig {
    /// The rule, where nothing is said that of `base`.
    fn keep(&self, base: Rule) -> Rule {
        let mut rule = base;
        set(&mut rule.keep_messages, self.keep_messages.map(|it| it.0));
        set(&mut rule.keep_bytes, self.keep_bytes.map(|it| it.0));
        set(&mut rule.keep_ms, self.keep_seconds.map(|it| it.0.saturating_mul(1_000)));
        set(
            &mut rule.when_full,
            self.when_full.map(|it| match it {
                FullPolicy::Refuse => WhenFull::Refuse,
                FullPolicy::Trim => WhenFull::Trim,
            }),
        );
        rule.share_bytes = self.disk_bytes.or(rule.share_bytes);
        rule
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_say_what_they_keep_and_the_rest_is_as_for_channels() {
        let text = "[channels]\nkeep_messages = 5\nkey_seconds = 7\ndisk_bytes = 1000\n\
                    [namespaces.a]\nkeep_seconds = \"forever\"\nwhen_full = \"trim\"\n\
                    [namespaces.b]\nkeep_bytes = 9\nkeep_messages = \"forever\"\ndisk_bytes = 2000\n";
        let policy = Config::parse(text).unwrap().retention();
        let (rule, a, b) = (policy.rule, policy.named[0].1, policy.named[1].1);
        assert_eq!((rule.keep_messages, rule.keep_bytes), (5, KEEP_BYTES));
        assert_eq!((rule.keep_ms, rule.key_ms, rule.share_bytes), (86_400_000, 7_000, Some(1000)));
        assert_eq!((a.keep_messages, a.keep_ms, a.share_bytes), (5, Rule::FOREVER, None));
        assert_eq!((a.when_full, rule.when_full), (WhenFull::Trim, WhenFull::Refuse));
        assert_eq!((b.keep_messages, b.keep_bytes, b.share_bytes), (Rule::FOREVER, 9, Some(2000)));
    }

    #[test]
    fn publishers_who_share_everything_are_warned_of() {
        let key = |name: &str, publish: &str| {
            format!(
                "[[access.api_keys]]\nname = \"{name}\"\nsha256 = \"00\"\npublish = {publish}\n"
            )
        };
        let jwt = "[access.jwt]\nkeys = []\n";
        let tickets = "[access.tickets]\nsecret_file = \"x\"\n";
        let strangers = "[access]\npublish = [\">\"]\n";
        let rule = "[access]\n[channels]\npublish = \"anyone\"\n";
        let one = key("a", "[\">\"]");
        let two = one.clone() + &key("b", "[\"c\"]");
        let mute = key("b", "[]");
        let (memory, disk) = (Some("history in memory"), Some("refused (log_full)"));
        let data = |text: &str| format!("data = \"d\"\n{text}");
        for (text, told) in [
            (String::new(), None),
            (one.clone(), None),
            (format!("{one}{mute}"), None),
            (two.clone(), memory),
            (jwt.into(), memory),
            (strangers.into(), memory),
            (rule.into(), memory),
            (format!("{jwt}[channels]\npublish = \"keys\"\n"), None),
            (format!("{strangers}{one}[channels]\npublish = \"keys\"\n"), None),
            (format!("{two}[channels]\npublish = \"keys\"\n"), memory),
            (format!("{one}[channels]\npublish = \"known\"\n"), None),
            (format!("{one}{mute}[channels]\npublish = \"known\"\n"), memory),
            (format!("{jwt}[channels]\npublish = \"known\"\n"), memory),
            (format!("{jwt}[namespaces.chat]\n"), None),
            (data(tickets), disk),
            (data(&two), disk),
            (data(""), None),
            (
                data(&format!("{jwt}[channels]\nwhen_full = \"trim\"\n")),
                Some("disk ([disk] bytes): one who floods"),
            ),
        ] {
            let warnings = Config::parse(&text).unwrap().warnings();
            match told {
                None => assert_eq!(warnings, Vec::<String>::new(), "{text}"),
                Some(told) => {
                    assert!(warnings.iter().any(|it| it.contains(told)), "{text}: {warnings:?}");
                }
            }
        }
    }

    #[test]
    fn nonsense_is_refused_where_it_stands() {
        for (text, problem) in [
            ("[channels]\nkeep_bytes = -1", "line 2: keep_bytes: -1, expected a whole number or"),
            ("[channels]\nkeep_seconds = \"long\"", "line 2: keep_seconds: \"long\", expected a"),
            ("[channels]\nwhen_full = \"wait\"", "line 2: when_full: \"wait\", expected one of"),
            ("[disk]\nbytes = \"all\"", "line 2: bytes: \"all\", expected a whole number"),
        ] {
            let found = Config::parse(text).unwrap_err();
            assert!(found.starts_with(problem), "{found}");
        }
        let text = "[disk]\nbytes = 1000\n[namespaces.a]\ndisk_bytes = 1001\n";
        let found = Config::parse(text).unwrap().check().unwrap_err().to_string();
        assert!(found.contains("reserve 1001 bytes"), "{found}");
    }
}
