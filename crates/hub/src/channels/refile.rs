//! New limits and new namespaces for existing channels.

use super::{Channels, count_mut};
use crate::Config;
use crate::name::namespace;

impl<M> Channels<M> {
    /// Begins to fit the records to new settings.
    pub(crate) fn begin_refit(&mut self) {
        self.refit = Some(0);
    }

    /// Goes on to fit the records to new settings: drops the oldest messages of each channel until
    /// it fits its namespace's bounds, in at most `left` steps.
    pub(crate) fn refit(&mut self, config: &Config, left: &mut usize) {
        while let Some(index) = self.refit.filter(|_| *left > 0) {
            *left -= 1;
            let Some(record) = self.records.get(index as usize) else {
                self.refit = None;
                return;
            };
            if record.is_some() {
                if !self.trim(index, config, left) {
                    return;
                }
                // The alarm is set by the former settings.
                self.clear_alarm(index);
                self.set_alarm(index, config.by_id(self.record(index).settings).history_ms);
                self.retire_if_bare(index, config);
            }
            self.refit = Some(index + 1);
        }
    }

    /// Sorts the records into new namespaces, and counts each namespace anew.
    pub(crate) fn refile(&mut self, config: &Config) {
        self.tombstones.refile(config);
        (self.held, self.held_bytes, self.endings) = (Vec::new(), Vec::new(), Vec::new());
        for slot in 0..self.records.len() {
            let Some(record) = &mut self.records[slot] else { continue };
            record.settings = config.id_of(namespace(&record.name));
            let id = record.settings.slot();
            *count_mut(&mut self.held, id) += 1;
            let bytes = usize::try_from(record.ring.bytes()).expect("history is in memory");
            *count_mut(&mut self.held_bytes, id) += bytes;
            let index = u32::try_from(slot).expect("channels are bounded");
            // A record that was not written has a tombstone, which is counted below.
            let ended = record.past.ended && self.written.has(index);
            *count_mut(&mut self.endings, id) += usize::from(ended || record.ending);
        }
        for name in self.tombstones.ended() {
            *count_mut(&mut self.endings, config.id_of(namespace(name)).slot()) += 1;
        }
        self.recount_bare(config);
        for index in self.idle.drain() {
            self.idle.put_last_of(self.record(index).settings.slot(), index);
        }
        for index in self.holding.drain() {
            self.holding.put_last_of(self.record(index).settings.slot(), index);
        }
    }
}
