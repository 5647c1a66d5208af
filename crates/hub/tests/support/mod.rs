//! A hub with small settings, and short words for what tests do to it.
#![allow(dead_code)]

use sockeye_hub::{
    Budget, ChannelName, Config, Cursor, Epoch, Flow, Gap, Hub, Item, Limits, OnGap, PatternUse,
    Progress, Publication, Published, Reason, Refusal, Scope, Seq, Settings, Start, SubscriberKey,
    Sync, Target,
};

pub(crate) const EPOCH: Epoch = Epoch(10);
pub(crate) const ALL: Budget = Budget { messages: usize::MAX, bytes: usize::MAX };

pub(crate) type TestHub = Hub<&'static str>;

/// Three messages a channel, a hundred milliseconds, patterns, and what is left after a gap.
pub(crate) fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.history_messages_max = 3;
    settings.history_ms = 100;
    settings.patterns = PatternUse::Allowed;
    settings.on_gap = OnGap::Tail;
    settings
}

pub(crate) fn hub_with(settings: Settings, limits: Limits) -> TestHub {
    Hub::new(EPOCH, Config { limits, settings, namespaces: Vec::new() })
}

pub(crate) fn hub() -> TestHub {
    hub_with(settings(), Limits::default())
}

pub(crate) fn at(seq: u64) -> Cursor {
    Cursor::new(EPOCH, Seq(seq))
}

pub(crate) fn after(seq: u64) -> Start {
    Start::After(at(seq))
}

pub(crate) fn name(name: &str) -> ChannelName<'_> {
    ChannelName::new(name).expect("a valid name")
}

pub(crate) fn message<'a>(channel: &'a str, body: &'static str) -> Publication<'a, &'static str> {
    Publication::new(name(channel), body, body.len())
}

pub(crate) fn try_publish(
    hub: &mut TestHub,
    publication: Publication<'_, &'static str>,
) -> Result<u64, Refusal> {
    match hub.publish(publication, 0, |_, _| Flow::Taken)? {
        Published::Committed(committed) => Ok(committed.entry.seq().0),
        Published::Duplicate(position) => Ok(position.seq.0),
    }
}

/// Publishes at time zero and gives the place.
pub(crate) fn publish(hub: &mut TestHub, channel: &str) -> u64 {
    try_publish(hub, message(channel, "m")).expect("it is taken")
}

pub(crate) fn connect(hub: &mut TestHub, targets: &[&str], start: Start) -> SubscriberKey {
    let key = hub.connect().expect("there is room");
    for target in targets {
        subscribe(hub, key, target, start).expect("there is room");
    }
    key
}

pub(crate) fn subscribe(
    hub: &mut TestHub,
    key: SubscriberKey,
    target: &str,
    start: Start,
) -> Result<(), Refusal> {
    let target = Target::new(target).expect("a valid target");
    hub.subscriber(key).expect("it is connected").subscribe(target, start, 0).map(drop)
}

/// Everything that one pull gives, as text: `1 2` for messages, `trimmed a(0,2]` for gaps, `sync`.
pub(crate) fn pull(hub: &mut TestHub, key: SubscriberKey, budget: Budget) -> (Progress, String) {
    let mut items = Vec::new();
    let progress = hub.subscriber(key).expect("it is connected").pull(budget, 0, &mut items);
    let words: Vec<String> = items.iter().map(word).collect();
    (progress, words.join(" "))
}

pub(crate) fn pull_all(hub: &mut TestHub, key: SubscriberKey) -> String {
    let (progress, words) = pull(hub, key, ALL);
    assert_eq!(progress, Progress::Live);
    words
}

pub(crate) fn word(item: &Item<&'static str>) -> String {
    match item {
        Item::Message(entry) => entry.seq().0.to_string(),
        Item::Gap(Gap { scope, reason, missed, ended }) => {
            let (Scope::Channel(name) | Scope::Pattern(name)) = scope;
            let end = if *ended { " ended" } else { "" };
            let (after, through) = (missed.after.0, missed.through.0);
            format!("{} {name}({after},{through}]{end}", reason.as_str())
        }
        Item::Sync(Sync { gaps: 0, .. }) => "sync".to_owned(),
        Item::Sync(Sync { gaps, .. }) => format!("sync with {gaps}"),
    }
}

/// The reasons of a hub's gaps so far.
pub(crate) fn gaps(hub: &TestHub, reason: Reason) -> u64 {
    let stats = hub.stats();
    match reason {
        Reason::Epoch => stats.gaps_epoch,
        Reason::Ahead => stats.gaps_ahead,
        Reason::Forked => stats.gaps_forked,
        Reason::Trimmed => stats.gaps_trimmed,
        Reason::Limit => stats.gaps_limit,
        Reason::Unreadable => stats.gaps_unreadable,
    }
}
