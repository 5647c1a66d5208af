//! New limits and settings for a running hub.

use crate::{Config, Hub};

impl<M> Hub<M> {
    /// Replaces limits and settings.
    ///
    /// The hub trims history to the new limits, evicts idle channels above the new `channels_max`, and
    /// files channels and tombstones where they belong, if a namespace has got settings of its own or
    /// lost them. It does so in steps: this call and each [`advance`](Self::advance) take at most
    /// [`Limits::drops_per_call_max`](crate::Limits::drops_per_call_max), and
    /// [`is_overdue`](Self::is_overdue) says that there is more. A subscriber that was owed a trimmed
    /// message has a gap, as after any eviction. Everything else applies to new requests at once:
    /// existing subscriptions, channels in use and keys stay, even above a new limit.
    ///
    /// Until the steps are done, a channel counts against the share of its former namespace, unless it
    /// is used meanwhile. Channels that have come to the namespaces without settings of their own count
    /// as the least recently used of these. Another call begins the steps anew.
    ///
    /// # Costs
    /// Settings that are the same cost nothing. Others cost a step for each channel in all, and two
    /// more for each channel and tombstone that may have to be filed elsewhere. Another order of the
    /// namespaces moves nothing.
    pub fn reconfigure(&mut self, config: Config, now_ms: u64) {
        if config != *self.config.config() {
            // [hub:reconfigure]
            self.config.replace(config);
            self.channels.begin_refit(&self.config);
        }
        self.advance(now_ms);
    }
}
