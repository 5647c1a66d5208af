//! Counters and gauges.

/// Counters since the hub was made, and gauges of what it holds now.
///
/// [`Hub::stats`](crate::Hub::stats) returns them. The server counts what depends on sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Gauge: channels with a record.
    pub channels: usize,
    /// Gauge: channels with a record of which no message is known.
    pub unwritten: usize,
    /// Gauge: holders that are in any of these, and holders that are in a pattern.
    pub holders: usize,
    /// Gauge: tombstones of channels that have not ended.
    pub tombstones: usize,
    /// Gauge: channels that have ended, or are about to.
    pub endings: usize,
    /// Gauge: different patterns subscribed.
    pub patterns: usize,
    /// Gauge: subscribers.
    pub subscribers: usize,
    /// Gauge: subscriptions.
    pub subscriptions: usize,
    /// Gauge: messages in history.
    pub history_messages: u64,
    /// Gauge: bytes in history.
    pub history_bytes: u64,
    /// Gauge: messages that wait for the log.
    pub pending: usize,
    /// Gauge: idempotency keys remembered, those of pending messages included.
    pub keys: usize,
    /// Messages that were given a position.
    pub admitted: u64,
    /// Publications that repeated a key.
    pub duplicates: u64,
    /// Publications that were refused.
    pub refused: u64,
    /// Messages that were committed.
    pub committed: u64,
    /// Messages that were aborted.
    pub aborted: u64,
    /// Messages that live subscribers took.
    pub delivered: u64,
    /// Offers of fan-outs under way that did not wait for their step, because something else was about to come
    /// to the subscriber, or because there were too many fan-outs.
    pub hastened: u64,
    /// Messages that subscribers fetched from history.
    pub replayed: u64,
    /// Steps of searches for patterns: messages, channels, prefixes and pattern nodes visited.
    pub searched: u64,
    /// Steps in which messages, keys and channels were dropped, and in which new settings were applied.
    pub dropped: u64,
    /// Times a live subscriber had no room and fell behind.
    pub lagged: u64,
    /// Times a subscriber caught up without a gap.
    pub recovered: u64,
    /// Times a subscriber caught up with a gap at least.
    pub recovered_with_gaps: u64,
    /// Times history overran a slow reader, which was closed.
    pub overruns: u64,
    /// Gaps declared because the cursor was of another epoch.
    pub gaps_epoch: u64,
    /// Gaps declared because the cursor was above the head.
    pub gaps_ahead: u64,
    /// Gaps declared because another run of the log gave the cursor out.
    pub gaps_forked: u64,
    /// Gaps declared because history no longer had the messages.
    pub gaps_trimmed: u64,
    /// Gaps declared because of a limit: on gaps of single channels, or on steps of a search.
    pub gaps_limit: u64,
    /// Gaps declared because the cursor could not be read.
    pub gaps_unreadable: u64,
    /// Channels evicted, down to a tombstone, for lack of room.
    pub evicted_channels: u64,
    /// Messages dropped because [`Limits::history_bytes_max`](crate::Limits::history_bytes_max) was
    /// reached.
    pub evicted_messages: u64,
}

impl Stats {
    /// Adds the counters and gauges of another hub.
    pub fn add(&mut self, other: &Self) {
        // It does not compile if the list lacks a field.
        macro_rules! add {
            ($($figure:ident)*) => {
                let Self { $($figure),* } = *other;
                $(self.$figure += $figure;)*
            };
        }
        add! {
            channels unwritten holders tombstones endings patterns subscribers subscriptions pending keys
            history_messages history_bytes admitted duplicates refused committed aborted
            delivered hastened replayed searched dropped lagged recovered recovered_with_gaps overruns gaps_epoch
            gaps_ahead gaps_forked gaps_trimmed gaps_limit gaps_unreadable evicted_channels evicted_messages
        }
    }

    pub(crate) fn count_gap(&mut self, reason: crate::Reason) {
        use crate::Reason;
        let counter = match reason {
            Reason::Epoch => &mut self.gaps_epoch,
            Reason::Ahead => &mut self.gaps_ahead,
            Reason::Forked => &mut self.gaps_forked,
            Reason::Trimmed => &mut self.gaps_trimmed,
            Reason::Limit => &mut self.gaps_limit,
            Reason::Unreadable => &mut self.gaps_unreadable,
        };
        *counter += 1;
    }
}
