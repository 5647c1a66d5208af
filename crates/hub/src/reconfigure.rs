//! New limits and settings for a running hub.

use crate::{Config, Hub};

impl<M> Hub<M> {
    /// Replaces limits and settings.
    ///
    /// The hub trims history to the new limits and evicts idle channels above the new
    /// `channels_max`, at once. A subscriber that was owed a trimmed message has a gap, as after any
    /// eviction. Everything else applies to new requests: existing subscriptions, channels in use and
    /// keys stay, even above a new limit.
    pub fn reconfigure(&mut self, config: Config, now_ms: u64) {
        let names = |config: &Config| -> Vec<String> {
            config.namespaces.iter().map(|(name, _)| name.clone()).collect()
        };
        let renamed = names(&config) != names(&self.config);
        self.config = config;
        // [hub:reconfigure]
        if renamed {
            self.channels.refile(&self.config);
            self.keys.refile(&self.config);
        }
        self.channels.reconfigure(&self.config);
        self.advance(now_ms);
    }
}
