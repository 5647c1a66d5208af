//! The record of one channel.

use std::rc::Rc;

use crate::index::ROOT;
use crate::members::Members;
use crate::ring::Ring;
use crate::spaces::SettingsId;
use crate::tombstones::Past;
use crate::{Entry, Kind};

/// The record of one channel: settings, history, subscribers.
#[derive(Debug)]
pub(crate) struct Channel<M> {
    pub(crate) name: Rc<str>,
    pub(crate) settings: SettingsId,
    /// Its node in the index, if it is written.
    pub(crate) node: u32,
    pub(crate) past: Past,
    pub(crate) ring: Ring<M>,
    /// Subscriptions by name.
    pub(crate) members: Members,
    /// Messages that wait for the log.
    pub(crate) pending: u32,
    /// Whether the newest pending message ends the channel.
    pub(crate) ending: bool,
    /// When the oldest message is checked for expiry.
    pub(crate) alarm: Option<u64>,
    /// The patterns that match, as of `patterns_version`.
    pub(crate) patterns: Vec<u32>,
    pub(crate) patterns_version: Option<u64>,
}

impl<M> Channel<M> {
    pub(crate) fn new(name: Rc<str>, settings: SettingsId, past: Past) -> Self {
        Self {
            name,
            settings,
            node: ROOT,
            past,
            ring: Ring::default(),
            members: Members::default(),
            pending: 0,
            ending: false,
            alarm: None,
            patterns: Vec::new(),
            patterns_version: None,
        }
    }

    /// Whether the record has neither subscribers nor pending messages.
    pub(crate) fn is_unused(&self) -> bool {
        self.members.is_empty() && self.pending == 0
    }

    /// Counts one pending message less.
    pub(crate) fn settle_pending(&mut self, kind: Kind) {
        self.pending -= 1;
        self.ending &= kind != Kind::End;
    }

    /// Appends the newest message of the log.
    pub(crate) fn push(&mut self, entry: Rc<Entry<M>>) {
        self.past.last = entry.seq();
        self.past.ended = entry.kind == Kind::End;
        self.ring.push(entry);
    }
}
