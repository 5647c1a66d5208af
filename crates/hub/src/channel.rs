//! What the hub knows of one channel.

use std::rc::Rc;

use crate::config::SettingsId;
use crate::members::Members;
use crate::ring::Ring;
use crate::tombstones::Past;
use crate::{Entry, Kind};

#[derive(Debug)]
pub(crate) struct Channel<M> {
    pub(crate) name: Rc<str>,
    pub(crate) settings: SettingsId,
    pub(crate) past: Past,
    pub(crate) ring: Ring<M>,
    /// Exact subscriptions.
    pub(crate) members: Members,
    /// Messages that wait for the log.
    pub(crate) pending: u32,
    /// Whether the channel's last is one of them, and so the newest.
    pub(crate) ending: bool,
    /// When the oldest message is looked at again. It may have gone before.
    pub(crate) alarm: Option<u64>,
    /// The patterns that match, as of a version of the hub's patterns.
    pub(crate) patterns: Vec<u32>,
    pub(crate) patterns_version: Option<u64>,
}

impl<M> Channel<M> {
    pub(crate) fn new(name: Rc<str>, settings: SettingsId, past: Past) -> Self {
        Self {
            name,
            settings,
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

    /// Whether nobody needs the record.
    pub(crate) fn is_unused(&self) -> bool {
        self.members.is_empty() && self.pending == 0
    }

    /// One pending message has come into the log or never will.
    pub(crate) fn settle_pending(&mut self, kind: Kind) {
        self.pending -= 1;
        self.ending &= kind != Kind::End;
    }

    /// Takes a message that is the newest in the log.
    pub(crate) fn push(&mut self, entry: Rc<Entry<M>>) {
        self.past.last = entry.seq();
        self.past.ended = entry.kind == Kind::End;
        self.ring.push(entry);
    }
}
