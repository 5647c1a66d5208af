//! The configuration: limits of the whole hub, and the settings of each namespace.

/// The settings of a namespace: history, patterns, keys, and what follows a gap.
///
/// Count, bytes *and* age bound a channel's history. The oldest message is dropped first.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Settings {
    /// Messages that a channel keeps. With zero, nothing can be replayed: a subscriber that falls
    /// behind is treated as [`on_overrun`](Self::on_overrun) says.
    pub history_messages_max: usize,
    /// Bytes that a channel keeps, counted as [`Entry::bytes`](crate::Entry::bytes).
    pub history_bytes_max: usize,
    /// How long a message is kept. `u64::MAX`: until another bound drops it.
    pub history_ms: u64,
    /// The cost of the largest message.
    pub message_bytes_max: usize,
    /// The messages that follow the gap of a resume.
    pub on_gap: OnGap,
    /// The treatment of a slow reader that history has overrun.
    pub on_overrun: OnOverrun,
    /// Whether patterns may be subscribed.
    pub patterns: PatternUse,
    /// How long an idempotency key is remembered after its commit. [`Limits::keys_max`] bounds all
    /// keys together.
    pub key_ms: u64,
}

impl Default for Settings {
    /// History of 256 messages, 256 KiB and five minutes; messages of 64 KiB; nothing after a gap;
    /// slow readers are closed; no patterns; keys for five minutes.
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

/// The messages that follow the gap of a resume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnGap {
    /// No old message: the client loads its state again.
    Nothing,
    /// The messages that history still has.
    Tail,
    /// The newest message only.
    Latest,
}

/// The treatment of a slow reader whose messages history no longer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnOverrun {
    /// The reader is closed, with its cursor.
    Close,
    /// A gap is declared, and the reader goes on with what history still has.
    Gap,
    /// A gap is declared, and the reader goes on with the newest message.
    Latest,
}

/// Whether clients may subscribe patterns over a namespace.
///
/// A pattern that begins with a wildcard needs all namespaces to allow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternUse {
    /// They are refused.
    Refused,
    /// They are allowed.
    Allowed,
}

/// The bounds of a hub. Its memory is a function of these, and of nothing that clients choose.
///
/// All namespaces share the tables of channels, history and tombstones. A namespace's *share*
/// is the limit divided by the number of configured namespaces plus one, which stands for the rest.
/// A full table evicts the oldest item of the newcomer's namespace if that has reached its share,
/// else of the largest namespace. Full history drops messages of the largest namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Subscribers at a time: streams, and polls while they wait.
    pub subscribers_max: usize,
    /// Subscriptions of one subscriber.
    pub subscriptions_max: usize,
    /// Channels with a record. A new channel in a full table evicts the longest-idle one of its own
    /// namespace if that is at its share, else of the largest namespace. A namespace at its share
    /// evicts nothing of one within its share: if it has no idle channel, its new channels are
    /// refused. Channels without a message take at most half, so that subscribers leave room for
    /// publishers. A [`Claim`](crate::Claim) is on a part of that half. Half of this part is for
    /// any namespace, and each namespace has an equal share of its other half to itself.
    pub channels_max: usize,
    /// Channels without a message that the subscribers of one [`Holder`](crate::Holder) are in.
    pub unwritten_per_holder_max: usize,
    /// Tombstones: the names and newest messages of evicted channels, so that a quiet channel has no
    /// false gap. When full, the hub folds the oldest tombstone of the newcomer's namespace if that
    /// is above its share, else of the largest, into the namespace's horizon. A condition on a folded
    /// channel is refused.
    pub tombstones_max: usize,
    /// Channels that have ended. They are remembered until the epoch ends; when full, no more
    /// channel can end. The first half is for any namespace, and each namespace has an equal part
    /// of the other half. Channels that another sequencer ends may exceed it.
    pub ended_max: usize,
    /// Different patterns subscribed at a time.
    pub patterns_max: usize,
    /// Patterns that the subscribers of one [`Holder`](crate::Holder) are in.
    pub patterns_per_holder_max: usize,
    /// Bytes of history in all channels. When full, the least recently written channel of the
    /// largest namespace drops its oldest message.
    pub history_bytes_max: usize,
    /// Messages that wait for the log.
    pub pending_max: usize,
    /// Idempotency keys remembered, each for [`Settings::key_ms`], at about 250 bytes and the names.
    /// When full, a publication with a new key is refused. The first half is for any namespace, and
    /// each namespace has an equal part of the other half; a channel may have a quarter. Restored
    /// and followed keys may exceed it.
    pub keys_max: usize,
    /// The longest idempotency key.
    pub key_bytes_max: usize,
    /// Runs of the log whose checks are known, one at least. Cursors from before the oldest are not
    /// checked.
    pub runs_max: usize,
    /// Gaps of single channels that one catch-up declares. Above it, a pattern gets one gap for all
    /// its channels.
    pub pattern_gaps_max: usize,
    /// Steps in which a pull lists the channels of its patterns that have newer messages, to merge
    /// their histories. If there are more channels, the pull goes through the log instead.
    pub pattern_list_max: usize,
    /// Steps of one pull through the log, and at most three times as many to find the gaps of its
    /// patterns. A step is a message of any channel, a visited channel, tombstone or prefix, or a
    /// node in the tree of the subscriber's patterns. A pull through the log goes on where the one
    /// before has stopped. A pattern whose gaps are not found has one gap for all its channels.
    pub pattern_steps_max: usize,
    /// Messages of a burst, which the subscribers of a channel are offered together. With 1, each
    /// message is delivered by itself.
    pub burst_messages_max: usize,
    /// Bytes of a burst, as [`Entry::bytes`](crate::Entry::bytes). The last message may exceed it.
    pub burst_bytes_max: usize,
    /// Subscriptions of a channel to which a burst is delivered at once. With more,
    /// [`Hub::fan_out_some`](crate::Hub::fan_out_some) delivers it to a few at a time.
    pub fan_out_members_max: usize,
    /// Fan-outs under way. With one more, the first of them goes on to its end.
    pub fan_outs_max: usize,
    /// Messages, keys and channels that one call drops because their time is over, or because
    /// bounds leave no room for them. The next call drops more. A channel that is evicted takes all
    /// of its messages with it in one call.
    pub drops_per_call_max: usize,
    /// How many of these steps a publication, a subscription or a pull takes for new settings.
    /// [`Hub::advance`](crate::Hub::advance) takes all of them.
    pub refits_beside_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            subscribers_max: 100_000,
            subscriptions_max: 128,
            channels_max: 131_072,
            unwritten_per_holder_max: 7_864,
            tombstones_max: 262_144,
            ended_max: 262_144,
            patterns_max: 4_096,
            patterns_per_holder_max: 491,
            history_bytes_max: 256 * 1024 * 1024,
            pending_max: 4_096,
            keys_max: 1_000_000,
            key_bytes_max: 128,
            runs_max: 4_096,
            pattern_gaps_max: 128,
            pattern_list_max: 1_024,
            pattern_steps_max: 16_384,
            burst_messages_max: 64,
            burst_bytes_max: 64 * 1024,
            fan_out_members_max: 16_384,
            fan_outs_max: 16,
            drops_per_call_max: 1_024,
            refits_beside_max: 4,
        }
    }
}

/// The limits of the hub and the settings of each namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The limits of the whole hub.
    pub limits: Limits,
    /// The settings of namespaces that are not named below.
    pub settings: Settings,
    /// Namespaces with their own settings. The first of two with the same name counts.
    pub namespaces: Vec<(String, Settings)>,
}

impl Config {
    /// The settings of a namespace. It is a linear scan: operators configure few namespaces.
    pub fn settings_of(&self, namespace: &str) -> &Settings {
        let named = self.namespaces.iter().find(|(name, _)| name == namespace);
        named.map_or(&self.settings, |(_, settings)| settings)
    }

    /// Whether clients may subscribe a pattern within `namespace`, or across all.
    pub(crate) fn allows_patterns(&self, namespace: Option<&str>) -> bool {
        let allows = |settings: &Settings| settings.patterns == PatternUse::Allowed;
        match namespace {
            Some(namespace) => allows(self.settings_of(namespace)),
            None => allows(&self.settings) && self.namespaces.iter().all(|(_, it)| allows(it)),
        }
    }
}
