//! New limits and settings for a running hub.

use crate::{Config, Hub};

impl<M> Hub<M> {
    /// Replaces limits and settings.
    ///
    /// The hub trims history to the new limits and evicts idle channels above the new
    /// `channels_max`. It does so in steps: this call and each [`advance`](Self::advance) drop at most
    /// [`Limits::drops_per_call_max`](crate::Limits::drops_per_call_max), and
    /// [`is_overdue`](Self::is_overdue) says that there is more. A subscriber that was owed a trimmed
    /// message has a gap, as after any eviction. Everything else applies to new requests: existing
    /// subscriptions, channels in use and keys stay, even above a new limit.
    ///
    /// # Costs
    /// Settings that are the same cost nothing. Other names of namespaces, or another order of them,
    /// cost a look at each channel and tombstone at once.
    pub fn reconfigure(&mut self, config: Config, now_ms: u64) {
        let names = |config: &Config| -> Vec<String> {
            config.namespaces.iter().map(|(name, _)| name.clone()).collect()
        };
        let is_renamed = names(&config) != names(&self.config);
        let is_same = config == self.config;
        self.config = config;
        // [hub:reconfigure]
        if is_renamed {
            self.channels.refile(&self.config);
            self.keys.refile(&self.config);
        }
        if !is_same {
            self.channels.begin_refit();
        }
        self.advance(now_ms);
    }
}
