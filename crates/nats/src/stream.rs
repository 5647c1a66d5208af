//! The stream that keeps the log: its settings, and what the server says of it.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use async_nats::jetstream::stream::{
    Config, DiscardPolicy, Info, RetentionPolicy, State, StorageType,
};
use sockeye_backbone::LogEnds;

use crate::config::NatsConfig;
use crate::shared::position;

/// A stream as its server describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Description {
    pub(crate) ends: LogEnds,
    /// Its subject, which no other life of the log has.
    pub(crate) subject: Arc<str>,
    /// The newest sequence that it ever gave. The next entry has the next one.
    pub(crate) newest: u64,
    /// The bytes of the largest message; `None` if the stream has no bound of its own.
    pub(crate) message_bytes_max: Option<usize>,
}

impl Description {
    pub(crate) fn new(info: &Info) -> Self {
        Self {
            ends: ends(info.created.unix_timestamp_nanos(), &info.state),
            subject: info.config.subjects.first().map_or("", String::as_str).into(),
            newest: info.state.last_sequence,
            message_bytes_max: usize::try_from(info.config.max_message_size)
                .ok()
                .filter(|bytes| *bytes > 0),
        }
    }
}

/// The ends of a stream that was created at a time, which is its identity. While a server creates a stream, it tells of a time
/// long ago: there is no log yet.
fn ends(created_ns: i128, state: &State) -> LogEnds {
    let identity = u64::try_from(created_ns).unwrap_or_default();
    if identity == 0 {
        return LogEnds::default();
    }
    let has_entries = state.messages > 0;
    LogEnds {
        identity,
        first: has_entries.then(|| position(state.first_sequence)),
        last: has_entries.then(|| position(state.last_sequence)),
    }
}

/// The stream that is created if there is none. The last word of its subject is another one each time: an append that
/// was meant for a stream before it finds nobody.
pub(crate) fn config(config: &NatsConfig) -> Config {
    let life = RandomState::new().hash_one(0);
    Config {
        name: config.stream.clone().into(),
        subjects: vec![format!("{}{life:016x}", config.subject_prefix())],
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::New,
        storage: StorageType::File,
        num_replicas: usize::try_from(config.replicas.max(1)).unwrap_or(usize::MAX),
        max_messages: -1,
        max_bytes: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        ..Config::default()
    }
}

/// Why a stream cannot keep the log, and what to change.
pub(crate) fn objection(stream: &Config, config: &NatsConfig) -> Option<String> {
    unchangeable(stream)
        .map(|what| format!("{what}: remove it, or name another one (?stream=NAME)"))
        .or_else(|| forgetful(stream))
        .or_else(|| closed(stream, config))
}

/// Settings that stay as the stream was created.
fn unchangeable(stream: &Config) -> Option<&'static str> {
    if stream.storage == StorageType::Memory {
        return Some("forgets the log when the server ends (storage is memory)");
    }
    if stream.retention != RetentionPolicy::Limits {
        return Some("forgets entries that consumers have read (retention is not limits)");
    }
    if stream.mirror.is_some() || stream.sources.as_ref().is_some_and(|sources| !sources.is_empty())
    {
        return Some("copies other streams (mirror or sources)");
    }
    if stream.sealed {
        return Some("takes no more entries (it is sealed)");
    }
    if stream.deny_purge {
        return Some("cannot be trimmed (deny_purge)");
    }
    None
}

/// Settings that let the stream drop entries.
fn forgetful(stream: &Config) -> Option<String> {
    if !stream.max_age.is_zero() {
        return Some(format!(
            "forgets old entries (max_age is {:?}): set max_age to 0",
            stream.max_age
        ));
    }
    if stream.max_messages_per_subject > 0 {
        let bound = stream.max_messages_per_subject;
        return Some(format!(
            "forgets old entries (max_msgs_per_subject is {bound}): set max_msgs_per_subject to -1"
        ));
    }
    // Also with `discard: new`: nats-server 2.9 drops its oldest messages at the bound all the same.
    [("max_msgs", stream.max_messages), ("max_bytes", stream.max_bytes)]
        .into_iter()
        .find(|(_, bound)| *bound > 0)
        .map(|(name, bound)| {
            format!("may forget old entries when it is full ({name} is {bound}): set {name} to -1")
        })
}

/// Settings that keep entries out, let others in, or keep too few copies.
fn closed(stream: &Config, config: &NatsConfig) -> Option<String> {
    let prefix = config.subject_prefix();
    if !matches!(&*stream.subjects, [subject] if is_word_behind(subject, &prefix)) {
        let subjects: Vec<_> =
            stream.subjects.iter().map(|it| it.escape_debug().to_string()).collect();
        return Some(format!(
            "has other subjects ({}): set subjects to {prefix}WORD, and to nothing else",
            subjects.join(", ")
        ));
    }
    if stream.no_ack {
        return Some("does not confirm entries (no_ack): set no_ack to false".into());
    }
    if stream.allow_rollup {
        return Some(
            "lets one message remove all others (allow_rollup_hdrs): set allow_rollup_hdrs to false".into(),
        );
    }
    let copies = u32::try_from(stream.num_replicas).unwrap_or(u32::MAX).max(1);
    (copies < config.replicas).then(|| {
        format!(
            "has {copies} of the {} copies that are asked for: set num_replicas, or ask for fewer (replicas=)",
            config.replicas
        )
    })
}

/// Whether a subject is a prefix and one word that is no wildcard.
fn is_word_behind(subject: &str, prefix: &str) -> bool {
    let word = subject.strip_prefix(prefix);
    word.is_some_and(|word| !word.is_empty() && !word.contains(['.', '*', '>']))
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use async_nats::jetstream::stream::Source;

    use super::*;

    fn wanted() -> NatsConfig {
        NatsConfig::from_url("nats://h?stream=log&replicas=3").expect("a URL")
    }

    fn objection_to(change: fn(&mut Config)) -> Option<String> {
        let mut stream = config(&wanted());
        change(&mut stream);
        objection(&stream, &wanted())
    }

    #[test]
    fn the_stream_that_is_created_is_taken() {
        assert_eq!(objection_to(|_| {}), None);
        let [one, other] = [0, 1].map(|_| config(&wanted()).subjects);
        assert!(one[0].starts_with("log.log.") && one != other, "{one:?}, {other:?}");
    }

    #[test]
    fn settings_that_keep_the_promise_pass() {
        for change in [
            (|it| it.discard = DiscardPolicy::Old) as fn(&mut Config),
            |it| it.deny_delete = true,
            |it| it.num_replicas = 5,
            |it| it.allow_direct = true,
        ] {
            assert_eq!(objection_to(change), None);
        }
    }

    #[test]
    fn settings_that_cannot_are_refused_in_one_line_that_says_what_to_change() {
        for (change, what, advice) in [
            (
                (|it| it.storage = StorageType::Memory) as fn(&mut Config),
                "storage is memory",
                "remove it",
            ),
            (|it| it.retention = RetentionPolicy::WorkQueue, "retention", "remove it"),
            (|it| it.retention = RetentionPolicy::Interest, "retention", "remove it"),
            (|it| it.mirror = Some(Source::default()), "mirror", "remove it"),
            (|it| it.sources = Some(vec![Source::default()]), "sources", "remove it"),
            (|it| it.sealed = true, "sealed", "remove it"),
            (|it| it.deny_purge = true, "deny_purge", "remove it"),
            (|it| it.max_age = Duration::from_secs(1), "max_age is 1s", "set max_age to 0"),
            (|it| it.max_messages_per_subject = 1, "max_msgs_per_subject is 1", "to -1"),
            (|it| it.max_messages = 7, "max_msgs is 7", "set max_msgs to -1"),
            (|it| it.max_bytes = 8, "max_bytes is 8", "set max_bytes to -1"),
            (|it| it.subjects = vec!["log.>".into()], "log.>", "set subjects to log.log.WORD"),
            (|it| it.subjects = vec!["log.log.*".into()], "log.log.*", "to log.log.WORD"),
            (|it| it.subjects = vec!["log.log".into()], "log.log)", "to log.log.WORD"),
            (|it| it.subjects = vec!["log.log.a.b".into()], "log.log.a.b", "to log.log.WORD"),
            (|it| it.subjects.push("more".into()), ", more", "nothing else"),
            (|it| it.no_ack = true, "no_ack", "set no_ack to false"),
            (|it| it.allow_rollup = true, "allow_rollup_hdrs", "to false"),
            (|it| it.num_replicas = 1, "1 of the 3 copies", "set num_replicas"),
        ] {
            let text = objection_to(change).unwrap_or_else(|| panic!("{what} passes"));
            assert!(text.contains(what) && text.contains(advice) && !text.contains('\n'), "{text}");
        }
    }

    fn info(created: &str, messages: u64, first: u64, last: u64) -> Info {
        let never = "0001-01-01T00:00:00Z";
        let config = serde_json_of(&config(&wanted()));
        let text = format!(
            r#"{{"config":{config},"created":"{created}","state":{{"messages":{messages},"bytes":0,
            "first_seq":{first},"first_ts":"{never}","last_seq":{last},"last_ts":"{never}","consumer_count":0}}}}"#
        );
        serde_json::from_str(&text).expect("an answer of a server")
    }

    fn serde_json_of(config: &Config) -> String {
        serde_json::to_string(config).expect("settings")
    }

    #[test]
    fn ends_are_those_of_entries_and_the_identity_is_the_time_of_creation() {
        let known = Description::new(&info("2026-11-25T00:44:04.433422571Z", 2, 3, 4));
        assert_eq!(known.ends.identity, 1_795_567_444_433_422_571);
        assert_eq!((known.ends.first, known.ends.last), (Some(position(3)), Some(position(4))));
        // A stream that was purged goes on with the next sequence.
        let purged = Description::new(&info("2026-11-25T00:44:04.433422571Z", 0, 5, 4));
        assert_eq!((purged.ends.first, purged.ends.last, purged.newest), (None, None, 4));
        let other = Description::new(&info("2026-11-25T00:44:04.433422572Z", 2, 3, 4));
        assert_ne!(known.ends.identity, other.ends.identity);
    }

    /// Seen with nodes that create the stream at the same time. With an identity of its own, it would be another log a moment later.
    #[test]
    fn a_stream_that_is_being_created_is_none_yet() {
        let early = Description::new(&info("0001-01-01T00:00:00Z", 0, 0, 0));
        assert_eq!(early.ends, LogEnds::default());
    }
}
