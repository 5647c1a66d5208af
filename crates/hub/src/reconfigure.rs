//! Other settings while it runs.

use crate::{Config, Hub};

impl<M> Hub<M> {
    /// Other bounds and settings from now on.
    ///
    /// History that is over the new bounds goes at once, and whoever was owed it has a gap, as for
    /// anything that was pushed out. Other settings hold for what comes: a pattern that is subscribed
    /// stays so, and what is over a bound that is not history's is taken from nobody.
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
