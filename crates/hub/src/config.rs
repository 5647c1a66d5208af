//! What an operator sets: bounds of the whole hub, and the settings of each namespace.

/// What a channel of a namespace keeps, and what happens to who missed something.
///
/// History is bounded by count, bytes *and* age, whichever comes first; the oldest goes first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Messages that a channel keeps. Zero: no history; who falls behind has a gap.
    pub history_messages_max: usize,
    /// Bytes that a channel keeps, counted as [`Entry::bytes`](crate::Entry::bytes).
    pub history_bytes_max: usize,
    /// How long a message is kept. `u64::MAX`: until it is pushed out.
    pub history_ms: u64,
    /// Cost of the largest message that is taken.
    pub message_bytes_max: usize,
    /// What a resume with a gap gets.
    pub on_gap: OnGap,
    /// What happens to a slow reader that history overran.
    pub on_overrun: OnOverrun,
    /// Whether patterns may be subscribed.
    pub patterns: PatternUse,
    /// How long an idempotency key is remembered once its message is in the log. All keys together
    /// are bounded by [`Limits::keys_max`].
    pub key_ms: u64,
}

impl Default for Settings {
    /// 256 messages, 256 KiB, five minutes; messages of 64 KiB; nothing after a gap; slow readers
    /// are sent away; no patterns; keys for five minutes.
    fn default() -> Self {
        Self {
            history_messages_max: 256,
            history_bytes_max: 256 * 1024,
            history_ms: 300_000,
            message_bytes_max: 64 * 1024,
            on_gap: OnGap::Nothing,
            on_overrun: OnOverrun::Close,
            patterns: PatternUse::Refused,
            key_ms: 300_000,
        }
    }
}

/// What follows a gap that a resume began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnGap {
    /// Nothing from before: the client loads its state anew.
    Nothing,
    /// What is left.
    Tail,
    /// The newest message only.
    Latest,
}

/// What happens when history no longer has what a slow reader is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnOverrun {
    /// It is to be closed, with its cursor.
    Close,
    /// A gap is declared, and it goes on with what is left.
    Gap,
    /// A gap is declared, and it goes on with the newest message.
    Latest,
}

/// Whether patterns over a namespace may be subscribed.
///
/// One that begins with a wildcard needs all namespaces to allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternUse {
    /// They are refused.
    Refused,
    /// They are allowed.
    Allowed,
}

/// Every bound of a hub. Memory is a function of these and of nothing that clients choose.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Subscribers at a time: streams, that is, and polls while they wait.
    pub subscribers_max: usize,
    /// Subscriptions of one subscriber: what a resume has to look through.
    pub subscriptions_max: usize,
    /// Channels with a record. Above it the one that has been idle for longest is forgotten, down
    /// to a tombstone; if none is idle, new channels are refused. The one that goes is of the
    /// namespace of the one that comes, if that has its equal share already; a namespace that keeps to
    /// its share loses nothing to one that does not. Those that nobody has published to take at
    /// most half, so that subscriptions leave room for publishers.
    pub channels_max: usize,
    /// Forgotten channels of which the name and the last place are kept, so that a quiet channel
    /// does not report a gap that it never had. Above it the oldest fold into the horizon of their
    /// namespace: first of the one that comes, if that has more than an equal share, or else of
    /// the one that has the most. What was folded is unknown, and a condition on it is refused.
    pub tombstones_max: usize,
    /// Channels that have ended. They stay known for as long as the epoch, record or not; above it
    /// no channel can end any more. Half is for whoever comes first, and of the other half each
    /// namespace has an equal part. What another authority ends is kept beyond it.
    pub ended_max: usize,
    /// Different patterns subscribed at a time.
    pub patterns_max: usize,
    /// Bytes of history in all channels. Above it, of the namespace that has the most, the channel
    /// that was written least recently loses its oldest message.
    pub history_bytes_max: usize,
    /// Messages admitted and not yet in the log.
    pub pending_max: usize,
    /// Idempotency keys remembered, each for [`Settings::key_ms`]. One channel has at most a
    /// sixteenth of them; above that its oldest is forgotten. Above the whole it is the oldest of the
    /// namespace of the one that comes, if that has more than an equal share, or else of the one
    /// that has the most.
    pub keys_max: usize,
    /// Longest key.
    pub key_bytes_max: usize,
    /// Messages replayed to one resume; a channel that would exceed it has a gap.
    pub replay_messages_max: usize,
    /// Bytes replayed to one resume, likewise.
    pub replay_bytes_max: usize,
    /// Channels with a gap that are named to one catching-up subscriber one by one; beyond it the
    /// pattern that they match has one gap as a whole.
    pub pattern_gaps_max: usize,
    /// Steps of one search for what a subscriber's patterns are owed: one for each channel that is
    /// looked at and one for each segment of patterns that it is compared with. First what was
    /// written since the cursor is looked at; if that is more, the names that begin as the patterns
    /// do; and if that is more, too, the pattern has one gap as a whole.
    pub pattern_steps_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            subscribers_max: 100_000,
            subscriptions_max: 128,
            channels_max: 131_072,
            tombstones_max: 262_144,
            ended_max: 262_144,
            patterns_max: 4_096,
            history_bytes_max: 256 * 1024 * 1024,
            pending_max: 4_096,
            keys_max: 100_000,
            key_bytes_max: 128,
            replay_messages_max: 1_000,
            replay_bytes_max: 1024 * 1024,
            pattern_gaps_max: 128,
            pattern_steps_max: 16_384,
        }
    }
}

/// Limits of the hub and settings by namespace.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Bounds of the whole hub.
    pub limits: Limits,
    /// For namespaces that are not named below.
    pub settings: Settings,
    /// Namespaces with settings of their own; of two with the same name the first counts.
    pub namespaces: Vec<(String, Settings)>,
}

/// Which settings: an index that channels keep instead of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SettingsId(u32);

impl SettingsId {
    /// Its place in lists by namespace; the last is for those without settings of their own.
    pub(crate) const fn slot(self) -> usize {
        self.0 as usize
    }
}

impl Config {
    /// The settings of a namespace.
    pub fn settings_of(&self, namespace: &str) -> &Settings {
        self.by_id(self.id_of(namespace))
    }

    /// A scan, done once per channel and subscription: an operator writes few namespaces.
    pub(crate) fn id_of(&self, namespace: &str) -> SettingsId {
        let at = self.namespaces.iter().position(|(name, _)| name == namespace);
        let slot = at.unwrap_or(self.namespaces.len());
        SettingsId(u32::try_from(slot).expect("an operator writes few namespaces"))
    }

    pub(crate) fn by_id(&self, id: SettingsId) -> &Settings {
        self.namespaces.get(id.0 as usize).map_or(&self.settings, |(_, settings)| settings)
    }

    /// Whether a pattern that stays in `namespace`, or in none, may be subscribed.
    pub(crate) fn allows_patterns(&self, namespace: Option<&str>) -> bool {
        let allows = |settings: &Settings| settings.patterns == PatternUse::Allowed;
        match namespace {
            Some(namespace) => allows(self.settings_of(namespace)),
            None => allows(&self.settings) && self.namespaces.iter().all(|(_, it)| allows(it)),
        }
    }
}
