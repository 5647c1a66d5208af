//! New limits and settings for a running hub.

use crate::{Config, Hub};

impl<M> Hub<M> {
    /// Replaces limits and settings.
    ///
    /// Only history is trimmed to the new limits, at once; a subscriber that was owed a trimmed
    /// message has a gap, as after any eviction. Everything else applies to new requests: existing
    /// subscriptions, channels and keys stay, even above a new limit.
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
