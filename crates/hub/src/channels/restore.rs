//! Channels of a log that this hub takes over.

use super::Channels;
use crate::Seq;
use crate::spaces::Spaces;
use crate::tombstones::{Past, Stamp};

impl<M> Channels<M> {
    /// Restores a channel without a record, as a tombstone.
    pub(crate) fn restore(&mut self, name: &str, last: Seq, ended: bool, config: &Spaces) {
        if self.find(name).is_some() || self.tombstones.knows(name) {
            return;
        }
        let past = Past { last, floor: last, dropped: self.next_stamp(), ended };
        self.tombstones.insert(name.into(), past, config);
    }

    /// Restores a channel whose messages up to `floor` are dropped, and whose others are pushed next.
    pub(crate) fn restore_history(&mut self, name: &str, floor: Seq, config: &Spaces) {
        if self.find(name).is_some() || self.tombstones.knows(name) {
            return;
        }
        let dropped = if floor == Seq::ZERO { Stamp::default() } else { self.next_stamp() };
        self.add_with(name, Past { last: floor, floor, dropped, ended: false }, config);
    }
}
